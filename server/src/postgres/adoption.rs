//! Stores whose rows were lost: what prevents their adoption, and their new rows.

use sea_orm::{DatabaseBackend, EntityTrait, Statement};
use storeplane_core::error::PortError;
use storeplane_core::store::{State, Store};
use storeplane_core::transition::Change;

use super::entity::store;
use super::error::port_error;
use super::pool::{Pool, Transaction};
use super::{apply, locks, tenants};

/// Every row that excludes another one with these values.
const RIVALS: &str = "
SELECT * FROM stores
WHERE uid = $1 OR (state <> 'DELETED' AND ((tenant = $2 AND store_id = $3) OR host = $4 OR namespace = $5))";

/// Adopts stores.
#[derive(Debug, Clone)]
pub struct Adoption {
    database: Pool,
}

impl Adoption {
    /// Uses this pool.
    pub fn new(database: Pool) -> Self {
        Self { database }
    }

    /// What in the database excludes this store; empty if nothing does.
    pub async fn conflicts(&self, store: &Store) -> Result<Vec<String>, PortError> {
        let transaction = self.database.begin().await.map_err(port_error)?;
        conflicts(&transaction, store).await
    }

    /// Stores the adopted store, its events and its audit record in one transaction, unless there are conflicts, which are returned.
    /// `fence` is the namespace's, so that the next claim's is higher.
    pub async fn adopt(&self, change: Change, fence: i64) -> Result<Vec<String>, PortError> {
        let transaction = self.database.begin().await.map_err(port_error)?;
        // Creations wait until its store counts, and the tenant is not deleted meanwhile.
        locks::stores(&transaction, &change.store.tenant).await?;
        let conflicts = conflicts(&transaction, &change.store).await?;
        if conflicts.is_empty() {
            tenants::ensure(&transaction, &change.store.tenant).await?;
            apply::insert(&transaction, change, fence).await?;
            transaction.commit().await.map_err(port_error)?;
        }
        Ok(conflicts)
    }
}

async fn conflicts(transaction: &Transaction, wanted: &Store) -> Result<Vec<String>, PortError> {
    let values = [
        wanted.uid.0.into(),
        wanted.tenant.as_str().into(),
        wanted.id.as_str().into(),
        wanted.placement.host.as_str().into(),
        wanted.placement.namespace.as_str().into(),
    ];
    let rivals = Statement::from_sql_and_values(DatabaseBackend::Postgres, RIVALS, values);
    let rivals = store::Entity::find().from_raw_sql(rivals).all(transaction).await.map_err(port_error)?;
    Ok(rivals.iter().map(|rival| conflict(rival, wanted)).collect())
}

fn conflict(rival: &store::Model, wanted: &Store) -> String {
    let store::Model { uid, store_id, tenant, .. } = rival;
    let who = format!("store {store_id} of tenant {tenant} (uid {uid})");
    if *uid == wanted.uid.0 {
        return if rival.state == State::Deleted.as_str() {
            format!("{who} was deleted according to the database; remove the namespace instead")
        } else {
            format!("{who} is in the database, in the namespace {}", rival.namespace)
        };
    }
    let same = [
        (tenant == wanted.tenant.as_str() && store_id == wanted.id.as_str(), format!("the id {store_id}")),
        (rival.host == wanted.placement.host, format!("the host name {}", rival.host)),
        (rival.namespace == wanted.placement.namespace, format!("the namespace {}", rival.namespace)),
    ];
    let same: Vec<_> = same.into_iter().filter(|(is_same, _)| *is_same).map(|(_, what)| what).collect();
    format!("{who} has {}", same.join(", "))
}
