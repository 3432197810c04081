//! `Patient/[id]/$link-code` and `Patient/[id]/$unlink`: the code by which a patient who signs in finds the own record, and the end of
//! such links.
//!
//! The custodian hands the code out to whom it has identified. It is told once, kept as a hash, good once and for a while; a new one takes
//! the place of the one before. No number of a person finds a record.

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};

use super::{on_record, parameters};
use crate::access::caller::Act;
use crate::access::{Caller, Draft};
use crate::auth::Interaction;
use crate::auth::browser::link_code_hash;
use crate::clock::format_instant;
use crate::error::Failure;
use crate::fhir::exchange::{Exchange, Target};

const LINK_CODE: Act = Act::new("E", "link-code");
const UNLINK: Act = Act::new("E", "unlink");

/// 32 signs that nobody takes for one another, read out or written down; each is five bits.
const SIGNS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// Fifteen of them are 75 bits: nobody guesses one.
const LENGTH: usize = 15;

/// `POST [base]/Patient/[id]/$link-code`
pub async fn link_code(exchange: Exchange, id: String) -> Response<Body> {
    exchange
        .answer(Target::new(LINK_CODE, "Patient", &id), async |exchange, caller| {
            let people = exchange.app.people.as_ref().ok_or(Failure::MethodNotAllowed)?;
            of_custodian(exchange, caller, &id).await?;
            let code = fresh()?;
            let until_ms = caller.now_ms + people.link_code_ms();
            let members: Vec<Value> = vec![
                json!({"name": "code", "valueString": code}),
                json!({"name": "until", "valueInstant": format_instant(until_ms)}),
                json!({"name": "address", "valueUrl": format!("{}/account", people.root)}),
            ];
            on_record(exchange, caller, LINK_CODE, &id).await?;
            exchange.app.store.put_link_code(&id, &link_code_hash(&code), until_ms).await?;
            Ok(parameters(&members))
        })
        .await
}

/// `POST [base]/Patient/[id]/$unlink`
pub async fn unlink(exchange: Exchange, id: String) -> Response<Body> {
    exchange
        .answer(Target::new(UNLINK, "Patient", &id), async |exchange, caller| {
            exchange.app.people.as_ref().ok_or(Failure::MethodNotAllowed)?;
            of_custodian(exchange, caller, &id).await?;
            on_record(exchange, caller, UNLINK, &id).await?;
            let ended = exchange.app.store.unlink(&id).await?;
            Ok(parameters(&[json!({"name": "links", "valueInteger": ended})]))
        })
        .await
}

/// Holds the request to whoever may register people where the record is held.
async fn of_custodian(exchange: &Exchange, caller: &Caller, id: &str) -> Result<(), Failure> {
    caller.may("Patient", Interaction::Update)?;
    let mut draft = Draft::new(&exchange.app, caller);
    let is_record = draft.record(id).await?.is_some();
    // An organisation's own compartment is a record too, and nobody's.
    let is_persons = is_record && !id.contains('/') && caller.person().is_none();
    let is_seen = is_persons && draft.holds(id) && caller.role().sees("Patient");
    if !is_seen || draft.is_kept_from(id).await? { Err(Failure::NotFound) } else { Ok(()) }
}

/// A code as it is told: in groups of five.
fn fresh() -> Result<String, Failure> {
    let mut bytes = [0_u8; LENGTH];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Failure::Internal("the system gives no randomness"))?;
    let signs: Vec<char> = bytes.iter().map(|byte| char::from(SIGNS[usize::from(byte % 32)])).collect();
    Ok(signs.chunks(5).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_new_each_time_and_the_same_however_it_is_typed() {
        let (one, two) = (fresh().expect("there is randomness"), fresh().expect("there is randomness"));
        assert_ne!(link_code_hash(&one), link_code_hash(&two));
        assert_eq!((one.len(), one.matches('-').count()), (LENGTH + 2, 2));
        assert!(one.bytes().all(|sign| sign == b'-' || SIGNS.contains(&sign)));
        assert_eq!(link_code_hash(&format!(" {} ", one.to_lowercase().replace('-', " "))), link_code_hash(&one));
    }
}
