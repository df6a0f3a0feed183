//! The audit log: one record for each mutation, each sign-in, and each read of secrets, whether it was done, rejected
//! or denied.
//!
//! [`changes`]: what a request changed. [`chain`]: the outcome of a verification.

pub mod chain;
pub mod changes;

use std::sync::Arc;

use time::OffsetDateTime;
use uuid::Uuid;

pub use chain::{BrokenLink, ChainFault, Verification};
pub use changes::Changes;

pub use crate::origin::Origin;

use crate::identity::Credential;
use crate::ids::{OperationId, StoreUid, Tenant, TokenId};
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
        /// UpdateStore.
        UpdateStore = "UPDATE_STORE",
        /// RollbackStore.
        RollbackStore = "ROLLBACK_STORE",
        /// RetryStore.
        RetryStore = "RETRY_STORE",
        /// RotateStoreCredentials.
        RotateCredentials = "ROTATE_CREDENTIALS",
        /// CreateBackup.
        CreateBackup = "CREATE_BACKUP",
        /// RestoreStore.
        RestoreStore = "RESTORE_STORE",
        /// CopyStore.
        CopyStore = "COPY_STORE",
        /// UndeleteStore.
        UndeleteStore = "UNDELETE_STORE",
        /// A backup is restored for a test.
        TestRestore = "TEST_RESTORE",
        /// DeleteBackup.
        DeleteBackup = "DELETE_BACKUP",
        /// A backup is no longer kept.
        ExpireBackup = "EXPIRE_BACKUP",
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
        /// A one-time code was created, with which a browser signs in as a token.
        CreateSignInCode = "CREATE_SIGN_IN_CODE",
        /// A browser signed in.
        SignIn = "SIGN_IN",
        /// A browser signed out, or its session was replaced by another sign-in.
        SignOut = "SIGN_OUT",
        /// An administrator ended sessions.
        RevokeSessions = "REVOKE_SESSIONS",
        /// CreateRollout.
        CreateRollout = "CREATE_ROLLOUT",
        /// PauseRollout.
        PauseRollout = "PAUSE_ROLLOUT",
        /// ResumeRollout.
        ResumeRollout = "RESUME_ROLLOUT",
        /// AbortRollout.
        AbortRollout = "ABORT_ROLLOUT",
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
        /// A denied call of an RPC that changes nothing and reads no secret.
        Read = "READ",
        /// Failed authentications of one address within a minute.
        Authenticate = "AUTHENTICATE",
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
/// The actor of scheduled backups and of their removal.
pub const SCHEDULER: &str = "scheduler";
/// The actor of the changes of stores that rollouts make.
pub const ROLLOUT: &str = "rollout";
/// The actor of `storeplane-server`'s commands.
pub const COMMAND_LINE: &str = "command line";
/// The actors that are not callers. No token may have such a name.
pub const ACTORS: [&str; 4] = [WORKER, SCHEDULER, ROLLOUT, COMMAND_LINE];

/// The tenant of records that belong to no tenant. No tenant can have this name.
pub const PLATFORM: &str = "";

/// A record of the audit log. Contains no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// UUID v7.
    pub id: Uuid,
    /// The time.
    pub at: OffsetDateTime,
    /// The tenant.
    pub tenant: Tenant,
    /// The actor: a token's name, or one of [`ACTORS`].
    pub actor: String,
    /// What the actor authenticated with, if it did.
    pub credential: Option<Credential>,
    /// The action.
    pub action: Action,
    /// The target: the store id, token or session, as requested.
    pub target: String,
    /// The store's uid.
    pub store: Option<StoreUid>,
    /// The operation that it started.
    pub operation: Option<OperationId>,
    /// The outcome.
    pub outcome: Outcome,
    /// The error's reason, if it was not done.
    pub reason: String,
    /// Where the request came from.
    pub origin: Arc<Origin>,
    /// What it changed.
    pub changes: Changes,
    /// The number of equal events that it stands for.
    pub count: i64,
    /// The time of the last of them.
    pub last_at: OffsetDateTime,
}

impl AuditRecord {
    /// The token with which the actor authenticated, if it was one.
    pub fn token(&self) -> Option<TokenId> {
        match &self.credential {
            Some(Credential::Token(id)) => Some(*id),
            _ => None,
        }
    }

    /// The kind of the credential and its id, as text; empty if there is none.
    pub fn credential_text(&self) -> (&'static str, String) {
        self.credential.as_ref().map(|credential| (credential.kind(), credential.id())).unwrap_or_default()
    }

    /// A record of something that was done, without a credential.
    pub fn new(
        id: Uuid,
        at: OffsetDateTime,
        tenant: Tenant,
        actor: impl Into<String>,
        action: Action,
        target: impl Into<String>,
    ) -> Self {
        Self {
            id,
            at,
            tenant,
            actor: actor.into(),
            credential: None,
            action,
            target: target.into(),
            store: None,
            operation: None,
            outcome: Outcome::Accepted,
            reason: String::new(),
            origin: Arc::default(),
            changes: Changes::default(),
            count: 1,
            last_at: at,
        }
    }
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
    /// The tenant; empty for the platform's own records.
    pub tenant: String,
    /// The kind of the actor's credential, and the credential.
    pub credential: (String, String),
    /// Identifies the call in the log.
    pub request_id: String,
    /// The caller's address.
    pub peer: String,
    /// The caller's user agent.
    pub user_agent: String,
    /// The trace.
    pub trace_id: String,
    /// What changed, as JSON.
    pub changes: String,
    /// Its place in the tenant's chain; `None` if it is not in it.
    pub sequence: Option<i64>,
    /// Its hash in the chain.
    pub hash: Vec<u8>,
}
