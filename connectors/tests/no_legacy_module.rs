//! A machine without OpenSSL's module of old algorithms; in a program of its own, for the search path is the process's.

use std::process::Command;

use connectors::pki::{Identity, Password, PkiError};

#[test]
fn an_old_store_says_what_is_missing_and_a_modern_one_is_opened() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let openssl = |line: &str| {
        let made = Command::new("openssl").args(line.split_whitespace()).current_dir(directory.path()).output();
        let made = made.expect("openssl is installed");
        assert!(made.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&made.stderr));
    };
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=a -keyout a.key -out a.pem",
    );
    let export = "pkcs12 -export -inkey a.key -in a.pem -passout pass:geheim";
    openssl(&format!("{export} -legacy -certpbe PBE-SHA1-RC2-40 -macalg sha1 -out old.p12"));
    openssl(&format!("{export} -out modern.p12"));
    openssl::provider::Provider::set_default_search_path(None, "nowhere").expect("a path");
    let opened = |name: &str| {
        let store = std::fs::read(directory.path().join(name)).expect("it was made");
        Identity::from_pkcs12(&store, &Password::new("geheim".to_owned()))
    };
    assert!(opened("modern.p12").is_ok());
    let error = opened("old.p12").expect_err("the module is not found");
    assert_eq!(error, PkiError::LegacyMissing);
    assert!(error.to_string().contains("legacy.so"), "{error}");
}
