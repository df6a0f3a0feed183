//! Looks up tokens by hash, with a bounded number of statements however many calls arrive.
//!
//! - A secret that does not have the form of a token ([`is_well_formed`]) causes no statement.
//! - A known token is cached for [`TRUSTED`], an unknown one for [`UNKNOWN`]: a token that is created in the meantime works
//!   after that time.
//! - All other hashes are looked up in batches, one at a time. After a batch with an unknown hash the next one waits for
//!   [`PAUSE`]: different invalid tokens cause at most 20 statements a second, and delay a valid one by no more than that.
//!
//! Only hashes are kept.

use std::collections::HashMap;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use storeplane_core::error::{Outage, OutageKind, PortError};
use storeplane_core::identity::Caller;

/// Prefix of every token, for scanners of leaked secrets.
pub(super) const PREFIX: &str = "spt_";
/// Random letters and digits after the prefix: 50 of 36 are 258 bits.
pub(super) const LENGTH: usize = 50;
/// How long a verified token is cached: one that was revoked or rotated works at most this long as before.
const TRUSTED: Duration = Duration::from_secs(5);
/// Maximum number of cached tokens.
const TRUSTED_MAX: usize = 1000;
/// How long an unknown token is cached.
const UNKNOWN: Duration = Duration::from_secs(1);
/// Maximum number of cached unknown tokens: more than can be looked up within [`UNKNOWN`].
const UNKNOWN_MAX: usize = 2 * WAITING_MAX * 20;
/// Maximum number of tokens that wait for a lookup.
const WAITING_MAX: usize = 1024;
/// Delay between a batch with an unknown token and the next one.
const PAUSE: Duration = Duration::from_millis(50);
/// Interval between log lines about refused tokens.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

pub(super) type Hash = [u8; 32];
/// The callers of those hashes that are tokens.
pub(super) type Found = HashMap<Hash, Caller>;

/// True if a secret has the form of a token.
pub(super) fn is_well_formed(secret: &str) -> bool {
    has_form(PREFIX, secret)
}

