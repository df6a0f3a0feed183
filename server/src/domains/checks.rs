//! Checks a domain: the record of its owner, where it points, and its certificate.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use storeplane_core::ports::{Clock, DomainChecks};
use storeplane_core::store::Store;
use storeplane_core::store_domain::{
    DnsState, Observation, OwnershipState, Seen, SeenCertificate, StoreDomain, secret_name, verification_record,
};

use super::resolver::{LookupError, Resolver};
use crate::kube::Cluster;

/// Addresses that are named in a message at most.
const NAMED: usize = 4;

/// Checks domains. Cheap to clone.
#[derive(Clone)]
pub struct Checks {
    /// Asks DNS servers.
    pub resolver: Resolver,
    /// Where domains must point; empty: at the store's own host name.
    pub targets: Vec<String>,
    /// The cluster with the certificates.
    pub cluster: Cluster,
    /// True if cert-manager is asked for certificates.
    pub issues: bool,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Checks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checks").field("targets", &self.targets).finish_non_exhaustive()
    }
}

#[async_trait]
impl DomainChecks for Checks {
    /// Where a name points is looked up only once it was proved: otherwise callers could look up names of this network.
    async fn check(&self, store: &Store, domain: &StoreDomain) -> Observation {
        let ownership = if domain.is_verified() { None } else { Some(self.ownership(domain).await) };
        let proved = ownership.as_ref().is_none_or(|seen| seen.state == OwnershipState::Verified);
        let serves = store.spec.domains.names.contains(&domain.name);
        Observation {
            dns: if proved { Some(self.dns(store, domain).await) } else { None },
            certificate: if proved && serves && store.secure { self.certificate(store, domain).await } else { None },
            ownership,
        }
    }
}

impl Checks {
    async fn ownership(&self, domain: &StoreDomain) -> Seen<OwnershipState> {
        let record = verification_record(&domain.name, &domain.token);
        let (state, reason, message) = match self.resolver.texts(&record.name).await {
            Ok(texts) if texts.contains(&record.value) => {
                (OwnershipState::Verified, "", format!("The owner of {} has proved it.", domain.name))
            }
            Ok(_) => {
                let message = format!("The TXT record {} has another value.", record.name);
                (OwnershipState::Failed, "TXT_MISMATCH", message)
            }
            Err(LookupError::Missing) => {
                let message = format!("The TXT record {} was not found yet.", record.name);
                (OwnershipState::Pending, "TXT_MISSING", message)
            }
            Err(LookupError::Failed(message)) => (OwnershipState::Pending, "DNS_LOOKUP_FAILED", message),
        };
        Seen { state, reason, message }
    }

    async fn dns(&self, store: &Store, domain: &StoreDomain) -> Seen<DnsState> {
        let seen = |state, reason, message| Seen { state, reason, message };
        let found = match self.resolver.addresses(domain.name.as_str()).await {
            Ok(found) => found,
            Err(LookupError::Missing) => {
                let message = format!("{} has no address records.", domain.name);
                return seen(DnsState::Missing, "DNS_MISSING", message);
            }
            Err(LookupError::Failed(message)) => return seen(DnsState::Unknown, "DNS_LOOKUP_FAILED", message),
        };
        match self.expected(&store.placement.host).await {
            Err(error) => {
                let message = format!("The addresses of this platform could not be looked up: {error}");
                seen(DnsState::Unknown, "DNS_LOOKUP_FAILED", message)
            }
            Ok(expected) if found.is_subset(&expected) => {
                let message = format!("{} points here: {}.", domain.name, listed(&found));
                seen(DnsState::PointsHere, "", message)
            }
            Ok(expected) => {
                let elsewhere = found.difference(&expected).copied().collect();
                let message = format!("{} points elsewhere: {}.", domain.name, public(elsewhere));
                seen(DnsState::Elsewhere, "DNS_ELSEWHERE", message)
            }
        }
    }

    /// Those addresses of a domain that are this platform's: the ones to which `host` resolves. Nothing else may be connected to, because a
    /// domain's owner could point it at any host of the platform's network.
    pub async fn own_addresses(&self, domain: &str, host: &str) -> Result<Vec<IpAddr>, LookupError> {
        let (found, expected) = tokio::try_join!(self.resolver.addresses(domain), async {
            let expected = self.expected(host).await;
            expected.map_err(|error| LookupError::Failed(error.to_string()))
        })?;
        Ok(found.intersection(&expected).copied().collect())
    }

    async fn expected(&self, host: &str) -> Result<BTreeSet<IpAddr>, LookupError> {
        let addresses: BTreeSet<_> = self.targets.iter().filter_map(|target| target.parse().ok()).collect();
        if !addresses.is_empty() {
            return Ok(addresses);
        }
        self.resolver.addresses(self.targets.first().map_or(host, String::as_str)).await
    }

    /// `None` if the cluster does not answer.
    async fn certificate(&self, store: &Store, domain: &StoreDomain) -> Option<SeenCertificate> {
        let (namespace, secret) = (&store.placement.namespace, secret_name(&domain.name));
        let name = domain.name.as_str();
        let read = self.cluster.certificate(namespace, (&secret, name), self.issues, self.clock.now());
        read.await.inspect_err(|error| tracing::debug!(%error, "a certificate could not be read")).ok()
    }
}

/// The addresses without those of private networks, about which a domain's owner is told nothing.
fn public(mut addresses: BTreeSet<IpAddr>) -> String {
    addresses.retain(|address| is_public(*address));
    if addresses.is_empty() { "at addresses that are not public".to_owned() } else { listed(&addresses) }
}

fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let is_shared = first == 100 && second & 0b1100_0000 == 64;
            let is_local = ip.is_private() || ip.is_loopback() || ip.is_link_local() || is_shared;
            !is_local && first != 0
        }
        IpAddr::V6(ip) => {
            let is_local = ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback();
            !is_local && !ip.is_unspecified()
        }
    }
}

fn listed(addresses: &BTreeSet<IpAddr>) -> String {
    let named: Vec<_> = addresses.iter().take(NAMED).map(ToString::to_string).collect();
    let more = if addresses.len() > NAMED { ", …" } else { "" };
    format!("{}{more}", named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_private_networks_are_not_told() {
        let told =
            |addresses: &[&str]| public(addresses.iter().map(|text| text.parse().expect("an address")).collect());
        let private = [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "::1",
            "fd00::1",
            "::ffff:10.0.0.1",
        ];
        assert_eq!(told(&private), "at addresses that are not public");
        assert_eq!(told(&["10.0.0.1", "198.51.100.1", "2001:db8::1"]), "198.51.100.1, 2001:db8::1");
    }
}
