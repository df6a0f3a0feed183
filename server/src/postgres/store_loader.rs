//! Looks up stores with one statement for all concurrent callers.
//!
//! A caller joins a batch only if its statement has not begun yet, so every result includes what was committed before the call. A batch
//! waits for the previous one, which lets it fill, but only briefly: a slow statement delays no others.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult as _, QueryResult, Statement};
use serde_json::json;
use storeplane_core::access::Access;
use storeplane_core::command::StoreRef;
use storeplane_core::ids::Tenant;
use tokio::sync::Semaphore;

use super::entity::store;
use super::pool::Pool;

/// Maximum number of stores in one statement.
const BATCH: usize = 256;
/// How long a batch waits for the previous one.
const WAIT_MAX: Duration = Duration::from_millis(20);

/// The store that is not deleted, otherwise the one deleted last; with a uid, that very store if it is the tenant's.
const FIND: &str = "
SELECT wanted.n, found.* FROM jsonb_to_recordset($1) AS wanted (n integer, tenant text, store_id text, uid uuid)
CROSS JOIN LATERAL (
  SELECT * FROM stores WHERE stores.tenant = wanted.tenant AND stores.store_id = wanted.store_id
    AND (wanted.uid IS NULL OR stores.uid = wanted.uid)
  ORDER BY state = 'DELETED', created_at DESC, stores.uid DESC LIMIT 1) found";

type Key = (Tenant, StoreRef);
type Answer = Result<Option<store::Model>, DbErr>;
/// The results for a batch's keys, in their order.
type Answers = Result<Arc<[Answer]>, DbErr>;

/// Looks up stores. Cheap to clone.
#[derive(Clone)]
pub(super) struct StoreLoader(Arc<Loader>);

struct Loader {
    pool: Pool,
    /// The batch that callers join.
    open: Mutex<Option<Batch>>,
    statement: Semaphore,
}

struct Batch {
    /// `None` once its statement has begun.
    keys: Arc<Mutex<Option<Vec<Key>>>>,
    /// Gone once no caller waits for it.
    answers: WeakShared<BoxFuture<'static, Answers>>,
}

impl StoreLoader {
    pub(super) fn new(pool: Pool) -> Self {
        Self(Arc::new(Loader { pool, open: Mutex::default(), statement: Semaphore::new(1) }))
    }

    /// The store's row, or `None` if there is none that the caller may see.
    pub(super) async fn find(&self, access: &Access, wanted: &StoreRef) -> Answer {
        let Some(key) = key(access, wanted) else { return Ok(None) };
        let (number, answers) = self.join(key);
        answers.await?.get(number).cloned().unwrap_or(Ok(None))
    }

    /// A batch with this key, and the key's index in it.
    fn join(&self, key: Key) -> (usize, Shared<BoxFuture<'static, Answers>>) {
        let mut open = self.0.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(batch) = &*open
            && let Some(answers) = batch.answers.upgrade()
            && let Some(keys) = &mut *batch.keys.lock().unwrap_or_else(PoisonError::into_inner)
        {
            if let Some(number) = keys.iter().position(|known| *known == key) {
                return (number, answers);
            }
            if keys.len() < BATCH {
                keys.push(key);
                return (keys.len() - 1, answers);
            }
        }
        let keys = Arc::new(Mutex::new(Some(vec![key])));
        let answers = run(Arc::clone(&self.0), Arc::clone(&keys)).boxed().shared();
        *open = answers.downgrade().map(|answers| Batch { keys, answers });
        (0, answers)
    }
}

async fn run(loader: Arc<Loader>, keys: Arc<Mutex<Option<Vec<Key>>>>) -> Answers {
    let _permit = tokio::time::timeout(WAIT_MAX, loader.statement.acquire()).await;
    let keys = keys.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
    read(&loader.pool, &keys).await.map(Arc::from)
}

/// The same without batching, for a transaction.
pub(super) async fn find(database: &impl ConnectionTrait, access: &Access, wanted: &StoreRef) -> Answer {
    let Some(key) = key(access, wanted) else { return Ok(None) };
    let found = read(database, &[key]).await?;
    found.into_iter().next().unwrap_or(Ok(None))
}

/// `None` for a store outside of the scope. Nothing is read then, whether it exists or not, so the time does not tell either.
fn key(access: &Access, wanted: &StoreRef) -> Option<Key> {
    access.scope.includes(&wanted.id).then(|| (access.tenant.clone(), wanted.clone()))
}

async fn read(database: &impl ConnectionTrait, keys: &[Key]) -> Result<Vec<Answer>, DbErr> {
    let wanted = keys.iter().enumerate().map(|(n, (tenant, wanted))| {
        json!({"n": n, "tenant": tenant.as_str(), "store_id": wanted.id.as_str(), "uid": wanted.uid.map(|uid| uid.0)})
    });
    let wanted = serde_json::Value::Array(wanted.collect());
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, FIND, [wanted.into()]);
    let mut answers = vec![Ok(None); keys.len()];
    for row in database.query_all_raw(statement).await? {
        let number = usize::try_from(row.try_get::<i32>("", "n")?).ok();
        if let Some(answer) = number.and_then(|number| answers.get_mut(number)) {
            *answer = model(&row).map(Some);
        }
    }
    Ok(answers)
}

fn model(row: &QueryResult) -> Result<store::Model, DbErr> {
    store::Model::from_query_result(row, "")
}
