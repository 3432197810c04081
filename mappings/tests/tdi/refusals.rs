//! What is not understood is named, and nothing is passed over.

use mappings::tdi::{
    Answer, Authors, Language, Pseudonym, Reference, Table, TreatmentDemand, answers_of_response, batch_line,
    from_batch_line, from_submission, submission, to_response,
};
use serde_json::{Value, json};

use crate::sample::{answers, pseudonym, record, reference};

fn response() -> Value {
    to_response(&Table::built_in(), &answers(), Language::Nl)
}

/// The elements that are named once the response is changed.
fn named(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut response = response();
    change(&mut response);
    let read = answers_of_response(&Table::built_in(), &response);
    read.err().unwrap_or_default().into_iter().map(|issue| issue.expression).collect()
}

const CENTRE: &str = "QuestionnaireResponse.item.where(linkId='centre')";

fn item(link_id: &str) -> String {
    format!("{CENTRE}.item.where(linkId='{link_id}')")
}

#[test]
fn a_response_is_completed_and_answers_our_questionnaire() {
    assert_eq!(named(|_| {}), Vec::<String>::new());
    for status in ["in-progress", "entered-in-error", "stopped", ""] {
        assert_eq!(named(|response| response["status"] = json!(status)), ["QuestionnaireResponse.status"], "{status}");
    }
    assert_eq!(named(|response| response["status"] = json!("amended")), Vec::<String>::new());
    for url in ["https://example.org/other", "https://wellgate.example/fhir/Questionnaire/tdi|2.0", ""] {
        assert_eq!(
            named(|response| response["questionnaire"] = json!(url)),
            ["QuestionnaireResponse.questionnaire"],
            "{url}"
        );
    }
    assert_eq!(named(|response| response["resourceType"] = json!("Questionnaire")), ["resourceType"]);
    assert_eq!(named(|response| *response = json!([])), ["QuestionnaireResponse"]);
}

#[test]
fn an_unknown_item_is_refused_wherever_it_stands() {
    assert_eq!(named(|response| response["item"][0]["linkId"] = json!("more")), ["QuestionnaireResponse.item[0]"]);
    assert_eq!(
        named(|response| response["item"][0]["item"][1]["linkId"] = json!("more")),
        [format!("{CENTRE}.item[1]")]
    );
    let moved = named(|response| response["item"][0]["item"][1]["linkId"] = json!("sex"));
    assert_eq!(moved, [format!("{CENTRE}.item[1]")], "an item of another group does not stand here");
    let asked = named(|response| response["item"][0]["item"][1]["linkId"] = json!("pseudonym"));
    assert_eq!(asked, [format!("{CENTRE}.item[1]")], "nobody sends a pseudonym in");
    assert_eq!(named(|response| response["item"][0]["item"][1] = json!("text")), [format!("{CENTRE}.item[1]")]);
    assert_eq!(named(|response| response["item"] = json!({"linkId": "centre"})), ["QuestionnaireResponse.item"]);
}

#[test]
fn an_element_that_is_not_understood_is_refused() {
    for name in ["contained", "extension", "modifierExtension", "implicitRules", "_status", "nonsense"] {
        assert_eq!(named(|response| response[name] = json!([])), [format!("QuestionnaireResponse.{name}")]);
        assert_eq!(named(|response| response["item"][0][name] = json!([])), [format!("{CENTRE}.{name}")]);
        assert_eq!(
            named(|response| response["item"][0]["item"][0][name] = json!([])),
            [format!("{}.{name}", item("centre-type"))]
        );
        let within = named(|response| response["item"][0]["item"][0]["answer"][0][name] = json!([]));
        assert_eq!(within, [format!("{}.answer[0]", item("centre-type"))]);
    }
    let within = named(|response| response["item"][0]["item"][0]["answer"][0]["item"] = json!([]));
    assert_eq!(within, [format!("{}.answer[0]", item("centre-type"))], "items below an answer");
    let coding =
        named(|response| response["item"][0]["item"][0]["answer"][0]["valueCoding"]["userSelected"] = json!(true));
    assert_eq!(coding, [format!("{}.answer[0]", item("centre-type"))]);
}

