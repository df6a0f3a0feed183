//! The audit log: one record for each mutation that was asked for, and each look at a login, whether it was done, refused
//! or denied.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::ids::{OperationId, StoreUid, Tenant};

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Action {
    /// CreateStore.
    CreateStore,
    /// DeleteStore.
    DeleteStore,
    /// RetryStore.
    RetryStore,
    /// CancelOperation.
    CancelOperation,
    /// GetStoreCredentials.
    ReadCredentials,
    /// `GetStoreLogs`.
    ReadLogs,
    /// A token was made.
    CreateToken,
    /// A token was revoked.
    RevokeToken,
    /// The worker removed or rolled back a release that a killed helm left pending.
    RepairRelease,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 9] = [
        Self::CreateStore,
        Self::DeleteStore,
        Self::RetryStore,
        Self::CancelOperation,
        Self::ReadCredentials,
        Self::ReadLogs,
        Self::CreateToken,
        Self::RevokeToken,
        Self::RepairRelease,
    ];

    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreateStore => "CREATE_STORE",
            Self::DeleteStore => "DELETE_STORE",
            Self::RetryStore => "RETRY_STORE",
            Self::CancelOperation => "CANCEL_OPERATION",
            Self::ReadCredentials => "READ_CREDENTIALS",
            Self::ReadLogs => "READ_LOGS",
            Self::CreateToken => "CREATE_TOKEN",
            Self::RevokeToken => "REVOKE_TOKEN",
            Self::RepairRelease => "REPAIR_RELEASE",
        }
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// It was done, or begun.
    Accepted,
    /// The caller may do such things, but not this one now.
    Rejected,
    /// The caller may not do such things.
    Denied,
}

impl Outcome {
    /// Every outcome, in the order of the proto file.
    pub const ALL: [Self; 3] = [Self::Accepted, Self::Rejected, Self::Denied];

    /// The outcome of that wire form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }

    /// The wire form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "ACCEPTED",
            Self::Rejected => "REJECTED",
            Self::Denied => "DENIED",
        }
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
