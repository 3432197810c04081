//! The one HTTP client. Every request has a time limit and every answer a size limit; a redirect never leaves the
//! origin.
//!
//! Nothing else builds a `reqwest` client (`clippy.toml` holds that).

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Certificate, Client, ClientBuilder, Identity, Method, Request, RequestBuilder, Response, StatusCode};

use crate::credentials::{Credential, Proven};
use crate::guard::{Guard, Refusal};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For a whole request with its answer; a request may set a shorter or longer one of its own.
const TIMEOUT: Duration = Duration::from_secs(30);
const POOL_IDLE_TIMEOUT: Duration = Duration::from_mins(1);
const REDIRECTS_MAX: usize = 3;

/// Sends requests to partners. Clones share one pool of connections.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client,
    guard: Option<Arc<Guard>>,
    proven: Arc<[Proven]>,
}

/// A whole answer, of any status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, within the limit that the request set.
    pub body: Vec<u8>,
}

/// Why there is no answer. No variant holds the URL: it may name a patient.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The request is not one that can be sent, such as one with a wrong URL. Nothing was sent.
    #[error("the request cannot be sent: {0}")]
    NotSendable(String),
    /// No connection came about: nothing was sent.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// Time ran out. The server may have acted on the request.
    #[error("no answer in time")]
    TimedOut,
    /// The connection broke. The server may have acted on the request.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// A redirect to another origin, or one too many.
    #[error("the server redirects elsewhere")]
    Redirected,
    /// The guard does not let it out: nothing was sent.
    #[error("the URL is not asked: {0}")]
    Refused(#[from] Refusal),
    /// No token was had for the request: nothing was sent.
    #[error("there is no token: {0}")]
    NoToken(String),
    /// The answer is longer than the request allows.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

impl HttpClient {
    /// The client for URLs of the operator's own configuration: TLS by rustls with the system's trusted certificates, and no proxy from the
    /// environment.
    ///
    /// # Errors
    /// [`HttpError::NotSendable`] if the system's trusted certificates cannot be read.
    pub fn new() -> Result<Self, HttpError> {
        let client = limited().redirect(Policy::custom(within_origin)).build();
        let client = client.map_err(|error| HttpError::NotSendable(cause(error)))?;
        Ok(Self { client, guard: None, proven: Arc::default() })
    }

    /// The client for every other URL. It follows no redirect, and asks nothing that the guard refuses: neither by its text nor by the
    /// addresses of its host.
    ///
    /// # Errors
    /// As [`HttpClient::new`].
    pub fn guarded(guard: Guard) -> Result<Self, HttpError> {
        let guard = Arc::new(guard);
        let client = limited().redirect(Policy::none()).referer(false).dns_resolver(Arc::clone(&guard)).build();
        let client = client.map_err(|error| HttpError::NotSendable(cause(error)))?;
        Ok(Self { client, guard: Some(guard), proven: Arc::default() })
    }

    /// The same client, that proves who it is where there is a credential for it. There it follows no redirect.
    ///
    /// # Errors
    /// [`HttpError::NotSendable`] with the name of a credential that is of no use.
    pub fn proving(self, credentials: &[Credential]) -> Result<Self, HttpError> {
        let proven = credentials.iter().map(|credential| {
            // Of the error only that there is one: what is wrong with a key may be told by a part of it.
            let build = |guard: Option<&Arc<Guard>>| {
                let useless = || HttpError::NotSendable(format!("the credential '{}' is of no use", credential.name));
                proving(credential, guard).map_err(|_| useless())
            };
            Ok(Proven::new(credential.clone(), build(self.guard.as_ref())?, build(None)?))
        });
        let proven: Vec<Proven> = proven.collect::<Result<_, HttpError>>()?;
        Ok(Self { proven: proven.into(), ..self })
    }

    /// Begins a request, for [`HttpClient::send`].
    pub fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Sends a request and reads the whole answer, of at most `answer_bytes_max`.
    ///
    /// # Errors
    /// See [`HttpError`]. An answer with a status of failure is an answer, not an error.
    pub async fn send(&self, request: RequestBuilder, answer_bytes_max: usize) -> Result<Answer, HttpError> {
        let request = request.build().map_err(HttpError::from)?;
        if let Some(guard) = &self.guard {
            guard.check(request.url())?;
        }
        match Proven::of(&self.proven, request.url()) {
            None => read(self.client.execute(request).await?, answer_bytes_max).await,
            Some(proven) => prove(proven, request, answer_bytes_max).await,
        }
    }
}

/// Sends a request with what there is for its address. A partner who does not take the token any more is asked once more with another:
/// what it refused so it did not act on.
async fn prove(proven: &Proven, mut request: Request, answer_bytes_max: usize) -> Result<Answer, HttpError> {
    let Some(tokens) = &proven.tokens else {
        return read(proven.client.execute(request).await?, answer_bytes_max).await;
    };
    let again = request.try_clone();
    let token = tokens.header().await?;
    request.headers_mut().insert(AUTHORIZATION, token.clone());
    let answer = read(proven.client.execute(request).await?, answer_bytes_max).await?;
    let Some(mut again) = again.filter(|_| answer.status == StatusCode::UNAUTHORIZED) else { return Ok(answer) };
    again.headers_mut().insert(AUTHORIZATION, tokens.header_after(&token).await?);
    read(proven.client.execute(again).await?, answer_bytes_max).await
}

/// Reads the whole answer, of at most so many bytes.
pub(crate) async fn read(mut response: Response, answer_bytes_max: usize) -> Result<Answer, HttpError> {
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if chunk.len() > answer_bytes_max.saturating_sub(body.len()) {
            return Err(HttpError::TooLong(answer_bytes_max));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, headers, body })
}

