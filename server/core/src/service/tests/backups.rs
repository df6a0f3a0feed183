//! No backups: their list and deletion are tested with Postgres.

use super::*;
use crate::backup::command::{CreateBackupInput, DeleteBackup};
use crate::ids::{BackupId, StoreUid};
use crate::ports::Backups;
use crate::query::BackupQuery;

#[async_trait::async_trait]
impl Backups for Memory {
    async fn find(&self, _: &Access, _: BackupId) -> Result<Option<Backup>, PortError> {
        Ok(None)
    }

    async fn list(&self, _: &BackupQuery) -> Result<Page<Backup>, PortError> {
        Ok(Page { items: Vec::new(), more: false })
    }

    async fn newest_with_schema(&self, _: StoreUid, _: &str) -> Result<Option<Backup>, PortError> {
        Ok(None)
    }

    async fn delete(&self, _: &Access, command: DeleteBackup, _: AuditRecord) -> Result<Backup, PortError> {
        Err(DomainError::NotFound { kind: "backup", name: command.id.to_string() }.into())
    }
}

#[test]
fn refused_backups_are_audited_with_their_reason() {
    let memory = Arc::new(Memory::default());
    create(&memory, "demo").expect("created");
    let back_up = |service: Service, store_id: &str| {
        let input = CreateBackupInput { store_id: store_id.into(), ..CreateBackupInput::default() };
        now(service.create_backup(&caller(), None, input, false)).expect_err("refused").to_string()
    };
    let disabled = back_up(service(&memory), "demo");
    assert!(disabled.contains("backups.storage"), "{disabled}");
    back_up(service(&memory), "-");
    let provisioning = back_up(service(&memory).with_backups(true), "demo");
    assert!(provisioning.starts_with("a store that is PROVISIONING cannot be backed up"), "{provisioning}");
    let reasons: Vec<_> = audit(&memory).into_iter().skip(1).collect();
    let rejected = ["BACKUPS_DISABLED", "INVALID_REQUEST", "NOT_BACKUPABLE"];
    assert_eq!(reasons, rejected.map(|reason| format!("CREATE_BACKUP REJECTED {reason}")));
    now(service(&memory).delete_backup(&caller(), "7", "")).expect_err("no id");
    assert_eq!(audit(&memory).last().map(String::as_str), Some("DELETE_BACKUP REJECTED INVALID_REQUEST"));
}
