//! The indexes of the audit chain, built beside running servers, and the heads of the chains of tenants that had records before.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{DbBackend, Statement};

/// Name and definition. The first ones were created by earlier builds of `m0014_audit_chain`, and are then left as they are.
const INDEXES: [(&str, &str); 3] = [
    (
        "audit_events_chain",
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS audit_events_chain
           ON audit_events (tenant, sequence) WHERE sequence IS NOT NULL",
    ),
    (
        "audit_events_unchained",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_events_unchained ON audit_events (tenant) WHERE sequence IS NULL",
    ),
    (
        "audit_events_by_peer",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS audit_events_by_peer
           ON audit_events (tenant, peer, at, id) WHERE peer <> ''",
    ),
];

/// An index that an interrupted CREATE INDEX CONCURRENTLY left: it is maintained but never used, and `IF NOT EXISTS` takes it for the real one.
const UNFINISHED: &str = "SELECT EXISTS (
  SELECT FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT (indisvalid AND indisready))";

const HEADS: &str = "INSERT INTO audit_chain_heads (tenant, sequence, hash)
SELECT DISTINCT tenant, 0, ''::bytea FROM audit_events ON CONFLICT DO NOTHING";

/// Outside of a transaction, as CREATE INDEX CONCURRENTLY requires. Each part can run again.
pub(super) struct AuditIndexes;

impl MigrationName for AuditIndexes {
    fn name(&self) -> &'static str {
        "m0021_audit_indexes"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AuditIndexes {
    fn use_transaction(&self) -> Option<bool> {
        Some(false)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let limit = Statement::from_string(DbBackend::Postgres, "SELECT current_setting('lock_timeout')");
        let limit: Option<String> =
            connection.query_one_raw(limit).await?.map(|row| row.try_get_by_index(0)).transpose()?;
        // A build waits for the transactions before it, and nobody waits for it. If it gave up then, it would start over.
        connection.execute_unprepared("SET lock_timeout = 0").await?;
        let built = build(connection).await;
        connection.execute_unprepared(&format!("SET lock_timeout = '{}'", limit.unwrap_or_default())).await?;
        built
    }
}

async fn build(connection: &SchemaManagerConnection<'_>) -> Result<(), DbErr> {
    for (name, create) in INDEXES {
        let unfinished = Statement::from_sql_and_values(DbBackend::Postgres, UNFINISHED, [name.into()]);
        let row = connection.query_one_raw(unfinished).await?;
        if row.map(|row| row.try_get_by_index(0)).transpose()? == Some(true) {
            connection.execute_unprepared(&format!("DROP INDEX CONCURRENTLY {name}")).await?;
        }
        connection.execute_unprepared(create).await?;
    }
    connection.execute_unprepared(HEADS).await.map(drop)
}
