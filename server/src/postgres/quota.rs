//! The quotas of tenants, checked in the transaction that uses them up.
//!
//! They hold across servers: creations in a tenant wait for each other's transactions, so that only one gets the last place.
//! What a caller did within the window is counted from the operations, so a repeated request is not counted twice.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, Statement};
use storeplane_core::access::{Access, Scope};
use storeplane_core::backup::Backup;
use storeplane_core::engine::Catalog;
use storeplane_core::error::{DomainError, Outage, OutageKind, PortError, TenantError};
use storeplane_core::ids::Tenant;
use storeplane_core::operation::OperationKind;
use storeplane_core::quota::{Limit, QuotaError, QuotaUse, Quotas, Rate, Size, Usage};
use storeplane_core::store::Store;
use storeplane_core::tenant::{TenantDetails, TenantState};
use storeplane_core::transition::{Change, Snapshot};
use time::OffsetDateTime;

use super::creation_queue::{CreationPermit, CreationQueues};
use super::entity::tenant;
use super::error::{broken, port_error};
use super::pool::{Pool, Transaction};
use super::{locks, tenants};
use crate::metrics::metrics;

/// While a store is updated it counts with the larger of its plans: the update may be undone.
const PLANS: &str =
    "SELECT s.engine, s.plan, coalesce(o.settings_update #>> '{before,plan}', s.plan) AS former, count(*) AS count
FROM stores s LEFT JOIN operations o ON o.id = s.operation AND s.state = 'UPDATING'
WHERE s.tenant = $1 AND s.state <> 'DELETED' GROUP BY 1, 2, 3";

/// What a caller did since $3; a deletion that was retried counts once. A copy creates a store, unless it is a retry of one.
const DONE: &str =
    "SELECT count(DISTINCT store) FILTER (WHERE kind = 'CREATE' OR (kind = 'COPY' AND prior IS NULL)) AS creations,
  count(DISTINCT store) FILTER (WHERE kind = 'DELETE') AS deletions
FROM operations WHERE tenant = $1 AND requested_by = $2 AND created_at > $3";

/// Uses the index `backups_requested`, whose conditions these imply: [`storeplane_core::backup::BackupTrigger::is_automatic`] does not hold.
const BACKUPS: &str = "SELECT count(*) FROM backups
WHERE tenant = $1 AND trigger NOT IN ('SCHEDULED', 'BEFORE_RESTORE', 'BEFORE_UPDATE', 'COPY') AND state IN ('CREATING', 'COMPLETE')";

/// When the caller did it for the $5th last time since $3: once that is out of the window, the next one is possible.
const NTH_LAST: &str = "SELECT min(created_at) AS at FROM operations
WHERE tenant = $1 AND requested_by = $2 AND created_at > $3 AND kind = ANY($4) AND (kind <> 'COPY' OR prior IS NULL)
GROUP BY store ORDER BY 1 DESC OFFSET $5 - 1 LIMIT 1";

#[derive(FromQueryResult)]
struct PlanRow {
    engine: String,
    plan: String,
    former: String,
    count: i64,
}

/// The quotas of tenants for which none were set, and the sizes of plans.
#[derive(Debug, Clone)]
pub struct QuotaPolicy {
    defaults: Arc<Quotas>,
    /// By engine and plan. A plan that no engine has any more counts as 0.
    sizes: Arc<HashMap<(String, String), Size>>,
    queues: CreationQueues,
}

impl Default for QuotaPolicy {
    /// No limits.
    fn default() -> Self {
        Self { defaults: Arc::new(Quotas::unlimited()), sizes: Arc::default(), queues: CreationQueues::default() }
    }
}

impl QuotaPolicy {
    /// With these defaults, for the plans of these engines.
    pub fn new(defaults: Quotas, catalog: &Catalog) -> Self {
        let all = catalog.engines().iter().flat_map(|engine| catalog.versions(&engine.name));
        // The sizes of the default versions come last, so they win.
        let plans = all.chain(catalog.engines()).flat_map(|engine| engine.plans.iter().map(move |plan| (engine, plan)));
        let sizes = plans.map(|(engine, plan)| {
            let size = plan.size.amounts().unwrap_or_default();
            ((engine.name.clone(), plan.name.clone()), size)
        });
        Self { defaults: Arc::new(defaults), sizes: Arc::new(sizes.collect()), queues: CreationQueues::default() }
    }

