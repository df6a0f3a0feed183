//! Applies the reconciler's observations to a store without an active operation.

use time::OffsetDateTime;

use super::{Change, Snapshot};
use crate::condition::Condition;
use crate::error::DomainError;
use crate::event::{EventType, NewEvent};
use crate::failure::Failure;
use crate::ids::OperationId;
use crate::operation::OperationKind;
use crate::store::State;

/// The health of a store in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Everything exists and is ready.
    Healthy,
    /// There is a problem.
    Unhealthy(Failure),
}

/// READY becomes DEGRADED and DEGRADED becomes READY. A FAILED store whose release became
/// healthy becomes READY; otherwise it becomes DEGRADED if it was READY once. After a failed deletion it stays FAILED, because the store
/// is not wanted. Other states do not change.
///
/// `last` is the store's operation at the time of the observation. If another one has begun since, or this one
/// is active, nothing changes: an operation owns its store, and the observation is outdated. An operation that leaves the store's state as it is
/// does not own it.
pub fn apply_health(
    snapshot: Snapshot,
    last: OperationId,
    health: &Health,
    now: OffsetDateTime,
) -> Result<Change, DomainError> {
    let mut change = Change::of(snapshot);
    let owned = change.operation.state.is_active() && change.operation.kind.changes_store();
    if change.operation.id != last || owned {
        return Ok(change);
    }
    match (change.store.state, health) {
        (State::Ready, Health::Unhealthy(failure)) => {
            change.store.failure = Some(failure.clone());
            change.enter(State::Degraded, now, failure.message.clone())?;
        }
        (State::Degraded, Health::Healthy) => {
            let message = format!("Store {} is ready again", change.store.id);
            change.enter(State::Ready, now, message)?;
        }
        (State::Failed, _) if change.operation.kind == OperationKind::Delete => {}
        (State::Failed, Health::Healthy) => {
            let again = if change.store.ready_at.is_some() { " again" } else { "" };
            let message = format!("Store {} is ready{again}: its release has become healthy", change.store.id);
            change.enter(State::Ready, now, message)?;
        }
        (State::Failed, Health::Unhealthy(failure)) if change.store.ready_at.is_some() => {
            let last = change.operation.failure.as_ref().filter(|last| last.message != failure.message);
            let last =
                last.map(|last| format!("the last operation ended with {}: {}", last.reason.as_str(), last.message));
            change.store.failure = Some(failure.clone().with_details(last));
            change.enter(State::Degraded, now, failure.message.clone())?;
        }
        (State::Degraded, Health::Unhealthy(failure)) if is_another(change.store.failure.as_ref(), failure) => {
            change.store.failure = Some(failure.clone());
            change.events.push(NewEvent::new(EventType::CauseChanged, failure.message.clone()).because(failure));
        }
        _ => {}
    }
    Ok(change)
}

/// Sets a condition of a READY or DEGRADED store; emits an event if its status or reason changed.
pub fn apply_condition(snapshot: Snapshot, condition: Condition) -> Change {
    let mut change = Change::of(snapshot);
    if matches!(change.store.state, State::Ready | State::Degraded) {
        change.observe(condition);
    }
    change
}

