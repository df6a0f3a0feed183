//! Conversion between the domain and the messages of `storeplane.v1`, without decisions.

use prost_types::{FieldMask, Timestamp};
use storeplane_core::backup_policy::{BackupPolicy, BackupPolicyInput};
use storeplane_core::command::{PluginChoice, UpdateStoreInput};
use storeplane_core::condition::{Condition, ConditionStatus};
use storeplane_core::engine::{Catalog, Upgrade};
use storeplane_core::event::Event;
use storeplane_core::failure::Failure;
use storeplane_core::operation::{Operation, OperationKind, OperationState};
use storeplane_core::plugins::{Plugin, Plugins};
use storeplane_core::store::{CleanupPolicy, Environment, Source, State, Store, Versions};
use storeplane_proto::v1;
use time::{Duration, OffsetDateTime};

use super::smtp;

/// A timestamp message.
pub(super) fn timestamp(time: OffsetDateTime) -> Timestamp {
    // Less than 10^9, so that it fits.
    Timestamp { seconds: time.unix_timestamp(), nanos: time.nanosecond().cast_signed() }
}

/// A duration message.
pub(super) fn duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration { seconds: duration.whole_seconds(), nanos: duration.subsec_nanoseconds() }
}

/// A duration from a message, saturating if it is out of range.
pub(super) fn read_duration(duration: prost_types::Duration) -> Duration {
    Duration::seconds(duration.seconds).saturating_add(Duration::nanoseconds(duration.nanos.into()))
}

/// A state as the proto's enum.
pub(super) fn state(state: State) -> v1::StoreState {
    match state {
        State::Provisioning => v1::StoreState::Provisioning,
        State::Ready => v1::StoreState::Ready,
        State::Updating => v1::StoreState::Updating,
        State::Degraded => v1::StoreState::Degraded,
        State::Failed => v1::StoreState::Failed,
        State::Deleting => v1::StoreState::Deleting,
        State::Deleted => v1::StoreState::Deleted,
        State::Unreadable => v1::StoreState::Unspecified,
    }
}

/// A cleanup policy from the proto's enum; `None` if it is unknown.
pub(super) fn cleanup_policy(policy: i32) -> Option<CleanupPolicy> {
    match v1::CleanupPolicy::try_from(policy).ok()? {
        v1::CleanupPolicy::Unspecified | v1::CleanupPolicy::Keep => Some(CleanupPolicy::Keep),
        v1::CleanupPolicy::DeleteResources => Some(CleanupPolicy::DeleteResources),
    }
}

/// What a shop is for, from the proto's enum; `None` if the value is unspecified or unknown.
pub(super) fn environment(environment: i32) -> Option<Environment> {
    match v1::StoreEnvironment::try_from(environment).ok()? {
        v1::StoreEnvironment::Unspecified => None,
        v1::StoreEnvironment::Staging => Some(Environment::Staging),
        v1::StoreEnvironment::Production => Some(Environment::Production),
    }
}

/// The proto's enum for what a shop is for.
pub(super) fn environment_message(environment: Environment) -> v1::StoreEnvironment {
    match environment {
        Environment::Production => v1::StoreEnvironment::Production,
        Environment::Staging => v1::StoreEnvironment::Staging,
    }
}

/// A versions message.
pub(super) fn versions(versions: Versions) -> v1::StoreVersions {
    let Versions { chart, app, digest, schema } = versions;
    v1::StoreVersions { chart, app, chart_digest: digest, schema }
}

/// What a copy is for, from the proto's enum; `None` if the value is unknown.
pub(super) fn environment_of_copy(environment: i32) -> Option<Environment> {
    match v1::StoreEnvironment::try_from(environment).ok()? {
        v1::StoreEnvironment::Unspecified | v1::StoreEnvironment::Staging => Some(Environment::Staging),
        v1::StoreEnvironment::Production => Some(Environment::Production),
    }
}

fn reason(failure: Option<&Failure>) -> String {
    failure.map(|failure| failure.reason.as_str().to_owned()).unwrap_or_default()
}

fn message(failure: Option<&Failure>) -> String {
    failure.map(|failure| failure.message.clone()).unwrap_or_default()
}

