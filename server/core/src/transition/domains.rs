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
    // The store's own version may no longer be offered; its chart is kept.
    if catalog.installed_or_default(&spec.engine, versions).is_some_and(|engine| !engine.domains) {
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
    let message = match domain.is_verified() {
        true => format!(
            "{actor} requested the removal of the domain {name}; another store can have it once the shop no longer answers to it"
        ),
        false => format!("{actor} removed the domain {name}"),
    };
    let event = NewEvent::new(EventType::DomainRemoved, message).with("domain", name.as_str()).with("actor", actor);
    change.events.push(event);
    change
}

/// A domain was not verified in time.
pub fn expired(snapshot: Snapshot, domain: &StoreDomain, actor: &str) -> Change {
    let mut change = Change::of(snapshot);
    let message = format!("The domain {} is removed: nobody has proved to own it within 7 days", domain.name);
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
