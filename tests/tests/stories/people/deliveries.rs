//! What an operator who signed in asks of deliveries and decides about them, and that nobody else does: every route × every kind of caller.

use gateway::auth::PersonRole;
use gateway::storage::delivery::Delivery;
use reqwest::Method;
use serde_json::json;
use wellgate_tests::browser::Browser;
use wellgate_tests::caller::Answer;
use wellgate_tests::gateway::Gateway;
use wellgate_tests::receiver::{Fault, Receiver};
use wellgate_tests::referral::{Referral, bring, place};
use wellgate_tests::stories;

use super::roles::in_role;
use super::{trail, with_people};

const ACTS: [&str; 3] = ["release", "abandon", "rerun"];

/// A dossier that its receiver did not take, with the referral that it is of.
async fn refused(gateway: &Gateway, receiver: &Receiver) -> (Referral, Delivery) {
    receiver.fail(&[Fault::Status(422, None)]);
    gateway.tell("elp-1", &receiver.base).await;
    let placed = place(gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    bring(&gateway.as_("elp-1"), &placed.task, "accepted").await.expect(200);
    assert_eq!(gateway.worker().round().await.expect("the database answers"), 1);
    let deliveries = gateway.app.store.deliveries(&placed.patient).await.expect("it answers");
    let dossier = deliveries.into_iter().find(|one| one.kind == "dossier").expect("it is queued");
    assert_eq!(dossier.state, "rejected");
    (placed, dossier)
}

async fn get(browser: &Browser<'_>, path: &str) -> Answer {
    browser.get(&format!("admin/deliveries{path}")).await
}

/// Decides as a page of the gateway's does.
async fn decide(browser: &Browser<'_>, (id, act): (&str, &str), version: &str, body: &str) -> Answer {
    let token = browser.form_token().await;
    let mut headers = vec![("x-csrf-token", token.as_str()), ("content-type", "application/json")];
    if !version.is_empty() {
        headers.push(("if-match", version));
    }
    browser.send(Method::POST, &format!("admin/deliveries/{id}/{act}"), &headers, Some(body.to_owned())).await
}

const REASON: &str = "{\"reason\": \"their server takes it again\"}";

async fn operator(gateway: &Gateway) -> Browser<'_> {
    gateway.employ("op", "edpbw-b", None, &["operator"]).await;
    Browser::of(gateway, "op").await
}

async fn an_operator_repeats_what_was_refused_once_and_it_is_on_record(gateway: Gateway) {
    let receiver = Receiver::start().await;
    let (placed, dossier) = refused(&gateway, &receiver).await;
    let browser = operator(&gateway).await;
    let listed = get(&browser, "?state=rejected&partner=organization/elp-1").await.expect(200);
    assert_eq!((listed.json["total"].as_i64(), listed.json["next"].as_str()), (Some(1), None), "{listed}");
    assert_eq!(listed.header("content-type"), "application/json");
    let one = get(&browser, &format!("/{}", dossier.id)).await.expect(200);
    assert_eq!(one.json, listed.json["deliveries"][0]);
    let (state, cause) = (&one.json["state"], &one.json["cause"]);
    assert_eq!((state, cause, &one.json["may"]), (&json!("rejected"), &json!("status-422"), &json!(["rerun"])));
    assert!(!one.to_string().contains(&placed.patient), "whose record it is of is not told: {one}");

    let rerun = (dossier.id.as_str(), "rerun");
    let early = decide(&browser, rerun, &one.etag(), REASON).await.expect(403);
    assert_eq!(early.reason(), "step-up-required");
    browser.step_up("op").await;
    let done = decide(&browser, rerun, &one.etag(), REASON).await.expect(200);
    assert_eq!((&done.json["repeats"], &done.json["state"]), (&json!(dossier.id), &json!("waiting")), "{done}");
    // Who sends the same again, because the answer was lost on the way, repeats nothing.
    decide(&browser, rerun, &one.etag(), REASON).await.expect(412);
    assert_eq!(gateway.worker().round().await.expect("the database answers"), 1);
    assert_eq!(receiver.references(), [done.json["id"].as_str().expect("an id")]);
    let now = get(&browser, &format!("/{}", dossier.id)).await.expect(200);
    assert_eq!((&now.json["state"], &now.json["cause"]), (&json!("rejected"), &json!("status-422")), "as it ended");

    // In the trail of the record, with the person as the agent, and why.
    let events = gateway.as_("elp-1").search(format!("AuditEvent?patient=Patient/{}&_count=500", placed.patient)).await;
    let event = events.iter().find(|event| event["subtype"][0]["code"] == "delivery-rerun").expect("it is on record");
    let text = event.to_string();
    for told in ["\"op\"", "wellgate-sign-in", "Organization/edpbw-b", "their server takes it again"] {
        assert!(text.contains(told), "{told}: {text}");
    }
    let acts = trail(&gateway, "edpbw-b").await;
    for told in
        ["delivery-list", "delivery-show", "delivery-rerun: step-up-required", "delivery-rerun: precondition-failed"]
    {
        assert!(acts.iter().any(|act| act == told), "{told}: {acts:?}");
    }
}

