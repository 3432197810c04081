//! The billing pages: every route × every kind of caller, what needs a fresh sign-in, whose lines are seen, and what is on record.

use gateway::auth::PersonRole;
use gateway::storage::billing::LineFilter;
use reqwest::Method;
use wellgate_tests::browser::Browser;
use wellgate_tests::caller::Answer;
use wellgate_tests::gateway::Gateway;
use wellgate_tests::resources::patient;
use wellgate_tests::stories;

use super::roles::in_role;
use super::{counted, trail, with_people};

/// Who bills, for `elp-1` and for another.
const PARTY: &str = "71000436000";
const OTHER_PARTY: &str = "71000437089";
/// Somebody whose number and name must be nowhere but where they are typed.
const NUMBER: &str = "70010100188";
const NAME: &str = "Testpersoon Zonderling";
const NOBODYS: &str = "0000000000000000000000000";

/// Every route, with the act by which it is on record, and whether it needs a fresh sign-in. `{}` is the id of a line or sending.
const ROUTES: [(&str, &str, &str, bool); 19] = [
    ("GET", "billing", "billing-view", false),
    ("GET", "billing/lines", "billing-view", false),
    ("GET", "billing/lines/{}", "billing-view", false),
    ("POST", "billing/lines/{}/correct", "billing-correct", false),
    ("POST", "billing/lines/{}/write-off", "billing-write-off", true),
    ("POST", "billing/lines/{}/credit", "billing-credit", true),
    ("POST", "billing/lines/{}/remove", "billing-correct", false),
    ("GET", "billing/month", "billing-view", false),
    ("POST", "billing/month/check", "billing-prepare", false),
    ("GET", "billing/month/progress", "billing-view", false),
    ("POST", "billing/month/seal", "billing-seal", true),
    ("GET", "billing/sendings", "billing-view", false),
    ("GET", "billing/sendings/{}", "billing-view", false),
    ("GET", "billing/sendings/{}/file", "billing-download", true),
    ("GET", "billing/settlement", "billing-view", false),
    ("GET", "billing/figures", "billing-view", false),
    ("GET", "billing/export?format=csv", "billing-export", true),
    ("POST", "billing/portal", "billing-export", true),
    ("GET", "billing/import", "billing-view", false),
];
/// Those to which a file is posted.
const WITH_FILE: [&str; 2] = ["billing/import", "billing/import/confirm"];

async fn register(gateway: &Gateway, organization: &str, party: &str) {
    let record =
        serde_json::json!({"nihdi": party, "enterprise": "0123456749", "iban": "BE71096123456769", "bic": "GKCCBEBB"});
    let of = format!("organization/{organization}");
    gateway.app.store.put_billing_party((&of, party), &record.to_string()).await.expect("it is registered");
}

async fn ask(browser: &Browser<'_>, method: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    match method {
        "GET" => browser.get(path).await,
        _ => browser.post(path, fields).await,
    }
}

/// Posts a form with a file in it.
async fn give(browser: &Browser<'_>, path: &str, token: &str, (name, content): (&str, &str)) -> Answer {
    let part = |name: &str, content: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
    };
    let body = format!("{}{}--x--\r\n", part("form_token", token), part(name, content));
    browser.send(Method::POST, path, &[("content-type", "multipart/form-data; boundary=x")], Some(body)).await
}

fn sheet() -> String {
    format!(
        "insz;naam;geslacht;ziekenfonds;ct1;ct2;datum;prestatiecode;zorgverlener;referentie\r\n\
         {NUMBER};{NAME};1;131;110;110;2026-02-03;990010;12345625004;rij-1\r\n"
    )
}

