//! A browser as far as a story needs one: it keeps cookies, follows nobody, and sends what it is told.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use reqwest::Method;
use reqwest::header::{COOKIE, SET_COOKIE};
use serde_json::Value;

use crate::caller::{Answer, FHIR_JSON};
use crate::gateway::Gateway;
use crate::machine::url;
use crate::provider::{Asked, Provider};

/// The cookie of a session.
pub const SESSION_COOKIE: &str = "__Host-wellgate";
/// The cookie of a sign-in under way.
pub const SIGN_IN_COOKIE: &str = "__Host-wellgate-sign-in";

/// A browser.
#[derive(Debug)]
pub struct Browser<'g> {
    gateway: &'g Gateway,
    http: reqwest::Client,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl<'g> Browser<'g> {
    /// One that was never here.
    ///
    /// # Panics
    /// A client cannot be built.
    #[expect(clippy::disallowed_methods, reason = "a browser from outside")]
    pub fn new(gateway: &'g Gateway) -> Self {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Self { gateway, http: http.build().expect("a client can be built"), cookies: Mutex::default() }
    }

    /// One in which somebody signed in.
    pub async fn of(gateway: &'g Gateway, subject: &str) -> Self {
        let browser = Self::new(gateway);
        browser.sign_in(subject).await;
        browser
    }

    /// The provider of the story.
    ///
    /// # Panics
    /// It has none.
    pub fn provider(&self) -> &'g Provider {
        self.gateway.provider.as_ref().expect("the story has a provider")
    }

    /// A cookie that it has; empty where it has none.
    pub fn cookie(&self, name: &str) -> String {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned().unwrap_or_default()
    }

    /// Puts a cookie into it; an empty one takes it away.
    pub fn put_cookie(&self, name: &str, value: &str) {
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        if value.is_empty() {
            cookies.remove(name);
        } else {
            cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Sends a request with the cookies that it has.
    ///
    /// # Panics
    /// There is no answer.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<String>) -> Answer {
        let mut request = self.http.request(method, url(self.gateway, path.trim_start_matches('/')));
        let cookies: Vec<String> = {
            let cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
            cookies.iter().map(|(name, value)| format!("{name}={value}")).collect()
        };
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.expect("the gateway answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        for cookie in headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().expect("a cookie is text");
            let (name, value) = cookie.split(';').next().and_then(|pair| pair.split_once('=')).expect("a cookie");
            self.put_cookie(name, value);
        }
        let bytes = response.bytes().await.expect("the answer arrives whole").to_vec();
        let json = serde_json::from_slice(&bytes).unwrap_or_default();
        Answer { status, headers, bytes, json }
    }

    /// `GET path`
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    /// Posts a form of the session's own pages.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.form_token().await;
        self.post_form(path, &[&[("form_token", token.as_str())], fields].concat(), &[]).await
    }

    /// Posts any form.
    ///
    /// # Panics
    /// There is no answer.
    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
        let mut address = reqwest::Url::parse("http://x/").expect("a URL");
        address.query_pairs_mut().extend_pairs(fields);
        let form = [("content-type", "application/x-www-form-urlencoded")];
        self.send(Method::POST, path, &[&form, headers].concat(), address.query().map(str::to_owned)).await
    }

    /// What a form of the session carries; empty where nobody is signed in.
    pub async fn form_token(&self) -> String {
        self.get("session").await.json["formToken"].as_str().unwrap_or_default().to_owned()
    }

    /// Asks the FHIR interface, as a program in a page of the gateway's does.
    pub async fn fhir(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let token = self.form_token().await;
        let headers =
            [("x-csrf-token", token.as_str()), ("content-type", FHIR_JSON), ("sec-fetch-site", "same-origin")];
        self.send(method, &format!("fhir/{path}"), &headers, body.map(Value::to_string)).await
    }

    /// `GET [base]/path`
    pub async fn read(&self, path: impl std::fmt::Display) -> Answer {
        self.fhir(Method::GET, &path.to_string(), None).await
    }

    /// Goes to the provider; what it takes there.
    ///
    /// # Panics
    /// It is not sent there.
    pub async fn go(&self, path: &str) -> Asked {
        let answer = self.get(path).await.expect(303);
        let address = reqwest::Url::parse(answer.header("location")).expect("the address of the provider");
        assert!(address.as_str().starts_with(&self.provider().issuer), "{address}");
        Asked(address.query_pairs().into_owned().collect())
    }

    /// Comes back from the provider with a code.
    pub async fn come_back(&self, asked: &Asked, code: &str) -> Answer {
        self.come_back_with(&[("state", asked.get("state")), ("code", code), ("iss", &self.provider().issuer)]).await
    }

    /// Comes back with anything.
    ///
    /// # Panics
    /// There is no answer.
    pub async fn come_back_with(&self, parameters: &[(&str, &str)]) -> Answer {
        let mut address = reqwest::Url::parse("http://x/").expect("a URL");
        address.query_pairs_mut().extend_pairs(parameters);
        self.get(&format!("sign-in/callback?{}", address.query().unwrap_or_default())).await
    }

    /// Goes to the provider and comes back as somebody who is there now, with these changes to what it says of them.
    pub async fn round(&self, path: &str, subject: &str, change: impl FnOnce(&mut Value)) -> Answer {
        let asked = self.go(path).await;
        let provider = self.provider();
        let mut claims = provider.claims(&asked, subject, self.gateway.clock.now_ms());
        change(&mut claims);
        let code = provider.code(&asked, provider.key.sign(&claims));
        self.come_back(&asked, &code).await
    }

    /// Signs somebody in.
    ///
    /// # Panics
    /// They are not signed in.
    pub async fn sign_in(&self, subject: &str) {
        self.round("sign-in", subject, |_| {}).await.expect(303);
    }

    /// Signs somebody in afresh.
    ///
    /// # Panics
    /// They are not.
    pub async fn step_up(&self, subject: &str) {
        self.round("step-up", subject, |_| {}).await.expect(303);
    }
}
