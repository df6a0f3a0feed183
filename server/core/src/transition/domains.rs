//! Domains of a store: added, checked and removed. To which of them its shop answers is told by [`super::update::apply_domains`].

use serde_json::{Value, json};

use super::request::{Request, without_operation};
use super::{Change, Snapshot};
use crate::audit::{Action, AuditRecord, Changes};
use crate::engine::Catalog;
use crate::error::{DomainError, StoreDomainError};
use crate::event::{EventType, NewEvent};
use crate::host_name::HostName;
use crate::store::State;
use crate::store_domain::{News, StoreDomain};

/// Adds a domain to a store that is not being deleted, if its engine's shops can answer to domains.
pub fn add(
    snapshot: Snapshot,
    name: &HostName,
    catalog: &Catalog,
    request: &Request<'_>,
) -> Result<Change, DomainError> {
    let mut change = Change::of(snapshot);
    let (state, spec, versions) = (change.store.state, &change.store.spec, &change.store.versions);
    if matches!(state, State::Deleting | State::Deleted) {
        return Err(DomainError::NotUpdatable { state });
    }
    // Of a version that is no longer offered, the chart is kept, but not what it can.
    let installed = match catalog.installed(&spec.engine, versions) {
        None if versions.digest.is_empty() => catalog.installed_or_default(&spec.engine, versions),
        installed => installed,
    };
    if !installed.is_some_and(|engine| engine.domains) {
        let (engine, version) = (spec.engine.clone(), versions.chart.clone());
        return Err(StoreDomainError::Unsupported { engine, version }.into());
    }
    let actor = &request.caller.name;
    let message = format!("{actor} added the domain {name}; it is used once its owner has proved it");
    change
        .events
        .push(NewEvent::new(EventType::DomainAdded, message).with("domain", name.as_str()).with("actor", actor));
    account(&mut change, Action::CreateDomain, (Value::Null, json!({"domain": name})), request);
    Ok(change)
}

/// Requests the removal of a domain.
pub fn remove(snapshot: Snapshot, domain: &StoreDomain, request: &Request<'_>) -> Change {
    let mut change = Change::of(snapshot);
    account(&mut change, Action::DeleteDomain, (json!({"domain": domain.name}), json!({})), request);
    if domain.removing {
        return change;
    }
    let (name, actor) = (&domain.name, &request.caller.name);
    let message = if domain.is_verified() {
        format!(
            "{actor} requested the removal of the domain {name}; another store can have it once the shop no longer answers to it"
        )
    } else {
        format!("{actor} removed the domain {name}")
    };
    let event = NewEvent::new(EventType::DomainRemoved, message).with("domain", name.as_str()).with("actor", actor);
    change.events.push(event);
    change
}

/// A domain was not verified in time.
pub fn expired(snapshot: Snapshot, domain: &StoreDomain, actor: &str) -> Change {
    let mut change = Change::of(snapshot);
    let message = format!("The domain {} is removed: it was not verified within 7 days", domain.name);
    let event = NewEvent::new(EventType::DomainRemoved, message).with("domain", domain.name.as_str());
    change.events.push(event.with("actor", actor));
    change
}

/// A check of a domain has found this. `by` is the record of the caller who requested the check.
pub fn checked(
    snapshot: Snapshot,
    (before, after): (&StoreDomain, &StoreDomain),
    news: Vec<News>,
    by: Option<AuditRecord>,
) -> Change {
    let mut change = Change::of(snapshot);
    for News { aspect, state, reason, message } in news {
        let event = NewEvent::new(EventType::DomainChanged, message).with("domain", after.name.as_str());
        change.events.push(event.with("aspect", aspect).with("state", state).with("reason", reason));
    }
    let ownership =
        |domain: &StoreDomain| json!({"domain": domain.name, "ownership": domain.status.ownership.state.as_str()});
    change.audit = by.map(|record| AuditRecord {
        store: Some(change.store.uid),
        changes: Changes::between(ownership(before), ownership(after)),
        ..record
    });
    change
}

