//! Migrations on a busy database, and on a newer schema.

use std::time::Duration;

use sqlx::{Connection as _, Executor as _};
use storeplane_server::postgres::{self, Schema};

use crate::harness::Database;

#[tokio::test]
async fn migration_waits_for_locks_without_statement_timeout() {
    let database = Database::create().await;
    let name = database.value("SELECT current_database()").await;
    database
        .execute("DROP INDEX operations_by_store_id; DELETE FROM seaql_migrations WHERE version = 'm0008_list_indexes'")
        .await;
    // Before the next statement, which applies to later sessions. One connection: a pool may open another one.
    let mut holder = sqlx::PgConnection::connect(&database.url).await.unwrap();
    // It includes lock waits.
    database.execute(&format!("ALTER DATABASE {name} SET statement_timeout = '1s'")).await;
    let holding = tokio::spawn(async move {
        holder.execute("BEGIN; LOCK TABLE operations IN ROW EXCLUSIVE MODE; SELECT pg_sleep(5); COMMIT").await
    });
    let locks = async || {
        let held = "SELECT count(*) FROM pg_locks WHERE relation = 'operations'::regclass AND mode = 'RowExclusiveLock' AND granted";
        database.value(held).await
    };
    while locks().await == "0" {
        assert!(!holding.is_finished(), "the lock was not taken");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(postgres::schema(&database.pool).await.unwrap(), Schema::Behind(1));

    postgres::migrate(&database.url).await.unwrap();

    assert_eq!(locks().await, "0", "it waited until the lock was released");
    holding.await.unwrap().unwrap();
    assert_eq!(postgres::schema(&database.pool).await.unwrap(), Schema::Current);
    assert_eq!(database.value("SELECT count(*) FROM pg_indexes WHERE indexname = 'operations_by_store_id'").await, "1");
}

#[tokio::test]
async fn newer_schema_works_with_older_server() {
    let database = Database::create().await;
    database.execute("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_future', 0)").await;
    assert_eq!(postgres::schema(&database.pool).await.unwrap(), Schema::Current);
    postgres::migrate(&database.url).await.unwrap();
}

#[tokio::test]
async fn concurrent_migrations_apply_once() {
    let database = Database::empty().await;
    let migrations = (0..3).map(|_| postgres::migrate(&database.url));
    for ended in futures::future::join_all(migrations).await {
        ended.unwrap();
    }
    assert_eq!(postgres::schema(&database.pool).await.unwrap(), Schema::Current);
}

#[tokio::test]
async fn encoding_other_than_utf8_is_refused() {
    let database = Database::empty().await;
    let utf8 = database.value("SELECT current_database()").await;
    let name = format!("{utf8}_ascii");
    let create = format!("CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0");
    database.execute(&create).await;
    let error = postgres::migrate(&database.url.replace(&utf8, &name)).await.unwrap_err().to_string();
    assert!(error.contains("encoding SQL_ASCII and must have UTF8"), "{error}");
    database.execute(&format!("DROP DATABASE {name}")).await;
}
