//! `/billing/import`: lines from a CSV file, for those without FHIR. First what it would become, row by row; then all of it or nothing.

use std::io::BufReader;

use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use multer::Multipart;

use super::desk::{Desk, FORM_TOKEN, Stopped};
use super::pages::ImportPage;
use super::view::ImportRow;
use super::words::masked;
use super::{IMPORT, VIEW};
use crate::billing::{InsuredPerson, NewLine, Source};
use crate::bodies::{self, BodyLimits};
use crate::error::{Failure, Issue};
use crate::fhir::exchange::Exchange;
use mappings::claim_import::{ClaimImport, ImportedLine, ImportedRow, preview};
use mappings::sheet::{Limits, SheetError};

/// The longest file. It comes twice: to be looked at, and, in base64, to be taken.
const FILE_BYTES_MAX: usize = 2 * 1024 * 1024;
const BODY_BYTES_MAX: usize = FILE_BYTES_MAX / 3 * 4 + 64 * 1024;
/// Rows of a file: they are taken in together.
const ROWS_MAX: u64 = 5_000;
/// Rows that are shown.
const SHOWN_MAX: usize = 100;

const LIMITS: Limits =
    Limits { bytes_max: FILE_BYTES_MAX as u64, rows_max: ROWS_MAX, line_bytes_max: 16_384, cell_characters_max: 300 };

/// `GET /billing/import`
pub async fn form(exchange: Exchange) -> Response<Body> {
    shown(exchange).await.unwrap_or_else(|stopped| stopped)
}

async fn shown(exchange: Exchange) -> Result<Response<Body>, Stopped> {
    let desk = Desk::open(exchange, VIEW).await?;
    Ok(desk.show("list=import", &empty(&desk)).await)
}

fn empty(desk: &Desk) -> ImportPage {
    let shell = desk.shell.clone();
    let (content, objection) = (String::new(), String::new());
    ImportPage { shell, content, rows: Vec::new(), counts: (0, 0), objection, taken: None }
}

/// `POST /billing/import`: what a file would become. Nothing is taken in.
pub async fn look(exchange: Exchange, body: Body) -> Response<Body> {
    looked_at(exchange, body).await.unwrap_or_else(|stopped| stopped)
}

async fn looked_at(exchange: Exchange, body: Body) -> Result<Response<Body>, Stopped> {
    let (desk, given) = posted(exchange, body, "file").await?;
    let (status, page) = match preview(BufReader::new(given.as_slice()), LIMITS, SHOWN_MAX) {
        Ok(seen) => {
            let mut rows: Vec<ImportRow> = seen.rows.iter().map(|row| row_of(&desk, row)).collect();
            // What has to be mended comes first.
            rows.sort_by_key(|row| row.errors.is_empty());
            let count = |rows: u64| i64::try_from(rows).unwrap_or(i64::MAX);
            let page = ImportPage {
                content: STANDARD.encode(&given),
                rows,
                counts: (count(seen.total), count(seen.faulty)),
                ..empty(&desk)
            };
            let page =
                if seen.total == 0 { objected(&desk, desk.shell.words.t("import-no-file").to_owned()) } else { page };
            (StatusCode::OK, page)
        }
        Err(error) => (StatusCode::UNPROCESSABLE_ENTITY, objected(&desk, refused(&desk, &error))),
    };
    Ok(desk.show_as(status, "list=import&look=yes", &page).await)
}

fn objected(desk: &Desk, objection: String) -> ImportPage {
    ImportPage { objection, ..empty(desk) }
}

/// Why a file is not read, in words that repeat no cell.
fn refused(desk: &Desk, error: &SheetError) -> String {
    match error {
        SheetError::Refused(issues) => {
            let texts: Vec<String> = issues.iter().map(|issue| issue.text(desk.shell.words.of_file())).collect();
            texts.join(" ")
        }
        SheetError::Read(_) => desk.shell.words.t("import-no-file").to_owned(),
    }
}

fn row_of(desk: &Desk, row: &ImportedRow) -> ImportRow {
    let number = i64::try_from(row.number).unwrap_or(i64::MAX);
    match &row.line {
        Ok(line) => ImportRow {
            row: number,
            person: line.person.name.clone().unwrap_or_default(),
            number: masked(line.person.ssin.as_str()),
            day: line.service.first_day.to_string(),
            code: format!("{:06}", line.service.code),
            cents: line.service.stated.amount.map(|cents| cents.0),
            errors: Vec::new(),
        },
        Err(issues) => {
            let language = desk.shell.words.of_file();
            let said = |issue: &mappings::sheet::Issue| {
                let text = mappings::billing::explain(issue.code, language).text;
                (issue.column.clone().unwrap_or_default(), text.unwrap_or_else(|| issue.code.to_owned()))
            };
            ImportRow {
                row: number,
                person: String::new(),
                number: String::new(),
                day: String::new(),
                code: String::new(),
                cents: None,
                errors: issues.iter().map(said).collect(),
            }
        }
    }
}

/// `POST /billing/import/confirm`
pub async fn confirm(exchange: Exchange, body: Body) -> Response<Body> {
    confirmed(exchange, body).await.unwrap_or_else(|stopped| stopped)
}

