//! Searches over several types: of the system (<https://hl7.org/fhir/R4/http.html#search>) and within a compartment
//! (<https://hl7.org/fhir/R4/compartmentdefinition.html>); and parameters that nobody knows
//! (<https://hl7.org/fhir/R4/search.html#errors>).

use serde_json::{Value, json};
use wellgate_tests::caller::Answer;
use wellgate_tests::gateway::Gateway;
use wellgate_tests::referral::place;
use wellgate_tests::resources::{bundle, consent, observation, patient, permit};
use wellgate_tests::stories;

use super::{entries, linked, sorted, text};

async fn a_system_search_finds_in_every_type_that_it_names(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let [made, other] = [linked(&elp).await, linked(&elp).await];
    let about = format!("patient=Patient/{}", made.patient);
    let [encounter, first, second] = [
        format!("match Encounter/{}", made.encounter),
        format!("match Observation/{}", made.observation),
        format!("match Observation/{}", made.panel),
    ];
    let mut observations = vec![first.clone(), second];
    observations.sort_unstable();
    for (query, expected) in [
        (format!("_type=Encounter,Observation&{about}"), [vec![encounter.clone()], observations.clone()].concat()),
        (format!("_type=Observation&{about}"), observations),
        (format!("_type=Encounter,Encounter&{about}"), vec![encounter]),
        (format!("_type=Observation,Encounter,Patient&_id={}", made.observation), vec![first.clone()]),
        (format!("_id={}", made.observation), vec![first]),
        (format!("_type=Encounter,Observation&{about}&status=planned"), vec![]),
    ] {
        let found = elp.get(format!("?{query}&_total=accurate")).await.expect(200);
        assert_eq!((sorted(&found), &found.json["total"]), (expected.clone(), &json!(expected.len())), "{query}");
        assert!(text(&found.json["link"][0]["url"]).starts_with(&format!("{}?_", gateway.base)), "{found}");
        let counted = elp.get(format!("?{query}&_summary=count")).await.expect(200);
        assert_eq!((&counted.json["total"], counted.json.get("entry")), (&json!(expected.len()), None), "{query}");
        let posted = elp.post_search("", &format!("{query}&_total=accurate")).await.expect(200);
        assert_eq!(posted.json["entry"], found.json["entry"], "{query}");
    }
    let everything = elp.get("?_lastUpdated=ge2000-01-01&_count=500").await.expect(200);
    for id in [&made.patient, &other.patient, &made.organization, &made.provenance] {
        assert!(everything.resources().iter().any(|one| one["id"] == json!(id)), "{everything}");
    }
    assert!(everything.resources().iter().all(|one| one["resourceType"] != "AuditEvent"));
    let trail = elp.get("AuditEvent?_count=500").await.expect(200).resources();
    assert!(trail.iter().any(|event| event["subtype"][0]["code"] == "search-system"));
}

async fn one_order_holds_over_all_types_and_pages(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    for _ in 0..3 {
        gateway.advance(1_000);
        linked(&elp).await;
    }
    for order in ["", "&_sort=-_lastUpdated", "&_sort=_id", "&_sort=-date", "&_sort=date,-_lastUpdated"] {
        let query = format!("_type=Encounter,Observation{order}");
        let whole = entries(&elp.get(format!("?{query}&_count=500")).await.expect(200));
        let (mut found, mut pages) = (Vec::new(), 0);
        let mut next = Some(format!("?{query}&_count=2&_total=accurate"));
        while let Some(page) = next {
            let answer = elp.get(&page).await.expect(200);
            assert_eq!(answer.json["total"], 9, "{order}");
            found.extend(entries(&answer));
            next = next_page(&answer);
            pages += 1;
        }
        assert_eq!((pages, &found), (5, &whole), "{order}");
    }
    let newest = elp.get("?_type=Encounter,Observation&_sort=-_lastUpdated").await.expect(200).resources();
    let times: Vec<&str> = newest.iter().map(|one| text(&one["meta"]["lastUpdated"])).collect();
    assert!(times.is_sorted_by(|left, right| left >= right), "{times:?}");
    let first = elp.get("?_type=Encounter,Observation&_count=1").await.expect(200);
    let next = next_page(&first).expect("a next page");
    gateway.as_("elp-2").get(&next).await.expect(400);
    elp.get(next.replace("Encounter%2CObservation", "Encounter%2CPatient")).await.expect(400);
}

/// The path of the next page of a search over the system, which has no type.
fn next_page(answer: &Answer) -> Option<String> {
    let links = answer.json["link"].as_array()?;
    let link = links.iter().find(|link| link["relation"] == "next")?;
    text(&link["url"]).split_once('?').map(|(_, query)| format!("?{query}"))
}

