//! Reads each section into its type, and checks what belongs together.
//!
//! Names of keys appear here and in the table of `keys.rs`; a test holds the two equal.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

use super::reader::Reader;
use super::{
    AuthConfig, ClientCertificates, Config, DatabaseConfig, DatabaseUrl, EmergencyConfig, EvidenceConfig,
    ExternalIssuer, KeySource, Limits, LogConfig, LogFormat, OwnIssuer, PeopleConfig, ServedTypes, ServerConfig,
    TlsFiles, TokenAlgorithm, billing, bulk, co_prev, deliveries, insurers, is_loopback, mail, outbound, people,
    search, subscriptions, tdi, validation, vault,
};

/// Reads every key; after an error there are stand-ins in it.
pub(super) fn read(reader: &mut Reader) -> Config {
    let server = ServerConfig {
        listen: listen(reader),
        base_url: base_url(reader),
        tls: tls(reader),
        drain_timeout: seconds(reader, "server.drain_timeout_seconds"),
    };
    let database = database(reader);
    let auth = auth(reader, &server.base_url);
    Config {
        vault: vault::read(reader, &database.url),
        people: people(reader, &auth.audience, &server.base_url),
        database,
        auth,
        server,
        types: types(reader),
        limits: limits(reader),
        waiting_days_max: reader.integer("referral.waiting_days_max"),
        intake_days_max: reader.integer("referral.intake_days_max"),
        search: search::read(reader),
        validation: validation::read(reader),
        labels_file: reader.optional_text("labels.file").map(PathBuf::from),
        emergency: emergency(reader),
        outbound: outbound::read(reader),
        deliveries: deliveries::read(reader),
        subscriptions: subscriptions::read(reader),
        bulk: bulk::read(reader),
        mail: mail::read(reader),
        billing: billing::read(reader),
        tdi: tdi::read(reader),
        co_prev: co_prev::read(reader),
        mutualities: insurers::mutualities(reader),
        care_funds: insurers::care_funds(reader),
        evidence: evidence(reader),
        log: log(reader),
        otlp_endpoint: otlp_endpoint(reader),
        is_sandbox: false,
    }
}

/// People come by a browser, which names the gateway by its origin alone.
fn people(reader: &mut Reader, audience: &str, base_url: &str) -> Option<PeopleConfig> {
    let people = people::read(reader, audience)?;
    let root = base_url.trim_end_matches("/fhir");
    if Url::parse(root).is_ok_and(|url| url.origin().ascii_serialization() != root) {
        reader.fail(
            "server.base_url",
            "with [people] is an origin and /fhir: no further path, no port that goes without saying",
        );
    }
    Some(people)
}

fn listen(reader: &mut Reader) -> SocketAddr {
    let unspecified = SocketAddr::from(([127, 0, 0, 1], 0));
    reader.parsed("server.listen", "an IP address with a port, such as 127.0.0.1:8080").unwrap_or(unspecified)
}

fn base_url(reader: &mut Reader) -> String {
    let key = "server.base_url";
    let Some(given) = reader.optional_text(key) else {
        return String::new();
    };
    let base_url = given.trim_end_matches('/');
    if !base_url.ends_with("/fhir") {
        reader.fail(key, "ends in /fhir");
    }
    check_url(reader, key, base_url);
    base_url.to_owned()
}

/// A URL that bearer tokens or keys travel to is `https`, except on the machine itself.
pub(super) fn check_url(reader: &mut Reader, key: &str, text: &str) {
    match Url::parse(text) {
        Ok(url) if url.scheme() == "https" => {}
        Ok(url) if url.scheme() == "http" && is_loopback(&url) => {}
        Ok(url) if url.scheme() == "http" => reader.fail(key, "is https unless its host is this machine itself"),
        _ => reader.fail(key, "is a URL that begins with https://"),
    }
}

fn tls(reader: &mut Reader) -> Option<TlsFiles> {
    let certificate = reader.optional_text("server.tls_certificate_file");
    let key = reader.optional_text("server.tls_key_file");
    match (certificate, key) {
        (Some(certificate), Some(key)) => {
            Some(TlsFiles { certificate: certificate.into(), key: key.into(), clients: client_certificates(reader) })
        }
        (None, None) => {
            if client_certificates(reader).is_some() {
                reader.fail("server.tls_client_ca_file", "needs tls_certificate_file and tls_key_file");
            }
            None
        }
        (Some(_), None) => {
            reader.fail("server.tls_key_file", "is required with tls_certificate_file");
            None
        }
        (None, Some(_)) => {
            reader.fail("server.tls_certificate_file", "is required with tls_key_file");
            None
        }
    }
}

