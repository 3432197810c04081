//! What ties a browser to what it began: a sign-in under way, a session, a form. Pure: randomness and time come in.
//!
//! A sign-in under way is kept nowhere but in its browser. Of the one random value in its cookie state, nonce and PKCE's verifier
//! are made with a secret of the gateway's, so whoever has not the cookie has none of them.
//!
//! Specifications: RFC 6265 (cookies), RFC 7636 (PKCE), RFC 9700 (best current practice).

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// A browser sends no longer cookie than 4096 bytes.
const COOKIE_BYTES_MAX: usize = 4_096;
/// The longest path to which somebody returns.
const RETURN_BYTES_MAX: usize = 512;

/// The secret by which what browsers hold is sealed; made at random for each installation and shared by its replicas.
#[derive(Clone)]
pub struct BrowserKey(hmac::Key);

impl fmt::Debug for BrowserKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("BrowserKey")
    }
}

/// A sign-in under way.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// Random: what makes it this one.
    pub secret: String,
    /// When it was begun.
    pub begun_ms: i64,
    /// When it is too late for it.
    pub until_ms: i64,
    /// Where the person goes afterwards: a path of the gateway's.
    pub return_to: String,
    /// The hash of the session for which somebody signs in afresh; empty for a first sign-in.
    pub step_up_of: String,
}

impl fmt::Debug for SignIn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SignIn").field("until_ms", &self.until_ms).finish_non_exhaustive()
    }
}

impl BrowserKey {
    /// The key from its secret.
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// 43 characters that nobody else finds for this purpose and text.
    fn derive(&self, purpose: &str, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, [purpose, text].join("\u{1f}").as_bytes()))
    }

    fn is_derived(&self, (purpose, text): (&str, &str), given: &str) -> bool {
        let expected = self.derive(purpose, text);
        aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_bytes(), given.as_bytes()).is_ok()
    }

    /// What a form of a session carries.
    pub fn form_token(&self, session_hash: &str) -> String {
        self.derive("form", session_hash)
    }

    /// Whether a form is one of this session.
    pub fn is_form_of(&self, session_hash: &str, given: &str) -> bool {
        self.is_derived(("form", session_hash), given)
    }

    /// The content of the cookie of a sign-in under way.
    pub fn seal(&self, sign_in: &SignIn) -> String {
        let content = URL_SAFE_NO_PAD.encode(serde_json::to_vec(sign_in).unwrap_or_default());
        let tag = self.derive("sign-in", &content);
        format!("{content}.{tag}")
    }

    /// The sign-in of a cookie; none where the gateway did not make it, or its time is over.
    pub fn open(&self, cookie: &str, now_ms: i64) -> Option<SignIn> {
        if cookie.len() > COOKIE_BYTES_MAX {
            return None;
        }
        let (content, tag) = cookie.split_once('.')?;
        if !self.is_derived(("sign-in", content), tag) {
            return None;
        }
        let sign_in: SignIn = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(content).ok()?).ok()?;
        (now_ms < sign_in.until_ms).then_some(sign_in)
    }

    /// `state`: the answer of the provider is for the browser that asked.
    pub fn state(&self, sign_in: &SignIn) -> String {
        self.derive("state", &sign_in.secret)
    }

    /// Whether this is the state of the sign-in.
    pub fn is_state(&self, sign_in: &SignIn, given: &str) -> bool {
        self.is_derived(("state", &sign_in.secret), given)
    }

    /// `nonce`: the ID token was made for this sign-in.
    pub fn nonce(&self, sign_in: &SignIn) -> String {
        self.derive("nonce", &sign_in.secret)
    }

    /// `code_verifier`: the code is used by whom it was asked for.
    pub fn code_verifier(&self, sign_in: &SignIn) -> String {
        self.derive("code-verifier", &sign_in.secret)
    }
}

/// `code_challenge` of PKCE, by the method `S256`.
pub fn code_challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

/// The hash under which a random secret is kept.
pub fn secret_hash(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, secret.as_bytes()))
}

/// The hash of a code by which a patient finds the own record, however it was typed: what separates its groups does not count.
pub fn link_code_hash(typed: &str) -> String {
    const SIGNS_MAX: usize = 64;
    let signs = typed.chars().filter(|sign| !sign.is_whitespace() && *sign != '-').take(SIGNS_MAX);
    secret_hash(&signs.map(|sign| sign.to_ascii_uppercase()).collect::<String>())
}

/// The one cookie of this name; none where it is missing, or there twice: which one counts would be a guess.
pub fn cookie<'h>(headers: impl Iterator<Item = &'h str>, name: &str) -> Option<&'h str> {
    let mut found = headers
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(found, _)| *found == name)
        .map(|(_, value)| value);
    found.next().filter(|_| found.next().is_none())
}

