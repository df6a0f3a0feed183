//! Starts the change of one store, or its return.

use super::{Cause, Target};
use crate::command::PluginChoice;
use crate::engine::Catalog;
use crate::error::DomainError;
use crate::ids::BackupId;
use crate::revision::Revision;
use crate::store::State;
use crate::transition::request::{Request, retry};
use crate::transition::rollback::RollbackData;
use crate::transition::{Change, Snapshot, rollback, update};

/// A rollout restores no data: nobody accepted that some is lost.
const NO_DATA: RollbackData<'static> = RollbackData { source: None, loss_accepted: false, backup: None };

/// What happens to a store whose turn it is.
#[derive(Debug)]
pub enum Start {
    /// It changes.
    Change(Box<Change>),
    /// It has another operation: later.
    Busy(Cause),
    /// It is left as it is.
    Skip(Cause),
    /// No store can be changed at present.
    Stop(Cause),
}

/// Changes a store to the target. `backup` is the id of a backup that is made first if data is migrated.
pub fn start(
    snapshot: Snapshot,
    target: &Target,
    (catalog, backup): (&Catalog, Option<BackupId>),
    request: &Request<'_>,
) -> Start {
    let state = snapshot.store.state;
    if snapshot.operation.state.is_active() {
        return busy(&snapshot);
    }
    let is_ready = match target {
        Target::Update { .. } => state == State::Ready,
        // What is recorded may be what a store lacks.
        Target::Reapply => matches!(state, State::Ready | State::Degraded),
        Target::Unreadable => false,
    };
    if let Some(cause) = unavailable(target, catalog) {
        return Start::Stop(cause);
    }
    if !is_ready {
        return Start::Skip(Cause::new("STORE_NOT_READY", format!("The store is {}.", state.as_str())));
    }
    let before = snapshot.clone();
    if let Target::Update { values, .. } = target
        && values.needs_plugins_of(&before.store)
    {
        return Start::Skip(Cause::new("PLUGIN_MISSING", "The store has none of the plugins."));
    }
    let decided = match target {
        Target::Update { values, .. } => update::update(snapshot, None, values, (catalog, backup), request),
        Target::Reapply | Target::Unreadable => retry(snapshot, None, request),
    };
    match decided {
        Ok(change) if change.store == before.store && change.operation == before.operation => {
            Start::Skip(Cause::new("UNCHANGED", "The store has the target already."))
        }
        Ok(change) => Start::Change(Box::new(change)),
        Err(refusal @ DomainError::BackupsDisabled) => Start::Stop(cause_of(&refusal)),
        Err(refusal) => Start::Skip(cause_of(&refusal)),
    }
}

/// Why this server can change no store to the target. Servers of different releases may run at the same time.
fn unavailable(target: &Target, catalog: &Catalog) -> Option<Cause> {
    let Target::Update { values, .. } = target else { return None };
    if let Some(PluginChoice { name, version }) =
        values.plugin_versions.iter().find(|it| !catalog.offers_plugin((&it.name, &it.version)))
    {
        let message = format!("This control plane offers no version {version} of the plugin {name}.");
        return Some(Cause::new("VERSION_UNAVAILABLE", message));
    }
    let version = values.engine_version.as_deref().filter(|version| !version.is_empty())?;
    let mut all = catalog.engines().iter().flat_map(|engine| catalog.versions(&engine.name));
    if all.any(|engine| engine.versions.chart == version) {
        return None;
    }
    Some(Cause::new("VERSION_UNAVAILABLE", format!("This control plane has no version {version} of an engine.")))
}

/// Returns a store to the revision that it had before the rollout changed it, unless it has changed since.
pub fn roll_back(
    snapshot: Snapshot,
    (former, made): (Option<Revision>, Option<u32>),
    catalog: &Catalog,
    request: &Request<'_>,
) -> Start {
    if snapshot.operation.state.is_active() {
        return busy(&snapshot);
    }
    let current = snapshot.store.revision;
    match former {
        Some(former) if made == Some(current) => {
            match rollback::roll_back(snapshot, None, &former, NO_DATA, catalog, request) {
                Ok(change) => Start::Change(Box::new(change)),
                Err(refusal) => Start::Skip(cause_of(&refusal)),
            }
        }
        Some(_) => Start::Skip(Cause::new("CHANGED_SINCE", "The store was changed after the rollout changed it.")),
        None => {
            Start::Skip(Cause::new("NO_REVISION", "The change made no new revision, or the former one is not kept."))
        }
    }
}

fn busy(snapshot: &Snapshot) -> Start {
    let message = format!("The store has an active operation {}.", snapshot.operation.kind.as_str());
    Start::Busy(Cause::new("OPERATION_IN_PROGRESS", message))
}

/// A refusal as a cause.
pub fn cause_of(refusal: &DomainError) -> Cause {
    Cause::new(refusal.reason(), refusal.to_string())
}
