//! Looks up stores: one statement for all callers who ask while another lookup is in progress. A lookup begins after the call, so that
//! it sees whatever was committed before.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement};
use serde_json::json;
use storeplane_core::command::StoreRef;
use storeplane_core::ids::Tenant;
use storeplane_core::store::Store;

use super::Pool;
use super::entity::store;
use super::rows;
use crate::single_flight::SingleFlight;

/// Stores of one statement at most; more callers at once wait for the next one.
const BATCH: usize = 256;
/// Lookups that a call joins before it gives up; only one that was full needs another.
const ATTEMPTS: usize = 4;

/// The store that is not deleted, else the one deleted last; with a uid that very one. By the index `stores_by_id`.
const FIND: &str = "
SELECT wanted.n, found.* FROM jsonb_to_recordset($1) AS wanted (n integer, tenant text, store_id text, uid uuid)
CROSS JOIN LATERAL (
  SELECT * FROM stores WHERE stores.tenant = wanted.tenant AND stores.store_id = wanted.store_id
    AND (wanted.uid IS NULL OR stores.uid = wanted.uid)
  ORDER BY state = 'DELETED', created_at DESC, stores.uid DESC LIMIT 1) found";

type Key = (Tenant, StoreRef);
/// What was asked for, with its answer. `None`: the statement failed.
type Found = Option<Arc<HashMap<Key, Option<Store>>>>;

/// Looks up stores. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct StoreLoader {
    pool: Pool,
    wanted: Arc<Mutex<Vec<Key>>>,
    lookups: SingleFlight<(), Found>,
}

#[derive(FromQueryResult)]
struct Row {
    n: i32,
    #[sea_orm(nested)]
    store: store::Model,
}

impl StoreLoader {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool, wanted: Arc::default(), lookups: SingleFlight::default() }
    }

    /// The store, or `None` if there is none. An error is that of this caller's own statement.
    pub(super) async fn find(&self, tenant: &Tenant, wanted: &StoreRef) -> Result<Option<Store>, DbErr> {
        let key = (tenant.clone(), wanted.clone());
        for _ in 0..ATTEMPTS {
            self.wanted.lock().unwrap_or_else(PoisonError::into_inner).push(key.clone());
            let (pool, wanted) = (self.pool.clone(), Arc::clone(&self.wanted));
            let lookup = async move {
                let keys = take(&wanted);
                read(&pool, &keys).await.ok().map(Arc::new)
            };
            let Some(found) = self.lookups.run((), lookup).await else { break };
            if let Some(found) = found.get(&key) {
                return Ok(found.clone());
            }
        }
        let mut found = read(&self.pool, std::slice::from_ref(&key)).await?;
        Ok(found.remove(&key).flatten())
    }
}

fn take(wanted: &Mutex<Vec<Key>>) -> Vec<Key> {
    let mut wanted = wanted.lock().unwrap_or_else(PoisonError::into_inner);
    let rest = wanted.split_off(wanted.len().min(BATCH));
    let mut keys = std::mem::replace(&mut *wanted, rest);
    keys.sort_unstable();
    keys.dedup();
    keys
}

async fn read(pool: &Pool, keys: &[Key]) -> Result<HashMap<Key, Option<Store>>, DbErr> {
    let wanted = keys.iter().enumerate().map(|(n, (tenant, wanted))| {
        json!({"n": n, "tenant": tenant.as_str(), "store_id": wanted.id.as_str(), "uid": wanted.uid.map(|uid| uid.0)})
    });
    let wanted = serde_json::Value::Array(wanted.collect());
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, FIND, [wanted.into()]);
    let mut found: HashMap<Key, Option<Store>> = keys.iter().map(|key| (key.clone(), None)).collect();
    for row in pool.query_all_raw(statement).await? {
        let row = Row::from_query_result(&row, "")?;
        let key = usize::try_from(row.n).ok().and_then(|n| keys.get(n));
        if let Some(answer) = key.and_then(|key| found.get_mut(key)) {
            *answer = Some(rows::store(row.store));
        }
    }
    Ok(found)
}
