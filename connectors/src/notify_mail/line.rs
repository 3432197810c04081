//! The line to a mail server, with an end to what it may say.
//!
//! Bytes are taken one by one, so nothing that came before the line was encrypted is left over here to be taken for an answer after it
//! (<https://nostarttls.secvuln.info>); that the library below keeps nothing over either is not shown by a test.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::{AsyncTokioStream, Certificate, TlsParameters};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::MailSettingsError;

/// All replies of a conversation take a tenth of it, and a handshake with a long chain of certificates half.
const READ_BYTES_MAX: usize = 32 * 1024;

/// A connection of which so much is read.
#[derive(Debug)]
pub(super) struct Line {
    stream: TcpStream,
    left: usize,
}

impl Line {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, left: READ_BYTES_MAX }
    }
}

/// Encryption towards a server of this name.
///
/// # Errors
/// The certificates cannot be read.
pub(super) fn tls(host: &str, trusted: Option<&[u8]>) -> Result<TlsParameters, MailSettingsError> {
    let mut parameters = TlsParameters::builder(host.to_owned());
    if let Some(pem) = trusted {
        // Nothing in it is read as no certificate at all, and not as an error.
        if !String::from_utf8_lossy(pem).contains("-----BEGIN CERTIFICATE-----") {
            return Err(MailSettingsError::Certificates);
        }
        let certificate = Certificate::from_pem(pem).map_err(|_| MailSettingsError::Certificates)?;
        parameters = parameters.add_root_certificate(certificate);
    }
    parameters.build_rustls().map_err(|_| MailSettingsError::Certificates)
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::Error::other("the mail server says too much")));
        }
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut self.stream).poll_read(context, &mut one) {
            Poll::Ready(Ok(())) => {
                self.left -= one.filled().len();
                buffer.put_slice(one.filled());
                Poll::Ready(Ok(()))
            }
            other => other,
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl AsyncTokioStream for Line {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}
