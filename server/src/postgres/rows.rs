//! Conversion between rows and domain values.

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::prelude::Json;
use sea_orm::{DbErr, QueryResult};
use serde::Deserialize as _;
use storeplane_core::audit::{AuditEvent, AuditRecord, Outcome};
use storeplane_core::backup_policy::{BackupPolicy, Interval};
use storeplane_core::condition::Condition;
use storeplane_core::failure::Failure;
use storeplane_core::ids::{BackupId, OperationId, StoreId, StoreUid, Tenant};
use storeplane_core::names::Placement;
use storeplane_core::operation::{Operation, OperationKind, OperationState, Restore, Step};
use storeplane_core::store::{CleanupPolicy, Environment, Source, Spec, State, Store, Versions};

use super::entity::{audit_event, operation, store};
use super::unreadable::Problems;

fn failure_json(failure: Option<&Failure>) -> Option<Json> {
    failure.and_then(|failure| serde_json::to_value(failure).ok())
}

pub(super) fn policy(policy: CleanupPolicy) -> &'static str {
    match policy {
        CleanupPolicy::Keep => "KEEP",
        CleanupPolicy::DeleteResources => "DELETE_RESOURCES",
    }
}

/// A store's backup policy from its columns.
pub(super) fn backup_policy(every: Option<Interval>, keep_days: Option<i32>, keep_weekly: Option<i32>) -> BackupPolicy {
    let number = |number: Option<i32>| number.and_then(|number| number.try_into().ok());
    BackupPolicy { every, keep_days: number(keep_days), keep_weekly: number(keep_weekly) }
}

/// The same of a row with these columns. What this server does not know is that of the plan.
pub(super) fn policy_columns(row: &QueryResult) -> Result<BackupPolicy, DbErr> {
    let every: Option<String> = row.try_get("", "backup_every")?;
    let every = every.and_then(|text| text.parse().ok());
    Ok(backup_policy(every, row.try_get("", "backup_keep_days")?, row.try_get("", "backup_keep_weekly")?))
}

/// A store from its row. Unknown values are reported, and the rest is shown.
pub(super) fn store(row: store::Model) -> Store {
    let mut problems = Problems::of("stores", row.uid);
    let state = problems.known("state", &row.state, State::parse(&row.state), State::Unreadable);
    let step = problems.optional("step", row.step.as_deref(), Step::parse);
    let known = [CleanupPolicy::Keep, CleanupPolicy::DeleteResources].into_iter();
    let known = known.into_iter().find(|known| policy(*known) == row.cleanup_policy);
    let cleanup_policy = problems.known("cleanup_policy", &row.cleanup_policy, known, CleanupPolicy::Keep);
    // The one that cannot reach customers.
    let environment = Environment::parse(&row.environment);
    let environment = problems.known("environment", &row.environment, environment, Environment::Staging);
    let source = source(&row);
    let every = problems.optional("backup_every", row.backup_every.as_deref(), |text| text.parse().ok());
    let (smtp, domains) = (problems.json("smtp", row.smtp), problems.json("domains", Some(row.domains)));
    let plugins = problems.json("plugins", Some(row.plugins));
    let backup_policy = backup_policy(every, row.backup_keep_days, row.backup_keep_weekly);
    let mut failure = problems.failure(row.failure);
    problems.report(&mut failure);
    Store {
        uid: StoreUid(row.uid),
        id: StoreId::stored(row.store_id),
        tenant: Tenant::stored(row.tenant),
        spec: Spec {
            display_name: row.display_name,
            engine: row.engine,
            plan: row.plan,
            admin_email: row.admin_email,
            cleanup_policy,
            deletion_protection: row.deletion_protection,
            environment,
            labels: serde_json::from_value(row.labels).unwrap_or_default(),
            domains: domains.unwrap_or_default(),
            backup_policy,
            smtp,
            plugins: plugins.unwrap_or_default(),
        },
        source,
        placement: Placement { namespace: row.namespace, release: row.release, host: row.host },
        state,
        state_changed_at: row.state_changed_at,
        conditions: conditions(&row.conditions),
        step,
        failure,
        versions: Versions {
            chart: row.chart_version,
            app: row.app_version,
            digest: row.chart_digest,
            schema: row.schema_version,
        },
        revision: row.revision.try_into().unwrap_or_default(),
        simulated: row.simulated,
        secure: row.secure,
        operation: OperationId(row.operation),
        last_sequence: row.last_sequence,
        created_at: row.created_at,
        ready_at: row.ready_at,
        updated_at: row.updated_at,
        deleted_at: row.deleted_at,
    }
}

/// Adds what an older server leaves out of the settings to which an update returns, because it does not know these fields of stores. It does
/// not change them either: they are the store's.
pub(super) fn complete_settings(update: Option<&mut Json>, fields: &[(&str, Option<&Json>)]) {
    let Some(before) = update.and_then(|update| update.get_mut("before")?.as_object_mut()) else { return };
    for (name, value) in fields {
        before.entry(*name).or_insert_with(|| value.cloned().unwrap_or_default());
    }
}

