//! Parts of resources: <https://hl7.org/fhir/R4/search.html#summary>, <https://hl7.org/fhir/R4/search.html#elements>; and how answers are
//! written: <https://hl7.org/fhir/R4/http.html#parameters>.

use serde_json::{Value, json};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::referral::place;
use wellgate_tests::resources::{bundle, observation, patient};
use wellgate_tests::stories;

use super::{entries, linked, text};

const NARRATIVE: &str = "<div xmlns=\"http://www.w3.org/1999/xhtml\">TEST-NARRATIVE</div>";

/// Made up, and with the right check digits.
const NUMBER: &str = "85073003328";

/// A person with a narrative, a photo and a contact.
fn whole() -> Value {
    let mut person = patient();
    person["text"] = json!({"status": "generated", "div": NARRATIVE});
    person["contact"] = json!([{"name": {"family": "Testcontact"}}]);
    person["photo"] = json!([{"contentType": "image/png", "data": "AAAA"}]);
    person
}

/// The members of a resource but for those of every part.
fn members(resource: &Value) -> Vec<&str> {
    let members = resource.as_object().expect("a resource").keys().map(String::as_str);
    members.filter(|name| !["resourceType", "id", "meta"].contains(name)).collect()
}

fn is_subsetted(resource: &Value) -> bool {
    let tags = resource["meta"]["tag"].as_array().cloned().unwrap_or_default();
    let is_tag = |tag: &Value| {
        text(&tag["code"]) == "SUBSETTED"
            && text(&tag["system"]) == "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
    };
    tags.iter().filter(|tag| is_tag(tag)).count() == 1
}

async fn a_summary_shows_what_the_standard_marks(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let id = elp.create(&whole()).await;
    let summary = ["identifier", "active", "name", "gender", "birthDate", "address"];
    for (asked, expected) in [
        ("_summary=true", summary.to_vec()),
        ("_summary=text", vec!["text"]),
        ("_summary=data", [summary.as_slice(), &["communication", "contact", "photo"]].concat()),
    ] {
        for path in [format!("Patient/{id}?{asked}"), format!("Patient?_id={id}&{asked}")] {
            let answer = elp.get(&path).await.expect(200);
            let resource = if path.contains("_id") { answer.resources()[0].clone() } else { answer.json };
            let mut found = members(&resource);
            found.sort_unstable();
            let mut expected = expected.clone();
            expected.sort_unstable();
            assert_eq!(found, expected, "{path}");
            assert!(is_subsetted(&resource), "{path}: {resource}");
            assert!(resource["meta"]["versionId"].is_string() && resource["id"] == json!(id), "{path}");
        }
    }
    let read = elp.get(format!("Patient/{id}")).await.expect(200);
    let same = elp.get(format!("Patient/{id}?_summary=false")).await.expect(200);
    assert_eq!(same.bytes, read.bytes, "byte for byte");
    assert_eq!(elp.get(format!("Patient?_id={id}&_summary=false")).await.resources(), [read.json]);
}

async fn elements_are_shown_with_those_that_must_be_there(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let id = elp.create(&whole()).await;
    let person = elp.get(format!("Patient/{id}?_elements=birthDate,contact")).await.expect(200).json;
    assert_eq!(members(&person), ["birthDate", "contact"]);
    assert!(is_subsetted(&person));
    let seen = elp.create(&observation(&id)).await;
    for asked in ["value", "valueInteger"] {
        let found = elp.get(format!("Observation?_id={seen}&_elements={asked}")).await.expect(200).resources();
        assert_eq!(members(&found[0]), ["status", "code", "valueInteger"], "{asked}");
    }
    let found = elp.get(format!("Observation?_id={seen}&_elements=value&_include=Observation:subject")).await;
    let found = found.expect(200).resources();
    assert!(is_subsetted(&found[0]) && !is_subsetted(&found[1]), "elements are those of the type that is searched");
    let summed = elp.get(format!("Observation?_id={seen}&_summary=true&_include=Observation:subject")).await;
    assert!(summed.expect(200).resources().iter().all(is_subsetted), "a summary is of everything");
    let next = elp.get(format!("Observation?patient={id}&_elements=status&_count=1")).await;
    assert!(next.link("self").expect("a link").contains("_elements=status"));
}

async fn a_part_has_the_version_of_the_whole(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let id = elp.create(&whole()).await;
    let whole = elp.get(format!("Patient/{id}")).await.expect(200);
    let part = elp.get(format!("Patient/{id}?_summary=true")).await.expect(200);
    assert_eq!((part.etag(), part.header("last-modified")), (whole.etag(), whole.header("last-modified")));
    let known = [("if-none-match", whole.etag())];
    let known: Vec<(&str, &str)> = known.iter().map(|(name, value)| (*name, value.as_str())).collect();
    elp.get_with(format!("Patient/{id}?_summary=true"), &known).await.expect(304);
    let version = text(&whole.json["meta"]["versionId"]).to_owned();
    let of_version = elp.get(format!("Patient/{id}/_history/{version}?_elements=name")).await.expect(200);
    assert_eq!(members(&of_version.json), ["name"]);
    let of_entry = elp.post("", &bundle("batch", &[("GET", &format!("Patient/{id}?_summary=text"), None)])).await;
    assert_eq!(members(&of_entry.expect(200).json["entry"][0]["resource"]), ["text"]);
    let event = elp.get("AuditEvent?_count=1").await.expect(200).resources()[0].clone();
    let event = elp.get(format!("AuditEvent/{}?_elements=recorded", text(&event["id"]))).await.expect(200).json;
    assert!(is_subsetted(&event) && event.get("text").is_none() && event["agent"].is_array(), "{event}");
}

