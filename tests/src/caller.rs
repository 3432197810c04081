//! A client of an organisation, as a story speaks of it, and what the gateway answered it.

use std::fmt::Display;

use gateway::auth::TokenGrant;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::gateway::{Gateway, PERSON_APP, client_id};

/// The media type of a FHIR body.
pub const FHIR_JSON: &str = "application/fhir+json";

/// A client that calls. Every request gets a token of its own, so that a moved clock never expires it.
#[derive(Clone, Debug)]
pub struct Caller<'g> {
    gateway: &'g Gateway,
    client: String,
    organization: String,
    fhir_user: Option<String>,
    purpose: String,
    scope: String,
    practitioner: Option<String>,
    bearer: Option<String>,
}

/// What the gateway answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, byte for byte.
    pub bytes: Vec<u8>,
    /// The body as JSON; null where it is empty or none.
    pub json: Value,
}

impl<'g> Caller<'g> {
    pub(crate) fn of(gateway: &'g Gateway, organization: &str) -> Self {
        Self {
            gateway,
            client: client_id(organization),
            organization: organization.to_owned(),
            fhir_user: None,
            purpose: "TREAT".to_owned(),
            scope: "system/*.cruds".to_owned(),
            practitioner: None,
            bearer: None,
        }
    }

    pub(crate) fn of_person(gateway: &'g Gateway, fhir_user: &str) -> Self {
        let purpose = if fhir_user.starts_with("Patient/") { "PATRQT" } else { "FAMRQT" };
        Self {
            client: PERSON_APP.to_owned(),
            fhir_user: Some(fhir_user.to_owned()),
            ..Self::of(gateway, "portal-1").for_purpose(purpose).with_scope("patient/*.rs patient/*.cud")
        }
    }

    /// The same caller at another client.
    #[must_use]
    pub fn at_client(mut self, client: &str) -> Self {
        client.clone_into(&mut self.client);
        self
    }

    /// The same client, naming a person who signed in, or none.
    #[must_use]
    pub fn naming(mut self, fhir_user: Option<&str>) -> Self {
        self.fhir_user = fhir_user.map(str::to_owned);
        self
    }

    /// The same client for another purpose of use.
    #[must_use]
    pub fn for_purpose(mut self, purpose: &str) -> Self {
        purpose.clone_into(&mut self.purpose);
        self
    }

    /// The same client with another scope.
    #[must_use]
    pub fn with_scope(mut self, scope: &str) -> Self {
        scope.clone_into(&mut self.scope);
        self
    }

    /// The same client for a practitioner.
    #[must_use]
    pub fn by_practitioner(mut self, practitioner: &str) -> Self {
        self.practitioner = Some(practitioner.to_owned());
        self
    }

    /// A caller with this bearer token; with an empty one, without any.
    #[must_use]
    pub fn with_bearer(mut self, bearer: &str) -> Self {
        self.bearer = Some(bearer.to_owned());
        self
    }

    /// The organisation that it calls for.
    pub fn organization(&self) -> &str {
        &self.organization
    }

