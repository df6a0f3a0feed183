//! Adopts a release whose store is missing in the database, for example after a restore of an older backup.

use time::OffsetDateTime;
use uuid::Uuid;

use super::health::Health;
use super::{Change, Snapshot};
use crate::audit::{Action, AuditRecord};
use crate::backup_policy::BackupPolicy;
use crate::event::{EventType, NewEvent};
use crate::ids::{OperationId, StoreId, StoreUid, Tenant};
use crate::labels::Labels;
use crate::names::Placement;
use crate::operation::{Operation, OperationKind, OperationState};
use crate::plugins::Plugins;
use crate::smtp::Smtp;
use crate::store::{CleanupPolicy, Environment, Spec, State, Store, Versions};

/// What the cluster records of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedStore {
    /// Its uid.
    pub uid: StoreUid,
    /// Its id.
    pub id: StoreId,
    /// Its tenant.
    pub tenant: Tenant,
    /// The name of the shop.
    pub display_name: String,
    /// The engine.
    pub engine: String,
    /// The plan.
    pub plan: String,
    /// Administrator's e-mail address.
    pub admin_email: String,
    /// What the shop is for.
    pub environment: Environment,
    /// The mail server, unless it is that of the engine's values.
    pub smtp: Option<Smtp>,
    /// Its plugins.
    pub plugins: Plugins,
    /// Where it is.
    pub placement: Placement,
    /// The installed versions.
    pub versions: Versions,
    /// Whether its URL begins with `https`.
    pub secure: bool,
    /// Whether the cluster is simulated.
    pub simulated: bool,
    /// When it was requested.
    pub created_at: OffsetDateTime,
    /// When it was installed.
    pub installed_at: OffsetDateTime,
    /// Its health now.
    pub health: Health,
}

/// The time, ids for new rows, and who adopts.
#[derive(Debug, Clone)]
pub struct Adoption<'a> {
    /// The actor.
    pub actor: &'a str,
    /// The time.
    pub now: OffsetDateTime,
    /// Id of the operation that stands for the lost ones.
    pub operation: OperationId,
    /// Id of the audit record.
    pub audit: Uuid,
}

/// The store as recorded, READY or DEGRADED. It counts as having been READY, so that no repair ever uninstalls it.
/// Its event sequence begins with an event that says so: earlier events are lost.
pub fn adopt(recorded: RecordedStore, adoption: &Adoption<'_>) -> Change {
    let store = recorded.store(adoption);
    let (namespace, release) = (&store.placement.namespace, &store.placement.release);
    let message =
        format!("Release {release} was adopted from the cluster; earlier events of store {} are lost", store.id);
    let adopted = NewEvent::new(EventType::Adopted, message).with("namespace", namespace).with("release", release);
    let entered = match &store.failure {
        None => NewEvent::state(store.state, format!("Store {} is ready", store.id)),
        Some(failure) => NewEvent::state(store.state, failure.message.clone()).because(failure),
    };
    let (operation, audit) = (adoption.operation(&store), adoption.record(&store));
    let mut change = Change::of(Snapshot { store, operation, backup: None });
    change.events = vec![adopted, entered];
    change.audit = Some(audit);
    change
}

impl RecordedStore {
    fn store(self, adoption: &Adoption<'_>) -> Store {
        let (state, failure) = match self.health {
            Health::Healthy => (State::Ready, None),
            Health::Unhealthy(failure) => (State::Degraded, Some(failure)),
        };
        Store {
            uid: self.uid,
            id: self.id,
            tenant: self.tenant,
            spec: Spec {
                display_name: self.display_name,
                engine: self.engine,
                plan: self.plan,
                admin_email: self.admin_email,
                cleanup_policy: CleanupPolicy::Keep,
                deletion_protection: false,
                environment: self.environment,
                domains: crate::host_name::ServedDomains::default(),
                labels: Labels::new(),
                backup_policy: BackupPolicy::default(),
                smtp: self.smtp.map(Box::new),
                plugins: self.plugins,
            },
            source: None,
            placement: self.placement,
            state,
            state_changed_at: adoption.now,
            conditions: Vec::new(),
            step: None,
            failure,
            versions: self.versions,
            revision: 0,
            simulated: self.simulated,
            secure: self.secure,
            operation: adoption.operation,
            last_sequence: 0,
            created_at: self.created_at,
            ready_at: Some(self.installed_at.max(self.created_at)),
            updated_at: adoption.now,
            deleted_at: None,
        }
    }
}

impl Adoption<'_> {
    /// Stands for the lost operations: every store has one.
    fn operation(&self, store: &Store) -> Operation {
        let kind = OperationKind::Create;
        Operation {
            id: self.operation,
            store: store.uid,
            store_id: store.id.clone(),
            tenant: store.tenant.clone(),
            kind,
            force: false,
            restore: None,
            update: None,
            prior: None,
            state: OperationState::Succeeded,
            step: None,
            reached: kind.steps().last().copied(),
            undoing: false,
            cancel_requested: false,
            failure: None,
            claims: 0,
            requested_by: self.actor.to_owned(),
            trace: None,
            created_at: self.now,
            started_at: Some(self.now),
            ended_at: Some(self.now),
        }
    }

    fn record(&self, store: &Store) -> AuditRecord {
        let (tenant, target) = (store.tenant.clone(), store.id.as_str());
        AuditRecord {
            store: Some(store.uid),
            operation: Some(self.operation),
            ..AuditRecord::new(self.audit, self.now, tenant, self.actor, Action::AdoptStore, target)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Failure, Reason};

    fn recorded(health: Health) -> RecordedStore {
        let (id, tenant): (StoreId, _) = ("tea".parse().expect("an id"), Tenant::default());
        RecordedStore {
            uid: StoreUid(Uuid::nil()),
            placement: Placement::new(&id, &tenant, "localhost"),
            id,
            tenant,
            display_name: "Tea".into(),
            engine: "woocommerce".into(),
            plan: "small".into(),
            admin_email: "a@b.co".into(),
            environment: Environment::Production,
            smtp: None,
            plugins: Plugins::new(),
            versions: Versions::default(),
            secure: false,
            simulated: false,
            created_at: OffsetDateTime::UNIX_EPOCH,
            installed_at: OffsetDateTime::UNIX_EPOCH - time::Duration::HOUR,
            health,
        }
    }

    #[test]
    fn adopted_store_has_the_state_of_the_cluster_and_was_ready() {
        let ids = (OperationId(Uuid::nil()), Uuid::nil());
        let now = OffsetDateTime::UNIX_EPOCH + time::Duration::DAY;
        let adoption = Adoption { actor: crate::audit::COMMAND_LINE, now, operation: ids.0, audit: ids.1 };
        let ill = Health::Unhealthy(Failure::new(Reason::CrashLoop, "It ends"));
        for (health, state) in [(Health::Healthy, State::Ready), (ill, State::Degraded)] {
            let Change { store, operation, events, audit, .. } = adopt(recorded(health), &adoption);
            assert_eq!((store.state, store.failure.is_some()), (state, state == State::Degraded));
            assert_eq!(store.ready_at, Some(store.created_at), "never before it was requested");
            assert!(!operation.state.is_active() && operation.id == store.operation);
            let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
            assert_eq!(kinds, [EventType::Adopted, EventType::StateChanged]);
            assert_eq!(events[1].details["state"], state.as_str());
            assert_eq!(audit.map(|record| record.action), Some(Action::AdoptStore));
        }
    }
}
