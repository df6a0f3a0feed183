//! Where the server listens: the API, with TLS or in plain text, the health probes, and the metrics.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tonic::transport::server::TcpIncoming;

use super::parts::StartError;
use crate::config::{Config, StorageKind};
use crate::http::connections::{self, Limits};
use crate::http::tls::{Reloader, Tls};
use crate::system::SystemClock;

/// TCP keepalive: idle time before the first probe.
const KEEPALIVE: Duration = Duration::from_mins(1);
/// Maximum number of connections to each of the ports for health probes and for metrics: both have few clients.
const PROBE_CONNECTIONS: usize = 64;
/// Maximum number of connections through which pods transfer backups: each has one or two.
const TRANSFER_CONNECTIONS: usize = 256;
/// Time limit of a part of a backup: 64 MiB over a slow network.
const TRANSFER_BODY: Duration = Duration::from_mins(15);

/// Bound ports, not served yet.
pub(super) struct Listeners {
    pub(super) api: TcpIncoming,
    pub(super) address: SocketAddr,
    pub(super) limits: Limits,
    pub(super) tls: Option<Tls>,
    /// Keeps `tls` current.
    pub(super) reloader: Option<Reloader>,
    pub(super) health: Option<TcpIncoming>,
    /// With the address that it is bound to.
    pub(super) metrics: Option<(TcpIncoming, SocketAddr)>,
    /// For transfers of backups.
    pub(super) backups: Option<TcpIncoming>,
}

impl Listeners {
    pub(super) fn bind(config: &Config) -> Result<Self, StartError> {
        check_plaintext(config)?;
        let (tls, reloader) = match &config.tls {
            Some(files) => {
                Tls::load(files, Arc::new(SystemClock)).map(|(tls, reloader)| (Some(tls), Some(reloader)))?
            }
            None => (None, None),
        };
        let (api, address) = bind(config.listen)?;
        let health = config.health_listen.map(bind).transpose()?.map(|(incoming, _)| incoming);
        let metrics = config.metrics.listen.map(bind).transpose()?;
        let backups = config.backups.volume.as_ref().filter(|_| config.backups.storage == StorageKind::Volume);
        let backups = backups.map(|volume| bind(volume.listen)).transpose()?.map(|(incoming, _)| incoming);
        Ok(Self { api, address, limits: limits(config), tls, reloader, health, metrics, backups })
    }
}

fn bind(address: SocketAddr) -> Result<(TcpIncoming, SocketAddr), StartError> {
    let failed = |source| StartError::Bind { address, source };
    let incoming = TcpIncoming::bind(address).map_err(failed)?.with_nodelay(Some(true)).with_keepalive(Some(KEEPALIVE));
    let address = incoming.local_addr().map_err(failed)?;
    Ok((incoming, address))
}

fn limits(config: &Config) -> Limits {
    Limits {
        connections: connections::affordable(config.connections.max),
        per_address: config.connections.max_per_address,
        first_request: Duration::from_secs(config.connections.first_request_seconds),
        request_body: Duration::from_secs(config.connections.request_body_seconds),
        unread_response: Duration::from_secs(config.connections.unread_response_seconds),
        max_age: Duration::from_secs(config.connections.max_age_seconds),
        max_age_grace: Duration::from_secs(config.connections.max_age_grace_seconds),
    }
}

/// The limits of the ports for health probes and metrics.
pub(super) fn probe_limits(api: Limits) -> Limits {
    Limits { connections: PROBE_CONNECTIONS, per_address: PROBE_CONNECTIONS, ..api }
}

/// The limits of the port for transfers of backups.
pub(super) fn transfer_limits(api: Limits) -> Limits {
    let connections = TRANSFER_CONNECTIONS.min(api.connections);
    Limits { connections, per_address: connections, request_body: TRANSFER_BODY, ..api }
}

/// Tokens and passwords never leave this machine unencrypted, unless the configuration says that something in front
/// of the server encrypts. A rule of `serve` only: other commands do not listen.
fn check_plaintext(config: &Config) -> Result<(), StartError> {
    let loopback = config.listen.ip().to_canonical().is_loopback();
    if loopback || config.tls.is_some() || config.insecure_plaintext {
        Ok(())
    } else {
        Err(StartError::Plaintext { address: config.listen })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    fn parse(file: &str) -> Config {
        Config::parse(file, &Overrides::default()).expect("a valid configuration")
    }

    #[test]
    fn plain_text_is_served_on_loopback_only_unless_a_proxy_encrypts() {
        let tls = "[tls]\ncertificate = 'a'\nkey = 'b'";
        for (file, allowed) in [
            (String::new(), true),
            ("listen = '127.0.0.1:80'".to_owned(), true),
            ("listen = '127.9.9.9:80'".to_owned(), true),
            ("listen = '[::1]:80'".to_owned(), true),
            ("listen = '[::ffff:127.0.0.1]:80'".to_owned(), true),
            ("listen = '0.0.0.0:80'".to_owned(), false),
            ("listen = '[::]:80'".to_owned(), false),
            ("listen = '192.0.2.1:80'".to_owned(), false),
            ("listen = '0.0.0.0:80'\ninsecure_plaintext = true".to_owned(), true),
            ("listen = '0.0.0.0:80'\ninsecure_plaintext = false".to_owned(), false),
            (format!("listen = '0.0.0.0:80'\n{tls}"), true),
        ] {
            let checked = check_plaintext(&parse(&file));
            assert_eq!(checked.is_ok(), allowed, "{file}");
            for remedy in ["tls.certificate", "STOREPLANE_TLS_CERTIFICATE", "--insecure-plaintext"] {
                assert!(checked.as_ref().err().is_none_or(|error| error.to_string().contains(remedy)), "{checked:?}");
            }
        }
    }
    #[tokio::test]
    async fn every_address_is_bound_before_anything_is_started() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let backups = "backups.storage = 'volume'\nbackups.volume.path = 'b'\nbackups.volume.url = 'http://b.test'\n";
        for key in ["listen", "health_listen", "metrics.listen", "backups.volume.listen"] {
            let free = match key {
                "listen" => String::new(),
                "backups.volume.listen" => format!("listen = '127.0.0.1:0'\n{backups}"),
                _ => "listen = '127.0.0.1:0'\n".to_owned(),
            };
            let error = Listeners::bind(&parse(&format!("{free}{key} = '{address}'"))).err();
            assert!(matches!(error, Some(StartError::Bind { address: of, .. }) if of == address), "{key}: {error:?}");
        }
    }
}
