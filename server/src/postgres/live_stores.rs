//! All live stores at once, for who compares them with the cluster, and the change of one that nobody works on.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DatabaseBackend, QueryResult, Statement};
use storeplane_core::condition::Condition;
use storeplane_core::error::PortError;
use storeplane_core::ids::{OperationId, StoreUid};
use storeplane_core::ports::Clock;
use storeplane_core::store::State;
use storeplane_core::transition::health::{Health, apply_condition, apply_health};
use time::OffsetDateTime;
use uuid::Uuid;

use super::apply;
use super::error::port_error;
use super::notifier::Notifier;
use super::pool::Pool;
use super::unreadable::Problems;

/// Of a store that is not DELETED, what it takes to find it in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveStore {
    /// For ever this one store.
    pub uid: StoreUid,
    /// What its callers call it.
    pub store_id: String,
    /// Whose it is.
    pub tenant: String,
    /// Its namespace.
    pub namespace: String,
    /// Its release.
    pub release: String,
    /// The name of its engine.
    pub engine: String,
    /// The version of the chart that it was made with.
    pub chart_version: String,
    /// How it is doing, as far as Postgres knows.
    pub state: State,
    /// Its operation: the active one, else the last.
    pub operation: OperationId,
    /// That operation deletes it.
    pub deleting: bool,
    /// It was READY once.
    pub was_ready: bool,
    /// Where customers shop.
    pub shop_url: String,
}

const LIVE: &str = "
SELECT s.uid, s.store_id, s.tenant, s.namespace, s.release, s.engine, s.chart_version, s.state, s.operation,
       o.kind = 'DELETE' AS deleting, s.ready_at IS NOT NULL AS was_ready,
       CASE WHEN s.secure THEN 'https://' ELSE 'http://' END || s.host || '/' AS shop_url
FROM stores s JOIN operations o ON o.id = s.operation
WHERE s.state <> 'DELETED'";

/// Reads all live stores, and follows what the cluster says about one.
#[derive(Clone)]
pub struct LiveStoreRepository {
    database: Pool,
    clock: Arc<dyn Clock>,
    notifier: Notifier,
}

impl std::fmt::Debug for LiveStoreRepository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveStoreRepository").finish_non_exhaustive()
    }
}

impl LiveStoreRepository {
    /// Over this pool.
    pub fn new(database: Pool, clock: Arc<dyn Clock>, notifier: Notifier) -> Self {
        Self { database, clock, notifier }
    }

    /// Every store that is not DELETED, of all tenants.
    pub async fn live(&self) -> Result<Vec<LiveStore>, PortError> {
        let live = Statement::from_string(DatabaseBackend::Postgres, LIVE);
        let rows = self.database.query_all_raw(live).await.map_err(port_error)?;
        rows.iter().map(read).collect()
    }

    /// Stores what was found out about a store, if nobody has worked on it since its operation was `last`. The state
    /// that it moved to, if it did.
    pub async fn apply_health(
        &self,
        uid: StoreUid,
        last: OperationId,
        health: &Health,
    ) -> Result<Option<State>, PortError> {
        let transaction = self.database.begin().await.map_err(port_error)?;
        let Some(before) = apply::lock(&transaction, uid).await? else { return Ok(None) };
        let now = self.clock.now();
        let change = apply_health(before.clone(), last, health, now)?;
        let moved = (change.store.state != before.store.state).then_some(change.store.state);
        if change.store == before.store {
            return Ok(None);
        }
        apply::update(&transaction, &before, change, now).await?;
        transaction.commit().await.map_err(port_error)?;
        self.notifier.notify_events();
        Ok(moved)
    }
}

impl LiveStoreRepository {
    /// Stores a condition of a store, made at the time that it is given.
    pub async fn apply_condition(
        &self,
        uid: StoreUid,
        condition: impl FnOnce(OffsetDateTime) -> Condition,
    ) -> Result<(), PortError> {
        let transaction = self.database.begin().await.map_err(port_error)?;
        let Some(before) = apply::lock(&transaction, uid).await? else { return Ok(()) };
        let now = self.clock.now();
        let change = apply_condition(before.clone(), condition(now));
        if change.store == before.store {
            return Ok(());
        }
        apply::update(&transaction, &before, change, now).await?;
        transaction.commit().await.map_err(port_error)?;
        self.notifier.notify_events();
        Ok(())
    }
}

fn read(row: &QueryResult) -> Result<LiveStore, PortError> {
    let text = |column: &str| row.try_get::<String>("", column).map_err(port_error);
    let flag = |column: &str| row.try_get::<bool>("", column).map_err(port_error);
    let id = |column: &str| row.try_get::<Uuid>("", column).map_err(port_error);
    let (uid, state) = (id("uid")?, text("state")?);
    let mut problems = Problems::of("stores", uid);
    let state = problems.known("state", &state, State::parse(&state), State::Unreadable);
    problems.log();
    Ok(LiveStore {
        uid: StoreUid(uid),
        store_id: text("store_id")?,
        tenant: text("tenant")?,
        namespace: text("namespace")?,
        release: text("release")?,
        engine: text("engine")?,
        chart_version: text("chart_version")?,
        state,
        operation: OperationId(id("operation")?),
        deleting: flag("deleting")?,
        was_ready: flag("was_ready")?,
        shop_url: text("shop_url")?,
    })
}
