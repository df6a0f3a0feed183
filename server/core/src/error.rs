//! Why a command is not carried out. Each has a stable reason for programs and a text for people.

use crate::event::Oldest;
use crate::ids::{OperationId, Tenant};
use crate::store::State;

/// One thing wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field's path in the request, for example `store.display_name`.
    pub field: String,
    /// The rule that it breaks, as a sentence.
    pub description: String,
}

/// Why a command was refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// Something about the request is wrong; all of it is listed.
    #[error("{}", summary(.0))]
    Invalid(Vec<Violation>),
    /// There is no such thing among what the caller may see.
    #[error("{kind} \"{name}\" was not found")]
    NotFound {
        /// `store` or `operation`.
        kind: &'static str,
        /// As it was asked for.
        name: String,
    },
    /// The id is taken.
    #[error("store \"{name}\" already exists")]
    AlreadyExists {
        /// The id.
        name: String,
    },
    /// The tenant has as many stores as it may have.
    #[error("tenant \"{tenant}\" has {limit} stores, and may not have more")]
    StoreQuotaExceeded {
        /// Whose.
        tenant: Tenant,
        /// How many it may have.
        limit: i64,
    },
    /// The host name is taken by another store.
    #[error("host name \"{host}\" is taken")]
    HostTaken {
        /// The host name.
        host: String,
    },
    /// The request id was used for another request.
    #[error("request_id was used for another request in the last 24 hours")]
    RequestIdReused,
    /// The store changed since the caller read it.
    #[error("the store changed since it was read: etag is {actual}")]
    StaleEtag {
        /// The etag that it has now.
        actual: String,
    },
    /// The store is in no state for that.
    #[error("a store that is {} cannot become {}", .from.as_str(), .to.as_str())]
    IllegalMove {
        /// What it is.
        from: State,
        /// What it should become.
        to: State,
    },
    /// Only a settled store is retried.
    #[error("a store that is {} cannot be retried; only READY, DEGRADED and FAILED stores can", .state.as_str())]
    NotRetryable {
        /// What it is.
        state: State,
    },
    /// A deletion is not cancelled: half a deletion is no store.
    #[error("operation {operation} is a deletion, which cannot be cancelled")]
    NotCancellable {
        /// Which one.
        operation: OperationId,
    },
    /// There is no login to show: the store is in no state for that, or its Secret is not there.
    #[error("a store that is {} has no credentials", .state.as_str())]
    CredentialsNotThere {
        /// What the store is.
        state: State,
    },
    /// The caller's role does not include it.
    #[error("role {role} may not do this; it needs {needed}")]
    PermissionDenied {
        /// What the caller has.
        role: &'static str,
        /// What it takes.
        needed: &'static str,
    },
    /// The events after the cursor are no longer kept.
    #[error("events after the cursor are no longer kept; a watch can begin anew, or go on from {oldest}")]
    CursorExpired {
        /// From where on all is kept.
        oldest: Oldest,
    },
}

fn summary(violations: &[Violation]) -> String {
    let parts: Vec<_> = violations.iter().map(|v| format!("{} {}", v.field, v.description)).collect();
    parts.join("; ")
}

impl DomainError {
    /// The stable reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "INVALID_REQUEST",
            Self::NotFound { kind: "operation", .. } => "OPERATION_NOT_FOUND",
            Self::NotFound { .. } => "STORE_NOT_FOUND",
            Self::AlreadyExists { .. } => "STORE_ALREADY_EXISTS",
            Self::StoreQuotaExceeded { .. } => "STORE_QUOTA_EXCEEDED",
            Self::HostTaken { .. } => "HOST_TAKEN",
            Self::RequestIdReused => "REQUEST_ID_REUSED",
            Self::StaleEtag { .. } => "STALE_ETAG",
            Self::IllegalMove { .. } => "ILLEGAL_STATE",
            Self::NotRetryable { .. } => "NOT_RETRYABLE",
            Self::NotCancellable { .. } => "NOT_CANCELLABLE",
            Self::CredentialsNotThere { .. } => "CREDENTIALS_UNAVAILABLE",
            Self::PermissionDenied { .. } => "PERMISSION_DENIED",
            Self::CursorExpired { .. } => "CURSOR_EXPIRED",
        }
    }

    /// A refusal because of one field.
    pub fn field(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation { field: field.into(), description: description.into() }])
    }
}

/// Why a port did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The command was refused.
    #[error(transparent)]
    Refused(#[from] DomainError),
    /// The database does not serve for now. Worth another try.
    #[error(transparent)]
    Unavailable(Outage),
    /// The cluster is away. Worth another try.
    #[error("the cluster is not available")]
    ClusterAway(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A bug or a broken row.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why the database does not serve for now.
#[derive(Debug, thiserror::Error)]
#[error("{}", .kind.describe())]
pub struct Outage {
    /// In which way.
    pub kind: OutageKind,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Outage {
    /// An outage with what the database or the network said.
    pub fn new(kind: OutageKind, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into() }
    }
}

/// In which way the database does not serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutageKind {
    /// It cannot be reached, or it ended the connection.
    Away,
    /// It takes no writes: it is a standby, as after a failover.
    ReadOnly,
    /// Its disk is full.
    Full,
    /// It has too many connections or too little memory.
    Overloaded,
    /// A statement took longer than it may.
    TooSlow,
}

impl OutageKind {
    /// The stable reason.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Away => "DATABASE_UNAVAILABLE",
            Self::ReadOnly => "DATABASE_READ_ONLY",
            Self::Full => "DATABASE_FULL",
            Self::Overloaded => "DATABASE_OVERLOADED",
            Self::TooSlow => "DATABASE_TOO_SLOW",
        }
    }

    /// What it means, for people.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Away => "the database is not available",
            Self::ReadOnly => "the database takes no writes: it is a standby",
            Self::Full => "the database's disk is full",
            Self::Overloaded => "the database has too many connections or too little memory",
            Self::TooSlow => "the database took too long",
        }
    }
}
