//! The states of a store and the transitions between them.

use crate::wire::wire_enum;

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
                | (Ready | Failed | Provisioning | Updating, Degraded)
                | (Provisioning | Ready | Updating | Degraded | Failed | Deleting | Unreadable, Deleting)
                | (Deleting, Deleted)
        )
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
