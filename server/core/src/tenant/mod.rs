//! Tenants as resources. [`command`] has the changes of them, [`quotas_input`] reads their quotas. [`crate::ids::Tenant`] is a tenant's id.

mod command;
mod quotas_input;

pub use command::{CreateTenant, CreateTenantInput, TenantCommand, UpdateTenant, UpdateTenantInput};
pub use quotas_input::QuotasInput;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::{DomainError, TenantError};
use crate::ids::Tenant;
use crate::quota::TenantQuotas;
use crate::wire::wire_enum;

wire_enum! {
    /// What a tenant's callers may do.
    pub enum TenantState {
        /// Everything that their roles permit.
        Active = "ACTIVE",
        /// Nothing. Stores are unaffected.
        Suspended = "SUSPENDED",
        /// Nothing. It has no stores and no tokens.
        Deleted = "DELETED",
    }
}

/// A tenant with everything that is stored about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantDetails {
    /// Its id.
    pub id: Tenant,
    /// UUID v7, or v4 if a migration added it.
    pub uid: Uuid,
    /// Its name for people.
    pub display_name: String,
    /// Its state.
    pub state: TenantState,
    /// The quotas that were set for it.
    pub quotas: TenantQuotas,
    /// Incremented with each change.
    pub revision: i64,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// Who created it.
    pub created_by: String,
    /// When it was changed last.
    pub updated_at: OffsetDateTime,
    /// Since when it is suspended.
    pub suspended_at: Option<OffsetDateTime>,
}

impl TenantDetails {
    /// The etag: changes with every change.
    pub fn etag(&self) -> String {
        let hash = blake3::hash(format!("{} {}", self.uid, self.revision).as_bytes());
        hash.to_hex().chars().take(16).collect()
    }

    /// Returns an error if it does not have this etag.
    pub fn check_etag(&self, etag: Option<&str>) -> Result<(), DomainError> {
        let actual = self.etag();
        match etag {
            Some(etag) if etag != actual => Err(TenantError::StaleEtag { actual }.into()),
            _ => Ok(()),
        }
    }

    /// The same in another state.
    #[must_use]
    pub fn into_state(self, state: TenantState, now: OffsetDateTime) -> Self {
        let suspended_at = match state {
            TenantState::Suspended => self.suspended_at.or(Some(now)),
            TenantState::Active | TenantState::Deleted => None,
        };
        Self { state, suspended_at, ..self }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An active tenant without quotas of its own.
    pub(crate) fn details(id: &str) -> TenantDetails {
        TenantDetails {
            id: id.parse().expect("a tenant"),
            uid: Uuid::nil(),
            display_name: id.into(),
            state: TenantState::Active,
            quotas: TenantQuotas::default(),
            revision: 1,
            created_at: OffsetDateTime::UNIX_EPOCH,
            created_by: "test".into(),
            updated_at: OffsetDateTime::UNIX_EPOCH,
            suspended_at: None,
        }
    }

    #[test]
    fn etag_changes_with_the_revision() {
        let one = details("acme");
        let two = TenantDetails { revision: 2, ..one.clone() };
        assert_ne!(one.etag(), two.etag());
        assert_eq!(one.check_etag(Some(&one.etag())), Ok(()));
        assert_eq!(one.check_etag(None), Ok(()));
        let stale = TenantError::StaleEtag { actual: two.etag() };
        assert_eq!(two.check_etag(Some(&one.etag())), Err(stale.into()));
    }

    #[test]
    fn suspension_keeps_the_time_when_it_began() {
        let (now, later) = (OffsetDateTime::UNIX_EPOCH, OffsetDateTime::UNIX_EPOCH + time::Duration::HOUR);
        let suspended = details("acme").into_state(TenantState::Suspended, now);
        assert_eq!(suspended.clone().into_state(TenantState::Suspended, later), suspended);
        assert_eq!(suspended.into_state(TenantState::Active, later).suspended_at, None);
    }
}
