//! Every route × every kind of caller × every served type, against one table: what may be answered, and nothing else.

mod description;
mod operations;
mod records;
mod roles;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway::search::compartment::membership;
use gateway::search::overlay::{Belongs, SERVED_TYPES, belongs};
use reqwest::Method;
use serde_json::{Value, json};
use wellgate_tests::caller::{Answer, Caller};
use wellgate_tests::gateway::Gateway;
use wellgate_tests::stories;

use records::{excluding_record, held_record, resource, waiting_record};
use roles::{ROLES, Role, caller, trail};

/// What is asked. The writes come last, the deletion at the very end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Read,
    Vread,
    InstanceHistory,
    TypeHistory,
    Search,
    SearchByForm,
    SearchOfSystem,
    SearchOfCompartment,
    ReadInBatch,
    ReadInTransaction,
    Create,
    Update,
    UpdateInTransaction,
    UpdateByCriteria,
    Patch,
    PatchInTransaction,
    PatchByCriteria,
    Delete,
    DeleteByCriteria,
}

const ROUTES: [Route; 19] = [
    Route::Read,
    Route::Vread,
    Route::InstanceHistory,
    Route::TypeHistory,
    Route::Search,
    Route::SearchByForm,
    Route::SearchOfSystem,
    Route::SearchOfCompartment,
    Route::ReadInBatch,
    Route::ReadInTransaction,
    Route::Create,
    Route::Update,
    Route::UpdateInTransaction,
    Route::UpdateByCriteria,
    Route::Patch,
    Route::PatchInTransaction,
    Route::PatchByCriteria,
    Route::Delete,
    Route::DeleteByCriteria,
];

/// How a type belongs, as far as the table asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Patient,
    Consent,
    /// Of a record, by its owning reference.
    OfRecord,
    /// Of the organisation that wrote it.
    Own,
    Directory,
    /// The trail.
    Trail,
}

/// What is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// 2xx, and the resource is in it.
    Shown,
    /// 2xx, without a trace of the resource.
    NotAmong,
    /// 2xx: it was written.
    Written,
    /// 401.
    NotAuthenticated,
    /// 403.
    Forbidden,
    /// 404: it does not exist for the caller.
    Invisible,
    /// 422: what it refers to does not exist for the caller, or a referral rests on it.
    Unprocessable,
    /// 405.
    NotOffered,
    /// 400: what is asked is not searched this way.
    NotSearched,
}