    /// Sends any request: a path from the base on (`Patient/1`), headers, a body.
    ///
    /// # Panics
    /// There is no answer.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> Answer {
        let url = if path.is_empty() { self.gateway.base.clone() } else { format!("{}/{path}", self.gateway.base) };
        let mut request = self.gateway.http.request(method, url);
        let token = self.bearer.clone().unwrap_or_else(|| {
            self.gateway.token(&TokenGrant {
                client_id: &self.client,
                organization_id: &self.organization,
                practitioner_id: self.practitioner.as_deref(),
                fhir_user: self.fhir_user.as_deref(),
                purpose: &self.purpose,
                scope: &self.scope,
                certificate: None,
                lifetime_seconds: 600,
            })
        });
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            if headers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("content-type")) {
                request = request.header("content-type", FHIR_JSON);
            }
            request = request.body(body);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("the gateway answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.expect("the answer arrives whole").to_vec();
        let json = serde_json::from_slice(&bytes).unwrap_or_default();
        Answer { status, headers, bytes, json }
    }

    /// `GET [base]/path`
    pub async fn get(&self, path: impl Display) -> Answer {
        self.send(Method::GET, &path.to_string(), &[], None).await
    }

    /// `GET [base]/path`, with headers.
    pub async fn get_with(&self, path: impl Display, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, &path.to_string(), headers, None).await
    }

    /// `POST [base]/path`; an empty path is a batch or transaction.
    pub async fn post(&self, path: impl Display, body: &Value) -> Answer {
        self.post_with(path, body, &[]).await
    }

    /// `POST [base]/path`, with headers.
    pub async fn post_with(&self, path: impl Display, body: &Value, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::POST, &path.to_string(), headers, Some(body.to_string().into_bytes())).await
    }

    /// `POST [base]/path` with these very bytes.
    pub async fn post_bytes(&self, path: impl Display, body: impl Into<Vec<u8>>) -> Answer {
        self.send(Method::POST, &path.to_string(), &[], Some(body.into())).await
    }

    /// `PUT [base]/path`
    pub async fn put(&self, path: impl Display, body: &Value) -> Answer {
        self.put_with(path, body, &[]).await
    }

    /// `PUT [base]/path`, with headers.
    pub async fn put_with(&self, path: impl Display, body: &Value, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::PUT, &path.to_string(), headers, Some(body.to_string().into_bytes())).await
    }

    /// `PATCH [base]/path` with a JSON Patch.
    pub async fn patch(&self, path: impl Display, operations: &Value) -> Answer {
        self.patch_with(path, operations, &[]).await
    }

    /// `PATCH [base]/path` with a JSON Patch, or with Parameters; with headers.
    pub async fn patch_with(&self, path: impl Display, operations: &Value, headers: &[(&str, &str)]) -> Answer {
        let media_type = if operations.is_array() { "application/json-patch+json" } else { FHIR_JSON };
        let headers = [&[("content-type", media_type)], headers].concat();
        self.send(Method::PATCH, &path.to_string(), &headers, Some(operations.to_string().into_bytes())).await
    }

    /// `DELETE [base]/path`
    pub async fn delete(&self, path: impl Display) -> Answer {
        self.send(Method::DELETE, &path.to_string(), &[], None).await
    }

    /// `POST [base]/type/_search` with a form.
    pub async fn post_search(&self, resource_type: &str, form: &str) -> Answer {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.send(Method::POST, &format!("{resource_type}/_search"), &headers, Some(form.into())).await
    }

    /// Creates a resource of the type that it says; answers its id.
    ///
    /// # Panics
    /// It is not created.
    #[track_caller]
    pub fn create(&self, resource: &Value) -> impl Future<Output = String> {
        let place = std::panic::Location::caller();
        async move {
            let resource_type = resource["resourceType"].as_str().expect("a resource says its type");
            let answer = self.post(resource_type, resource).await;
            assert_eq!(answer.status, 201, "at {place}: {resource_type}: {answer}");
            answer.id()
        }
    }

    /// The resources that a search finds.
    ///
    /// # Panics
    /// It is refused.
    #[track_caller]
    pub fn search(&self, query: impl Display) -> impl Future<Output = Vec<Value>> {
        let place = std::panic::Location::caller();
        async move {
            let answer = self.get(&query).await;
            assert_eq!(answer.status, 200, "at {place}: {query}: {answer}");
            answer.resources()
        }
    }
}

impl Answer {
    /// The same answer, if it has this status.
    ///
    /// # Panics
    /// It has another.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "it is asserted, whether the answer is used further or not")]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// A header as text; empty where it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The `ETag`.
    pub fn etag(&self) -> String {
        self.header("etag").to_owned()
    }

    /// The id in `Location`, or that of the body.
    ///
    /// # Panics
    /// There is neither.
    #[track_caller]
    pub fn id(&self) -> String {
        let of_location = || self.header("location").split("/fhir/").nth(1)?.split('/').nth(1);
        let id = self.json["id"].as_str().or_else(of_location);
        id.unwrap_or_else(|| panic!("no id in {self}")).to_owned()
    }

    /// The resources of a Bundle.
    pub fn resources(&self) -> Vec<Value> {
        let entries = self.json["entry"].as_array().cloned().unwrap_or_default();
        entries.into_iter().map(|mut entry| entry["resource"].take()).collect()
    }

    /// The URL of a link of a Bundle, without the base.
    pub fn link(&self, relation: &str) -> Option<String> {
        let links = self.json["link"].as_array()?;
        let link = links.iter().find(|link| link["relation"] == relation)?;
        link["url"].as_str()?.split_once("/fhir/").map(|(_, path)| path.to_owned())
    }

    /// The code of the rule that refused; empty where none did.
    pub fn reason(&self) -> &str {
        self.json["issue"][0]["details"]["coding"][0]["code"].as_str().unwrap_or_default()
    }

    /// The text of the first issue.
    pub fn details(&self) -> &str {
        self.json["issue"][0]["details"]["text"].as_str().unwrap_or_default()
    }

    /// The code and the element of each issue.
    pub fn issues(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let issues = self.json["issue"].as_array().cloned().unwrap_or_default();
        issues.iter().map(|issue| (text(&issue["code"]), text(&issue["expression"][0]))).collect()
    }

    /// All that a caller can tell apart: status, headers and body, but for the request's id and the date.
    pub fn told(&self) -> String {
        let mut lines: Vec<String> = self
            .headers
            .iter()
            .filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        lines.sort();
        format!("{}\n{}\n\n{}", self.status, lines.join("\n"), String::from_utf8_lossy(&self.bytes))
    }
}

impl Display for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.told())
    }
}
