//! A store: its spec, placement and state, and the transitions between states.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::condition::Condition;
use crate::error::DomainError;
use crate::failure::Failure;
use crate::ids::{OperationId, StoreId, StoreUid, Tenant};
use crate::names::Placement;
use crate::operation::Step;
use crate::wire::wire_enum;

/// The requested properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The shop's name as customers see it.
    pub display_name: String,
    /// The kind of shop: a name in the [`crate::engine::Catalog`].
    pub engine: String,
    /// The size: a plan of the engine.
    pub plan: String,
    /// Administrator's e-mail address.
    pub admin_email: String,
    /// What happens to the resources if the creation fails.
    pub cleanup_policy: CleanupPolicy,
}

/// What happens to a store's resources if its creation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CleanupPolicy {
    /// They are kept for debugging and retry.
    #[default]
    Keep,
    /// Release and namespace are removed.
    DeleteResources,
}

wire_enum! {
    /// The state of a store.
    pub enum State {
        /// Being created, or its chart applied again.
        Provisioning = "PROVISIONING",
        /// Everything that was requested exists and is ready.
        Ready = "READY",
        /// Being changed.
        Updating = "UPDATING",
        /// Was READY, and something is wrong now.
        Degraded = "DEGRADED",
        /// Its creation or deletion failed.
        Failed = "FAILED",
        /// Being removed.
        Deleting = "DELETING",
        /// Removed from the cluster.
        Deleted = "DELETED",
        ;
        /// A row has a state that this server does not know; only reading creates it. Such a store can only be
        /// deleted.
        Unreadable = "UNREADABLE",
    }
}

impl State {
    /// True while no operation is active.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Ready | Self::Degraded | Self::Failed | Self::Deleted)
    }

    /// All legal transitions. Any other is a bug or a request that came too late.
    pub fn may_become(self, next: Self) -> bool {
        use State::{Degraded, Deleted, Deleting, Failed, Provisioning, Ready, Unreadable, Updating};
        matches!(
            (self, next),
            (Provisioning | Degraded | Failed | Updating, Ready)
                | (Ready | Failed | Degraded, Provisioning | Updating)
                | (Provisioning | Updating | Deleting, Failed)
                | (Ready | Failed | Provisioning, Degraded)
                | (Provisioning | Ready | Updating | Degraded | Failed | Deleting | Unreadable, Deleting)
                | (Deleting, Deleted)
        )
    }
}

/// The installed versions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Versions {
    /// The Helm chart's.
    pub chart: String,
    /// The shop software's, according to the chart.
    pub app: String,
}

/// A store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Its unique id, never reused.
    pub uid: StoreUid,
    /// The id that callers use.
    pub id: StoreId,
    /// Its tenant.
    pub tenant: Tenant,
    /// What was requested.
    pub spec: Spec,
    /// Its namespace, release and host.
    pub placement: Placement,
    /// Its state.
    pub state: State,
    /// When it entered the state.
    pub state_changed_at: OffsetDateTime,
    /// Conditions, at most one of each kind.
    pub conditions: Vec<Condition>,
    /// The step of the active operation.
    pub step: Option<Step>,
    /// Why it is failed or degraded, or what it waits for.
    pub failure: Option<Failure>,
    /// The installed versions.
    pub versions: Versions,
    /// True once its cluster was found to be simulated.
    pub simulated: bool,
    /// `https` if the chart terminates TLS, otherwise `http`.
    pub secure: bool,
    /// The active operation, otherwise the last one.
    pub operation: OperationId,
    /// Sequence of the last event.
    pub last_sequence: i64,
    /// When it was requested.
    pub created_at: OffsetDateTime,
    /// When it first became ready.
    pub ready_at: Option<OffsetDateTime>,
    /// When the row last changed.
    pub updated_at: OffsetDateTime,
    /// When it was deleted.
    pub deleted_at: Option<OffsetDateTime>,
}

impl Store {
    /// Changes the state if the transition is legal.
    pub fn move_to(&mut self, next: State, now: OffsetDateTime) -> Result<(), DomainError> {
        if !self.state.may_become(next) {
            return Err(DomainError::IllegalMove { from: self.state, to: next });
        }
        if next != self.state {
            self.state_changed_at = now;
        }
        self.state = next;
        if next.is_settled() {
            self.step = None;
        }
        match next {
            State::Ready => {
                self.failure = None;
                self.ready_at.get_or_insert(now);
            }
            State::Deleted => {
                self.failure = None;
                self.deleted_at = Some(now);
            }
            State::Provisioning | State::Deleting | State::Updating => self.failure = None,
            State::Degraded | State::Failed | State::Unreadable => {}
        }
        Ok(())
    }

    /// The etag: changes with caller-settable fields and with the state, not with progress.
    pub fn etag(&self) -> String {
        let mut hash = blake3::Hasher::new();
        for part in [
            self.uid.to_string().as_str(),
            &self.spec.display_name,
            &self.spec.engine,
            &self.spec.plan,
            &self.spec.admin_email,
            self.state.as_str(),
        ] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.finalize().to_hex().chars().take(16).collect()
    }

    /// The shop's URL.
    pub fn shop_url(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}/", self.placement.host)
    }

    /// The URL of the shop's administration.
    pub fn admin_url(&self) -> String {
        format!("{}wp-admin/", self.shop_url())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deleted_is_final() {
        assert!(State::ALL.into_iter().all(|next| !State::Deleted.may_become(next)));
    }

    #[test]
    fn every_state_except_deleted_can_be_deleted() {
        for state in State::ALL {
            assert_eq!(state.may_become(State::Deleting), state != State::Deleted, "{state:?}");
        }
    }

    #[test]
    fn ready_is_reached_only_from_legal_states() {
        let sources: Vec<_> = State::ALL.into_iter().filter(|state| state.may_become(State::Ready)).collect();
        assert_eq!(sources, [State::Provisioning, State::Updating, State::Degraded, State::Failed]);
    }
}