async fn what_is_decided_wrongly_moves_nothing_and_is_on_record(gateway: Gateway) {
    let receiver = Receiver::start().await;
    let (_, dossier) = refused(&gateway, &receiver).await;
    let browser = operator(&gateway).await;
    browser.step_up("op").await;
    let etag = get(&browser, &format!("/{}", dossier.id)).await.expect(200).etag();
    let before = queued(&gateway).await;
    let id = dossier.id.as_str();
    for (what, act, version, body, status) in [
        ("without If-Match", "rerun", "", REASON, 428),
        ("with another", "rerun", "W/\"99\"", REASON, 412),
        ("with none", "rerun", "x", REASON, 412),
        ("without a reason", "rerun", etag.as_str(), "{}", 422),
        ("with a short one", "rerun", etag.as_str(), "{\"reason\": \"no\"}", 422),
        ("with a number", "rerun", etag.as_str(), "{\"reason\": \"of 90010199992\"}", 422),
        ("with more", "rerun", etag.as_str(), "{\"reason\": \"as asked\", \"unasked\": true}", 422),
        ("with nonsense", "rerun", etag.as_str(), "<reason/>", 400),
        ("what ended", "release", etag.as_str(), REASON, 422),
        ("what ended", "abandon", etag.as_str(), REASON, 422),
    ] {
        let answer = decide(&browser, (id, act), version, body).await;
        assert_eq!(answer.status, status, "{act} {what}: {answer}");
    }
    decide(&browser, ("unheard-of", "rerun"), &etag, REASON).await.expect(404);
    get(&browser, "/unheard-of").await.expect(404);
    for query in ["?state=ended", "?count=0", "?patient=1", "?state=dead&state=held", "?after=x"] {
        get(&browser, query).await.expect(400);
    }
    // A page of another site, or a program without the session's token, decides nothing.
    let json_type = ("content-type", "application/json");
    let path = format!("admin/deliveries/{id}/rerun");
    let token = browser.form_token().await;
    let foreign =
        [json_type, ("if-match", etag.as_str()), ("x-csrf-token", &token), ("origin", "https://evil.example")];
    for (headers, reason) in [(&[json_type, ("if-match", &etag)][..], "no-form-token"), (&foreign, "other-page")] {
        let answer = browser.send(Method::POST, &path, headers, Some(REASON.to_owned())).await.expect(403);
        assert_eq!(answer.reason(), reason);
    }
    let now = gateway.app.store.delivery(id).await.expect("it answers").expect("it is there");
    assert_eq!(now, gateway_view(&dossier, &now), "nothing moved");
    assert_eq!(queued(&gateway).await, before, "and nothing was repeated");
    let acts = trail(&gateway, "edpbw-b").await;
    let count = |told: &str| acts.iter().filter(|act| *act == told).count();
    let refusals =
        ["precondition-required", "precondition-failed", "content", "not-found", "no-form-token", "other-page"]
            .map(|reason| count(&format!("delivery-rerun: {reason}")));
    assert_eq!(refusals, [1, 2, 4, 1, 1, 1], "{acts:?}");
}

/// How many deliveries there are.
async fn queued(gateway: &Gateway) -> i64 {
    gateway.app.store.list_deliveries(None, None, 0).await.expect("it answers").1
}

/// The same delivery, but for the order, which only one of the two ways to look at it tells.
fn gateway_view(before: &Delivery, now: &Delivery) -> Delivery {
    Delivery { service_request: now.service_request.clone(), ..before.clone() }
}

