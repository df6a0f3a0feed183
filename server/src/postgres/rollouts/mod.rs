//! Rollouts: created, read and changed by callers here; [`advance`] is what the server does with those that have not ended,
//! [`turn`] with one of their stores.
//!
//! Every change locks the rollout's row first, then a store's, and increases the rollout's version, which the changed rows get, too. So a
//! watch that knows a version reads exactly what changed after it.

mod advance;
mod members;
mod rows;
mod settle;
mod turn;

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, ConnectionTrait as _, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
};
use storeplane_core::access::Access;
use storeplane_core::audit::{AuditRecord, Changes};
use storeplane_core::error::{DomainError, PortError, RolloutError};
use storeplane_core::ids::{RolloutId, StoreUid, Tenant};
use storeplane_core::ports::{self, RolloutDecision};
use storeplane_core::query::{MemberQuery, Page, RolloutQuery};
use storeplane_core::rollout::command::{CreateRollout, RolloutCommand};
use storeplane_core::rollout::{Member, ROLLOUTS_MAX, Rollout, STORES_MAX};
use storeplane_core::store::State;
use uuid::Uuid;

use super::entity::{rollout, store};
use super::error::{broken, port_error, violated};
use super::pool::{Pool, Transaction};
use super::{audit, list, locks, requests, scope};

pub use advance::{Advanced, Observation, RolloutEngine};

/// Another rollout that has one of these stores.
const CONFLICT: &str = "
SELECT m.rollout, m.store_id FROM rollout_stores m
WHERE m.exclusive AND m.store = ANY($1) ORDER BY m.store_id LIMIT 1";

const OPEN: &str = "SELECT count(*) FROM rollouts WHERE tenant = $1 AND ended_at IS NULL";

/// Stores that are not started any more. Those with active operations stay exclusive until these end.
const END: &str = "
UPDATE rollout_stores SET version = $2, exclusive = exclusive AND state = 'RUNNING',
  state = CASE WHEN state = 'PENDING' THEN 'SKIPPED' ELSE state END,
  reason = CASE WHEN state = 'PENDING' THEN $3 ELSE reason END,
  message = CASE WHEN state = 'PENDING' THEN $4 ELSE message END,
  ended_at = CASE WHEN state = 'PENDING' THEN $5 ELSE ended_at END
WHERE rollout = $1 AND (exclusive OR state = 'PENDING')";

/// Rollouts in Postgres.
#[derive(Clone)]
pub struct PgRollouts {
    database: Pool,
}

impl std::fmt::Debug for PgRollouts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgRollouts").finish_non_exhaustive()
    }
}

impl PgRollouts {
    /// Uses this pool.
    pub fn new(database: Pool) -> Self {
        Self { database }
    }

    /// The stores that match, newest first: they have the least to lose.
    async fn matching(
        &self,
        connection: &impl sea_orm::ConnectionTrait,
        command: &CreateRollout,
    ) -> Result<Vec<(StoreUid, String)>, PortError> {
        use store::Column;
        let all = scope::condition(&Access::whole(command.rollout.tenant.clone()));
        let select = store::Entity::find()
            .select_only()
            .columns([Column::Uid, Column::StoreId])
            .filter(all)
            .filter(list::store_filter(&command.filter))
            .filter(Column::State.ne(State::Deleted.as_str()))
            .order_by_desc(Column::CreatedAt)
            .order_by_desc(Column::Uid)
            .limit(STORES_MAX as u64 + 1);
        let found: Vec<(Uuid, String)> = select.into_tuple().all(connection).await.map_err(port_error)?;
        if found.is_empty() {
            return Err(DomainError::from(RolloutError::NoStores).into());
        }
        if found.len() > STORES_MAX {
            let rule = format!("must match at most {STORES_MAX} stores");
            return Err(DomainError::field("rollout.filter", rule).into());
        }
        Ok(found.into_iter().map(|(uid, id)| (StoreUid(uid), id)).collect())
    }

    async fn check_free(
        connection: &impl sea_orm::ConnectionTrait,
        tenant: &Tenant,
        stores: &[(StoreUid, String)],
    ) -> Result<(), PortError> {
        let open = Statement::from_sql_and_values(DbBackend::Postgres, OPEN, [tenant.as_str().into()]);
        let row = connection.query_one_raw(open).await.map_err(port_error)?.ok_or_else(|| broken("no count"))?;
        let open: i64 = row.try_get_by_index(0).map_err(port_error)?;
        if open >= i64::from(ROLLOUTS_MAX) {
            return Err(DomainError::from(RolloutError::TooMany { max: ROLLOUTS_MAX }).into());
        }
        let uids: Vec<Uuid> = stores.iter().map(|(uid, _)| uid.0).collect();
        let conflict = Statement::from_sql_and_values(DbBackend::Postgres, CONFLICT, [uids.into()]);
        let Some(row) = connection.query_one_raw(conflict).await.map_err(port_error)? else { return Ok(()) };
        let rollout = RolloutId(row.try_get_by_index(0).map_err(port_error)?);
        let store_id = row.try_get_by_index(1).map_err(port_error)?;
        Err(DomainError::from(RolloutError::Conflict { rollout, store_id }).into())
    }

    async fn store_new(
        transaction: &Transaction,
        made: &Rollout,
        stores: Vec<(StoreUid, String)>,
    ) -> Result<(), PortError> {
        rollout::Entity::insert(rows::row(made)?).exec_without_returning(transaction).await.map_err(port_error)?;
        let waves = made.waves.iter().zip(1..).flat_map(|(wave, number)| (0..wave.stores).map(move |_| number));
        let waves: Vec<i32> = waves.collect();
        let (uids, ids): (Vec<Uuid>, Vec<String>) = stores.into_iter().map(|(uid, id)| (uid.0, id)).unzip();
        let inserted = members::insert(transaction, made.id, (uids, ids, waves)).await;
        inserted.map_err(|error| match violated(&error).as_deref() {
            Some("rollout_stores_exclusive") => broken("a store is in a rollout of another tenant"),
            _ => port_error(error),
        })
    }
}

