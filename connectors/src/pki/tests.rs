//! Stores and messages exchanged with the `openssl` command, in both directions, and those that are refused.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::cms::{Content, Expected, Trust, decrypt, encrypt, sign, verify};
use super::*;

const DAY_MS: i64 = 86_400_000;
/// When the tests run: certificates that the command makes begin now.
#[expect(clippy::disallowed_methods, reason = "the command dates certificates by the system's clock")]
fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("a moment")
}

/// A directory in which the command works.
struct Desk(TempDir);

impl Desk {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).expect("there is room");
    }

    /// Runs the command; whether it went well, and what it printed.
    fn tries(&self, line: &str) -> (bool, Vec<u8>) {
        let made = Command::new("openssl").args(line.split_whitespace()).current_dir(self.0.path()).output();
        let made = made.expect("openssl is installed");
        (made.status.success(), [made.stdout, made.stderr].concat())
    }

    fn openssl(&self, line: &str) -> Vec<u8> {
        let (is_well, output) = self.tries(line);
        assert!(is_well, "openssl {line}: {}", String::from_utf8_lossy(&output));
        output
    }

    /// An issuer `ca`, one between, and what the latter issued: signers `anna` (EC) and `bert` (RSA), `tls` for servers only.
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().expect("a temporary directory"));
        for issuer in ["ca", "other"] {
            let new = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
            desk.openssl(&format!(
                "req -x509 {new} -days 30 -subj /CN={issuer} -keyout {issuer}.key -out {issuer}.pem"
            ));
        }
        desk.write("ca.ext", b"basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n");
        desk.write(
            "sign.ext",
            b"basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment,keyAgreement\n",
        );
        desk.write("tls.ext", b"basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n");
        desk.issue("between", "ca", "ca.ext", "ec -pkeyopt ec_paramgen_curve:P-256", 20);
        desk.issue("anna", "between", "sign.ext", "ec -pkeyopt ec_paramgen_curve:P-256", 10);
        desk.issue("bert", "between", "sign.ext", "rsa:2048", 10);
        desk.issue("tls", "between", "tls.ext", "ec -pkeyopt ec_paramgen_curve:P-256", 10);
        desk
    }

    fn issue(&self, name: &str, issuer: &str, extensions: &str, key: &str, days: u32) {
        self.openssl(&format!("req -new -newkey {key} -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA {issuer}.pem -CAkey {issuer}.key -CAcreateserial -days {days} \
             -extfile {extensions} -out {name}.pem"
        ));
    }

    fn certificate(&self, name: &str) -> Certificate {
        Certificate::from_pem(&self.read(&format!("{name}.pem"))).expect("a certificate")
    }

    fn identity(&self, name: &str) -> Identity {
        let certificates = [self.read(&format!("{name}.pem")), self.read("between.pem")].concat();
        Identity::from_pem(&self.read(&format!("{name}.key")), &certificates).expect("an identity")
    }

    fn trust(&self, name: &str) -> Trust {
        Trust::new(vec![self.certificate(name)])
    }
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

const OLD: &str = "-legacy -certpbe PBE-SHA1-RC2-40 -keypbe PBE-SHA1-3DES -macalg sha1";
const MIDDLE: &str = "-certpbe PBE-SHA1-3DES -keypbe PBE-SHA1-3DES -macalg sha1";
const MODERN: &str = "-certpbe AES-256-CBC -keypbe AES-256-CBC -macalg sha256";

#[test]
fn stores_of_the_command_are_opened_modern_and_old() {
    let desk = Desk::new();
    for (kind, how) in [("modern", MODERN), ("middle", MIDDLE), ("old", OLD)] {
        for name in ["anna", "bert"] {
            desk.openssl(&format!(
                "pkcs12 -export {how} -inkey {name}.key -in {name}.pem -certfile between.pem -name authentication \
                 -passout pass:geheim-{kind} -out {name}.p12"
            ));
            let store = desk.read(&format!("{name}.p12"));
            let identity = Identity::from_pkcs12(&store, &password(&format!("geheim-{kind}"))).expect(kind);
            assert_eq!(identity.alias(), Some("authentication"), "{kind}");
            let pem = |certificate: &Certificate| certificate.to_pem().expect("PEM");
            assert_eq!(pem(identity.certificate()), pem(&desk.certificate(name)), "{kind}");
            assert_eq!(identity.chain().iter().map(pem).collect::<Vec<_>>(), [pem(&desk.certificate("between"))]);
            assert_eq!(*identity.key_pem().expect("a key"), desk.read(&format!("{name}.key")), "{kind}");
            let wrong = Identity::from_pkcs12(&store, &password("geheim"));
            assert_eq!(wrong.err(), Some(PkiError::Password), "{kind}");
        }
    }
}

