//! Checks a domain: the record or file of its owner, where it points, and its certificate.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use storeplane_core::ports::{Clock, DomainChecks};
use storeplane_core::store::Store;
use storeplane_core::store_domain::{
    DnsState, Observation, OwnershipState, Seen, SeenCertificate, StoreDomain, secret_name, verification_file,
    verification_record,
};

use super::file_reader::FileReader;
use super::public::is_public;
use super::resolver::{LookupError, Resolver};
use crate::kube::Cluster;

/// The reason of what could not be looked up.
const LOOKUP_FAILED: &str = "DNS_LOOKUP_FAILED";
/// Addresses that are named in a message at most.
const NAMED: usize = 4;

/// Checks domains. Cheap to clone.
#[derive(Clone)]
pub struct Checks {
    /// Asks DNS servers.
    pub resolver: Resolver,
    /// Where domains must point; empty: at the store's own host name.
    pub targets: Vec<String>,
    /// Reads the files of owners; `None`: only records prove a domain.
    pub files: Option<FileReader>,
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
    /// Where a name points is told only once it was proved: otherwise callers could look up names of this network.
    async fn check(&self, store: &Store, domain: &StoreDomain) -> Observation {
        let ownership = if domain.is_verified() { None } else { Some(self.ownership(store, domain).await) };
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
    /// The file is looked for if the record does not prove it, unless no DNS server answers.
    async fn ownership(&self, store: &Store, domain: &StoreDomain) -> Seen<OwnershipState> {
        let seen = self.record(domain).await;
        let undecided = seen.state != OwnershipState::Verified && seen.reason != LOOKUP_FAILED;
        let Some(files) = self.files.as_ref().filter(|_| undecided) else { return seen };
        let file = verification_file(&domain.name, &domain.token);
        let found = match self.other_addresses(files, store, domain).await {
            Ok(addresses) => files.find(&file, &addresses).await,
            Err(why) => Err(why),
        };
        match found {
            Ok(()) => verified(domain),
            Err(why) => {
                let message = format!("{} The file {} was not found either: {why}.", seen.message, file.url);
                Seen { message, ..seen }
            }
        }
    }

    async fn record(&self, domain: &StoreDomain) -> Seen<OwnershipState> {
        let record = verification_record(&domain.name, &domain.token);
        let (state, reason, message) = match self.resolver.texts(&record.name).await {
            Ok(texts) if texts.contains(&record.value) => return verified(domain),
            Ok(_) => {
                let message = format!("The TXT record {} has another value.", record.name);
                (OwnershipState::Failed, "TXT_MISMATCH", message)
            }
            Err(LookupError::Missing) => {
                let message = format!("The TXT record {} was not found yet.", record.name);
                (OwnershipState::Pending, "TXT_MISSING", message)
            }
            Err(LookupError::Failed(message)) => (OwnershipState::Pending, LOOKUP_FAILED, message),
        };
        Seen { state, reason, message }
    }

    /// The addresses of its web server, without those of this platform: what answers there does not belong to whoever asks here.
    async fn other_addresses(
        &self,
        files: &FileReader,
        store: &Store,
        domain: &StoreDomain,
    ) -> Result<BTreeSet<IpAddr>, String> {
        let host = &store.placement.host;
        let (found, own) = tokio::join!(self.resolver.addresses(domain.name.as_str()), self.expected(host));
        let own = own.map_err(|_| "the addresses of this platform could not be looked up".to_owned())?;
        // The answer is the same for names that do not exist: what this network's DNS knows is told to nobody.
        let found = found.unwrap_or_default();
        let addresses: BTreeSet<_> =
            found.difference(&own).copied().filter(|address| files.reaches(*address)).collect();
        if addresses.is_empty() {
            return Err("the domain points to no public web server other than this platform".to_owned());
        }
        Ok(addresses)
    }

    async fn dns(&self, store: &Store, domain: &StoreDomain) -> Seen<DnsState> {
        let seen = |state, reason, message| Seen { state, reason, message };
        let found = match self.resolver.addresses(domain.name.as_str()).await {
            Ok(found) => found,
            Err(LookupError::Missing) => {
                let message = format!("{} has no address records.", domain.name);
                return seen(DnsState::Missing, "DNS_MISSING", message);
            }
            Err(LookupError::Failed(message)) => return seen(DnsState::Unknown, LOOKUP_FAILED, message),
        };
        match self.expected(&store.placement.host).await {
            Err(error) => {
                let message = format!("The addresses of this platform could not be looked up: {error}");
                seen(DnsState::Unknown, LOOKUP_FAILED, message)
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

fn verified(domain: &StoreDomain) -> Seen<OwnershipState> {
    let message = format!("The owner of {} has proved it.", domain.name);
    Seen { state: OwnershipState::Verified, reason: "", message }
}

/// The addresses without those of private networks, about which a domain's owner is told nothing.
fn public(mut addresses: BTreeSet<IpAddr>) -> String {
    addresses.retain(|address| is_public(*address));
    if addresses.is_empty() { "at addresses that are not public".to_owned() } else { listed(&addresses) }
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
        assert_eq!(told(&["10.0.0.1", "::1"]), "at addresses that are not public");
        assert_eq!(told(&["10.0.0.1", "198.51.100.1", "2001:db8::1"]), "198.51.100.1, 2001:db8::1");
    }
}
