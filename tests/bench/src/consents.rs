//! A person with many Consents: how long their rules take to make, and whether a reader pays for the rules of others.

use std::io;
use std::time::Instant;

use gateway::consent::{ActorReference, ConsentId, Grantee, grants, read};
use serde_json::{Value, json};

use crate::load;
use crate::report::{Goal, Report};
use crate::samples;
use crate::subject::{RECEIVER, Subject};

const CONSENTS: usize = 100;
const PROVISIONS: usize = 20;
/// As many as a provision may name.
const ACTORS: usize = 8;

/// The organisations that all Consents but the last name.
pub(crate) fn others() -> Vec<String> {
    (0..ACTORS).map(|n| format!("other-bench-{n}")).collect()
}

/// The Consents of one person: each permits others, one beside them the reader.
fn consents(patient: &str) -> Vec<Value> {
    let others = others();
    let consent = |n: usize| {
        let mut consent = samples::permit(patient, &others[0]);
        let mut provision = consent["provision"].take();
        let actor = provision["actor"][0].take();
        let named = |id: &str| {
            let mut actor = actor.clone();
            actor["reference"]["reference"] = json!(format!("Organization/{id}"));
            actor
        };
        provision["actor"] = others.iter().map(|id| named(id)).collect();
        let mut nested = vec![provision.clone(); PROVISIONS];
        if n + 1 == CONSENTS {
            nested[PROVISIONS - 1]["actor"] = json!([named(RECEIVER)]);
        }
        consent["provision"] = json!({"provision": nested});
        consent
    };
    (0..CONSENTS).map(consent).collect()
}

/// Makes the person once, and answers the id of the Patient. All Consents go in one transaction, and so in one write set.
pub(crate) fn make(subject: &Subject, report: &mut Report) -> io::Result<String> {
    let address = subject.process.address;
    let patient = subject.make_records(1)?.swap_remove(0);
    let reference = format!("Patient/{patient}");
    let mut consents = consents(&reference);
    let made = compile(&consents)?;
    let name = format!("rules of {CONSENTS} Consents of {PROVISIONS} provisions, {}", subject.name);
    report.add(&name, ("ms", Goal::AtMost(50.0)), (made, None), "");
    let entries: Vec<Value> = consents
        .drain(..)
        .map(|consent| json!({"resource": consent, "request": {"method": "POST", "url": "Consent"}}))
        .collect();
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries}).to_string();
    let begun = Instant::now();
    load::bodies(address, vec![load::post("/fhir", &subject.sender, &bundle)], 1)?;
    let name = format!("one transaction of them, {}", subject.name);
    report.add(&name, ("ms", Goal::None), (begun.elapsed().as_secs_f64() * 1_000.0, None), "");
    Ok(patient)
}

/// Milliseconds from the JSON of the Consents to their rules.
fn compile(consents: &[Value]) -> io::Result<f64> {
    let registered = |actor: &ActorReference| match actor {
        ActorReference::Organization(id) => Some(Grantee::organization(id)),
        _ => None,
    };
    let begun = Instant::now();
    let mut rules = 0;
    for (n, consent) in consents.iter().enumerate() {
        let consent = read(ConsentId(n.to_string()), consent, &registered)
            .map_err(|issues| io::Error::other(format!("{issues:?}")))?;
        rules += grants(&consent).len();
    }
    let milliseconds = begun.elapsed().as_secs_f64() * 1_000.0;
    if rules < CONSENTS * PROVISIONS {
        return Err(io::Error::other(format!("{rules} rules only")));
    }
    Ok(milliseconds)
}
