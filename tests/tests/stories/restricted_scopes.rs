//! Scopes with a search restriction: what they grant is what the search finds, by reading and searching, and nothing by another way.

use serde_json::{Value, json};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::record::Record;
use wellgate_tests::resources::{observation, patient, permit, service_request, weight};
use wellgate_tests::stories;

/// The code of [`weight`].
const WEIGHTS: &str = "system/Observation.rs?code=http://loinc.org|29463-7";

async fn disclosures(record: &Record<'_>, address: &str) -> usize {
    let events = record.custodian.search(format!("AuditEvent?patient=Patient/{}&_count=500", record.patient)).await;
    events.iter().filter(|event| event["outcome"] == "0" && event.to_string().contains(address)).count()
}

async fn only_what_the_search_finds_is_read_and_found(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    record.permit(&permit(&["elp-1"])).await;
    let [score, mass] = [observation(&record.patient), weight(&record.patient)];
    let [score, mass] = [record.custodian.create(&score).await, record.custodian.create(&mass).await];
    let [score, mass] = [format!("Observation/{score}"), format!("Observation/{mass}")];
    for whole in [&record.custodian, &record.grantee] {
        let restricted = whole.clone().with_scope(WEIGHTS);
        let found = restricted.get("Observation?_total=accurate").await.expect(200);
        assert_eq!((found.json["total"].clone(), found.resources().len()), (json!(1), 1), "{found}");
        assert_eq!(found.resources(), whole.search("Observation?code=29463-7").await);
        assert_eq!(restricted.post_search("Observation", "status=final").await.expect(200).resources().len(), 1);
        assert_eq!(restricted.get("Observation?code=44261-6&_total=accurate").await.expect(200).json["total"], 0);
        assert_eq!(restricted.get("Observation?_summary=count").await.expect(200).json["total"], 1);
        assert_eq!(restricted.get(&mass).await.expect(200).json, whole.get(&mass).await.expect(200).json);
        // What it does not find is told like what never was, and nothing was disclosed.
        let refusals = async || whole.search("AuditEvent?outcome=8&_count=500").await.len();
        let before = (disclosures(&record, &score).await, refusals().await);
        let [refused, never] = [restricted.get(&score).await, restricted.get("Observation/never-was").await];
        assert_eq!((refused.status, refused.told()), (404, never.told()));
        assert_eq!((disclosures(&record, &score).await, refusals().await), (before.0, before.1 + 2));
    }
    // Page after page.
    record.custodian.create(&weight(&record.patient)).await;
    let restricted = record.grantee.clone().with_scope(WEIGHTS);
    let first = restricted.get("Observation?_count=1").await.expect(200);
    let next = first.link("next").expect("there are two");
    let second = restricted.get(next).await.expect(200);
    for page in [&first, &second] {
        assert_eq!(page.resources().len(), 1);
        assert_eq!(page.resources()[0]["code"], weight("")["code"]);
    }
    assert_eq!(second.link("next"), None);
    // What leaves the restriction is gone at once.
    let mut changed = record.custodian.get(&mass).await.expect(200).json;
    changed["code"] = observation(&record.patient)["code"].clone();
    let restricted = record.grantee.clone().with_scope(WEIGHTS);
    restricted.get(&mass).await.expect(200);
    record.custodian.put(&mass, &changed).await.expect(200);
    restricted.get(&mass).await.expect(404);
    assert_eq!(restricted.search("Observation").await.len(), 1);
}

async fn a_restriction_grants_nothing_by_another_way(gateway: Gateway) {
    let own = gateway.as_("gp-1");
    let person = own.create(&patient()).await;
    let mass = own.create(&weight(&person)).await;
    let address = format!("Observation/{mass}");
    let restricted = own.clone().with_scope(&format!("{WEIGHTS} system/Patient.rs system/Task.rs"));
    let version = restricted.get(&address).await.expect(200).json["meta"]["versionId"].clone();
    let version = version.as_str().expect("a version");
    for path in [
        format!("{address}/_history"),
        format!("{address}/_history/{version}"),
        "Observation/_history".to_owned(),
        "?_type=Observation".to_owned(),
        format!("Patient/{person}/Observation"),
        "Patient?_has:Observation:patient:code=29463-7".to_owned(),
        "Patient?_revinclude=Observation:subject".to_owned(),
        "Task?focus:Observation.code=29463-7".to_owned(),
    ] {
        let answer = restricted.get(&path).await;
        assert!([400, 403].contains(&answer.status), "{path}: {answer}");
        assert!(!answer.to_string().contains(&mass), "{path}: {answer}");
    }
    let everything = restricted.get(format!("Patient/{person}/$everything")).await.expect(200);
    assert!(!everything.to_string().contains(&mass), "{everything}");
    let history = restricted.get("_history").await.expect(200);
    assert!(!history.to_string().contains(&mass), "{history}");
    restricted.post("Observation", &weight(&person)).await.expect(403);
    restricted.put(&address, &own.get(&address).await.json).await.expect(403);
    restricted.delete(&address).await.expect(403);
    restricted.patch(&address, &json!([{"op": "remove", "path": "/effectiveDateTime"}])).await.expect(403);
    restricted.delete("Observation?code=29463-7").await.expect(403);
    let entry = |url: &str| json!({"request": {"method": "GET", "url": url}});
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [entry(&address), entry("Observation")]});
    let answer = restricted.post("", &batch).await.expect(200);
    for entry in answer.json["entry"].as_array().expect("entries") {
        assert_eq!(entry["response"]["status"], "403 Forbidden", "{answer}");
    }
    assert_eq!(own.get(&address).await.expect(200).json["meta"]["versionId"], version, "nothing was written");
    // One that no search keeps, from an issuer of others.
    for query in ["subject=Patient/1", "code:not=29463-7", "identifier=1", "unknown=1", "_has:Task:focus:status=ready"]
    {
        let other = own.clone().with_scope(&format!("system/Observation.rs?{query}"));
        other.get(&address).await.expect(403);
        other.get("Observation").await.expect(403);
    }
    let trail = own.search("AuditEvent").await;
    let event = format!("AuditEvent/{}", trail[0]["id"].as_str().expect("an id"));
    let other = own.clone().with_scope("system/AuditEvent.rs?action=R");
    other.get("AuditEvent").await.expect(403);
    other.get(&event).await.expect(403);
    own.get(&event).await.expect(200);
}