    /// Waits until no other creation of this server in the tenant is in progress, if they are counted. Whoever waits here has no
    /// connection; the lock in Postgres is then contended by servers only.
    pub(super) async fn queue(&self, database: &Pool, tenant: &Tenant) -> Result<Option<CreationPermit>, PortError> {
        if !self.quotas(find(database, tenant).await?.as_ref()).counts_creations() {
            return Ok(None);
        }
        self.queues.wait(tenant).await.map(Some)
    }

    /// Locks the tenant's quotas until the transaction ends, adds the tenant if it is not there, and returns an error unless its
    /// quotas permit the new store.
    pub(super) async fn admit_creation(
        &self,
        transaction: &Transaction,
        permit: Option<&CreationPermit>,
        store: &Store,
        caller: &str,
        now: OffsetDateTime,
    ) -> Result<(), PortError> {
        if permit.is_some() {
            locks::stores(transaction, &store.tenant).await?;
        } else {
            locks::stores_shared(transaction, &store.tenant).await?;
        }
        match self.decide(transaction, store, caller, now).await? {
            None => tenants::ensure(transaction, &store.tenant).await,
            // Its quotas were set after they were read without the lock: with the shared one, two creations could take the last place.
            Some(tenant) if permit.is_none() && self.quotas(Some(&tenant)).counts_creations() => {
                Err(quotas_are_changing())
            }
            Some(_) => Ok(()),
        }
    }

    /// The same without a lock: another request may take the place.
    pub(super) async fn check_creation(
        &self,
        connection: &impl ConnectionTrait,
        store: &Store,
        caller: &str,
        now: OffsetDateTime,
    ) -> Result<(), PortError> {
        self.decide(connection, store, caller, now).await.map(drop)
    }

    /// The tenant's row, if it has one and its quotas permit the store.
    async fn decide(
        &self,
        connection: &impl ConnectionTrait,
        store: &Store,
        caller: &str,
        now: OffsetDateTime,
    ) -> Result<Option<TenantDetails>, PortError> {
        let tenant = Self::tenant(connection, &store.tenant).await?;
        let quotas = self.quotas(tenant.as_ref());
        let usage = self.usage(connection, &store.tenant, &quotas).await?;
        let size = self.size(&store.spec.engine, &store.spec.plan);
        quotas.admit_store(&store.tenant, &store.spec.plan, size, &usage).map_err(refused)?;
        admit_rate(connection, &quotas, &store.tenant, Rate::Creations, caller, now).await?;
        Ok(tenant)
    }

    /// True if the change gives the store a plan that counts towards a quota of its tenant.
    pub(super) async fn counts_plan(
        &self,
        connection: &impl ConnectionTrait,
        before: &Store,
        after: &Store,
    ) -> Result<bool, PortError> {
        if before.spec.plan == after.spec.plan {
            return Ok(false);
        }
        self.counts_plans(connection, &after.tenant).await
    }

    /// True if plans of stores count towards a quota of the tenant.
    pub(super) async fn counts_plans(
        &self,
        connection: &impl ConnectionTrait,
        tenant: &Tenant,
    ) -> Result<bool, PortError> {
        Ok(!self.quotas(find(connection, tenant).await?.as_ref()).has_no_totals())
    }

    /// Returns an error if the tenant's quotas do not permit the store's new plan.
    pub(super) async fn check_plan(
        &self,
        connection: &impl ConnectionTrait,
        before: &Store,
        after: &Store,
    ) -> Result<(), PortError> {
        if before.spec.plan == after.spec.plan {
            return Ok(());
        }
        let quotas = self.quotas(find(connection, &after.tenant).await?.as_ref());
        let usage = self.usage(connection, &after.tenant, &quotas).await?;
        let size = |store: &Store| self.size(&store.spec.engine, &store.spec.plan);
        let adds = size(after).minus(size(before));
        Ok(quotas.admit_plan(&after.tenant, &after.spec.plan, adds, &usage).map_err(refused)?)
    }

