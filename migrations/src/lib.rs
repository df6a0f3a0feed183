//! The Postgres schema. Each migration is an SQL file in this folder, or a set of indexes in [`indexes`], applied once and in order.
//!
//! To change the schema: add a file and a line in [`Migrator::migrations`]; never change a released one. Changes take
//! two releases (expand, then contract), so that servers of two releases can share a database: first add
//! the new column (nullable, or with a default), then, one release later, drop the old one.
//!
//! A migration is one transaction, with a `lock_timeout` and without a `statement_timeout`. If it does not get its locks,
//! it is retried from the start. What takes long is not done under its locks: indexes of tables that may be large are built by [`indexes`].

mod indexes;

use sea_orm_migration::prelude::*;

/// Applies missing migrations.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(Sql { name: "m0001_stores", up: include_str!("m0001_stores.sql") }),
            Box::new(Sql { name: "m0002_retention", up: include_str!("m0002_retention.sql") }),
            Box::new(Sql { name: "m0003_overview", up: include_str!("m0003_overview.sql") }),
            Box::new(Sql { name: "m0004_conditions", up: include_str!("m0004_conditions.sql") }),
            Box::new(Sql { name: "m0005_contract", up: include_str!("m0005_contract.sql") }),
            Box::new(Sql { name: "m0006_recent_state_changes", up: include_str!("m0006_recent_state_changes.sql") }),
            Box::new(Sql { name: "m0007_audit_counts", up: include_str!("m0007_audit_counts.sql") }),
            Box::new(Sql { name: "m0008_list_indexes", up: include_str!("m0008_list_indexes.sql") }),
            Box::new(Sql { name: "m0009_lower", up: include_str!("m0009_lower.sql") }),
            Box::new(Sql { name: "m0010_forced_deletions", up: include_str!("m0010_forced_deletions.sql") }),
            Box::new(Sql { name: "m0011_roles", up: include_str!("m0011_roles.sql") }),
            Box::new(Sql { name: "m0012_tokens", up: include_str!("m0012_tokens.sql") }),
            Box::new(Sql { name: "m0013_tenants", up: include_str!("m0013_tenants.sql") }),
            Box::new(Sql { name: "m0014_audit_chain", up: include_str!("m0014_audit_chain.sql") }),
            Box::new(Sql { name: "m0015_oidc", up: include_str!("m0015_oidc.sql") }),
            Box::new(Sql { name: "m0016_deletion_protection", up: include_str!("m0016_deletion_protection.sql") }),
            Box::new(Sql { name: "m0017_rotate_credentials", up: include_str!("m0017_rotate_credentials.sql") }),
            Box::new(Sql { name: "m0018_scopes", up: include_str!("m0018_scopes.sql") }),
            Box::new(Sql { name: "m0019_sessions", up: include_str!("m0019_sessions.sql") }),
            Box::new(Sql { name: "m0020_audit_retention", up: include_str!("m0020_audit_retention.sql") }),
            Box::new(indexes::AUDIT),
            Box::new(indexes::SCOPE),
            Box::new(Sql { name: "m0023_backups", up: include_str!("m0023_backups.sql") }),
            Box::new(indexes::BACKUPS),
            Box::new(Sql { name: "m0025_restores", up: include_str!("m0025_restores.sql") }),
            Box::new(indexes::RESTORES),
            Box::new(Sql { name: "m0027_copies", up: include_str!("m0027_copies.sql") }),
            Box::new(indexes::BACKUP_QUOTA),
            Box::new(Sql { name: "m0029_backup_policies", up: include_str!("m0029_backup_policies.sql") }),
            Box::new(Sql { name: "m0030_event_history", up: include_str!("m0030_event_history.sql") }),
            Box::new(Sql { name: "m0031_backup_snapshots", up: include_str!("m0031_backup_snapshots.sql") }),
            Box::new(Sql { name: "m0032_revisions", up: include_str!("m0032_revisions.sql") }),
            Box::new(Sql { name: "m0033_charts", up: include_str!("m0033_charts.sql") }),
            Box::new(Sql { name: "m0034_rollouts", up: include_str!("m0034_rollouts.sql") }),
            Box::new(Sql { name: "m0035_domains", up: include_str!("m0035_domains.sql") }),
            Box::new(Sql { name: "m0036_smtp", up: include_str!("m0036_smtp.sql") }),
            Box::new(Sql { name: "m0037_drift", up: include_str!("m0037_drift.sql") }),
            Box::new(Sql { name: "m0038_rollbacks", up: include_str!("m0038_rollbacks.sql") }),
            Box::new(indexes::DRIFT),
            Box::new(Sql { name: "m0040_plugins", up: include_str!("m0040_plugins.sql") }),
        ]
    }
}

struct Sql {
    name: &'static str,
    up: &'static str,
}

impl MigrationName for Sql {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Sql {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(self.up).await.map(drop)
    }
}
