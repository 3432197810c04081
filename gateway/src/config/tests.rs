//! What is refused, what overrides what, and that code, table and document agree.

use super::*;

const LEAST: &str = r#"
    [server]
    base_url = "https://gateway.example.org/fhir/"
    [database]
    url = "postgres://wellgate:secret-word@database/wellgate"
    [vault]
    key_store = "sqlite:keys.sqlite"
    key_ring_file = "key-ring"
    [auth]
    issuer = "https://login.example.org"
    audience = "https://gateway.example.org/fhir"
    jwks_url = "https://login.example.org/jwks.json"
"#;

fn load(file: &str, variables: &[(&str, &str)]) -> Result<Config, Vec<ConfigError>> {
    let environment = variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    Config::from_table(file.parse().expect("the test's TOML is valid"), &environment)
}

fn wrong_keys(file: &str, variables: &[(&str, &str)]) -> Vec<String> {
    load(file, variables).expect_err("something is wrong").into_iter().map(|error| error.key).collect()
}

#[test]
fn all_errors_are_reported_at_once_and_each_names_its_key() {
    let file = r#"
        [server]
        listen = "here"
        base_url = "http://gateway.example.org/r4"
        tls_key_file = "key.pem"
        lisen = "127.0.0.1:1"
        [database]
        url = "mysql://x"
        writers = 99
        [auth]
        issuer = 7
        audience = ""
        jwks_file = "a"
        jwks_url = "https://a/b"
        algorithms = ["ES256", "none"]
        leeway_seconds = 61
        [limits]
        body_bytes_max = "5 MiB"
        search_count_default = 501
        [log]
        format = "xml"
        level = "loud"
        [serber]
        listen = "127.0.0.1:1"
    "#;
    let mut keys = wrong_keys(file, &[("WELLGATE_SERVER_LISSEN", "x"), ("WELLGATE_LIMITS_NESTING_MAX", "deep")]);
    keys.sort();
    let expected = [
        "WELLGATE_SERVER_LISSEN",
        "auth.algorithms",
        "auth.audience",
        "auth.issuer",
        "auth.jwks_file",
        "auth.leeway_seconds",
        "database.url",
        "database.writers",
        "limits.body_bytes_max",
        "limits.nesting_max",
        "limits.search_count_default",
        "log.format",
        "log.level",
        "serber",
        "server.base_url",
        "server.base_url",
        "server.lisen",
        "server.listen",
        "server.tls_certificate_file",
        "vault.key_ring_file",
        "vault.key_store",
    ];
    assert_eq!(keys, expected);
}

#[test]
fn what_must_be_given_is_asked_for_once() {
    let asked =
        ["server.base_url", "database.url", "auth.audience", "auth.issuer", "vault.key_store", "vault.key_ring_file"];
    assert_eq!(wrong_keys("", &[]), asked);
    let without = |variables: &[(&str, &str)]| {
        let least = [
            ("WELLGATE_SERVER_BASE_URL", "https://gateway.example.org/fhir"),
            ("WELLGATE_DATABASE_URL", "sqlite:x"),
            ("WELLGATE_VAULT_KEY_STORE", "sqlite:k"),
            ("WELLGATE_VAULT_KEY_RING_FILE", "r"),
            ("WELLGATE_AUTH_AUDIENCE", "https://gateway.example.org/fhir"),
        ];
        wrong_keys("", &[&least, variables].concat())
    };
    assert_eq!(without(&[("WELLGATE_AUTH_ISSUER", "https://login.example.org")]), ["auth.jwks_file"]);
    assert_eq!(without(&[("WELLGATE_AUTH_JWKS_FILE", "k"), ("WELLGATE_AUTH_SIGNING_KEY_FILE", "s")]), ["auth.issuer"]);
}

#[test]
fn the_keys_of_records_are_never_beside_the_records() {
    let records = "postgres://wellgate:secret-word@database/wellgate";
    assert_eq!(wrong_keys(LEAST, &[("WELLGATE_VAULT_KEY_STORE", records)]), ["vault.key_store"]);
    assert_eq!(wrong_keys(LEAST, &[("WELLGATE_VAULT_KEY_RING_COMMAND", "printer")]), ["vault.key_ring_file"]);
    assert_eq!(wrong_keys(LEAST, &[("WELLGATE_VAULT_ELEMENTS", "name,birthDate")]), ["vault.elements"]);
    let config = load(LEAST, &[("WELLGATE_VAULT_ELEMENTS", "name,telecom")]).expect("valid");
    assert_eq!(config.vault.elements, ["name", "telecom"]);
    assert_eq!(config.vault.identifier_systems.len(), 4);
}

#[test]
fn no_shared_secret_and_no_unsigned_token_can_be_configured() {
    for algorithms in ["", "none", "HS256", "ES256,HS256", "es256", "PS256"] {
        assert_eq!(wrong_keys(LEAST, &[("WELLGATE_AUTH_ALGORITHMS", algorithms)]), ["auth.algorithms"], "{algorithms}");
    }
}