async fn an_operator_lets_go_what_waits_or_gives_it_up_page_by_page(gateway: Gateway) {
    let browser = operator(&gateway).await;
    browser.step_up("op").await;
    for _ in 0..3 {
        place(&gateway, "edpbw-a", &["elp-1"], "Organization/elp-1").await;
    }
    let (mut ids, mut path) = (Vec::new(), "?state=waiting&count=2".to_owned());
    loop {
        let page = get(&browser, &path).await.expect(200);
        assert_eq!(page.json["total"], 3);
        let found = page.json["deliveries"].as_array().expect("a list").clone();
        assert!(found.len() <= 2);
        ids.extend(
            found.iter().map(|one| (one["id"].as_str().unwrap_or_default().to_owned(), one["version"].to_string())),
        );
        let Some(next) = page.json["next"].as_str() else { break };
        path = format!("?state=waiting&count=2&after={next}");
    }
    assert_eq!(ids.len(), 3, "each once: {ids:?}");
    let abandoned = decide(&browser, (&ids[0].0, "abandon"), &ids[0].1, REASON).await.expect(200);
    assert_eq!((&abandoned.json["state"], &abandoned.json["cause"]), (&json!("abandoned"), &json!("operator")));
    let released = decide(&browser, (&ids[1].0, "release"), &ids[1].1, REASON).await.expect(200);
    assert_eq!((&released.json["state"], &released.json["may"]), (&json!("waiting"), &json!(["release", "abandon"])));
    assert_eq!(get(&browser, "?state=waiting").await.expect(200).json["total"], 2);
}

/// The routes, with what each of them is called in the trail.
fn routes(id: &str) -> Vec<(Method, String, String)> {
    let looks = [(Method::GET, String::new(), "list"), (Method::GET, format!("/{id}"), "show")];
    let acts = ACTS.map(|act| (Method::POST, format!("/{id}/{act}"), act));
    looks.into_iter().chain(acts).map(|(method, path, act)| (method, path, format!("delivery-{act}"))).collect()
}

async fn no_route_of_an_operator_answers_anybody_else(gateway: Gateway) {
    let receiver = Receiver::start().await;
    let (placed, dossier) = refused(&gateway, &receiver).await;
    let custodian = gateway.as_("elp-1");
    let callers = [
        ("no token", custodian.clone().with_bearer(""), 401),
        ("a bad token", custodian.clone().with_bearer("TEST"), 401),
        ("the custodian", custodian.clone(), 403),
        ("every scope", custodian.clone().with_scope("system/*.cruds user/*.cruds patient/*.cruds"), 403),
        ("the operators' purpose", custodian.clone().for_purpose("HSYSADMIN"), 403),
        ("a practitioner", custodian.clone().by_practitioner("psychologist-1"), 403),
        ("a stranger", gateway.as_("mutuality-1"), 403),
        ("the person", gateway.person(&format!("Patient/{}", placed.patient)), 403),
    ];
    for (who, caller, status) in callers {
        for (method, path, act) in routes(&dossier.id) {
            let headers = [("if-match", "W/\"1\""), ("content-type", "application/json")];
            let body = (method == Method::POST).then(|| REASON.into());
            let path = format!("../admin/deliveries{path}");
            let answer = caller.send(method.clone(), &path, &headers, body.clone()).await;
            assert_eq!(answer.status, status, "{who}: {act}: {answer}");
            let unknown = caller.send(method, &path.replace(&dossier.id, "unheard-of"), &headers, body).await;
            assert_eq!(answer.told(), unknown.told(), "{who}: {act}: as for an id that never was");
        }
    }
    for role in PersonRole::ALL.into_iter().filter(|role| *role != PersonRole::Operator) {
        let browser = in_role(&gateway, role, &placed.patient).await;
        browser.step_up(role.code()).await;
        for (method, path, act) in routes(&dossier.id) {
            let answer = match act.strip_prefix("delivery-").filter(|_| method == Method::POST) {
                Some(act) => decide(&browser, (&dossier.id, act), "W/\"1\"", REASON).await,
                None => get(&browser, &path).await,
            };
            assert_eq!((answer.status, answer.reason()), (403, "not-for-role"), "{role:?}: {act}: {answer}");
        }
    }
    let now = gateway.app.store.delivery(&dossier.id).await.expect("it answers").expect("it is there");
    assert_eq!((now.state.as_str(), now.fence), ("rejected", dossier.fence), "nothing moved");
    let acts = trail(&gateway, "elp-1").await;
    for (_, _, act) in routes("x") {
        for reason in ["scope", "not-for-role"] {
            assert!(acts.contains(&format!("{act}: {reason}")), "{act}: {reason}: {acts:?}");
        }
    }
}

stories!(with with_people;
    an_operator_repeats_what_was_refused_once_and_it_is_on_record,
    what_is_decided_wrongly_moves_nothing_and_is_on_record,
    an_operator_lets_go_what_waits_or_gives_it_up_page_by_page,
    no_route_of_an_operator_answers_anybody_else,
);
