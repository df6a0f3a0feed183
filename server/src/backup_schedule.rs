//! Scheduled backups: starts those that are due, marks those that are no longer kept, and maintains the condition `BackedUp`;
//! and test restores, in [`crate::restore_tests`].
//!
//! One server at a time does it, the holder of a leader lock. A round reads all stores whose shops run, a page at a time, and keeps only
//! the stores that have been due the longest. Nothing is remembered between rounds but where retention continues.

use std::collections::VecDeque;
use std::time::Duration;

use storeplane_core::backup::schedule::{Policies, condition};
use storeplane_core::error::PortError;
use storeplane_core::ids::{BackupId, StoreUid};
use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::SecretUrl;
use crate::outage::OutageLog;
use crate::postgres::{BackupRetention, BackupSchedule, LeaderLock, Leadership, LiveStoreRepository, Shop, Started};
use crate::restore_tests::{Due, RestoreTester};

/// Interval between rounds.
const ROUND: Duration = Duration::from_mins(1);
/// How often stores that are due, and wait for others' backups to end, are tried again within a round.
const TRY_AGAIN: Duration = Duration::from_secs(5);
/// Maximum number of stores that are due and wait within a round.
const WAITING: usize = 1000;
/// Maximum number of pages of complete backups in a round; the next one continues.
const RETENTION_PAGES: usize = 10;

static ROUNDS: OutageLog = OutageLog::new("schedule backups");

/// Starts scheduled backups.
#[derive(Debug)]
pub struct BackupScheduler {
    /// Stores that are due.
    pub schedule: BackupSchedule,
    /// Backups that are no longer kept.
    pub retention: BackupRetention,
    /// Stores their conditions.
    pub live_stores: LiveStoreRepository,
    /// When backups are due, and how long they are kept.
    pub policies: Policies,
    /// Maximum number of active backups of all servers beyond which none is started.
    pub max_running: u32,
    /// Test restores.
    pub tester: RestoreTester,
    /// The database for the leader lock: a session of its own.
    pub url: SecretUrl,
}

/// What one round leaves to the next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// The stores that are due and wait for others' backups to end: the one that has been due the longest first.
    pub waiting: VecDeque<StoreUid>,
    /// The store after which retention continues; `None`: at the first.
    retention_after: Option<StoreUid>,
    /// Backups whose test restores are due.
    tests: Due,
}

impl BackupScheduler {
    /// Waits for the leader lock, schedules backups while it holds it, and waits again; until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(Box::pin(self.take_turns())).await;
    }

    async fn take_turns(&self) {
        loop {
            let mut lock = LeaderLock::wait(self.url.expose(), Leadership::BackupScheduler).await;
            tracing::info!("this server schedules backups");
            tokio::select! {
                () = lock.lost() => tracing::info!("another server may schedule backups now"),
                () = Box::pin(self.rounds()) => {}
            }
        }
    }

    async fn rounds(&self) {
        let mut progress = Progress::default();
        loop {
            let next = Instant::now() + ROUND;
            let mut ended = Box::pin(self.round(&mut progress)).await;
            loop {
                match ended {
                    Ok(()) => ROUNDS.worked(),
                    Err(error) => ROUNDS.failed(&error),
                }
                if progress.waiting.is_empty() || Instant::now() + TRY_AGAIN >= next {
                    break;
                }
                tokio::time::sleep(TRY_AGAIN).await;
                ended = self.start(&mut progress).await;
            }
            tokio::time::sleep_until(next).await;
        }
    }

    /// One round: conditions, backups that are due, retention, test restores.
    pub async fn round(&self, progress: &mut Progress) -> Result<(), PortError> {
        let now = self.schedule.now().await?;
        progress.waiting = self.due(now).await?;
        let started = self.start(progress).await;
        self.expire(progress, now).await?;
        self.tester.round(&mut progress.tests, now).await?;
        started
    }

    /// The stores that are due. Their conditions are updated on the way.
    async fn due(&self, now: OffsetDateTime) -> Result<VecDeque<StoreUid>, PortError> {
        let mut due = Vec::new();
        let mut after = Some(StoreUid(Uuid::nil()));
        while let Some(uid) = after {
            let (shops, next) = self.schedule.shops(uid).await?;
            after = next;
            for shop in shops {
                self.update_condition(&shop, now).await?;
                let at = self.policies.of(&shop.plan, &shop.policy).next_due(shop.uid, &shop.history);
                due.extend(at.filter(|at| *at <= now && !shop.busy).map(|at| (at, shop.uid)));
            }
            due.sort_unstable_by_key(|(at, uid)| (*at, uid.0));
            due.truncate(WAITING);
        }
        Ok(due.into_iter().map(|(_, uid)| uid).collect())
    }

    async fn update_condition(&self, shop: &Shop, now: OffsetDateTime) -> Result<(), PortError> {
        let overdue = self.policies.of(&shop.plan, &shop.policy).is_overdue(&shop.history, now);
        if overdue == shop.marked {
            return Ok(());
        }
        self.live_stores.apply_condition(shop.uid, |now| condition(shop.last, overdue, now)).await
    }

    /// Starts backups until as many are active as may be. A store whose backup cannot be started waits behind the others.
    async fn start(&self, progress: &mut Progress) -> Result<(), PortError> {
        while let Some(uid) = progress.waiting.pop_front() {
            match self.schedule.start(uid, &self.policies, self.max_running).await {
                Ok(Started::Full) => {
                    progress.waiting.push_front(uid);
                    break;
                }
                Ok(Started::Backup(id)) => {
                    tracing::debug!(store_uid = %uid, backup_id = %id, "scheduled backup started");
                }
                Ok(Started::NotDue) => {}
                Err(error) => {
                    progress.waiting.push_back(uid);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    async fn expire(&self, progress: &mut Progress, now: OffsetDateTime) -> Result<(), PortError> {
        for (store, backups) in self.retention.failed(now).await? {
            self.mark(store, &backups, now).await?;
        }
        for _ in 0..RETENTION_PAGES {
            let after = progress.retention_after.unwrap_or(StoreUid(Uuid::nil()));
            let (expired, next) = self.retention.complete(after, &self.policies, now).await?;
            for (store, backups) in expired {
                self.mark(store, &backups, now).await?;
            }
            progress.retention_after = next;
            if next.is_none() {
                break;
            }
        }
        Ok(())
    }

    async fn mark(&self, store: StoreUid, backups: &[BackupId], now: OffsetDateTime) -> Result<(), PortError> {
        let marked = self.retention.expire(store, backups, now).await?;
        tracing::info!(store_uid = %store, backups = marked, "backups are no longer kept");
        Ok(())
    }
}
