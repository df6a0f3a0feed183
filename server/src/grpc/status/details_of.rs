//! Codes and details of refused changes of tokens and tenants, of unmet preconditions, and of exhausted quotas.

use storeplane_core::error::{DomainError, RolloutError, TenantError, TokenError};
use storeplane_core::quota::{QuotaError, QuotaUse};
use storeplane_core::utc;
use tonic::Code;
use tonic_types::ErrorDetails;

pub(super) fn quota(
    error: &QuotaError,
    message: &str,
    details: &mut ErrorDetails,
    tell: &mut impl FnMut(&str, String) -> Option<String>,
) -> Code {
    match error {
        QuotaError::Exceeded { tenant, exceeded } => {
            for QuotaUse { name, used, limit } in exceeded.iter().rev() {
                tell("quota", (*name).to_owned());
                tell("used", used.to_string());
                tell("limit", limit.to_string());
            }
            for quota in exceeded {
                let (used, limit) = quota.texts();
                let text = format!("{}: {used} of {limit} are used", quota.name);
                details.add_quota_failure_violation(format!("tenant/{tenant}"), text);
            }
            Code::ResourceExhausted
        }
        QuotaError::TooOften { tenant, rate, limit, retry_after, .. } => {
            tell("quota", rate.name().to_owned());
            tell("limit", limit.to_string());
            details.add_quota_failure_violation(format!("tenant/{tenant}"), message);
            details.set_retry_info(Some((*retry_after).try_into().unwrap_or_default()));
            Code::ResourceExhausted
        }
        QuotaError::PlanNotAllowed { tenant, .. } => {
            details.add_precondition_failure_violation("PLAN", format!("tenant/{tenant}"), message);
            Code::FailedPrecondition
        }
    }
}

/// A rollout cannot be created or changed.
pub(super) fn rollout(
    error: &RolloutError,
    message: &str,
    details: &mut ErrorDetails,
    tell: &mut impl FnMut(&str, String) -> Option<String>,
) -> Code {
    let kind = match error {
        RolloutError::Scoped => return Code::PermissionDenied,
        RolloutError::StaleEtag { actual } => {
            tell("etag", actual.clone());
            details.add_precondition_failure_violation("ETAG", "rollout", message);
            return Code::Aborted;
        }
        RolloutError::Conflict { rollout, store_id } => {
            tell("rollout_id", rollout.to_string());
            tell("store_id", store_id.clone());
            "STORES"
        }
        RolloutError::TooMany { max } => {
            tell("max", max.to_string());
            "ROLLOUTS"
        }
        RolloutError::NoStores => "STORES",
        RolloutError::Irreversible { .. } => "TARGET",
        RolloutError::Ended { .. } | RolloutError::RollingBack { .. } => "STATE",
    };
    details.add_precondition_failure_violation(kind, "rollout", message);
    Code::FailedPrecondition
}

pub(super) fn tenant(
    error: &TenantError,
    message: &str,
    details: &mut ErrorDetails,
    tell: &mut impl FnMut(&str, String) -> Option<String>,
) -> Code {
    let subject = |tenant| format!("tenant/{tenant}");
    match error {
        TenantError::AlreadyExists { tenant } => {
            details.set_resource_info("tenant", tenant.to_string(), "", message);
            Code::AlreadyExists
        }
        TenantError::Suspended { .. } => Code::PermissionDenied,
        TenantError::Deleted { tenant } => {
            details.add_precondition_failure_violation("STATE", subject(tenant), message);
            Code::FailedPrecondition
        }
        TenantError::NotEmpty { tenant, stores } => {
            tell("stores", stores.to_string());
            details.add_precondition_failure_violation("STORES", subject(tenant), message);
            Code::FailedPrecondition
        }
        TenantError::NotDeletable { tenant } => {
            details.add_precondition_failure_violation("KIND", subject(tenant), message);
            Code::FailedPrecondition
        }
        TenantError::StaleEtag { actual } => {
            tell("etag", actual.clone());
            details.add_precondition_failure_violation("ETAG", "tenant", message);
            Code::Aborted
        }
    }
}

/// What has to be so before the request can be executed.
pub(super) fn precondition(
    error: &DomainError,
    message: &str,
    details: &mut ErrorDetails,
    tell: &mut impl FnMut(&str, String) -> Option<String>,
) -> Code {
    let (kind, subject) = match error {
        DomainError::IllegalMove { from: state, .. }
        | DomainError::NotRetryable { state }
        | DomainError::NotUpdatable { state }
        | DomainError::SettingsNotUpdatable { state }
        | DomainError::NotRotatable { state }
        | DomainError::NotBackupable { state }
        | DomainError::NotRestorable { state }
        | DomainError::NotDeleted { state, .. }
        | DomainError::CredentialsNotThere { state } => {
            tell("state", state.as_str().to_owned());
            ("STATE", "store".to_owned())
        }
        DomainError::RotationUnsupported { engine }
        | DomainError::BackupUnsupported { engine }
        | DomainError::CopyUnsupported { engine }
        | DomainError::VersionUnavailable { engine, .. }
        | DomainError::MigrationUnsupported { engine, .. } => ("ENGINE", format!("engine/{engine}")),
        DomainError::NotCancellable { operation } => ("KIND", format!("operation/{operation}")),
        DomainError::OperationInProgress { operation, kind, .. } => {
            tell("operation_id", operation.to_string());
            tell("kind", kind.as_str().to_owned());
            ("OPERATION", format!("operation/{operation}"))
        }
        DomainError::BackupInProgress { backup, operation } => {
            tell("operation_id", operation.to_string());
            ("OPERATION", format!("backup/{backup}"))
        }
        DomainError::BackupNotUsable { backup, .. } => ("BACKUP", format!("backup/{backup}")),
        DomainError::NoBackup { name } => ("BACKUP", format!("store/{name}")),
        DomainError::SchemaDiffers { present, former, backup } => {
            tell("schema", present.clone());
            tell("revision_schema", former.clone());
            if let Some((backup, time)) = backup {
                tell("backup_id", backup.to_string());
                tell("backup_time", utc::to_the_second(*time));
            }
            ("SCHEMA", "store".to_owned())
        }
        DomainError::BackupsDisabled => ("CONFIGURATION", "backups.storage".to_owned()),
        // `DeletionProtected`: all others have codes of their own.
        _ => ("DELETION_PROTECTION", "store".to_owned()),
    };
    details.add_precondition_failure_violation(kind, subject, message);
    Code::FailedPrecondition
}

pub(super) fn token(
    error: &TokenError,
    message: &str,
    details: &mut ErrorDetails,
    tell: &mut impl FnMut(&str, String) -> Option<String>,
) -> Code {
    match error {
        TokenError::NameTaken { name } => {
            details.set_resource_info("token", name, "", message);
            Code::AlreadyExists
        }
        TokenError::SecretAlreadyShown { token } => {
            tell("token_id", token.to_string());
            details.set_resource_info("token", token.to_string(), "", message);
            Code::AlreadyExists
        }
        TokenError::NotValid { token, state } => {
            tell("state", (*state).to_owned());
            details.add_precondition_failure_violation("STATE", format!("token/{token}"), message);
            Code::FailedPrecondition
        }
    }
}