fn source(row: &store::Model) -> Option<Source> {
    Some(Source {
        store: StoreUid(row.source_store?),
        store_id: StoreId::stored(row.source_store_id.clone()?),
        backup: BackupId(row.source_backup?),
        restored: row.source_restored,
    })
}

fn conditions(stored: &Json) -> Vec<Condition> {
    let stored = stored.as_array().into_iter().flatten();
    stored.filter_map(|condition| Condition::deserialize(condition).ok()).collect()
}

/// All columns of a store except the fence, which only a claim changes.
pub(super) fn store_row(store: &Store) -> store::ActiveModel {
    store::ActiveModel {
        uid: Set(store.uid.0),
        store_id: Set(store.id.to_string()),
        tenant: Set(store.tenant.to_string()),
        display_name: Set(store.spec.display_name.clone()),
        engine: Set(store.spec.engine.clone()),
        plan: Set(store.spec.plan.clone()),
        admin_email: Set(store.spec.admin_email.clone()),
        cleanup_policy: Set(policy(store.spec.cleanup_policy).to_owned()),
        deletion_protection: Set(store.spec.deletion_protection),
        environment: Set(store.spec.environment.as_str().to_owned()),
        labels: Set(serde_json::json!(store.spec.labels)),
        domains: Set(serde_json::json!(store.spec.domains)),
        source_store: Set(store.source.as_ref().map(|source| source.store.0)),
        source_store_id: Set(store.source.as_ref().map(|source| source.store_id.to_string())),
        source_backup: Set(store.source.as_ref().map(|source| source.backup.0)),
        source_restored: Set(store.source.as_ref().is_some_and(|source| source.restored)),
        backup_every: Set(store.spec.backup_policy.every.map(|every| every.to_string())),
        backup_keep_days: Set(store.spec.backup_policy.keep_days.and_then(|days| days.try_into().ok())),
        backup_keep_weekly: Set(store.spec.backup_policy.keep_weekly.and_then(|weeks| weeks.try_into().ok())),
        smtp: Set(store.spec.smtp.as_ref().map(|smtp| serde_json::json!(smtp))),
        plugins: Set(serde_json::json!(store.spec.plugins)),
        namespace: Set(store.placement.namespace.clone()),
        release: Set(store.placement.release.clone()),
        host: Set(store.placement.host.clone()),
        // Unknown values are not overwritten.
        state: if store.state == State::Unreadable { NotSet } else { Set(store.state.as_str().to_owned()) },
        state_changed_at: Set(store.state_changed_at),
        conditions: Set(serde_json::json!(store.conditions)),
        step: Set(store.step.map(|step| step.as_str().to_owned())),
        failure: Set(failure_json(store.failure.as_ref())),
        chart_version: Set(store.versions.chart.clone()),
        app_version: Set(store.versions.app.clone()),
        chart_digest: Set(store.versions.digest.clone()),
        schema_version: Set(store.versions.schema.clone()),
        revision: Set(store.revision.cast_signed()),
        simulated: Set(store.simulated),
        secure: Set(store.secure),
        operation: Set(store.operation.0),
        last_sequence: Set(store.last_sequence),
        created_at: Set(store.created_at),
        ready_at: Set(store.ready_at),
        updated_at: Set(store.updated_at),
        deleted_at: Set(store.deleted_at),
        ..Default::default()
    }
}

/// An operation from its row, like [`store`].
pub(super) fn operation(row: operation::Model) -> Operation {
    let mut problems = Problems::of("operations", row.id);
    let kind = problems.known("kind", &row.kind, OperationKind::parse(&row.kind), OperationKind::Unreadable);
    let state = problems.known("state", &row.state, OperationState::parse(&row.state), OperationState::Unreadable);
    let step = problems.optional("step", row.step.as_deref(), Step::parse);
    let reached = problems.optional("reached", row.reached.as_deref(), Step::parse);
    let mut failure = problems.failure(row.failure);
    let prior = problems.json("prior", row.prior);
    let update = problems.json("settings_update", row.settings_update);
    problems.report(&mut failure);
    Operation {
        id: OperationId(row.id),
        store: StoreUid(row.store),
        store_id: StoreId::stored(row.store_id),
        tenant: Tenant::stored(row.tenant),
        kind,
        state,
        step,
        reached,
        force: row.force,
        restore: row.restores.map(|backup| Restore { backup: BackupId(backup), skips_backup: row.skips_backup }),
        update,
        prior,
        undoing: row.undoing,
        cancel_requested: row.cancel_requested,
        failure,
        claims: row.claims,
        requested_by: row.requested_by,
        trace: row.trace,
        created_at: row.created_at,
        started_at: row.started_at,
        ended_at: row.ended_at,
    }
}

