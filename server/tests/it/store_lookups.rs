//! Concurrent lookups of stores: few statements, and each caller gets its own answer.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use sqlx::{Connection as _, PgConnection};
use storeplane_core::access::Access;
use storeplane_core::command::StoreRef;
use storeplane_core::ids::StoreUid;
use storeplane_core::ports::Stores as _;
use storeplane_core::store::Store;
use storeplane_server::postgres::{PgStores, PoolOptions, QuotaPolicy};
use storeplane_server::system::SystemClock;
use tokio::time::timeout;

use crate::harness::{Database, Writer};

/// Concurrent lookups: more than one statement takes.
const CALLERS: usize = 300;
const PATIENCE: Duration = Duration::from_mins(1);

/// Statements that wait for a lock on the table of stores.
async fn blocked(database: &Database) -> usize {
    let count = "SELECT count(*) FROM pg_locks WHERE relation = 'stores'::regclass AND NOT granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    database.value(count).await.parse().unwrap()
}

fn stores(database: &Database) -> PgStores {
    let options = PoolOptions { connections: 8, acquire_timeout: PATIENCE, ..PoolOptions::default() };
    let pool = PoolOptions { statement_timeout: PATIENCE, ..options }.connect(&database.url).unwrap();
    PgStores::new(pool, Arc::new(SystemClock), QuotaPolicy::default())
}

async fn find(stores: &PgStores, tenant: &str, id: &str, uid: Option<StoreUid>) -> Option<Store> {
    let access = Access::whole(tenant.parse().unwrap());
    stores.find(&access, &StoreRef { id: id.parse().unwrap(), uid }).await.expect("an answer")
}

#[tokio::test]
async fn lookups_at_once_share_statements() {
    let database = Database::create().await;
    let writer = Writer::new(&database.url, 4);
    let (here, there) = (writer.ready("tea", "default").await, writer.ready("tea", "other").await);
    let gone = writer.ready("gone", "default").await;
    writer.delete("default", "gone").await;
    let again = writer.ready("gone", "default").await;
    let stores = stores(&database);

    let mut locking = PgConnection::connect(&database.url).await.unwrap();
    let mut lock = locking.begin().await.unwrap();
    sqlx::query("LOCK TABLE stores IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    let others = join_all((0..CALLERS).map(|n| {
        let stores = stores.clone();
        async move { find(&stores, "default", &format!("absent-{n}"), None).await }
    }));
    let cancelled = timeout(Duration::from_millis(1), find(&stores, "default", "coffee", None));
    let wanted = join_all(
        [
            ("default", "tea", None, Some(here)),
            ("default", "tea", Some(here), Some(here)),
            ("default", "tea", Some(there), None),
            ("other", "tea", None, Some(there)),
            ("default", "gone", None, Some(again)),
            ("default", "gone", Some(gone), Some(gone)),
        ]
        .map(|(tenant, id, uid, expected)| {
            let stores = stores.clone();
            async move { (find(&stores, tenant, id, uid).await.map(|store| store.uid), expected) }
        }),
    );
    let unlock = async {
        // The first lookup begins at once. The others fill two statements, which do not wait long for it.
        let waiting = async {
            while blocked(&database).await < 2 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, waiting).await.expect("a second statement begins");
        tokio::time::sleep(Duration::from_millis(300)).await;
        let statements = blocked(&database).await;
        assert!(statements <= 3, "{statements} statements for {CALLERS} callers");
        lock.commit().await.unwrap();
    };
    let (others, cancelled, wanted, ()) = tokio::join!(others, cancelled, wanted, unlock);
    assert!(cancelled.is_err());
    assert_eq!(others.len(), CALLERS);
    assert!(others.iter().all(Option::is_none));
    for (found, expected) in wanted {
        assert_eq!(found, expected);
    }
}
