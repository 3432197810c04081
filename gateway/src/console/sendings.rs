//! `/billing/sendings`: what was sent, what came of it, and the very file.

use std::sync::Arc;

use axum::body::Body;
use axum::http::Response;
use futures_util::stream;

use super::desk::{Desk, Fields, Stopped};
use super::lines::next;
use super::office::{is_id, message, wrongs};
use super::pages::{SendingPage, SendingsPage};
use super::view::{Decided, DestinationSum};
use super::{DOWNLOAD, VIEW};
use crate::billing::states::LineState;
use crate::billing::{Books, CareDecision, Finding};
use crate::error::Failure;
use crate::fhir::exchange::Exchange;
use crate::storage::billing::{BillingMessageRow, LineFilter, SendingRow, SendingTotalRow};

/// Sendings of a page.
const SENDINGS: u32 = 50;
/// Lines of a page, and refused ones above them.
const LINES: u32 = 50;
const REFUSED: u32 = 200;

/// `GET /billing/sendings`
pub async fn list(exchange: Exchange) -> Response<Body> {
    listed(exchange).await.unwrap_or_else(|stopped| stopped)
}

async fn listed(exchange: Exchange) -> Result<Response<Body>, Stopped> {
    let desk = Desk::open(exchange, VIEW).await?;
    let page = sendings_page(&desk).await;
    let page = desk.or_stopped(page).await?;
    Ok(desk.show("list=sendings", &page).await)
}

/// The id after which a list goes on; empty for its beginning.
fn after(desk: &Desk) -> Result<String, Failure> {
    let wrong = || Failure::BadRequest(Vec::new());
    let fields = Fields::read(desk.exchange.uri.query().unwrap_or_default().as_bytes()).ok_or_else(wrong)?;
    let after = fields.get("after");
    if after.is_empty() || is_id(after) { Ok(after.to_owned()) } else { Err(wrong()) }
}

async fn sendings_page(desk: &Desk) -> Result<SendingsPage, Failure> {
    let (store, compartment) = (&desk.exchange.app.store, desk.caller.organization());
    let rows = store.sendings(&compartment, &[], (&after(desk)?, SENDINGS)).await?;
    let unknown = store.billing_messages(&compartment, ("", "unknown")).await?;
    let decisions = store.billing_messages(&compartment, ("", "applied")).await?;
    let decided = |row: &BillingMessageRow| -> Result<Option<Decided>, Failure> {
        let fund = row.partner.rsplit('/').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        let decided = CareDecision::of(row)?.map(|decision| Decided {
            request: decision.request,
            fund: desk.insurer(fund),
            state: decision.state,
            from: decision.from,
            until: decision.until,
            tariff_class: decision.tariff_class,
            received_ms: row.received_ms,
        });
        Ok(decided)
    };
    let decisions: Vec<Option<Decided>> = decisions.iter().rev().map(decided).collect::<Result<_, _>>()?;
    let is_full = u32::try_from(rows.len()).is_ok_and(|rows| rows == SENDINGS);
    let next = rows.last().filter(|_| is_full).map(|last| format!("/billing/sendings?after={}", last.id));
    Ok(SendingsPage {
        shell: desk.shell.clone(),
        sendings: rows.iter().map(|row| desk.sending(row)).collect(),
        unknown: unknown.iter().map(message).collect(),
        decisions: decisions.into_iter().flatten().collect(),
        next: next.unwrap_or_default(),
    })
}

/// `GET /billing/sendings/[id]`
pub async fn show(exchange: Exchange, id: String) -> Response<Body> {
    one(exchange, &id).await.unwrap_or_else(|stopped| stopped)
}

async fn one(exchange: Exchange, id: &str) -> Result<Response<Body>, Stopped> {
    let desk = Desk::open(exchange, VIEW).await?;
    let page = sending_page(&desk, id).await;
    let page = desk.or_stopped(page).await?;
    Ok(desk.show(&format!("sending={id}"), &page).await)
}