/// A clerk of `elp-1` with one line; its id.
async fn clerk_with_line(gateway: &Gateway) -> (Browser<'_>, String) {
    register(gateway, "elp-1", PARTY).await;
    gateway.employ("clerk", "elp-1", Some("books-1"), &["billing"]).await;
    let browser = Browser::of(gateway, "clerk").await;
    let token = browser.form_token().await;
    let looked = give(&browser, "billing/import", &token, ("file", &sheet())).await.expect(200);
    let (_, content) = text(&looked).split_once("name=\"content\" value=\"").expect("it is sound");
    let content = content.split('"').next().unwrap_or_default().to_owned();
    give(&browser, "billing/import/confirm", &token, ("content", &content)).await.expect(200);
    let lines = lines(gateway).await;
    assert_eq!(lines.len(), 1, "one line was taken in");
    (browser, lines.into_iter().next().map(|line| line.id).unwrap_or_default())
}

async fn lines(gateway: &Gateway) -> Vec<gateway::storage::billing::ClaimLineRow> {
    let all = gateway.app.store.claim_lines("organization/elp-1", &LineFilter::default(), ("", 10)).await;
    all.expect("it answers")
}

fn text(answer: &Answer) -> &str {
    std::str::from_utf8(&answer.bytes).expect("a page is text")
}

async fn no_billing_route_answers_anybody_but_a_clerk(gateway: Gateway) {
    let record = gateway.as_("elp-1").create(&patient()).await;
    let (clerk, id) = clerk_with_line(&gateway).await;
    let before = lines(&gateway).await;
    let nobody = Browser::new(&gateway);
    counted(&gateway, "not-authenticated");
    for (method, path, _, _) in ROUTES {
        let path = path.replace("{}", &id);
        let answer = ask(&nobody, method, &path, &[]).await;
        if method == "GET" {
            assert_eq!(answer.status, 303, "{path}: {answer}");
            assert!(answer.header("location").starts_with("/sign-in?return_to=%2Fbilling"), "{path}: {answer}");
        } else {
            assert_eq!(answer.status, 401, "{path}: {answer}");
        }
        assert!(answer.bytes.is_empty(), "{path}: nothing is shown");
        // A token is good for no page, and who has one is judged by it alone.
        let method: Method = method.parse().expect("a method");
        let by_token = clerk.send(method, &path, &[("authorization", "Bearer TEST")], None).await;
        assert!([303, 401].contains(&by_token.status) && by_token.bytes.is_empty(), "{path}: {by_token}");
    }
    assert!(counted(&gateway, "not-authenticated") >= i64::try_from(ROUTES.len()).unwrap_or(0));
    for role in PersonRole::ALL.into_iter().filter(|role| *role != PersonRole::Billing) {
        let browser = in_role(&gateway, role, &record).await;
        browser.step_up(role.code()).await;
        let fields = [("reason", "it is only a test"), ("seen", "0"), ("month", "2026-02")];
        for (method, path, _, _) in ROUTES {
            let answer = ask(&browser, method, &path.replace("{}", &id), &fields).await;
            assert_eq!(answer.status, 403, "{role:?}: {path}: {answer}");
            assert!(!text(&answer).contains(NAME), "{role:?}: {path}: {answer}");
        }
        for path in WITH_FILE {
            let token = browser.form_token().await;
            give(&browser, path, &token, ("file", &sheet())).await.expect(403);
        }
    }
    assert_eq!(lines(&gateway).await, before, "nothing moved");
    let acts = trail(&gateway, "elp-1").await;
    for (_, path, act, _) in ROUTES {
        assert!(acts.contains(&format!("{act}: not-for-role")), "{path}: {acts:?}");
    }
}

