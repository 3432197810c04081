//! `_include` and `_revinclude`: <https://hl7.org/fhir/R4/search.html#include>.

use serde_json::json;
use wellgate_tests::gateway::{Gateway, Options};
use wellgate_tests::referral::{place, refusals};
use wellgate_tests::resources::{bundle, consent, observation, patient, permit};
use wellgate_tests::stories;

use super::{entries, linked, sorted};

async fn an_include_brings_what_matches_refer_to(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let made = linked(&elp).await;
    let matched = format!("match Observation/{}", made.observation);
    let person = format!("include Patient/{}", made.patient);
    let [practitioner, organization, encounter] = [
        format!("include Practitioner/{}", made.practitioner),
        format!("include Organization/{}", made.organization),
        format!("include Encounter/{}", made.encounter),
    ];
    for (include, expected) in [
        ("_include=Observation:subject", vec![&person]),
        ("_include=Observation:patient", vec![&person]),
        ("_include=Observation:subject:Patient", vec![&person]),
        ("_include=Observation:subject:Group", vec![]),
        ("_include=Observation:performer:Practitioner", vec![&practitioner]),
        ("_include=Observation:performer", vec![&organization, &practitioner]),
        ("_include=Observation:performer:Organization&_include=Observation:encounter", vec![&encounter, &organization]),
        ("_include=Observation:*", vec![&encounter, &organization, &person, &practitioner]),
        ("_include=*", vec![&encounter, &organization, &person, &practitioner]),
        ("_include=Observation:*:Patient", vec![&person]),
        ("_include=Observation:has-member", vec![]),
    ] {
        let found = elp.get(format!("Observation?_id={}&{include}", made.observation)).await.expect(200);
        let expected: Vec<&String> = expected.into_iter().chain([&matched]).collect();
        assert_eq!(sorted(&found).iter().collect::<Vec<_>>(), expected, "{include}");
        assert_eq!(entries(&found)[0], matched, "matches come first");
        assert!(found.link("self").expect("a link").contains("_include="), "the link says what was asked");
        let form = format!("_id={}&{include}", made.observation);
        let posted = elp.post_search("Observation", &form).await.expect(200);
        assert_eq!(entries(&posted), entries(&found), "{include} by POST");
        let asked = bundle("batch", &[("GET", &format!("Observation?_id={}&{include}", made.observation), None)]);
        let batch = elp.post("", &asked).await.expect(200);
        assert_eq!(batch.json["entry"][0]["resource"]["entry"], found.json["entry"], "{include} in a batch");
    }
}

async fn each_resource_is_there_once_and_only_matches_are_counted(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let made = linked(&elp).await;
    let query =
        format!("Observation?patient={}&_include=Observation:subject&_include=Observation:patient", made.patient);
    let found = elp.get(format!("{query}&_include=Observation:has-member&_total=accurate")).await.expect(200);
    let mut expected =
        vec![format!("match Observation/{}", made.observation), format!("match Observation/{}", made.panel)];
    expected.sort_unstable();
    expected.insert(0, format!("include Patient/{}", made.patient));
    assert_eq!((sorted(&found), &found.json["total"]), (expected, &json!(2)), "a match is no include");
    let counted = elp.get(format!("{query}&_summary=count")).await.expect(200);
    assert_eq!((&counted.json["total"], counted.json.get("entry")), (&json!(2), None));
    // What a later page matches comes along with this one all the same.
    let query = format!(
        "Observation?_id={},{}&_sort=_id&_count=1&_include=Observation:has-member",
        made.panel, made.observation
    );
    let mut pages = vec![elp.get(&query).await.expect(200)];
    pages.push(elp.get(pages[0].link("next").expect("a next page")).await.expect(200));
    let of_panel = pages.iter().find(|page| entries(page)[0].ends_with(&made.panel)).expect("a page of the panel");
    assert_eq!(entries(of_panel)[1..], [format!("include Observation/{}", made.observation)]);
}