#[test]
fn an_answer_of_another_kind_system_or_code_is_refused() {
    let centre = |answer: Value| named(|response| response["item"][0]["item"][0]["answer"] = answer);
    let answer = format!("{}.answer[0]", item("centre-type"));
    let system = "https://wellgate.example/fhir/CodeSystem/tdi-centre-type";
    for wrong in [
        json!([{"valueCoding": {"system": system, "code": "hospital"}}]),
        json!([{"valueCoding": {"system": "https://example.org", "code": "outpatient"}}]),
        json!([{"valueCoding": {"code": "outpatient"}}]),
        json!([{"valueString": "outpatient"}]),
        json!([{}]),
    ] {
        assert_eq!(centre(wrong.clone()).as_slice(), std::slice::from_ref(&answer), "{wrong}");
    }
    let twice = json!([{"valueCoding": {"system": system, "code": "outpatient"}}, {"valueCoding": {"system": system, "code": "prison"}}]);
    assert_eq!(centre(twice), [item("centre-type")]);
    let day = |day: &str| named(|response| response["item"][0]["item"][2]["answer"] = json!([{"valueDate": day}]));
    assert_eq!(day("2026-03"), [format!("{}.answer[0]", item("treatment-start"))]);
    let unit = |unit: &str| named(|response| response["item"][0]["item"][1]["answer"] = json!([{"valueString": unit}]));
    for wrong in ["", "a b", "=1+1", "-a", "x\ny", "é", "85073003328", "u-85.07.30-033.28", &"x".repeat(41)] {
        assert_eq!(unit(wrong), [format!("{}.answer[0]", item("unit"))], "{wrong}");
    }
    for right in ["a", "Gent-1_b.c", "12345678", &"x".repeat(40)] {
        assert_eq!(unit(right), Vec::<String>::new(), "{right}");
    }
    let stands_twice = named(|response| {
        let again = response["item"][0]["item"][0].clone();
        response["item"][0]["item"].as_array_mut().expect("a list").push(again);
    });
    assert_eq!(stands_twice, [item("centre-type")]);
}

#[test]
fn a_number_lies_within_the_bounds_of_its_item() {
    let age = |value: Value| {
        let mut answers = answers();
        answers.insert("age".to_owned(), Answer::Whole(34));
        let text = to_response(&Table::built_in(), &answers, Language::En).to_string();
        let changed = text.replace("\"valueInteger\":34", &format!("\"valueInteger\":{value}"));
        answers_of_response(&Table::built_in(), &serde_json::from_str(&changed).expect("it is JSON")).is_ok()
    };
    for (value, expected) in [
        (json!(0), true),
        (json!(120), true),
        (json!(-1), false),
        (json!(121), false),
        (json!(34.5), false),
        (json!("34"), false),
    ] {
        assert_eq!(age(value.clone()), expected, "{value}");
    }
}

#[test]
fn an_issue_repeats_no_answer_and_there_are_not_more_than_can_be_read() {
    let mut response = response();
    response["item"][0]["item"][1]["answer"] = json!([{"valueString": "85.07.30-033.28"}]);
    response["item"][1]["linkId"] = json!("85.07.30-033.28");
    let issues = answers_of_response(&Table::built_in(), &response).expect_err("it is refused");
    assert!(!format!("{issues:?}").contains("85.07"), "{issues:?}");
    response["item"] = json!(vec![json!({"linkId": "more"}); 1_000]);
    assert_eq!(answers_of_response(&Table::built_in(), &response).map_err(|issues| issues.len()), Err(50));
}

#[test]
fn a_pseudonym_is_64_letters_and_never_a_number() {
    let of_hash = Pseudonym::of_bytes(&[0x0f; 32]);
    assert_eq!(of_hash.as_str(), "ap".repeat(32));
    assert_eq!(Pseudonym::parse(of_hash.as_str()), Some(of_hash.clone()));
    for text in ["", "85073003328", &"a".repeat(63), &"a".repeat(65), &"q".repeat(64), &"A".repeat(64), &"1".repeat(64)]
    {
        assert_eq!(Pseudonym::parse(text), None, "{text}");
    }
    assert!(!format!("{of_hash:?}").contains("apap"));
    assert_ne!(Pseudonym::of_bytes(&[1; 32]), Pseudonym::of_bytes(&[16; 32]));
}

