//! What describes the FHIR interface: told to every role alike, exactly what the `CapabilityStatement` states, and no more than is served.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::Value;
use wellgate_tests::caller::{Answer, Caller};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::stories;

use super::records::{Targets, held_record};
use super::roles::{ROLES, caller};

/// Beside the base of the FHIR interface.
const ROUTES: [&str; 4] = ["../api", "../api/Patient", "../api/postman.json", "../api/api.css"];
const LANGUAGES: [&str; 3] = ["nl", "fr", "en"];
/// The modifiers of the standard that are no type.
const MODIFIERS: [&str; 11] =
    ["missing", "not", "exact", "contains", "text", "identifier", "of-type", "in", "not-in", "above", "below"];

async fn every_role_is_told_the_same_of_the_interface_and_nothing_of_a_record(gateway: Gateway) {
    let stranger = gateway.as_("elp-1").with_bearer("");
    let mut before = Vec::new();
    for route in ROUTES {
        before.push(stranger.get(route).await.expect(200).bytes);
    }
    let held = held_record(&gateway).await;
    for role in ROLES {
        let caller = caller(&gateway, role, &held);
        for (route, before) in ROUTES.iter().zip(&before) {
            assert_eq!(&caller.get(route).await.expect(200).bytes, before, "{role:?}: {route}");
            for method in [Method::POST, Method::PUT, Method::DELETE] {
                caller.send(method, route, &[], None).await.expect(405);
            }
        }
        for unknown in ["../api/Basic", "../api/patient", "../api/Patient/1", "../api/%3Cb%3E"] {
            let answer = caller.get(unknown).await.expect(404);
            assert_eq!(answer.json["resourceType"], "OperationOutcome", "{role:?}: {unknown}");
        }
    }
    assert!(gateway.app.refusals.take().is_empty(), "nobody was refused anything");
}

