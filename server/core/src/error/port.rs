//! Why ports fail: rejected commands, outages, bugs.

use super::DomainError;

/// Why a port failed.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// The command was rejected.
    #[error(transparent)]
    Refused(#[from] DomainError),
    /// The database is temporarily unusable. Retryable.
    #[error(transparent)]
    Unavailable(Outage),
    /// The cluster is unavailable. Retryable.
    #[error("the cluster is not available")]
    ClusterAway(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A bug or an invalid row.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why the database is temporarily unusable.
#[derive(Debug, thiserror::Error)]
#[error("{}", .kind.describe())]
pub struct Outage {
    /// The kind of outage.
    pub kind: OutageKind,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Outage {
    /// An outage with the message of the database or the network.
    pub fn new(kind: OutageKind, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into() }
    }
}

/// The kinds of database outages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutageKind {
    /// It cannot be reached, or it closed the connection.
    Away,
    /// It is read-only: a standby, for example after a failover.
    ReadOnly,
    /// Its disk is full.
    Full,
    /// It has too many connections or too little memory.
    Overloaded,
    /// A statement exceeded its time limit.
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

    /// A description for people.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Away => "the database is not available",
            Self::ReadOnly => "the database is read-only: it is a standby",
            Self::Full => "the database's disk is full",
            Self::Overloaded => "the database has too many connections or too little memory",
            Self::TooSlow => "the database took too long",
        }
    }
}
