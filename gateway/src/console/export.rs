//! `GET /billing/export`: a list as CSV or XLSX; and `POST /billing/portal`: the worklist for the portal of psychologists.

use axum::body::Body;
use axum::http::Response;
use mappings::billing::{Cents, Date};
use mappings::identifiers::Ssin;
use mappings::portal_export::{PortalLine, write_portal};

use super::EXPORT;
use super::desk::{Desk, Fields, Stopped};
use super::lines::Asked;
use super::office::{PORTAL, month_of, month_text};
use super::sums::settled;
use super::table::{Table, Value};
use crate::billing::states::LineState;
use crate::error::{Failure, Issue};
use crate::fhir::exchange::Exchange;
use crate::storage::billing::{ClaimLineRow, LineFilter};

/// Rows of a file at most: whoever needs more asks by month.
const ROWS_MAX: usize = 20_000;
/// Sessions that are handed over at once.
const PORTAL_MAX: u32 = 2_000;
const PAGE: u32 = 1_000;
const CSV: &str = "text/csv;charset=utf-8";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// `GET /billing/export`
pub async fn export(exchange: Exchange) -> Response<Body> {
    exported(exchange).await.unwrap_or_else(|stopped| stopped)
}

async fn exported(exchange: Exchange) -> Result<Response<Body>, Stopped> {
    let desk = Desk::open(exchange, EXPORT).await?;
    let table = table(&desk).await;
    let (name, about, table) = desk.or_stopped(table).await?;
    let file = asked(&desk).and_then(|fields| written(&table, fields.get("format")));
    let (bytes, media_type, ending) = desk.or_stopped(file).await?;
    Ok(desk.hand_out(&about, &format!("{name}.{ending}"), media_type, Body::from(bytes)).await)
}

fn asked(desk: &Desk) -> Result<Fields, Failure> {
    let query = desk.exchange.uri.query().unwrap_or_default();
    Fields::read(query.as_bytes()).ok_or_else(|| Failure::BadRequest(Vec::new()))
}

/// The list that is asked for, its name as a file, and what the trail says of it.
async fn table(desk: &Desk) -> Result<(&'static str, String, Table), Failure> {
    match asked(desk)?.get("list") {
        "settlement" => Ok(("settlement", "list=settlement".to_owned(), of_settlement(desk).await?)),
        "" => {
            let asked = Asked::read(desk, desk.exchange.uri.query().unwrap_or_default())?;
            let rows = all(desk, &asked.filter).await?;
            Ok(("lines", format!("list=lines{}&rows={}", asked.query, rows.len()), of_lines(desk, &rows).await?))
        }
        _ => Err(Failure::NotFound),
    }
}

async fn all(desk: &Desk, filter: &LineFilter) -> Result<Vec<ClaimLineRow>, Failure> {
    let (store, compartment) = (&desk.exchange.app.store, desk.caller.organization());
    let mut rows: Vec<ClaimLineRow> = Vec::new();
    loop {
        let after = rows.last().map(|row| row.id.clone()).unwrap_or_default();
        let more = store.claim_lines(&compartment, filter, (&after, PAGE)).await?;
        if more.is_empty() {
            return Ok(rows);
        }
        rows.extend(more);
        if rows.len() > ROWS_MAX {
            return Err(Failure::TooLarge(format!("a file has at most {ROWS_MAX} rows: ask by month")));
        }
    }
}

async fn of_lines(desk: &Desk, rows: &[ClaimLineRow]) -> Result<Table, Failure> {
    let words = desk.shell.words;
    let heads = [
        "person",
        "number",
        "month",
        "day",
        "last-day",
        "code",
        "units",
        "payer",
        "channel",
        "amount",
        "share",
        "paid",
        "provider",
        "state",
        "wrong",
        "reference",
    ];
    let mut table = Table { heads: heads.map(|head| words.of("head", head)).to_vec(), rows: Vec::new() };
    for rows in rows.chunks(usize::try_from(PAGE).unwrap_or(1)) {
        for line in desk.lines(rows).await? {
            let codes: Vec<&str> = line.wrong.iter().map(|wrong| wrong.code.as_str()).collect();
            table.rows.push(vec![
                Value::Text(line.person),
                Value::Text(line.number),
                Value::Text(month_text(line.month)),
                Value::Text(line.first_day),
                Value::Text(line.last_day),
                Value::Text(format!("{:06}", line.code)),
                Value::Count(line.units),
                Value::Text(line.payer),
                Value::Text(words.of("channel", &line.channel)),
                Value::Cents(line.amount_cents),
                Value::Cents(line.share_cents),
                Value::Cents(line.paid_cents),
                Value::Text(line.provider),
                Value::Text(words.of("state", &line.state)),
                Value::Text(codes.join(" ")),
                Value::Text(line.id),
            ]);
        }
    }
    Ok(table)
}

