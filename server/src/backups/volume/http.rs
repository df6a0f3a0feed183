//! The listener: `PUT` of a part and `GET` of an object, by signed URLs.

use std::io;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT_RANGES, ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use futures::stream::try_unfold;
use storeplane_core::backup_storage::{ObjectKey, ObjectReader as _, PARTS_MAX, StorageError};
use tempfile::TempPath;
use tokio::fs::File;
use tokio::io::{AsyncWrite, AsyncWriteExt as _, BufWriter};

use super::files::{fault, part_name, sync};
use super::object::Reader;
use super::range::Range;
use super::signature::{Permission, Refused};
use super::{OBJECTS, UPLOADS, Volume};

/// Bytes that are collected before they are written.
const BUFFER: usize = 1 << 20;

/// Why a request is not served, for the pod.
enum Failure {
    Status(StatusCode, &'static str),
    Storage(StorageError),
    /// The part did not arrive to its end, or not in time.
    Interrupted,
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let error = match self {
            Self::Status(status, why) => return (status, format!("{why}\n")).into_response(),
            // Not 4xx, after which a pod gives up.
            Self::Interrupted => {
                return (StatusCode::SERVICE_UNAVAILABLE, "the body is not complete\n").into_response();
            }
            Self::Storage(error) => error,
        };
        let status = match &error {
            StorageError::NotFound(_) => StatusCode::NOT_FOUND,
            StorageError::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
            StorageError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            // Not 403, which says that the URL is wrong.
            StorageError::Denied(_) | StorageError::Invalid(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if status.is_server_error() {
            tracing::warn!(%error, "a transfer of a backup failed");
        }
        (status, format!("{error}\n")).into_response()
    }
}

pub(super) fn router(volume: Volume) -> Router {
    Router::new().fallback(serve).with_state(volume)
}

async fn serve(State(volume): State<Volume>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let answered = match head.method {
        Method::PUT => write(&volume, &head, body).await,
        Method::GET | Method::HEAD => read(&volume, &head).await,
        _ => Ok((StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD, PUT")]).into_response()),
    };
    answered.unwrap_or_else(Failure::into_response)
}

/// What the URL of a request permits.
async fn permission(volume: &Volume, Parts { uri, .. }: &Parts) -> Result<Permission, Failure> {
    volume.signer.check(uri.path(), uri.query().unwrap_or_default()).await.map_err(|refused| match refused {
        Refused::Signature => Failure::Status(StatusCode::FORBIDDEN, "the URL is not signed for this request"),
        Refused::Expired => Failure::Status(StatusCode::FORBIDDEN, "the URL has expired"),
        Refused::Unavailable => Failure::Status(StatusCode::SERVICE_UNAVAILABLE, "the signature cannot be checked now"),
    })
}

async fn write(volume: &Volume, head: &Parts, body: Body) -> Result<Response, Failure> {
    let Permission::Write { max } = permission(volume, head).await? else {
        return Err(Failure::Status(StatusCode::FORBIDDEN, "the URL is not signed for PUT"));
    };
    let length = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    match length {
        None => return Err(Failure::Status(StatusCode::LENGTH_REQUIRED, "Content-Length is required")),
        Some(length) if length > max => {
            return Err(Failure::Status(StatusCode::PAYLOAD_TOO_LARGE, "the part is larger than the URL permits"));
        }
        Some(_) => {}
    }
    let gone = || StorageError::NotFound("this upload is not open".to_owned());
    let (folder, number) = part(volume, head.uri.path()).ok_or_else(gone)?;
    let (file, temporary) = match create(folder.clone()).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(gone().into()),
        created => created.map_err(|error| fault("a part", &error))?,
    };
    receive(body, file).await?;
    match keep(temporary, folder, number).await {
        // The upload was completed or removed meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(gone().into()),
        kept => kept.map(|()| StatusCode::OK.into_response()).map_err(|error| fault("a part", &error).into()),
    }
}

/// The upload's directory and the part's number in a path.
fn part(volume: &Volume, path: &str) -> Option<(PathBuf, u16)> {
    let (rest, number) = path.strip_prefix(UPLOADS)?.rsplit_once('/')?;
    let (object, id) = rest.rsplit_once('/')?;
    let number = number.parse().ok().filter(|number| (1..=PARTS_MAX).contains(number))?;
    Some((volume.files.upload(&object.parse().ok()?, id)?, number))
}

/// A file with a temporary name, which is removed unless it is kept, also if the pod goes away.
async fn create(folder: PathBuf) -> io::Result<(File, TempPath)> {
    let create = move || tempfile::Builder::new().prefix(".part-").tempfile_in(folder);
    let (file, path) = tokio::task::spawn_blocking(create).await??.into_parts();
    Ok((File::from_std(file), path))
}

/// Writes a body to a file, durably.
async fn receive(body: Body, file: File) -> Result<(), Failure> {
    let mut file = BufWriter::with_capacity(BUFFER, file);
    copy(body, &mut file).await?;
    file.get_ref().sync_all().await.map_err(|error| fault("a part", &error).into())
}

/// Hyper has compared the length of the body with its header: a shorter one is an error of the stream.
async fn copy(body: Body, file: &mut (impl AsyncWrite + Unpin)) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::from(fault("a part", &error));
    let mut body = body.into_data_stream();
    while let Some(chunk) = body.next().await {
        file.write_all(&chunk.map_err(|_| Failure::Interrupted)?).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)
}

/// Gives a part its name.
async fn keep(temporary: TempPath, folder: PathBuf, number: u16) -> io::Result<()> {
    let keep = move || {
        temporary.persist(folder.join(part_name(number))).map_err(|error| error.error)?;
        sync(Path::new(&folder))
    };
    tokio::task::spawn_blocking(keep).await?
}

async fn read(volume: &Volume, head: &Parts) -> Result<Response, Failure> {
    if permission(volume, head).await? != Permission::Read {
        return Err(Failure::Status(StatusCode::FORBIDDEN, "the URL is not signed for GET"));
    }
    let object = head.uri.path().strip_prefix(OBJECTS).and_then(|name| name.parse::<ObjectKey>().ok());
    let object = object.ok_or_else(|| StorageError::NotFound("no object has this path".to_owned()))?;
    let key = object.clone();
    let pieces = volume.blocking(move |files| files.open(&key)).await?;
    let size = pieces.iter().map(|piece| piece.bytes).sum();
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    let range = head.headers.get(RANGE).and_then(|range| range.to_str().ok());
    let (status, start, length) = match Range::parse(range, size) {
        Range::All => (StatusCode::OK, 0, size),
        Range::Part(start, length) => {
            let range = format!("bytes {start}-{}/{size}", start + length - 1);
            headers.extend(HeaderValue::try_from(range).ok().map(|range| (CONTENT_RANGE, range)));
            (StatusCode::PARTIAL_CONTENT, start, length)
        }
        Range::Unsatisfiable => {
            return Ok(
                (StatusCode::RANGE_NOT_SATISFIABLE, [(CONTENT_RANGE, format!("bytes */{size}"))]).into_response()
            );
        }
    };
    headers.insert(CONTENT_LENGTH, length.into());
    let body = match head.method {
        Method::HEAD => Body::empty(),
        _ => stream(Reader::range(object, pieces, start, length)),
    };
    Ok((status, headers, body).into_response())
}

fn stream(reader: Reader) -> Body {
    Body::from_stream(try_unfold(reader, |mut reader| async move {
        Ok::<_, StorageError>(reader.next().await?.map(|chunk| (Bytes::from(chunk), reader)))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel's own full device.
    #[tokio::test]
    async fn full_disk_is_507() {
        let full = File::options().write(true).open("/dev/full").await.expect("Linux has it");
        let failure = receive(Body::from(vec![0; 3 * BUFFER]), full).await.expect_err("no room");
        assert!(matches!(&failure, Failure::Storage(StorageError::Full(_))));
        assert_eq!(failure.into_response().status(), StatusCode::INSUFFICIENT_STORAGE);
    }

    #[test]
    fn pods_can_tell_failures_apart() {
        let why = || "why".to_owned();
        for (error, status) in [
            (StorageError::NotFound(why()), StatusCode::NOT_FOUND),
            (StorageError::Unavailable(why()), StatusCode::SERVICE_UNAVAILABLE),
            (StorageError::Denied(why()), StatusCode::INTERNAL_SERVER_ERROR),
            (StorageError::Invalid(why()), StatusCode::INTERNAL_SERVER_ERROR),
        ] {
            assert_eq!(Failure::from(error).into_response().status(), status);
        }
    }
}
