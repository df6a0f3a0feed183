//! The ports in memory.

use super::*;
use crate::query::RevisionQuery;
use crate::revision::Revision;
use crate::secret::SecretText;

/// One tenant's stores and the audit log. Idempotency and lists are the database's, and tested there.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) stores: Mutex<Vec<Snapshot>>,
    pub(super) audit: Mutex<Vec<AuditRecord>>,
    /// Ids that are given out again and again, as if the random source had little luck.
    pub(super) words: Mutex<Vec<&'static str>>,
    pub(super) uuids: AtomicUsize,
    /// The audit log cannot be written.
    pub(super) is_read_only: bool,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics while it holds this")
}

impl Memory {
    fn store(&self, change: Change) -> Applied {
        lock(&self.audit).extend(change.audit);
        let snapshot = Snapshot {
            store: change.store.clone(),
            operation: change.operation.clone(),
            backup: change.backup.clone(),
        };
        let mut stores = lock(&self.stores);
        stores.retain(|known| known.store.uid != change.store.uid);
        stores.push(snapshot);
        Applied { store: change.store, operation: change.operation, backup: change.backup }
    }
}

#[async_trait::async_trait]
impl Stores for Memory {
    async fn create(&self, _: &Access, change: Change, _: Option<Idempotency>) -> Result<Applied, PortError> {
        if lock(&self.stores).iter().any(|known| known.store.id == change.store.id) {
            return Err(DomainError::AlreadyExists { name: change.store.id.to_string() }.into());
        }
        Ok(self.store(change))
    }

    async fn copy(
        &self,
        _: &Access,
        source: &StoreRef,
        _: Option<Idempotency>,
        decide: &CopyDecision<'_>,
    ) -> Result<Applied, PortError> {
        let found = lock(&self.stores).iter().find(|known| known.store.id == source.id).cloned();
        let found = found.ok_or_else(|| DomainError::NotFound { kind: "store", name: "it".into() })?;
        let Copy { store, source } = decide(found)?;
        if let Some(source) = source {
            self.store(source);
        }
        Ok(self.store(store))
    }

    async fn change(
        &self,
        _: &Access,
        target: &Target,
        _: Option<Idempotency>,
        transition: &Decision<'_>,
    ) -> Result<Applied, PortError> {
        let is_target = |known: &&Snapshot| match target {
            Target::Store(wanted) => known.store.id == wanted.id && wanted.uid.is_none_or(|uid| uid == known.store.uid),
            Target::Operation(id) => known.operation.id == *id,
        };
        let found = lock(&self.stores).iter().find(is_target).cloned();
        let found = found.ok_or_else(|| DomainError::NotFound { kind: "store", name: "it".into() })?;
        Ok(self.store(transition(found)?))
    }

    async fn record(&self, audit: AuditRecord) -> Result<(), PortError> {
        if self.is_read_only {
            return Err(PortError::Internal("the audit log cannot be written".into()));
        }
        lock(&self.audit).push(audit);
        Ok(())
    }

    async fn state_mark(&self) -> Result<String, PortError> {
        Ok(String::new())
    }

    async fn find(&self, _: &Access, wanted: &StoreRef) -> Result<Option<Store>, PortError> {
        Ok(lock(&self.stores).iter().find(|known| known.store.id == wanted.id).map(|known| known.store.clone()))
    }

    async fn is_reused(&self, _: &Access, _: &StoreId) -> Result<bool, PortError> {
        Ok(false)
    }

    async fn list(&self, _: &StoreQuery) -> Result<Page<Store>, PortError> {
        Ok(Page { items: Vec::new(), more: false })
    }

    async fn count(&self, _: &StoreQuery) -> Result<i64, PortError> {
        Ok(0)
    }

    async fn revision(&self, _: StoreUid, _: u32) -> Result<Option<Revision>, PortError> {
        Ok(None)
    }

    async fn revisions(&self, _: &RevisionQuery) -> Result<Page<Revision>, PortError> {
        Ok(Page { items: Vec::new(), more: false })
    }

    async fn operation(&self, _: &Access, _: OperationId) -> Result<Option<Operation>, PortError> {
        Ok(None)
    }

    async fn operations(&self, _: &OperationQuery) -> Result<Page<Operation>, PortError> {
        Ok(Page { items: Vec::new(), more: false })
    }

    async fn audit_events(&self, _: &AuditQuery) -> Result<Page<AuditEvent>, PortError> {
        Ok(Page { items: Vec::new(), more: false })
    }

    async fn check_quotas(&self, _: &Store, _: &str) -> Result<(), PortError> {
        Ok(())
    }

    async fn check_plan_quota(&self, _: &Store, _: &Store) -> Result<(), PortError> {
        Ok(())
    }

    async fn check_backup_quota(&self, _: &Backup) -> Result<(), PortError> {
        Ok(())
    }

    async fn overview(&self, _: &OverviewQuery) -> Result<Overview, PortError> {
        Err(PortError::Internal("there is none in memory".into()))
    }
}

impl Clock for Memory {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH
    }
}

impl Ids for Memory {
    fn uuid(&self) -> uuid::Uuid {
        uuid::Uuid::from_u128(self.uuids.fetch_add(1, Ordering::Relaxed) as u128)
    }

    fn random_text(&self, _: usize) -> String {
        lock(&self.words).pop().unwrap_or("aaaaa").to_owned()
    }
}

#[async_trait::async_trait]
impl Credentials for Memory {
    async fn admin(&self, _: &Store, _: &AdminSecret) -> Result<Option<AdminLogin>, PortError> {
        Ok(None)
    }

    async fn store_smtp_login(&self, _: &Store, _: &str, _: &str, _: &SecretText) -> Result<bool, PortError> {
        Ok(true)
    }

    async fn forget_smtp_login(&self, _: &Store, _: &str) {}
}

#[async_trait::async_trait]
impl LiveView for Memory {
    async fn resources(&self, _: &Store) -> Result<Vec<LiveResource>, PortError> {
        Ok(Vec::new())
    }

    async fn logs(&self, _: &Store, _: u32) -> Result<LiveLogs, PortError> {
        Err(PortError::Internal("there are none in memory".into()))
    }
}

#[async_trait::async_trait]
impl Releases for Memory {
    async fn inventory(&self) -> Result<ReleaseInventory, PortError> {
        let release = |(name, ownership, tenant): (&str, Ownership, &str)| Release {
            namespace: name.into(),
            name: name.into(),
            ownership,
            store_id: name.into(),
            store_uid: None,
            tenant: tenant.into(),
            status: "deployed".into(),
            revision: 1,
            chart: String::new(),
            chart_version: String::new(),
            updated_at: None,
        };
        let releases = [
            ("a-store", Ownership::Store, "default"),
            ("b-store", Ownership::Store, "acme"),
            ("c-orphan", Ownership::Orphan, "default"),
            ("d-orphan", Ownership::Orphan, "acme"),
            ("e-orphan", Ownership::Orphan, ""),
            ("f-foreign", Ownership::Foreign, ""),
        ];
        Ok(ReleaseInventory { releases: releases.map(release).into(), scope: ReleaseScope::Cluster })
    }
}
