//! The server's certificate, and whose certificates of clients are taken: read from PEM files, and read again when they change.
//!
//! A certificate is replaced while connections go on; those that exist keep the one they began with. A file that cannot
//! be used is reported and the certificate in use stays.
//!
//! TLS 1.2 and 1.3 with the suites of rustls, all with forward secrecy. Renegotiation and compression do not exist in rustls.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{ClientCertificates, TlsFiles};

const CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// The certificate and key in use, for every new connection.
#[derive(Debug)]
pub struct TlsKeys {
    files: TlsFiles,
    current: RwLock<Loaded>,
}

#[derive(Clone, Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    stamp: Stamp,
}

/// What tells whether a file was replaced: when it was changed, its length and which file it is. A renewal that keeps old times is
/// seen by the others.
type Stamp = [Option<(SystemTime, u64, u64)>; 3];

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds no PEM of the expected kind.
    #[error("{}: {cause}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The key does not belong to the certificate, or rustls does not accept them.
    #[error("the certificate and its key cannot be used: {0}")]
    Pair(#[from] rustls::Error),
}

impl TlsKeys {
    /// Reads the files.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self { files: files.clone(), current: RwLock::new(load(files)?) })
    }

    /// What a new connection uses: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
    pub fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).config)
    }

    /// Reads the files again if they changed, or always if `forced`. Returns whether they were taken up.
    ///
    /// # Errors
    /// See [`TlsError`]; what is in use stays.
    pub fn reload(&self, forced: bool) -> Result<bool, TlsError> {
        let is_unchanged = self.current.read().unwrap_or_else(PoisonError::into_inner).stamp == stamp(&self.files);
        if is_unchanged && !forced {
            return Ok(false);
        }
        let loaded = load(&self.files)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(true)
    }

    /// Takes up changed files for ever: at SIGHUP at once, otherwise within half a minute.
    ///
    /// # Errors
    /// The operating system gives no signals.
    pub async fn watch(self: Arc<Self>) -> io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        loop {
            let forced = tokio::select! {
                _ = hangup.recv() => true,
                () = tokio::time::sleep(CHECK_INTERVAL) => false,
            };
            let keys = Arc::clone(&self);
            if let Err(error) = tokio::task::spawn_blocking(move || keys.take_up(forced)).await {
                tracing::error!(%error, "TLS certificate check failed");
            }
        }
    }

    /// Reads the files again and says what came of it. Files that stay broken are named at every check.
    fn take_up(&self, forced: bool) {
        match self.reload(forced) {
            Ok(true) => tracing::info!("TLS certificate taken up"),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "TLS certificate not taken up, the one in use stays"),
        }
    }
}

fn load(files: &TlsFiles) -> Result<Loaded, TlsError> {
    // The stamp is taken first: a change while we read is then seen at the next check.
    let stamp = stamp(files);
    let unusable = |file: &Path, error: &pem::Error| TlsError::File { file: file.to_owned(), cause: error.to_string() };
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(&files.certificate, &error))?;
    if chain.is_empty() {
        return Err(TlsError::File { file: files.certificate.clone(), cause: "holds no certificate".to_owned() });
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unusable(&files.key, &error))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match &files.clients {
        None => builder.with_no_client_auth(),
        Some(clients) => builder.with_client_cert_verifier(verifier(clients, provider)?),
    };
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // What is sent before the handshake ends can be sent again by whoever recorded it. It is off by default, too.
    config.max_early_data_size = 0;
    if files.clients.is_some() {
        // A session that is resumed shows the certificate of its beginning, unchecked: it may have ended since.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(Loaded { config: Arc::new(config), stamp })
}

/// Who issues the certificates of clients.
fn verifier(
    clients: &ClientCertificates,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let unusable = |cause: String| TlsError::File { file: clients.ca.clone(), cause };
    let mut roots = RootCertStore::empty();
    for issuer in CertificateDer::pem_file_iter(&clients.ca).map_err(|error| unusable(error.to_string()))? {
        roots.add(issuer.map_err(|error| unusable(error.to_string()))?)?;
    }
    if roots.is_empty() {
        return Err(unusable("holds no certificate".to_owned()));
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if clients.are_required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| unusable(error.to_string()))
}

fn stamp(files: &TlsFiles) -> Stamp {
    let changed = |file: &PathBuf| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
    };
    let of_clients = files.clients.as_ref().and_then(|clients| changed(&clients.ca));
    [changed(&files.certificate), changed(&files.key), of_clients]
}
