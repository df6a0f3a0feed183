//! The Postgres schema, step by step. Each migration is a file of SQL beside this one, applied once, in order.
//!
//! To change the schema: add a file and a line in [`Migrator::migrations`]; never change one that was released. Changes
//! are made in two releases, expand then contract, so that the servers of two releases can share a database: first add
//! what is new (nullable, or with a default), then, a release later, drop what is old.

use sea_orm_migration::prelude::*;

/// Applies what is missing.
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
            Box::new(Sql { name: "m0006_forced_deletions", up: include_str!("m0006_forced_deletions.sql") }),
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
