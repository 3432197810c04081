//! What holds for sealed values, whatever their text.

use mappings::json::objects::each_object;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{BlindKey, DataKey, Holes, KeyRing, KeyRingError, SealedElements, scope, stray_number};

const SSIN: &str = "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/ssin";

fn sealed(elements: &[&str]) -> SealedElements {
    let elements = elements.iter().map(|element| (*element).to_owned()).collect();
    SealedElements { systems: vec![SSIN.to_owned()], elements }
}

fn key() -> DataKey {
    DataKey::fresh().expect("there is randomness")
}

fn ring() -> (String, KeyRing) {
    let line = KeyRing::fresh_line("first").expect("there is randomness");
    let ring = KeyRing::read(&line).expect("a fresh line is good");
    (line, ring)
}

#[test]
fn a_number_is_cut_out_wherever_an_identifier_has_it_and_however_it_is_written() {
    let text = r#"{"resourceType":"Patient","identifier":[{"value":"85073003328","system":"https:\/\/www.ehealth.fgov.be/standards/fhir/core/NamingSystem/ssin"},
        {"system":"urn:mrn","value":"1"}],"contained":[{"link":{"identifier":{"system":"https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/ssin","value":"850730\u00303328"}}}]}"#;
    let spans = sealed(&[]).places(text);
    assert_eq!(spans.len(), 2);
    let key = key();
    let (cut, holes) = Holes::cut(text, &spans, "k", (&key, "record")).expect("it is sealed");
    assert!(!cut.contains("850730") && cut.matches("\"***\"").count() == 2, "{cut}");
    assert!(!holes.write().contains("850730"));
    let read = Holes::read(&holes.write()).expect("it reads what it wrote");
    assert_eq!(read, holes);
    assert_eq!(read.fill(&cut, (&key, "record")).as_deref(), Some(text));
    assert_eq!(read.fill(&cut, (&key, "another record")), None);
    assert_eq!(read.fill(&cut, (&self::key(), "record")), None);
    assert_eq!(read.fill(&cut.replace("***", "+++"), (&key, "record")), None);
    // Sealed once more, the mask stays what it is.
    assert!(sealed(&[]).places(&cut).is_empty());
}