/// The table.
#[allow(clippy::match_same_arms, reason = "a row of the table is a line, whatever stands in the next")]
const fn expected(role: Role, route: Route, kind: Kind) -> Expected {
    use Expected::{
        Forbidden, Invisible, NotAmong, NotAuthenticated, NotOffered, NotSearched, Shown, Unprocessable, Written,
    };
    let is_search =
        matches!(route, Route::Search | Route::SearchByForm | Route::SearchOfSystem | Route::SearchOfCompartment);
    let is_list = is_search || matches!(route, Route::TypeHistory);
    let is_bundle = matches!(route, Route::ReadInBatch | Route::ReadInTransaction);
    let is_change = matches!(
        route,
        Route::Update | Route::UpdateInTransaction | Route::Patch | Route::PatchInTransaction | Route::Delete
    );
    let is_by_criteria = matches!(route, Route::UpdateByCriteria | Route::PatchByCriteria | Route::DeleteByCriteria);
    let is_write = is_change || is_by_criteria || matches!(route, Route::Create);
    let sees = matches!(
        (role, kind),
        (_, Kind::Directory)
            | (Role::Custodian, _)
            | (Role::Excluded, Kind::Own)
            | (Role::Permitted, Kind::Patient | Kind::OfRecord)
            | (Role::Person | Role::Representative, Kind::Patient | Kind::Consent | Kind::OfRecord | Kind::Trail)
    );
    match (role, route, kind) {
        (Role::NoToken | Role::BadToken | Role::ExpiredToken, _, _) => NotAuthenticated,
        // The trail is searched by itself.
        (_, Route::SearchOfSystem, Kind::Trail) => NotSearched,
        // An entry of a batch is refused on its own, and a transaction as a whole.
        (Role::WrongScope, Route::ReadInBatch, _) => NotAmong,
        (Role::WrongScope, _, _) => Forbidden,

        // The trail has no versions and is written by nobody.
        (_, Route::Create, Kind::Trail) => NotOffered,
        (_, _, Kind::Trail) if is_by_criteria => NotOffered,
        (_, _, Kind::Trail) if is_change => Invisible,
        (_, Route::Vread | Route::InstanceHistory, Kind::Trail) => Invisible,
        (_, Route::TypeHistory, Kind::Trail) => NotAmong,

        // A person gives the own word and writes nothing else; who only reads for a person writes nothing.
        (Role::Person, Route::Create, Kind::Consent) => Written,
        (Role::Person | Role::Representative, Route::Create, _) => Forbidden,

        // Anybody else begins a record, and writes into the directory and the own compartment.
        (_, Route::Create, Kind::Patient | Kind::Directory | Kind::Own) => Written,
        (Role::Custodian, Route::Delete | Route::DeleteByCriteria, Kind::Patient) => Unprocessable,
        // It is deleted already.
        (Role::Custodian, Route::DeleteByCriteria, _) => NotAmong,
        (Role::Excluded, Route::DeleteByCriteria, Kind::Own | Kind::Directory) => NotAmong,
        (Role::Custodian, _, _) if is_write => Written,
        // Of the organisation's own, and of nobody's record.
        (Role::Excluded, _, Kind::Own | Kind::Directory) if is_write => Written,
        // Criteria are fulfilled by what the caller holds, and not by what a Consent shows.
        (Role::Permitted, _, Kind::Patient | Kind::OfRecord) if is_by_criteria => by_nothing(route),
        (_, _, _) if is_write && sees => Forbidden,
        (_, _, _) if is_by_criteria => by_nothing(route),
        (Role::Permitted, Route::Create, Kind::Consent) => Forbidden,
        (_, Route::Create, _) => Unprocessable,

        (_, _, _) if sees => Shown,
        (_, _, _) if is_list || is_bundle => NotAmong,
        _ => Invisible,
    }
}

/// What is answered where nothing fulfils the criteria: the body of the update has an id, and ids are not the client's.
const fn by_nothing(route: Route) -> Expected {
    match route {
        Route::UpdateByCriteria => Expected::Unprocessable,
        Route::PatchByCriteria => Expected::Invisible,
        _ => Expected::NotAmong,
    }
}

/// The same for a type: not all of them are in the compartment of a person, and the Patient itself is in that of others only.
fn expected_of(role: Role, route: Route, resource_type: &str) -> Expected {
    let usual = expected(role, route, kind(resource_type));
    if route != Route::SearchOfCompartment || usual == Expected::NotAuthenticated {
        return usual;
    }
    match (membership("Patient", resource_type), usual) {
        (None, _) => Expected::Invisible,
        (Some(_), Expected::Shown) if matches!(resource_type, "Patient" | "Group") => Expected::NotAmong,
        (Some(_), usual) => usual,
    }
}

fn kind(resource_type: &str) -> Kind {
    match (resource_type, belongs(resource_type)) {
        ("Patient", _) => Kind::Patient,
        ("Consent", _) => Kind::Consent,
        (_, Some(Belongs::Own)) => Kind::Own,
        (_, Some(Belongs::Directory)) => Kind::Directory,
        (_, Some(_)) => Kind::OfRecord,
        (_, None) => Kind::Trail,
    }
}

