//! The parties of the story as HTTP clients of the sandbox.

use std::collections::BTreeMap;
use std::time::Duration;

use connectors::http::{Answer, HttpClient};
use reqwest::{Method, header};
use serde_json::Value;

use super::StoryError;
use super::page;

/// An organisation of the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Party {
    /// Its id.
    pub(super) id: &'static str,
    /// The name that people know it by.
    pub(super) name: &'static str,
}

pub(super) const EDPBW: Party = Party { id: "edpbw-noord", name: "EDPBW Noord" };
pub(super) const LINDE: Party = Party { id: "elp-linde", name: "ELP De Linde" };
pub(super) const BEUK: Party = Party { id: "elp-beuk", name: "ELP De Beuk" };
pub(super) const LEIE: Party = Party { id: "cgg-leie", name: "CGG Leie" };
pub(super) const GP: Party = Party { id: "huisarts-dok", name: "Huisarts Dok" };

const PARTIES: [Party; 5] = [EDPBW, LINDE, BEUK, LEIE, GP];
const ANSWER_BYTES_MAX: usize = 1 << 20;
const READY_TRIES: usize = 200;
const READY_PAUSE: Duration = Duration::from_millis(50);

/// One request of a party.
#[derive(Clone, Debug)]
pub(super) struct Ask<'a> {
    party: Party,
    method: Method,
    path: String,
    body: Option<&'a Value>,
    if_match: Option<String>,
    note: &'static str,
}

/// What came back.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    step: String,
    pub(super) status: u16,
    /// All headers but those that differ between any two answers.
    pub(super) headers: Vec<(String, String)>,
    pub(super) text: String,
    pub(super) value: Value,
}

/// All parties with their tokens.
#[derive(Debug)]
pub(super) struct Client {
    http: HttpClient,
    root: String,
    tokens: BTreeMap<&'static str, String>,
}

impl Ask<'_> {
    pub(super) fn get(party: Party, path: impl Into<String>) -> Self {
        Ask { party, method: Method::GET, path: path.into(), body: None, if_match: None, note: "" }
    }

    pub(super) fn post(party: Party, path: impl Into<String>, body: &Value) -> Ask<'_> {
        Ask { method: Method::POST, body: Some(body), ..Ask::get(party, path) }
    }

    pub(super) fn put(party: Party, path: impl Into<String>, body: &Value) -> Ask<'_> {
        Ask { method: Method::PUT, body: Some(body), ..Ask::get(party, path) }
    }

    /// Rests the request on a version.
    pub(super) fn if_match(self, version: &str) -> Self {
        Self { if_match: Some(format!("W/\"{version}\"")), ..self }
    }

    /// Says on the page what the body is about.
    pub(super) fn saying(self, note: &'static str) -> Self {
        Self { note, ..self }
    }

    fn step(&self) -> String {
        format!("{}: {} {}", self.party.name, self.method, self.path)
    }
}

impl Client {
    /// Waits until the sandbox is ready, and fetches a token for each party.
    pub(super) async fn arrive(root: &str) -> Result<Self, StoryError> {
        let unanswered = |step: &str, cause| StoryError::Unanswered { step: step.to_owned(), cause };
        let http = HttpClient::new().map_err(|cause| unanswered("HTTP client", cause))?;
        let mut client = Self { http, root: root.to_owned(), tokens: BTreeMap::new() };
        client.wait_until_ready().await?;
        for party in PARTIES {
            let form = [("client_id", format!("{}-ehr", party.id))];
            let request = client.http.request(Method::POST, &format!("{root}/sandbox/token")).form(&form);
            let answer = client.http.send(request, ANSWER_BYTES_MAX).await;
            let step = format!("{}: POST /sandbox/token", party.name);
            let reply = Reply::of(step.clone(), &answer.map_err(|cause| unanswered(&step, cause))?).must_be(200)?;
            client.tokens.insert(party.id, reply.value["access_token"].as_str().unwrap_or_default().to_owned());
        }
        Ok(client)
    }

    async fn wait_until_ready(&self) -> Result<(), StoryError> {
        let step = "GET /readyz".to_owned();
        for _ in 0..READY_TRIES {
            let request = self.http.request(Method::GET, &format!("{}/readyz", self.root));
            if let Ok(answer) = self.http.send(request, ANSWER_BYTES_MAX).await
                && answer.status.is_success()
            {
                return Ok(());
            }
            tokio::time::sleep(READY_PAUSE).await;
        }
        Err(StoryError::Unexpected { step, expected: "a ready sandbox".to_owned(), found: "none in time".to_owned() })
    }