fn proving(credential: &Credential, guard: Option<&Arc<Guard>>) -> reqwest::Result<Client> {
    let mut client = limited().redirect(Policy::none()).referer(false);
    if let Some(guard) = guard {
        client = client.dns_resolver(Arc::clone(guard));
    }
    if let Some(identity) = &credential.identity {
        client = client.identity(Identity::from_pem(identity)?);
    }
    if let Some(trusted) = &credential.trusted {
        client = client.tls_certs_only(Certificate::from_pem_bundle(trusted)?);
    }
    client.build()
}

/// What holds for every client.
#[expect(clippy::disallowed_methods, reason = "the one place that builds a client")]
fn limited() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("wellgate/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .no_proxy()
}

/// A redirect may move within the origin (scheme, host and port); elsewhere it would carry what was meant for one
/// partner to another server, or lead into our own network.
fn within_origin(attempt: Attempt<'_>) -> Action {
    let previous = attempt.previous();
    let is_same_origin = previous.last().is_some_and(|last| last.origin() == attempt.url().origin());
    if is_same_origin && previous.len() <= REDIRECTS_MAX { attempt.follow() } else { attempt.error("elsewhere") }
}

impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        if let Some(refusal) = refusal(&error) {
            Self::Refused(refusal)
        } else if error.is_redirect() {
            Self::Redirected
        } else if error.is_builder() {
            Self::NotSendable(cause(error))
        } else if is_stranger_to(&error) {
            Self::Unreachable("the server does not take the gateway's certificate, or wants one".to_owned())
        } else if error.is_connect() {
            Self::Unreachable(cause(error))
        } else if error.is_timeout() {
            Self::TimedOut
        } else {
            Self::Broken(cause(error))
        }
    }
}

/// What the guard said of the addresses of a name.
fn refusal(error: &reqwest::Error) -> Option<Refusal> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(refusal) = error.downcast_ref::<Refusal>() {
            return Some(*refusal);
        }
        next = error.source();
    }
    None
}

/// Whether the server ended the line over the certificate of a client. It says so before it looks at any request, though after the client
/// has sent one: <https://www.rfc-editor.org/rfc/rfc8446#section-6.2>
fn is_stranger_to(error: &reqwest::Error) -> bool {
    use rustls::AlertDescription as Alert;
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        let within = error.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
        let within = within.and_then(|error| error.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::AlertReceived(alert)) = error.downcast_ref::<rustls::Error>().or(within) {
            return matches!(
                alert,
                Alert::BadCertificate
                    | Alert::UnsupportedCertificate
                    | Alert::CertificateRevoked
                    | Alert::CertificateExpired
                    | Alert::CertificateUnknown
                    | Alert::UnknownCA
                    | Alert::CertificateRequired
                    | Alert::HandshakeFailure
            );
        }
        next = error.source();
    }
    false
}