#[async_trait]
impl ports::Rollouts for PgRollouts {
    async fn create(&self, command: CreateRollout, record: AuditRecord) -> Result<Rollout, PortError> {
        let (tenant, idempotency) = (command.rollout.tenant.clone(), command.idempotency);
        let transaction = self.database.begin().await.map_err(port_error)?;
        if let Some(row) = requests::reserve_id(&transaction, &tenant, idempotency, record.at).await? {
            let known = rows::find(&transaction, &tenant, RolloutId(row.store)).await?;
            return Ok(known.ok_or_else(|| DomainError::NotFound { kind: "rollout", name: row.store.to_string() })?);
        }
        // Two creations in a tenant wait for each other, so that only one gets a store.
        locks::rollouts(&transaction, &tenant).await?;
        let stores = self.matching(&transaction, &command).await?;
        Self::check_free(&transaction, &tenant, &stores).await?;
        let made = command.of(u32::try_from(stores.len()).unwrap_or(u32::MAX));
        Self::store_new(&transaction, &made, stores).await?;
        requests::remember(&transaction, &tenant, idempotency, (made.id.0, Uuid::nil())).await?;
        let changes = Changes::between(serde_json::Value::Null, rows::audited(&made));
        transaction.changes_operations();
        audit::append(&transaction, AuditRecord { changes, ..record }).await?;
        transaction.commit().await.map_err(port_error)?;
        Ok(made)
    }

    async fn preview(&self, command: CreateRollout) -> Result<Rollout, PortError> {
        let stores = self.matching(&self.database, &command).await?;
        Self::check_free(&self.database, &command.rollout.tenant, &stores).await?;
        Ok(command.of(u32::try_from(stores.len()).unwrap_or(u32::MAX)))
    }

    async fn find(&self, tenant: &Tenant, id: RolloutId) -> Result<Option<Rollout>, PortError> {
        rows::find(&self.database, tenant, id).await
    }

    async fn list(&self, query: &RolloutQuery) -> Result<Page<Rollout>, PortError> {
        use rollout::Column;
        let select = rollout::Entity::find().filter(Column::Tenant.eq(query.tenant.as_str()));
        let select = list::newest(select, (Column::CreatedAt, Column::Id), query.after.as_ref());
        let found = select.limit(list::one_more(query.limit)).all(&self.database).await.map_err(port_error)?;
        Ok(list::page(rows::read_all(&self.database, found).await?, query.limit))
    }

    async fn members(&self, query: &MemberQuery) -> Result<Page<Member>, PortError> {
        Ok(list::page(members::page(&self.database, query).await?, query.limit))
    }

    async fn version(&self, tenant: &Tenant, id: RolloutId) -> Result<Option<i64>, PortError> {
        use rollout::Column;
        let of_tenant = rollout::Entity::find_by_id(id.0).filter(Column::Tenant.eq(tenant.as_str()));
        let version = of_tenant.select_only().column(Column::Version).into_tuple();
        version.one(&self.database).await.map_err(port_error)
    }

    async fn members_after(&self, id: RolloutId, version: i64) -> Result<Vec<Member>, PortError> {
        members::after(&self.database, id, version).await
    }

    async fn change(
        &self,
        tenant: &Tenant,
        command: &RolloutCommand,
        record: AuditRecord,
        decide: &RolloutDecision<'_>,
    ) -> Result<Rollout, PortError> {
        let transaction = self.database.begin().await.map_err(port_error)?;
        let missing = || DomainError::NotFound { kind: "rollout", name: command.id.to_string() };
        let before = rows::lock(&transaction, command.id).await?.filter(|rollout| rollout.tenant == *tenant);
        let before = before.ok_or_else(missing)?;
        let actual = before.etag();
        if command.etag.as_ref().is_some_and(|etag| *etag != actual) {
            return Err(DomainError::from(RolloutError::StaleEtag { actual }).into());
        }
        let mut after = before.clone();
        decide(&mut after).map_err(DomainError::from)?;
        if after != before {
            save(&transaction, &mut after, record.at).await?;
        }
        let changes = Changes::between(rows::audited(&before), rows::audited(&after));
        audit::append(&transaction, AuditRecord { changes, ..record }).await?;
        transaction.commit().await.map_err(port_error)?;
        Ok(after)
    }
}

/// Stores a locked rollout with its next version, and that of its stores if it has ended.
async fn save(transaction: &Transaction, changed: &mut Rollout, now: time::OffsetDateTime) -> Result<(), PortError> {
    changed.version += 1;
    changed.updated_at = now;
    sea_orm::ActiveModelTrait::update(rows::progress(changed), transaction).await.map_err(port_error)?;
    if changed.progress.ended_at.is_some() {
        let state = changed.progress.state.as_str();
        let values = [
            changed.id.0.into(),
            changed.version.into(),
            format!("ROLLOUT_{state}").into(),
            "The rollout ended before it was the store's turn.".into(),
            now.into(),
        ];
        let end = Statement::from_sql_and_values(DbBackend::Postgres, END, values);
        transaction.execute_raw(end).await.map_err(port_error)?;
        changed.counts = rows::counts(transaction, changed.id).await?;
    }
    transaction.changes_operations();
    Ok(())
}