async fn confirmed(exchange: Exchange, body: Body) -> Result<Response<Body>, Stopped> {
    let (desk, given) = posted(exchange, body, "content").await?;
    let bytes = STANDARD.decode(given.trim_ascii()).map_err(|_| Failure::BadRequest(Vec::new()));
    let bytes = desk.or_stopped(bytes).await?;
    let lines = lines(&desk, &bytes).await;
    let lines = desk.or_stopped(lines).await?;
    // It is on record by the books themselves, in the same write set.
    let taken = desk.books().take_in(&lines).await;
    let taken = desk.or_stopped(taken).await?;
    let new = i64::try_from(taken.ids.len()).unwrap_or(i64::MAX);
    let page = ImportPage { taken: Some((new, i64::try_from(taken.known).unwrap_or(i64::MAX))), ..empty(&desk) };
    Ok(desk.show(&format!("list=import&new={new}"), &page).await)
}

/// The lines of a file, all of which must be sound: it was shown before that they are.
async fn lines(desk: &Desk, bytes: &[u8]) -> Result<Vec<NewLine>, Failure> {
    let wrong = |field: &str| Failure::Unprocessable(vec![Issue::at(field, "value", "the file has rows with errors")]);
    let parties = desk.books().parties().await?;
    let own = match parties.as_slice() {
        [one] => Some(one.nihdi.clone()),
        _ => None,
    };
    let mut import = ClaimImport::open(BufReader::new(bytes), LIMITS).map_err(|_| wrong("file"))?;
    let mut lines = Vec::new();
    while let Some(row) = import.next_row().map_err(|_| wrong("file"))? {
        let line = row.line.map_err(|_| wrong("file"))?;
        lines.push(new_line(line, own.as_deref()).ok_or_else(|| wrong("third-party"))?);
    }
    Ok(lines)
}

/// A line as the books take it in; none where nobody says who bills.
fn new_line(line: ImportedLine, own: Option<&str>) -> Option<NewLine> {
    let ImportedLine { person, service, third_party, reference } = line;
    let third_party = third_party.map(|nihdi| nihdi.as_str().to_owned()).or_else(|| own.map(str::to_owned))?;
    Some(NewLine {
        person: InsuredPerson {
            ssin: person.ssin.as_str().to_owned(),
            name: person.name,
            sex: person.sex,
            affiliation: person.insured.affiliation,
            ct1: person.insured.ct1,
            ct2: person.insured.ct2,
            care_fund: person.insured.care_fund,
            ..InsuredPerson::default()
        },
        third_party,
        service,
        contact: None,
        source: Source::Import,
        source_key: reference,
    })
}

/// A form with a file in it, which was posted from a page of this session's.
async fn posted(exchange: Exchange, body: Body, wanted: &str) -> Result<(Desk, Vec<u8>), Stopped> {
    let desk = Desk::open(exchange, IMPORT).await?;
    let limits = BodyLimits { bytes_max: BODY_BYTES_MAX, ..desk.exchange.app.body_limits() };
    let bytes = bodies::read(body, limits).await.map_err(|error| Failure::of_body(error, BODY_BYTES_MAX));
    let bytes = desk.or_stopped(bytes).await?;
    let boundary =
        desk.exchange.header(header::CONTENT_TYPE.as_str()).and_then(|text| multer::parse_boundary(text).ok());
    let boundary = desk.or_stopped(boundary.ok_or(Failure::UnsupportedMediaType)).await?;
    let parts = parts(bytes, boundary, wanted).await;
    let (token, given) = desk.or_stopped(parts.ok_or(Failure::BadRequest(Vec::new()))).await?;
    let desk = desk.of_own_page(&token).await?;
    Ok((desk, given))
}

/// The form token and the file; none where the form is not sound, or has a part twice.
async fn parts(bytes: bytes::Bytes, boundary: String, wanted: &str) -> Option<(String, Vec<u8>)> {
    let whole = stream::once(async move { Ok::<_, std::convert::Infallible>(bytes) });
    let mut form = Multipart::new(whole, boundary);
    let (mut token, mut given) = (None, None);
    while let Some(field) = form.next_field().await.ok()? {
        let name = field.name().unwrap_or_default().to_owned();
        let content = field.bytes().await.ok()?;
        let place: &mut Option<Vec<u8>> = match name.as_str() {
            FORM_TOKEN => &mut token,
            name if name == wanted => &mut given,
            _ => return None,
        };
        if place.replace(content.to_vec()).is_some() {
            return None;
        }
    }
    Some((String::from_utf8(token?).ok()?, given?))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(parts_of: &[(&str, &str)]) -> Option<(String, Vec<u8>)> {
        let part = |(name, content): &(&str, &str)| {
            format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
        };
        let form: Vec<String> = parts_of.iter().map(part).chain(["--x--\r\n".to_owned()]).collect();
        parts(form.concat().into(), "x".to_owned(), "file").await
    }

    #[tokio::test]
    async fn a_form_has_its_token_and_its_file_each_once_and_nothing_else() {
        let sound = [("form_token", "t"), ("file", "a;b\r\n1;2")];
        assert_eq!(read(&sound).await, Some(("t".to_owned(), b"a;b\r\n1;2".to_vec())));
        for unsound in [&sound[..1], &sound[1..], &[sound[0], sound[1], sound[1]], &[sound[0], sound[1], ("x", "")]] {
            assert_eq!(read(unsound).await, None, "{unsound:?}");
        }
    }
}
