//! The partners of a sandbox: made-up ones, each a real server on a port of this machine, which fail when they are told to.
//!
//! What asks them is what asks the real ones: the connectors know nothing of this. One file is one partner, and says only how that partner
//! answers when it is well; [`faults`] says what goes wrong, [`kept`] what really arrived, [`line`] speaks HTTP and cuts it.

mod co_prev;
mod control;
mod ehr;
mod faults;
mod insurer;
mod invoice_file;
mod kept;
mod line;
mod mail;
mod sciensano;
mod simulator;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::Method;
use mappings::co_prev::Asker;
use mappings::identifiers::Cbe;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::config::{CoPrevConfig, InsurerConfig, MailConfig, TdiConfig};
use kept::Kept;
use simulator::Simulator;

/// A sandbox is not kept waiting.
const INBOX_INTERVAL: Duration = Duration::from_secs(1);

/// A request to a partner, whole.
struct Asked {
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    /// Headers of the gateway's own, by which a notification is signed.
    headers: Vec<(String, String)>,
    body: Bytes,
    now_ms: i64,
}

impl Asked {
    /// A parameter of the query; empty where it is not there.
    fn parameter(&self, name: &str) -> &str {
        self.query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
    }

    /// The body as JSON; `Null` where it is none.
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// What comes after a path of a partner's interface.
    fn below(&self, path: &str) -> Option<&str> {
        self.path.strip_prefix(path)
    }
}

/// What a partner answers.
#[derive(Clone, Debug)]
struct Reply {
    status: u16,
    media_type: &'static str,
    retry_after_seconds: Option<u64>,
    body: Bytes,
}

impl Reply {
    fn of(status: u16, media_type: &'static str, body: &Value) -> Self {
        Self { status, media_type, retry_after_seconds: None, body: Bytes::from(body.to_string()) }
    }

    fn json(status: u16, body: &Value) -> Self {
        Self::of(status, "application/json", body)
    }

    /// An error with a stable code: <https://www.rfc-editor.org/rfc/rfc9457>.
    fn problem(status: u16, code: &str, detail: &str) -> Self {
        let body = json!({"type": "about:blank", "status": status, "code": code, "detail": detail});
        Self::of(status, "application/problem+json", &body)
    }

    fn not_found() -> Self {
        Self::problem(404, "not-found", "there is nothing at this address")
    }
}

/// A partner that speaks HTTP, when it is well.
trait Partner: Send + Sync {
    /// Our reference in a request that leaves something with the partner; none where it only asks.
    fn reference(&self, asked: &Asked) -> Option<String>;

    /// What it answers; `kept` is what it took in before.
    fn answer(&self, asked: &Asked, kept: &Kept) -> Reply;

    /// The same answer, about somebody else.
    fn about_another(&self, reply: &Reply) -> Reply;

    /// The longest message that it takes.
    fn message_bytes_max(&self) -> usize {
        line::MESSAGE_BYTES_MAX
    }

    /// Forgets what it keeps of its own.
    fn reset(&self) {}

    /// What a tester tells it, or asks it, beside its faults; none where there is nothing to tell. An error begins with the name of a member.
    fn told(&self, _told: Told<'_>) -> Option<Result<Value, String>> {
        None
    }
}

/// What a tester tells a partner that can be told what to answer.
#[derive(Clone, Copy)]
enum Told<'b> {
    /// What waits to be fetched?
    Inbox,
    /// Which wishes wait?
    Answers,
    /// A wish.
    Answer(&'b [u8]),
    /// No wishes any more.
    Clear,
}

/// What a partner speaks.
enum Speaks {
    Http(Box<dyn Partner>),
    /// Mail: to be told, and never to be asked.
    Smtp,
}

/// The partners of a sandbox. They end when this is dropped.
pub struct Partners {
    simulators: Vec<Arc<Simulator>>,
    _serving: JoinSet<()>,
}

