//! Maintains two conditions of READY and DEGRADED stores: `PubliclyReachable`, whether customers can reach the shop, and
//! `NetworkIsolated`, whether its network policies are enforced.

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt as _;
use storeplane_core::condition::{Condition, ConditionKind, ConditionStatus};
use storeplane_core::ids::StoreUid;
use storeplane_core::store::State;
use time::OffsetDateTime;
use tokio::time::{Instant, MissedTickBehavior};

use super::Reconciler;
use crate::domains::LookupError;
use crate::kube::NetworkIsolation;
use crate::postgres::LiveStore;
use crate::verify::Reachability;

/// Interval between rounds.
const ROUND: Duration = Duration::from_secs(5);
/// Maximum number of shops probed in one round, most overdue first; the rest follows in the next round.
const MOST: usize = 64;
/// Maximum number of concurrent probes.
const TOGETHER: usize = 16;
/// Interval between probes of a reachable shop.
const WELL: Duration = Duration::from_mins(10);
/// First interval between probes of an unreachable shop. It doubles up to [`WELL`]: certificates and DNS take minutes.
const BROKEN: Duration = Duration::from_secs(30);

/// When a shop is probed next.
#[derive(Debug, Clone, Copy)]
struct ProbeSchedule {
    next: Instant,
    pause: Duration,
}

impl ProbeSchedule {
    /// The next probe after a result at `now`.
    fn after(self, reachable: ConditionStatus, isolation: &NetworkIsolation, now: Instant) -> Self {
        match (reachable, isolation) {
            (ConditionStatus::True, isolation) if !matches!(isolation, NetworkIsolation::Open(_)) => {
                Self { next: now + WELL, pause: BROKEN }
            }
            _ => Self { next: now + self.pause, pause: (self.pause * 2).min(WELL) },
        }
    }
}

impl Reconciler {
    /// Probes shops for as long as it is polled.
    pub(super) async fn follow_reachability(&self) {
        let mut schedules: HashMap<StoreUid, ProbeSchedule> = HashMap::new();
        let mut tick = tokio::time::interval(ROUND);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            // In a simulated cluster nothing could answer.
            if !self.cluster.check().await.is_ok_and(|cluster| !cluster.simulated) {
                continue;
            }
            // The rounds log database problems.
            let Ok(live) = self.live_stores.live().await else { continue };
            let live: Vec<_> =
                live.into_iter().filter(|store| matches!(store.state, State::Ready | State::Degraded)).collect();
            self.probe_due(live, &mut schedules).await;
        }
    }

    async fn probe_due(&self, live: Vec<LiveStore>, schedules: &mut HashMap<StoreUid, ProbeSchedule>) {
        let now = Instant::now();
        let before = std::mem::take(schedules);
        let mut due = Vec::new();
        for store in live {
            let schedule = before.get(&store.uid).copied().unwrap_or(ProbeSchedule { next: now, pause: BROKEN });
            schedules.insert(store.uid, schedule);
            if schedule.next <= now {
                due.push((schedule, store));
            }
        }
        due.sort_by_key(|(schedule, _)| schedule.next);
        due.truncate(MOST);
        let asked = due.into_iter().map(|(schedule, store)| self.probe_shop(schedule, store));
        let mut asked = futures::stream::iter(asked).buffer_unordered(TOGETHER);
        while let Some((uid, schedule)) = asked.next().await {
            schedules.insert(uid, schedule);
        }
    }

    async fn probe_shop(&self, schedule: ProbeSchedule, store: LiveStore) -> (StoreUid, ProbeSchedule) {
        let mut found = self.reachability(&store).await;
        if found.status != ConditionStatus::True
            && let Ok(Some(problem)) = self.cluster.route_problem(&store.namespace).await
        {
            found.message = format!("{} {problem}", found.message);
        }
        let isolation = self.cluster.network_isolation(&store.namespace).await.unwrap_or(NetworkIsolation::NotReported);
        let next = schedule.after(found.status, &isolation, Instant::now());
        self.store_condition(&store, |now| condition(found, now)).await;
        if isolation != NetworkIsolation::NotReported {
            self.store_condition(&store, move |now| isolation.condition(now)).await;
        }
        (store.uid, next)
    }

    /// The owner of a custom domain controls its DNS, so only the platform's own addresses are connected to.
    async fn reachability(&self, store: &LiveStore) -> Reachability {
        let url = url::Url::parse(&store.shop_url).ok();
        let Some(domain) = url.as_ref().and_then(url::Url::host_str).filter(|_| store.has_domain) else {
            return self.verifier.reachable(&store.shop_url, None).await;
        };
        let not_tested = |reason, message| Reachability { status: ConditionStatus::Unknown, reason, message };
        match self.domain_checks.own_addresses(domain, &store.host).await {
            Ok(own) if own.is_empty() => {
                let message = format!(
                    "{domain} does not resolve to this platform, so it is not known whether customers reach the shop."
                );
                not_tested("DNS_ELSEWHERE", message)
            }
            Ok(own) => self.verifier.reachable(&store.shop_url, Some(own)).await,
            Err(LookupError::Missing) => Reachability {
                status: ConditionStatus::False,
                reason: "DNS_NOT_FOUND",
                message: format!("DNS has no address for {domain}."),
            },
            Err(LookupError::Failed(_)) => {
                not_tested("DNS_UNAVAILABLE", format!("DNS did not answer for {domain}, or for the platform."))
            }
        }
    }

    async fn store_condition(
        &self,
        store: &LiveStore,
        condition: impl FnOnce(OffsetDateTime) -> Condition + Send + 'static,
    ) {
        let (live_stores, uid) = (self.live_stores.clone(), store.uid);
        // A transaction that is dropped half-way would stay open.
        let stored = self.tasks.spawn(async move { live_stores.apply_condition(uid, condition).await });
        if let Ok(Err(error)) = stored.await {
            tracing::debug!(store_id = store.store_id, %error, "a condition could not be stored; the next probe tries again");
        }
    }
}

fn condition(found: Reachability, now: OffsetDateTime) -> Condition {
    Condition {
        kind: ConditionKind::PubliclyReachable,
        status: found.status,
        reason: found.reason.to_owned(),
        message: found.message,
        since: now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreachable_shop_is_probed_with_growing_intervals() {
        let now = Instant::now();
        let mut schedule = ProbeSchedule { next: now, pause: BROKEN };
        let mut waits = Vec::new();
        for _ in 0..7 {
            schedule = schedule.after(ConditionStatus::False, &NetworkIsolation::NotReported, now);
            waits.push((schedule.next - now).as_secs());
        }
        assert_eq!(waits, [30, 60, 120, 240, 480, 600, 600]);
        let well = schedule.after(ConditionStatus::True, &NetworkIsolation::NotReported, now);
        assert_eq!(((well.next - now).as_secs(), well.pause), (600, BROKEN));
        // A policy may take effect a moment after the pod has reported.
        let open = well.after(ConditionStatus::True, &NetworkIsolation::Open("10.43.0.1:443".into()), now);
        assert_eq!((open.next - now, open.pause), (BROKEN, BROKEN * 2));
    }
}
