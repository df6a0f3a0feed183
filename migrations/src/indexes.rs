//! Indexes that are built beside running servers, outside of a transaction, as CREATE INDEX CONCURRENTLY requires.
//!
//! An interrupted build leaves an index that is maintained but never used, and that `IF NOT EXISTS` takes for the real one: it is dropped first.
//! So each migration here can run again.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{DbBackend, Statement};

/// Builds indexes, then executes a statement.
pub(super) struct Indexes {
    name: &'static str,
    /// Name and definition.
    definitions: &'static [(&'static str, &'static str)],
    /// Can run again, as each definition can.
    then: &'static str,
}

/// The indexes of the audit chain, and the heads of the chains of tenants that had records before. Earlier builds of `m0014_audit_chain` created
/// the indexes, which are then left as they are.
pub(super) const AUDIT: Indexes = Indexes {
    name: "m0021_audit_indexes",
    definitions: &[
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
    ],
    then: "INSERT INTO audit_chain_heads (tenant, sequence, hash)
           SELECT DISTINCT tenant, 0, ''::bytea FROM audit_events ON CONFLICT DO NOTHING",
};

/// For the stores of a token with a scope: in the order of bytes, so that they serve a prefix in databases of any collation. The one on
/// operations serves what `operations_by_store_id` served.
pub(super) const SCOPE: Indexes = Indexes {
    name: "m0022_scope_indexes",
    definitions: &[
        (
            "stores_in_scope",
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS stores_in_scope ON stores (tenant, store_id text_pattern_ops)",
        ),
        (
            "operations_in_scope",
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS operations_in_scope
               ON operations (tenant, store_id text_pattern_ops, created_at, id)",
        ),
        (
            "events_in_scope",
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS events_in_scope
               ON events (tenant, store_id text_pattern_ops, transaction, number)",
        ),
    ],
    then: "DROP INDEX CONCURRENTLY IF EXISTS operations_by_store_id",
};

/// For scheduled backups: stores whose shops run, those that are overdue, and the backups of a store.
pub(super) const BACKUPS: Indexes = Indexes {
    name: "m0024_backup_schedule_indexes",
    definitions: &[
        (
            "stores_with_shops",
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS stores_with_shops ON stores (uid) WHERE state IN ('READY', 'DEGRADED')",
        ),
        (
            "stores_backup_overdue",
            r#"CREATE INDEX CONCURRENTLY IF NOT EXISTS stores_backup_overdue ON stores (uid)
               WHERE state IN ('READY', 'DEGRADED') AND conditions @> '[{"kind": "BackedUp", "reason": "BACKUP_OVERDUE"}]'"#,
        ),
        (
            "backups_complete",
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS backups_complete ON backups (store, created_at) WHERE state = 'COMPLETE'",
        ),
        (
            "backups_failed",
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS backups_failed ON backups (created_at) WHERE state = 'FAILED'",
        ),
        (
            "backups_scheduled",
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS backups_scheduled ON backups (store, created_at) WHERE trigger = 'SCHEDULED'",
        ),
    ],
    then: "",
};

/// A backup is not deleted while an operation reads it.
pub(super) const RESTORES: Indexes = Indexes {
    name: "m0026_restore_indexes",
    definitions: &[(
        "operations_by_restored_backup",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS operations_by_restored_backup
           ON operations (restores) WHERE restores IS NOT NULL AND state IN ('PENDING', 'RUNNING')",
    )],
    then: "",
};

/// The backups that count towards a tenant's quota.
pub(super) const BACKUP_QUOTA: Indexes = Indexes {
    name: "m0028_backup_quota_indexes",
    definitions: &[(
        "backups_requested",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS backups_requested ON backups (tenant)
           WHERE trigger NOT IN ('SCHEDULED', 'BEFORE_RESTORE', 'COPY') AND state IN ('CREATING', 'COMPLETE')",
    )],
    then: "",
};

/// Stores whose configuration has drifted.
pub(super) const DRIFT: Indexes = Indexes {
    name: "m0039_drift_indexes",
    definitions: &[(
        "stores_drifted",
        r#"CREATE INDEX CONCURRENTLY IF NOT EXISTS stores_drifted ON stores (uid)
           WHERE state IN ('READY', 'DEGRADED') AND conditions @> '[{"kind": "ConfigurationDrifted", "status": "True"}]'"#,
    )],
    then: "",
};

const UNFINISHED: &str = "SELECT EXISTS (
  SELECT FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT (indisvalid AND indisready))";

impl MigrationName for Indexes {
    fn name(&self) -> &'static str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Indexes {
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
        let built = self.build(connection).await;
        connection.execute_unprepared(&format!("SET lock_timeout = '{}'", limit.unwrap_or_default())).await?;
        built
    }
}

impl Indexes {
    async fn build(&self, connection: &SchemaManagerConnection<'_>) -> Result<(), DbErr> {
        for (name, create) in self.definitions {
            let unfinished = Statement::from_sql_and_values(DbBackend::Postgres, UNFINISHED, [(*name).into()]);
            let row = connection.query_one_raw(unfinished).await?;
            if row.map(|row| row.try_get_by_index(0)).transpose()? == Some(true) {
                connection.execute_unprepared(&format!("DROP INDEX CONCURRENTLY {name}")).await?;
            }
            connection.execute_unprepared(create).await?;
        }
        connection.execute_unprepared(self.then).await.map(drop)
    }
}