async fn a_reference_is_followed_if_it_is_to_this_gateway(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let [person, other, gone] =
        [elp.create(&patient()).await, elp.create(&patient()).await, elp.create(&patient()).await];
    elp.delete(format!("Patient/{gone}")).await.expect(204);
    let mut seen = observation(&person);
    seen["subject"] = json!({"reference": format!("{}/Patient/{person}", gateway.base)});
    seen["contained"] = json!([{"resourceType": "Patient", "id": "inside"}]);
    seen["focus"] = json!([
        {"reference": "#inside"}, {"reference": format!("https://elsewhere.example/fhir/Patient/{other}")},
        {"reference": format!("Patient/{gone}")}, {"reference": "Patient/never-was"}, {"display": "no reference"},
        {"identifier": {"system": "https://ehr.example/patient", "value": "TEST-0001"}},
    ]);
    let id = elp.create(&seen).await;
    let found = elp.get(format!("Observation?_id={id}&_include=Observation:subject&_include=Observation:focus")).await;
    assert_eq!(entries(&found), [format!("match Observation/{id}"), format!("include Patient/{person}")]);
    seen["focus"] = json!([{"reference": format!("{}/Patient/{other}/_history/1", gateway.base)}]);
    let id = elp.create(&seen).await;
    let found = elp.get(format!("Observation?_id={id}&_include=Observation:focus")).await;
    let expected = [format!("match Observation/{id}"), format!("include Patient/{other}")];
    assert_eq!(entries(&found), expected, "a reference to a version brings the resource as it is now");
}

async fn a_reverse_include_brings_what_refers_to_matches(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let made = linked(&elp).await;
    let of_person = format!("Patient?_id={}", made.patient);
    let matched = format!("match Patient/{}", made.patient);
    let [encounter, observation, panel] = [
        format!("include Encounter/{}", made.encounter),
        format!("include Observation/{}", made.observation),
        format!("include Observation/{}", made.panel),
    ];
    let mut observations = vec![observation.clone(), panel.clone()];
    observations.sort_unstable();
    for (include, expected) in [
        ("_revinclude=Encounter:subject", vec![encounter.clone()]),
        ("_revinclude=Observation:patient", observations.clone()),
        ("_revinclude=Observation:subject:Patient", observations.clone()),
        ("_revinclude=Observation:*", observations.clone()),
        ("_revinclude=Encounter:patient&_revinclude=Observation:patient", [vec![encounter], observations].concat()),
        ("_revinclude=Observation:performer", vec![]),
    ] {
        let found = elp.get(format!("{of_person}&{include}")).await.expect(200);
        assert_eq!(sorted(&found), [expected, vec![matched.clone()]].concat(), "{include}");
    }
    let found = elp.get(format!("Observation?_id={}&_revinclude=Provenance:target", made.panel)).await.expect(200);
    let provenance = format!("include Provenance/{}", made.provenance);
    assert_eq!(entries(&found), [format!("match Observation/{}", made.panel), provenance]);
    let found = elp.get(format!("Organization?_id={}&_revinclude=Patient:organization", made.organization)).await;
    assert_eq!(entries(&found)[1..], [format!("include Patient/{}", made.patient)], "from the directory too");
}