async fn what_sends_moves_money_or_hands_out_data_needs_a_fresh_sign_in(gateway: Gateway) {
    let (clerk, id) = clerk_with_line(&gateway).await;
    let before = lines(&gateway).await;
    let seen = before[0].changed_ms.to_string();
    let fields = [("reason", "it is only a test"), ("seen", seen.as_str()), ("month", "2026-02"), ("then", "send")];
    for (method, path, act, is_fresh) in ROUTES.into_iter().filter(|(.., is_fresh)| *is_fresh) {
        assert!(is_fresh);
        let answer = ask(&clerk, method, &path.replace("{}", &id), &fields).await.expect(403);
        assert!(text(&answer).contains("/step-up?return_to="), "{path}: the way out is told: {answer}");
        let acts = trail(&gateway, "elp-1").await;
        assert_eq!(acts.first().map(String::as_str), Some(format!("{act}: step-up-required").as_str()), "{path}");
    }
    // To correct and send at once is to send.
    clerk.post(&format!("billing/lines/{id}/correct"), &fields).await.expect(403);
    assert_eq!(trail(&gateway, "elp-1").await[0], "billing-resend: step-up-required");
    assert_eq!(lines(&gateway).await, before, "nothing moved");
    clerk.step_up("clerk").await;
    let list = clerk.get("billing/export?format=csv").await.expect(200);
    assert!(text(&list).contains(NAME) && !text(&list).contains(NUMBER), "{list}");
    assert!(list.header("content-disposition").contains("attachment"), "{list}");
}

async fn a_form_of_another_page_or_without_the_token_of_the_session_does_nothing(gateway: Gateway) {
    let (clerk, id) = clerk_with_line(&gateway).await;
    clerk.step_up("clerk").await;
    let before = lines(&gateway).await;
    let seen = before[0].changed_ms.to_string();
    for (path, fields) in [
        (format!("billing/lines/{id}/remove"), vec![("seen", seen.as_str()), ("reason", "it is only a test")]),
        (format!("billing/lines/{id}/correct"), vec![("seen", seen.as_str()), ("units", "2")]),
        ("billing/month/check".to_owned(), vec![("month", "2026-02")]),
        ("billing/month/seal".to_owned(), vec![("month", "2026-02"), ("federation", "100"), ("third_party", PARTY)]),
        ("billing/portal".to_owned(), vec![("month", "2026-02")]),
    ] {
        clerk.post_form(&path, &fields, &[]).await.expect(403);
        assert!(trail(&gateway, "elp-1").await[0].ends_with(": no-form-token"), "{path}");
        let token = clerk.form_token().await;
        let with_token = [&fields[..], &[("form_token", token.as_str())]].concat();
        let elsewhere = [("origin", "https://elsewhere.example"), ("sec-fetch-site", "cross-site")];
        clerk.post_form(&path, &with_token, &elsewhere).await.expect(403);
        assert!(trail(&gateway, "elp-1").await[0].ends_with(": other-page"), "{path}");
    }
    for path in WITH_FILE {
        give(&clerk, path, "guessed", ("file", &sheet())).await.expect(if path.ends_with("confirm") {
            400
        } else {
            403
        });
    }
    assert_eq!(lines(&gateway).await, before, "nothing moved");
}

async fn what_another_organisation_bills_is_as_what_was_never_there(gateway: Gateway) {
    let (_, id) = clerk_with_line(&gateway).await;
    register(&gateway, "elp-2", OTHER_PARTY).await;
    gateway.app.store.put_practitioner(&other_books()).await.expect("it is registered");
    gateway.employ("other", "elp-2", Some("books-2"), &["billing"]).await;
    let other = Browser::of(&gateway, "other").await;
    other.step_up("other").await;
    for path in ["billing", "billing/lines", "billing/month?month=2026-02", "billing/settlement", "billing/figures"] {
        let page = other.get(path).await.expect(200);
        assert!(!text(&page).contains(NAME) && !text(&page).contains(&id), "{path}: {page}");
    }
    let fields = [("reason", "it is only a test"), ("seen", "0")];
    for (method, path) in [
        ("GET", "billing/lines/{}"),
        ("POST", "billing/lines/{}/correct"),
        ("POST", "billing/lines/{}/remove"),
        ("POST", "billing/lines/{}/write-off"),
        ("GET", "billing/sendings/{}"),
        ("GET", "billing/sendings/{}/file"),
    ] {
        let theirs = ask(&other, method, &path.replace("{}", &id), &fields).await.expect(404);
        let nobodys = ask(&other, method, &path.replace("{}", NOBODYS), &fields).await.expect(404);
        let told = |answer: &Answer, id: &str| text(answer).replace(id, "ID");
        assert_eq!(told(&theirs, &id), told(&nobodys, NOBODYS), "{path}");
    }
}