fn account(change: &mut Change, action: Action, (before, after): (Value, Value), request: &Request<'_>) {
    request.account(change, action);
    without_operation(change);
    change.audit = change.audit.take().map(|record| AuditRecord { changes: Changes::between(before, after), ..record });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::StoreUpdate;
    use crate::command::tests::catalog;
    use crate::engine::Engine;
    use crate::host_name::ServedDomains;
    use crate::operation::Step;
    use crate::revision::Revision;
    use crate::store::Settings;
    use crate::transition::fixtures::{NOW, caller, request, settled, types};
    use crate::transition::rollback::{RollbackData, roll_back};
    use crate::transition::update;

    fn without_domains() -> Catalog {
        let catalog = catalog();
        let engines = catalog.engines().iter().map(|engine| Engine { domains: false, ..engine.clone() });
        Catalog::with_versions(engines.collect(), Vec::new()).expect("engines")
    }

    fn names(names: &[&str]) -> Vec<HostName> {
        names.iter().map(|name| HostName::stored(*name)).collect()
    }

    /// A store that is READY and serves one domain.
    fn serving() -> Snapshot {
        let mut snapshot = settled(State::Ready, true);
        snapshot.store.spec.domains = ServedDomains { names: names(&["a.example.com"]), primary: None };
        snapshot
    }

    fn with_primary(snapshot: Snapshot, primary: &str) -> Result<Change, DomainError> {
        let primary_domain = Some(Some(HostName::stored(primary)));
        let wanted = StoreUpdate { primary_domain, ..StoreUpdate::default() };
        update::update(snapshot, None, &wanted, (&catalog(), None), &request(&caller()))
    }

    #[test]
    fn domain_is_added_in_every_state_of_a_store_that_stays() {
        let name = HostName::stored("a.example.com");
        for state in State::ALL {
            let before = settled(state, true);
            let added = add(before.clone(), &name, &catalog(), &request(&caller()));
            if matches!(state, State::Deleting | State::Deleted) {
                assert_eq!(added, Err(DomainError::NotUpdatable { state }));
                continue;
            }
            let change = added.expect("accepted");
            assert_eq!((types(&change), &change.store), (vec![EventType::DomainAdded], &before.store));
            let record = change.audit.expect("is audited");
            assert_eq!((record.action, record.operation), (Action::CreateDomain, None));
        }
        let refused = add(settled(State::Ready, true), &name, &without_domains(), &request(&caller()));
        assert_eq!(refused.map(drop).map_err(|error| error.reason()), Err("DOMAINS_UNSUPPORTED"));
    }

    #[test]
    fn shop_is_told_its_domains_by_an_update() {
        let apply = |snapshot, wanted: &[&str]| update::apply_domains(snapshot, names(wanted), &request(&caller()));
        assert_eq!(apply(serving(), &["a.example.com"]), Ok(None), "it serves them already");
        let change = apply(serving(), &["b.example.com", "a.example.com"]).expect("accepted").expect("a change");
        assert_eq!(change.store.spec.domains.names, names(&["a.example.com", "b.example.com"]));
        assert_eq!(change.operation.steps(), [Step::Upgrade, Step::Rollout, Step::Verify]);
        assert_eq!(change.audit.map(|record| record.action), Some(Action::ApplyDomains));
        let failed = settled(State::Failed, true);
        assert!(matches!(apply(failed, &["a.example.com"]), Err(DomainError::SettingsNotUpdatable { .. })));
    }

    #[test]
    fn primary_domain_is_one_that_the_shop_serves() {
        let change = with_primary(serving(), "a.example.com").expect("accepted");
        assert_eq!(change.store.shop_url().split_once("://").map(|(_, rest)| rest), Some("a.example.com/"));
        assert_ne!(change.store.etag(), serving().store.etag());
        let refused = with_primary(serving(), "b.example.com").expect_err("refused").to_string();
        assert!(refused.contains("store.primary_domain must be empty, or one of") && refused.contains("a.example.com"));
        assert!(with_primary(settled(State::Ready, true), "b.example.com").is_err());
    }

    #[test]
    fn rollback_keeps_the_present_domains() {
        let mut snapshot = serving();
        snapshot.store.revision = 3;
        let domains = ServedDomains { names: names(&["sold.example.com"]), primary: None };
        let settings = Settings { domains, ..snapshot.store.settings() };
        let former = Revision {
            number: 2,
            settings,
            values: json!({}),
            images: Vec::new(),
            chart_content: String::new(),
            image_digests: Vec::new(),
            operation: snapshot.operation.id,
            created_at: NOW,
        };
        let data = RollbackData { source: None, loss_accepted: false, backup: None };
        let back = |catalog: &Catalog| roll_back(snapshot.clone(), None, &former, data, catalog, &request(&caller()));
        let change = back(&catalog()).expect("accepted");
        assert_eq!(change.store.spec.domains.names, names(&["a.example.com"]));
        let refused = back(&without_domains());
        assert_eq!(refused.map(drop).map_err(|error| error.reason()), Err("DOMAINS_UNSUPPORTED"));
    }

    #[test]
    fn removal_of_a_proved_domain_is_requested_once() {
        let mut domain = StoreDomain::new(
            uuid::Uuid::nil(),
            serving().store.uid,
            HostName::stored("a.example.com"),
            "token".into(),
            NOW,
        );
        assert_eq!(types(&remove(serving(), &domain, &request(&caller()))), [EventType::DomainRemoved]);
        domain.removing = true;
        let again = remove(serving(), &domain, &request(&caller()));
        assert!(again.events.is_empty() && again.audit.is_some());
    }
}