async fn a_part_that_is_none_is_refused_before_anything_is_looked_for(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let id = elp.create(&patient()).await;
    for (asked, parameter) in [
        ("_summary=most", "_summary"),
        ("_summary=", "_summary"),
        ("_summary=true&_summary=text", "_summary"),
        ("_elements=nothing", "_elements"),
        ("_elements=name.family", "_elements"),
        ("_elements=name&_summary=true", "_elements"),
    ] {
        for path in [format!("Patient?{asked}"), format!("Patient/{id}?{asked}"), format!("Patient/never-was?{asked}")]
        {
            let refused = elp.get(&path).await.expect(400);
            assert_eq!(refused.issues()[0].1, parameter, "{path}");
        }
    }
    elp.get(format!("Patient/{id}?_summary=count")).await.expect(400);
    elp.get("Patient/never-was?_summary=true").await.expect(404);
}

/// Of what is shown a part is taken, never of what is kept.
async fn a_part_of_a_minimum_is_a_part_of_the_minimum(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &["elp-1", "elp-2"], "HealthcareService/elp-pool").await;
    let elp = gateway.as_("elp-1");
    let shown = elp.get(format!("Task/{}", placed.task)).await.expect(200).json;
    for asked in ["_summary=true", "_summary=data", "_summary=text", "_elements=for,reasonCode,note,input,description"]
    {
        let part = elp.get(format!("Task/{}?{asked}", placed.task)).await.expect(200).json;
        let listed = elp.get(format!("Task?_id={}&{asked}", placed.task)).await.expect(200).resources();
        assert_eq!(listed, std::slice::from_ref(&part), "{asked}");
        for name in members(&part) {
            assert_eq!(
                part[name].is_array() || part[name].is_object(),
                shown[name].is_array() || shown[name].is_object(),
                "{asked}: {name}"
            );
            assert!(!shown[name].is_null(), "{asked}: {name} is shown by itself too");
        }
        assert!(!part.to_string().contains("TEST-") && !part.to_string().contains(&placed.patient), "{asked}: {part}");
    }
}

async fn a_number_is_shown_in_a_part_and_in_what_is_included_to_who_may_have_it(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let mut person = whole();
    let ssin = json!({"system": "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/ssin", "value": NUMBER});
    person["identifier"] = json!([ssin]);
    let id = elp.create(&person).await;
    let part = elp.get(format!("Patient/{id}?_elements=identifier")).await.expect(200).json;
    assert_eq!((&part["identifier"], members(&part).len()), (&json!([ssin]), 1));
    elp.create(&observation(&id)).await;
    let included = elp.get(format!("Observation?patient={id}&_include=Observation:subject")).await.expect(200);
    assert_eq!(included.resources()[1]["identifier"], json!([ssin]));
    assert!(!gateway.on_disk().contains(NUMBER));
}

async fn an_answer_is_indented_where_that_is_asked(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let made = linked(&elp).await;
    for path in [
        format!("Patient/{}", made.patient),
        format!("Observation?patient={}&_include=Observation:subject", made.patient),
        "Patient/never-was".to_owned(),
        "Patient?nonsense=1".to_owned(),
    ] {
        let plain = elp.get(&path).await;
        let mark = if path.contains('?') { "&" } else { "?" };
        let pretty = elp.get(format!("{path}{mark}_pretty=true")).await.expect(plain.status);
        let lines = String::from_utf8_lossy(&pretty.bytes).into_owned();
        assert!(lines.starts_with("{\n  \"resourceType\": \"") && lines.ends_with("}\n"), "{path}: {lines}");
        assert_eq!(pretty.header("content-length"), lines.len().to_string(), "{path}");
        assert_eq!(pretty.etag(), plain.etag());
        let told = |answer: &wellgate_tests::caller::Answer| {
            let mut json = answer.json.clone();
            if json["link"].is_array() {
                json["link"] = Value::Null;
            }
            json
        };
        assert_eq!(told(&pretty), told(&plain), "{path}: the same values");
        let plainly = elp.get(format!("{path}{mark}_pretty=false")).await;
        assert_eq!(told(&plainly), told(&plain));
        assert!(!String::from_utf8_lossy(&plainly.bytes).contains('\n'), "{path}");
    }
}

async fn a_format_is_asked_by_address_and_by_form(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    elp.create(&patient()).await;
    for format in ["json", "application/json", "application/fhir%2Bjson", "application/fhir+json"] {
        let found = elp.get(format!("Patient?_format={format}")).await.expect(200);
        assert!(found.link("self").expect("a link").contains("_format="), "a page has the same format");
        assert_eq!(entries(&elp.post_search("Patient", &format!("_format={format}")).await.expect(200)).len(), 1);
    }
    for format in ["xml", "application/fhir%2Bxml", "ttl"] {
        elp.get(format!("Patient?_format={format}")).await.expect(406);
        elp.post_search("Patient", &format!("_format={format}")).await.expect(406);
    }
}

stories!(
    a_summary_shows_what_the_standard_marks,
    elements_are_shown_with_those_that_must_be_there,
    a_part_has_the_version_of_the_whole,
    a_part_that_is_none_is_refused_before_anything_is_looked_for,
    a_part_of_a_minimum_is_a_part_of_the_minimum,
    a_number_is_shown_in_a_part_and_in_what_is_included_to_who_may_have_it,
    an_answer_is_indented_where_that_is_asked,
    a_format_is_asked_by_address_and_by_form,
);
