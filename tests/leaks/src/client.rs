//! One client of the server under test: sends requests as they are, and gives answers as they came.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;

/// How often a request is sent again that the server had no room for.
const ATTEMPTS_MAX: u32 = 6;

/// A request; its texts may hold the places that a [`crate::twins::Twin`] fills (`@Patient@`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The address from the base URL on; empty for the base itself.
    pub path: String,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Option<String>,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: None }
    }

    /// `GET [base]/path`
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// `POST [base]/path` with a resource.
    pub fn post(path: impl Into<String>, resource: &Value) -> Self {
        Self::new(Method::POST, path).with_body(resource)
    }

    /// The same with a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same with a resource as its body.
    #[must_use]
    pub fn with_body(mut self, resource: &Value) -> Self {
        self.body = Some(resource.to_string());
        self
    }

    /// The same with every text rewritten.
    #[must_use]
    pub fn rewritten(&self, rewrite: impl Fn(&str) -> String) -> Self {
        Self {
            method: self.method.clone(),
            path: rewrite(&self.path),
            headers: self.headers.iter().map(|(name, value)| (*name, rewrite(value))).collect(),
            body: self.body.as_deref().map(&rewrite),
        }
    }

    /// One line for a report.
    pub fn line(&self) -> String {
        let headers: Vec<String> = self.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let body: String = self.body.iter().flat_map(|body| body.chars().take(300)).collect();
        [self.method.as_str(), &self.path, &headers.join("; "), &body].join(" ").trim_end().to_owned()
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case, sorted.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
    /// From the sending to the last byte.
    pub took: Duration,
}

impl Answer {
    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Whether it is a 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// A client with its token.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    /// A client of the server at this base URL.
    ///
    /// # Errors
    /// The TLS set-up of this machine is broken.
    #[expect(clippy::disallowed_methods, reason = "a program of its own, that speaks to the server as any client does")]
    pub fn new(base: &str, token: &str) -> Result<Self, String> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_mins(2))
            // Sooner than a server does, which would close a connection while a request is on its way.
            .pool_idle_timeout(Duration::from_secs(3))
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), token: token.to_owned() })
    }

    /// A URL of the server as an address from its base on.
    pub fn path_of(&self, url: &str) -> String {
        url.strip_prefix(&self.base).unwrap_or(url).trim_start_matches('/').to_owned()
    }

    /// Sends a request; once more after a pause where the server had no room.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn send(&self, request: &Request) -> Result<Answer, String> {
        for attempt in 0.. {
            let answer = self.send_once(request).await?;
            if !matches!(answer.status, 429 | 503) || attempt == ATTEMPTS_MAX {
                return Ok(answer);
            }
            tokio::time::sleep(Duration::from_millis(100 << attempt)).await;
        }
        Err("not sent".to_owned())
    }

    async fn send_once(&self, request: &Request) -> Result<Answer, String> {
        let url = if request.path.is_empty() { self.base.clone() } else { format!("{}/{}", self.base, request.path) };
        let is_typed = |(name, _): &(&str, String)| *name == "content-type";
        let mut sent = self.http.request(request.method.clone(), url).bearer_auth(&self.token);
        if request.body.is_some() && !request.headers.iter().any(is_typed) {
            sent = sent.header("content-type", "application/fhir+json");
        }
        for (name, value) in &request.headers {
            sent = sent.header(*name, value);
        }
        if let Some(body) = &request.body {
            sent = sent.body(body.clone());
        }
        let began = Instant::now();
        let response = sent.send().await.map_err(|error| format!("{}: {error:?}", request.line()))?;
        let status = response.status().as_u16();
        let text = |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let mut headers: Vec<(String, String)> =
            response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        headers.sort();
        let bytes = response.bytes().await.map_err(|error| format!("{}: {error:?}", request.line()))?;
        Ok(Answer { status, headers, body: String::from_utf8_lossy(&bytes).into_owned(), took: began.elapsed() })
    }
}

/// A value as it stands in a query; the places that twins fill stay as they are.
pub fn encode(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:,@".contains(&byte);
    value.bytes().fold(String::new(), |mut text, byte| {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}