    /// Returns an error if the change is a new deletion, and the caller deletes too often; or if it adds a backup beyond the quota.
    pub(super) async fn admit_change(
        &self,
        transaction: &Transaction,
        before: &Snapshot,
        change: &Change,
        now: OffsetDateTime,
    ) -> Result<(), PortError> {
        let (old, new) = (&before.operation, &change.operation);
        let tenant = &change.store.tenant;
        let counted = change.backup.as_ref().filter(|backup| !backup.trigger.is_automatic());
        if new.id != old.id && counted.is_some_and(|backup| backup.operation == new.id) {
            return self.admit_backup(transaction, tenant).await;
        }
        if new.id == old.id || new.kind != OperationKind::Delete || old.kind == OperationKind::Delete {
            return Ok(());
        }
        let quotas = self.quotas(find(transaction, tenant).await?.as_ref());
        if quotas.deletions == Limit::Unlimited {
            return Ok(());
        }
        // Not the lock of creations: this transaction holds the row of a store whose id one may wait for.
        locks::deletions(transaction, tenant).await?;
        admit_rate(transaction, &quotas, tenant, Rate::Deletions, &new.requested_by, now).await
    }

    async fn admit_backup(&self, transaction: &Transaction, tenant: &Tenant) -> Result<(), PortError> {
        let quotas = self.quotas(find(transaction, tenant).await?.as_ref());
        if quotas.backups == Limit::Unlimited {
            return Ok(());
        }
        locks::backups(transaction, tenant).await?;
        let used = backups(transaction, tenant).await?;
        Ok(quotas.admit_backup(tenant, used).map_err(refused)?)
    }

    /// The same without a lock: another request may take the place.
    pub(super) async fn check_backup(&self, connection: &impl ConnectionTrait, new: &Backup) -> Result<(), PortError> {
        let quotas = self.quotas(find(connection, &new.tenant).await?.as_ref());
        if new.trigger.is_automatic() || quotas.backups == Limit::Unlimited {
            return Ok(());
        }
        let used = backups(connection, &new.tenant).await?;
        Ok(quotas.admit_backup(&new.tenant, used).map_err(refused)?)
    }

    /// The use of every quota that is limited. A caller that sees only some stores gets only what counts itself: the totals count stores
    /// that it may not see.
    pub(super) async fn read(
        &self,
        connection: &impl ConnectionTrait,
        access: &Access,
        caller: &str,
        now: OffsetDateTime,
    ) -> Result<Vec<QuotaUse>, PortError> {
        let tenant = &access.tenant;
        let mut quotas = self.quotas(find(connection, tenant).await?.as_ref());
        if access.scope != Scope::All {
            quotas = quotas.without_totals();
        }
        let mut usage = self.usage(connection, tenant, &quotas).await?;
        if quotas.backups != Limit::Unlimited {
            usage.backups = backups(connection, tenant).await?;
        }
        if (quotas.creations, quotas.deletions) == (Limit::Unlimited, Limit::Unlimited) {
            return Ok(quotas.usage(&usage, 0, 0));
        }
        let values = [tenant.as_str().into(), caller.into(), (now - quotas.window).into()];
        let row = connection.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, DONE, values)).await;
        let row = row.map_err(port_error)?.ok_or_else(|| broken("no count"))?;
        let count = |column| row.try_get("", column).map_err(port_error);
        Ok(quotas.usage(&usage, count("creations")?, count("deletions")?))
    }

    /// A tenant in which something can be created; `None` if it has no row yet.
    async fn tenant(connection: &impl ConnectionTrait, tenant: &Tenant) -> Result<Option<TenantDetails>, PortError> {
        match find(connection, tenant).await? {
            Some(found) if found.state == TenantState::Deleted => {
                Err(DomainError::from(TenantError::Deleted { tenant: found.id }).into())
            }
            found => Ok(found),
        }
    }

    fn quotas(&self, tenant: Option<&TenantDetails>) -> Quotas {
        tenant.map_or_else(|| (*self.defaults).clone(), |found| found.quotas.over(&self.defaults))
    }

    /// The tenant's stores; nothing is counted if no total of them is limited.
    async fn usage(
        &self,
        connection: &impl ConnectionTrait,
        tenant: &Tenant,
        quotas: &Quotas,
    ) -> Result<Usage, PortError> {
        if quotas.has_no_totals() {
            return Ok(Usage::default());
        }
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, PLANS, [tenant.as_str().into()]);
        let rows = connection.query_all_raw(statement).await.map_err(port_error)?;
        let mut usage = Usage::default();
        for row in rows {
            let PlanRow { engine, plan, former, count } = PlanRow::from_query_result(&row, "").map_err(port_error)?;
            usage.stores += count;
            let size = self.size(&engine, &plan).max(self.size(&engine, &former));
            usage.size = usage.size.plus(size.times(count));
        }
        Ok(usage)
    }

    fn size(&self, engine: &str, plan: &str) -> Size {
        self.sizes.get(&(engine.to_owned(), plan.to_owned())).copied().unwrap_or_default()
    }
}