async fn statement(gateway: &Gateway) -> Value {
    gateway.as_("elp-1").with_bearer("").get("metadata").await.expect(200).json["rest"][0].clone()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Of each row of a page its id, and the text of its cells.
fn rows(page: &str) -> BTreeMap<String, Vec<String>> {
    let plain = |markup: &str| {
        let parts = markup.split('<').enumerate();
        let parts =
            parts.map(|(n, part)| if n == 0 { part } else { part.split_once('>').map_or("", |(_, text)| text) });
        parts.collect::<String>().trim().to_owned()
    };
    let row = |row: &str| {
        let (id, rest) = row.split_once("\">").expect("a row has an id");
        let cells = rest.split("</tr>").next().unwrap_or_default().replace("</th>", "</td>");
        (id.to_owned(), cells.split("</td>").map(plain).filter(|cell| !cell.is_empty()).collect())
    };
    page.split("<tr id=\"").skip(1).map(row).collect()
}

/// The same from what is stated of a type, or of the system; without what stands in a reader's language, and how each is called.
fn stated_rows(stated: &Value) -> BTreeMap<String, Vec<String>> {
    let mut rows = BTreeMap::new();
    for one in list(&stated["interaction"]) {
        rows.insert(format!("interaction-{}", text(&one["code"])), vec![text(&one["code"])]);
    }
    for one in list(&stated["operation"]) {
        let cells = vec![format!("${}", text(&one["name"])), text(&one["definition"])];
        rows.insert(format!("operation-{}", text(&one["name"])), cells);
    }
    for one in list(&stated["searchParam"]) {
        let modifiers = one["documentation"].as_str().and_then(|said| said.strip_prefix("modifiers: "));
        let mut cells = vec![text(&one["name"]), text(&one["type"])];
        cells.extend(modifiers.map(|modifiers| modifiers.replace(", ", " ")));
        rows.insert(format!("parameter-{}", text(&one["name"])), cells);
    }
    for (by, element) in [("_include", "searchInclude"), ("_revinclude", "searchRevInclude")] {
        for value in list(&stated[element]).map(text) {
            rows.insert(format!("{by}-{value}"), vec![value, by.to_owned()]);
        }
    }
    rows
}

async fn the_pages_show_exactly_what_is_stated_in_every_language(gateway: Gateway) {
    let rest = statement(&gateway).await;
    let reader = gateway.as_("elp-1").with_bearer("");
    let types: Vec<String> = list(&rest["resource"]).map(|one| text(&one["type"])).collect();
    let mut titles = BTreeSet::new();
    for language in LANGUAGES {
        for stated in list(&rest["resource"]).chain([&rest]) {
            let name = text(&stated["type"]);
            let path = format!("../api/{name}");
            let answer =
                reader.get_with(path.trim_end_matches('/'), &[("accept-language", language)]).await.expect(200);
            let policy = answer.header("content-security-policy");
            assert!(
                policy.starts_with("default-src 'none'; style-src 'self'") && !policy.contains("script"),
                "{policy}"
            );
            let page = String::from_utf8(answer.bytes).expect("a page is text");
            assert!(page.contains(&format!("<html lang=\"{language}\">")), "{language}: {name}");
            assert!(!page.contains("<script") && !page.contains(" style="), "{language}: {name}");
            let links: Vec<&str> = page
                .split("href=\"/api/")
                .skip(1)
                .filter_map(|rest| rest.split('"').next())
                .filter(|of| !of.contains('.'))
                .collect();
            assert_eq!(links, types, "{language}: {name}");
            for (element, value) in
                [("versioning", &stated["versioning"]), ("conditionalDelete", &stated["conditionalDelete"])]
            {
                let shown = format!("<dt>{element}</dt><dd>{}</dd>", text(value));
                assert_eq!(page.contains(&shown), !value.is_null(), "{language}: {name}: {shown}");
            }
            let (shown, wanted) = (rows(&page), stated_rows(stated));
            assert_eq!(shown.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>(), "{language}: {name}");
            for (id, wanted) in &wanted {
                let cells = &shown[id];
                assert_eq!(&cells[..wanted.len()], wanted, "{language}: {name}: {id}");
                assert!(
                    cells.last().is_some_and(|call| call.starts_with("curl ")),
                    "{language}: {name}: {id}: {cells:?}"
                );
            }
            titles.extend(page.split("<h2>").nth(1).and_then(|rest| rest.split('<').next()).map(str::to_owned));
        }
    }
    assert!(titles.len() >= 2, "{titles:?}");
}

async fn collection(gateway: &Gateway) -> Value {
    gateway.as_("elp-1").with_bearer("").get("../api/postman.json").await.expect(200).json
}

/// Every request of a collection, with the folder that it is in.
fn requests(collection: &Value) -> Vec<(String, &Value)> {
    let of_folder = |folder: &'_ Value| text(&folder["name"]);
    list(&collection["item"])
        .flat_map(|folder| list(&folder["item"]).map(move |item| (of_folder(folder), item)))
        .collect()
}

async fn the_collection_has_the_shape_of_its_schema_and_a_request_for_all_that_is_stated(gateway: Gateway) {
    let (rest, collection) = (statement(&gateway).await, collection(&gateway).await);
    assert_eq!(collection["info"]["schema"], "https://schema.getpostman.com/json/collection/v2.1.0/collection.json");
    assert!(!text(&collection["info"]["name"]).is_empty());
    assert_eq!(collection["auth"]["bearer"][0]["value"], "{{token}}");
    let variables: Vec<String> = list(&collection["variable"]).map(|one| text(&one["key"])).collect();
    assert_eq!(variables, ["base_url", "token"]);
    assert_eq!(collection["variable"][0]["value"], gateway.base);
    assert_eq!(collection["variable"][1]["value"], "", "nobody's token is in it");
    let mut asked: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (folder, item) in requests(&collection) {
        let request = &item["request"];
        let (name, method, url) = (text(&item["name"]), text(&request["method"]), &request["url"]);
        let (named, code) = name.split_once(' ').expect("a method and what it is");
        assert_eq!(named, method, "{folder}: {name}");
        let host = list(&url["host"]).chain(list(&url["path"])).map(text).collect::<Vec<_>>().join("/");
        assert_eq!(url["raw"], host, "{folder}: {name}");
        let in_path: Vec<String> =
            list(&url["path"]).filter_map(|part| Some(part.as_str()?.strip_prefix(':')?.to_owned())).collect();
        assert_eq!(
            list(&url["variable"]).map(|one| text(&one["key"])).collect::<Vec<_>>(),
            in_path,
            "{folder}: {name}"
        );
        assert!(
            list(&request["header"]).all(|one| one["key"].is_string() && one["value"].is_string()),
            "{folder}: {name}"
        );
        let has_body = matches!(text(&request["body"]["mode"]).as_str(), "raw" | "urlencoded");
        assert_eq!(has_body, matches!(&*method, "POST" | "PUT" | "PATCH"), "{folder}: {name}");
        asked.entry(folder).or_default().insert(code.to_owned());
    }
    for stated in list(&rest["resource"]).chain([&rest]) {
        let folder = stated["type"].as_str().unwrap_or("System");
        let wanted = stated_rows(stated).into_values().map(|cells| cells[0].clone());
        let codes: BTreeSet<String> = list(&stated["interaction"]).map(|one| text(&one["code"])).collect();
        let wanted: BTreeSet<String> = wanted.filter(|code| codes.contains(code) || code.starts_with('$')).collect();
        assert_eq!(asked.remove(folder).unwrap_or_default(), wanted, "{folder}");
    }
    assert!(asked.is_empty(), "{asked:?}");
}

/// The address of a request from the base on, with the ids of what the caller holds; none where it holds nothing of the type.
fn address(folder: &str, item: &Value, held: &Targets) -> Option<String> {
    let target = held.resources.iter().find(|one| one["resourceType"] == folder);
    let parts = list(&item["request"]["url"]["path"]).map(|part| match part.as_str() {
        Some(":id") => Some(text(&target?["id"])),
        Some(":vid") => Some(text(&target?["meta"]["versionId"])),
        part => part.map(str::to_owned),
    });
    Some(parts.collect::<Option<Vec<_>>>()?.join("/"))
}

async fn ask(caller: &Caller<'_>, item: &Value, path: &str) -> Answer {
    let request = &item["request"];
    let headers: Vec<(&str, &str)> =
        list(&request["header"]).filter_map(|one| Some((one["key"].as_str()?, one["value"].as_str()?))).collect();
    let method = Method::from_bytes(text(&request["method"]).as_bytes()).expect("a method");
    let body = request["body"]["raw"].as_str().map(|body| body.as_bytes().to_vec());
    caller.send(method, path, &headers, body).await
}

async fn every_request_of_the_collection_is_one_that_is_served(gateway: Gateway) {
    let held = held_record(&gateway).await;
    let (custodian, nobody) = (gateway.as_("elp-1"), gateway.as_("elp-1").with_bearer(""));
    let collection = collection(&gateway).await;
    let (mut read, mut searched) = (0, 0);
    for (folder, item) in requests(&collection) {
        let Some(path) = address(&folder, item, &held) else { continue };
        let name = format!("{folder}: {}: {path}", text(&item["name"]));
        // What is not served is 404 or 405 before anybody is asked who they are.
        let unknown = ask(&nobody, item, &path).await;
        assert_eq!(unknown.status, 401, "{name}: {unknown}");
        if item["request"]["method"] != "GET" {
            continue;
        }
        let answer = ask(&custodian, item, &path).await;
        // An operation that has to be told something says so.
        let is_told = ["$explain", "$conflicts", "$lookup", "$validate-code"].iter().any(|name| path.ends_with(name));
        match answer.status {
            200 => {}
            202 if path.ends_with("$export") => {}
            400 | 422 if is_told => {}
            _ => panic!("{name}: {answer}"),
        }
        read += 1;
        for chosen in list(&item["request"]["url"]["query"]) {
            assert_eq!(chosen["disabled"], true, "{name}");
            let query = query_of(&text(&chosen["key"]), &text(&chosen["value"]));
            let answer = custodian.get(format!("{path}?{query}")).await;
            assert_eq!(answer.status, 200, "{name}?{query}: {answer}");
            searched += 1;
        }
    }
    assert!(read > 150 && searched > 500, "{read} and {searched}");
}

/// A parameter as a query.
fn query_of(key: &str, value: &str) -> String {
    let url = reqwest::Url::parse_with_params("http://127.0.0.1", [(key, value)]).expect("an address");
    url.query().unwrap_or_default().to_owned()
}

/// What a value looks like that this modifier takes.
fn value<'v>(modifier: &str, sample: &'v str) -> &'v str {
    match modifier {
        "missing" => "true",
        "of-type" => "https://ehr.example/type|code|value",
        "identifier" => "https://ehr.example/id|value",
        "not" => sample,
        "above" | "below" => "https://ehr.example/a",
        "exact" | "contains" | "text" => "a",
        _ => "1",
    }
}

