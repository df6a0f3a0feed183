use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::*;
use crate::ids::{RolloutId, Tenant};
use crate::rollout::waves::{DEFAULT, divide};
use crate::rollout::window::Window;
use crate::rollout::{Counts, Target};

/// Noon.
const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH.saturating_add(Duration::hours(12));

/// Of 200 stores in waves of 1, 1, 18, 80 and 100.
fn rollout() -> Rollout {
    Rollout {
        id: RolloutId(Uuid::nil()),
        tenant: Tenant::default(),
        display_name: String::new(),
        filter: "*".into(),
        target: Target::Reapply,
        waves: divide(&DEFAULT, 200),
        parallelism: 2,
        budget: Budget::default(),
        soak: Duration::minutes(10),
        window: None,
        on_failure: OnFailure::Pause,
        progress: Progress::begin(),
        counts: Counts::default(),
        created_by: "ci".into(),
        created_at: NOW,
        updated_at: NOW,
        version: 1,
    }
}

fn in_wave(wave: u32) -> Rollout {
    Rollout { progress: Progress { wave, observed: wave - 1, ..Progress::begin() }, ..rollout() }
}

fn members() -> Members {
    Members { total: 200, ..Members::default() }
}

fn stopped(next: &Next) -> Option<&str> {
    match next {
        Next::Stop(_, cause) => Some(cause.message.as_str()),
        _ => None,
    }
}

#[test]
fn wave_starts_stores_up_to_the_parallelism_and_ends_with_its_last_operation() {
    let rollout = rollout();
    let waiting = Members { pending: 3, startable: 3, running: 1, ..members() };
    assert_eq!(decide(&rollout, &waiting, NOW), Next::Start);
    assert_eq!(decide(&rollout, &Members { running: 2, ..waiting }, NOW), Next::Wait(None, None));
    let last = Members { running: 1, succeeded: 2, ..members() };
    assert_eq!(decide(&rollout, &last, NOW), Next::Wait(None, None));
}

#[test]
fn busy_stores_are_waited_for() {
    let later = NOW + Duration::seconds(5);
    let busy = Members { pending: 2, startable: 0, next_try: Some(later), ..members() };
    let Next::Wait(until, Some(cause)) = decide(&rollout(), &busy, NOW) else { panic!("does not wait") };
    assert_eq!((until, cause.reason.as_str()), (Some(later), "STORES_BUSY"));
}

#[test]
fn changed_wave_is_observed_then_tested_then_followed_by_the_next() {
    let mut rollout = rollout();
    let changed = Members { succeeded: 1, ..members() };
    let until = NOW + Duration::minutes(10);
    assert_eq!(decide(&rollout, &changed, NOW), Next::Soak(until));
    rollout.progress.soak_until = Some(until);
    assert!(matches!(decide(&rollout, &changed, NOW), Next::Wait(Some(at), _) if at == until));
    assert_eq!(decide(&rollout, &changed, until), Next::Test);
    rollout.progress.observed = 1;
    assert_eq!(decide(&rollout, &changed, until), Next::NextWave);
    rollout.progress.wave = 5;
    rollout.progress.observed = 5;
    assert_eq!(decide(&rollout, &changed, until), Next::End(RolloutState::Completed));
}

#[test]
fn wave_without_a_changed_store_or_without_soak_is_not_observed() {
    assert_eq!(decide(&rollout(), &members(), NOW), Next::NextWave);
    let at_once = Rollout { soak: Duration::ZERO, ..rollout() };
    assert_eq!(decide(&at_once, &Members { succeeded: 1, ..members() }, NOW), Next::NextWave);
}

#[test]
fn any_failure_of_the_first_wave_stops() {
    let failed = Members { failed: 1, ..members() };
    let lenient = Rollout { budget: Budget { stores: Some(50), percent: None }, ..rollout() };
    for rollout in [rollout(), lenient] {
        let next = decide(&rollout, &failed, NOW);
        assert_eq!(stopped(&next), Some("1 of 200 stores failed; the first wave may have none."));
    }
}

#[test]
fn failure_budget_is_exact() {
    let failed = |failed| Members { failed, pending: 9, startable: 9, ..members() };
    let of = |budget| Rollout { budget, ..in_wave(4) };
    let default = of(Budget::default());
    assert_eq!(decide(&default, &failed(4), NOW), Next::Start, "2 % of 200");
    assert_eq!(
        stopped(&decide(&default, &failed(5), NOW)),
        Some("5 of 200 stores failed; the failure budget is 2 % of the stores.")
    );
    let counted = of(Budget { stores: Some(10), percent: None });
    assert_eq!(decide(&counted, &failed(10), NOW), Next::Start, "no limit by share");
    assert_eq!(
        stopped(&decide(&counted, &failed(11), NOW)),
        Some("11 of 200 stores failed; the failure budget is 10 stores.")
    );
    let both = of(Budget { stores: Some(100), percent: Some(0) });
    assert!(stopped(&decide(&both, &failed(1), NOW)).is_some());
}

#[test]
fn resumed_rollout_forgives_the_failures_before() {
    let mut rollout = in_wave(1);
    rollout.counts.failed = 1;
    rollout.pause("ci").expect("running");
    rollout.resume().expect("paused");
    let failed = Members { failed: 1, pending: 1, startable: 1, ..members() };
    assert_eq!(decide(&rollout, &failed, NOW), Next::Start);
    assert!(stopped(&decide(&rollout, &Members { failed: 2, ..failed }, NOW)).is_some());
}

#[test]
fn nothing_starts_outside_of_the_window_or_while_paused() {
    let waiting = Members { pending: 3, startable: 3, ..members() };
    let night = Rollout { window: Some(Window { start: 22 * 60, end: 5 * 60 }), ..rollout() };
    let Next::Wait(Some(at), Some(cause)) = decide(&night, &waiting, NOW) else { panic!("does not wait") };
    assert_eq!(
        (at, cause.message.as_str()),
        (OffsetDateTime::UNIX_EPOCH + Duration::hours(22), "The window opens at 22:00 UTC.")
    );
    let mut paused = rollout();
    paused.pause("ci").expect("running");
    assert!(
        matches!(decide(&paused, &waiting, NOW), Next::Wait(None, Some(cause)) if cause.message == "ci paused the rollout.")
    );
}

#[test]
fn exceeded_budget_rolls_back_if_requested_until_all_have_returned() {
    let mut rollout = Rollout { on_failure: OnFailure::RollBack, ..in_wave(1) };
    let failed = Members { failed: 1, ..members() };
    assert!(matches!(decide(&rollout, &failed, NOW), Next::Stop(RolloutState::RollingBack, _)));
    rollout.progress.state = RolloutState::RollingBack;
    let returning = Members { pending: 2, startable: 1, ..failed };
    assert_eq!(decide(&rollout, &returning, NOW), Next::Start);
    assert_eq!(decide(&rollout, &Members { running: 2, ..returning }, NOW), Next::Wait(None, None));
    assert_eq!(decide(&rollout, &failed, NOW), Next::End(RolloutState::RolledBack));
}

#[test]
fn ended_rollout_does_not_change() {
    let mut rollout = rollout();
    rollout.abort("ci", false, NOW).expect("running");
    assert_eq!(rollout.progress.ended_at, Some(NOW));
    let refused = [rollout.pause("ci"), rollout.resume(), rollout.abort("ci", true, NOW)];
    assert!(refused.iter().all(|refused| refused.as_ref().is_err_and(|error| error.reason() == "ROLLOUT_ENDED")));
}
