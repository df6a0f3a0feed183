//! The calls for backups.

use storeplane_proto::v1;
use tonic::Response;

use crate::calls::identify;
use crate::client::{Client, patiently};
use crate::error::Error;

impl Client {
    /// Starts a backup of a store, which keeps selling. Wait for its operation with [`Client::wait_operation`]. A missing request id is
    /// generated.
    ///
    /// # Errors
    /// `STORE_NOT_FOUND`, `NOT_BACKUPABLE`, `OPERATION_IN_PROGRESS`, `BACKUP_UNSUPPORTED`, `BACKUPS_DISABLED`, `BACKUP_QUOTA_EXCEEDED`.
    pub async fn create_backup(&self, mut request: v1::CreateBackupRequest) -> Result<v1::Backup, Error> {
        identify(&mut request.request_id);
        let call = || {
            let (mut backups, request) = (self.backups.clone(), request.clone());
            async move { backups.create_backup(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Replaces a store's data by that of one of its backups. A missing request id is generated.
    ///
    /// # Errors
    /// `STORE_NOT_FOUND`, `BACKUP_NOT_FOUND`, `NOT_RESTORABLE`, `BACKUP_NOT_USABLE`, `OPERATION_IN_PROGRESS`, `BACKUP_UNSUPPORTED`,
    /// `BACKUPS_DISABLED`.
    pub async fn restore_store(&self, mut request: v1::RestoreStoreRequest) -> Result<v1::Store, Error> {
        identify(&mut request.request_id);
        let call = || {
            let (mut stores, request) = (self.stores.clone(), request.clone());
            async move { stores.restore_store(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Creates a store with the data of a backup, or of a store as it is. A missing request id is generated.
    ///
    /// # Errors
    /// Those of [`Client::create_store`] and [`Client::create_backup`], `BACKUP_NOT_FOUND`, `BACKUP_NOT_USABLE`, `COPY_UNSUPPORTED`.
    pub async fn copy_store(&self, mut request: v1::CopyStoreRequest) -> Result<v1::Store, Error> {
        identify(&mut request.request_id);
        let call = || {
            let (mut stores, request) = (self.stores.clone(), request.clone());
            async move { stores.copy_store(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Creates a deleted store again, with the data of one of its backups. A missing request id is generated.
    ///
    /// # Errors
    /// Those of [`Client::create_store`], `STORE_NOT_FOUND`, `NOT_DELETED`, `NO_BACKUP`, `BACKUP_NOT_FOUND`, `BACKUP_NOT_USABLE`,
    /// `COPY_UNSUPPORTED`, `BACKUPS_DISABLED`.
    pub async fn undelete_store(&self, mut request: v1::UndeleteStoreRequest) -> Result<v1::Store, Error> {
        identify(&mut request.request_id);
        let call = || {
            let (mut stores, request) = (self.stores.clone(), request.clone());
            async move { stores.undelete_store(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Returns a backup.
    ///
    /// # Errors
    /// `BACKUP_NOT_FOUND`.
    pub async fn get_backup(&self, backup_id: &str) -> Result<v1::Backup, Error> {
        let request = v1::GetBackupRequest { backup_id: backup_id.to_owned() };
        let call = || {
            let (mut backups, request) = (self.backups.clone(), request.clone());
            async move { backups.get_backup(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// A page of backups, newest first.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for an invalid filter or page token.
    pub async fn list_backups(&self, request: v1::ListBackupsRequest) -> Result<v1::ListBackupsResponse, Error> {
        let call = || {
            let (mut backups, request) = (self.backups.clone(), request.clone());
            async move { backups.list_backups(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Deletes a backup. It is `BACKUP_NOT_FOUND` once it is removed from the storage.
    ///
    /// # Errors
    /// `BACKUP_NOT_FOUND`, `BACKUP_IN_PROGRESS`.
    pub async fn delete_backup(&self, backup_id: &str) -> Result<v1::Backup, Error> {
        let mut request =
            v1::DeleteBackupRequest { backup_id: backup_id.to_owned(), ..v1::DeleteBackupRequest::default() };
        identify(&mut request.request_id);
        let call = || {
            let (mut backups, request) = (self.backups.clone(), request.clone());
            async move { backups.delete_backup(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }
}