#[test]
fn names_and_addresses_are_sealed_where_the_operator_says_so_and_their_codes_are_not() {
    let text = json!({"resourceType": "Patient", "name": [{"use": "official", "family": "Claes", "given": ["Zoë", "An"]}],
        "telecom": [{"system": "phone", "use": "home", "value": "03 000 00 00"}], "address": [{"city": "Gent", "use": "home"}],
        "contact": [{"name": {"family": "Smit"}}], "generalPractitioner": [{"display": "Peeters"}]})
    .to_string();
    let cut = |elements: &[&str]| {
        let elements = sealed(elements);
        let spans = elements.places(&text);
        spans.into_iter().map(|span| text[span].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(cut(&[]), Vec::<String>::new());
    assert_eq!(cut(&["telecom"]), ["\"03 000 00 00\""]);
    let mut names = cut(&["name"]);
    names.sort();
    assert_eq!(names, ["\"An\"", "\"Claes\"", "\"Smit\"", "\"Zoë\""]);
    assert_eq!(cut(&["address"]), ["\"Gent\""]);
    let organization = text.replace("\"Patient\"", "\"Organization\"");
    assert!(sealed(&["name", "telecom"]).places(&organization).is_empty(), "an organisation is no person");
    assert!(sealed(&["name"]).hides("Patient", "family") && !sealed(&["name"]).hides("Patient", "birthdate"));
    assert!(!sealed(&[]).hides("Patient", "family") && !sealed(&["name"]).hides("Organization", "name"));
}

#[test]
fn a_key_is_unwrapped_by_its_ring_its_row_and_nothing_else() {
    let (line, ring) = ring();
    let key = key();
    let wrapped = ring.wrap("id record", &key).expect("it is wrapped");
    let unwrapped = ring.unwrap("first", "id record", &wrapped).expect("it unwraps");
    assert_eq!(unwrapped.token("s", "v"), key.token("s", "v"));
    assert!(ring.unwrap("first", "id another", &wrapped).is_none());
    assert!(ring.unwrap("second", "id record", &wrapped).is_none());
    let later = format!("{line}{}", KeyRing::fresh_line("second").expect("there is randomness"));
    let later = KeyRing::read(&later).expect("two lines are good");
    assert_eq!(later.current(), "second");
    assert!(later.unwrap("first", "id record", &wrapped).is_some());
    let other = KeyRing::read(&KeyRing::fresh_line("first").expect("there is randomness")).expect("it is good");
    assert!(other.unwrap("first", "id record", &wrapped).is_none());
}

#[test]
fn a_ring_that_is_wrong_names_the_line_and_never_the_key() {
    let (line, ring) = ring();
    assert_eq!(KeyRing::read("# nothing\n\n").err(), Some(KeyRingError::Empty));
    assert_eq!(KeyRing::read("first c2hvcnQ=").err(), Some(KeyRingError::Line(1)));
    assert_eq!(KeyRing::read("\nfirst").err(), Some(KeyRingError::Line(2)));
    assert_eq!(KeyRing::read(&format!("{line}{line}")).err(), Some(KeyRingError::Repeated(2)));
    let secret = line.split(' ').nth(1).expect("a name and a key").trim();
    assert!(!format!("{ring:?}{:?}{:?}", key(), BlindKey::of(&key())).contains(secret));
}

#[test]
fn tokens_of_two_records_have_nothing_in_common() {
    let (one, other) = (key(), key());
    assert_eq!(one.token(SSIN, "85073003328"), one.token(SSIN, "85073003328"));
    assert_ne!(one.token(SSIN, "85073003328"), other.token(SSIN, "85073003328"));
    assert_ne!(one.token(SSIN, "85073003328"), one.token(SSIN, "85073003329"));
    assert_eq!(BlindKey::of(&one).blind(SSIN, "1"), BlindKey::of(&one).blind(SSIN, "1"));
    assert_ne!(BlindKey::of(&one).blind(SSIN, "1"), BlindKey::of(&other).blind(SSIN, "1"));
}

#[test]
fn a_record_has_one_key_and_each_resource_outside_of_records_its_own() {
    assert_eq!(scope("p1", "Coverage", "c"), "p1");
    assert_eq!(scope("directory", "Practitioner", "d"), "directory/Practitioner/d");
    assert_eq!(scope("organization/a", "Group", "g"), "organization/a/Group/g");
}

#[test]
fn a_national_number_in_a_text_is_found_and_other_numbers_are_not() {
    let note = |text: &str| json!({"resourceType": "Observation", "note": [{"text": text}]});
    for text in [
        "85073003328",
        "INSZ: 85.07.30-033.28.",
        "nr 850730 033 28",
        "(98472899765)",
        "85-07-30-033-28",
        "kamer 4 85073003328",
        "85073003328 12/03/2026",
        "850730-03328",
    ] {
        assert_eq!(stray_number(&note(text)).as_deref(), Some("Observation.note[0].text"), "{text}");
    }
    for text in
        ["85073003329", "+85073003328", "a85073003328", "185073003328", "2026-03-01T12:00:00.000", "85.073.003.328", ""]
    {
        assert_eq!(stray_number(&note(text)), None, "{text}");
    }
    let elsewhere = json!({"resourceType": "Patient", "id": "85073003328", "identifier": [{"system": "s", "value": "85073003328"}],
        "telecom": [{"system": "phone", "value": "85073003328"}], "managingOrganization": {"reference": "Organization/85073003328"}});
    assert_eq!(stray_number(&elsewhere), None);
    // A UUID has one by chance, but a text with a UUID in it is a text.
    let uuid = "urn:uuid:6850730f-4c7d-4f0e-9a6b-85073003328a";
    let bundle = |text: &str| json!({"resourceType": "Bundle", "entry": [{"fullUrl": uuid, "resource": note(text)}]});
    assert_eq!(stray_number(&bundle(uuid)), None);
    assert_eq!(stray_number(&bundle(&uuid["urn:uuid:".len()..])), None);
    let place = "Bundle.entry[0].resource.note[0].text";
    assert_eq!(stray_number(&bundle(&format!("of {uuid}"))).as_deref(), Some(place));
    let without_system = json!({"resourceType": "Patient", "identifier": [{"value": "85073003328"}]});
    assert_eq!(stray_number(&without_system).as_deref(), Some("Patient.identifier[0].value"));
}

proptest! {
    #[test]
    fn what_is_cut_is_gone_and_what_is_filled_is_the_text(values in proptest::collection::vec(".{0,12}", 0..6), pretty: bool, rest: String) {
        let identifiers: Vec<Value> = values.iter().map(|value| json!({"value": value, "system": SSIN, "n": rest})).collect();
        let root = json!({"resourceType": "Patient", "identifier": identifiers, "rest": rest});
        let text = if pretty { format!("{root:#}") } else { root.to_string() };
        let elements = sealed(&[]);
        let key = key();
        let (cut, holes) = Holes::cut(&text, &elements.places(&text), "k", (&key, "r")).expect("it is sealed");
        each_object(&cut, &mut |path, members| {
            if path == ["identifier"] {
                let value = members.iter().find(|member| member.key == "value").expect("it has a value");
                assert_eq!(&cut[value.value_span.clone()], "\"***\"");
            }
        });
        prop_assert!(serde_json::from_str::<Value>(&cut).is_ok());
        let read = Holes::read(&holes.write()).expect("it reads what it wrote");
        prop_assert_eq!(read.fill(&cut, (&key, "r")), Some(text));
    }
}
