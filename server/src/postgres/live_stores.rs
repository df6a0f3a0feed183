//! All live stores, for the reconciler, and changes to a store without an active operation.

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DatabaseBackend, QueryResult, Statement};
use storeplane_core::condition::Condition;
use storeplane_core::error::PortError;
use storeplane_core::ids::{OperationId, StoreUid};
use storeplane_core::ports::Clock;
use storeplane_core::store::State;
use storeplane_core::transition::health::{Health, apply_condition, apply_health};
use storeplane_core::transition::{Change, Snapshot};
use time::OffsetDateTime;
use uuid::Uuid;

use super::apply;
use super::error::port_error;
use super::pool::Pool;
use super::unreadable::Problems;

/// What is needed to find a store that is not DELETED in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "columns of a query")]
pub struct LiveStore {
    /// Its unique id.
    pub uid: StoreUid,
    /// The id that callers use.
    pub store_id: String,
    /// Its tenant.
    pub tenant: String,
    /// Its namespace.
    pub namespace: String,
    /// Its release.
    pub release: String,
    /// The name of its engine.
    pub engine: String,
    /// The chart version that it was installed with.
    pub chart_version: String,
    /// Its state in Postgres.
    pub state: State,
    /// The number of its newest revision; 0 if none is recorded.
    pub revision: u32,
    /// Its active operation, otherwise the last one.
    pub operation: OperationId,
    /// True if that operation is active.
    pub active: bool,
    /// True if that operation deletes it.
    pub deleting: bool,
    /// True if it was ever READY.
    pub was_ready: bool,
    /// The shop's URL.
    pub shop_url: String,
    /// It is that of a domain of the shop's owner.
    pub has_domain: bool,
    /// The platform's own host name of the shop.
    pub host: String,
}

const LIVE: &str = "
SELECT s.uid, s.store_id, s.tenant, s.namespace, s.release, s.engine, s.chart_version, s.state, s.revision,
       s.operation, o.state IN ('PENDING', 'RUNNING') AS active, o.kind = 'DELETE' AS deleting, s.ready_at IS NOT NULL AS was_ready,
       CASE WHEN s.secure THEN 'https://' ELSE 'http://' END || coalesce(s.domains ->> 'primary', s.host) || '/' AS shop_url,
       s.domains ->> 'primary' IS NOT NULL AS has_domain, s.host
FROM stores s JOIN operations o ON o.id = s.operation
WHERE s.state <> 'DELETED'";

/// Reads all live stores, and applies observations of the cluster to them.
#[derive(Clone)]
pub struct LiveStoreRepository {
    database: Pool,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for LiveStoreRepository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveStoreRepository").finish_non_exhaustive()
    }
}

impl LiveStoreRepository {
    /// Uses this pool.
    pub fn new(database: Pool, clock: Arc<dyn Clock>) -> Self {
        Self { database, clock }
    }

    pub(super) fn database(&self) -> &Pool {
        &self.database
    }

    /// Every store that is not DELETED, of all tenants.
    pub async fn live(&self) -> Result<Vec<LiveStore>, PortError> {
        let live = Statement::from_string(DatabaseBackend::Postgres, LIVE);
        let rows = self.database.query_all_raw(live).await.map_err(port_error)?;
        rows.iter().map(read).collect()
    }

    /// Those of these stores that are not DELETED.
    pub async fn of(&self, uids: &[StoreUid]) -> Result<Vec<LiveStore>, PortError> {
        let uids: Vec<Uuid> = uids.iter().map(|uid| uid.0).collect();
        let some = format!("{LIVE} AND s.uid = ANY($1)");
        let some = Statement::from_sql_and_values(DatabaseBackend::Postgres, some, [uids.into()]);
        let rows = self.database.query_all_raw(some).await.map_err(port_error)?;
        rows.iter().map(read).collect()
    }

    /// Applies the observed health of a store, if `last` is still its operation and inactive. Returns the new state
    /// if it changed.
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
        Ok(moved)
    }
}

impl LiveStoreRepository {
    /// Stores a condition of a store, created with the current time.
    pub async fn apply_condition(
        &self,
        uid: StoreUid,
        condition: impl FnOnce(OffsetDateTime) -> Condition,
    ) -> Result<(), PortError> {
        self.observe(uid, |snapshot, now| apply_condition(snapshot, condition(now))).await
    }

    /// Applies an observation that does not change the store's state, at the current time.
    pub(super) async fn observe(
        &self,
        uid: StoreUid,
        observed: impl FnOnce(Snapshot, OffsetDateTime) -> Change,
    ) -> Result<(), PortError> {
        let transaction = self.database.begin().await.map_err(port_error)?;
        let Some(before) = apply::lock(&transaction, uid).await? else { return Ok(()) };
        let now = self.clock.now();
        let change = observed(before.clone(), now);
        if change.store == before.store {
            return Ok(());
        }
        apply::update(&transaction, &before, change, now).await?;
        transaction.commit().await.map_err(port_error)?;
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
        revision: row.try_get::<i32>("", "revision").map_err(port_error)?.cast_unsigned(),
        operation: OperationId(id("operation")?),
        active: flag("active")?,
        deleting: flag("deleting")?,
        was_ready: flag("was_ready")?,
        shop_url: text("shop_url")?,
        has_domain: flag("has_domain")?,
        host: text("host")?,
    })
}
