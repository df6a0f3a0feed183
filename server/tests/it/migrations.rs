//! Migrations on a busy database, and on a newer schema.

use std::time::Duration;

use sqlx::{Connection as _, Executor as _};
use storeplane_server::postgres::{self, Schema};

use crate::harness::Database;

#[tokio::test]
async fn migration_waits_for_locks_without_statement_timeout() {
    let database = Database::create().await;
    let name = database.value("SELECT current_database()").await;
    // Its index is dropped by a later migration.
    database.execute("DELETE FROM seaql_migrations WHERE version = 'm0008_list_indexes'").await;
    // Before the next statement, which applies to later sessions. One connection: a pool may open another one.
    let mut holder = sqlx::PgConnection::connect(&database.url).await.unwrap();
    // It includes lock waits.
    database.execute(&format!("ALTER DATABASE {name} SET statement_timeout = '1s'")).await;
    let holding = tokio::spawn(async move {
        holder.execute("BEGIN; LOCK TABLE operations IN ROW EXCLUSIVE MODE; SELECT pg_sleep(5); COMMIT").await
    });
    let locks = async || {
        // Tables of other databases, whose templates are the same, have the same numbers.
        let held = "SELECT count(*) FROM pg_locks WHERE relation = 'operations'::regclass AND mode = 'RowExclusiveLock' AND granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
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

/// Runs a statement in another session, which ends with its connection.
async fn session(database: &Database) -> sqlx::PgConnection {
    sqlx::PgConnection::connect(&database.url).await.unwrap()
}

const AUDIT_INDEXES: &str = "SELECT count(*) FROM pg_index WHERE indrelid = 'audit_events'::regclass AND indisvalid
    AND indexrelid::regclass::text IN ('audit_events_chain', 'audit_events_unchained', 'audit_events_by_peer')";

#[tokio::test]
async fn audit_indexes_are_built_while_records_are_added() {
    let database = Database::create().await;
    database.token("default", "viewer").await;
    let undone =
        "DROP INDEX audit_events_chain, audit_events_unchained, audit_events_by_peer; DELETE FROM audit_chain_heads;
        DELETE FROM seaql_migrations WHERE version = 'm0021_audit_indexes'";
    database.execute(undone).await;
    // The build waits for this transaction, which has written to the table.
    let mut open = session(&database).await;
    let append = "INSERT INTO audit_events (id, at, tenant, actor, action, target, outcome, reason, last_at)
        VALUES (gen_random_uuid(), now(), 'acme', 'x', 'CREATE_STORE', 'x', 'ACCEPTED', '', now())";
    open.execute(sqlx::AssertSqlSafe(format!("BEGIN; {append}"))).await.unwrap();
    let url = database.url.clone();
    let migration = tokio::spawn(async move { postgres::migrate(&url).await });
    let building = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'CREATE%INDEX CONCURRENTLY%'";
    let began = std::time::Instant::now();
    while database.value(building).await == "0" {
        assert!(!migration.is_finished() && began.elapsed() < Duration::from_mins(1), "it builds, and waits");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let mut other = session(&database).await;
    other.execute("SET lock_timeout = '30s'").await.unwrap();
    other.execute(sqlx::AssertSqlSafe(append.replace("acme", "other"))).await.expect("others add records meanwhile");
    assert!(!migration.is_finished());
    open.execute("COMMIT").await.unwrap();
    migration.await.unwrap().unwrap();
    assert_eq!(database.value(AUDIT_INDEXES).await, "3");
    let heads = "SELECT string_agg(tenant, ' ' ORDER BY tenant) FROM audit_chain_heads";
    assert_eq!(database.value(heads).await, "acme default other", "a tenant with earlier records only has a head, too");
}

#[tokio::test]
async fn unfinished_audit_index_is_built_anew_and_finished_ones_are_kept() {
    let database = Database::create().await;
    let again = "DELETE FROM seaql_migrations WHERE version = 'm0021_audit_indexes'";
    let ids = "SELECT string_agg(oid::text, ' ' ORDER BY relname) FROM pg_class WHERE relname LIKE 'audit_events_%' AND relkind = 'i'";
    let before = database.value(ids).await;
    database.execute(again).await;
    postgres::migrate(&database.url).await.unwrap();
    assert_eq!(database.value(ids).await, before, "nothing is built twice");

    // As a killed CREATE INDEX CONCURRENTLY leaves it.
    database.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'audit_events_chain'::regclass").await;
    database.execute(again).await;
    assert_eq!(database.value(AUDIT_INDEXES).await, "2");
    postgres::migrate(&database.url).await.unwrap();
    assert_eq!(database.value(AUDIT_INDEXES).await, "3");
    let unique = "SELECT indisunique FROM pg_index WHERE indexrelid = 'audit_events_chain'::regclass";
    assert_eq!(database.value(unique).await, "true");

    let scope = ["stores_in_scope", "operations_in_scope", "events_in_scope"];
    let valid = format!(
        "SELECT count(*) FROM pg_index WHERE indisvalid AND indexrelid::regclass::text IN ('{}')",
        scope.join("', '")
    );
    for index in scope {
        database
            .execute(&format!("UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{index}'::regclass"))
            .await;
    }
    database.execute("DELETE FROM seaql_migrations WHERE version = 'm0022_scope_indexes'").await;
    assert_eq!(database.value(&valid).await, "0");
    postgres::migrate(&database.url).await.unwrap();
    assert_eq!(database.value(&valid).await, "3");
    let replaced = "SELECT to_regclass('operations_by_store_id') IS NULL";
    assert_eq!(database.value(replaced).await, "true");
}