async fn only_iterate_goes_on_from_what_is_included(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let made = linked(&elp).await;
    let asked = format!("Observation?_id={}", made.observation);
    let organization = format!("include Organization/{}", made.organization);
    let person = format!("include Patient/{}", made.patient);
    let once = elp.get(format!("{asked}&_include=Observation:subject&_include:iterate=Patient:organization")).await;
    assert_eq!(entries(&once.expect(200))[1..], [person.clone(), organization.clone()]);
    let none = elp.get(format!("{asked}&_include:iterate=Patient:organization")).await.expect(200);
    assert_eq!(entries(&none).len(), 1, "nothing is there to go on from");
    let both = format!("{asked}&_include=Observation:subject&_revinclude:iterate=Encounter:patient");
    let both = elp.get(both).await.expect(200);
    assert_eq!(entries(&both)[1..], [person, format!("include Encounter/{}", made.encounter)]);
    // A chain of the same parameter, which ends by itself though it meets what is there already.
    let mut last = made.panel.clone();
    let mut chain =
        vec![format!("include Observation/{}", made.observation), format!("include Observation/{}", made.panel)];
    for _ in 0..2 {
        let mut next = observation(&made.patient);
        next["hasMember"] =
            json!([{"reference": format!("Observation/{last}")}, {"reference": format!("Observation/{}", made.panel)}]);
        last = elp.create(&next).await;
        chain.push(format!("include Observation/{last}"));
    }
    chain.pop();
    let through = elp.get(format!("Observation?_id={last}&_include:iterate=Observation:has-member")).await.expect(200);
    let mut found = entries(&through)[1..].to_vec();
    found.sort_unstable();
    chain.sort_unstable();
    assert_eq!(found, chain);
    let direct = elp.get(format!("Observation?_id={last}&_include=Observation:has-member")).await.expect(200);
    assert_eq!(entries(&direct).len(), 3);
    let back = format!("Observation?_id={}&_revinclude:iterate=Observation:has-member", made.observation);
    assert_eq!(entries(&elp.get(back).await.expect(200)).len(), 4, "and back");
}

async fn an_include_that_is_not_served_is_refused_by_its_name(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    for (query, parameter) in [
        ("Patient?_include=Patient:nothing", "_include"),
        ("Patient?_include=Patient:family", "_include"),
        ("Patient?_include=Observation:subject", "_include"),
        ("Patient?_include=Patient", "_include"),
        ("Patient?_include=Patient:organization:Patient", "_include"),
        ("Patient?_include=Patient:organization:Nothing", "_include"),
        ("Patient?_include:recurse=Patient:organization", "_include:recurse"),
        ("Patient?_revinclude=*", "_revinclude"),
        ("Patient?_revinclude=AuditEvent:patient", "_revinclude"),
        ("Patient?_revinclude=Encounter:service-provider", "_revinclude"),
        ("Patient?_include=Patient:organization&_summary=text", "_summary"),
        ("AuditEvent?_include=AuditEvent:patient", "_include"),
    ] {
        let refused = elp.get(query).await.expect(400);
        assert_eq!(refused.issues()[0].1, parameter, "{query}: {refused}");
    }
    let many = vec!["_include=Patient:organization"; 51].join("&");
    assert_eq!(elp.get(format!("Patient?{many}")).await.expect(400).issues()[0].0, "too-costly");
    let condition = [("if-none-exist", "identifier=x&_include=Patient:organization")];
    elp.post_with("Patient", &patient(), &condition).await.expect(400);
}

async fn an_include_is_within_the_scope_of_the_token(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let made = linked(&elp).await;
    let narrow = elp.clone().with_scope("system/Observation.rs system/Practitioner.rs");
    let asked = format!("Observation?_id={}", made.observation);
    for (named, resource_type) in [
        ("_include=Observation:subject:Patient", "Patient"),
        ("_include:iterate=Patient:organization:Organization", "Organization"),
        ("_revinclude=Provenance:target", "Provenance"),
        ("_revinclude=Provenance:*", "Provenance"),
    ] {
        let refused = narrow.get(format!("{asked}&{named}")).await.expect(403);
        assert!(refused.details().starts_with(&format!("{resource_type}: ")), "{named}: {refused}");
        assert_eq!(refused.issues(), [("forbidden".to_owned(), "_include".to_owned())]);
    }
    let unnamed = narrow.get(format!("{asked}&_include=Observation:*")).await.expect(200);
    let expected =
        [format!("match Observation/{}", made.observation), format!("include Practitioner/{}", made.practitioner)];
    assert_eq!(entries(&unnamed), expected);
    assert_eq!(refusals(&elp, None).await, ["scope"; 4], "each refusal is in the trail");
}

