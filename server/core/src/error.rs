//! Errors of commands, those of some resources in files of their own; and in [`port`] of ports. Each has a stable reason for programs and a text for people.

mod port;
mod rollout;
mod store_domain;
mod tenant;
mod token;

pub use port::{Outage, OutageKind, PortError};
pub use rollout::RolloutError;
pub use store_domain::StoreDomainError;
pub use tenant::TenantError;
pub use token::TokenError;

use time::OffsetDateTime;

use crate::event::Oldest;
use crate::ids::{BackupId, OperationId};
use crate::operation::OperationKind;
use crate::quota::QuotaError;
use crate::state::State;
use crate::utc;

/// A violation of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field's path in the request, for example `store.display_name`.
    pub field: String,
    /// The violated rule, as a sentence.
    pub description: String,
}

/// Why a command was rejected. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// The request is invalid; all violations are listed.
    #[error("{}", summary(.0))]
    Invalid(Vec<Violation>),
    /// The resource does not exist, or the caller may not see it.
    #[error("{kind} \"{name}\" was not found")]
    NotFound {
        /// `store`, `operation`, `backup`, `revision`, `domain`, `rollout`, `token` or `tenant`.
        kind: &'static str,
        /// The id as requested.
        name: String,
    },
    /// A token cannot be created or rotated.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The domain cannot be added, or is not one of the store's.
    #[error(transparent)]
    StoreDomain(#[from] StoreDomainError),
    /// The tenant does not permit it.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// A rollout cannot be created or changed.
    #[error(transparent)]
    Rollout(#[from] RolloutError),
    /// The id is taken.
    #[error("store \"{name}\" already exists")]
    AlreadyExists {
        /// The id.
        name: String,
    },
    /// The tenant's quotas do not permit it.
    #[error(transparent)]
    Quota(#[from] QuotaError),
    /// The host name is taken by another store.
    #[error("host name \"{host}\" is taken")]
    HostTaken {
        /// The host name.
        host: String,
    },
    /// The request id was used for a different request.
    #[error("request_id was used for another request in the last 24 hours")]
    RequestIdReused,
    /// The store changed since the caller read it.
    #[error("the store changed since it was read: etag is {actual}")]
    StaleEtag {
        /// Its current etag.
        actual: String,
    },
    /// The store's state does not allow the change.
    #[error("a store that is {} cannot become {}", .from.as_str(), .to.as_str())]
    IllegalMove {
        /// The current state.
        from: State,
        /// The requested state.
        to: State,
    },
    /// Only a settled store is retried.
    #[error("a store that is {} cannot be retried; only READY, DEGRADED and FAILED stores can", .state.as_str())]
    NotRetryable {
        /// The current state.
        state: State,
    },
    /// Only a store that was READY gets new credentials.
    #[error("the credentials of a store that is {} cannot be rotated; only those of READY and DEGRADED stores can", .state.as_str())]
    NotRotatable {
        /// The current state.
        state: State,
    },
    /// The engine's chart does not say that its shops start with new credentials.
    #[error(
        "the chart of engine {engine} does not support the rotation of credentials: its lost_secrets is not `renew`"
    )]
    RotationUnsupported {
        /// The engine.
        engine: String,
    },
    /// A store that is being deleted, or is deleted, does not change.
    #[error("a store that is {} cannot be changed", .state.as_str())]
    NotUpdatable {
        /// The current state.
        state: State,
    },
    /// Only the settings of a store whose shop runs are changed.
    #[error("the settings of a store that is {} cannot be changed; only those of READY and DEGRADED stores can", .state.as_str())]
    SettingsNotUpdatable {
        /// The current state.
        state: State,
    },
    /// The server has no such version of the engine's chart.
    #[error("version {version} of engine {engine} is not available")]
    VersionUnavailable {
        /// The engine.
        engine: String,
        /// The version of its chart.
        version: String,
    },
    /// A version of the engine changes the schema of shops' databases, and its chart does not support that.
    #[error(
        "the chart of engine {engine} in version {version} does not support a change of data with its version: its storeplane.yaml has no {lacks}"
    )]
    MigrationUnsupported {
        /// The engine.
        engine: String,
        /// The version of its chart.
        version: String,
        /// What its `storeplane.yaml` lacks.
        lacks: &'static str,
    },
    /// The data of the store does not fit the version.
    #[error(
        "the shop's database has the schema {present:?}, and the revision needs {former:?}: {}",
        rollback_remedy(.backup.as_ref())
    )]
    SchemaDiffers {
        /// The present schema.
        present: String,
        /// That of the revision.
        former: String,
        /// The backup with data for the revision, and the time since which changes would be lost. `None` if there is none.
        backup: Option<(BackupId, OffsetDateTime)>,
    },
    /// An operation that is not finished uses the store.
    #[error("operation {operation} ({}) on store \"{name}\" has not ended; wait for it or cancel it", .kind.as_str())]
    OperationInProgress {
        /// The store's id.
        name: String,
        /// Which operation.
        operation: OperationId,
        /// Its kind.
        kind: OperationKind,
    },
    /// Only a store whose shop runs is backed up.
    #[error("a store that is {} cannot be backed up; only READY and DEGRADED stores can", .state.as_str())]
    NotBackupable {
        /// The current state.
        state: State,
    },
    /// The engine's chart does not say how its shops are backed up.
    #[error(
        "the chart of engine {engine} does not support backups: its storeplane.yaml has no section `backup`, or no `maintenance` in it"
    )]
    BackupUnsupported {
        /// The engine.
        engine: String,
    },
    /// The server has no storage for backups.
    #[error("this control plane has no storage for backups; an operator can configure one (backups.storage)")]
    BackupsDisabled,
    /// Only a store whose shop ran is restored in place.
    #[error("the data of a store that is {} cannot be restored; only that of READY and DEGRADED stores can", .state.as_str())]
    NotRestorable {
        /// The current state.
        state: State,
    },
    /// Only a deleted store is created again.
    #[error("store \"{name}\" is {}; only a DELETED store can be undeleted", .state.as_str())]
    NotDeleted {
        /// The store's id.
        name: String,
        /// The current state.
        state: State,
    },
    /// The engine's chart has no values for copies.
    #[error(
        "the chart of engine {engine} does not support copies: the section `backup` of its storeplane.yaml has no `copies: true`"
    )]
    CopyUnsupported {
        /// The engine.
        engine: String,
    },
    /// Nothing is left from which the store could be created again.
    #[error("store \"{name}\" has no backup that is COMPLETE")]
    NoBackup {
        /// The store's id.
        name: String,
    },
    /// The backup cannot be restored into the store.
    #[error("backup {backup} cannot be restored into store \"{name}\": {why}")]
    BackupNotUsable {
        /// Which backup.
        backup: BackupId,
        /// The store's id.
        name: String,
        /// Why, as a part of a sentence.
        why: &'static str,
    },
    /// The backup is being made or read.
    #[error("backup {backup} is in use by operation {operation}; wait for it or cancel it")]
    BackupInProgress {
        /// Which backup.
        backup: BackupId,
        /// The operation.
        operation: OperationId,
    },
    /// The store is protected from deletion.
    #[error("store \"{name}\" has deletion_protection; UpdateStore can switch it off")]
    DeletionProtected {
        /// The store's id.
        name: String,
    },
    /// A deletion cannot be cancelled: it would leave half a store.
    #[error("operation {operation} is a deletion, which cannot be cancelled")]
    NotCancellable {
        /// Which operation.
        operation: OperationId,
    },
    /// The login is not available: the store's state does not allow it, or its Secret does not exist.
    #[error("a store that is {} has no credentials", .state.as_str())]
    CredentialsNotThere {
        /// The current state.
        state: State,
    },
    /// The caller's role does not permit it.
    #[error("role {role} does not permit this; it requires {needed}")]
    PermissionDenied {
        /// The caller's role.
        role: &'static str,
        /// The required role.
        needed: &'static str,
    },
    /// The request names another tenant than the caller's.
    #[error("role {role} does not permit access to another tenant; it requires {needed}")]
    OtherTenant {
        /// The caller's role.
        role: &'static str,
        /// The required role.
        needed: &'static str,
    },
    /// The caller's token is limited to other store ids. It does not depend on whether the store exists.
    #[error("this token may not create the store \"{name}\": its id is outside the scope of the token")]
    StoreOutsideScope {
        /// The id.
        name: String,
    },
    /// The events after the cursor are no longer kept.
    #[error("events after the cursor are no longer kept; a watch can start again, or resume from {oldest}")]
    CursorExpired {
        /// The oldest complete position.
        oldest: Oldest,
    },
}