fn client_certificates(reader: &mut Reader) -> Option<ClientCertificates> {
    let ca = reader.optional_text("server.tls_client_ca_file");
    let which = reader.text("server.tls_client_certificates");
    let are_required = match which.as_str() {
        "required" => true,
        "optional" => false,
        _ => {
            reader.fail("server.tls_client_certificates", "is optional or required");
            false
        }
    };
    ca.map(|ca| ClientCertificates { ca: ca.into(), are_required })
}

fn database(reader: &mut Reader) -> DatabaseConfig {
    let url = reader.parsed("database.url", "sqlite:PATH or postgres://…");
    let url = url.unwrap_or(DatabaseUrl::Sqlite(PathBuf::new()));
    let writers = reader.optional_integer("database.writers");
    let is_sqlite = matches!(url, DatabaseUrl::Sqlite(_));
    if is_sqlite && writers.is_some_and(|writers| writers > 1) {
        reader.fail("database.writers", "is 1 on SQLite, which has one writer");
    }
    let connections_max = reader.integer("database.connections_max");
    DatabaseConfig { url, connections_max, writers: writers.unwrap_or(if is_sqlite { 1 } else { 2 }) }
}

fn auth(reader: &mut Reader, base_url: &str) -> AuthConfig {
    let audience = reader.text("auth.audience");
    let (leeway, refresh) = (seconds(reader, "auth.leeway_seconds"), seconds(reader, "auth.jwks_refresh_seconds"));
    let lifetime = seconds(reader, "auth.token_lifetime_seconds");
    let signing_key_file = reader.optional_text("auth.signing_key_file").map(PathBuf::from);
    let own = signing_key_file.map(|signing_key_file| OwnIssuer { signing_key_file, lifetime, leeway });
    let has_issuer = reader.is_given("auth.issuer");
    let issuer = reader.optional_text("auth.issuer");
    if !has_issuer && own.is_none() {
        reader.fail("auth.issuer", "is required, or signing_key_file, or both");
    }
    if own.is_some() && issuer.as_deref() == Some(base_url.trim_end_matches("/fhir")) {
        reader.fail("auth.issuer", "is the gateway's own name: with signing_key_file its tokens are believed anyway");
    }
    let keys = key_source(reader, has_issuer);
    let algorithms = algorithms(reader);
    let external = issuer.map(|issuer| ExternalIssuer { issuer, keys, algorithms, leeway, refresh });
    AuthConfig { audience, external, own }
}

fn key_source(reader: &mut Reader, has_issuer: bool) -> KeySource {
    match (reader.optional_text("auth.jwks_file"), reader.optional_text("auth.jwks_url")) {
        (None, None) if !has_issuer => KeySource::File(PathBuf::new()),
        (Some(_), _) | (_, Some(_)) if !has_issuer => {
            reader.fail("auth.issuer", "is required where keys of an issuer are given");
            KeySource::File(PathBuf::new())
        }
        (Some(file), None) => KeySource::File(file.into()),
        (None, Some(url)) => {
            check_url(reader, "auth.jwks_url", &url);
            KeySource::Url(url)
        }
        (file, _) => {
            let message = if file.is_some() { "is given together with jwks_url" } else { "is required, or jwks_url" };
            reader.fail("auth.jwks_file", message);
            KeySource::File(PathBuf::new())
        }
    }
}

fn algorithms(reader: &mut Reader) -> Vec<TokenAlgorithm> {
    let key = "auth.algorithms";
    let names = reader.list(key);
    let known: Vec<TokenAlgorithm> = names.iter().filter_map(|name| name.parse().ok()).collect();
    if known.is_empty() || known.len() < names.len() {
        reader.fail(key, "lists one or more of ES256, ES384, RS256 and RS384");
    }
    known
}

fn types(reader: &mut Reader) -> ServedTypes {
    let types = reader.list("fhir.types");
    match types.as_slice() {
        [] => ServedTypes::Usual,
        [only] if only == "all" => ServedTypes::All,
        several if several.iter().any(|name| name == "all") => {
            reader.fail("fhir.types", "is either all or a list of types");
            ServedTypes::Usual
        }
        _ => ServedTypes::Listed(types),
    }
}