#[test]
fn a_record_is_of_the_table_and_corrects_another_than_itself() {
    let table = Table::built_in();
    let with = |item: &str, answer: Answer| {
        let mut answers = answers();
        answers.insert(item.to_owned(), answer);
        TreatmentDemand::new(&table, reference("tdi-1"), None, answers).map_err(|error| error.item)
    };
    for item in ["more", "pseudonym"] {
        assert_eq!(with(item, Answer::Whole(1)).err(), Some(item.to_owned()));
    }
    let mut without = answers();
    without.remove("treatment-start");
    let refused = TreatmentDemand::new(&table, reference("tdi-1"), None, without).map_err(|error| error.item);
    assert_eq!(refused.err(), Some("treatment-start".to_owned()));
    assert!(record().correcting(reference("tdi-1")).is_err());
    for text in ["", "a b", "a/b", &"x".repeat(65)] {
        assert_eq!(Reference::parse(text), None, "{text}");
    }
    assert!(Reference::parse(&"x".repeat(64)).is_some());
}

fn authors() -> Authors {
    Authors { group: "cgg-leie".to_owned(), author: "cgg-leie".to_owned(), coauthor: None }
}

#[test]
fn a_submission_that_is_not_understood_is_refused_and_named() {
    let table = Table::built_in();
    let refused = |pointer: &str, value: Value| {
        let mut sent = submission(&table, &record(), &authors());
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        sent.pointer_mut(parent).expect("it is there")[name] = value;
        from_submission(&table, &sent).map_err(|error| error.item).err()
    };
    for (pointer, value, named) in [
        ("/payload/MORE", json!(1), "MORE"),
        ("/payload/SEX", json!(1), "sex"),
        ("/payload/SEX", json!("male"), "sex"),
        ("/payload/SEX", json!(101), "sex"),
        ("/payload/AGE", json!(121), "age"),
        ("/payload/OTHER_SUBSTANCES", json!([]), "other-substances"),
        ("/payload/PI2", json!("85073003328"), "PI2"),
        ("/payload/PI2", json!(85_073_003_328_u64), "PI2"),
        ("/STATUS", json!("draft"), "STATUS"),
        ("/version", json!("2.0"), "version"),
        ("/dataCollection", json!("OTHER"), "dataCollection"),
        ("/reference", json!(null), "reference"),
        ("/corrects", json!("tdi-1"), "corrects"),
    ] {
        assert_eq!(refused(pointer, value).as_deref(), Some(named), "{pointer}");
    }
}

#[test]
fn a_line_or_a_kept_form_that_is_not_understood_is_refused() {
    let table = Table::built_in();
    let line = batch_line(&table, &record());
    for (from, to) in [
        ("tdi-1,", "tdi 1,"),
        (",3.0,", ",2.0,"),
        (",female,", ",x,"),
        (",34,", ",121,"),
        ("71|alcohol", "71|71"),
        ("\n", ",\n"),
    ] {
        let changed = line.replacen(from, to, 1);
        assert_ne!(changed, line);
        assert!(from_batch_line(&table, &changed).is_err(), "{to}");
    }
    let mut kept = record().to_value();
    kept["tableVersion"] = json!("2.0");
    assert!(TreatmentDemand::from_value(&table, &kept).is_err());
    let mut kept = record().to_value();
    kept["name"] = json!("An Voorbeeld");
    assert_eq!(TreatmentDemand::from_value(&table, &kept).map_err(|error| error.item).err().as_deref(), Some("name"));
    let mut kept = record().to_value();
    kept["answers"]["more"] = json!(1);
    assert_eq!(TreatmentDemand::from_value(&table, &kept).map_err(|error| error.item).err().as_deref(), Some("more"));
}

#[test]
fn no_seeded_national_number_is_in_anything_that_is_sent_kept_or_written() {
    let table = Table::built_in();
    // Whoever makes the pseudonym has these; none of them can be put into a record.
    for number in ["85073003328", "17073003384", "01490700185"] {
        let mut answers = answers();
        answers.insert("unit".to_owned(), Answer::Unit(number.to_owned()));
        let smuggled = to_response(&table, &answers, Language::Nl);
        assert!(answers_of_response(&table, &smuggled).is_err(), "it does not pass the door");
        assert_eq!(Pseudonym::parse(number), None);
        let mut bytes = [0_u8; 32];
        bytes[..11].copy_from_slice(number.as_bytes());
        let record = TreatmentDemand::new(
            &table,
            reference("tdi-1"),
            Some(Pseudonym::of_bytes(&bytes)),
            crate::sample::answers(),
        );
        let record = record.expect("it is a record");
        let sent = submission(&table, &record, &authors()).to_string();
        for text in [sent, record.to_value().to_string(), batch_line(&table, &record), format!("{record:?}")] {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            assert!(!text.contains(number) && !digits.contains(number), "{number}");
        }
    }
    assert_ne!(pseudonym(1), pseudonym(2));
}