#[test]
fn a_store_that_is_written_here_is_opened_by_the_command_and_by_us() {
    let desk = Desk::new();
    let identity = desk.identity("anna");
    let store = identity.to_pkcs12("authentication", &password("geheim")).expect("a store");
    desk.write("ours.p12", &store);
    let shown = desk.openssl("pkcs12 -in ours.p12 -info -nodes -passin pass:geheim");
    let shown = String::from_utf8_lossy(&shown);
    for part in
        ["MAC: sha256", "AES-256-CBC", "friendlyName: authentication", "subject=CN = anna", "subject=CN = between"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!desk.tries("pkcs12 -in ours.p12 -nodes -passin pass:falsch").0);
    let again = Identity::from_pkcs12(&store, &password("geheim")).expect("opened");
    assert_eq!(again.key_pem(), identity.key_pem());
    assert_eq!(identity.to_pkcs12("x", &password("")).err(), Some(PkiError::Password), "a store without a password");
}

#[test]
fn a_store_that_is_not_whole_or_not_one_is_refused() {
    let desk = Desk::new();
    let store = desk.identity("anna").to_pkcs12("x", &password("geheim")).expect("a store");
    let opened = |bytes: &[u8], text: &str| Identity::from_pkcs12(bytes, &password(text)).map(|_| ()).err();
    assert_eq!(opened(&store, "geheim"), None);
    assert_eq!(opened(&[&store[..], b"\n"].concat(), "geheim"), Some(PkiError::NotWhole), "something follows it");
    assert_eq!(opened(&store[..store.len() - 1], "geheim"), Some(PkiError::NotWhole), "cut off");
    assert_eq!(opened(b"", "geheim"), Some(PkiError::NotWhole));
    assert_eq!(opened(&vec![0x30; STORE_BYTES_MAX + 1], "geheim"), Some(PkiError::TooLong(STORE_BYTES_MAX)));
    assert_eq!(opened(&store, "ge\0heim"), Some(PkiError::Password));
    assert!(matches!(opened(&[0x30, 0x03, 0x02, 0x01, 0x03], "geheim"), Some(PkiError::Unreadable(_))));
    let mut altered = store.clone();
    altered[store.len() / 2] ^= 1;
    assert!(opened(&altered, "geheim").is_some(), "altered");
    desk.openssl("pkcs12 -export -nokeys -in anna.pem -passout pass:geheim -out empty.p12");
    assert_eq!(opened(&desk.read("empty.p12"), "geheim"), Some(PkiError::NoKey));
    desk.openssl("pkcs12 -export -nocerts -inkey anna.key -passout pass:geheim -out bare.p12");
    assert_eq!(opened(&desk.read("bare.p12"), "geheim"), Some(PkiError::NoCertificate));
    desk.openssl("pkcs8 -topk8 -in anna.key -passout pass:geheim -out locked.key");
    let locked = Identity::from_pem(&desk.read("locked.key"), &desk.read("anna.pem"));
    assert!(matches!(locked, Err(PkiError::Unreadable(_))), "a key with a password, and nobody is asked for it");
    let crossed = Identity::from_pem(&desk.read("anna.key"), &desk.read("bert.pem"));
    assert_eq!(crossed.map(|_| ()).err(), Some(PkiError::NoCertificate), "another's certificate");
}

#[test]
fn neither_password_nor_key_shows_itself() {
    let desk = Desk::new();
    let identity = desk.identity("anna");
    let (secret, key) = (password("geheim"), identity.key_pem().expect("a key"));
    let key = String::from_utf8_lossy(&key).lines().nth(1).expect("a line of base64").to_owned();
    let store = identity.to_pkcs12("x", &secret).expect("a store");
    let error = Identity::from_pkcs12(&store, &password("onjuist")).expect_err("the wrong password");
    let shown = format!("{secret:?} {identity:?} {error:?} {error} {:?}", identity.certificate());
    for hidden in ["geheim", "onjuist", "anna", &key] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}

