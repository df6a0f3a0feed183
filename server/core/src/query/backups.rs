//! Pages of backups.

use super::{After, PageStart, PageToken, Paged, fingerprint, page_after, page_limit};
use crate::access::Access;
use crate::backup::Backup;
use crate::error::DomainError;
use crate::filter::BackupFilter;
use crate::ids::StoreId;
use crate::validate::Check;

/// A page of backups, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct BackupQuery {
    /// Whose backups.
    pub access: Access,
    /// Limits the list to stores with this id.
    pub store: Option<StoreId>,
    /// The filter.
    pub filter: BackupFilter,
    /// The page size.
    pub limit: u32,
    /// The page token.
    pub after: Option<After>,
    fingerprint: String,
}

impl BackupQuery {
    /// Validates the fields of ListBackups.
    pub fn check(
        access: &Access,
        store_id: &str,
        filter: &str,
        page_size: i32,
        token: PageStart,
    ) -> Result<Self, DomainError> {
        let mut check = Check::default();
        let limit = page_limit(&mut check, page_size);
        let store = check.optional("store_id", store_id);
        let parsed = BackupFilter::check(&mut check, filter);
        let fingerprint = fingerprint(&["backups", &access.key(), store_id, filter]);
        let after = page_after(&mut check, token, &fingerprint);
        check.finish(parsed.map(|filter| Self { access: access.clone(), store, filter, limit, after, fingerprint }))
    }
}

impl Paged for BackupQuery {
    type Item = Backup;

    fn token_after(&self, last: &Backup) -> PageToken {
        let after = After { at: last.created_at, text: String::new(), uid: last.id.0 };
        PageToken { after, query: self.fingerprint.clone() }
    }
}
