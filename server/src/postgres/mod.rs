//! Postgres, through sea-orm: everything that must outlive a process.
//!
//! - [`PgStores`] implements the domain's port: mutations, lookups, lists.
//! - [`Queue`] hands operations to workers: claim, lease, fence.
//! - [`Census`] shows the reconciler all stores, and stores what it finds out; [`Turn`] lets one server at a time do that.
//! - [`EventLog`] reads events by store and in their one order.
//! - [`Tokens`] keeps API tokens, hashed.
//! - [`Retention`] removes what was kept for long enough.
//! - [`Hints`] tells the rest of the process that there is something new to read. A hint is never data.
//!
//! Every change of a store goes through `apply`, in one transaction. To add a table: a migration, an entity in `entity/`.

mod apply;
mod census;
mod connect;
mod entity;
mod error;
mod events;
mod hints;
mod list;
mod overview;
mod queue;
mod quota;
mod requests;
mod retention;
mod rows;
mod stores;
mod tokens;
mod turn;

pub use census::{Census, LiveStore};
pub use connect::{ConnectError, Schema, connect, migrate, schema};
pub use events::{EventLog, StoreEvents};
pub use hints::{Hints, listen};
pub use queue::{Claim, FenceError, Lease, Queue, Renewed};
pub use retention::{Keep, Removed, Retention};
pub use stores::PgStores;
pub use tokens::{TokenInfo, Tokens};
pub use turn::Turn;