fn other_books() -> gateway::storage::registry::Practitioner {
    gateway::storage::registry::Practitioner {
        id: "books-2".to_owned(),
        organization_id: "elp-2".to_owned(),
        name: "Test books-2".to_owned(),
        nihdi: None,
        role: "accounting".to_owned(),
        active: true,
    }
}

async fn every_page_is_on_record_and_no_number_is_in_a_page_or_the_trail(gateway: Gateway) {
    let (clerk, id) = clerk_with_line(&gateway).await;
    let views = async || trail(&gateway, "elp-1").await.iter().filter(|act| *act == "billing-view").count();
    for (_, path, _, _) in ROUTES.into_iter().filter(|(method, path, act, _)| {
        *method == "GET" && *act == "billing-view" && !path.contains("sendings/{}") && !path.ends_with("progress")
    }) {
        let before = views().await;
        let page = clerk.get(&path.replace("{}", &id)).await.expect(200);
        assert_eq!(views().await, before + 1, "{path}");
        assert!(!text(&page).contains(NUMBER), "{path}: {page}");
        let policy = page.header("content-security-policy");
        assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{path}: {policy}");
    }
    let page = clerk.get(&format!("billing/lines/{id}")).await.expect(200);
    assert!(text(&page).contains(NAME) && text(&page).contains("•••••••••88"), "{page}");
    let events = gateway.as_("elp-1").search("AuditEvent?_count=100").await;
    for event in events {
        let told = event.to_string();
        assert!(!told.contains(NUMBER) && !told.contains(NAME), "{told}");
    }
}

async fn two_clerks_do_not_overwrite_each_other(gateway: Gateway) {
    let (clerk, id) = clerk_with_line(&gateway).await;
    let seen = lines(&gateway).await[0].changed_ms.to_string();
    gateway.advance(1_000);
    let path = format!("billing/lines/{id}/correct");
    let change = |units: &'static str| [("seen", seen.clone()), ("units", units.to_owned())];
    let send = async |units| {
        let fields = change(units);
        let page = clerk.get(&format!("billing/lines/{id}")).await.expect(200);
        let shown = form_fields(text(&page));
        let all: Vec<(&str, &str)> = shown
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| !["seen", "units", "form_token", "reason", "then"].contains(name))
            .chain(fields.iter().map(|(name, value)| (*name, value.as_str())))
            .collect();
        clerk.post(&path, &all).await
    };
    send("2").await.expect(303);
    send("3").await.expect(412);
    assert_eq!(lines(&gateway).await[0].units, 2);
}

/// The fields of the form of correction as they are shown.
fn form_fields(page: &str) -> Vec<(String, String)> {
    let form = page.split("/correct\"").nth(1).and_then(|rest| rest.split("</form>").next()).unwrap_or_default();
    let inputs = form.split("<input ").skip(1);
    let attribute = |input: &str, name: &str| {
        let (_, rest) = input.split_once(&format!("{name}=\""))?;
        Some(rest.split('"').next().unwrap_or_default().to_owned())
    };
    inputs
        .filter_map(|input| {
            Some((attribute(input, " name").or_else(|| attribute(input, "name"))?, attribute(input, "value")?))
        })
        .collect()
}

stories!(with with_people;
    no_billing_route_answers_anybody_but_a_clerk,
    what_sends_moves_money_or_hands_out_data_needs_a_fresh_sign_in,
    a_form_of_another_page_or_without_the_token_of_the_session_does_nothing,
    what_another_organisation_bills_is_as_what_was_never_there,
    every_page_is_on_record_and_no_number_is_in_a_page_or_the_trail,
    two_clerks_do_not_overwrite_each_other,
);