/// A store message.
pub(super) fn store(catalog: &Catalog, store: Store) -> v1::Store {
    let failure = store.failure.as_ref();
    v1::Store {
        available_upgrade: available_upgrade(catalog, &store),
        engine_version: store.versions.chart.clone(),
        uid: store.uid.to_string(),
        tenant: store.tenant.to_string(),
        state: state(store.state).into(),
        step: store.step.map(|step| step.as_str().to_owned()).unwrap_or_default(),
        reason: reason(failure),
        message: message(failure),
        remedy: failure.map(|failure| failure.remedy().to_owned()).unwrap_or_default(),
        details: failure.map(|failure| failure.details.clone()).unwrap_or_default(),
        shop_url: store.shop_url(),
        admin_url: catalog.admin_url(&store),
        operation: store.operation.to_string(),
        etag: store.etag(),
        create_time: Some(timestamp(store.created_at)),
        ready_time: store.ready_at.map(timestamp),
        update_time: Some(timestamp(store.updated_at)),
        delete_time: store.deleted_at.map(timestamp),
        simulated: store.simulated,
        last_sequence: store.last_sequence,
        cleanup_policy: match store.spec.cleanup_policy {
            CleanupPolicy::Keep => v1::CleanupPolicy::Keep,
            CleanupPolicy::DeleteResources => v1::CleanupPolicy::DeleteResources,
        }
        .into(),
        store_id: store.id.into(),
        namespace: store.placement.namespace,
        host: store.placement.host,
        state_time: Some(timestamp(store.state_changed_at)),
        conditions: store.conditions.into_iter().map(condition).collect(),
        display_name: store.spec.display_name,
        engine: store.spec.engine,
        plan: store.spec.plan,
        admin_email: store.spec.admin_email,
        deletion_protection: store.spec.deletion_protection,
        environment: environment_message(store.spec.environment).into(),
        source: store.source.map(|Source { store, store_id, backup, .. }| v1::StoreSource {
            store_id: store_id.into(),
            store_uid: store.to_string(),
            backup_id: backup.to_string(),
        }),
        backup_policy: backup_policy(&store.spec.backup_policy),
        smtp: store.spec.smtp.map(|it| Box::new(smtp::message(*it))),
        plugins: plugins(store.spec.plugins),
        versions: Some(versions(store.versions)),
        labels: store.spec.labels.into_iter().collect(),
        primary_domain: store.spec.domains.primary_text().to_owned(),
        domains: store.spec.domains.names.iter().map(ToString::to_string).collect(),
        revision: store.revision.cast_signed(),
        update_preview: None,
    }
}

fn available_upgrade(catalog: &Catalog, store: &Store) -> Option<v1::AvailableUpgrade> {
    if matches!(store.state, State::Deleting | State::Deleted) {
        return None;
    }
    let Upgrade { to, security } = catalog.upgrade(&store.spec.engine, &store.versions)?;
    Some(v1::AvailableUpgrade {
        engine_version: to.versions.chart.clone(),
        app_version: to.versions.app.clone(),
        security_release: security,
        changes_schema: to.versions.schema != store.versions.schema,
    })
}

/// A backup policy message; none if everything is as for the plan.
pub(super) fn backup_policy(policy: &BackupPolicy) -> Option<v1::BackupPolicy> {
    let number = |number: Option<u32>| number.and_then(|number| number.try_into().ok()).unwrap_or_default();
    (*policy != BackupPolicy::default()).then(|| v1::BackupPolicy {
        every: policy.every.map(|every| every.to_string()).unwrap_or_default(),
        keep_days: number(policy.keep_days),
        keep_weekly: number(policy.keep_weekly),
    })
}

/// The new values of a store's fields, and the mask that names them.
pub(super) fn update_input(store: Option<v1::Store>, update_mask: Option<FieldMask>) -> UpdateStoreInput {
    let store = store.unwrap_or_default();
    UpdateStoreInput {
        update_mask: update_mask.unwrap_or_default().paths,
        display_name: store.display_name,
        admin_email: store.admin_email,
        plan: store.plan,
        engine_version: store.engine_version,
        environment: environment(store.environment),
        deletion_protection: store.deletion_protection,
        labels: store.labels.into_iter().collect(),
        backup_policy: backup_policy_input(store.backup_policy),
        primary_domain: store.primary_domain,
        smtp: store.smtp.map(|it| smtp::input(*it)),
        plugins: store.plugins.into_iter().map(plugin_choice).collect(),
        ..UpdateStoreInput::default()
    }
}

/// The messages of plugins.
pub(super) fn plugins(plugins: Plugins) -> Vec<v1::Plugin> {
    plugins.into_iter().map(|(name, Plugin { version, .. })| v1::Plugin { name, version }).collect()
}

/// A plugin that a caller wants.
pub(super) fn plugin_choice(v1::Plugin { name, version }: v1::Plugin) -> PluginChoice {
    PluginChoice { name, version }
}