/// The same as if there were nothing: a reference from what is seen to what is hidden is as one to nothing.
async fn an_include_never_tells_of_what_is_hidden(gateway: Gateway) {
    let (owner, reader) = (gateway.as_("edpbw-a"), gateway.as_("gp-1"));
    let (open, hidden) = (linked(&owner).await, linked(&owner).await);
    owner.create(&consent(&open.patient, &permit(&["gp-1"]))).await;
    let never = |id: &str| format!("{}{}", &id[..id.len() - 2], if id.ends_with("00") { "11" } else { "00" });
    let about = |target: &str| {
        let mut one = observation(&open.patient);
        one["focus"] = json!([{"reference": format!("Observation/{target}")}]);
        one
    };
    let [to_hidden, to_nothing] =
        [owner.create(&about(&hidden.observation)).await, owner.create(&about(&never(&hidden.observation))).await];
    let whole = owner.get(format!("Observation?_id={to_hidden}&_include=Observation:focus")).await.expect(200);
    assert_eq!(entries(&whole).len(), 2, "it is there for its custodian");
    for query in [
        "_include=Observation:focus",
        "_include=Observation:*",
        "_include:iterate=Observation:focus&_include:iterate=Observation:encounter&_total=accurate",
        "_include=Observation:focus:Observation&_revinclude:iterate=Provenance:target",
        "_include=Observation:focus&_count=1&_sort=-_lastUpdated",
    ] {
        let told = |answer: &wellgate_tests::caller::Answer, id: &str, target: &str| {
            answer
                .told()
                .replace(id, "ID")
                .replace(target, "TARGET")
                .replace(&answer.json["entry"][0]["resource"]["meta"].to_string(), "META")
        };
        let hidden_told = reader.get(format!("Observation?_id={to_hidden}&{query}")).await.expect(200);
        let never_told = reader.get(format!("Observation?_id={to_nothing}&{query}")).await.expect(200);
        let expected = told(&never_told, &to_nothing, &never(&hidden.observation));
        assert_eq!(told(&hidden_told, &to_hidden, &hidden.observation), expected, "{query}");
    }
    // Everybody sees the directory, and who refers to it is seen by whoever may.
    for query in [
        format!("Organization?_id={}&_revinclude=Patient:organization", hidden.organization),
        format!(
            "Practitioner?_id={}&_revinclude=Observation:performer&_revinclude:iterate=Provenance:target",
            hidden.practitioner
        ),
        format!(
            "Organization?_id={}&_revinclude=Patient:*&_revinclude:iterate=Encounter:patient&_total=accurate",
            hidden.organization
        ),
    ] {
        let found = reader.get(&query).await.expect(200);
        assert_eq!(entries(&found).len(), 1, "{query}: {found}");
        assert!(entries(&owner.get(&query).await.expect(200)).len() > 1, "{query}");
    }
}

async fn what_is_included_goes_with_the_consent(gateway: Gateway) {
    let (owner, reader) = (gateway.as_("edpbw-a"), gateway.as_("gp-1"));
    let [first, second] = [linked(&owner).await, linked(&owner).await];
    owner.create(&consent(&first.patient, &permit(&["gp-1"]))).await;
    let mut word = consent(&second.patient, &permit(&["gp-1"]));
    let id = owner.create(&word).await;
    let mut one = observation(&first.patient);
    one["focus"] = json!([{"reference": format!("Patient/{}", second.patient)}]);
    let pointer = owner.create(&one).await;
    let query = format!("Observation?_id={pointer}&_include=Observation:focus");
    assert_eq!(entries(&reader.get(&query).await)[1..], [format!("include Patient/{}", second.patient)]);
    let seen = owner.get(format!("AuditEvent?patient={}", second.patient)).await.expect(200).resources();
    let of_reader = seen.iter().filter(|event| {
        event.to_string().contains("organization/gp-1") || event.to_string().contains("Organization/gp-1")
    });
    let of_reader: Vec<_> = of_reader.filter(|event| event["subtype"].to_string().contains("search-type")).collect();
    assert_eq!(of_reader.len(), 1, "what is included is a disclosure of its own record: {seen:?}");
    word["id"] = json!(id);
    word["status"] = json!("inactive");
    owner.put(format!("Consent/{id}"), &word).await.expect(200);
    assert_eq!(entries(&reader.get(&query).await).len(), 1);
}

