//! A record with a grantee beside its custodian, and what that grantee is shown of it by every way to read.

use std::panic::Location;

use reqwest::Method;
use serde_json::{Value, json};

use crate::caller::{Answer, Caller};
use crate::gateway::Gateway;
use crate::resources::{bundle, consent, patient};

/// A Patient record of `edpbw-a`, and `elp-1`, which sees of it what Consents permit.
#[derive(Clone, Debug)]
pub struct Record<'g> {
    /// Who holds it.
    pub custodian: Caller<'g>,
    /// Who may see some of it.
    pub grantee: Caller<'g>,
    /// The id of its Patient.
    pub patient: String,
    gateway: &'g Gateway,
}

impl<'g> Record<'g> {
    /// Begins a record; nobody is permitted anything yet.
    pub async fn begin(gateway: &'g Gateway) -> Self {
        let (custodian, grantee) = (gateway.as_("edpbw-a"), gateway.as_("elp-1"));
        let patient = custodian.create(&patient()).await;
        Self { custodian, grantee, patient, gateway }
    }

    /// The address of its Patient.
    pub fn person(&self) -> String {
        format!("Patient/{}", self.patient)
    }

    /// Adds a resource; answers its address.
    ///
    /// # Panics
    /// It is not created.
    pub async fn add(&self, resource: &Value) -> String {
        let id = self.custodian.create(resource).await;
        format!("{}/{id}", resource["resourceType"].as_str().expect("a resource says its type"))
    }

    /// Adds a Consent with this root provision; answers its address.
    ///
    /// # Panics
    /// It is refused.
    pub async fn permit(&self, provision: &Value) -> String {
        self.add(&consent(&self.patient, provision)).await
    }

    /// Writes the next version of a resource: the newest as it is read, with a change.
    ///
    /// # Panics
    /// It is refused.
    pub async fn change(&self, address: &str, change: impl FnOnce(&mut Value)) -> Answer {
        let mut resource = self.custodian.get(address).await.expect(200).json;
        change(&mut resource);
        self.custodian.put(address, &resource).await.expect(200)
    }

    /// The address of each version of a resource, newest first, as the custodian sees them.
    ///
    /// # Panics
    /// The custodian sees none.
    pub async fn versions(&self, address: &str) -> Vec<String> {
        let history = self.custodian.get(format!("{address}/_history")).await.expect(200);
        history.resources().iter().map(|one| format!("{address}/_history/{}", version(one))).collect()
    }

    /// The grantee is shown a resource by every way, and the trail says so.
    ///
    /// # Panics
    /// It is not.
    #[track_caller]
    pub fn shows(&self, address: &str) -> impl Future<Output = ()> {
        let place = Location::caller();
        async move {
            let since = self.moment();
            let (resource_type, id) = address.split_once('/').expect("Type/id");
            let read = self.grantee.get(address).await;
            assert_eq!(read.status, 200, "at {place}: {address}: {read}");
            let version = version(&read.json);
            for path in ways(address, version).into_iter().chain(lists(resource_type, id)) {
                let shown = self.grantee.get(&path).await;
                assert_eq!(shown.status, 200, "at {place}: {path}: {shown}");
                assert!(String::from_utf8_lossy(&shown.bytes).contains(version), "at {place}: {path}: {shown}");
            }
            let counted = self.grantee.get(format!("{resource_type}?_id={id}&_summary=count")).await;
            assert_eq!(counted.json["total"], 1, "at {place}: {address}: {counted}");
            assert!(self.disclosures(address, &since).await > 0, "at {place}: {address}: it is in the trail");
        }
    }

    /// To the grantee a resource does not exist: each way answers as for an id that never was, it is counted nowhere, and the
    /// record's trail has the refusals and no disclosure.
    ///
    /// # Panics
    /// Some way tells that it is there.
    #[track_caller]
    pub fn hides(&self, address: &str) -> impl Future<Output = ()> {
        let place = Location::caller();
        async move {
            let newest = self.custodian.get(address).await;
            assert_eq!(newest.status, 200, "at {place}: the custodian sees {address}: {newest}");
            let (resource_type, id) = address.split_once('/').expect("Type/id");
            let since = self.moment();
            let mut asked: u64 = 0;
            for (method, path, headers, body) in questions(address, &newest) {
                let hidden = self.ask(&method, &path, headers.as_deref(), body.clone()).await;
                let of_never = |text: String| text.replace(id, &never(id));
                let never_was =
                    self.ask(&method, &of_never(path.clone()), headers.as_deref(), body.map(of_never)).await;
                let (told, expected) = (of_never(hidden.told()), never_was.told());
                assert_eq!(told, expected, "at {place}: {method} {path}: as for what never was");
                let is_list = path.is_empty() || path.contains('?') || path.ends_with("_search");
                assert_eq!(hidden.status, if is_list { 200 } else { 404 }, "at {place}: {method} {path}: {hidden}");
                assert_eq!(hidden.json["total"].as_u64().unwrap_or(0), 0, "at {place}: {method} {path}: {hidden}");
                asked += u64::from(!is_list || path.is_empty());
            }
            for path in lists(resource_type, id) {
                self.lists_nothing_of(&path, id, place).await;
            }
            assert_eq!(self.disclosures(address, &since).await, 0, "at {place}: nothing of {address} was disclosed");
            let refused = self.refusals(&since).await;
            assert_eq!(refused, asked, "at {place}: each refusal of {address} is in the record's trail");
        }
    }