async fn no_route_answers_more_than_the_table_says(gateway: Gateway) {
    let held = held_record(&gateway).await;
    let waiting = waiting_record(&gateway).await;
    let excluding = excluding_record(&gateway).await;
    for role in ROLES {
        let caller = caller(&gateway, role, &held);
        let before = trail(&caller, role).await;
        let targets = match role {
            Role::Waiting => &waiting,
            Role::Excluded => &excluding,
            _ => &held,
        };
        let mut refused = 0;
        for resource_type in SERVED_TYPES {
            for route in ROUTES {
                let name = format!("{role:?}: {route:?} of {resource_type}");
                let target = targets
                    .resources
                    .iter()
                    .find(|one| one["resourceType"] == resource_type)
                    .expect("one of each type");
                let answer = ask(&caller, route, target, &targets.patient).await;
                let id = target["id"].as_str().expect("an id");
                let expected = expected_of(role, route, resource_type);
                holds(&name, expected, &answer, id);
                refused += events(role, route, &answer);
                if is_as_unknown(role, expected) {
                    let (told, unknown) = ask_about_unknown(&caller, route, target, &targets.patient).await;
                    assert_eq!(answer.told(), told, "{name}: as for an id that never was");
                    refused += events(role, route, &unknown);
                }
            }
        }
        // The record's own trail is the person's too: what others were refused there is counted before.
        if let (Some(before), Some(after)) = (before, trail(&caller, role).await) {
            assert_eq!(after - before, refused, "each refusal of {role:?} left its event");
            assert!(refused > 0, "{role:?} was refused something");
        }
    }
    let counted: i64 = gateway.app.refusals.take().into_values().sum();
    let asked = i64::try_from(3 * SERVED_TYPES.len() * ROUTES.len()).expect("a number");
    assert_eq!(counted, asked, "each request without a good token was counted");
}

/// Whether the answer must be the one about an id that never was.
fn is_as_unknown(role: Role, expected: Expected) -> bool {
    let tells_nothing = matches!(expected, Expected::NotAmong | Expected::Invisible | Expected::Unprocessable);
    tells_nothing && role != Role::Custodian
}

/// Asks the same about a record and a resource that never were; what was told, under the names of those that are.
async fn ask_about_unknown(caller: &Caller<'_>, route: Route, target: &Value, patient: &str) -> (String, Answer) {
    let id = target["id"].as_str().expect("an id");
    let unknown = |id: &str| format!("{}{}", &id[..id.len() - 2], if id.ends_with("00") { "11" } else { "00" });
    let renamed = target.to_string().replace(id, &unknown(id)).replace(patient, &unknown(patient));
    let renamed: Value = serde_json::from_str(&renamed).expect("it is JSON still");
    let answer = ask(caller, route, &renamed, &unknown(patient)).await;
    (answer.told().replace(&unknown(id), id).replace(&unknown(patient), patient), answer)
}

/// How many events a refusal leaves: that of a transaction one for the entry and one for the whole.
fn events(role: Role, route: Route, answer: &Answer) -> usize {
    match (answer.status, route) {
        (200..400, _) => usize::from(answer.json["entry"][0]["response"]["outcome"].is_object()),
        // What the scope does not allow is not looked into.
        (_, Route::UpdateInTransaction | Route::PatchInTransaction) if role != Role::WrongScope => 2,
        _ => 1,
    }
}

fn holds(name: &str, expected: Expected, answer: &Answer, id: &str) {
    let status = match expected {
        Expected::Shown | Expected::NotAmong | Expected::Written => answer.status / 100 * 100,
        _ => answer.status,
    };
    let wanted = match expected {
        Expected::Shown | Expected::NotAmong | Expected::Written => 200,
        Expected::NotAuthenticated => 401,
        Expected::Forbidden => 403,
        Expected::Invisible => 404,
        Expected::Unprocessable => 422,
        Expected::NotOffered => 405,
        Expected::NotSearched => 400,
    };
    assert_eq!(status, wanted, "{name}: {expected:?}: {answer}");
    let text = String::from_utf8_lossy(&answer.bytes);
    // The link to itself repeats what was asked; everything else would be an answer.
    let told = answer.json["entry"].to_string() + &answer.json["id"].to_string();
    match expected {
        Expected::Shown => assert!(told.contains(id), "{name}: {text}"),
        Expected::Written => {}
        _ => assert!(!told.contains(id) && !text.contains("TEST-"), "{name}: {text}"),
    }
}