/// All columns of an operation except fence and lease, which only the queue changes.
pub(super) fn operation_row(operation: &Operation) -> operation::ActiveModel {
    operation::ActiveModel {
        id: Set(operation.id.0),
        store: Set(operation.store.0),
        store_id: Set(operation.store_id.to_string()),
        tenant: Set(operation.tenant.to_string()),
        kind: if operation.kind == OperationKind::Unreadable {
            NotSet
        } else {
            Set(operation.kind.as_str().to_owned())
        },
        state: match operation.state {
            OperationState::Unreadable => NotSet,
            state => Set(state.as_str().to_owned()),
        },
        step: Set(operation.step.map(|step| step.as_str().to_owned())),
        reached: Set(operation.reached.map(|step| step.as_str().to_owned())),
        force: Set(operation.force),
        restores: Set(operation.restore.map(|restore| restore.backup.0)),
        skips_backup: Set(operation.restore.is_some_and(|restore| restore.skips_backup)),
        settings_update: Set(operation.update.as_ref().map(|update| serde_json::json!(update))),
        prior: Set(operation.prior.as_ref().map(|prior| serde_json::json!(prior))),
        undoing: Set(operation.undoing),
        cancel_requested: Set(operation.cancel_requested),
        failure: Set(failure_json(operation.failure.as_ref())),
        claims: Set(operation.claims),
        priority: Set(operation.kind.priority()),
        requested_by: Set(operation.requested_by.clone()),
        trace: Set(operation.trace.clone()),
        created_at: Set(operation.created_at),
        started_at: Set(operation.started_at),
        ended_at: Set(operation.ended_at),
        ..Default::default()
    }
}

/// An audit record's row.
pub(super) fn audit_row(record: AuditRecord) -> audit_event::ActiveModel {
    let (token, (kind, credential)) = (record.token().map(|id| id.0), record.credential_text());
    audit_event::ActiveModel {
        id: Set(record.id),
        at: Set(record.at),
        tenant: Set(record.tenant.into()),
        actor: Set(record.actor),
        token: Set(token),
        action: Set(record.action.as_str().to_owned()),
        target: Set(record.target),
        store: Set(record.store.map(|store| store.0)),
        operation: Set(record.operation.map(|operation| operation.0)),
        outcome: Set(record.outcome.as_str().to_owned()),
        reason: Set(record.reason),
        count: Set(record.count),
        last_at: Set(record.last_at),
        refused_in: Set(None),
        credential_kind: Set(kind.to_owned()),
        credential: Set(credential),
        request_id: Set(record.origin.request_id.clone()),
        peer: Set(record.origin.peer_text()),
        user_agent: Set(record.origin.user_agent.clone()),
        trace_id: Set(record.origin.trace_id.clone()),
        changes: Set(record.changes.to_json()),
        sequence: NotSet,
        hash: NotSet,
    }
}

/// An audit event from its row.
pub(super) fn audit_event(row: audit_event::Model) -> AuditEvent {
    let mut problems = Problems::of("audit_events", row.id);
    let outcome = problems.optional("outcome", Some(&row.outcome), Outcome::parse);
    problems.log();
    AuditEvent {
        id: row.id,
        at: row.at,
        actor: row.actor,
        action: row.action,
        target: row.target,
        store: row.store.map(StoreUid),
        operation: row.operation.map(OperationId),
        outcome,
        reason: row.reason,
        count: row.count,
        last_at: row.last_at,
        tenant: row.tenant,
        credential: (row.credential_kind, row.credential),
        request_id: row.request_id,
        peer: row.peer,
        user_agent: row.user_agent,
        trace_id: row.trace_id,
        changes: row.changes,
        sequence: row.sequence,
        hash: row.hash.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use storeplane_core::operation::Update;

    use super::*;

    #[test]
    fn update_of_an_older_server_returns_to_the_store_s_own_domains() {
        let settings = |more: Json| {
            let mut before = json!({"display_name": "Tea", "plan": "small", "admin_email": "a@example.com",
                "environment": "PRODUCTION", "versions": {"chart": "1.0.0", "app": "1"}});
            let (all, more) = (before.as_object_mut().expect("an object"), more.as_object().expect("an object"));
            all.extend(more.clone());
            json!({"before": before, "to_revision": null, "from_revision": 1})
        };
        let returns_to = |mut update: Json| {
            let domains = json!({"names": ["tea.example"], "primary": "tea.example"});
            complete_settings(Some(&mut update), &[("domains", Some(&domains)), ("smtp", None)]);
            let update: Update = serde_json::from_value(update).expect("an update");
            update.before.domains.names_text()
        };
        assert_eq!(returns_to(settings(json!({}))), "tea.example");
        assert_eq!(returns_to(settings(json!({"domains": {"names": []}, "smtp": null}))), "", "a newer one says so");
    }
}
