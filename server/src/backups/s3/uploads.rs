//! Completes and ends multipart uploads.

use bytes::Bytes;
use http::{Method, StatusCode};
use rusty_s3::actions::{CompleteMultipartUploadResponse, ListParts, PartsContent};
use storeplane_core::backup_storage::StorageError;

use super::client::{COMPLETE, Call, REQUEST, fault};
use super::listing::OpenUploads;
use super::{OWN_VALIDITY, S3, found, unreadable};

impl S3 {
    /// The parts that have arrived, by number.
    pub(super) async fn parts(&self, what: &str, name: &str, upload: &str) -> Result<Vec<PartsContent>, StorageError> {
        let credentials = self.credentials().await?;
        let (mut parts, mut after) = (Vec::new(), None);
        loop {
            let mut list = self.bucket.list_parts(Some(&credentials), name, upload);
            if let Some(after) = after {
                list.set_part_number_marker(after);
            }
            let page = self.call(what, &list, Bytes::new()).await?;
            let page = ListParts::parse_response(&page).map_err(|error| unreadable(what, &error))?;
            parts.extend(page.parts);
            match page.next_part_number_marker {
                None => return Ok(parts),
                Some(next) if Some(next) > after => after = Some(next),
                Some(_) => return Err(unreadable(what, &"it repeats a page")),
            }
        }
    }

    /// Whether there is an object with this name.
    pub(super) async fn exists(&self, what: &str, name: &str) -> Result<bool, StorageError> {
        let credentials = self.credentials().await?;
        match self.call(what, &self.bucket.head_object(Some(&credentials), name), Bytes::new()).await {
            Ok(_) => Ok(true),
            Err(StorageError::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Completes an upload. [`StorageError::NotFound`] if it is not open.
    pub(super) async fn complete(&self, what: &str, name: &str, upload: &str) -> Result<(), StorageError> {
        let parts = self.parts(what, name, upload).await?;
        if parts.is_empty() {
            return Err(StorageError::Invalid(format!("{what}: no part was uploaded")));
        }
        if let Some((expected, _)) = (1..).zip(&parts).find(|(expected, part)| part.number != *expected) {
            return Err(StorageError::Invalid(format!("{what}: part {expected} is missing")));
        }
        let credentials = self.credentials().await?;
        let tags = || parts.iter().map(|part| part.etag.as_str());
        let complete = |tags| self.bucket.complete_multipart_upload(Some(&credentials), name, upload, tags);
        let url = self.signed(&complete(tags()), OWN_VALIDITY);
        let body = complete(tags()).body().into();
        let answer = Call { what, method: Method::POST, url, body, within: COMPLETE }.text(&self.client).await?;
        // A server that needs long begins its answer with 200, before it knows.
        match CompleteMultipartUploadResponse::parse(&answer) {
            Ok(_) => Ok(()),
            Err(_) => Err(fault(what, StatusCode::INTERNAL_SERVER_ERROR, &answer)),
        }
    }

    /// Ends all open uploads with the prefix. Returns their number, at most a page of them.
    pub(super) async fn abort_uploads(&self, what: &str, prefix: &str) -> Result<usize, StorageError> {
        let credentials = self.credentials().await?;
        let url = OpenUploads::url(&self.bucket, &credentials, prefix, self.now(), OWN_VALIDITY.as_secs());
        let call = Call { what, method: Method::GET, url, body: Bytes::new(), within: REQUEST };
        let page = call.text(&self.client).await?;
        let uploads = OpenUploads::parse(&page).map_err(|error| unreadable(what, &error))?;
        for upload in uploads.iter().filter(|upload| upload.key.starts_with(prefix)) {
            let abort = self.bucket.abort_multipart_upload(Some(&credentials), &upload.key, &upload.id);
            found(self.call(what, &abort, Bytes::new()).await)?;
        }
        Ok(uploads.len())
    }
}