async fn row(desk: &Desk, id: &str) -> Result<SendingRow, Failure> {
    if !is_id(id) {
        return Err(Failure::NotFound);
    }
    let row = desk.exchange.app.store.sending(&desk.caller.organization(), id).await?;
    row.ok_or(Failure::NotFound)
}

async fn sending_page(desk: &Desk, id: &str) -> Result<SendingPage, Failure> {
    let (store, compartment) = (&desk.exchange.app.store, desk.caller.organization());
    let sending = row(desk, id).await?;
    let filter = LineFilter { sending: id.to_owned(), ..LineFilter::default() };
    let refused = LineFilter { states: vec![LineState::Refused.code()], ..filter.clone() };
    let refused = store.claim_lines(&compartment, &refused, ("", REFUSED)).await?;
    let lines = store.claim_lines(&compartment, &filter, (&after(desk)?, LINES)).await?;
    let totals = store.sending_totals(&compartment, id).await?;
    let messages = store.billing_messages(&compartment, (id, "")).await?;
    let sum = |total: &SendingTotalRow| DestinationSum {
        payer: desk.insurer(total.payer),
        requested_cents: total.requested_cents,
        accepted_cents: total.accepted_cents,
        refused_cents: total.refused_cents,
        records: total.records,
        invoices: total.invoices,
        payment: total.payment_reference.clone(),
    };
    let said = |remark: &str| -> Result<_, Failure> { Ok(wrongs(desk.shell.words, &Finding::read(remark)?)) };
    let mut wrong = said(&sending.remark)?;
    for message in &messages {
        wrong.extend(said(&message.remark)?);
    }
    Ok(SendingPage {
        shell: desk.shell.clone(),
        sending: desk.sending(&sending),
        wrong,
        totals: totals.iter().map(sum).collect(),
        refused: desk.lines(&refused).await?,
        lines: desk.lines(&lines).await?,
        next: next(&lines, LINES, &format!("/billing/sendings/{id}?")),
        messages: messages.iter().map(message).collect(),
    })
}

/// `GET /billing/sendings/[id]/file`: the very file that was sealed.
pub async fn file(exchange: Exchange, id: String) -> Response<Body> {
    handed_out(exchange, &id).await.unwrap_or_else(|stopped| stopped)
}

async fn handed_out(exchange: Exchange, id: &str) -> Result<Response<Body>, Stopped> {
    let desk = Desk::open(exchange, DOWNLOAD).await?;
    let sending =
        row(&desk, id).await.and_then(|row| if row.file_bytes > 0 { Ok(row) } else { Err(Failure::NotFound) });
    let sending = desk.or_stopped(sending).await?;
    let name = format!("{}-{:03}-{}.txt", sending.year, sending.number, sending.federation);
    let body = content(&desk, sending);
    Ok(desk.hand_out(&format!("sending={id}"), &name, "text/plain;charset=us-ascii", body).await)
}

/// The parts of a file, each opened when the one before it was taken. Where one cannot be, the connection breaks off: half a file is none.
fn content(desk: &Desk, sending: SendingRow) -> Body {
    let (app, actor, compartment) = (Arc::clone(&desk.exchange.app), desk.actor(), desk.caller.organization());
    Body::from_stream(stream::unfold(
        (app, actor, compartment, sending, 0),
        |(app, actor, compartment, sending, part)| async move {
            let opened = Books::new(&app, compartment.clone(), actor.clone()).file_part(&sending, part).await;
            let item = match opened {
                Ok(text) => Ok(text?),
                Err(failure) => {
                    tracing::error!(?failure, "a file of billing was not handed out to its end");
                    Err("a part of the file cannot be read")
                }
            };
            // After a fault there is no further part.
            let next = if item.is_ok() { part + 1 } else { i64::MAX };
            Some((item, (app, actor, compartment, sending, next)))
        },
    ))
}