/// The innermost cause, which says what went wrong and does not repeat the URL.
fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Origin;
    use crate::http::canned::Canned;

    async fn get(url: &str, answer_bytes_max: usize) -> Result<Answer, HttpError> {
        let client = HttpClient::new().expect("a client can be built");
        client.send(client.request(Method::GET, url), answer_bytes_max).await
    }

    #[tokio::test]
    async fn a_redirect_to_another_origin_is_refused() {
        let elsewhere = Canned::start(&["HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret"]);
        let redirect = format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", elsewhere.url);
        let partner = Canned::start(&[&redirect]);
        assert_eq!(get(&partner.url, 100).await.err(), Some(HttpError::Redirected));
        assert_eq!(elsewhere.requests(), 0);
    }

    #[tokio::test]
    async fn a_redirect_within_the_origin_is_followed_three_times() {
        let redirect = "HTTP/1.1 302 Found\r\nlocation: /next\r\ncontent-length: 0\r\n\r\n";
        let partner = Canned::start(&[redirect, redirect, redirect, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"]);
        assert_eq!(get(&partner.url, 100).await.map(|answer| answer.body), Ok(b"ok".to_vec()));
        let partner = Canned::start(&[redirect]);
        assert_eq!(get(&partner.url, 100).await.err(), Some(HttpError::Redirected));
    }

    fn guarded(private: &[&str]) -> HttpClient {
        let private: Vec<_> = private.iter().filter_map(|text| Origin::parse(text)).collect();
        HttpClient::guarded(Guard::new(&[], &private, false)).expect("a client can be built")
    }

    #[tokio::test]
    async fn attack_49_a_name_that_resolves_to_this_machine_is_not_connected_to() {
        let inside = Canned::start(&["HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret"]);
        let port = inside.url.trim_end_matches('/').rsplit_once(':').expect("it has a port").1.to_owned();
        let client = guarded(&[]);
        for url in [format!("https://localhost:{port}/"), format!("https://127.0.0.1:{port}/")] {
            let refused = client.send(client.request(Method::GET, &url), 100).await.err();
            assert_eq!(refused, Some(HttpError::Refused(Refusal::Address)), "{url}");
        }
        let plain = client.send(client.request(Method::GET, &inside.url), 100).await.err();
        assert_eq!(plain, Some(HttpError::Refused(Refusal::Scheme)));
        assert_eq!(inside.requests(), 0, "nothing was sent");
        let url = format!("http://localhost:{port}/");
        let client = guarded(&[&url]);
        let told = client.send(client.request(Method::GET, &url), 100).await.map(|answer| answer.body);
        assert_eq!(told, Ok(b"secret".to_vec()), "what the operator lists is asked");
    }

    #[tokio::test]
    async fn attack_49_a_guarded_client_follows_no_redirect() {
        let elsewhere = Canned::start(&["HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret"]);
        let redirect = format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", elsewhere.url);
        let within = "HTTP/1.1 302 Found\r\nlocation: /latest/meta-data\r\ncontent-length: 0\r\n\r\n";
        let named = Canned::start(&[&redirect, within]);
        let client = guarded(&[&named.url, &elsewhere.url]);
        for _ in 0..2 {
            let answer = client.send(client.request(Method::GET, &named.url), 100).await.expect("it answers");
            assert_eq!(answer.status, StatusCode::FOUND);
        }
        assert_eq!((named.requests(), elsewhere.requests()), (2, 0));
    }

    #[tokio::test]
    async fn an_answer_over_the_limit_is_refused() {
        let partner = Canned::start(&["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n12345"]);
        assert_eq!(get(&partner.url, 4).await.err(), Some(HttpError::TooLong(4)));
        assert_eq!(get(&partner.url, 5).await.map(|answer| answer.body.len()), Ok(5));
    }

    #[tokio::test]
    async fn an_error_does_not_repeat_the_url() {
        for url in ["http://127.0.0.1:1/Patient?name=seeded-name", "not a url seeded-name"] {
            let error = get(url, 4).await.expect_err("nobody listens");
            assert!(!format!("{error} {error:?}").contains("seeded-name"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_line_that_is_cut_is_not_called_unreachable() {
        let partner = Canned::start(&["HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n123"]);
        assert!(matches!(get(&partner.url, 100).await, Err(HttpError::Broken(_))));
    }
}

#[cfg(test)]
pub(crate) mod canned;
