//! A line is made right: the form of correction, and what follows from it. A national number is typed here and nowhere shown.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::desk::{Desk, Fields, Stopped, see_other};
use super::lines::{line_page, row, wanted};
use super::office::PORTAL;
use super::pages::Field;
use super::{CORRECT, RESEND};
use crate::billing::states::{LineState, SendingState};
use crate::billing::{Correction, InsuredPerson, LineDetail};
use crate::error::Failure;
use crate::fhir::exchange::Exchange;
use crate::storage::billing::ClaimLineRow;
use mappings::billing::Date;
use mappings::identifiers::{Nihdi, Ssin};

/// The fields of the form with what the line says, in the order of the form.
pub(super) fn fields_of(row: &ClaimLineRow, person: &InsuredPerson) -> Result<Vec<Field>, Failure> {
    const THREE: (usize, &str) = (3, "[0-9]{3}");
    const DAY: (usize, &str) = (10, "[0-9]{4}-[0-9]{2}-[0-9]{2}");
    const NIHDI: (usize, &str) = (11, "[0-9]{11}");
    let detail = LineDetail::read(row)?;
    let three = |number: Option<u16>| number.map(|number| format!("{number:03}")).unwrap_or_default();
    let field = |name, value, (characters_max, pattern): (usize, &'static str)| Field {
        name,
        value,
        characters_max,
        pattern,
        is_wrong: false,
    };
    Ok(vec![
        field("number", String::new(), (15, "")),
        field("sex", person.sex.map(|sex| sex.to_string()).unwrap_or_default(), (1, "[12]")),
        field("affiliation", three(person.affiliation), THREE),
        field("ct1", three(person.ct1), THREE),
        field("ct2", three(person.ct2), THREE),
        field("care_fund", three(person.care_fund), THREE),
        field("code", format!("{:06}", row.code), (6, "[0-9]{6}")),
        field("first_day", row.first_day.clone(), DAY),
        field("last_day", row.last_day.clone(), DAY),
        field("units", row.units.to_string(), (4, "[0-9]{1,4}")),
        field("provider", row.provider.clone(), NIHDI),
        field("prescriber", detail.prescriber.unwrap_or_default(), NIHDI),
        field("prescribed", detail.prescribed.unwrap_or_default(), DAY),
    ])
}

/// What a form asks to be different from what the line says now; or the fields that cannot be.
fn correction(
    fields: &Fields,
    row: &ClaimLineRow,
    known: &InsuredPerson,
) -> Result<Correction, Result<Vec<&'static str>, Failure>> {
    let before = fields_of(row, known).map_err(Err)?;
    let mut wrong = Vec::new();
    let changed = |name: &str| {
        let was = before.iter().find(|field| field.name == name).map_or("", |field| field.value.as_str());
        Some(fields.get(name)).filter(|now| *now != was)
    };
    let mut correction = Correction {
        code: read(changed("code"), "code", &mut wrong, |text| (text.len() == 6).then(|| text.parse().ok()).flatten()),
        units: read(changed("units"), "units", &mut wrong, |text| {
            text.parse().ok().filter(|units: &u16| (1..=9_999).contains(units))
        }),
        provider: read(changed("provider"), "provider", &mut wrong, |text| Nihdi::parse(text).ok()),
        ..Correction::default()
    };
    if changed("first_day").or(changed("last_day")).is_some() {
        correction.first_day = read(Some(fields.get("first_day")), "first_day", &mut wrong, Date::parse);
        let last_day = read(Some(fields.get("last_day")), "last_day", &mut wrong, Date::parse);
        correction.last_day = last_day.filter(|last_day| correction.first_day.is_some_and(|first| first <= *last_day));
        if correction.first_day.is_some() && correction.last_day.is_none() && !wrong.contains(&"last_day") {
            wrong.push("last_day");
        }
    }
    if changed("prescriber").or(changed("prescribed")).is_some() {
        let both = Nihdi::parse(fields.get("prescriber")).ok().zip(Date::parse(fields.get("prescribed")));
        correction.prescriber = read(Some(""), "prescriber", &mut wrong, |_| both.clone());
    }
    let three = |text: &str| (text.len() == 3).then(|| text.parse().ok()).flatten();
    let number: String =
        fields.get("number").chars().filter(|character| !matches!(character, ' ' | '.' | '-')).collect();
    let ssin = (!number.is_empty()).then_some(number.as_str());
    let mut person = InsuredPerson {
        ssin: known.ssin.clone(),
        name: known.name.clone(),
        sex: read(changed("sex"), "sex", &mut wrong, |text| text.parse().ok().filter(|sex| matches!(sex, 1 | 2))),
        affiliation: read(changed("affiliation"), "affiliation", &mut wrong, three),
        ct1: read(changed("ct1"), "ct1", &mut wrong, three),
        ct2: read(changed("ct2"), "ct2", &mut wrong, three),
        care_fund: read(changed("care_fund"), "care_fund", &mut wrong, three),
        ..InsuredPerson::default()
    };
    let typed = read(ssin, "number", &mut wrong, |text| Ssin::parse(text).ok().filter(Ssin::check_digits_hold));
    if let Some(typed) = typed.filter(|typed| typed.as_str() != known.ssin) {
        typed.as_str().clone_into(&mut person.ssin);
        // Another person has another name: it is known of them already, or it is not.
        person.name = None;
        // Whoever was meant all along has the insurance that stands in the form.
        person.sex = person.sex.or(known.sex);
        person.affiliation = person.affiliation.or(known.affiliation);
        (person.ct1, person.ct2) = (person.ct1.or(known.ct1), person.ct2.or(known.ct2));
        person.care_fund = person.care_fund.or(known.care_fund);
    }
    let same = InsuredPerson { ssin: known.ssin.clone(), name: known.name.clone(), ..InsuredPerson::default() };
    correction.person = (person != same).then_some(person);
    if wrong.is_empty() { Ok(correction) } else { Err(Ok(wrong)) }
}