#[test]
fn the_end_of_a_certificate_is_told() {
    let desk = Desk::new();
    let validity = desk.certificate("anna").validity().expect("times");
    let now_ms = now_ms();
    assert!(validity.from_ms <= now_ms && now_ms < validity.until_ms, "{validity:?}");
    assert_eq!(validity.until_ms - validity.from_ms, 10 * DAY_MS);
    assert!(!validity.is_over(now_ms) && validity.is_over(now_ms + 11 * DAY_MS));
    assert!(!validity.ends_within(now_ms, 9) && validity.ends_within(now_ms, 10));
}

#[test]
fn what_is_signed_here_the_command_verifies_and_the_other_way_round() {
    let desk = Desk::new();
    let content = b"een bericht\nmet twee regels\n";
    desk.write("content", content);
    for name in ["anna", "bert"] {
        let identity = desk.identity(name);
        desk.write("attached.cms", &sign(&identity, content, false).expect("signed"));
        desk.write("detached.cms", &sign(&identity, content, true).expect("signed"));
        let out = "-CAfile ca.pem -binary -inform DER -out out";
        desk.openssl(&format!("cms -verify -in attached.cms {out}"));
        assert_eq!(desk.read("out"), content);
        desk.openssl(&format!("cms -verify -in detached.cms -content content {out}"));
        assert_eq!(desk.read("out"), content);

        let (trust, signer) = (desk.trust("ca"), desk.certificate(name));
        for (streamed, expected) in [("", Expected::AnyTrusted), ("-stream", Expected::Signer(&signer))] {
            let how =
                format!("-signer {name}.pem -inkey {name}.key -certfile between.pem -binary -outform DER {streamed}");
            desk.openssl(&format!("cms -sign -in content {how} -nodetach -out attached.cms"));
            desk.openssl(&format!("cms -sign -in content {how} -out detached.cms"));
            let (attached, detached) = (desk.read("attached.cms"), desk.read("detached.cms"));
            let read = verify(&attached, Content::Enveloped, &trust, expected, now_ms());
            assert_eq!(read.as_deref(), Ok(&content[..]), "{name}{streamed}");
            let read = verify(&detached, Content::Detached(content), &trust, expected, now_ms());
            assert_eq!(read.as_deref(), Ok(&content[..]), "{name}{streamed}");
        }
    }
}

#[test]
fn a_signature_by_somebody_else_or_over_something_else_is_refused() {
    let desk = Desk::new();
    let content = b"inhoud";
    let now_ms = now_ms();
    let signed = sign(&desk.identity("anna"), content, false).expect("signed");
    let detached = sign(&desk.identity("anna"), content, true).expect("signed");
    let (trust, anna, bert) = (desk.trust("ca"), desk.certificate("anna"), desk.certificate("bert"));
    let read = |message: &[u8], content: Content<'_>, trust: &Trust, expected: Expected<'_>, at_ms: i64| {
        verify(message, content, trust, expected, at_ms)
    };
    let enveloped = Content::Enveloped;
    assert!(read(&signed, enveloped, &trust, Expected::Signer(&anna), now_ms).is_ok());
    let is_signature = |result: Result<Vec<u8>, PkiError>| matches!(result, Err(PkiError::Signature(_)));
    let is_signer = |result: Result<Vec<u8>, PkiError>| matches!(result, Err(PkiError::Signer(_)));
    assert!(is_signature(read(&signed, enveloped, &trust, Expected::Signer(&bert), now_ms)), "another signer");
    assert!(is_signature(read(&detached, Content::Detached(b"inhoud."), &trust, Expected::AnyTrusted, now_ms)));
    assert!(is_signature(read(&detached, enveloped, &trust, Expected::AnyTrusted, now_ms)), "without its content");
    let start = signed.windows(content.len()).position(|part| part == content).expect("the content is in it");
    let mut altered = signed.clone();
    altered[start] ^= 1;
    assert!(is_signature(read(&altered, enveloped, &trust, Expected::AnyTrusted, now_ms)), "altered");

    assert!(is_signer(read(&signed, enveloped, &desk.trust("other"), Expected::AnyTrusted, now_ms)), "another issuer");
    assert!(is_signer(read(&signed, enveloped, &Trust::new(Vec::new()), Expected::Signer(&anna), now_ms)), "no trust");
    let ended = read(&signed, enveloped, &trust, Expected::Signer(&anna), now_ms + 11 * DAY_MS);
    assert_eq!(ended, Err(PkiError::Signer("certificate has expired".to_owned())));
    let early = read(&signed, enveloped, &trust, Expected::Signer(&anna), now_ms - 2 * DAY_MS);
    assert_eq!(early, Err(PkiError::Signer("certificate is not yet valid".to_owned())));
    let for_servers = sign(&desk.identity("tls"), content, false).expect("signed");
    assert!(is_signer(read(&for_servers, enveloped, &trust, Expected::AnyTrusted, now_ms)), "another purpose");
}