async fn a_type_beyond_the_scope_is_refused_by_name_and_left_out_otherwise(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let made = linked(&elp).await;
    let narrow = elp.clone().with_scope("system/Encounter.rs system/Patient.r");
    let refused = narrow.get("?_type=Encounter,Observation").await.expect(403);
    assert!(refused.details().starts_with("Observation: "), "{refused}");
    assert_eq!(refused.issues(), [("forbidden".to_owned(), "_type".to_owned())]);
    narrow.get("?_type=Patient").await.expect(403);
    let found = narrow.get("?_lastUpdated=ge2000-01-01").await.expect(200);
    assert_eq!(entries(&found), [format!("match Encounter/{}", made.encounter)]);
    elp.clone().with_scope("system/Patient.c").get("?_id=x").await.expect(403);
    elp.clone().with_bearer("").get("?_id=x").await.expect(401);
    for (query, parameter) in [
        ("_type=Nothing", "_type"),
        ("_type=Encounter,AuditEvent", "_type"),
        ("_type=", "_type"),
        ("_type=Encounter&_type=Patient", "_type"),
        ("_type=Encounter,Patient&family=x", "family"),
        ("_type=Encounter,Condition&status=planned", "status"),
        ("_type=Encounter,Patient&_sort=family", "_sort"),
        ("_type=Encounter,Patient&_include=Observation:subject", "_include"),
        ("_type=Encounter&_cursor=TEST", ""),
        ("code=1", "code"),
    ] {
        let refused = elp.get(format!("?{query}")).await.expect(400);
        assert_eq!(refused.issues()[0].1, parameter, "{query}: {refused}");
    }
    elp.get("Patient?_type=Patient").await.expect(400);
}

async fn what_is_found_in_several_types_has_includes_and_parts(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let made = linked(&elp).await;
    let query = format!("?_type=Encounter,Observation&patient={}", made.patient);
    let found =
        elp.get(format!("{query}&_include=Encounter:subject&_include=Observation:performer:Practitioner")).await;
    let modes: Vec<String> = entries(&found.expect(200));
    assert_eq!(modes.len(), 5, "{modes:?}");
    assert!(modes.contains(&format!("include Patient/{}", made.patient)));
    let parts = elp.get(format!("{query}&_elements=status")).await.expect(200).resources();
    assert!(parts.len() == 3 && parts.iter().all(|one| one["subject"].is_null() && one["status"].is_string()));
}

async fn a_compartment_search_is_by_the_references_of_the_standard(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let [made, other] = [linked(&elp).await, linked(&elp).await];
    // By its performer an observation is in the compartment of another person, too.
    let mut of_both = observation(&other.patient);
    of_both["performer"] = json!([{"reference": format!("Patient/{}", made.patient)}]);
    let of_both = elp.create(&of_both).await;
    let person = &made.patient;
    let mut observations =
        [&made.observation, &made.panel, &of_both].map(|id| format!("match Observation/{id}")).to_vec();
    observations.sort_unstable();
    let found = elp.get(format!("Patient/{person}/Observation?_total=accurate")).await.expect(200);
    assert_eq!((sorted(&found), &found.json["total"]), (observations.clone(), &json!(3)));
    assert!(found.link("self").expect("a link").starts_with(&format!("Patient/{person}/Observation?")));
    let posted = elp.post_search(&format!("Patient/{person}/Observation"), "_total=accurate").await.expect(200);
    assert_eq!(posted.json["entry"], found.json["entry"]);
    let narrowed = elp.get(format!("Patient/{person}/Observation?performer=Practitioner/{}", made.practitioner)).await;
    assert_eq!(entries(&narrowed.expect(200)), [format!("match Observation/{}", made.observation)]);
    let (mut paged, mut next) = (Vec::new(), Some(format!("Patient/{person}/Observation?_count=1")));
    while let Some(page) = next {
        let answer = elp.get(&page).await.expect(200);
        paged.extend(entries(&answer));
        next = answer.link("next");
    }
    paged.sort_unstable();
    assert_eq!(paged, observations);
    let every = elp.get(format!("Patient/{person}/*?_count=500&_total=accurate")).await.expect(200);
    let expected = [observations, vec![format!("match Encounter/{}", made.encounter)]].concat();
    assert!(expected.iter().all(|one| entries(&every).contains(one)), "{every}");
    assert!(!every.to_string().contains(&other.encounter));
    assert_eq!(every.json["total"], json!(entries(&every).len()));
    let of_type = elp.get(format!("Patient/{person}/*?_type=Encounter,Organization")).await.expect(200);
    assert_eq!(entries(&of_type), [format!("match Encounter/{}", made.encounter)]);
    let of_encounter = elp.get(format!("Encounter/{}/Observation", made.encounter)).await.expect(200);
    assert_eq!(entries(&of_encounter), [format!("match Observation/{}", made.observation)]);
    let itself = elp.get(format!("Encounter/{}/Encounter", made.encounter)).await.expect(200);
    assert_eq!(entries(&itself), [format!("match Encounter/{}", made.encounter)]);
    let of_practitioner = elp.get(format!("Practitioner/{}/Observation", made.practitioner)).await.expect(200);
    assert_eq!(entries(&of_practitioner), [format!("match Observation/{}", made.observation)]);
    let trail = elp.get(format!("Patient/{person}/AuditEvent?_count=500")).await.expect(200);
    let by_parameter = elp.get(format!("AuditEvent?patient={person}&_count=500")).await.expect(200);
    // To have asked is one event more.
    assert_eq!((sorted(&trail).len() + 1, entries(&trail).is_empty()), (entries(&by_parameter).len(), false));
    for path in [
        format!("Patient/{person}/Organization"),
        format!("Patient/{person}/Nothing"),
        format!("Observation/{}/Patient", made.observation),
        format!("Encounter/{}/AuditEvent", made.encounter),
        "Nothing/1/Observation".to_owned(),
        "Patient/not%20an%20id/Observation".to_owned(),
        format!("Patient/{person}/$nothing"),
    ] {
        elp.get(&path).await.expect(404);
    }
    elp.get(format!("Patient/{person}/Observation?nonsense=1")).await.expect(400);
    elp.get(format!("Patient/{person}/Observation?_type=Observation")).await.expect(400);
    elp.clone().with_scope("system/Patient.rs").get(format!("Patient/{person}/Observation")).await.expect(403);
}

