//! What the server does with rollouts that have not ended: one transaction for each step, under the rollout's row lock, so that two servers that
//! both believe to be the leader start no store twice, none beyond the parallelism, and none after the failure budget is exceeded.

use std::sync::Arc;

use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use storeplane_core::audit;
use storeplane_core::engine::Catalog;
use storeplane_core::error::PortError;
use storeplane_core::identity::Caller;
use storeplane_core::ids::{BackupId, OperationId, RolloutId, StoreUid};
use storeplane_core::ports::Ids;
use storeplane_core::rollout::decide::{Next, decide};
use storeplane_core::rollout::soak::Share;
use storeplane_core::rollout::start::{self, Start};
use storeplane_core::rollout::{Cause, MemberState, Rollout, RolloutState};
use storeplane_core::transition::request::Request;
use storeplane_core::transition::{Change, Snapshot};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::settle::{record, settle};
use super::turn::{self, Candidate, STARTED, Turn, first, former, members, now};
use super::{rows, save};
use crate::postgres::error::{broken, port_error};
use crate::postgres::pool::{Pool, Transaction};
use crate::postgres::{QuotaPolicy, apply, locks};

/// When shops that could not be tested are tested once more.
const TEST_RETRY: Duration = Duration::seconds(30);

/// Rollouts that something can happen to.
const OPEN: &str = "
SELECT id FROM rollouts r WHERE ended_at IS NULL AND state IN ('RUNNING', 'ROLLING_BACK')
UNION SELECT DISTINCT rollout FROM rollout_stores WHERE state = 'RUNNING'";

/// An operation ended, or somebody changed the rollout.
const MOVED: &str = "
SELECT r.version <> $2 OR EXISTS (
  SELECT FROM rollout_stores m LEFT JOIN operations o ON o.id = m.operation
  WHERE m.rollout = r.id AND m.state = 'RUNNING' AND coalesce(o.state, '') NOT IN ('PENDING', 'RUNNING'))
FROM rollouts r WHERE r.id = $1";

/// Stores that were DEGRADED when the soak began are not compared: none of the wave was.
const OBSERVED: &str = "
SELECT array_agg(m.store) FILTER (WHERE m.state = 'SUCCEEDED' AND m.wave = $2) AS wave,
  count(*) FILTER (WHERE m.state = 'PENDING' AND s.state = 'DEGRADED' AND s.state_changed_at >= $3) AS degraded,
  count(*) FILTER (WHERE m.state = 'PENDING' AND (s.state <> 'DEGRADED' OR s.state_changed_at >= $3)) AS untouched
FROM rollout_stores m JOIN stores s ON s.uid = m.store WHERE m.rollout = $1";

/// The result of a step of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Advanced {
    /// There may be more to do now.
    Again,
    /// Nothing until an operation ends or somebody changes the rollout, which has this version; or for this time.
    Wait(i64, Option<std::time::Duration>),
    /// The shops of a wave are to be tested.
    Test(Observation),
    /// Nothing is left to do.
    Over,
}

/// A wave that was observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// The wave.
    pub wave: u32,
    /// Its stores that were changed.
    pub stores: Vec<StoreUid>,
    /// The stores that were not changed yet.
    pub untouched: Share,
}

/// Starts the stores of rollouts.
#[derive(Clone)]
pub struct RolloutEngine {
    database: Pool,
    catalog: Arc<Catalog>,
    ids: Arc<dyn Ids>,
    quotas: QuotaPolicy,
    backups_enabled: bool,
}

impl std::fmt::Debug for RolloutEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RolloutEngine").finish_non_exhaustive()
    }
}

impl RolloutEngine {
    /// Uses this pool. Changes that migrate data need backups.
    pub fn new(
        database: Pool,
        (catalog, ids): (Arc<Catalog>, Arc<dyn Ids>),
        quotas: QuotaPolicy,
        backups_enabled: bool,
    ) -> Self {
        Self { database, catalog, ids, quotas, backups_enabled }
    }

    /// The rollouts that something can happen to.
    pub async fn open(&self) -> Result<Vec<RolloutId>, PortError> {
        let open = Statement::from_string(DbBackend::Postgres, OPEN);
        let rows = self.database.query_all_raw(open).await.map_err(port_error)?;
        rows.iter().map(|row| row.try_get_by_index(0).map(RolloutId).map_err(port_error)).collect()
    }

