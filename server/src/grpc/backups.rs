//! BackupService.

use storeplane_core::backup::command::CreateBackupInput;
use storeplane_core::backup::restore_test::{RestoreTest, RestoreTestState};
use storeplane_core::backup::snapshot::Snapshot;
use storeplane_core::backup::{Backup, BackupState, BackupTrigger, Part};
use storeplane_core::ids::BackupId;
use storeplane_core::query::BackupQuery;
use storeplane_core::validate::Check;
use storeplane_proto::v1;
use storeplane_proto::v1::backup_service_server::BackupService;
use storeplane_proto::v1::{
    CreateBackupRequest, DeleteBackupRequest, GetBackupRequest, ListBackupsRequest, ListBackupsResponse,
};
use tonic::{Request, Response, Status};

use super::api_handler::{ApiHandler, caller, note_store};
use super::convert::timestamp;
use super::{pages, status};
use crate::telemetry::trace;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl BackupService for ApiHandler {
    async fn create_backup(&self, request: Request<CreateBackupRequest>) -> Answer<v1::Backup> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let CreateBackupRequest { store_id, description, request_id, etag, store_uid, validate_only } =
            request.into_inner();
        note_store(&store_id);
        let input = CreateBackupInput { store_id, store_uid, description, etag, request_id };
        let trace = trace::current();
        let created = self.finish(async move { service.create_backup(&caller, trace, input, validate_only).await });
        Ok(Response::new(message(created.await?)))
    }

    async fn get_backup(&self, request: Request<GetBackupRequest>) -> Answer<v1::Backup> {
        let caller = caller(&request)?;
        let mut check = Check::default();
        let id: Option<BackupId> = check.required("backup_id", &request.get_ref().backup_id);
        let id = check.finish(id).map_err(|refusal| status::refusal(&refusal))?;
        let backup = self.service.backup(&caller, id).await.map_err(|error| status::port(&error))?;
        note_store(backup.store_id.as_str());
        Ok(Response::new(message(backup)))
    }

    async fn list_backups(&self, request: Request<ListBackupsRequest>) -> Answer<ListBackupsResponse> {
        let access = caller(&request)?.access;
        let ListBackupsRequest { store_id, page_size, page_token, filter } = request.into_inner();
        note_store(&store_id);
        let seal = self.seal(&access).await?;
        let query = BackupQuery::check(&access, &store_id, &filter, page_size, seal.page_start(&page_token))
            .map_err(|refusal| status::refusal(&refusal))?;
        let page = self.service.backups(&query).await.map_err(|error| status::port(&error))?;
        let (backups, next) = pages::fill(&query, page, message);
        Ok(Response::new(ListBackupsResponse { backups, next_page_token: seal.page_token(next.as_ref()) }))
    }

    async fn delete_backup(&self, request: Request<DeleteBackupRequest>) -> Answer<v1::Backup> {
        let (caller, service) = (caller(&request)?, self.service.clone());
        let DeleteBackupRequest { backup_id, request_id } = request.into_inner();
        let deleted = self.finish(async move { service.delete_backup(&caller, &backup_id, &request_id).await });
        let deleted = deleted.await?;
        note_store(deleted.store_id.as_str());
        Ok(Response::new(message(deleted)))
    }
}

fn message(backup: Backup) -> v1::Backup {
    let failure = backup.failure.as_ref();
    v1::Backup {
        backup_id: backup.id.to_string(),
        store_uid: backup.store.to_string(),
        state: match backup.state {
            BackupState::Creating => v1::BackupState::Creating,
            BackupState::Complete => v1::BackupState::Complete,
            BackupState::Failed => v1::BackupState::Failed,
            BackupState::Deleting => v1::BackupState::Deleting,
            BackupState::Unreadable => v1::BackupState::Unspecified,
        }
        .into(),
        trigger: match backup.trigger {
            BackupTrigger::OnDemand => v1::BackupTrigger::OnDemand,
            BackupTrigger::Scheduled => v1::BackupTrigger::Scheduled,
            BackupTrigger::BeforeRestore => v1::BackupTrigger::BeforeRestore,
            BackupTrigger::BeforeUpdate => v1::BackupTrigger::BeforeUpdate,
            BackupTrigger::Copy => v1::BackupTrigger::Copy,
            BackupTrigger::Unreadable => v1::BackupTrigger::Unspecified,
        }
        .into(),
        operation_id: backup.operation.to_string(),
        simulated: backup.simulated,
        size_bytes: signed(backup.bytes()),
        reason: failure.map(|failure| failure.reason.as_str().to_owned()).unwrap_or_default(),
        message: failure.map(|failure| failure.message.clone()).unwrap_or_default(),
        remedy: failure.map(|failure| failure.remedy().to_owned()).unwrap_or_default(),
        create_time: Some(timestamp(backup.created_at)),
        complete_time: backup.completed_at.map(timestamp),
        parts: backup.parts.into_iter().map(part).collect(),
        store_id: backup.store_id.into(),
        description: backup.description,
        requested_by: backup.requested_by,
        engine: backup.engine,
        chart_version: backup.versions.chart,
        app_version: backup.versions.app,
        restore_test: backup.restore_test.map(restore_test),
        snapshots: backup.snapshots.into_iter().map(snapshot).collect(),
    }
}

fn snapshot(Snapshot { claim, name, ready, taken_at }: Snapshot) -> v1::VolumeSnapshot {
    v1::VolumeSnapshot { claim, name, ready, create_time: taken_at.map(timestamp) }
}

fn restore_test(RestoreTest { state, started_at, ended_at, failure, .. }: RestoreTest) -> v1::RestoreTest {
    let (reason, message) = failure.map(|failure| (failure.reason.as_str(), failure.message)).unzip();
    v1::RestoreTest {
        state: match state {
            RestoreTestState::Running => v1::RestoreTestState::Running,
            RestoreTestState::Passed => v1::RestoreTestState::Passed,
            RestoreTestState::Failed => v1::RestoreTestState::Failed,
        }
        .into(),
        start_time: Some(timestamp(started_at)),
        end_time: ended_at.map(timestamp),
        reason: reason.unwrap_or_default().to_owned(),
        message: message.unwrap_or_default(),
    }
}

fn part(part: Part) -> v1::BackupPart {
    let Part { name, bytes, source_bytes, sha256 } = part;
    v1::BackupPart { name, size_bytes: signed(bytes), source_bytes: signed(source_bytes), sha256 }
}

/// Sizes on the wire are signed, as AIP-141 requires.
fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
