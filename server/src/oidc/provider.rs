//! The provider's metadata (`OpenID` Connect Discovery 1.0) and keys, cached.
//!
//! - They are used for `keys_seconds`, then read again. While that fails they are used for `keys_grace_seconds` more.
//! - A key id that they do not contain causes an earlier read: the provider may have a new key.
//! - Whatever arrives, they are read once at a time and at most once in `keys_interval_seconds`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::fetch::{FetchError, Fetcher};
use super::jws::Keys;
use crate::config::{Algorithm, Oidc};
use crate::outage::OutageLog;

static OUTAGE: OutageLog = OutageLog::new("read the identity provider's keys");

/// What the provider publishes.
#[derive(Debug)]
pub(super) struct Published {
    pub(super) metadata: Metadata,
    pub(super) keys: Keys,
}

/// The provider's metadata.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    jwks_uri: String,
    pub(super) authorization_endpoint: Option<String>,
    pub(super) token_endpoint: Option<String>,
}

impl Metadata {
    /// Those of this issuer, and of no other. Otherwise, what is wrong with them.
    fn parse(json: &[u8], issuer: &str) -> Result<Self, String> {
        let metadata: Self =
            serde_json::from_slice(json).map_err(|error| format!("is not a provider's metadata: {error}"))?;
        if metadata.issuer == issuer {
            Ok(metadata)
        } else {
            Err(format!("names another issuer: {:?}", metadata.issuer))
        }
    }
}

/// Nothing usable was ever read, or not within the grace period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unavailable;

/// Reads and caches what the provider publishes.
#[derive(Debug)]
pub(super) struct Provider {
    issuer: String,
    keep: Duration,
    grace: Duration,
    interval: Duration,
    fetcher: Fetcher,
    cache: Mutex<Cache>,
    /// Held while reading.
    reading: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct Cache {
    read: Option<(Instant, Arc<Published>)>,
    /// When the last read ended, successful or not.
    attempt: Option<Instant>,
}

/// A key that is needed.
pub(super) type Wanted<'a> = Option<(&'a str, Algorithm)>;

impl Provider {
    pub(super) fn new(oidc: &Oidc, fetcher: Fetcher) -> Self {
        Self {
            issuer: oidc.issuer.clone(),
            keep: Duration::from_secs(oidc.keys_seconds),
            grace: Duration::from_secs(oidc.keys_grace_seconds),
            interval: Duration::from_secs(oidc.keys_interval_seconds),
            fetcher,
            cache: Mutex::default(),
            reading: Arc::default(),
        }
    }

    pub(super) fn fetcher(&self) -> &Fetcher {
        &self.fetcher
    }

    /// What is published; read again if it does not contain the wanted key, as often as that is permitted.
    #[expect(clippy::disallowed_methods, reason = "it ends within the fetcher's time limit; a stop loses nothing")]
    pub(super) async fn published(self: &Arc<Self>, wanted: Wanted<'_>) -> Result<Arc<Published>, Unavailable> {
        if let Some(answer) = self.cached(wanted) {
            return answer;
        }
        let reading = if let Ok(reading) = Arc::clone(&self.reading).try_lock_owned() {
            reading
        } else {
            // Another call reads: those that need no new key do not wait for it.
            if let Some(old) = self.within_grace().filter(|old| contains(old, wanted)) {
                return Ok(old);
            }
            Arc::clone(&self.reading).lock_owned().await
        };
        if let Some(answer) = self.cached(wanted) {
            return answer;
        }
        // In a task of its own: a caller that gives up does not cancel it.
        let provider = Arc::clone(self);
        let refreshed = tokio::spawn(async move {
            let refreshed = provider.refresh().await;
            drop(reading);
            refreshed
        });
        refreshed.await.unwrap_or(Err(Unavailable))
    }

    async fn refresh(&self) -> Result<Arc<Published>, Unavailable> {
        let read = self.read().await.map(Arc::new);
        let mut cache = self.lock();
        cache.attempt = Some(Instant::now());
        match read {
            Ok(published) => {
                OUTAGE.worked();
                cache.read = Some((Instant::now(), Arc::clone(&published)));
                Ok(published)
            }
            Err(error) => {
                OUTAGE.failed(&error);
                drop(cache);
                self.within_grace().ok_or(Unavailable)
            }
        }
    }

    /// The answer without reading; `None` if it is time to read.
    fn cached(&self, wanted: Wanted<'_>) -> Option<Result<Arc<Published>, Unavailable>> {
        let (fresh, recent) = {
            let cache = self.lock();
            let fresh = cache.read.as_ref().filter(|(at, _)| at.elapsed() < self.keep).map(|(_, it)| Arc::clone(it));
            (fresh, cache.attempt.is_some_and(|at| at.elapsed() < self.interval))
        };
        match fresh {
            Some(published) if recent || contains(&published, wanted) => Some(Ok(published)),
            _ if recent => Some(self.within_grace().ok_or(Unavailable)),
            _ => None,
        }
    }

    fn within_grace(&self) -> Option<Arc<Published>> {
        let limit = self.keep + self.grace;
        self.lock().read.as_ref().filter(|(at, _)| at.elapsed() < limit).map(|(_, it)| Arc::clone(it))
    }

    async fn read(&self) -> Result<Published, FetchError> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let metadata = self.fetcher.get(&url).await?;
        let metadata = Metadata::parse(&metadata, &self.issuer).map_err(|problem| FetchError::new(&url, problem))?;
        let keys = self.fetcher.get(&metadata.jwks_uri).await?;
        let keys = Keys::parse(&keys)
            .map_err(|error| FetchError::new(&metadata.jwks_uri, format!("is not a JWK set: {error}")))?;
        if keys.is_empty() {
            return Err(FetchError::new(&metadata.jwks_uri, "contains no usable key"));
        }
        Ok(Published { metadata, keys })
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn contains(published: &Published, wanted: Wanted<'_>) -> bool {
    wanted.is_none_or(|(id, algorithm)| published.keys.find(id, algorithm).is_some())
}

#[cfg(test)]
mod tests {
    mod fuzz {
        use proptest::prelude::*;
        use serde_json::json;
        use storeplane_fuzz::{Outcome, check};

        use super::super::Metadata;

        const ISSUER: &str = "https://id.example.com";

        #[test]
        fn metadata_of_others_is_refused() {
            let text = || {
                prop_oneof![
                    Just(json!(ISSUER)),
                    any::<String>().prop_map(|text| json!(text)),
                    Just(json!(null)),
                    Just(json!(7))
                ]
            };
            let issuer =
                prop_oneof![3 => Just(json!(ISSUER)), 1 => text(), 1 => Just(json!("https://id.example.com/"))];
            let metadata = (issuer, text(), text()).prop_map(|(issuer, keys, token)| {
                json!({"issuer": issuer, "jwks_uri": keys, "token_endpoint": token, "more": [keys]}).to_string()
            });
            check("OIDC metadata", &prop_oneof![any::<String>(), metadata], |json| {
                let parsed = Metadata::parse(json.as_bytes(), ISSUER);
                if let Ok(metadata) = &parsed {
                    prop_assert_eq!(&metadata.issuer, ISSUER);
                    let value: serde_json::Value = serde_json::from_str(&json).expect("accepted, so it is JSON");
                    prop_assert_eq!(Some(metadata.jwks_uri.as_str()), value["jwks_uri"].as_str());
                }
                Ok(Outcome::of(&parsed))
            });
        }
    }
}
