//! `/billing/month`: a month is checked, mended, sealed and sent, one federation at a time.

use axum::body::Body;
use axum::http::{HeaderValue, Response};

use super::desk::{Desk, Fields, Stopped, see_other};
use super::office::{CHANNELS, PORTAL, by_code, month_of, month_text, total};
use super::pages::{MonthPage, ProgressPart};
use super::running::Running;
use super::view::{Leaving, Progress};
use super::{PREPARE, SEAL, VIEW};
use crate::billing::Wanted;
use crate::billing::states::{LineState, SendingState};
use crate::error::{Failure, Issue};
use crate::fhir::exchange::Exchange;
use crate::storage::billing::{LineCount, LineFilter};

/// Lines with something wrong that are shown with their month; the others are a click away.
const FAULTY_SHOWN: u32 = 100;
/// Lines of which the findings are counted.
const FINDINGS_OF: u32 = 2_000;

/// The month and channel that are meant.
struct Meant {
    month: i64,
    channel: &'static str,
}

impl Meant {
    fn read(fields: &Fields) -> Result<Option<Self>, Failure> {
        let wrong = || Failure::Unprocessable(vec![Issue::at("month", "value", "the month is one such as 2026-03")]);
        let channel = match fields.get("channel") {
            "" => CHANNELS[0],
            given => CHANNELS.into_iter().find(|channel| *channel == given).ok_or_else(wrong)?,
        };
        match fields.get("month") {
            "" => Ok(None),
            given => Ok(Some(Self { month: month_of(given).ok_or_else(wrong)?, channel })),
        }
    }

    fn address(&self) -> String {
        format!("/billing/month?month={}&channel={}", month_text(self.month), self.channel)
    }
}

/// `GET /billing/month`
pub async fn month(exchange: Exchange, running: Running) -> Response<Body> {
    shown(exchange, &running).await.unwrap_or_else(|stopped| stopped)
}

async fn shown(exchange: Exchange, running: &Running) -> Result<Response<Body>, Stopped> {
    let desk = Desk::open(exchange, VIEW).await?;
    let meant = meant(&desk).await;
    let meant = desk.or_stopped(meant).await?;
    let page = page(&desk, &meant, running).await;
    let page = desk.or_stopped(page).await?;
    Ok(desk.show(&format!("list=month&month={}&channel={}", page.month, page.channel), &page).await)
}

/// What the address means; without a month the latest in which something is open, else this one.
async fn meant(desk: &Desk) -> Result<Meant, Failure> {
    let query = desk.exchange.uri.query().unwrap_or_default();
    let fields = Fields::read(query.as_bytes()).ok_or_else(|| Failure::BadRequest(Vec::new()))?;
    if let Some(meant) = Meant::read(&fields)? {
        return Ok(meant);
    }
    let channel = CHANNELS.into_iter().find(|channel| *channel == fields.get("channel")).unwrap_or(CHANNELS[0]);
    let states = [LineState::Draft, LineState::Faulty, LineState::Ready].map(LineState::code).to_vec();
    let filter = LineFilter { states, ..LineFilter::default() };
    let counts = desk.exchange.app.store.claim_counts(&desk.caller.organization(), &filter).await?;
    let today = desk.books().today()?;
    let this = i64::from(today.year()) * 100 + i64::from(today.month());
    Ok(Meant { month: counts.iter().map(|count| count.month).max().unwrap_or(this), channel })
}

async fn page(desk: &Desk, meant: &Meant, running: &Running) -> Result<MonthPage, Failure> {
    let (store, compartment, words) = (&desk.exchange.app.store, desk.caller.organization(), desk.shell.words);
    let filter = LineFilter { month: meant.month, ..LineFilter::default() };
    let counts = store.claim_counts(&compartment, &filter).await?;
    // What has no price has no channel yet either: it is mended here, whichever it becomes.
    let is_meant = |count: &&LineCount| count.channel == meant.channel || count.channel.is_empty();
    let of = |state: LineState| total(counts.iter().filter(|one| one.state == state.code()).filter(is_meant)).0;
    let checked = of(LineState::Faulty) + of(LineState::Ready);
    let at_work = running.progress(&compartment, meant.month);
    let progress = at_work.unwrap_or(Progress { total: checked + of(LineState::Draft), checked });
    let faulty = LineFilter { states: vec![LineState::Faulty.code()], ..filter };
    let mut rows = store.claim_lines(&compartment, &faulty, ("", FINDINGS_OF)).await?;
    rows.retain(|row| row.channel == meant.channel || row.channel.is_empty());
    let mut lines = desk.lines(&rows).await?;
    let findings = by_code(&lines);
    lines.truncate(usize::try_from(FAULTY_SHOWN).unwrap_or(usize::MAX));
    let chosen = |channel: &str| (channel.to_owned(), words.of("channel", channel), channel == meant.channel);
    Ok(MonthPage {
        shell: desk.shell.clone(),
        month: month_text(meant.month),
        month_words: words.month(meant.month),
        channels: CHANNELS.map(chosen).to_vec(),
        channel: meant.channel.to_owned(),
        progress,
        is_checking: at_work.is_some(),
        findings,
        faulty: lines,
        leaving: leaving(desk, meant).await?,
        for_portal: if meant.channel == PORTAL { of(LineState::Ready) } else { 0 },
        exported: of(LineState::Exported),
    })
}