/// A backup policy from a message.
pub(super) fn backup_policy_input(policy: Option<v1::BackupPolicy>) -> BackupPolicyInput {
    let v1::BackupPolicy { every, keep_days, keep_weekly } = policy.unwrap_or_default();
    BackupPolicyInput { every, keep_days, keep_weekly }
}

fn condition(condition: Condition) -> v1::Condition {
    v1::Condition {
        r#type: condition.kind.as_str().to_owned(),
        status: match condition.status {
            ConditionStatus::True => v1::ConditionStatus::True,
            ConditionStatus::False => v1::ConditionStatus::False,
            ConditionStatus::Unknown => v1::ConditionStatus::Unknown,
        }
        .into(),
        reason: condition.reason,
        message: condition.message,
        last_transition_time: Some(timestamp(condition.since)),
    }
}

/// An event message.
pub(super) fn event(event: &Event) -> v1::StoreEvent {
    v1::StoreEvent {
        store_id: event.store_id.to_string(),
        uid: event.store.to_string(),
        sequence: event.sequence,
        time: Some(timestamp(event.at)),
        r#type: event.kind.clone(),
        operation_id: event.operation.map(|id| id.to_string()).unwrap_or_default(),
        step: event.step.clone(),
        message: event.message.clone(),
        details: event.details.clone().into_iter().collect(),
    }
}

/// An operation message.
pub(super) fn operation(operation: Operation) -> v1::Operation {
    let failure = operation.failure.as_ref();
    v1::Operation {
        operation_id: operation.id.to_string(),
        store_uid: operation.store.to_string(),
        kind: match operation.kind {
            OperationKind::Create => v1::OperationKind::Create,
            OperationKind::Retry => v1::OperationKind::Retry,
            OperationKind::Delete => v1::OperationKind::Delete,
            OperationKind::RotateCredentials => v1::OperationKind::RotateCredentials,
            OperationKind::Backup => v1::OperationKind::Backup,
            OperationKind::Restore => v1::OperationKind::Restore,
            OperationKind::Copy => v1::OperationKind::Copy,
            OperationKind::Update => v1::OperationKind::Update,
            OperationKind::Rollback => v1::OperationKind::Rollback,
            OperationKind::Unreadable => v1::OperationKind::Unspecified,
        }
        .into(),
        state: match operation.state {
            OperationState::Pending => v1::OperationState::Pending,
            OperationState::Running => v1::OperationState::Running,
            OperationState::Succeeded => v1::OperationState::Succeeded,
            OperationState::Failed => v1::OperationState::Failed,
            OperationState::Cancelled => v1::OperationState::Cancelled,
            OperationState::Unreadable => v1::OperationState::Unspecified,
        }
        .into(),
        step: operation.step.map(|step| step.as_str().to_owned()).unwrap_or_default(),
        claims: operation.claims,
        reason: reason(failure),
        message: message(failure),
        cancel_requested: operation.cancel_requested,
        create_time: Some(timestamp(operation.created_at)),
        start_time: operation.started_at.map(timestamp),
        end_time: operation.ended_at.map(timestamp),
        store_id: operation.store_id.into(),
        requested_by: operation.requested_by,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_names_match_the_proto() {
        for each in State::ALL {
            assert_eq!(state(each).as_str_name(), format!("STORE_STATE_{}", each.as_str()));
        }
    }

    #[test]
    fn unknown_cleanup_policy_is_none() {
        assert_eq!(cleanup_policy(0), Some(CleanupPolicy::Keep));
        assert_eq!(cleanup_policy(2), Some(CleanupPolicy::DeleteResources));
        assert_eq!(cleanup_policy(7), None);
    }

    #[test]
    fn any_wire_duration_is_accepted() {
        let read = |seconds, nanos| read_duration(prost_types::Duration { seconds, nanos });
        assert_eq!(read(3600, 0), Duration::HOUR);
        assert_eq!(read(-1, -500_000_000), Duration::milliseconds(-1500));
        assert_eq!(read(i64::MAX, i32::MAX), Duration::MAX);
        assert_eq!(read(i64::MIN, i32::MIN), Duration::MIN);
        assert_eq!(duration(Duration::milliseconds(1500)), prost_types::Duration { seconds: 1, nanos: 500_000_000 });
    }

    #[test]
    fn times_before_epoch_have_positive_nanoseconds() {
        let time = OffsetDateTime::UNIX_EPOCH - Duration::milliseconds(1500);
        assert_eq!(timestamp(time), Timestamp { seconds: -2, nanos: 500_000_000 });
    }
}
