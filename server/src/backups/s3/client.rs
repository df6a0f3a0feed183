//! Requests to the S3 server, within time limits, and what its errors mean.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use storeplane_core::backup_storage::StorageError;
use url::Url;

use crate::backups::timed;
use crate::https::HttpsClient;

/// Time limit of connecting.
pub(super) const CONNECT: Duration = Duration::from_secs(5);
/// Time limit of a request and its response, or of the head of a response that is read in chunks.
pub(super) const REQUEST: Duration = Duration::from_secs(30);
/// The same for completing an upload, for which a server may copy all of it.
pub(super) const COMPLETE: Duration = Duration::from_mins(5);
/// Maximum size of a response that is read at once: a listing of 1,000 objects has less than 1 MiB.
const BODY_MAX: usize = 4 << 20;

/// A request. The URL is signed, so it is a secret and in no error.
pub(super) struct Call<'a> {
    /// For errors: what is done with which object.
    pub(super) what: &'a str,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) body: Bytes,
    pub(super) within: Duration,
}

impl Call<'_> {
    /// Sends it, and returns the body of a successful response.
    pub(super) async fn text(self, client: &HttpsClient) -> Result<String, StorageError> {
        let (what, within) = (self.what, self.within);
        let exchange = async {
            let response = self.send(client).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), BODY_MAX).collect().await;
            let body = body.map_err(|_| StorageError::Unavailable(format!("{what}: the response cannot be read")))?;
            let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
            if status.is_success() { Ok(text) } else { Err(fault(what, status, &text)) }
        };
        timed(what, within, exchange).await
    }

    /// Sends it, and returns a successful response whose body is not read yet.
    pub(super) async fn head(self, client: &HttpsClient) -> Result<Response<Incoming>, StorageError> {
        let (what, within) = (self.what, self.within);
        let exchange = async {
            let response = self.send(client).await?;
            let status = response.status();
            if status.is_success() {
                return Ok(response);
            }
            let body = Limited::new(response.into_body(), BODY_MAX).collect().await;
            let text = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned()).unwrap_or_default();
            Err(fault(what, status, &text))
        };
        timed(what, within, exchange).await
    }

    async fn send(self, client: &HttpsClient) -> Result<Response<Incoming>, StorageError> {
        let request = Request::builder().method(self.method).uri(self.url.as_str()).body(Full::new(self.body));
        let request = request.map_err(|_| StorageError::Invalid(format!("{}: the endpoint is no URL", self.what)))?;
        client.request(request).await.map_err(|error| unreachable(self.what, &error))
    }
}

/// An error without a response.
fn unreachable(what: &str, error: &hyper_util::client::legacy::Error) -> StorageError {
    let mut causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    let cause = causes.by_ref().last().map(ToString::to_string).unwrap_or_default();
    StorageError::Unavailable(format!("{what}: no response: {cause}"))
}

/// What an error response means.
pub(super) fn fault(what: &str, status: StatusCode, body: &str) -> StorageError {
    let code = element(body, "Code").unwrap_or_default();
    let text = if code.is_empty() { format!("{what}: {status}") } else { format!("{what}: {status} {code}") };
    match code {
        "EntityTooLarge" | "QuotaExceeded" | "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded" => {
            return StorageError::Full(text);
        }
        "OperationAborted" | "RequestTimeout" | "SlowDown" | "InternalError" | "ServiceUnavailable" => {
            return StorageError::Unavailable(text);
        }
        "NoSuchBucket" => return StorageError::Invalid(text),
        _ => {}
    }
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => StorageError::Denied(text),
        StatusCode::NOT_FOUND => StorageError::NotFound(text),
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::INSUFFICIENT_STORAGE => StorageError::Full(text),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => StorageError::Unavailable(text),
        status if status.is_server_error() => StorageError::Unavailable(text),
        _ => StorageError::Invalid(text),
    }
}

/// The text of the first such element of an error. Codes are letters, so nothing in them is escaped.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once('<')?;
    text.bytes().all(|byte| byte.is_ascii_alphanumeric()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message><Resource>/b/hunter2</Resource></Error>"
        )
    }

    #[test]
    fn errors_are_classified_by_code_and_status() {
        let same = std::mem::discriminant::<StorageError>;
        let [unavailable, full, denied, missing, invalid] = [
            StorageError::Unavailable,
            StorageError::Full,
            StorageError::Denied,
            StorageError::NotFound,
            StorageError::Invalid,
        ]
        .map(|kind| same(&kind(String::new())));
        for (status, code, expected) in [
            (403, "AccessDenied", denied),
            (403, "SignatureDoesNotMatch", denied),
            (403, "QuotaExceeded", full),
            (401, "", denied),
            (404, "NoSuchKey", missing),
            (404, "NoSuchUpload", missing),
            (404, "NoSuchBucket", invalid),
            (404, "", missing),
            (400, "EntityTooLarge", full),
            (400, "EntityTooSmall", invalid),
            (400, "RequestTimeout", unavailable),
            (409, "OperationAborted", unavailable),
            (413, "", full),
            (429, "", unavailable),
            (500, "InternalError", unavailable),
            (502, "", unavailable),
            (503, "SlowDown", unavailable),
            (507, "XMinioStorageFull", full),
            (507, "", full),
            (301, "PermanentRedirect", invalid),
        ] {
            let found = fault("put a", StatusCode::from_u16(status).expect("a status"), &error(code));
            assert_eq!(same(&found), expected, "{status} {code}: {found}");
            assert!(
                found.to_string().contains(&status.to_string()) && !found.to_string().contains("hunter2"),
                "{found}"
            );
        }
        let found = fault("put a", StatusCode::BAD_GATEWAY, "<html><Code>a b</Code>");
        assert_eq!(found, StorageError::Unavailable("put a: 502 Bad Gateway".to_owned()));
    }
}
