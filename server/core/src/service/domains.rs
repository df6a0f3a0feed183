//! Domains of stores.

use std::net::IpAddr;

use super::Service;
use crate::audit::Action;
use crate::command::StoreRef;
use crate::error::{DomainError, PortError, StoreDomainError};
use crate::host_name::HostName;
use crate::identity::Caller;
use crate::ports::NewDomain;
use crate::store::Store;
use crate::store_domain::command::DomainInput;
use crate::store_domain::{DnsRecord, StoreDomain, TOKEN_LENGTH, VerificationFile, verification_file};
use crate::transition::domains;

/// Domains of a store unless configured.
pub const DOMAINS_MAX: u32 = 20;

/// What the service needs to know about domains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainRules {
    /// Where domains must point: addresses, or one host name. Empty: at the store's own host name.
    pub targets: Vec<String>,
    /// Maximum number of domains of a store.
    pub max_per_store: u32,
    /// Verification files are read, so that a file proves a domain too.
    pub verification_files: bool,
}

impl Default for DomainRules {
    fn default() -> Self {
        Self { targets: Vec::new(), max_per_store: DOMAINS_MAX, verification_files: false }
    }
}

impl Service {
    /// Adds a domain to a store. With `validate_only`, nothing changes, and the domain has no token.
    pub async fn create_domain(
        &self,
        caller: &Caller,
        input: &DomainInput,
        validate_only: bool,
    ) -> Result<(Store, StoreDomain), PortError> {
        let result = self.try_create_domain(caller, input, validate_only).await;
        if validate_only { result } else { self.audited(caller, Action::CreateDomain, &input.store_id, result).await }
    }

    async fn try_create_domain(
        &self,
        caller: &Caller,
        input: &DomainInput,
        validate_only: bool,
    ) -> Result<(Store, StoreDomain), PortError> {
        let command = input.check_new(&self.domain)?;
        let (request, catalog, max) = (self.request(caller, None), &self.catalog, self.domain_rules.max_per_store);
        let decide = |snapshot| domains::add(snapshot, &command.name, catalog, &request);
        if validate_only {
            let store = decide(self.snapshot(caller, &command.store).await?)?.store;
            let (_, present) = self.domains.list(&caller.access, &command.store).await?;
            check_new(&present, &command.name, max)?;
            let new = StoreDomain::new(self.ids.uuid(), store.uid, command.name, String::new(), request.now);
            return Ok((store, new));
        }
        let new = NewDomain { id: self.ids.uuid(), token: self.ids.random_text(TOKEN_LENGTH), max };
        self.domains.add(&caller.access, &command, new, &decide).await
    }

    /// A domain of a store.
    pub async fn domain(&self, caller: &Caller, input: &DomainInput) -> Result<(Store, StoreDomain), PortError> {
        self.domains.find(&caller.access, &input.check("GetDomain")?).await
    }

    /// The domains of a store, by name.
    pub async fn domains(&self, caller: &Caller, store: &StoreRef) -> Result<(Store, Vec<StoreDomain>), PortError> {
        self.domains.list(&caller.access, store).await
    }

    /// Checks a domain now.
    pub async fn verify_domain(&self, caller: &Caller, input: &DomainInput) -> Result<(Store, StoreDomain), PortError> {
        let result = async {
            let (store, domain) = self.domains.find(&caller.access, &input.check("VerifyDomain")?).await?;
            let record = self.request(caller, None).record(Action::VerifyDomain, store.id.as_str());
            let observation = self.domain_checks.check(&store, &domain).await;
            let missing = || DomainError::NotFound { kind: "domain", name: domain.name.to_string() };
            let checked = self.domains.observe(domain.id, observation, Some(record)).await?;
            Ok((store, checked.ok_or_else(missing)?))
        };
        self.audited(caller, Action::VerifyDomain, &input.store_id, result.await).await
    }

    /// Removes a domain, at once if its owner has not proved it, otherwise as soon as the shop no longer answers to it.
    pub async fn delete_domain(&self, caller: &Caller, input: &DomainInput) -> Result<(Store, StoreDomain), PortError> {
        let result = async {
            let command = input.check("DeleteDomain")?;
            self.domains.remove(&caller.access, &command, &self.request(caller, None)).await
        };
        self.audited(caller, Action::DeleteDomain, &input.store_id, result.await).await
    }

    /// The file with which the owner of a domain can prove it; `None` if no files are read.
    pub fn verification_file(&self, domain: &StoreDomain) -> Option<VerificationFile> {
        self.domain_rules.verification_files.then(|| verification_file(&domain.name, &domain.token))
    }

    /// The address records with which customers of a domain reach the shop.
    pub fn address_records(&self, store: &Store, name: &HostName) -> Vec<DnsRecord> {
        let targets = &self.domain_rules.targets;
        let own = [store.placement.host.clone()];
        let targets = if targets.is_empty() { &own[..] } else { targets };
        let record = |target: &String| DnsRecord {
            kind: match target.parse() {
                Ok(IpAddr::V4(_)) => "A",
                Ok(IpAddr::V6(_)) => "AAAA",
                Err(_) => "CNAME",
            },
            name: name.to_string(),
            value: target.clone(),
        };
        targets.iter().map(record).collect()
    }
}

/// Returns an error if a store that has these domains cannot have one more with this name.
pub fn check_new(present: &[StoreDomain], name: &HostName, max: u32) -> Result<(), DomainError> {
    if present.iter().any(|domain| domain.name == *name) {
        return Err(StoreDomainError::AlreadyExists { name: name.to_string() }.into());
    }
    if present.len() >= usize::try_from(max).unwrap_or(usize::MAX) {
        return Err(StoreDomainError::LimitExceeded { max }.into());
    }
    Ok(())
}