/// A path of the gateway's own, to return to; none for anything that a browser may read as another server.
pub fn local_path(text: &str) -> Option<&str> {
    let is_plain = text.len() <= RETURN_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_local = text.starts_with('/') && !text.starts_with("//") && !text.contains("/../") && !text.contains("/./");
    (is_plain && is_local).then_some(text)
}

/// Whether a browser says that a page of the gateway's own sent the request (`root`: the gateway's URL). What says nothing at all is no
/// browser of today, and is held to the token of its form alone.
pub fn is_own_page(root: &str, origin: Option<&str>, fetch_site: Option<&str>) -> bool {
    let is_own_site = fetch_site.is_none_or(|site| matches!(site, "same-origin" | "none"));
    is_own_site && origin.is_none_or(|origin| origin == root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign_in() -> SignIn {
        let [secret, return_to, step_up_of] = ["s", "/account", ""].map(str::to_owned);
        SignIn { secret, begun_ms: 0, until_ms: 1_000, return_to, step_up_of }
    }

    #[test]
    fn only_the_gateway_makes_the_cookie_of_a_sign_in_and_it_ends() {
        let (key, other) = (BrowserKey::new(b"one"), BrowserKey::new(b"two"));
        let cookie = key.seal(&sign_in());
        assert_eq!(key.open(&cookie, 999), Some(sign_in()));
        assert_eq!(key.open(&cookie, 1_000), None);
        assert_eq!(other.open(&cookie, 0), None);
        let elsewhere = other.seal(&SignIn { return_to: "/x".to_owned(), ..sign_in() });
        let (content, _) = elsewhere.split_once('.').expect("a tag");
        let (_, tag) = cookie.split_once('.').expect("a tag");
        for changed in
            [String::new(), ".".to_owned(), content.to_owned(), format!("{content}.{tag}"), format!("{cookie}a")]
        {
            assert_eq!(key.open(&changed, 0), None, "{changed}");
        }
    }

    #[test]
    fn state_nonce_and_verifier_are_strangers_to_each_other_and_to_every_other_sign_in() {
        let key = BrowserKey::new(b"one");
        let second = SignIn { secret: "t".to_owned(), ..sign_in() };
        let mut made: Vec<String> = [&sign_in(), &second]
            .into_iter()
            .flat_map(|one| [key.state(one), key.nonce(one), key.code_verifier(one), key.form_token(&one.secret)])
            .collect();
        assert!(made.iter().all(|text| text.len() == 43), "as long as PKCE asks for");
        made.sort();
        made.dedup();
        assert_eq!(made.len(), 8);
        assert!(key.is_state(&sign_in(), &key.state(&sign_in())) && !key.is_state(&sign_in(), &key.state(&second)));
        assert!(!key.is_form_of("a", &key.form_token("b")) && !key.is_form_of("a", ""));
    }

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        let challenge = code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_none() {
        for text in [
            "",
            "account",
            "//evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "https://evil.example",
            "javascript:1",
            "/\t/evil.example",
            "/a b",
            "/ä",
            "/a\r\nLocation: x",
            "/../x/../y",
            "/./",
            "///evil.example",
        ] {
            assert_eq!(local_path(text), None, "{text:?}");
        }
        assert_eq!(local_path(&format!("/{}", "a".repeat(512))), None);
        for text in ["/", "/account", "/fhir/Patient?name=a%20b", "/a//b"] {
            assert_eq!(local_path(text), Some(text));
        }
    }

    #[test]
    fn a_cookie_that_is_there_twice_is_none() {
        assert_eq!(cookie(["a=1; b=2"].into_iter(), "b"), Some("2"));
        assert_eq!(cookie(["a=1;b=2", "c=3"].into_iter(), "c"), Some("3"));
        for header in ["", "b", "bb=1", "b=1; b=2", "B=1"] {
            assert_eq!(cookie([header].into_iter(), "b"), None, "{header}");
        }
    }

    #[test]
    fn another_page_is_told_by_what_the_browser_says() {
        let root = "https://gateway.example.org";
        for (origin, site, own) in [
            (Some(root), Some("same-origin"), true),
            (None, Some("none"), true),
            (None, None, true),
            (Some("null"), None, false),
            (Some("https://gateway.example.org.evil.example"), None, false),
            (Some("http://gateway.example.org"), Some("same-origin"), false),
            (Some(root), Some("cross-site"), false),
            (None, Some("same-site"), false),
        ] {
            assert_eq!(is_own_page(root, origin, site), own, "{origin:?} {site:?}");
        }
    }
}
