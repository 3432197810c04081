//! Co-prev, made up: which prevention service is behind somebody's employer.
//!
//! Nobody publishes an interface for this, so it is one that the gateway proposes. The national number travels in bodies only, and who is
//! unknown is answered as who has no employment.

use axum::http::Method;
use mappings::identifiers::Ssin;
use serde_json::{Value, json};

use super::kept::Kept;
use super::{Asked, Partner, Reply};
use crate::clock::format_instant;

pub(super) const BASE_PATH: &str = "/co-prev/v1";
/// The enterprise number of the sandbox's gateway.
pub(super) const ASKER: &str = "0000000592";
const PURPOSES: [&str; 3] = ["reintegration", "occupational-injury", "billing"];
const REFERENCE_LENGTH_MAX: usize = 64;

/// Code, name, enterprise number. The first two are organisations of the sandbox.
const SERVICES: [(&str, &str, &str); 3] = [
    ("NOORD", "EDPBW Noord", "0000000196"),
    ("ZUID", "EDPBW Zuid", "0000000295"),
    ("VER", "EDPBW Ver (takes no part)", "0000000394"),
];

/// Enterprise number, name, postcode, municipality, code of its service.
const EMPLOYERS: [(&str, &str, &str, &str, Option<&str>); 5] = [
    ("0000100166", "Bakkerij Voorbeeld", "9000", "Gent", Some("NOORD")),
    ("0000100265", "Drukkerij Voorbeeld", "8500", "Kortrijk", Some("ZUID")),
    ("0000100364", "Transport Voorbeeld", "2000", "Antwerpen", Some("VER")),
    ("0000100463", "Tuinen Voorbeeld", "3500", "Hasselt", None),
    ("0000100562", "Vorige Werkgever", "9000", "Gent", Some("NOORD")),
];

/// An employment: the employer, from when, until when.
type Employment = (&'static str, &'static str, Option<&'static str>);

const BAKERY: Employment = ("0000100166", "2024-03-01", None);
const PRINTER: Employment = ("0000100265", "2023-09-01", None);
const CARRIER: Employment = ("0000100364", "2025-01-01", None);
const GARDENS: Employment = ("0000100463", "2025-01-01", None);
const EARLIER: Employment = ("0000100562", "2019-01-01", Some("2024-02-29"));

/// National number, who that is, employments. The numbers hold by their check digits and were given to nobody.
const PEOPLE: [(&str, &str, &[Employment]); 9] = [
    (
        "90010199992",
        "one employment, prevention service edpbw-noord, and an earlier employment that ended",
        &[BAKERY, EARLIER],
    ),
    ("90010299962", "one employment, prevention service edpbw-zuid", &[PRINTER]),
    ("90010399932", "two employments, with different prevention services", &[BAKERY, PRINTER]),
    ("90010499902", "none: self-employed", &[]),
    ("90010599969", "none: without work", &[]),
    ("90010699939", "one employment, whose prevention service takes no part in the gateway", &[CARRIER]),
    ("90010799909", "one employment, whose employer has no known prevention service", &[GARDENS]),
    ("90010899976", "an earlier employment that ended", &[EARLIER]),
    ("00010999928", "born after 2000, one employment, prevention service edpbw-noord", &[BAKERY]),
];

/// The people whom it knows, for testers.
pub(super) fn people() -> Value {
    let described = |(ssin, who, _): &(&str, &str, &[Employment])| json!({"ssin": ssin, "who": who});
    Value::Array(PEOPLE.iter().map(described).collect())
}

/// The partner.
pub(super) struct CoPrev;

impl Partner for CoPrev {
    fn reference(&self, asked: &Asked) -> Option<String> {
        if !is_lookup(asked) {
            return None;
        }
        // What has no reference arrived all the same.
        Some(lookup_id(&asked.json()).unwrap_or("none").to_owned())
    }

    fn answer(&self, asked: &Asked, _: &Kept) -> Reply {
        if is_lookup(asked) {
            return lookup(asked).unwrap_or_else(|refused| refused);
        }
        if asked.method != Method::GET {
            return Reply::problem(405, "method-not-allowed", "lookups are asked by POST, everything else by GET");
        }
        match asked.below(BASE_PATH) {
            Some("/prevention-services") => {
                let services: Vec<Value> = SERVICES.iter().map(|(code, ..)| service(code)).collect();
                Reply::json(200, &json!({"version": "2026-01-01", "preventionServices": services}))
            }
            Some(path) => of_employer(path),
            None => Reply::not_found(),
        }
    }

    fn about_another(&self, reply: &Reply) -> Reply {
        let mut body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        body["ssin"] = json!(PEOPLE[1].0);
        body["employments"] = json!([employment(&PRINTER)]);
        Reply::json(reply.status, &body)
    }
}

fn is_lookup(asked: &Asked) -> bool {
    asked.method == Method::POST && asked.below(BASE_PATH) == Some("/employer-lookup")
}

fn lookup_id(body: &Value) -> Option<&str> {
    let is_reference = |id: &&str| {
        let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=REFERENCE_LENGTH_MAX).contains(&id.len()) && id.bytes().all(is_fine)
    };
    body.get("lookupId").and_then(Value::as_str).filter(is_reference)
}