async fn several_restrictions_add_up_and_each_holds_as_a_whole(gateway: Gateway) {
    let own = gateway.as_("gp-1");
    let person = own.create(&patient()).await;
    let amended = |mut one: Value| {
        one["status"] = json!("amended");
        one
    };
    let [first, second] = [own.create(&observation(&person)).await, own.create(&weight(&person)).await];
    let third = own.create(&amended(observation(&person))).await;
    let fourth = own.create(&amended(weight(&person))).await;
    let cases: &[(&str, &[&String])] = &[
        ("system/Observation.rs?code=44261-6", &[&first, &third]),
        ("system/Observation.rs?code=44261-6,29463-7", &[&first, &second, &third, &fourth]),
        ("system/Observation.rs?code=44261-6&status=final", &[&first]),
        (
            "system/Observation.rs?code=44261-6&status=final system/Observation.rs?code=29463-7&status=amended",
            &[&first, &fourth],
        ),
        ("system/Observation.rs?code=44261-6 system/Observation.rs?status=amended", &[&first, &third, &fourth]),
        ("system/Observation.rs?code=44261-6 system/Observation.rs", &[&first, &second, &third, &fourth]),
        ("system/Observation.rs?code=elsewhere|44261-6", &[]),
    ];
    for (scope, expected) in cases {
        let restricted = own.clone().with_scope(scope);
        let found = restricted.get("Observation?_total=accurate&_sort=date").await.expect(200);
        let mut ids: Vec<String> =
            found.resources().iter().filter_map(|one| one["id"].as_str().map(str::to_owned)).collect();
        ids.sort();
        let mut expected: Vec<String> = expected.iter().map(|id| (*id).clone()).collect();
        expected.sort();
        assert_eq!(ids, expected, "{scope}");
        assert_eq!(found.json["total"], json!(expected.len()), "{scope}");
        for id in [&first, &second, &third, &fourth] {
            let status = if expected.contains(id) { 200 } else { 404 };
            restricted.get(format!("Observation/{id}")).await.expect(status);
        }
    }
}

/// Who waits for a referral sees the minimum of its Task. (What the whole has beyond it is asked of the storage itself: no code is in it.)
async fn a_waiting_room_is_held_to_a_restriction_like_anybody(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    record.permit(&permit(&["elp-1", "elp-2"])).await;
    record.custodian.create(&service_request(&record.patient, "Organization/elp-1")).await;
    let room = gateway.as_("elp-1");
    let mut shown = 0;
    for query in ["status=requested", "status=ready", "intent=order", "_security=R", "_security=N"] {
        let by_search = room.search(format!("Task?{query}")).await;
        shown += by_search.len();
        for scope in [
            format!("system/Task.rs?{query}"),
            format!("system/Task.rs?{query} system/Task.rs?status=draft&intent=plan"),
        ] {
            let restricted = room.clone().with_scope(&scope);
            assert_eq!(restricted.search("Task").await, by_search, "{scope}");
            for task in room.search("Task").await {
                let address = format!("Task/{}", task["id"].as_str().expect("an id"));
                let status = if by_search.contains(&task) { 200 } else { 404 };
                restricted.get(&address).await.expect(status);
            }
        }
    }
    assert!(shown > 0, "the room is shown its Task");
}

stories!(
    only_what_the_search_finds_is_read_and_found,
    a_restriction_grants_nothing_by_another_way,
    several_restrictions_add_up_and_each_holds_as_a_whole,
    a_waiting_room_is_held_to_a_restriction_like_anybody,
);