    /// True if an operation of the rollout has ended, or the rollout has another version.
    pub async fn has_moved(&self, id: RolloutId, version: i64) -> Result<bool, PortError> {
        let moved = Statement::from_sql_and_values(DbBackend::Postgres, MOVED, [id.0.into(), version.into()]);
        let row = self.database.query_one_raw(moved).await.map_err(port_error)?;
        row.map_or(Ok(true), |row| row.try_get_by_index(0).map_err(port_error))
    }

    /// Does the next step of a rollout.
    pub async fn advance(&self, id: RolloutId) -> Result<Advanced, PortError> {
        let transaction = self.database.begin().await.map_err(port_error)?;
        self.lock_plans(&transaction, id).await?;
        let Some(mut rollout) = rows::lock(&transaction, id).await? else { return Ok(Advanced::Over) };
        if rollout.progress.state == RolloutState::Unreadable {
            return Ok(Advanced::Over);
        }
        let now = now(&transaction).await?;
        let over = rollout.progress.ended_at.is_some();
        let settled = settle(&transaction, (id, rollout.version + 1), over).await?;
        let members = members(&transaction, &rollout, now).await?;
        let before = rollout.progress.clone();
        let mut next = decide(&rollout, &members, now);
        let starts = next == Next::Start;
        if starts
            && let Some(cause) = self.start_one(&Turn { transaction: &transaction, rollout: &rollout, now }).await?
        {
            next = Next::Stop(RolloutState::Paused, cause);
        }
        let wait = |until: &Option<OffsetDateTime>| {
            let left = until.map(|until| (until - now).try_into().unwrap_or_default());
            Advanced::Wait(rollout.version, left)
        };
        let mut advanced = match &next {
            // Usually it was the only one that could be started.
            Next::Start => match decide(&rollout, &turn::members(&transaction, &rollout, now).await?, now) {
                Next::Wait(until, None) => wait(&until),
                _ => Advanced::Again,
            },
            Next::Soak(_) | Next::NextWave | Next::Stop(..) => Advanced::Again,
            Next::Wait(..) if members.running == 0 && !before.state.starts_stores() => Advanced::Over,
            Next::Wait(until, _) => wait(until),
            Next::Test => Advanced::Test(observation(&transaction, &rollout).await?),
            Next::End(_) => Advanced::Over,
        };
        rollout.progress.follow(next, now);
        if settled || starts || rollout.progress != before {
            save(&transaction, &mut rollout, now).await?;
            transaction.commit().await.map_err(port_error)?;
        }
        if let Advanced::Wait(version, _) = &mut advanced {
            *version = rollout.version;
        }
        Ok(advanced)
    }

    /// The lock of what counts plans, which is taken before all others, if the rollout changes plans that count.
    async fn lock_plans(&self, transaction: &Transaction, id: RolloutId) -> Result<(), PortError> {
        let Some(rollout) = rows::read_only(transaction, id).await? else { return Ok(()) };
        if rollout.target.names_plan() && self.quotas.counts_plans(transaction, &rollout.tenant).await? {
            locks::stores(transaction, &rollout.tenant).await?;
        }
        Ok(())
    }

    /// The shops of an observed wave could not be tested: they are once more, later.
    pub async fn postpone(&self, id: RolloutId, wave: u32, cause: Cause) -> Result<(), PortError> {
        let transaction = self.database.begin().await.map_err(port_error)?;
        let Some(mut rollout) = rows::lock(&transaction, id).await?.filter(|rollout| is_observing(rollout, wave))
        else {
            return Ok(());
        };
        let now = now(&transaction).await?;
        rollout.progress.soak_until = Some(now + TEST_RETRY);
        rollout.progress.cause = Some(cause);
        save(&transaction, &mut rollout, now).await?;
        transaction.commit().await.map_err(port_error)
    }

    /// Records which stores of an observed wave did not keep working, unless the rollout has changed meanwhile.
    pub async fn observed(&self, id: RolloutId, wave: u32, failed: &[(StoreUid, Cause)]) -> Result<(), PortError> {
        let transaction = self.database.begin().await.map_err(port_error)?;
        let Some(mut rollout) = rows::lock(&transaction, id).await?.filter(|rollout| is_observing(rollout, wave))
        else {
            return Ok(());
        };
        let now = now(&transaction).await?;
        for (store, cause) in failed {
            let member = (*store, MemberState::Failed, cause);
            record(&transaction, (id, rollout.version + 1), member, (now, false)).await?;
        }
        rollout.progress.observe();
        save(&transaction, &mut rollout, now).await?;
        transaction.commit().await.map_err(port_error)?;
        Ok(())
    }

