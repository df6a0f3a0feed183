//! Backups in a bucket of an S3 server. Pods get presigned URLs; the credentials stay here.
//!
//! - This file: the storage. [`client`]: requests and errors. [`uploads`]: completes and ends uploads. [`listing`]: lists open ones.

mod client;
mod listing;
mod uploads;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use k8s_openapi::jiff::Timestamp;
use rusty_s3::actions::{CreateMultipartUpload, ListObjectsV2};
use rusty_s3::{Bucket, BucketError, Credentials, S3Action, UrlStyle};
use storeplane_core::backup_storage::{BackupStorage, ObjectKey, ObjectPrefix, ObjectReader, StorageError, Upload};
use storeplane_core::ports::Clock;
use url::Url;

use self::client::{CONNECT, Call, REQUEST};
use super::timed;
use super::volume::check_parts;
use crate::config::BackupBucket;
use crate::https::{self, CaError, HttpsClient};
use crate::secret::SecretText;

/// How long the URLs of our own requests are valid: clocks may differ by that much.
const OWN_VALIDITY: Duration = Duration::from_mins(5);
/// The object that a check writes and removes, below the configured prefix.
const CHECK: &str = "storeplane-check";
/// The configuration's key of the authorities.
const CA_FILE: &str = "backups.s3.ca_file";
/// Maximum size of the authorities, in bytes: pods get them in a Secret together with up to 1,600 URLs.
const CA_BYTES_MAX: usize = 64 << 10;
/// Maximum number of pages of a listing that one deletion removes, of 1,000 each.
const PAGES_MAX: usize = 100;

/// Why the configured bucket cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// The endpoint, with the bucket in it, is no URL.
    #[error("backups.s3.endpoint: {0}")]
    Endpoint(String),
    /// The authorities cannot be used.
    #[error(transparent)]
    Ca(#[from] CaError),
}

/// The configured authorities of the S3 server, in PEM, for pods; `None` for the system's.
pub(super) fn authorities(config: &BackupBucket) -> Result<Option<String>, S3Error> {
    let Some(path) = &config.ca_file else { return Ok(None) };
    let certificates = https::certificates(CA_FILE, path)?;
    if certificates.len() > CA_BYTES_MAX {
        let problem = format!(
            "{}: its certificates have {} bytes; pods can get {CA_BYTES_MAX}: leave only the authorities of the S3 server",
            path.display(),
            certificates.len()
        );
        return Err(CaError::File { key: CA_FILE, problem }.into());
    }
    Ok(Some(certificates))
}

/// Backups in a bucket. Cheap to clone.
#[derive(Clone)]
pub struct S3 {
    bucket: Bucket,
    config: BackupBucket,
    client: HttpsClient,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for S3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

impl S3 {
    /// Backups in the configured bucket.
    pub fn new(config: &BackupBucket, clock: Arc<dyn Clock>) -> Result<Self, S3Error> {
        let invalid = |error: &dyn std::fmt::Display| S3Error::Endpoint(error.to_string());
        let endpoint = Url::parse(&config.endpoint).map_err(|error| invalid(&error))?;
        let style = if config.path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let bucket = Bucket::new(endpoint, style, config.bucket.clone(), config.region.clone());
        let bucket = bucket.map_err(|error: BucketError| invalid(&error))?;
        let client = https::client((CA_FILE, config.ca_file.as_deref()), CONNECT)?;
        Ok(Self { bucket, config: config.clone(), client, clock })
    }

    /// The name of an object in the bucket.
    fn name(&self, object: &ObjectKey) -> String {
        format!("{}{object}", self.config.prefix)
    }

    /// The credentials, read anew: files may be renewed.
    async fn credentials(&self) -> Result<Credentials, StorageError> {
        let BackupBucket { access_key, access_key_file, secret_key, secret_key_file, .. } = &self.config;
        let access = secret("access_key_file", access_key.as_ref(), access_key_file.as_ref()).await?;
        let secret = secret("secret_key_file", secret_key.as_ref(), secret_key_file.as_ref()).await?;
        Ok(Credentials::new(access.expose(), secret.expose()))
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.clock.now().unix_timestamp()).unwrap_or_default()
    }

    fn signed<'a>(&self, action: &impl S3Action<'a>, valid: Duration) -> Url {
        action.sign_with_time(valid, &self.now())
    }

    /// Sends a request, and returns the body of the response.
    async fn call<'a, A: S3Action<'a>>(&self, what: &str, action: &A, body: Bytes) -> Result<String, StorageError> {
        let url = self.signed(action, OWN_VALIDITY);
        let method = method::<A>();
        Call { what, method, url, body, within: REQUEST }.text(&self.client).await
    }

    /// Removes objects with the prefix. Returns their number, at most a page of them.
    async fn delete_objects(&self, what: &str, prefix: &str) -> Result<usize, StorageError> {
        let credentials = self.credentials().await?;
        let mut list = self.bucket.list_objects_v2(Some(&credentials));
        list.with_prefix(prefix);
        let page = self.call(what, &list, Bytes::new()).await?;
        let page = ListObjectsV2::parse_response(&page).map_err(|error| unreadable(what, &error))?;
        for object in page.contents.iter().filter(|object| object.key.starts_with(prefix)) {
            let delete = self.bucket.delete_object(Some(&credentials), &object.key);
            found(self.call(what, &delete, Bytes::new()).await)?;
        }
        Ok(page.contents.len())
    }

    async fn put_named(&self, what: &str, name: &str, content: Vec<u8>) -> Result<(), StorageError> {
        let credentials = self.credentials().await?;
        self.call(what, &self.bucket.put_object(Some(&credentials), name), content.into()).await.map(drop)
    }
}