    async fn ask(&self, method: &Method, path: &str, if_none_match: Option<&str>, body: Option<String>) -> Answer {
        let mut headers: Vec<(&str, &str)> = if_none_match.map(|etag| ("if-none-match", etag)).into_iter().collect();
        if path.ends_with("_search") {
            headers.push(("content-type", "application/x-www-form-urlencoded"));
        }
        self.grantee.send(method.clone(), path, &headers, body.map(String::into_bytes)).await
    }

    /// A list has no trace of it, and its total is that of what is shown.
    async fn lists_nothing_of(&self, path: &str, id: &str, place: &Location<'_>) {
        let listed = self.grantee.get(path).await;
        assert_eq!(listed.status, 200, "at {place}: {path}: {listed}");
        let entries = listed.json["entry"].to_string();
        assert!(!entries.contains(&format!("\"id\":\"{id}\"")), "at {place}: {path}: {listed}");
        if let Some(total) = listed.json["total"].as_u64() {
            assert_eq!(usize::try_from(total).ok(), Some(listed.resources().len()), "at {place}: {path}: {listed}");
        }
    }

    /// A moment that is later than all that was done before.
    fn moment(&self) -> String {
        self.gateway.advance(1_000);
        self.gateway.instant(0)
    }

    /// How many refusals the record's trail has since.
    async fn refusals(&self, since: &str) -> u64 {
        let query = format!("AuditEvent?outcome=8&date=ge{since}&patient=Patient/{}&_summary=count", self.patient);
        self.custodian.get(query).await.expect(200).json["total"].as_u64().expect("it counts")
    }

    /// How often the record's trail says that the grantee was shown a resource since.
    async fn disclosures(&self, address: &str, since: &str) -> usize {
        let grantee = format!("Organization/{}", self.grantee.organization());
        let query = format!("AuditEvent?outcome=0&date=ge{since}&patient=Patient/{}&_count=500", self.patient);
        let events = self.custodian.search(query).await;
        let is_to_grantee = |event: &&Value| event["agent"].to_string().contains(&grantee);
        let is_of_it = |event: &&Value| event["entity"].to_string().contains(address);
        events.iter().filter(is_to_grantee).filter(is_of_it).count()
    }
}

/// The version that a resource says it is.
fn version(resource: &Value) -> &str {
    resource["meta"]["versionId"].as_str().expect("a stored resource has a version")
}

/// Another id of the very same form: its last digit but one is another.
fn never(id: &str) -> String {
    let at = id.len() - 2;
    let other = if &id[at..=at] == "0" { "1" } else { "0" };
    format!("{}{other}{}", &id[..at], &id[at + 1..])
}

/// The ways to one resource by its address.
fn ways(address: &str, version: &str) -> [String; 3] {
    [address.to_owned(), format!("{address}/_history/{version}"), format!("{address}/_history")]
}

/// The lists that a resource would be in.
fn lists(resource_type: &str, id: &str) -> [String; 3] {
    [
        format!("{resource_type}?_id={id}&_total=accurate"),
        format!("{resource_type}?_total=accurate&_count=500"),
        format!("{resource_type}/_history?_count=500"),
    ]
}

/// Method, path, `If-None-Match` and body.
type Question = (Method, String, Option<String>, Option<String>);

/// Whatever may be asked about one resource, the writes among it.
fn questions(address: &str, newest: &Answer) -> Vec<Question> {
    let (resource_type, id) = address.split_once('/').expect("Type/id");
    let get = |path: String| (Method::GET, path, None, None);
    let post = |path: &str, body: String| (Method::POST, path.to_owned(), None, Some(body));
    let mut questions: Vec<Question> = ways(address, version(&newest.json)).map(get).into();
    questions.extend([
        get(format!("{resource_type}?_id={id}&_total=accurate")),
        get(format!("{resource_type}?_id={id}&_summary=count")),
        post(&format!("{resource_type}/_search"), format!("_id={id}")),
        post("", bundle("batch", &[("GET", address, None)]).to_string()),
        (Method::GET, address.to_owned(), Some(newest.etag()), None),
        (Method::DELETE, address.to_owned(), None, None),
    ]);
    let mut changed = newest.json.clone();
    changed["language"] = json!("nl");
    questions.push((Method::PUT, address.to_owned(), None, Some(changed.to_string())));
    questions
}