#[test]
fn keys_and_tokens_never_travel_in_clear_text_beyond_this_machine() {
    assert_eq!(wrong_keys(LEAST, &[("WELLGATE_AUTH_JWKS_URL", "http://login.example.org/")]), ["auth.jwks_url"]);
    assert_eq!(wrong_keys(LEAST, &[("WELLGATE_SERVER_BASE_URL", "http://10.0.0.1/fhir")]), ["server.base_url"]);
    for host in ["localhost:8080", "127.0.0.1", "[::1]:1"] {
        let base_url = format!("http://{host}/fhir");
        assert!(load(LEAST, &[("WELLGATE_SERVER_BASE_URL", &base_url)]).is_ok(), "{host}");
    }
}

#[test]
fn sqlite_has_one_writer() {
    let sqlite = ("WELLGATE_DATABASE_URL", "sqlite:data.sqlite");
    assert_eq!(wrong_keys(LEAST, &[sqlite, ("WELLGATE_DATABASE_WRITERS", "2")]), ["database.writers"]);
    assert_eq!(load(LEAST, &[sqlite]).expect("valid").database.writers, 1);
}

#[cfg(not(feature = "otel"))]
#[test]
fn an_otlp_endpoint_without_the_feature_is_an_error() {
    let variables = [("WELLGATE_TELEMETRY_OTLP_ENDPOINT", "http://127.0.0.1:4318/v1/traces")];
    assert_eq!(wrong_keys(LEAST, &variables), ["telemetry.otlp_endpoint"]);
}

#[test]
fn a_password_is_neither_printed_nor_repeated_in_an_error() {
    let config = load(LEAST, &[]).expect("valid");
    assert!(!format!("{config:?}").contains("secret-word"));
    let errors = load(LEAST, &[("WELLGATE_DATABASE_URL", "mysql://wellgate:secret-word@database")]);
    assert!(!format!("{errors:?}").contains("secret-word"));
    let directory = std::env::temp_dir().join(format!("wellgate-config-{}", uuid::Uuid::now_v7()));
    std::fs::write(&directory, "\n[database]\nurl = \"postgres://x:secret-word@y").expect("a file can be written");
    let error = Config::load(Some(&directory), &BTreeMap::new()).expect_err("not TOML").remove(0);
    std::fs::remove_file(&directory).expect("the file is there");
    assert!(error.message.starts_with("line 3 is not valid TOML"), "{error}");
    assert!(!error.message.contains("secret-word"), "{error}");
}

#[test]
fn the_least_file_gives_every_default() {
    let config = load(LEAST, &[]).expect("valid");
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.base_url, "https://gateway.example.org/fhir");
    assert_eq!(config.server.tls, None);
    assert_eq!(config.database.writers, 2);
    let external = config.auth.external.expect("an issuer is configured");
    assert_eq!(external.algorithms, [TokenAlgorithm::Es256, TokenAlgorithm::Es384, TokenAlgorithm::Rs384]);
    assert_eq!(config.types, ServedTypes::Usual);
    assert_eq!(config.limits.body_bytes_max, 5 * 1024 * 1024);
    assert_eq!(config.limits.search_count_max, 500);
    assert_eq!(config.waiting_days_max, 60);
    assert_eq!(config.log, LogConfig { format: LogFormat::Json, level: tracing::Level::INFO });
}

#[test]
fn a_variable_overrides_the_file_and_kubernetes_is_let_be() {
    let variables = [
        ("WELLGATE_FHIR_TYPES", "Patient, Task,"),
        ("WELLGATE_LIMITS_NESTING_MAX", " 32 "),
        ("WELLGATE_SERVICE_HOST", "10.0.0.1"),
        ("WELLGATE_PORT", "tcp://10.0.0.1:80"),
        ("WELLGATE_PORT_80_TCP", "tcp://10.0.0.1:80"),
    ];
    let config = load(LEAST, &variables).expect("valid");
    assert_eq!(config.types, ServedTypes::Listed(vec!["Patient".to_owned(), "Task".to_owned()]));
    assert_eq!(config.limits.nesting_max, 32);
    assert_eq!(wrong_keys(LEAST, &[("WELLGATE_FHIR_TYPES", "all,Patient")]), ["fhir.types"]);
}

#[test]
fn a_sandbox_needs_nothing_and_the_command_line_wins() {
    let directory = Path::new("/data");
    let environment = BTreeMap::from([("WELLGATE_SERVER_LISTEN".to_owned(), "127.0.0.1:9000".to_owned())]);
    let config = Config::sandbox(None, directory, &environment).expect("valid");
    assert_eq!(config.server.base_url, "http://127.0.0.1:9000/fhir");
    assert_eq!(config.database.url, DatabaseUrl::Sqlite("/data/sandbox.sqlite".into()));
    let listen = Some(SocketAddr::from(([127, 0, 0, 1], 9_001)));
    let config = Config::sandbox(listen, directory, &environment).expect("valid");
    assert_eq!(config.server.base_url, "http://127.0.0.1:9001/fhir");
}

#[test]
fn every_key_of_the_table_is_read_and_no_other() {
    let mut reader = Reader::new(Table::new(), &BTreeMap::new());
    let _ = sections::read(&mut reader);
    let table: std::collections::BTreeSet<String> = keys::all().map(keys::Key::path).collect();
    assert_eq!(*reader.read_paths(), table);
}

#[test]
fn the_document_is_the_table() {
    let document = include_str!("../../../docs/configuration.md");
    assert_eq!(document, reference(), "run: wellgate check-config --explain > docs/configuration.md");
}