    /// Sends a request, and prints nothing.
    pub(super) async fn send(&self, ask: Ask<'_>) -> Result<Reply, StoryError> {
        let step = ask.step();
        let url = format!("{}/fhir{}", self.root, ask.path);
        let token = self.tokens.get(ask.party.id).map_or("", String::as_str);
        let mut request = self.http.request(ask.method, &url).bearer_auth(token);
        if let Some(body) = ask.body {
            request = request.header(header::CONTENT_TYPE, "application/fhir+json").body(body.to_string());
        }
        if let Some(version) = ask.if_match {
            request = request.header(header::IF_MATCH, version);
        }
        match self.http.send(request, ANSWER_BYTES_MAX).await {
            Ok(answer) => Ok(Reply::of(step, &answer)),
            Err(cause) => Err(StoryError::Unanswered { step, cause }),
        }
    }

    /// Sends a request that must be answered with `status`, and prints both with what `telling` says of the answer.
    pub(super) async fn show(
        &self,
        ask: Ask<'_>,
        status: u16,
        telling: impl FnOnce(&Reply) -> String,
    ) -> Result<Reply, StoryError> {
        page::request(ask.party.name, ask.method.as_str(), &ask.path, ask.note);
        let reply = self.send(ask).await?.must_be(status)?;
        page::answer(reply.status, &telling(&reply));
        Ok(reply)
    }
}

impl Reply {
    /// An answer, and to what.
    pub(super) fn of(step: String, answer: &Answer) -> Self {
        const DIFFERING: [&str; 2] = ["date", "x-request-id"];
        let header = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let headers =
            answer.headers.iter().filter(|(name, _)| !DIFFERING.contains(&name.as_str())).map(header).collect();
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let value = serde_json::from_str(&text).unwrap_or_default();
        Self { step, status: answer.status.as_u16(), headers, text, value }
    }

    /// Holds the answer to a status.
    pub(super) fn must_be(self, status: u16) -> Result<Self, StoryError> {
        let found = format!("{} {}", self.status, self.text);
        self.check(self.status == status, &status.to_string(), || found)?;
        Ok(self)
    }

    /// Holds the answer to what the story says.
    pub(super) fn check(&self, holds: bool, expected: &str, found: impl FnOnce() -> String) -> Result<(), StoryError> {
        if holds {
            return Ok(());
        }
        Err(StoryError::Unexpected { step: self.step.clone(), expected: expected.to_owned(), found: found() })
    }

    /// The resources of a searchset.
    pub(super) fn matches(&self) -> Vec<&Value> {
        let entries = self.value["entry"].as_array().map_or(&[][..], Vec::as_slice);
        entries.iter().map(|entry| &entry["resource"]).collect()
    }

    /// Holds a searchset to its number of matches.
    pub(super) fn must_find(&self, matches: usize) -> Result<(), StoryError> {
        let found = self.matches().len();
        self.check(found == matches, &format!("{matches} matches"), || found.to_string())
    }

    /// `Type/id` of what was written: of the one resource, or of each entry of a transaction.
    pub(super) fn locations(&self) -> Vec<String> {
        let one = self.headers.iter().find(|(name, _)| name == "location").map(|(_, location)| location.as_str());
        let entries = self.value["entry"].as_array().map_or(&[][..], Vec::as_slice);
        let each = entries.iter().filter_map(|entry| entry["response"]["location"].as_str());
        one.into_iter().chain(each).filter_map(relative).collect()
    }

    /// The code and the sentence of a refusal.
    pub(super) fn refusal(&self) -> (String, String) {
        let details = &self.value["issue"][0]["details"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&details["coding"][0]["code"]), text(&details["text"]))
    }

    /// Holds a refusal to its reason.
    pub(super) fn must_say(&self, reason: &str) -> Result<(), StoryError> {
        let (code, _) = self.refusal();
        self.check(code == reason, reason, || code.clone())
    }
}

/// `Type/id` of `http://…/fhir/Type/id/_history/version`.
fn relative(location: &str) -> Option<String> {
    let (_, path) = location.split_once("/fhir/")?;
    let (resource, _) = path.split_once("/_history/")?;
    Some(resource.to_owned())
}