/// The files that can be made of what is ready, and whether each can leave today.
async fn leaving(desk: &Desk, meant: &Meant) -> Result<Vec<Leaving>, Failure> {
    let books = desk.books();
    let mut leaving = Vec::new();
    for party in books.parties().await? {
        for file in books.ready(&party.nihdi, meant.month).await? {
            if file.wanted.channel != meant.channel {
                continue;
            }
            let (third_party, federation) = (file.wanted.third_party, file.wanted.federation);
            let (name, count, cents) = (desk.insurer(federation), file.lines, file.amount_cents);
            let waits_until = if file.may_today { String::new() } else { desk.tomorrow()? };
            leaving.push(Leaving { third_party, federation, name, count, cents, waits_until });
        }
    }
    Ok(leaving)
}

/// `POST /billing/month/check`
pub async fn check(exchange: Exchange, running: Running, body: Body) -> Response<Body> {
    checked(exchange, &running, body).await.unwrap_or_else(|stopped| stopped)
}

async fn checked(exchange: Exchange, running: &Running, body: Body) -> Result<Response<Body>, Stopped> {
    let (desk, fields) = Desk::posted(exchange, body, PREPARE).await?;
    let meant = named(&desk, &fields).await?;
    desk.recorded(&format!("month={}", month_text(meant.month))).await?;
    let parties = desk.books().parties().await;
    let parties = desk.or_stopped(parties).await?.into_iter().map(|party| party.nihdi).collect();
    let begun = running.begin(&desk, meant.month, parties);
    desk.or_stopped(begun).await?;
    Ok(see_other(&meant.address()))
}

async fn named(desk: &Desk, fields: &Fields) -> Result<Meant, Stopped> {
    let wrong = || Failure::Unprocessable(vec![Issue::at("month", "value", "the month is one such as 2026-03")]);
    let meant = Meant::read(fields).and_then(|meant| meant.ok_or_else(wrong));
    desk.or_stopped(meant).await
}

/// `GET /billing/month/progress`: how far a check is, and a look at the whole page once it is done. It tells how many lines there are and
/// nothing of any: that the month was looked at is on record already.
pub async fn progress(exchange: Exchange, running: Running) -> Response<Body> {
    told(exchange, &running).await.unwrap_or_else(|stopped| stopped)
}

async fn told(exchange: Exchange, running: &Running) -> Result<Response<Body>, Stopped> {
    let desk = Desk::open(exchange, VIEW).await?;
    let meant = meant(&desk).await;
    let meant = desk.or_stopped(meant).await?;
    let at_work = running.progress(&desk.caller.organization(), meant.month);
    let part = ProgressPart {
        shell: desk.shell.clone(),
        month: month_text(meant.month),
        channel: meant.channel.to_owned(),
        progress: at_work.unwrap_or_default(),
        // Not by its figures: before the lines are counted they are 0 of 0.
        is_checking: at_work.is_some(),
    };
    let mut response = super::desk::html(axum::http::StatusCode::OK, &part);
    if at_work.is_none() {
        response.headers_mut().insert("hx-refresh", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// `POST /billing/month/seal`
pub async fn seal(exchange: Exchange, body: Body) -> Response<Body> {
    sealed(exchange, body).await.unwrap_or_else(|stopped| stopped)
}

async fn sealed(exchange: Exchange, body: Body) -> Result<Response<Body>, Stopped> {
    let (desk, fields) = Desk::posted(exchange, body, SEAL).await?;
    let meant = named(&desk, &fields).await?;
    let Ok(federation) = fields.get("federation").parse() else { return Err(desk.refused("request").await) };
    if meant.channel == PORTAL {
        return Err(desk.refused("request").await);
    }
    let wanted = Wanted {
        third_party: fields.get("third_party").to_owned(),
        channel: meant.channel.to_owned(),
        federation,
        month: meant.month,
    };
    let sending = desk.books().seal(&wanted).await;
    let sending = desk.or_stopped(sending).await?;
    let done = if sending.state == SendingState::Void.code() { "" } else { "?done=sealed" };
    Ok(see_other(&format!("/billing/sendings/{}{done}", sending.id)))
}
