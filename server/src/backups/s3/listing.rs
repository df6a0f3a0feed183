//! Lists open uploads, which `rusty_s3` has no action for.

use instant_xml::FromXml;
use k8s_openapi::jiff::Timestamp;
use rusty_s3::{Bucket, Credentials, Method};
use url::Url;

/// The namespace of S3's documents.
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// A page of open uploads.
#[derive(Debug, FromXml)]
#[xml(rename = "ListMultipartUploadsResult", ns(NAMESPACE))]
pub(super) struct OpenUploads {
    pub(super) uploads: Vec<OpenUpload>,
}

/// An open upload.
#[derive(Debug, PartialEq, Eq, FromXml)]
#[xml(rename = "Upload", ns(NAMESPACE))]
pub(super) struct OpenUpload {
    #[xml(rename = "Key")]
    pub(super) key: String,
    #[xml(rename = "UploadId")]
    pub(super) id: String,
}

impl OpenUploads {
    /// The signed URL of the first page with this prefix.
    pub(super) fn url(bucket: &Bucket, credentials: &Credentials, prefix: &str, at: Timestamp, seconds: u64) -> Url {
        // Sorted by name, as the signature requires.
        let query = [("prefix", prefix), ("uploads", "")];
        rusty_s3::signing::sign(
            &at,
            Method::Get,
            bucket.base_url().clone(),
            credentials.key(),
            credentials.secret(),
            credentials.token(),
            bucket.region(),
            seconds,
            query.into_iter(),
            std::iter::empty(),
        )
    }

    pub(super) fn parse(xml: &str) -> Result<Vec<OpenUpload>, instant_xml::Error> {
        instant_xml::from_str(xml).map(|page: Self| page.uploads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_uploads_are_read() {
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListMultipartUploadsResult xmlns=\"{NAMESPACE}\"><Bucket>b</Bucket>\
             <Upload><Initiator><ID>i</ID></Initiator><Key>a/b</Key><UploadId>1&amp;2</UploadId></Upload>\
             <Upload><Key>a/c</Key><UploadId>3</UploadId></Upload><IsTruncated>true</IsTruncated></ListMultipartUploadsResult>"
        );
        let upload = |key: &str, id: &str| OpenUpload { key: key.to_owned(), id: id.to_owned() };
        assert_eq!(OpenUploads::parse(&xml).expect("XML"), [upload("a/b", "1&2"), upload("a/c", "3")]);
        assert!(OpenUploads::parse("<html></html>").is_err());
    }
}
