//! The audit log: one record for each mutation that was asked for, and each look at a login, whether it was done, refused
//! or denied.

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
        /// The worker repaired a release that an interrupted helm left behind.
        RepairRelease = "REPAIR_RELEASE",
    }
}

wire_enum! {
    /// How it ended.
    pub enum Outcome {
        /// It was done, or started.
        Accepted = "ACCEPTED",
        /// The caller may do such things, but not this one now.
        Rejected = "REJECTED",
        /// The caller may not do such things.
        Denied = "DENIED",
    }
}

/// One line of the audit log. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// UUID v7.
    pub id: Uuid,
    /// When.
    pub at: OffsetDateTime,
    /// Whose store.
    pub tenant: Tenant,
    /// Who: a token's name, `worker`, or `command line`.
    pub actor: String,
    /// The token's id, if there was one.
    pub token: Option<Uuid>,
    /// What.
    pub action: Action,
    /// On which store id or token, as it was asked.
    pub target: String,
    /// Which store that was.
    pub store: Option<StoreUid>,
    /// The operation that it began.
    pub operation: Option<OperationId>,
    /// How it ended.
    pub outcome: Outcome,
    /// The error's reason, where it was not done.
    pub reason: String,
}

/// One line of the audit log, read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// UUID v7.
    pub id: Uuid,
    /// When.
    pub at: OffsetDateTime,
    /// Who.
    pub actor: String,
    /// What, on the wire: rows outlive the code that wrote them.
    pub action: String,
    /// On which store id, operation or token, as it was asked.
    pub target: String,
    /// Which store that was.
    pub store: Option<StoreUid>,
    /// The operation that it began.
    pub operation: Option<OperationId>,
    /// How it ended; `None` if only a newer server knows that.
    pub outcome: Option<Outcome>,
    /// The error's reason, where it was not done.
    pub reason: String,
    /// How often it was refused for that reason within an hour, where it was not done; else 1.
    pub count: i64,
    /// When that happened last.
    pub last_at: OffsetDateTime,
}