async fn exactly_the_modifiers_that_are_stated_are_served(gateway: Gateway) {
    let rest = statement(&gateway).await;
    let (custodian, collection) = (gateway.as_("elp-1"), collection(&gateway).await);
    let mut kinds = BTreeSet::new();
    for stated in list(&rest["resource"]).filter(|stated| stated["type"] != "AuditEvent") {
        let resource_type = text(&stated["type"]);
        let search = requests(&collection)
            .into_iter()
            .find(|(of, item)| *of == resource_type && item["name"] == "GET search-type");
        let (_, search) = search.expect("each type is searched");
        for parameter in list(&stated["searchParam"]) {
            let name = text(&parameter["name"]);
            let sample = list(&search["request"]["url"]["query"])
                .find(|one| one["key"] == name.as_str())
                .map(|one| text(&one["value"]));
            let said = parameter["documentation"]
                .as_str()
                .and_then(|said| said.strip_prefix("modifiers: "))
                .unwrap_or_default();
            let stated: Vec<&str> =
                said.split(", ").filter_map(|one| one.strip_prefix(':')).filter(|one| *one != "[type]").collect();
            // The types of references are many, and all alike: the first and the last.
            let types: Vec<&&str> = stated.iter().filter(|one| one.starts_with(char::is_uppercase)).collect();
            let types = types.first().into_iter().chain(types.last()).map(|one| **one);
            for modifier in MODIFIERS.iter().copied().chain(types) {
                let is_stated = stated.contains(&modifier);
                // One refusal of a kind tells of all: what differs from parameter to parameter is what is served.
                if !is_stated && !kinds.insert((text(&parameter["type"]), modifier, name == "identifier")) {
                    continue;
                }
                let query =
                    query_of(&format!("{name}:{modifier}"), value(modifier, sample.as_deref().unwrap_or_default()));
                let answer = custodian.get(format!("{resource_type}?{query}")).await;
                let expected = if is_stated { 200 } else { 400 };
                assert_eq!(answer.status, expected, "{resource_type}?{query}: {answer}");
            }
        }
    }
    assert!(kinds.len() > 30, "{kinds:?}");
}

stories!(
    every_role_is_told_the_same_of_the_interface_and_nothing_of_a_record,
    the_pages_show_exactly_what_is_stated_in_every_language,
    the_collection_has_the_shape_of_its_schema_and_a_request_for_all_that_is_stated,
    every_request_of_the_collection_is_one_that_is_served,
    exactly_the_modifiers_that_are_stated_are_served,
);