/// Answers a lookup.
///
/// # Errors
/// The refusal.
fn lookup(asked: &Asked) -> Result<Reply, Reply> {
    let body = asked.json();
    let malformed = |detail| Reply::problem(400, "coprev.request.malformed", detail);
    let lookup_id = lookup_id(&body).ok_or_else(|| malformed("lookupId: 1 to 64 letters, digits and -"))?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let ssin = Ssin::parse(text("ssin")).map_err(|_| malformed("ssin: 11 digits"))?;
    let date = text("referenceDate");
    if !is_date(date) {
        return Err(malformed("referenceDate: a date, such as 2026-01-15"));
    }
    if body.pointer("/requester/cbe").or(body.pointer("/requester/nihdi")).and_then(Value::as_str).is_none() {
        return Err(malformed("requester: its cbe or nihdi"));
    }
    if !ssin.check_digits_hold() {
        return Err(Reply::problem(422, "coprev.ssin.invalid", "ssin: the check digits do not hold"));
    }
    if !PURPOSES.contains(&text("purpose")) {
        return Err(Reply::problem(
            403,
            "coprev.purpose.denied",
            "purpose: reintegration, occupational-injury or billing",
        ));
    }
    if text("legalBasis").is_empty() {
        return Err(Reply::problem(
            403,
            "coprev.legal-basis.missing",
            "legalBasis: the deliberation on which it is asked",
        ));
    }
    // Who is not known has no employment either: the answer does not tell who exists.
    let employments = PEOPLE.iter().find(|person| person.0 == ssin.as_str()).map_or(&[][..], |person| person.2);
    let is_active = |one: &&Employment| one.1 <= date && one.2.is_none_or(|to| to >= date);
    let employments: Vec<Value> = employments.iter().filter(is_active).map(employment).collect();
    Ok(Reply::json(
        200,
        &json!({
            "lookupId": lookup_id,
            "ssin": ssin.as_str(),
            "asOf": date,
            "employments": employments,
            "source": {"system": "sandbox", "retrievedAt": format_instant(asked.now_ms)},
            "warnings": [],
        }),
    ))
}

fn employment((cbe, from, to): &Employment) -> Value {
    let employer = EMPLOYERS.iter().find(|employer| employer.0 == *cbe);
    let (name, postcode, municipality, code) = employer.map_or(("", "", "", None), |one| (one.1, one.2, one.3, one.4));
    json!({
        "employer": {
            "cbe": cbe,
            "name": name,
            "address": {"postcode": postcode, "municipality": municipality},
        },
        "from": from,
        "to": to,
        "workerStatus": "employee",
        "preventionService": code.map(service),
    })
}

fn service(code: &str) -> Value {
    let found = SERVICES.iter().find(|service| service.0 == code);
    found.map_or(Value::Null, |(code, name, cbe)| json!({"code": code, "name": name, "cbe": cbe}))
}

/// `/employers/<cbe>/prevention-service`: asked without a national number.
fn of_employer(path: &str) -> Reply {
    let cbe = path.strip_prefix("/employers/").and_then(|rest| rest.strip_suffix("/prevention-service"));
    let Some(cbe) = cbe else { return Reply::not_found() };
    let Some(employer) = EMPLOYERS.iter().find(|employer| employer.0 == cbe) else {
        return Reply::problem(404, "coprev.employer.unknown", "no employer has this enterprise number");
    };
    Reply::json(
        200,
        &json!({"employer": {"cbe": cbe, "name": employer.1}, "preventionService": employer.4.map(service)}),
    )
}

/// The form of a date, not whether the calendar has it.
fn is_date(text: &str) -> bool {
    let form = |(at, byte): (usize, u8)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == 10 && text.bytes().enumerate().all(form)
}

#[cfg(test)]
mod tests {
    use mappings::identifiers::Cbe;

    use super::*;

    #[test]
    fn the_made_up_numbers_hold_and_each_is_there_once() {
        for (n, (ssin, ..)) in PEOPLE.iter().enumerate() {
            assert_eq!(Ssin::parse(ssin).map(|ssin| ssin.check_digits_hold()), Ok(true), "{ssin}");
            assert!(PEOPLE[..n].iter().all(|other| other.0 != *ssin), "{ssin}");
        }
        for cbe in SERVICES.iter().map(|one| one.2).chain(EMPLOYERS.iter().map(|one| one.0)) {
            assert_eq!(Cbe::parse(cbe).map(|cbe| cbe.check_digits_hold()), Ok(true), "{cbe}");
        }
        for (employer, ..) in PEOPLE.iter().flat_map(|person| person.2) {
            assert!(EMPLOYERS.iter().any(|one| one.0 == *employer), "{employer}");
        }
    }
}
