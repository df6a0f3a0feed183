//! Asks DNS servers, within limits. Nothing is cached: whoever waits for a record wants to see it as soon as it is there.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use tokio::sync::Semaphore;

/// Time limit of a lookup, waiting for its turn included.
const WITHIN: Duration = Duration::from_secs(5);
/// Time limit of one request, so that another server can be asked.
const REQUEST: Duration = Duration::from_secs(2);
/// Maximum number of simultaneous lookups.
const TOGETHER: usize = 16;
/// Texts of one name that are read at most.
const TEXTS_MAX: usize = 32;

/// A lookup has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// There is no such record.
    #[error("there is no such record")]
    Missing,
    /// No DNS server answered.
    #[error("{0}")]
    Failed(String),
}

/// Looks names up. Cheap to clone.
#[derive(Clone)]
pub struct Resolver {
    client: TokioResolver,
    turns: Arc<Semaphore>,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl Resolver {
    /// Asks these servers; without any, those of the system.
    pub fn new(servers: &[SocketAddr]) -> Result<Self, NetError> {
        let mut builder = if servers.is_empty() {
            TokioResolver::builder_tokio()?
        } else {
            let config = ResolverConfig::from_name_servers(servers.iter().map(server).collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        (options.timeout, options.attempts, options.cache_size) = (REQUEST, 1, 0);
        // What this machine calls a name says nothing about its owner.
        options.use_hosts_file = ResolveHosts::Never;
        Ok(Self { client: builder.build()?, turns: Arc::new(Semaphore::new(TOGETHER)) })
    }

    /// The texts of a name's TXT records.
    pub async fn texts(&self, name: &str) -> Result<Vec<String>, LookupError> {
        let found = self.in_time(self.client.txt_lookup(absolute(name))).await?;
        let texts = found.answers().iter().filter_map(|record| match &record.data {
            RData::TXT(text) => Some(text.txt_data.concat()),
            _ => None,
        });
        let texts: Vec<_> = texts.take(TEXTS_MAX).filter_map(|text| String::from_utf8(text).ok()).collect();
        if texts.is_empty() { Err(LookupError::Missing) } else { Ok(texts) }
    }

    /// The addresses of a name, wherever aliases lead.
    pub async fn addresses(&self, name: &str) -> Result<BTreeSet<IpAddr>, LookupError> {
        let found = self.in_time(self.client.lookup_ip(absolute(name))).await?;
        let found: BTreeSet<_> = found.iter().collect();
        if found.is_empty() { Err(LookupError::Missing) } else { Ok(found) }
    }

    async fn in_time<T>(&self, asking: impl Future<Output = Result<T, NetError>>) -> Result<T, LookupError> {
        let turn = async {
            let _turn = self.turns.acquire().await;
            asking.await
        };
        match tokio::time::timeout(WITHIN, turn).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) if error.is_no_records_found() => Err(LookupError::Missing),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a lookup failed");
                Err(LookupError::Failed("The DNS servers did not give a usable answer.".to_owned()))
            }
            Err(_) => Err(LookupError::Failed(format!("No DNS server answered within {} s.", WITHIN.as_secs()))),
        }
    }
}

/// Without the system's search domains.
fn absolute(name: &str) -> String {
    format!("{name}.")
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}
