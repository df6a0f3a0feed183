//! TLS of the API: certificate, key and clients' authorities from files that are reloaded when they change.
//!
//! - This file: [`Tls`], which serves handshakes, and [`Reloader`], which polls the files.
//! - [`files`]: from the files to rustls' configuration.
//!
//! Polling also sees what notifications miss: Kubernetes replaces a mounted Secret by exchanging a symbolic link. Open
//! connections keep the certificate that they began with.

mod files;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use storeplane_core::ports::Clock;
use time::OffsetDateTime;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};
use tokio_util::sync::CancellationToken;

pub use self::files::TlsError;
use self::files::{Contents, Fingerprint};
use crate::config;

/// Between two reads of the files.
const POLL: Duration = Duration::from_secs(5);
/// A certificate that expires within this time is warned about, ...
const WARN_BEFORE: time::Duration = time::Duration::days(14);
/// ... this often.
const WARN_EVERY: Duration = Duration::from_hours(24);

/// What new connections use.
#[derive(Debug, Clone)]
struct Current {
    config: Arc<ServerConfig>,
    certificate: CertificateStatus,
}

/// The state of the certificate in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateStatus {
    /// When it expires.
    pub expires: OffsetDateTime,
    /// Newer files exist that cannot be used.
    pub rejected: bool,
}

/// Serves TLS with the current certificate. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tls(watch::Receiver<Current>);

/// Keeps a [`Tls`] current.
pub struct Reloader {
    files: config::Tls,
    clock: Arc<dyn Clock>,
    current: watch::Sender<Current>,
    applied: Fingerprint,
    /// What could not be used at the last poll, and whether that was logged.
    refused: Option<(Candidate, bool)>,
    warned: Option<Instant>,
}

/// The content of the files, or why they cannot be read.
type Candidate = Result<Fingerprint, String>;

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloader").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// If a file is missing or invalid, or the key is not the certificate's.
    pub fn load(files: &config::Tls, clock: Arc<dyn Clock>) -> Result<(Self, Reloader), TlsError> {
        let contents = Contents::read(files)?;
        let (config, expires) = contents.build(files)?;
        let certificate = CertificateStatus { expires, rejected: false };
        let (current, receiver) = watch::channel(Current { config: Arc::new(config), certificate });
        let mut reloader = Reloader {
            files: files.clone(),
            clock,
            current,
            applied: contents.fingerprint(),
            refused: None,
            warned: None,
        };
        tracing::info!(%expires, "TLS certificate loaded");
        reloader.warn_before_expiry();
        Ok((Self(receiver), reloader))
    }

    /// The handshake of a new connection.
    pub(super) fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Accept<S> {
        TlsAcceptor::from(Arc::clone(&self.0.borrow().config)).accept(stream)
    }

    /// The state of the certificate in use.
    pub fn certificate(&self) -> CertificateStatus {
        self.0.borrow().certificate.clone()
    }
}

/// A connection after its handshake.
pub(super) type Encrypted = TlsStream<TcpStream>;

impl Reloader {
    /// Polls until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let polling = async {
            loop {
                tokio::time::sleep(POLL).await;
                self.poll().await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = polling => {}
        }
    }

    /// Applies new files. Files that cannot be used change nothing; the reason is logged at the second poll that finds
    /// them, because the first may have met them half written.
    async fn poll(&mut self) {
        let files = self.files.clone();
        let read = tokio::task::spawn_blocking(move || Contents::read(&files)).await;
        // It does not panic, and is not cancelled while the runtime lives.
        let Ok(read) = read else { return };
        let candidate = read.as_ref().map(Contents::fingerprint).map_err(ToString::to_string);
        if candidate.as_ref() == Ok(&self.applied) {
            self.refused = None;
            self.set_rejected(false);
        } else {
            match read.and_then(|contents| contents.build(&self.files)) {
                Ok(new) => self.apply(new, &candidate),
                Err(error) => self.refuse(candidate, &error),
            }
        }
        self.warn_before_expiry();
    }

    fn apply(&mut self, (config, expires): (ServerConfig, OffsetDateTime), candidate: &Candidate) {
        let certificate = CertificateStatus { expires, rejected: false };
        self.current.send_replace(Current { config: Arc::new(config), certificate });
        if let Ok(fingerprint) = candidate {
            self.applied = *fingerprint;
        }
        (self.refused, self.warned) = (None, None);
        tracing::info!(%expires, "TLS certificate reloaded");
    }

    fn refuse(&mut self, candidate: Candidate, error: &TlsError) {
        match &mut self.refused {
            Some((known, logged)) if *known == candidate => {
                if !std::mem::replace(logged, true) {
                    tracing::error!(%error, "the new TLS certificate cannot be used; the previous one stays in use");
                    self.set_rejected(true);
                }
            }
            _ => self.refused = Some((candidate, false)),
        }
    }

    fn set_rejected(&self, rejected: bool) {
        self.current
            .send_if_modified(|current| std::mem::replace(&mut current.certificate.rejected, rejected) != rejected);
    }

    fn warn_before_expiry(&mut self) {
        let expires = self.current.borrow().certificate.expires;
        let left = expires - self.clock.now();
        if left >= WARN_BEFORE || self.warned.is_some_and(|warned| warned.elapsed() < WARN_EVERY) {
            return;
        }
        self.warned = Some(Instant::now());
        if left.is_negative() {
            tracing::error!(%expires, "the TLS certificate has expired; clients refuse it");
        } else {
            tracing::warn!(%expires, days = left.whole_days(), "the TLS certificate expires soon");
        }
    }
}