/// Of the minimum only its own references are followed, and what they lead to is seen as it is by itself.
async fn the_minimum_of_a_task_leads_no_further_than_itself(gateway: Gateway) {
    let placed = place(&gateway, "edpbw-a", &["elp-1", "elp-2"], "HealthcareService/elp-pool").await;
    let elp = gateway.as_("elp-1");
    let task = format!("match Task/{}", placed.task);
    for query in ["_include=Task:*", "_include=Task:patient&_include=Task:focus", "_revinclude=Communication:part-of"] {
        let found = elp.get(format!("Task?_id={}&{query}", placed.task)).await.expect(200);
        let text = String::from_utf8_lossy(&found.bytes).into_owned();
        assert_eq!(entries(&found)[0], task, "{query}");
        let shown: Vec<String> = entries(&found)[1..].to_vec();
        for (hidden, id) in
            [("Patient", &placed.patient), ("ServiceRequest", &placed.order), ("Consent", &placed.consent)]
        {
            assert!(!shown.contains(&format!("include {hidden}/{id}")), "{query}: {text}");
        }
        assert!(!text.contains("TEST-"), "{query}: {text}");
        let alone = elp.get(format!("Task/{}", placed.task)).await.expect(200);
        assert_eq!(found.json["entry"][0]["resource"], alone.json, "{query}");
    }
    // By a reference that the minimum has not, nothing is found, in reverse too.
    let found = elp.get("Organization?_revinclude=Task:requester&_revinclude=Task:owner").await.expect(200);
    assert!(!String::from_utf8_lossy(&found.bytes).contains(&placed.patient), "{found}");
}

fn small() -> Options {
    let settings =
        vec![("WELLGATE_LIMITS_SEARCH_INCLUDES_MAX", "2"), ("WELLGATE_LIMITS_SEARCH_INCLUDE_ROUNDS_MAX", "1")];
    Options { settings, ..Options::default() }
}

async fn what_is_cut_is_said(gateway: Gateway) {
    let gateway = gateway.beside(small()).await;
    let elp = gateway.as_("elp-1");
    let made = linked(&elp).await;
    let cut = "outcome incomplete _include".to_owned();
    let asked = format!("Observation?_id={}", made.observation);
    let four = elp.get(format!("{asked}&_include=Observation:*")).await.expect(200);
    assert_eq!((entries(&four).len(), entries(&four).last()), (4, Some(&cut)));
    let two = elp.get(format!("{asked}&_include=Observation:performer")).await.expect(200);
    assert_eq!(entries(&two).len(), 3, "two fit: {two}");
    let three = format!("Patient?_id={}&_revinclude=Observation:patient&_revinclude=Encounter:patient", made.patient);
    let three = elp.get(three).await.expect(200);
    assert_eq!((entries(&three).len(), entries(&three).last()), (4, Some(&cut)));
    let mut last = made.panel;
    for _ in 0..2 {
        let mut next = observation(&made.patient);
        next["hasMember"] = json!([{"reference": format!("Observation/{last}")}]);
        last = elp.create(&next).await;
    }
    let through = elp.get(format!("Observation?_id={last}&_include:iterate=Observation:has-member")).await.expect(200);
    assert_eq!((entries(&through).len(), entries(&through).last()), (4, Some(&cut)), "as many rounds as are allowed");
}

stories!(
    an_include_brings_what_matches_refer_to,
    each_resource_is_there_once_and_only_matches_are_counted,
    a_reference_is_followed_if_it_is_to_this_gateway,
    a_reverse_include_brings_what_refers_to_matches,
    only_iterate_goes_on_from_what_is_included,
    an_include_that_is_not_served_is_refused_by_its_name,
    an_include_is_within_the_scope_of_the_token,
    an_include_never_tells_of_what_is_hidden,
    what_is_included_goes_with_the_consent,
    the_minimum_of_a_task_leads_no_further_than_itself,
    what_is_cut_is_said,
);