/// A field that is to be different; what cannot be is noted.
fn read<T>(
    text: Option<&str>,
    name: &'static str,
    wrong: &mut Vec<&'static str>,
    read: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    let value = read(text?);
    if value.is_none() {
        wrong.push(name);
    }
    value
}

/// `POST /billing/lines/[id]/correct`
pub async fn correct(exchange: Exchange, id: String, body: Body) -> Response<Body> {
    corrected(exchange, &id, body).await.unwrap_or_else(|stopped| stopped)
}

async fn corrected(exchange: Exchange, id: &str, body: Body) -> Result<Response<Body>, Stopped> {
    let (mut desk, fields) = Desk::posted(exchange, body, CORRECT).await?;
    let sends = fields.get("then") == "send";
    if sends {
        desk.needs(RESEND).await?;
    }
    let before = seen(&desk, id, &fields).await;
    let before = desk.or_stopped(before).await?;
    let people = desk.books().people(std::slice::from_ref(&before.person)).await;
    let people = desk.or_stopped(people).await?;
    let known = people.get(&before.person).cloned().unwrap_or_default();
    let correction = match correction(&fields, &before, &known) {
        Ok(correction) => correction,
        Err(Err(failure)) => return Err(desk.stopped(failure).await),
        Err(Ok(wrong)) => {
            let words = desk.shell.words;
            let objections = wrong.iter().map(|name| words.of("objection", name)).collect();
            // The page is that of the line, not of where its form was sent.
            desk.shell.path = format!("/billing/lines/{id}");
            let page = line_page(&desk, &before, Some((&fields, objections))).await;
            let page = desk.or_stopped(page).await?;
            return Ok(desk.show_as(StatusCode::UNPROCESSABLE_ENTITY, &format!("line={id}"), &page).await);
        }
    };
    let after = desk.books().correct(id, &correction).await;
    let after = desk.or_stopped(after).await?;
    if after.state != LineState::Ready.code() {
        return Ok(see_other(&format!("/billing/lines/{}?done=still-faulty", after.id)));
    }
    if !sends || after.channel == PORTAL {
        return Ok(see_other(&format!("/billing/lines/{}?done=corrected", after.id)));
    }
    let sent = send(&desk, &after).await;
    let to = desk.or_stopped(sent).await?;
    Ok(see_other(&to))
}