#[test]
fn a_message_that_is_not_whole_or_not_one_is_refused() {
    let desk = Desk::new();
    let trust = desk.trust("ca");
    let identity = desk.identity("bert");
    let signed = sign(&identity, b"inhoud", false).expect("signed");
    let sealed = encrypt(&[desk.certificate("bert")], b"inhoud").expect("encrypted");
    let verified = |bytes: &[u8]| verify(bytes, Content::Enveloped, &trust, Expected::AnyTrusted, now_ms()).err();
    let opened = |bytes: &[u8]| decrypt(&identity, bytes).err();
    for (message, read) in [(&signed, &verified as &dyn Fn(&[u8]) -> Option<PkiError>), (&sealed, &opened)] {
        assert_eq!(read(message), None);
        assert_eq!(read(&[&message[..], b"x"].concat()), Some(PkiError::NotWhole), "something follows it");
        assert_eq!(read(&message[..message.len() - 1]), Some(PkiError::NotWhole), "cut off");
        assert_eq!(read(&vec![0; MESSAGE_BYTES_MAX + 1]), Some(PkiError::TooLong(MESSAGE_BYTES_MAX)));
        assert!(matches!(read(&[0x30, 0]), Some(PkiError::Unreadable(_))));
    }
    assert!(verified(&sealed).is_some(), "an encrypted message is not a signed one");
    assert!(opened(&signed).is_some(), "a signed message is not an encrypted one");
    assert_eq!(
        sign(&identity, &vec![0; MESSAGE_BYTES_MAX + 1], true).err(),
        Some(PkiError::TooLong(MESSAGE_BYTES_MAX))
    );
}

#[test]
fn what_is_encrypted_for_several_each_of_them_reads_and_nobody_else() {
    let desk = Desk::new();
    let content: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let sealed = encrypt(&[desk.certificate("anna"), desk.certificate("bert")], &content).expect("encrypted");
    assert!(!sealed.windows(16).any(|part| part == &content[..16]), "the content is not in it");
    desk.write("ours.cms", &sealed);
    let shown = desk.openssl("cms -cmsout -print -noout -inform DER -in ours.cms");
    assert!(String::from_utf8_lossy(&shown).contains("aes-256-cbc"));
    desk.write("content", &content);
    desk.openssl("cms -encrypt -binary -aes-256-cbc -in content -outform DER -out theirs.cms anna.pem bert.pem");
    let theirs = desk.read("theirs.cms");
    for name in ["anna", "bert"] {
        desk.openssl(&format!("cms -decrypt -inform DER -in ours.cms -recip {name}.pem -inkey {name}.key -out out"));
        assert_eq!(desk.read("out"), content, "{name}");
        assert_eq!(decrypt(&desk.identity(name), &theirs).as_ref(), Ok(&content), "{name}");
    }
    assert!(decrypt(&desk.identity("tls"), &theirs).is_err(), "not for this one");
    assert_eq!(encrypt(&[], &content).err(), Some(PkiError::NoCertificate));
}

#[test]
fn old_algorithms_are_gone_once_a_store_is_read() {
    let desk = Desk::new();
    desk.openssl(&format!("pkcs12 -export {OLD} -inkey bert.key -in bert.pem -passout pass:geheim -out old.p12"));
    let store = desk.read("old.p12");
    desk.openssl("cms -encrypt -binary -rc2-40 -provider legacy -provider default -in bert.pem -outform DER -out rc2.cms bert.pem");
    let identity = Identity::from_pkcs12(&store, &password("geheim")).expect("opened");
    assert!(decrypt(&identity, &desk.read("rc2.cms")).is_err(), "a message in RC2 is not read");
}
