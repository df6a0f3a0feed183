//! The audit log in Postgres: a hash chain for each tenant.
//!
//! A trigger of the schema appends every new record to its tenant's chain, in the transaction that stores it. Rows are only
//! inserted and read here: the serving role may have no other rights on them.
//!
//! - This file: storing a record. [`refusals`]: refused requests, which are counted. [`failures`]: failed authentications.
//! - [`content`]: what a record's hash covers. [`verify`]: verification. [`checkpoints`]: signed checkpoints.
//! - Retention is in [`expired`].

mod checkpoints;
mod content;
mod expired;
mod failures;
mod refusals;
mod verify;

use sea_orm::EntityTrait as _;
use storeplane_core::audit::AuditRecord;
use storeplane_core::error::PortError;

pub use self::checkpoints::{AuditLog, CheckpointError};
pub(super) use self::expired::{kept, remove as remove_expired};
pub use self::failures::AuthFailures;
pub use self::refusals::RefusalCounts;
pub(super) use self::refusals::{open_counts, record as record_refusal};
pub use self::verify::VerifyError;
use super::entity::audit_event;
use super::error::port_error;
use super::pool::Transaction;
use super::rows;

/// Stores a record. Call it last in a transaction: the tenant's chain stays locked until the transaction ends.
pub(super) async fn append(transaction: &Transaction, record: AuditRecord) -> Result<(), PortError> {
    let row = rows::audit_row(record);
    audit_event::Entity::insert(row).exec_without_returning(transaction).await.map(drop).map_err(port_error)
}