    /// Changes or returns the store whose turn it is. Why no store can be changed at present, if that is so.
    async fn start_one(&self, turn: &Turn<'_>) -> Result<Option<Cause>, PortError> {
        let Turn { transaction, rollout, now } = turn;
        let Some(candidate) = first(turn).await? else { return Ok(None) };
        let Some(before) = apply::lock(transaction, candidate.store).await? else {
            let cause = Cause::new("STORE_DELETED", "The store was deleted meanwhile.");
            return turn.leave(&candidate, &cause).await.map(|()| None);
        };
        let caller = Caller::server(audit::ROLLOUT, rollout.tenant.clone());
        let (operation, audit) = (OperationId(self.ids.uuid()), self.ids.uuid());
        let request = Request { caller: &caller, now: *now, operation, audit, trace: None };
        let start = if turn.starts() {
            let backup = self.backups_enabled.then(|| BackupId(self.ids.uuid()));
            start::start(before.clone(), &rollout.target, (&self.catalog, backup), &request)
        } else {
            let revisions = former(transaction, &candidate).await?;
            start::roll_back(before.clone(), revisions, &self.catalog, &request)
        };
        match start {
            Start::Stop(cause) => return Ok(Some(cause)),
            Start::Busy(cause) => turn.wait_for(&candidate, &cause).await?,
            Start::Skip(cause) => turn.leave(&candidate, &cause).await?,
            Start::Change(change) => self.apply(turn, &candidate, &before, *change).await?,
        }
        Ok(None)
    }

    async fn apply(
        &self,
        turn: &Turn<'_>,
        candidate: &Candidate,
        before: &Snapshot,
        change: Change,
    ) -> Result<(), PortError> {
        let Turn { transaction, rollout, now } = turn;
        match self.quotas.check_plan(*transaction, &before.store, &change.store).await {
            Ok(()) => {}
            Err(PortError::Refused(refusal)) => return turn.leave(candidate, &start::cause_of(&refusal)).await,
            Err(error) => return Err(error),
        }
        let (operation, revision) = (change.operation.id, before.store.revision);
        let begins = operation != before.operation.id;
        Box::pin(apply::update(transaction, before, change, *now)).await?;
        if !begins {
            // Labels and the like change at once.
            let member = (candidate.store, MemberState::Succeeded, &Cause::new("", ""));
            return record(transaction, (rollout.id, rollout.version + 1), member, (*now, false)).await;
        }
        let values = vec![
            rollout.id.0.into(),
            candidate.store.0.into(),
            (!turn.starts()).into(),
            operation.0.into(),
            revision.cast_signed().into(),
            (*now).into(),
            (rollout.version + 1).into(),
        ];
        turn.execute(STARTED, values).await
    }
}

/// The rollout observes this wave.
fn is_observing(rollout: &Rollout, wave: u32) -> bool {
    let progress = &rollout.progress;
    (progress.state, progress.wave) == (RolloutState::Running, wave) && progress.soak_until.is_some()
}

async fn observation(transaction: &Transaction, rollout: &Rollout) -> Result<Observation, PortError> {
    let wave = rollout.progress.wave;
    let began = rollout.progress.soak_until.unwrap_or(rollout.updated_at) - rollout.soak;
    let values = [rollout.id.0.into(), wave.cast_signed().into(), began.into()];
    let observed = Statement::from_sql_and_values(DbBackend::Postgres, OBSERVED, values);
    let row = transaction.query_one_raw(observed).await.map_err(port_error)?.ok_or_else(|| broken("no stores"))?;
    let count = |column| row.try_get::<i64>("", column).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    let read = || {
        let stores: Option<Vec<Uuid>> = row.try_get("", "wave")?;
        Ok(Observation {
            wave,
            stores: stores.unwrap_or_default().into_iter().map(StoreUid).collect(),
            untouched: Share { degraded: count("degraded")?, total: count("untouched")? },
        })
    };
    read().map_err(port_error)
}
