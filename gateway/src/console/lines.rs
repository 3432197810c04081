//! `GET /billing/lines` and one line: lists by state, month and payer, and what can be done about a line.

use axum::body::Body;
use axum::http::Response;

use super::correct::fields_of;
use super::desk::{Desk, Fields, Stopped};
use super::office::{UNPAID, is_id, month_of, month_text, total};
use super::pages::{Choice, LinePage, LinesPage};
use super::{VIEW, view};
use crate::billing::Wanted;
use crate::billing::states::LineState;
use crate::error::Failure;
use crate::fhir::exchange::Exchange;
use crate::storage::billing::{ClaimLineRow, LineFilter};

/// Lines of a page.
const PAGE: u32 = 50;

/// Which lines are asked for.
pub(super) struct Asked {
    pub(super) filter: LineFilter,
    /// The same as a query, to be asked again.
    pub(super) query: String,
    /// The state as it is chosen from the list.
    state: String,
    after: String,
}

impl Asked {
    /// Reads a query; none where it is not understood: what is left out by mistake shows more than was asked for.
    pub(super) fn read(desk: &Desk, query: &str) -> Result<Self, Failure> {
        let wrong = || Failure::BadRequest(Vec::new());
        let fields = Fields::read(query.as_bytes()).ok_or_else(wrong)?;
        let (state, after) = (fields.get("state"), fields.get("after"));
        let mut filter = LineFilter::default();
        match state {
            "" => {}
            "prescribing" => {
                filter.states = UNPAID.map(LineState::code).to_vec();
                filter.before = desk.prescribing_before()?;
            }
            state => filter.states = vec![LineState::from_code(state).ok_or_else(wrong)?.code()],
        }
        if !fields.get("month").is_empty() {
            filter.month = month_of(fields.get("month")).ok_or_else(wrong)?;
        }
        if !(after.is_empty() || is_id(after)) {
            return Err(wrong());
        }
        let month = if filter.month == 0 { String::new() } else { month_text(filter.month) };
        let query = format!("&state={state}&month={month}");
        Ok(Self { filter, query, state: state.to_owned(), after: after.to_owned() })
    }
}

/// `GET /billing/lines`
pub async fn list(exchange: Exchange) -> Response<Body> {
    listed(exchange).await.unwrap_or_else(|stopped| stopped)
}

async fn listed(exchange: Exchange) -> Result<Response<Body>, Stopped> {
    let desk = Desk::open(exchange, VIEW).await?;
    let asked = Asked::read(&desk, desk.exchange.uri.query().unwrap_or_default());
    let asked = desk.or_stopped(asked).await?;
    let page = lines_page(&desk, &asked).await;
    let page = desk.or_stopped(page).await?;
    Ok(desk.show(&format!("list=lines{}", asked.query), &page).await)
}

async fn lines_page(desk: &Desk, asked: &Asked) -> Result<LinesPage, Failure> {
    let (store, compartment, words) = (&desk.exchange.app.store, desk.caller.organization(), desk.shell.words);
    let counts = store.claim_counts(&compartment, &asked.filter).await?;
    let (count, cents) = total(counts.iter());
    let rows = store.claim_lines(&compartment, &asked.filter, (&asked.after, PAGE)).await?;
    let states = LineState::ALL.into_iter().map(LineState::code).chain(["prescribing"]);
    let choice = |state: &str| -> Choice {
        let is_chosen = state == asked.state;
        (state.to_owned(), words.of("state", state), is_chosen)
    };
    Ok(LinesPage {
        shell: desk.shell.clone(),
        states: states.map(choice).collect(),
        month: if asked.filter.month == 0 { String::new() } else { month_text(asked.filter.month) },
        lines: desk.lines(&rows).await?,
        count,
        cents,
        next: next(&rows, PAGE, &format!("/billing/lines?{}", asked.query.trim_start_matches('&'))),
        query: asked.query.clone(),
    })
}

/// Where the page after this one is; empty where this one is the last.
pub(super) fn next(rows: &[ClaimLineRow], page: u32, from: &str) -> String {
    let is_full = u32::try_from(rows.len()).is_ok_and(|rows| rows == page);
    rows.last().filter(|_| is_full).map(|last| format!("{from}&after={}", last.id)).unwrap_or_default()
}

/// `GET /billing/lines/[id]`
pub async fn show(exchange: Exchange, id: String) -> Response<Body> {
    one(exchange, &id).await.unwrap_or_else(|stopped| stopped)
}

async fn one(exchange: Exchange, id: &str) -> Result<Response<Body>, Stopped> {
    let desk = Desk::open(exchange, VIEW).await?;
    let row = row(&desk, id).await;
    let row = desk.or_stopped(row).await?;
    let page = line_page(&desk, &row, None).await;
    let page = desk.or_stopped(page).await?;
    Ok(desk.show(&format!("line={id}"), &page).await)
}

/// A line of this organisation.
pub(super) async fn row(desk: &Desk, id: &str) -> Result<ClaimLineRow, Failure> {
    if !is_id(id) {
        return Err(Failure::NotFound);
    }
    desk.books().line(id).await
}

/// The page of a line; with a form that was sent and cannot be, and why.
pub(super) async fn line_page(
    desk: &Desk,
    row: &ClaimLineRow,
    sent: Option<(&Fields, Vec<String>)>,
) -> Result<LinePage, Failure> {
    let mut lines = desk.lines(std::slice::from_ref(row)).await?;
    let line = lines.pop().unwrap_or_else(view::Line::default);
    let people = desk.books().people(std::slice::from_ref(&row.person)).await?;
    let person = people.get(&row.person).cloned().unwrap_or_default();
    let mut fields = fields_of(row, &person)?;
    for field in &mut fields {
        field.is_wrong = line.wrong.iter().any(|one| one.field == field.name);
        if let Some((sent, _)) = &sent {
            // What a number was typed as is not shown again.
            field.value = if field.name == "number" { String::new() } else { sent.get(field.name).to_owned() };
        }
    }
    let waits_until = if line.is_correctable() { waits_until(desk, row).await? } else { String::new() };
    let objections = sent.map(|(_, objections)| objections).unwrap_or_default();
    Ok(LinePage { shell: desk.shell.clone(), seen: row.changed_ms, line, fields, objections, waits_until })
}

/// Until which day the file of this line would have to wait; empty where it can leave today.
async fn waits_until(desk: &Desk, row: &ClaimLineRow) -> Result<String, Failure> {
    let Some(wanted) = wanted(desk, row)? else { return Ok(String::new()) };
    if desk.books().may_seal_today(&wanted).await? { Ok(String::new()) } else { desk.tomorrow() }
}

/// The file with which a line goes; none for one that goes with none, or of which that is not known yet.
pub(super) fn wanted(desk: &Desk, row: &ClaimLineRow) -> Result<Option<Wanted>, Failure> {
    let federation = desk.books().federation(&row.channel, row.payer)?;
    let (third_party, channel, month) = (row.third_party.clone(), row.channel.clone(), row.month);
    Ok(federation.map(|federation| Wanted { third_party, channel, federation, month }))
}