/// By no search over several types is a hidden record told from one that never was.
async fn a_hidden_record_is_as_unknown_in_every_such_search(gateway: Gateway) {
    let (owner, reader) = (gateway.as_("edpbw-a"), gateway.as_("gp-1"));
    let (open, hidden) = (linked(&owner).await, linked(&owner).await);
    owner.create(&consent(&open.patient, &permit(&["gp-1"]))).await;
    let never = |id: &str| format!("{}{}", &id[..id.len() - 2], if id.ends_with("00") { "11" } else { "00" });
    for query in [
        "Patient/PERSON/Observation",
        "Patient/PERSON/Observation?_total=accurate&_include=Observation:*",
        "Patient/PERSON/*?_total=accurate",
        "Patient/PERSON/*?_summary=count",
        "Patient/PERSON/*?_count=1&_sort=-_lastUpdated",
        "Patient/PERSON/*?_id=CONTACT&_revinclude:iterate=Observation:*",
        "Encounter/CONTACT/Observation?_total=accurate",
        "Encounter/CONTACT/Encounter",
        "Encounter/CONTACT/*",
        "?_id=PERSON&_total=accurate",
        "?_type=Patient,Encounter&_id=CONTACT,PERSON&_summary=count",
        "?_type=Encounter,Observation&patient=Patient/PERSON&_total=accurate",
        "?_type=Encounter,Observation&subject=PERSON&_revinclude=Provenance:target",
    ] {
        let asked = async |person: &str, contact: &str| {
            let path = query.replace("PERSON", person).replace("CONTACT", contact);
            let told = reader.get(&path).await.expect(200).told();
            told.replace(person, "PERSON").replace(contact, "CONTACT")
        };
        let told = asked(&hidden.patient, &hidden.encounter).await;
        assert_eq!(told, asked(&never(&hidden.patient), &never(&hidden.encounter)).await, "{query}");
        let open_query = query.replace("PERSON", &open.patient).replace("CONTACT", &open.encounter);
        let seen = reader.get(&open_query).await.expect(200);
        assert!(seen.json["total"].as_u64().is_some_and(|total| total > 0) || !seen.resources().is_empty(), "{query}");
    }
    // What is seen of one record is not added to by another.
    let before = reader.get("?_type=Encounter,Observation,Patient&_total=accurate&_sort=_id").await.expect(200);
    linked(&owner).await;
    let after = reader.get("?_type=Encounter,Observation,Patient&_total=accurate&_sort=_id").await.expect(200);
    assert_eq!(before.told(), after.told());
    // A minimum is found by what it has, and shown as such.
    let placed = place(&gateway, "edpbw-a", &["elp-1", "elp-2"], "HealthcareService/elp-pool").await;
    let elp = gateway.as_("elp-1");
    let alone = elp.get(format!("Task/{}", placed.task)).await.expect(200).json;
    let found = elp.get(format!("?_type=Task,Communication&status=requested&_id={}", placed.task)).await;
    assert_eq!(found.expect(200).resources(), [alone]);
    let by_person = format!("?_type=Task,Communication&patient=Patient/{}&_total=accurate", placed.patient);
    assert_eq!(elp.get(by_person).await.expect(200).json["total"], 0, "by whom it is about it is not found");
}

