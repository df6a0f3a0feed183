//! Postgres, through sea-orm: everything that must outlive a process.
//!
//! - [`PgStores`] implements the domain's port: mutations, lookups (in batches: `store_loader`), lists.
//! - [`Queue`] gives operations to workers: claim, lease, fence.
//! - [`LiveStoreRepository`] gives the reconciler all stores, and stores its results; [`Adoption`] stores those that were lost; [`LeaderLock`] lets only one server reconcile.
//! - [`BackupSchedule`] starts the backups that are due; [`BackupRetention`] marks those that are no longer kept;
//!   [`RestoreTests`] restores them into stores of their own.
//! - [`PgDomains`] has the custom domains of stores.
//! - [`PgRollouts`] stores rollouts; [`RolloutEngine`] starts their stores.
//! - [`PgCharts`] keeps the charts of the servers' catalogues by digest.
//! - [`EventLog`] reads events by store and in their global order.
//! - [`QuotaPolicy`] decides whether a tenant's quotas permit a store.
//! - [`Tenants`] stores tenants and their quotas; [`TenantStates`] says for each call which are suspended.
//! - [`Tokens`] stores API tokens as hashes, and one-time codes for them; [`Sessions`] those of browsers. [`ServerKey`] is the key that seals cursors, [`EventHistory`] says which of them a restore of the database voids.
//! - [`Retention`] removes expired rows. [`Sampler`] reads figures for the metrics.
//! - [`AuditLog`] verifies and signs the audit log; [`RefusalCounts`] and [`AuthFailures`] bound what strangers can add to it.
//! - [`Notifier`] wakes up readers in this process. A notification carries no data.
//!
//! - [`Pools`] are the connection pools.
//!
//! Every change of a store goes through `apply`, in one transaction. To add a table: a migration, an entity in `entity/`.

mod adoption;
mod apply;
mod audit;
mod backup_retention;
mod backup_schedule;
mod backup_snapshots;
mod backups;
mod charts;
mod claims;
mod creation_queue;
mod domains;
mod drift;
mod entity;
mod error;
mod events;
mod history;
mod leader_lock;
mod list;
mod live_stores;
mod locks;
mod notifier;
mod overview;
mod owner;
mod pool;
mod queue;
mod quota;
mod requests;
mod restore_tests;
mod retention;
mod revisions;
mod rollouts;
mod rows;
mod sampler;
mod schema;
mod scope;
mod scoped_events;
mod server_key;
mod session_list;
mod sessions;
mod sign_in_codes;
mod store_loader;
mod stores;
mod tenant_states;
mod tenants;
mod token_auth;
mod token_lookup;
mod tokens;
mod unreadable;

pub use adoption::Adoption;
pub use audit::{AuditLog, AuthFailures, CheckpointError, RefusalCounts, VerifyError};
pub use backup_retention::{BackupRetention, Expired};
pub use backup_schedule::{BackupSchedule, Shop, Started};
pub use backup_snapshots::DueSnapshots;
pub use backups::PgBackups;
pub use charts::{PgCharts, StoredChart};
pub use domains::PgDomains;
pub use events::{EventLog, SettledEvents, StoreEvents};
pub use history::EventHistory;
pub use leader_lock::{LeaderLock, Leadership};
pub use live_stores::{LiveStore, LiveStoreRepository};
pub use notifier::{Notifier, listen};
pub use pool::{ConnectError, Pool, PoolOptions, PoolSizes, Pools, WhileOpen, connect, unverified};
pub use queue::{Claim, ClaimScope, FenceError, Lease, Queue, Renewed};
pub use quota::QuotaPolicy;
pub use restore_tests::RestoreTests;
pub use retention::{Removed, Retention, RetentionPolicy};
pub use rollouts::{Advanced, Observation, PgRollouts, RolloutEngine};
pub use sampler::Sampler;
pub use schema::{Schema, SchemaSettings, migrate, migrate_with, schema};
pub use server_key::ServerKey;
pub use sessions::{SessionLifetimes, Sessions, SignInMethod};
pub use sign_in_codes::CODE_LIFETIME;
pub use stores::PgStores;
pub use tenant_states::TenantStates;
pub use tenants::Tenants;
pub use token_auth::{Tokens, Verified};
