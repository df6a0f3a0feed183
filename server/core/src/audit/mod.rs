//! The audit log: one record for each mutation and for each read of secrets, whether it was done, rejected
//! or denied.
//!
//! [`origin`] has what is known about where a request came from.

pub mod origin;

pub use origin::Origin;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::ids::{OperationId, StoreUid, Tenant};
use crate::wire::wire_enum;

wire_enum! {
    /// What was requested.
    pub enum Action {
        /// CreateStore.
        CreateStore = "CREATE_STORE",
        /// DeleteStore.
        DeleteStore = "DELETE_STORE",
        /// DeleteStore with `force`: the store may be forgotten while something of it is left.
        ForceDeleteStore = "FORCE_DELETE_STORE",
        /// RetryStore.
        RetryStore = "RETRY_STORE",
        /// CancelOperation.
        CancelOperation = "CANCEL_OPERATION",
        /// GetStoreCredentials.
        ReadCredentials = "READ_CREDENTIALS",
        /// `GetStoreLogs`.
        ReadLogs = "READ_LOGS",
        /// A token was created.
        CreateToken = "CREATE_TOKEN",
        /// A token was revoked.
        RevokeToken = "REVOKE_TOKEN",
        /// A token's secret was replaced.
        RotateToken = "ROTATE_TOKEN",
        /// CreateTenant.
        CreateTenant = "CREATE_TENANT",
        /// UpdateTenant.
        UpdateTenant = "UPDATE_TENANT",
        /// SuspendTenant.
        SuspendTenant = "SUSPEND_TENANT",
        /// ResumeTenant.
        ResumeTenant = "RESUME_TENANT",
        /// DeleteTenant.
        DeleteTenant = "DELETE_TENANT",
        /// The worker repaired a release that an interrupted helm left behind.
        RepairRelease = "REPAIR_RELEASE",
        /// A release whose store was missing in the database was adopted.
        AdoptStore = "ADOPT_STORE",
    }
}

wire_enum! {
    /// The outcome.
    pub enum Outcome {
        /// It was done, or started.
        Accepted = "ACCEPTED",
        /// The caller was authorized, but it could not be done.
        Rejected = "REJECTED",
        /// The caller's role does not permit it.
        Denied = "DENIED",
    }
}

/// The actor of what a worker does by itself.
pub const WORKER: &str = "worker";
/// The actor of `storeplane-server`'s commands.
pub const COMMAND_LINE: &str = "command line";
/// The actors that are not callers. No token may have such a name.
pub const ACTORS: [&str; 2] = [WORKER, COMMAND_LINE];

/// A record of the audit log. Contains no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// UUID v7.
    pub id: Uuid,
    /// The time.
    pub at: OffsetDateTime,
    /// The tenant.
    pub tenant: Tenant,
    /// The actor: a token's name, `worker`, or `command line`.
    pub actor: String,
    /// The token's id, if there was one.
    pub token: Option<Uuid>,
    /// The action.
    pub action: Action,
    /// The target: the store id or token, as requested.
    pub target: String,
    /// The store's uid.
    pub store: Option<StoreUid>,
    /// The operation that it started.
    pub operation: Option<OperationId>,
    /// The outcome.
    pub outcome: Outcome,
    /// The error's reason, if it was not done.
    pub reason: String,
}

/// A record of the audit log, as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// UUID v7.
    pub id: Uuid,
    /// The time.
    pub at: OffsetDateTime,
    /// The actor.
    pub actor: String,
    /// The action as text, because a newer server may have written it.
    pub action: String,
    /// The target: the store id, operation or token, as requested.
    pub target: String,
    /// The store's uid.
    pub store: Option<StoreUid>,
    /// The operation that it started.
    pub operation: Option<OperationId>,
    /// The outcome; `None` if only a newer server knows it.
    pub outcome: Option<Outcome>,
    /// The error's reason, if it was not done.
    pub reason: String,
    /// The number of identical refusals within an hour; otherwise 1.
    pub count: i64,
    /// The time of the last of them.
    pub last_at: OffsetDateTime,
}
