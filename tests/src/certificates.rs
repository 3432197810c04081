//! Certificates of made-up issuers, made by the `openssl` command in a directory of their own.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const NEW_KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/// Where certificates and keys lie.
#[derive(Debug)]
pub struct Certificates {
    directory: TempDir,
}

impl Default for Certificates {
    fn default() -> Self {
        let directory = tempfile::Builder::new().prefix("wellgate-certificates.").tempdir();
        Self { directory: directory.expect("a temporary directory can be made") }
    }
}

impl Certificates {
    /// The certificate of this name.
    pub fn certificate(&self, name: &str) -> PathBuf {
        self.file(name, "pem")
    }

    /// Its key.
    pub fn key(&self, name: &str) -> PathBuf {
        self.file(name, "key")
    }

    /// Key and certificate in one text.
    ///
    /// # Panics
    /// They were not made.
    pub fn identity(&self, name: &str) -> Vec<u8> {
        let read = |file: PathBuf| std::fs::read(file).expect("it was made");
        [read(self.key(name)), read(self.certificate(name))].concat()
    }

    /// An issuer of certificates.
    pub fn issuer(&self, name: &str) -> &Self {
        self.issuer_with_subject(name, name)
    }

    /// An issuer under whatever name, be it another's.
    pub fn issuer_with_subject(&self, name: &str, subject: &str) -> &Self {
        let key = self.key(name);
        self.openssl(
            &["req", "-x509", "-days", "2"],
            &[&NEW_KEY, &["-subj", &format!("/CN={subject}")]],
            &key,
            name,
            "pem",
        );
        self
    }

    /// A certificate of an issuer for one use, `clientAuth` or `serverAuth`, that ends after so many days.
    ///
    /// # Panics
    /// `openssl` does not make it.
    pub fn issued(&self, name: &str, issuer: &str, usage: &str, days: &str) -> &Self {
        let key = self.key(name);
        self.openssl(&["req"], &[&NEW_KEY, &["-subj", &format!("/CN={name}")]], &key, name, "csr");
        let extensions = self.file(name, "ext");
        let text =
            format!("basicConstraints=critical,CA:FALSE\nextendedKeyUsage={usage}\nsubjectAltName=DNS:localhost\n");
        std::fs::write(&extensions, text).expect("the directory is there");
        let text = |path: PathBuf| path.display().to_string();
        let (request, ca, ca_key) =
            (text(self.file(name, "csr")), text(self.certificate(issuer)), text(self.key(issuer)));
        let signed = ["-in", &request, "-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial", "-days", days];
        let extended = ["-extfile", &text(extensions)];
        self.openssl(&["x509", "-req"], &[&signed, &extended], &key, name, "pem");
        self
    }

    fn openssl(&self, command: &[&str], arguments: &[&[&str]], key: &Path, name: &str, kind: &str) {
        let mut openssl = Command::new("openssl");
        openssl.args(command).args(arguments.concat());
        if command[0] == "req" {
            openssl.arg("-keyout").arg(key);
        }
        let made = openssl.arg("-out").arg(self.file(name, kind)).output().expect("openssl is installed");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    fn file(&self, name: &str, kind: &str) -> PathBuf {
        self.directory.path().join(format!("{name}.{kind}"))
    }
}
