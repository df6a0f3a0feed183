//! Signed URLs. Each permits one method on one path until it expires; no other credential is needed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use storeplane_core::backup_storage::StorageError;
use storeplane_core::error::PortError;
use storeplane_core::ports::Clock;
use url::form_urlencoded;

use crate::postgres::ServerKey;

/// A key that all servers of one database share: a URL that one signs is served by each.
#[async_trait]
pub trait SharedKey: Send + Sync {
    /// The key.
    async fn read(&self) -> Result<[u8; 32], PortError>;
}

#[async_trait]
impl SharedKey for ServerKey {
    async fn read(&self) -> Result<[u8; 32], PortError> {
        ServerKey::read(self).await
    }
}

/// What a URL permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permission {
    /// `PUT` of at most so many bytes.
    Write {
        /// The limit.
        max: u64,
    },
    /// `GET` and `HEAD`.
    Read,
}

/// Why a URL is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// The signature is not ours, or not for this request.
    Signature,
    /// It has expired.
    Expired,
    /// The key cannot be read.
    Unavailable,
}

/// Signs and checks URLs.
#[derive(Clone)]
pub(super) struct Signer {
    key: Arc<dyn SharedKey>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

impl Signer {
    pub(super) fn new(key: Arc<dyn SharedKey>, clock: Arc<dyn Clock>) -> Self {
        Self { key, clock }
    }

    /// Signs URLs that expire at the same time.
    pub(super) async fn session(&self, valid: Duration) -> Result<Session, StorageError> {
        let key =
            self.key.read().await.map_err(|error| StorageError::Unavailable(format!("no key for URLs: {error}")))?;
        let valid = i64::try_from(valid.as_secs()).unwrap_or(i64::MAX);
        let expires = self.clock.now().unix_timestamp().saturating_add(valid);
        Ok(Session { key: derived(&key), expires })
    }

    /// What the query string of a URL permits to do with this path.
    pub(super) async fn check(&self, path: &str, query: &str) -> Result<Permission, Refused> {
        let (mut expires, mut max, mut signature) = (None, None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "expires" => expires = value.parse().ok(),
                "max" => max = Some(value.parse().map_err(|_| Refused::Signature)?),
                "signature" => signature = URL_SAFE_NO_PAD.decode(&*value).ok(),
                _ => return Err(Refused::Signature),
            }
        }
        let (Some(expires), Some(signature)) = (expires, signature) else { return Err(Refused::Signature) };
        let key = self.key.read().await.map_err(|_| Refused::Unavailable)?;
        let permission = max.map_or(Permission::Read, |max| Permission::Write { max });
        let session = Session { key: derived(&key), expires };
        // Both hashes have the same length, so the comparison takes the same time wherever they differ.
        let given: [u8; blake3::OUT_LEN] = signature.try_into().map_err(|_| Refused::Signature)?;
        if session.hash(path, permission) != given {
            return Err(Refused::Signature);
        }
        if expires <= self.clock.now().unix_timestamp() { Err(Refused::Expired) } else { Ok(permission) }
    }
}

/// The key of signed URLs: nothing that another key of the server does helps to forge one.
fn derived(key: &[u8; 32]) -> [u8; 32] {
    blake3::derive_key("storeplane backups 2026-11 signed URLs", key)
}

/// Signs URLs until one time.
pub(super) struct Session {
    key: [u8; 32],
    /// In seconds since 1970.
    expires: i64,
}

impl Session {
    /// The path with the query string that permits this.
    pub(super) fn sign(&self, path: &str, permission: Permission) -> String {
        let signature = URL_SAFE_NO_PAD.encode(self.hash(path, permission).as_bytes());
        let max = match permission {
            Permission::Write { max } => format!("&max={max}"),
            Permission::Read => String::new(),
        };
        format!("{path}?expires={}{max}&signature={signature}", self.expires)
    }

    fn hash(&self, path: &str, permission: Permission) -> blake3::Hash {
        let text = match permission {
            Permission::Write { max } => format!("PUT\n{path}\n{}\n{max}", self.expires),
            Permission::Read => format!("GET\n{path}\n{}", self.expires),
        };
        blake3::keyed_hash(&self.key, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::backups::tests::Fixed;

    const MINUTE: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn url_permits_one_thing_until_it_expires() {
        let fixed = Arc::new(Fixed::default());
        let signer = Signer::new(Arc::clone(&fixed) as _, Arc::clone(&fixed) as _);
        let session = signer.session(MINUTE).await.expect("a key");
        let write = Permission::Write { max: 5 };
        let split =
            |url: &str| url.split_once('?').map(|(path, query)| (path.to_owned(), query.to_owned())).expect("a query");
        let ((path, query), (_, reading)) =
            (split(&session.sign("/a/1", write)), split(&session.sign("/a/1", Permission::Read)));
        assert_eq!(signer.check(&path, &query).await, Ok(write));
        assert_eq!(signer.check(&path, &reading).await, Ok(Permission::Read));
        for (path, query) in [
            ("/a/2", query.clone()),
            ("/a/1", query.replace("max=5", "max=50")),
            ("/a/1", query.replace("&max=5", "")),
            ("/a/1", query.replace("expires=60", "expires=600")),
            ("/a/1", query.replace("signature=", "signature=A")),
            ("/a/1", format!("{query}&more=1")),
            ("/a/1", format!("{reading}&max=5")),
            ("/a/1", "expires=60".to_owned()),
            ("/a/1", String::new()),
        ] {
            assert_eq!(signer.check(path, &query).await, Err(Refused::Signature), "{path} {query}");
        }
        fixed.now.store(59, Ordering::Relaxed);
        assert_eq!(signer.check(&path, &query).await, Ok(write));
        fixed.now.store(60, Ordering::Relaxed);
        assert_eq!(signer.check(&path, &query).await, Err(Refused::Expired));
    }
}
