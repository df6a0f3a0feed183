//! Applies comparisons of the cluster with what is recorded of a store.

use time::OffsetDateTime;

use super::{Change, Snapshot};
use crate::condition::{ConditionKind, ConditionStatus};
use crate::drift::Comparison;
use crate::event::{EventType, NewEvent};
use crate::ids::OperationId;
use crate::store::State;

/// Sets the condition `ConfigurationDrifted` of a READY or DEGRADED store; its state stays. Drift that begins, changes or ends is an event.
///
/// `last` is the store's operation at the time of the observation. If another one has begun since, or any is active, nothing changes: operations
/// change the cluster and the record.
pub fn apply_drift(snapshot: Snapshot, last: OperationId, seen: &Comparison, now: OffsetDateTime) -> Change {
    let mut change = Change::of(snapshot);
    let is_settled =
        matches!(change.store.state, State::Ready | State::Degraded) && !change.operation.state.is_active();
    let is_outdated = match seen {
        Comparison::Compared { revision, .. } => change.store.revision != *revision,
        Comparison::NotDeployed | Comparison::NoRevision => false,
    };
    if change.operation.id != last || !is_settled || is_outdated {
        return change;
    }
    let condition = seen.condition(now);
    let known = change.store.conditions.iter().find(|known| known.kind == ConditionKind::ConfigurationDrifted);
    let is_same = known.is_some_and(|known| {
        (known.status, &known.reason, &known.message) == (condition.status, &condition.reason, &condition.message)
    });
    if is_same {
        return change;
    }
    let was_drifted = known.is_some_and(|known| known.status == ConditionStatus::True);
    if was_drifted || condition.status == ConditionStatus::True {
        let event = NewEvent::new(EventType::ConditionChanged, condition.message.clone());
        let event = event.with("condition", condition.kind.as_str()).with("status", condition.status.as_str());
        change.events.push(event.with("reason", condition.reason.clone()));
    }
    change.store.set_condition(condition);
    change
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::operation::OperationState;
    use crate::transition::fixtures::{NOW, after, settled};

    fn compared(revision: u32, workloads: &[&str]) -> Comparison {
        let workloads = workloads.iter().map(|one| (*one).to_owned()).collect();
        Comparison::Compared { revision, release: Vec::new(), workloads }
    }

    fn apply(snapshot: &Snapshot, seen: &Comparison) -> Change {
        apply_drift(snapshot.clone(), snapshot.operation.id, seen, NOW)
    }

    fn statuses(change: &Change) -> Vec<&str> {
        change.events.iter().map(|event| event.details["status"].as_str()).collect()
    }

    #[test]
    fn drift_begins_changes_and_ends_with_events_and_state_stays() {
        for state in [State::Ready, State::Degraded] {
            let first = apply(&settled(state, true), &compared(0, &[]));
            assert_eq!((first.events.len(), first.store.conditions.len()), (0, 1), "as it should be is no news");
            let begun = apply(&after(first), &compared(0, &["image a"]));
            assert_eq!((statuses(&begun), begun.store.state), (vec!["TRUE"], state));
            let begun = after(begun);
            assert_eq!(apply(&begun, &compared(0, &["image a"])), Change::of(begun.clone()));
            let changed = apply(&begun, &compared(0, &["image b"]));
            assert!(changed.store.conditions[0].message.contains("image b") && changed.events.len() == 1);
            let ended = apply(&after(changed), &compared(0, &[]));
            assert_eq!((statuses(&ended), ended.store.state), (vec!["FALSE"], state));
            let unknown = apply(&after(ended), &Comparison::NotDeployed);
            assert_eq!((unknown.events.len(), unknown.store.conditions[0].status), (0, ConditionStatus::Unknown));
        }
    }

    #[test]
    fn outdated_observation_changes_nothing() {
        let drifted = compared(0, &["image a"]);
        for state in State::ALL.into_iter().filter(|state| !matches!(state, State::Ready | State::Degraded)) {
            assert_eq!(apply(&settled(state, true), &drifted), Change::of(settled(state, true)), "{state:?}");
        }
        let ready = settled(State::Ready, true);
        assert_eq!(apply(&ready, &compared(1, &["image a"])), Change::of(ready.clone()), "another revision");
        let another = apply_drift(ready.clone(), OperationId(Uuid::max()), &drifted, NOW);
        assert_eq!(another, Change::of(ready.clone()));
        let mut backed_up = ready;
        backed_up.operation.state = OperationState::Running;
        assert_eq!(apply(&backed_up, &drifted), Change::of(backed_up));
    }
}