/// True if a secret consists of this prefix and as many random letters and digits as a token.
pub(super) fn has_form(prefix: &str, secret: &str) -> bool {
    secret.strip_prefix(prefix).is_some_and(|word| {
        word.len() == LENGTH && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

pub(super) fn hash(secret: &str) -> Hash {
    *blake3::hash(secret.as_bytes()).as_bytes()
}

/// The cache, and the hashes that wait for a lookup.
#[derive(Debug, Default)]
pub(super) struct TokenLookup {
    memory: Mutex<Memory>,
    /// Held during a batch.
    batch: tokio::sync::Mutex<BatchState>,
    refused: Refused,
}

#[derive(Debug, Default)]
struct Memory {
    trusted: HashMap<Hash, (Instant, Caller)>,
    unknown: HashMap<Hash, Instant>,
    /// Hashes of the next batch, each with the number of that batch.
    waiting: HashMap<Hash, u64>,
    /// Number of batches so far.
    batches: u64,
}

#[derive(Debug, Default)]
struct BatchState {
    /// Earliest start of the next batch.
    not_before: Option<Instant>,
    /// The last failed batch, and the kind of its failure.
    failed: Option<(u64, OutageKind)>,
}

/// What the cache holds of one hash.
enum Known {
    Caller(Caller),
    Nobody,
}

impl From<Known> for Option<Caller> {
    fn from(known: Known) -> Self {
        match known {
            Known::Caller(caller) => Some(caller),
            Known::Nobody => None,
        }
    }
}

impl TokenLookup {
    /// The caller with this secret. `find` looks up a batch of hashes in Postgres.
    pub(super) async fn verify<F>(
        &self,
        secret: &str,
        find: impl FnOnce(Vec<Hash>) -> F,
    ) -> Result<Option<Caller>, PortError>
    where
        F: Future<Output = Result<Found, PortError>>,
    {
        if !is_well_formed(secret) {
            self.refused.count(&self.refused.malformed);
            return Ok(None);
        }
        let caller = self.caller(hash(secret), find).await?;
        if caller.is_none() {
            self.refused.count(&self.refused.unknown);
        }
        Ok(caller)
    }

    /// The same by the hash of a secret.
    pub(super) async fn caller<F>(
        &self,
        hash: Hash,
        find: impl FnOnce(Vec<Hash>) -> F,
    ) -> Result<Option<Caller>, PortError>
    where
        F: Future<Output = Result<Found, PortError>>,
    {
        if let Some(known) = self.recall(&hash) {
            return Ok(known.into());
        }
        let batch = self.wait_for_batch(hash)?;
        let mut state = self.batch.lock().await;
        // It was in another caller's batch.
        if let Some(known) = self.recall(&hash) {
            return Ok(known.into());
        }
        if let Some((failed, kind)) = state.failed.filter(|(failed, _)| *failed >= batch) {
            return Err(PortError::Unavailable(Outage::new(kind, format!("token lookup {failed} failed"))));
        }
        if let Some(not_before) = state.not_before {
            tokio::time::sleep_until(not_before.into()).await;
        }
        let (number, hashes) = self.begin_batch(hash);
        match find(hashes.clone()).await {
            Ok(found) => {
                let unknown = self.remember(&hashes, &found);
                state.not_before = unknown.then(|| Instant::now() + PAUSE);
                Ok(found.get(&hash).cloned())
            }
            Err(error) => {
                let kind = if let PortError::Unavailable(outage) = &error { outage.kind } else { OutageKind::Away };
                state.failed = Some((number, kind));
                Err(error)
            }
        }
    }

    /// True if the secret was that of a token when it was looked up last.
    pub(super) fn is_known(&self, secret: &str) -> bool {
        is_well_formed(secret) && self.knows(&hash(secret))
    }

    /// The same by its hash.
    pub(super) fn knows(&self, hash: &Hash) -> bool {
        self.lock().trusted.contains_key(hash)
    }

    /// Clears the cache of known tokens.
    pub(super) fn forget(&self) {
        self.lock().trusted.clear();
    }

    /// Clears the cache of one hash.
    pub(super) fn forget_one(&self, hash: &Hash) {
        self.lock().trusted.remove(hash);
    }

    /// What the cache holds of a hash.
    fn recall(&self, hash: &Hash) -> Option<Known> {
        let memory = self.lock();
        if let Some((since, caller)) = memory.trusted.get(hash)
            && since.elapsed() < TRUSTED
        {
            return Some(Known::Caller(caller.clone()));
        }
        let unknown = memory.unknown.get(hash).is_some_and(|since| since.elapsed() < UNKNOWN);
        unknown.then_some(Known::Nobody)
    }

    /// Adds a hash to the next batch and returns the number of that batch.
    fn wait_for_batch(&self, hash: Hash) -> Result<u64, PortError> {
        let mut memory = self.lock();
        let next = memory.batches + 1;
        if memory.waiting.len() >= WAITING_MAX && !memory.waiting.contains_key(&hash) {
            let error = "too many tokens wait to be looked up";
            return Err(PortError::Unavailable(Outage::new(OutageKind::Overloaded, error)));
        }
        Ok(*memory.waiting.entry(hash).or_insert(next))
    }

    fn begin_batch(&self, own: Hash) -> (u64, Vec<Hash>) {
        let mut memory = self.lock();
        let number = memory.batches + 1;
        memory.batches = number;
        memory.waiting.insert(own, number);
        (number, mem::take(&mut memory.waiting).into_keys().collect())
    }

    /// Caches the result of a batch. True if a hash was unknown.
    fn remember(&self, hashes: &[Hash], found: &Found) -> bool {
        let mut memory = self.lock();
        memory.unknown.retain(|_, since| since.elapsed() < UNKNOWN);
        let mut unknown = false;
        for hash in hashes {
            if let Some(caller) = found.get(hash) {
                memory.trust(*hash, caller.clone());
                continue;
            }
            unknown = true;
            if memory.unknown.len() < UNKNOWN_MAX {
                memory.unknown.insert(*hash, Instant::now());
            }
        }
        unknown
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn trust(&mut self, hash: Hash, caller: Caller) {
        if self.trusted.len() >= TRUSTED_MAX {
            self.trusted.retain(|_, (since, _)| since.elapsed() < TRUSTED);
        }
        if self.trusted.len() < TRUSTED_MAX {
            self.trusted.insert(hash, (Instant::now(), caller));
        }
    }
}

/// Counts refused tokens since the start of the server, and logs the counts at most once a minute.
#[derive(Debug, Default)]
struct Refused {
    malformed: AtomicU64,
    unknown: AtomicU64,
    logged: Mutex<Option<Instant>>,
}

impl Refused {
    fn count(&self, which: &AtomicU64) {
        which.fetch_add(1, Ordering::Relaxed);
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL) {
            *logged = Some(Instant::now());
            let (malformed, unknown) = (self.malformed.load(Ordering::Relaxed), self.unknown.load(Ordering::Relaxed));
            tracing::warn!(
                malformed,
                unknown,
                "calls with invalid tokens were refused; the counts are since the start"
            );
        }
    }
}

#[cfg(test)]
mod tests;