/// Seals what is ready for where this line goes; answers where that is shown. Where a rule makes it wait the line stays ready.
async fn send(desk: &Desk, row: &ClaimLineRow) -> Result<String, Failure> {
    let books = desk.books();
    let Some(wanted) = wanted(desk, row)? else { return Ok(format!("/billing/lines/{}?done=corrected", row.id)) };
    if !books.may_seal_today(&wanted).await? {
        return Ok(format!("/billing/lines/{}?done=waiting", row.id));
    }
    let sending = books.seal(&wanted).await?;
    let done = if sending.state == SendingState::Void.code() { "" } else { "?done=resent" };
    Ok(format!("/billing/sendings/{}{done}", sending.id))
}

/// The line that a form is about, as it was when the form was made.
pub(super) async fn seen(desk: &Desk, id: &str, fields: &Fields) -> Result<ClaimLineRow, Failure> {
    let row = row(desk, id).await?;
    if fields.get("seen") == row.changed_ms.to_string() { Ok(row) } else { Err(Failure::PreconditionFailed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = "90010199992";

    fn known() -> InsuredPerson {
        InsuredPerson { ssin: KNOWN.to_owned(), affiliation: Some(131), ct1: Some(110), ..InsuredPerson::default() }
    }

    fn row() -> ClaimLineRow {
        ClaimLineRow {
            first_day: "2026-03-02".to_owned(),
            last_day: "2026-03-02".to_owned(),
            code: 789_014,
            units: 1,
            provider: "19110101801".to_owned(),
            detail: "{}".to_owned(),
            ..ClaimLineRow::default()
        }
    }

    /// The form as it is shown, with some of its fields typed anew.
    fn form(typed: &[(&str, &str)]) -> Fields {
        let mut form = form_urlencoded::Serializer::new(String::new());
        for field in fields_of(&row(), &known()).expect("the row is sound") {
            let anew = typed.iter().find(|(name, _)| *name == field.name).map(|(_, value)| *value);
            form.append_pair(field.name, anew.unwrap_or(&field.value));
        }
        Fields::read(form.finish().as_bytes()).expect("each field is there once")
    }

    fn asked(typed: &[(&str, &str)]) -> Result<Correction, Vec<&'static str>> {
        correction(&form(typed), &row(), &known()).map_err(Result::unwrap_or_default)
    }

    #[test]
    fn a_form_that_is_sent_as_it_was_shown_changes_nothing() {
        let correction = asked(&[]).expect("it is sound");
        assert!(correction.person.is_none() && correction.code.is_none() && correction.units.is_none());
        assert!(correction.first_day.is_none() && correction.provider.is_none() && correction.prescriber.is_none());
    }

    #[test]
    fn what_is_typed_anew_is_asked_for_and_nothing_else() {
        let correction = asked(&[("code", "789036"), ("units", "2"), ("ct1", "120")]).expect("it is sound");
        assert_eq!((correction.code, correction.units, correction.first_day), (Some(789_036), Some(2), None));
        let person = correction.person.expect("the insurance changes");
        assert_eq!((person.ssin.as_str(), person.ct1, person.affiliation), (KNOWN, Some(120), None));
    }

    #[test]
    fn a_number_that_was_mistyped_becomes_another_person_with_the_insurance_of_the_form() {
        let correction = asked(&[("number", "90.01.01-001.23")]).expect("its check digits hold");
        let person = correction.person.expect("it is somebody else");
        assert_eq!((person.ssin.as_str(), person.affiliation, person.ct1), ("90010100123", Some(131), Some(110)));
        assert!(asked(&[("number", KNOWN)]).is_ok_and(|same| same.person.is_none()), "the same number is no change");
    }

    #[test]
    fn every_field_that_cannot_be_is_named() {
        for (name, value) in [
            ("number", "90010100124"),
            ("number", "1"),
            ("sex", "3"),
            ("affiliation", "13"),
            ("ct1", "1a0"),
            ("ct2", "-10"),
            ("care_fund", "7010"),
            ("code", "78901"),
            ("first_day", "2026-02-30"),
            ("last_day", "2026-03-01"),
            ("units", "0"),
            ("provider", "1911010180"),
            ("prescriber", "19110101801"),
        ] {
            assert_eq!(asked(&[(name, value)]).err(), Some(vec![name]), "{name}={value}");
        }
        let both = asked(&[("prescriber", "19110101801"), ("prescribed", "2026-02-01")]).expect("it is sound");
        assert!(both.prescriber.is_some());
    }
}