fn rollback_remedy(backup: Option<&(BackupId, OffsetDateTime)>) -> String {
    match backup {
        Some((backup, time)) => format!(
            "the data of backup {backup} of {} has it. With accept_data_loss it is restored, and orders and all other changes since then are lost",
            utc::to_the_second(*time)
        ),
        None => "no COMPLETE backup of the store has it, so the store cannot return to the revision".to_owned(),
    }
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
            Self::NotFound { kind: "backup", .. } => "BACKUP_NOT_FOUND",
            Self::NotFound { kind: "token", .. } => "TOKEN_NOT_FOUND",
            Self::NotFound { kind: "tenant", .. } => "TENANT_NOT_FOUND",
            Self::NotFound { kind: "revision", .. } => "REVISION_NOT_FOUND",
            Self::NotFound { kind: "domain", .. } => "DOMAIN_NOT_FOUND",
            Self::NotFound { kind: "rollout", .. } => "ROLLOUT_NOT_FOUND",
            Self::NotFound { .. } => "STORE_NOT_FOUND",
            Self::Token(error) => error.reason(),
            Self::StoreDomain(error) => error.reason(),
            Self::Tenant(error) => error.reason(),
            Self::Rollout(error) => error.reason(),
            Self::AlreadyExists { .. } => "STORE_ALREADY_EXISTS",
            Self::Quota(error) => error.reason(),
            Self::HostTaken { .. } => "HOST_TAKEN",
            Self::RequestIdReused => "REQUEST_ID_REUSED",
            Self::StaleEtag { .. } => "STALE_ETAG",
            Self::IllegalMove { .. } => "ILLEGAL_STATE",
            Self::NotRetryable { .. } => "NOT_RETRYABLE",
            Self::NotRotatable { .. } => "NOT_ROTATABLE",
            Self::RotationUnsupported { .. } => "ROTATION_UNSUPPORTED",
            Self::NotUpdatable { .. } => "NOT_UPDATABLE",
            Self::SettingsNotUpdatable { .. } => "SETTINGS_NOT_UPDATABLE",
            Self::VersionUnavailable { .. } => "VERSION_UNAVAILABLE",
            Self::MigrationUnsupported { .. } => "MIGRATION_UNSUPPORTED",
            Self::SchemaDiffers { .. } => "SCHEMA_DIFFERS",
            Self::OperationInProgress { .. } => "OPERATION_IN_PROGRESS",
            Self::NotBackupable { .. } => "NOT_BACKUPABLE",
            Self::BackupUnsupported { .. } => "BACKUP_UNSUPPORTED",
            Self::BackupsDisabled => "BACKUPS_DISABLED",
            Self::NotRestorable { .. } => "NOT_RESTORABLE",
            Self::NotDeleted { .. } => "NOT_DELETED",
            Self::CopyUnsupported { .. } => "COPY_UNSUPPORTED",
            Self::NoBackup { .. } => "NO_BACKUP",
            Self::BackupNotUsable { .. } => "BACKUP_NOT_USABLE",
            Self::BackupInProgress { .. } => "BACKUP_IN_PROGRESS",
            Self::DeletionProtected { .. } => "DELETION_PROTECTED",
            Self::NotCancellable { .. } => "NOT_CANCELLABLE",
            Self::CredentialsNotThere { .. } => "CREDENTIALS_UNAVAILABLE",
            Self::PermissionDenied { .. } | Self::OtherTenant { .. } => "PERMISSION_DENIED",
            Self::StoreOutsideScope { .. } => "STORE_OUTSIDE_SCOPE",
            Self::CursorExpired { .. } => "CURSOR_EXPIRED",
        }
    }

    /// An error with one field violation.
    pub fn field(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation { field: field.into(), description: description.into() }])
    }
}