async fn of_settlement(desk: &Desk) -> Result<Table, Failure> {
    let words = desk.shell.words;
    let heads = ["month", "payer", "requested", "paid", "refused", "open", "difference"];
    let rows = settled(desk).await?.into_iter().map(|one| {
        let difference_cents = one.difference_cents();
        vec![
            Value::Text(month_text(one.month)),
            Value::Text(one.payer),
            Value::Cents(one.requested_cents),
            Value::Cents(one.paid_cents),
            Value::Cents(one.refused_cents),
            Value::Cents(one.open_cents),
            Value::Cents(difference_cents),
        ]
    });
    Ok(Table { heads: heads.map(|head| words.of("head", head)).to_vec(), rows: rows.collect() })
}

fn written(table: &Table, format: &str) -> Result<(Vec<u8>, &'static str, &'static str), Failure> {
    let written = match format {
        "csv" => table.to_csv().ok().map(|bytes| (bytes, CSV, "csv")),
        "xlsx" => table.to_xlsx().ok().map(|bytes| (bytes, XLSX, "xlsx")),
        _ => return Err(Failure::BadRequest(Vec::new())),
    };
    written.ok_or(Failure::Internal("a list is not written as a file"))
}

/// `POST /billing/portal`
pub async fn portal(exchange: Exchange, body: Body) -> Response<Body> {
    handed_over(exchange, body).await.unwrap_or_else(|stopped| stopped)
}

async fn handed_over(exchange: Exchange, body: Body) -> Result<Response<Body>, Stopped> {
    let (desk, fields) = Desk::posted(exchange, body, EXPORT).await?;
    let wrong = || Failure::Unprocessable(vec![Issue::at("month", "value", "the month is one such as 2026-03")]);
    let month = desk.or_stopped(month_of(fields.get("month")).ok_or_else(wrong)).await?;
    let is_again = !fields.get("again").is_empty();
    let rows = for_portal(&desk, month, is_again).await;
    let rows = desk.or_stopped(rows).await?;
    let file = of_portal(&desk, &rows).await;
    let file = desk.or_stopped(file).await?;
    if !is_again {
        // Before it is handed out: what is handed out and not noted would be handed over twice.
        let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        let noted = desk.books().exported(&ids).await;
        desk.or_stopped(noted).await?;
    }
    let (about, name) = (
        format!("list=portal&month={}&rows={}", month_text(month), rows.len()),
        format!("mhc-{}.csv", month_text(month)),
    );
    Ok(desk.hand_out(&about, &name, CSV, Body::from(file)).await)
}

/// What is ready for the portal in a month; or what was handed over of it already.
async fn for_portal(desk: &Desk, month: i64, is_again: bool) -> Result<Vec<ClaimLineRow>, Failure> {
    let state = if is_again { LineState::Exported } else { LineState::Ready };
    let filter = LineFilter { states: vec![state.code()], channel: PORTAL.to_owned(), month, ..LineFilter::default() };
    let (store, compartment) = (&desk.exchange.app.store, desk.caller.organization());
    if !is_again {
        desk.books().stop_refused(&filter).await?;
    }
    let rows = store.claim_lines(&compartment, &filter, ("", PORTAL_MAX)).await?;
    if rows.is_empty() {
        return Err(Failure::Unprocessable(vec![Issue::at("sending", "business-rule", "nothing is ready for it")]));
    }
    Ok(rows)
}

/// The worklist, with whole numbers: they are typed over into the portal.
async fn of_portal(desk: &Desk, rows: &[ClaimLineRow]) -> Result<Vec<u8>, Failure> {
    const WRONG: Failure = Failure::Internal("a line of the portal cannot be read");
    let (tables, language) = (&desk.exchange.app.tariffs, desk.shell.words.of_file());
    let mut ids: Vec<String> = rows.iter().map(|row| row.person.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    let people = desk.books().people(&ids).await?;
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let person = people.get(&row.person).cloned().unwrap_or_default();
        let (day, code) = (Date::parse(&row.first_day).ok_or(WRONG)?, u32::try_from(row.code).map_err(|_| WRONG)?);
        lines.push(PortalLine {
            id: row.id.clone(),
            ssin: Ssin::parse(&person.ssin).map_err(|_| WRONG)?,
            name: person.name.unwrap_or_default(),
            mutuality: u16::try_from(row.payer).map_err(|_| WRONG)?,
            day,
            code,
            text: tables.tariff(code, day).map(|tariff| tariff.text(language)).unwrap_or_default(),
            units: u16::try_from(row.units).map_err(|_| WRONG)?,
            provider: row.provider.clone(),
            amount: Cents(row.amount_cents),
            share: Cents(row.share_cents),
        });
    }
    write_portal(Vec::new(), lines, language).map_err(|_| Failure::Internal("a list is not written as a file"))
}