/// Changed details alone, such as restart counts, cause no event.
fn is_another(known: Option<&Failure>, failure: &Failure) -> bool {
    known.is_none_or(|known| (known.reason, &known.message) != (failure.reason, &failure.message))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::condition::{ConditionKind, ConditionStatus};
    use crate::failure::Reason;
    use crate::operation::OperationState;
    use crate::transition::fixtures::{NOW, created};

    fn unhealthy(reason: Reason, message: &str) -> Health {
        Health::Unhealthy(Failure::new(reason, message))
    }

    fn settled(state: State) -> Snapshot {
        let Snapshot { mut store, mut operation, backup } = created();
        store.state = state;
        operation.state = OperationState::Succeeded;
        Snapshot { store, operation, backup }
    }

    fn apply_health(snapshot: &Snapshot, health: &Health) -> Change {
        super::apply_health(snapshot.clone(), snapshot.operation.id, health, NOW).expect("legal")
    }

    #[test]
    fn ready_store_degrades_with_cause_and_recovers() {
        let degraded = apply_health(&settled(State::Ready), &unhealthy(Reason::CrashLoop, "It ends"));
        assert_eq!(degraded.store.state, State::Degraded);
        assert_eq!(degraded.store.failure.as_ref().map(|it| it.reason), Some(Reason::CrashLoop));
        let [event] = &degraded.events[..] else { panic!("one event") };
        assert_eq!((event.details["state"].as_str(), event.details["reason"].as_str()), ("DEGRADED", "CRASH_LOOP"));

        let Change { mut store, operation, .. } = degraded;
        store.state_changed_at = NOW - time::Duration::HOUR;
        let healthy = apply_health(&Snapshot { store, operation, backup: None }, &Health::Healthy);
        assert_eq!(healthy.store.state_changed_at, NOW);
        assert_eq!((healthy.store.state, healthy.store.failure), (State::Ready, None));
        assert_eq!(healthy.events[0].details["state"], "READY");
    }

    #[test]
    fn changed_cause_emits_event_and_same_cause_does_not() {
        let mut snapshot = settled(State::Degraded);
        snapshot.store.failure = Some(Failure::new(Reason::NotReady, "0/1"));
        let same = unhealthy(Reason::NotReady, "0/1");
        assert_eq!(apply_health(&snapshot, &same), Change::of(snapshot.clone()));
        let other = apply_health(&snapshot, &unhealthy(Reason::ImagePullFailed, "No such image"));
        assert_eq!((other.store.state, other.events[0].kind), (State::Degraded, EventType::CauseChanged));
        assert_eq!(other.store.failure.map(|it| it.reason), Some(Reason::ImagePullFailed));
    }

    #[test]
    fn condition_change_emits_event() {
        let condition = |status, reason: &str, message: &str| Condition {
            kind: ConditionKind::PubliclyReachable,
            status,
            reason: reason.into(),
            message: message.into(),
            since: NOW,
        };
        let broken = condition(ConditionStatus::False, "DNS_NOT_FOUND", "DNS has no address for shop.example.");
        let change = apply_condition(settled(State::Ready), broken.clone());
        let [event] = &change.events[..] else { panic!("one event") };
        assert_eq!((event.kind, event.details["status"].as_str()), (EventType::ConditionChanged, "FALSE"));
        assert_eq!((change.store.state, &change.store.conditions[..]), (State::Ready, &[broken.clone()][..]));

        let Change { store, operation, .. } = change;
        let known = Snapshot { store, operation, backup: None };
        let same = Condition { message: "in other words".into(), ..broken };
        assert_eq!(apply_condition(known.clone(), same), Change::of(known.clone()));
        assert_eq!(apply_condition(known, condition(ConditionStatus::True, "", "It answers.")).events.len(), 1);
        let failed = settled(State::Failed);
        assert_eq!(apply_condition(failed.clone(), condition(ConditionStatus::True, "", "")), Change::of(failed));
    }

    fn failed(was_ready: bool, kind: OperationKind) -> Snapshot {
        let mut snapshot = settled(State::Failed);
        snapshot.store.ready_at = was_ready.then_some(NOW);
        snapshot.store.failure = Some(Failure::new(Reason::ChartRejected, "no such value"));
        snapshot.operation.kind = kind;
        snapshot.operation.state = OperationState::Failed;
        snapshot.operation.failure.clone_from(&snapshot.store.failure);
        snapshot
    }

    #[test]
    fn failed_store_follows_cluster_unless_deletion_failed() {
        let ill = unhealthy(Reason::NotReady, "0/1");
        for (was_ready, kind, health, state, message) in [
            (
                false,
                OperationKind::Create,
                &Health::Healthy,
                State::Ready,
                "Store demo is ready: its release has become healthy",
            ),
            (
                false,
                OperationKind::Retry,
                &Health::Healthy,
                State::Ready,
                "Store demo is ready: its release has become healthy",
            ),
            (
                true,
                OperationKind::Retry,
                &Health::Healthy,
                State::Ready,
                "Store demo is ready again: its release has become healthy",
            ),
            (true, OperationKind::Retry, &ill, State::Degraded, "0/1"),
            (false, OperationKind::Create, &ill, State::Failed, ""),
            (true, OperationKind::Delete, &Health::Healthy, State::Failed, ""),
            (true, OperationKind::Delete, &ill, State::Failed, ""),
        ] {
            let before = failed(was_ready, kind);
            let after = apply_health(&before, health);
            let event = after.events.first().map(|event| event.message.as_str()).unwrap_or_default();
            assert_eq!((after.store.state, event), (state, message), "{was_ready} {kind:?} {health:?}");
            if state == State::Ready {
                assert_eq!((after.store.failure, after.store.ready_at), (None, Some(NOW)));
            }
        }
        let degraded = apply_health(&failed(true, OperationKind::Retry), &ill).store.failure.expect("a cause");
        assert_eq!(degraded.details, ["the last operation ended with CHART_REJECTED: no such value"]);
    }

    #[test]
    fn store_with_active_operation_is_ignored() {
        let ill = unhealthy(Reason::NotReady, "0/1");
        for state in State::ALL.into_iter().filter(|state| !matches!(state, State::Ready | State::Degraded)) {
            assert_eq!(apply_health(&settled(state), &ill), Change::of(settled(state)), "{state:?}");
        }
        let mut active = settled(State::Ready);
        active.operation.state = OperationState::Running;
        assert_eq!(apply_health(&active, &ill), Change::of(active));
        let later = settled(State::Ready);
        let before = OperationId(Uuid::max());
        assert_eq!(super::apply_health(later.clone(), before, &ill, NOW), Ok(Change::of(later)));
    }
}