async fn an_unknown_parameter_is_left_out_only_where_a_client_lets_it(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let [first, second] = [elp.create(&patient()).await, elp.create(&patient()).await];
    let lenient = [("prefer", "handling=lenient")];
    let query = format!("Patient?_id={first}&nonsense=1&made-up:exact=x&_total=accurate");
    for prefer in ["handling=strict", "return=minimal", "handling=strict, handling=lenient", ""] {
        elp.get_with(&query, &[("prefer", prefer)]).await.expect(400);
    }
    for prefer in ["handling=lenient", "return=minimal; handling=lenient", "respond-async, handling=lenient"] {
        let found = elp.get_with(&query, &[("prefer", prefer)]).await.expect(200);
        let expected = [format!("match Patient/{first}"), "outcome not-supported nonsense".to_owned()];
        assert_eq!((entries(&found), &found.json["total"]), (expected.to_vec(), &json!(1)), "{prefer}");
        assert_eq!(found.resources()[1]["issue"].as_array().map(Vec::len), Some(2), "each is named");
        assert_eq!(found.link("self"), Some(format!("Patient?_id={first}&_total=accurate")), "what was used");
    }
    // The next page is of what was used, and needs no leave.
    let page = elp.get_with("Patient?nonsense=1&_count=1", &lenient).await.expect(200);
    let next = elp.get(page.link("next").expect("a next page")).await.expect(200);
    assert_eq!(next.resources().len(), 1);
    assert!([first, second].contains(&text(&next.resources()[0]["id"]).to_owned()));
    // What is known is never bent: neither its values nor its modifiers, nor what the standard has and the gateway has not.
    for query in [
        "Patient?birthdate=yesterday",
        "Patient?gender:nonsense=x",
        "Patient?_filter=name%20eq%20x",
        "Patient?_query=x",
        "Patient?_count=many",
        "Patient?_sort=nonsense",
        "Patient?_summary=some",
        "Patient?_include=Patient:nonsense",
        "Patient?_type=Patient",
    ] {
        elp.get_with(query, &lenient).await.expect(400);
    }
    let several = elp.get_with("?_type=Patient,Encounter&nonsense=1", &lenient).await.expect(200);
    assert!(entries(&several).contains(&"outcome not-supported nonsense".to_owned()));
    elp.get_with("?_type=Patient,Encounter&family=Test", &lenient).await.expect(400);
    // A condition is never widened.
    let condition = [("prefer", "handling=lenient"), ("if-none-exist", "nonsense=1")];
    elp.post_with("Patient", &patient(), &condition).await.expect(400);
    let batch = elp.post_with("", &bundle("batch", &[("GET", "Patient?nonsense=1", None)]), &lenient).await.expect(200);
    let entry: &Value = &batch.json["entry"][0];
    assert!(entry["resource"].to_string().contains("nonsense") || entry["response"]["status"] == "400 Bad Request");
}

async fn the_statement_lists_what_works(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let statement = elp.get("metadata").await.expect(200).json;
    let rest = &statement["rest"][0];
    assert!(rest["interaction"].as_array().expect("a list").contains(&json!({"code": "search-system"})));
    let compartments = rest["compartment"].as_array().expect("a list").clone();
    assert!(compartments.contains(&json!("http://hl7.org/fhir/CompartmentDefinition/patient")));
    assert_eq!(compartments.len(), 4, "those of types that are served");
    for parameter in rest["searchParam"].as_array().expect("a list") {
        let name = text(&parameter["name"]);
        let value = match name {
            "_type" => "Patient",
            "_lastUpdated" => "2026",
            "_id" => "x",
            _ => "https://ehr.example/x",
        };
        elp.get(format!("?{name}={value}")).await.expect(200);
    }
    for resource in rest["resource"].as_array().expect("a list") {
        let of = text(&resource["type"]);
        for (name, list) in [("_include", "searchInclude"), ("_revinclude", "searchRevInclude")] {
            let values: Vec<&str> = resource[list].as_array().into_iter().flatten().map(text).collect();
            assert!(!values.is_empty() || of == "AuditEvent" || list == "searchInclude", "{of}: {list}");
            for values in values.chunks(40) {
                let all: Vec<String> = values.iter().map(|value| format!("{name}={value}")).collect();
                elp.get(format!("{of}?_count=1&{}", all.join("&"))).await.expect(200);
            }
        }
    }
}

stories!(
    a_system_search_finds_in_every_type_that_it_names,
    one_order_holds_over_all_types_and_pages,
    a_type_beyond_the_scope_is_refused_by_name_and_left_out_otherwise,
    what_is_found_in_several_types_has_includes_and_parts,
    a_compartment_search_is_by_the_references_of_the_standard,
    a_hidden_record_is_as_unknown_in_every_such_search,
    an_unknown_parameter_is_left_out_only_where_a_client_lets_it,
    the_statement_lists_what_works,
);