impl Partners {
    /// Starts them on ports of the loopback address: one after the other from `first_port` on, or wherever there is room.
    ///
    /// # Errors
    /// A port is taken.
    pub async fn start(clock: &Clock, first_port: Option<u16>) -> io::Result<Self> {
        let all: [(&'static str, &'static str, Speaks); 6] = [
            ("co-prev", co_prev::BASE_PATH, Speaks::Http(Box::new(co_prev::CoPrev))),
            ("ehr", ehr::BASE_PATH, Speaks::Http(Box::new(ehr::Ehr))),
            ("mail", "", Speaks::Smtp),
            ("sciensano", sciensano::BASE_PATH, Speaks::Http(Box::new(sciensano::Sciensano))),
            ("mutualities", insurer::BASE_PATH, Speaks::Http(Box::new(insurer::Insurer::new(false)))),
            ("care-funds", insurer::BASE_PATH, Speaks::Http(Box::new(insurer::Insurer::new(true)))),
        ];
        let (mut simulators, mut serving) = (Vec::new(), JoinSet::new());
        for (number, (name, base_path, speaks)) in (0..).zip(all) {
            let port = match first_port {
                None => 0,
                Some(first) => first.checked_add(number).ok_or_else(|| io::Error::other("there is no such port"))?,
            };
            let listener = TcpListener::bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)).await?;
            let address = listener.local_addr()?;
            let scheme = if matches!(speaks, Speaks::Smtp) { "smtp" } else { "http" };
            let url = format!("{scheme}://{address}{base_path}");
            let simulator = Arc::new(Simulator::new(name, url, speaks, clock.clone()));
            serving.spawn(line::serve(Arc::clone(&simulator), listener));
            simulators.push(simulator);
        }
        Ok(Self { simulators, _serving: serving })
    }

    /// The base URL of one; none where there is no partner of this name.
    pub fn url(&self, name: &str) -> Option<&str> {
        self.simulators.iter().find(|simulator| simulator.name == name).map(|simulator| simulator.url.as_str())
    }

    /// The mail server, as the gateway is told of one.
    pub(super) fn mail(&self) -> MailConfig {
        let address = self.url("mail").and_then(|url| url.strip_prefix("smtp://")).unwrap_or_default();
        let (host, port) = address.rsplit_once(':').unwrap_or_default();
        MailConfig {
            host: host.to_owned(),
            port: port.parse().unwrap_or_default(),
            is_encrypted: false,
            from: "Wellgate <no-reply@sandbox.example>".to_owned(),
            account: None,
            ca: None,
        }
    }

    /// The register of treatment demands, as the gateway is told of one.
    pub(super) fn register(&self) -> TdiConfig {
        TdiConfig {
            register_url: self.url("sciensano").unwrap_or_default().to_owned(),
            data_collection_id: "tdi".to_owned(),
            data_collection_version: "3.0".to_owned(),
            source_type: "api".to_owned(),
        }
    }

    /// Co-prev, as the gateway is told of it.
    pub(super) fn co_prev(&self) -> Option<CoPrevConfig> {
        let asker = Asker { legal_basis: "sandbox".to_owned(), cbe: Cbe::parse(co_prev::ASKER).ok()? };
        Some(CoPrevConfig { url: self.url("co-prev")?.to_owned(), asker, purpose: "reintegration".to_owned() })
    }

    /// The mutualities or the care funds, as the gateway is told of them.
    pub(super) fn insurer(&self, name: &str) -> Option<InsurerConfig> {
        let url = self.url(name)?.to_owned();
        Some(InsurerConfig { url, enterprise: None, signer: None, is_deflated: true, page: 64, every: INBOX_INTERVAL })
    }

    /// All of them, as `GET /sandbox` lists them.
    pub fn described(&self) -> Value {
        let described = |simulator: &Arc<Simulator>| {
            let mut described = json!({"name": simulator.name, "url": simulator.url});
            if simulator.name == "co-prev" {
                described["people"] = co_prev::people();
            }
            if simulator.name == "sciensano" {
                described["organizations"] = sciensano::organizations();
            }
            described
        };
        Value::Array(self.simulators.iter().map(described).collect())
    }

    /// The routes by which they are told to fail, and tell what arrived.
    pub fn routes(&self) -> Router {
        control::routes(self.simulators.clone())
    }
}
