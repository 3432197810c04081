//! A made-up centre that bills: its third party, people with their mutualities, and what it did for them.

use std::time::Duration;

use connectors::gen_async::Settings;
use gateway::audit::Actor;
use gateway::billing::{BillingParty, Books, InsuredPerson, NewLine, Source};
use gateway::config::DeliveriesConfig;
use gateway::delivery::{Insurers, Outside, Worker};
use mappings::billing::Date;
use mappings::claim_line::Service;
use mappings::identifiers::Nihdi;
use mappings::tariff::Stated;
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::gateway::{Gateway, outside};
use crate::partners::World;
use crate::resources::{consent, patient};

/// Whose books they are.
pub const OWN: &str = "organization/cgg-1";
/// Who is paid.
pub const PARTY: &str = "71000436000";
/// The month before the moment at which every story begins.
pub const MONTH: i64 = 202_602;
/// Who treats.
pub const PROVIDER: &str = "12345625004";
/// Five mutualities of five federations.
pub const MUTUALITIES: [u16; 5] = [131, 206, 306, 403, 509];

/// The third party as the operator registers it.
pub fn party() -> BillingParty {
    BillingParty {
        nihdi: PARTY.to_owned(),
        enterprise: "0123456749".to_owned(),
        iban: "BE71096123456769".to_owned(),
        bic: "GKCCBEBB".to_owned(),
        sector: "ambulatory".to_owned(),
        contact_name: "Peeters".to_owned(),
        contact_first_name: "An".to_owned(),
        contact_phone: 470_000_000,
        ..BillingParty::default()
    }
}

/// The `n`th of so many made-up people, born in the nineteen-seventies.
pub fn person(n: usize) -> InsuredPerson {
    let (day, serial) = (1 + n % 28, 1 + n / 28);
    let first_nine = format!("7{:01}{:02}{day:02}{serial:03}", n % 10, 1 + n % 12);
    let rest = 97 - first_nine.parse::<u64>().unwrap_or(0) % 97;
    InsuredPerson {
        ssin: format!("{first_nine}{rest:02}"),
        name: Some(format!("Testpersoon {n}")),
        sex: Some(if serial % 2 == 1 { 1 } else { 2 }),
        affiliation: MUTUALITIES.get(n % MUTUALITIES.len()).copied(),
        ct1: Some(110),
        ct2: Some(110),
        care_fund: Some(701),
        ..InsuredPerson::default()
    }
}

/// A number of eleven digits.
///
/// # Panics
/// It is none.
pub fn nihdi(text: &str) -> Nihdi {
    Nihdi::parse(text).expect("it is a number")
}

/// A day.
///
/// # Panics
/// It is none.
pub fn date(text: &str) -> Date {
    Date::parse(text).expect("it is a day")
}

/// One service on a day.
pub fn service(code: u32, day: &str) -> Service {
    Service {
        code,
        first_day: date(day),
        last_day: date(day),
        units: 1,
        provider: nihdi(PROVIDER),
        stated: Stated::default(),
        prescriber: None,
        place: None,
        convention: None,
        relative_code: None,
        time: None,
        agreed: None,
        admitted: None,
    }
}

/// A line of a person.
pub fn line(person: InsuredPerson, service: Service) -> NewLine {
    NewLine { person, third_party: PARTY.to_owned(), service, contact: None, source: Source::Import, source_key: None }
}

const SSIN: &str = "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/ssin";
/// The system of a NIHDI number.
pub const NIHDI: &str = "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/nihdi";
const INSURER: &str = "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/insurancenumber";
const CODE: &str = "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/be-ns-nihdi-nomenclature";
const HOLDER: &str = "https://www.ehealth.fgov.be/standards/fhir/mycarenet/CodeSystem/be-cs-holder-code";

/// A person of a mutuality, in the record of whoever bills.
pub async fn insured_patient(centre: &Caller<'_>) -> (String, String) {
    let mut resource = patient();
    resource["identifier"] = json!([{"system": SSIN, "value": person(0).ssin}]);
    let id = centre.create(&resource).await;
    let class = |n: u8| json!({"type": {"coding": [{"system": format!("{HOLDER}-{n}")}]}, "value": "110"});
    let coverage = json!({"resourceType": "Coverage", "status": "active", "beneficiary": {"reference": format!("Patient/{id}")},
        "payor": [{"identifier": {"system": INSURER, "value": "131"}}], "class": [class(1), class(2)]});
    let coverage = centre.create(&coverage).await;
    (id, coverage)
}

/// A Claim of a session on each day.
pub fn of_claim(patient: &str, coverage: &str, days: &[&str]) -> Value {
    let item = |(n, day): (usize, &&str)| {
        json!({"sequence": n + 1, "productOrService": {"coding": [{"system": CODE, "code": "990010"}]}, "servicedDate": day,
            "careTeamSequence": [1]})
    };
    let items: Vec<Value> = days.iter().enumerate().map(item).collect();
    json!({"resourceType": "Claim", "status": "active", "use": "claim", "created": "2026-03-01",
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/claim-type", "code": "professional"}]},
        "priority": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/processpriority", "code": "normal"}]},
        "patient": {"reference": format!("Patient/{patient}")},
        "provider": {"identifier": {"system": NIHDI, "value": PARTY}},
        "careTeam": [{"sequence": 1, "provider": {"identifier": {"system": NIHDI, "value": PROVIDER}}}],
        "insurance": [{"sequence": 1, "focal": true, "coverage": {"reference": format!("Coverage/{coverage}")}}], "item": items})
}

/// A Consent by which somebody refuses that the mutuality is told for payment.
pub fn refusing_payment(patient: &str) -> Value {
    let role =
        json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]});
    let actor = json!({"role": role, "reference": {"reference": "Organization/mutuality-1"}});
    let purpose = json!({"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HPAYMT"});
    consent(patient, &json!({"type": "deny", "actor": [actor], "purpose": [purpose]}))
}

/// A clerk of the centre.
pub fn clerk() -> Actor {
    Actor {
        organization: OWN.to_owned(),
        client: "console".to_owned(),
        practitioner: "practitioner/books-1".to_owned(),
        purpose: "HPAYMT".to_owned(),
        network: String::new(),
    }
}

/// The centre's books, with its third party registered.
///
/// # Panics
/// The database does not answer.
pub async fn books(gateway: &Gateway) -> Books<'_> {
    let record = serde_json::to_string(&party()).expect("it is JSON");
    gateway.app.store.put_billing_party((OWN, PARTY), &record).await.expect("it is registered");
    Books::new(&gateway.app, OWN, clerk())
}

/// A worker that speaks to the insurers of a sandbox.
///
/// # Panics
/// There can be no client.
pub fn worker(gateway: &Gateway, world: &World) -> Worker {
    worker_at(gateway, (&world.url("mutualities"), &world.url("care-funds")), true)
}

/// The same, where they are; content is compressed on its way or not.
///
/// # Panics
/// There can be no client.
pub fn worker_at(gateway: &Gateway, (mutualities, care_funds): (&str, &str), is_deflated: bool) -> Worker {
    let at = |base_url: &str| {
        Some(Settings { base_url: base_url.to_owned(), enterprise: None, signer: None, is_deflated, page: 64 })
    };
    let insurers =
        Insurers { mutualities: at(mutualities), care_funds: at(care_funds), every: Duration::from_mins(10) };
    // A kill takes an attempt.
    let settings =
        DeliveriesConfig { attempts_max: 50, inquiries_max: 50, parallel_max: 4, lease: Duration::from_mins(2) };
    Worker::new(&gateway.app, Outside { insurers, ..outside() }, settings).expect("a client can be built")
}