fn limits(reader: &mut Reader) -> Limits {
    let mut count = |key: &str| usize::try_from(reader.integer(key)).unwrap_or(usize::MAX);
    let body_bytes_max = count("limits.body_bytes_max");
    let answer_bytes_max = count("limits.answer_bytes_max");
    let bundle_entries_max = count("limits.bundle_entries_max");
    let batch_entries_at_once = count("limits.batch_entries_at_once");
    let patch_operations_max = count("limits.patch_operations_max");
    let nesting_max = count("limits.nesting_max");
    let requests_in_flight_max = count("limits.requests_in_flight_max");
    let requests_waiting_max = count("limits.requests_waiting_max");
    let connections_max = count("limits.connections_max");
    let connections_per_address_max = count("limits.connections_per_address_max");
    let write_queue_max = count("limits.write_queue_max");
    let search_includes_max = count("limits.search_includes_max");
    let search_chain_depth_max = count("limits.search_chain_depth_max");
    let search_chain_links_max = count("limits.search_chain_links_max");
    let search_count_default = reader.integer("limits.search_count_default");
    let search_count_max = reader.integer("limits.search_count_max");
    // A maximum of zero is the stand-in of one that was wrong.
    if search_count_max > 0 && search_count_default > search_count_max {
        reader.fail("limits.search_count_default", "is at most search_count_max");
    }
    Limits {
        body_bytes_max,
        answer_bytes_max,
        bundle_entries_max,
        batch_entries_at_once,
        patch_operations_max,
        nesting_max,
        search_count_default,
        search_count_max,
        search_includes_max,
        search_include_rounds_max: reader.integer("limits.search_include_rounds_max"),
        search_chain_depth_max,
        search_chain_links_max,
        requests_in_flight_max,
        requests_waiting_max,
        request_wait: Duration::from_millis(reader.integer("limits.request_wait_milliseconds").into()),
        client_requests_per_second_max: reader.integer("limits.client_requests_per_second_max"),
        unauthenticated_per_minute_max: reader.integer("limits.unauthenticated_per_minute_max"),
        body_timeout: seconds(reader, "limits.body_timeout_seconds"),
        body_pause: seconds(reader, "limits.body_pause_seconds"),
        request_timeout: seconds(reader, "limits.request_timeout_seconds"),
        header_read_timeout: seconds(reader, "limits.header_read_timeout_seconds"),
        connections_max,
        connections_per_address_max,
        write_queue_max,
    }
}

fn emergency(reader: &mut Reader) -> EmergencyConfig {
    let session_hours: u32 = reader.integer("emergency.session_hours");
    let mut count = |key: &str| usize::try_from(reader.integer(key)).unwrap_or(usize::MAX);
    EmergencyConfig {
        session_ms: i64::from(session_hours) * 60 * 60 * 1_000,
        sessions_open_max: count("emergency.sessions_open_max"),
        text_characters_max: count("emergency.text_characters_max"),
        shared_items_max: count("emergency.shared_items_max"),
    }
}

fn evidence(reader: &mut Reader) -> EvidenceConfig {
    let signing_key_file = reader.optional_text("evidence.signing_key_file").map(PathBuf::from);
    let head_file = reader.optional_text("evidence.head_file").map(PathBuf::from);
    if head_file.is_some() && signing_key_file.is_none() {
        reader.fail("evidence.head_file", "needs signing_key_file: without it nothing is sealed");
    }
    EvidenceConfig { signing_key_file, head_file }
}

fn log(reader: &mut Reader) -> LogConfig {
    let format = match reader.text("log.format").as_str() {
        "json" => LogFormat::Json,
        "human" => LogFormat::Human,
        _ => {
            reader.fail("log.format", "is json or human");
            LogFormat::Json
        }
    };
    let level = reader.parsed("log.level", "error, warn, info, debug or trace").unwrap_or(tracing::Level::INFO);
    LogConfig { format, level }
}

fn otlp_endpoint(reader: &mut Reader) -> Option<String> {
    let key = "telemetry.otlp_endpoint";
    let endpoint = reader.optional_text(key)?;
    if !cfg!(feature = "otel") {
        reader.fail(key, "needs a build with the otel feature (cargo build --features otel)");
    }
    // Plain http is usual here: the collector sits beside the gateway, and traces hold no patient data.
    if !Url::parse(&endpoint).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
        reader.fail(key, "is a URL that begins with http:// or https://");
    }
    Some(endpoint)
}

fn seconds(reader: &mut Reader, path: &str) -> Duration {
    Duration::from_secs(reader.integer(path).into())
}