/// Quotas were set between the request's reads.
pub(super) fn quotas_are_changing() -> PortError {
    PortError::Unavailable(Outage::new(OutageKind::Overloaded, "the tenant's quotas are changing"))
}

/// Backups that callers requested.
async fn backups(connection: &impl ConnectionTrait, tenant: &Tenant) -> Result<i64, PortError> {
    let count = Statement::from_sql_and_values(DbBackend::Postgres, BACKUPS, [tenant.as_str().into()]);
    let row = connection.query_one_raw(count).await.map_err(port_error)?;
    row.ok_or_else(|| broken("no count"))?.try_get_by_index(0).map_err(port_error)
}

async fn find(connection: &impl ConnectionTrait, tenant: &Tenant) -> Result<Option<TenantDetails>, PortError> {
    let found = tenant::Entity::find_by_id(tenant.as_str()).one(connection).await.map_err(port_error)?;
    Ok(found.map(tenants::details))
}

/// Returns an error if the caller did it as often as it may within the window.
async fn admit_rate(
    connection: &impl ConnectionTrait,
    quotas: &Quotas,
    tenant: &Tenant,
    rate: Rate,
    caller: &str,
    now: OffsetDateTime,
) -> Result<(), PortError> {
    let Limit::AtMost(limit) = quotas.rate(rate) else { return Ok(()) };
    let window = quotas.window;
    let too_often =
        |retry_after| refused(QuotaError::TooOften { tenant: tenant.clone(), rate, limit, window, retry_after });
    if limit == 0 {
        return Err(too_often(window).into());
    }
    let kinds = match rate {
        Rate::Creations => &[OperationKind::Create, OperationKind::Copy][..],
        Rate::Deletions => &[OperationKind::Delete],
    };
    let kinds: Vec<_> = kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
    let values = [tenant.as_str().into(), caller.into(), (now - window).into(), kinds.into(), limit.into()];
    let row = connection.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, NTH_LAST, values)).await;
    match row.map_err(port_error)? {
        None => Ok(()),
        Some(row) => {
            let at: OffsetDateTime = row.try_get("", "at").map_err(port_error)?;
            Err(too_often(at + window - now).into())
        }
    }
}

/// Counts the refusal.
fn refused(error: QuotaError) -> DomainError {
    let names = match &error {
        QuotaError::Exceeded { exceeded, .. } => exceeded.iter().map(|quota| quota.name).collect(),
        QuotaError::PlanNotAllowed { .. } => vec!["plans"],
        QuotaError::TooOften { rate, .. } => vec![rate.name()],
    };
    for name in names {
        metrics().limited.with([name]).inc();
    }
    error.into()
}

#[cfg(test)]
mod tests {
    use storeplane_core::backup::BackupTrigger;

    use super::*;

    #[test]
    fn backups_that_expire_are_not_counted() {
        for trigger in BackupTrigger::ALL {
            let is_left_out = BACKUPS.contains(&format!("'{}'", trigger.as_str()));
            assert_eq!(is_left_out, trigger.is_automatic(), "{trigger:?}");
        }
    }
}