#[async_trait]
impl BackupStorage for S3 {
    async fn begin_upload(&self, object: &ObjectKey, parts: u16, valid: Duration) -> Result<Upload, StorageError> {
        check_parts(parts)?;
        let (what, name, credentials) =
            (format!("begin an upload of {object}"), self.name(object), self.credentials().await?);
        let create = self.bucket.create_multipart_upload(Some(&credentials), &name);
        let answer = self.call(&what, &create, Bytes::new()).await?;
        let answer = CreateMultipartUpload::parse_response(&answer).map_err(|error| unreadable(&what, &error))?;
        let id = answer.upload_id();
        let url = |number| {
            let part = self.bucket.upload_part(Some(&credentials), &name, number, id);
            self.signed(&part, valid).into()
        };
        Ok(Upload { id: id.to_owned(), urls: (1..=parts).map(url).collect() })
    }

    async fn complete_upload(&self, object: &ObjectKey, upload: &str) -> Result<(), StorageError> {
        let (what, name) = (format!("complete the upload of {object}"), self.name(object));
        match self.complete(&what, &name, upload).await {
            // The upload is no longer open: its parts are the object already, if this was done before.
            Err(StorageError::NotFound(_)) if self.exists(&what, &name).await? => Ok(()),
            completed => completed,
        }
    }

    async fn uploaded_bytes(&self, object: &ObjectKey, upload: &str) -> Result<u64, StorageError> {
        let parts = self.parts(&format!("list the parts of {object}"), &self.name(object), upload).await?;
        Ok(parts.iter().map(|part| part.size).sum())
    }

    async fn put(&self, object: &ObjectKey, content: Vec<u8>) -> Result<(), StorageError> {
        self.put_named(&format!("put {object}"), &self.name(object), content).await
    }

    async fn read(&self, object: &ObjectKey) -> Result<Box<dyn ObjectReader>, StorageError> {
        let (what, name, credentials) = (format!("read {object}"), self.name(object), self.credentials().await?);
        let url = self.signed(&self.bucket.get_object(Some(&credentials), &name), OWN_VALIDITY);
        let call = Call { what: &what, method: Method::GET, url, body: Bytes::new(), within: REQUEST };
        let body = call.head(&self.client).await?.into_body();
        Ok(Box::new(Reader { what, body }))
    }

    async fn download_url(&self, object: &ObjectKey, valid: Duration) -> Result<String, StorageError> {
        let (name, credentials) = (self.name(object), self.credentials().await?);
        Ok(self.signed(&self.bucket.get_object(Some(&credentials), &name), valid).into())
    }

    async fn delete_prefix(&self, prefix: &ObjectPrefix) -> Result<(), StorageError> {
        let (what, prefix) = (format!("delete {prefix}"), format!("{}{prefix}", self.config.prefix));
        // Uploads first: one that is completed meanwhile would leave an object. The first page is read until it is empty.
        for _ in 0..PAGES_MAX {
            if self.abort_uploads(&what, &prefix).await? + self.delete_objects(&what, &prefix).await? == 0 {
                return Ok(());
            }
        }
        Err(StorageError::Unavailable(format!("{what}: objects are left after {PAGES_MAX} rounds")))
    }

    async fn check(&self) -> Result<(), StorageError> {
        let name = format!("{}{CHECK}", self.config.prefix);
        self.put_named("write an object", &name, b"storeplane\n".to_vec()).await?;
        let credentials = self.credentials().await?;
        found(self.call("delete an object", &self.bucket.delete_object(Some(&credentials), &name), Bytes::new()).await)
    }
}

/// Reads the body of a response.
struct Reader {
    what: String,
    body: Incoming,
}

#[async_trait]
impl ObjectReader for Reader {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, StorageError> {
        loop {
            let (what, body) = (&self.what, &mut self.body);
            let frame = timed(what, REQUEST, async {
                let frame = body.frame().await.transpose();
                frame.map_err(|error| StorageError::Unavailable(format!("{what}: interrupted: {error}")))
            });
            let Some(frame) = frame.await? else { return Ok(None) };
            match frame.into_data() {
                Ok(data) if !data.is_empty() => return Ok(Some(data.into())),
                _ => {}
            }
        }
    }
}

fn method<'a, A: S3Action<'a>>() -> Method {
    match A::METHOD {
        rusty_s3::Method::Head => Method::HEAD,
        rusty_s3::Method::Get => Method::GET,
        rusty_s3::Method::Post => Method::POST,
        rusty_s3::Method::Put => Method::PUT,
        rusty_s3::Method::Delete => Method::DELETE,
    }
}

/// What is to be removed may be gone already.
fn found(removed: Result<String, StorageError>) -> Result<(), StorageError> {
    match removed {
        Ok(_) | Err(StorageError::NotFound(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn unreadable(what: &str, error: &dyn std::fmt::Display) -> StorageError {
    StorageError::Unavailable(format!("{what}: the response is not that of an S3 server: {error}"))
}

/// A configured secret: itself, or the content of its file.
async fn secret(key: &str, text: Option<&SecretText>, file: Option<&PathBuf>) -> Result<SecretText, StorageError> {
    let denied = |why: String| StorageError::Denied(format!("backups.s3.{key}: {why}"));
    if let Some(text) = text {
        return Ok(text.clone());
    }
    let file = file.ok_or_else(|| denied("is missing".to_owned()))?;
    let read = tokio::fs::read_to_string(file).await;
    read.map(|text| SecretText::new(text.trim())).map_err(|error| denied(format!("{}: {error}", file.display())))
}

#[cfg(test)]
mod tests;
