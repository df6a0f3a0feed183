//! No domains: they are tested with Postgres.

use uuid::Uuid;

use super::*;
use crate::ports::{DomainChecks, Domains, NewDomain};
use crate::store_domain::command::{DomainCommand, DomainInput};
use crate::store_domain::{Observation, StoreDomain};
use crate::transition::request::Request;

fn missing(command: &DomainCommand) -> PortError {
    DomainError::NotFound { kind: "domain", name: command.name.to_string() }.into()
}

#[async_trait::async_trait]
impl Domains for Memory {
    async fn add(
        &self,
        access: &Access,
        command: &DomainCommand,
        new: NewDomain,
        decide: &Decision<'_>,
    ) -> Result<(Store, StoreDomain), PortError> {
        let applied = Stores::change(self, access, &Target::Store(command.store.clone()), None, decide).await?;
        let NewDomain { id, token, .. } = new;
        let domain = StoreDomain::new(id, applied.store.uid, command.name.clone(), token, applied.store.created_at);
        Ok((applied.store, domain))
    }

    async fn find(&self, _: &Access, command: &DomainCommand) -> Result<(Store, StoreDomain), PortError> {
        Err(missing(command))
    }

    async fn list(&self, _: &Access, store: &StoreRef) -> Result<(Store, Vec<StoreDomain>), PortError> {
        let found = lock(&self.stores).iter().find(|known| known.store.id == store.id).cloned();
        Ok((found.expect("a store").store, Vec::new()))
    }

    async fn observe(&self, _: Uuid, _: Observation, _: Option<AuditRecord>) -> Result<Option<StoreDomain>, PortError> {
        Ok(None)
    }

    async fn remove(
        &self,
        _: &Access,
        command: &DomainCommand,
        _: &Request<'_>,
    ) -> Result<(Store, StoreDomain), PortError> {
        Err(missing(command))
    }
}

#[async_trait::async_trait]
impl DomainChecks for Memory {
    async fn check(&self, _: &Store, _: &StoreDomain) -> Observation {
        Observation::default()
    }
}

#[test]
fn requests_for_domains_are_audited_with_their_reason() {
    let memory = Arc::new(Memory::default());
    create(&memory, "demo").expect("created");
    let input = |domain: &str| DomainInput { store_id: "demo".into(), domain: domain.into(), ..DomainInput::default() };
    let service = service(&memory);
    let (store, added) = now(service.create_domain(&caller(), &input("shop.example.com"), false)).expect("added");
    assert!(!added.token.is_empty());
    let records = service.address_records(&store, &added.name);
    assert_eq!((records[0].kind, records[0].value.as_str()), ("CNAME", store.placement.host.as_str()));
    let rules = DomainRules { targets: vec!["192.0.2.7".into(), "2001:db8::7".into()], ..DomainRules::default() };
    let kinds = service.clone().with_domain_rules(rules).address_records(&store, &added.name);
    assert_eq!(kinds.iter().map(|record| record.kind).collect::<Vec<_>>(), ["A", "AAAA"]);
    now(service.create_domain(&caller(), &input("127.0.0.1"), false)).expect_err("no name");
    now(service.verify_domain(&caller(), &input("shop.example.com"))).expect_err("missing");
    now(service.delete_domain(&caller(), &input("shop.example.com"))).expect_err("missing");
    let expected = [
        "CREATE_DOMAIN ACCEPTED",
        "CREATE_DOMAIN REJECTED INVALID_REQUEST",
        "VERIFY_DOMAIN REJECTED DOMAIN_NOT_FOUND",
        "DELETE_DOMAIN REJECTED DOMAIN_NOT_FOUND",
    ];
    assert_eq!(audit(&memory).split_off(1), expected);
}