async fn ask(caller: &Caller<'_>, route: Route, target: &Value, patient: &str) -> Answer {
    let resource_type = target["resourceType"].as_str().expect("a type");
    let id = target["id"].as_str().expect("an id");
    let address = format!("{resource_type}/{id}");
    let version = target["meta"]["versionId"].as_str().expect("a version");
    let request = |method: &str| json!({"method": method, "url": address});
    let bundle = |kind: &str, entry: Value| json!({"resourceType": "Bundle", "type": kind, "entry": [entry]});
    match route {
        Route::Read => caller.get(address).await,
        Route::Vread => caller.get(format!("{address}/_history/{version}")).await,
        Route::InstanceHistory => caller.get(format!("{address}/_history")).await,
        Route::TypeHistory => caller.get(format!("{resource_type}/_history?_count=500")).await,
        Route::Search => caller.get(format!("{resource_type}?_id={id}")).await,
        Route::SearchByForm => caller.post_search(resource_type, &format!("_id={id}")).await,
        Route::SearchOfSystem => caller.get(format!("?_type={resource_type}&_id={id}")).await,
        Route::SearchOfCompartment => caller.get(format!("Patient/{patient}/{resource_type}?_id={id}")).await,
        Route::ReadInBatch => caller.post("", &bundle("batch", json!({"request": request("GET")}))).await,
        Route::ReadInTransaction => caller.post("", &bundle("transaction", json!({"request": request("GET")}))).await,
        Route::Create => caller.post(resource_type, &resource(resource_type, patient)).await,
        Route::Update => caller.put(address, target).await,
        Route::UpdateInTransaction => {
            caller.post("", &bundle("transaction", json!({"request": request("PUT"), "resource": target}))).await
        }
        Route::UpdateByCriteria => caller.put(format!("{resource_type}?_id={id}"), target).await,
        Route::Patch => caller.patch(address, &unchanged()).await,
        Route::PatchInTransaction => {
            let data = STANDARD.encode(unchanged().to_string());
            let patch = json!({"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data});
            caller.post("", &bundle("transaction", json!({"request": request("PATCH"), "resource": patch}))).await
        }
        Route::PatchByCriteria => caller.patch(format!("{resource_type}?_id={id}"), &unchanged()).await,
        Route::Delete => caller.send(Method::DELETE, &address, &[], None).await,
        Route::DeleteByCriteria => caller.delete(format!("{resource_type}?_id={id}")).await,
    }
}

/// A patch that says of any resource what is so.
fn unchanged() -> Value {
    json!([{"op": "copy", "from": "/resourceType", "path": "/resourceType"}])
}

/// The history of the system: each sees there what each sees of the types, page by page.
async fn the_history_of_the_system_has_what_each_sees(gateway: Gateway) {
    let held = held_record(&gateway).await;
    for role in ROLES.into_iter().filter(|role| !matches!(role, Role::Waiting | Role::Excluded)) {
        let caller = caller(&gateway, role, &held);
        let (mut told, mut next) = (String::new(), Some("_history?_count=500".to_owned()));
        while let Some(page) = next {
            let answer = caller.get(&page).await;
            let status = match role {
                Role::NoToken | Role::BadToken | Role::ExpiredToken => 401,
                Role::WrongScope => 403,
                _ => 200,
            };
            assert_eq!(answer.status, status, "{role:?}: {answer}");
            next = answer.link("next");
            told += &answer.json["entry"].to_string();
        }
        for target in &held.resources {
            let resource_type = target["resourceType"].as_str().expect("a type");
            let is_seen = expected(role, Route::TypeHistory, kind(resource_type)) == Expected::Shown;
            let address = format!("/{resource_type}/{}\"", target["id"].as_str().expect("an id"));
            assert_eq!(told.contains(&address), is_seen, "{role:?}: {resource_type}");
        }
    }
}

stories!(no_route_answers_more_than_the_table_says, the_history_of_the_system_has_what_each_sees);
