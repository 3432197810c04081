//! What an operator does by commands is in the trail, on both databases: in that of the organisation that it is about.

use std::path::Path;
use std::process::Command;

use wellgate_tests::program::wellgate;
use wellgate_tests::vault::with_vault;

use crate::opening::execute;
use crate::world::ask;

/// Runs a command of the program on a database.
fn run(directory: &Path, url: &str, arguments: &[&str]) -> (bool, String) {
    let mut command = wellgate();
    with_vault(&mut command, directory).args(arguments).env("WELLGATE_DATABASE_URL", url);
    let sealing_key = directory.join("evidence.pem");
    if sealing_key.exists() {
        command.env("WELLGATE_EVIDENCE_SIGNING_KEY_FILE", sealing_key);
    }
    command.env("WELLGATE_SERVER_BASE_URL", "https://gateway.example.org/fhir");
    command.env("WELLGATE_AUTH_AUDIENCE", "https://gateway.example.org/fhir");
    command.env("WELLGATE_AUTH_SIGNING_KEY_FILE", "unread.pem");
    command.env("WELLGATE_PEOPLE_ISSUER", "https://login.example.org");
    command.env("WELLGATE_PEOPLE_CLIENT_ID", "wellgate");
    command.env("WELLGATE_PEOPLE_CLIENT_SECRET_FILE", "unread");
    let ended = command.output().expect("the program is built");
    let text = [ended.stdout, ended.stderr].concat();
    (ended.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// The acts of a trail, oldest first: code, what it is about and its details.
async fn acts(url: &str, compartment: &str) -> String {
    let line =
        "subtype || ' ' || resource_type || '/' || resource_id || ' ' || query || ' ' || basis || ' ' || organization";
    let lines = if url.starts_with("sqlite:") {
        format!(
            "SELECT group_concat({line}, char(10)) FROM (SELECT * FROM audit_event WHERE compartment = '{compartment}' ORDER BY id)"
        )
    } else {
        format!("SELECT string_agg({line}, chr(10) ORDER BY id) FROM audit_event WHERE compartment = '{compartment}'")
    };
    ask(url, &lines).await.replace(" operator organization/wellgate", "")
}

#[tokio::test]
async fn whatever_an_operator_changes_or_asks_is_in_the_trail() {
    for (kind, url) in wellgate_tests::databases() {
        let directory = tempfile::tempdir().expect("there is room");
        let done = |arguments: &str| {
            let arguments: Vec<&str> = arguments.split(' ').collect();
            let (is_done, told) = run(directory.path(), &url, &arguments);
            assert!(is_done, "{kind}: {arguments:?}: {told}");
        };
        done("pool add --id elp-gent --name Gent --kind elp --region Gent&Aalst");
        done("organization add --id elp --name Elp --kind elp --pool elp-gent --client elp-ehr --purpose TREAT");
        done("client add --id elp-billing --organization elp --purpose HPAYMT");
        done("client rotate elp-ehr --jwks-url https://keys.example.org/jwks.json");
        done("client disable elp-billing");
        done("practitioner add --id psy --organization elp --name An");
        done("practitioner disable psy");
        done("person add --id dpo --subject s --name Katrien --organization elp --role dpo");
        done("person disable dpo");
        done("organization disable elp");
        done("audit reached --client elp-ehr --from 2026-01-01T00:00:00Z");
        done("vault rotate");
        done("vault seal");
        for listed in ["organization", "pool", "client", "practitioner", "person"] {
            done(&format!("{listed} list"));
        }
        let own = "\
register Organization/elp kind=elp&pools=elp-gent
register / client=elp-ehr&purposes=TREAT
register / client=elp-billing&purposes=HPAYMT
change-keys / client=elp-ehr&purposes=TREAT&keys=https%3A%2F%2Fkeys.example.org%2Fjwks.json
disable / client=elp-billing&purposes=HPAYMT
register Practitioner/psy role=care
disable Practitioner/psy role=care
register / person=dpo&roles=dpo
disable / person=dpo&roles=dpo
disable Organization/elp ";
        assert_eq!(acts(&url, "organization/elp").await, own, "{kind}");
        let gateways = "\
register HealthcareService/elp-gent kind=elp&region=Gent%26Aalst
reached AuditEvent/ client=elp-ehr&from=2026-01-01T00%3A00%3A00.000Z
vault-rotate / 
vault-seal / ";
        assert_eq!(acts(&url, "organization/wellgate").await, gateways, "{kind}");

        // What is refused was not done, and says so nowhere.
        let arguments = ["practitioner", "add", "--id", "x", "--organization", "unheard-of", "--name", "X"];
        assert!(!run(directory.path(), &url, &arguments).0, "{kind}");
        assert_eq!(acts(&url, "organization/unheard-of").await, "", "{kind}");
        // A copy has no trail to keep it in.
        done(&format!("audit reached --client elp-ehr --database {url}"));
        assert_eq!(acts(&url, "organization/wellgate").await, gateways, "{kind}");
    }
}

#[tokio::test]
async fn a_restored_trail_is_proved_by_the_key_of_its_time() {
    for (kind, url) in wellgate_tests::databases() {
        let directory = tempfile::tempdir().expect("there is room");
        let path = |name: &str| directory.path().join(name).display().to_string();
        let fresh_key = || {
            let made = Command::new("openssl")
                .args(["genpkey", "-algorithm", "ed25519", "-out"])
                .arg(path("evidence.pem"))
                .status();
            assert!(made.expect("openssl is there").success());
        };
        let done = |url: &str, arguments: &[&str]| {
            let (is_done, told) = run(directory.path(), url, arguments);
            assert!(is_done, "{kind}: {arguments:?}: {told}");
            told
        };
        fresh_key();
        std::fs::write(path("old.pem"), done(&url, &["audit", "public-key"])).expect("it is written");
        done(&url, &["pool", "add", "--id", "p", "--name", "P", "--kind", "elp", "--region", "r"]);
        // It seals what there is, as a gateway does.
        done(&url, &["audit", "adopt"]);
        done(&url, &["backup", "--to", &path("backup")]);

        fresh_key();
        std::fs::write(path("new.pem"), done(&url, &["audit", "public-key"])).expect("it is written");
        let restore = |arguments: &[&str]| {
            let place =
                wellgate_tests::databases().into_iter().find(|(other, _)| *other == kind).expect("the same kind").1;
            let backup = path("backup");
            let restore = ["restore", "--from", &backup, "--verify"];
            run(directory.path(), &place, &[&restore[..], arguments].concat())
        };
        for arguments in [&[][..], &["--public-key", &path("new.pem")]] {
            let (is_proved, told) = restore(arguments);
            assert!(!is_proved && told.contains("which is not given"), "{kind}: {arguments:?}: {told}");
        }
        let (is_proved, told) = restore(&["--public-key", &path("old.pem")]);
        assert!(is_proved && told.contains("2 seals, 2 events as they were sealed"), "{kind}: {told}");
        let (is_restored, told) = restore(&["--public-key", &path("backup")]);
        assert!(!is_restored && !told.contains("Restored"), "{kind}: before anything is restored: {told}");
    }
}

/// A line of billing that came to a state at a moment.
fn old_line(id: &str, state: &str, changed_ms: i64) -> String {
    format!(
        "INSERT INTO claim_line (compartment, id, person, third_party, channel, payer, month, first_day, last_day, code, units, \
         amount_cents, share_cents, supplement_cents, provider, detail, state, findings, source, source_key, sending, invoice, kind, \
         corrects, paid_cents, refusal, decided_by, decided_why, created_ms, changed_ms) VALUES ('organization/elp', '{id}', 'p', \
         '71000436000', 'efact', 131, 201501, '2015-01-01', '2015-01-01', 990010, 1, 4250, 0, 0, '12345625004', '{{}}', '{state}', '', \
         'import', NULL, '', 0, 0, '', 0, '', '', '', 0, {changed_ms})"
    )
}

#[tokio::test]
async fn billing_is_removed_after_its_years_and_only_where_that_is_meant() {
    const IN_A_THOUSAND_YEARS_MS: i64 = 32_503_680_000_000;
    for (kind, url) in wellgate_tests::databases() {
        let directory = tempfile::tempdir().expect("there is room");
        let done = |arguments: &str| {
            let arguments: Vec<&str> = arguments.split(' ').collect();
            let (is_done, told) = run(directory.path(), &url, &arguments);
            assert!(is_done, "{kind}: {arguments:?}: {told}");
            told
        };
        done("organization add --id elp --name Elp --kind elp --client elp-ehr --purpose TREAT");
        done(
            "billing party --organization elp --nihdi 71000436000 --cbe 0123456749 --iban BE71096123456769 --bic GKCCBEBB \
              --contact-name Peeters --contact-first-name An --contact-phone 470000000"
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .as_str(),
        );
        for line in [
            old_line("1", "paid", 0),
            old_line("2", "uncollectable", 0),
            old_line("3", "refused", 0),
            old_line("4", "paid", IN_A_THOUSAND_YEARS_MS),
        ] {
            execute(&url, &line).await;
        }
        let lines = async || ask(&url, "SELECT CAST(COUNT(*) AS TEXT) FROM claim_line").await;
        let before = acts(&url, "organization/elp").await;
        assert!(done("billing purge").contains("elp: 2 lines would go."), "{kind}");
        assert_eq!((lines().await, acts(&url, "organization/elp").await), ("4".to_owned(), before.clone()), "{kind}");
        let told = done("billing purge --yes");
        assert!(told.contains("elp: 2 lines, 0 sendings, 0 answers, 0 people are removed."), "{kind}: {told}");
        assert_eq!(lines().await, "2", "{kind}");
        let after = acts(&url, "organization/elp").await;
        let last = after.strip_prefix(&before).unwrap_or_default().trim();
        assert!(
            last.starts_with("billing-purge Organization/elp before=") && last.ends_with("&lines=2"),
            "{kind}: {after}"
        );
    }
}
