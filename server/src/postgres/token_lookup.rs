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
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use storeplane_core::access::Access;
    use storeplane_core::identity::{Credential, Proof, Role};
    use storeplane_core::ids::{Tenant, TokenId};
    use uuid::Uuid;

    use super::*;

    fn secret(number: usize) -> String {
        format!("{PREFIX}{number:0>LENGTH$}")
    }

    fn caller() -> Caller {
        let access = Access::whole(Tenant::default());
        Caller {
            credential: Credential::Token(TokenId(Uuid::nil())),
            name: "test".into(),
            access,
            role: Role::Viewer,
            expires: None,
            proof: Proof::Signed,
            origin: Arc::default(),
        }
    }

    #[derive(Default)]
    struct Stage {
        lookup: TokenLookup,
        statements: AtomicUsize,
        known: Mutex<HashMap<Hash, Caller>>,
    }

    impl Stage {
        async fn verify(&self, secret: &str) -> Result<Option<Caller>, PortError> {
            let find = |hashes: Vec<Hash>| async move {
                self.statements.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(1)).await;
                let known = self.known.lock().expect("no panic");
                Ok(hashes.iter().filter_map(|hash| Some((*hash, known.get(hash)?.clone()))).collect())
            };
            self.lookup.verify(secret, find).await
        }

        fn statements(&self) -> usize {
            self.statements.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn only_tokens_are_well_formed() {
        assert!(is_well_formed(&secret(7)));
        let long = format!("{}1", secret(7));
        let upper = secret(7).replace("00", "0A");
        for bad in ["", "spt_", "spt_x", &secret(7)[..LENGTH], &long, &upper, &secret(7).replace('_', "-")] {
            assert!(!is_well_formed(bad), "{bad}");
        }
    }

    #[tokio::test]
    async fn malformed_token_causes_no_statement_and_unknown_one_is_cached() {
        let stage = Stage::default();
        for _ in 0..100 {
            assert_eq!(stage.verify("spt_nonsense").await.expect("an answer"), None);
        }
        assert_eq!(stage.statements(), 0);
        let late = secret(1);
        for _ in 0..100 {
            assert_eq!(stage.verify(&late).await.expect("an answer"), None);
        }
        assert!((1..=3).contains(&stage.statements()), "{}", stage.statements());
        assert_eq!(stage.lookup.refused.malformed.load(Ordering::Relaxed), 100);
        assert_eq!(stage.lookup.refused.unknown.load(Ordering::Relaxed), 100);

        // Created in the meantime, it works after a second.
        stage.known.lock().expect("no panic").insert(hash(&late), caller());
        let created = Instant::now();
        while stage.verify(&late).await.expect("an answer").is_none() {
            assert!(created.elapsed() < Duration::from_secs(30), "a new token does not work");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn different_invalid_tokens_cause_few_statements_and_valid_token_works() {
        let stage = Arc::new(Stage::default());
        let good = secret(0);
        stage.known.lock().expect("no panic").insert(hash(&good), caller());
        let began = Instant::now();
        for round in 0..5 {
            let bad = (0..800).map(|number| {
                let stage = Arc::clone(&stage);
                async move { stage.verify(&secret(1 + round * 1000 + number)).await.expect("an answer") }
            });
            let (refused, admitted) = tokio::join!(futures::future::join_all(bad), stage.verify(&good));
            assert!(refused.iter().all(Option::is_none));
            assert!(admitted.expect("an answer").is_some());
        }
        let most = 5 + usize::try_from(began.elapsed().as_millis() / PAUSE.as_millis()).expect("a short time");
        assert!(stage.statements() <= most, "{} statements for 4,000 tokens", stage.statements());
    }

    #[tokio::test]
    async fn all_callers_of_a_batch_get_its_failure() {
        let lookup = TokenLookup::default();
        let asked = AtomicUsize::new(0);
        let calls = (0..50).map(|number| {
            let (lookup, asked) = (&lookup, &asked);
            async move {
                let find = |_: Vec<Hash>| async move {
                    asked.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    Err(PortError::Unavailable(Outage::new(OutageKind::ReadOnly, "a standby")))
                };
                lookup.verify(&secret(number), find).await
            }
        });
        for answer in futures::future::join_all(calls).await {
            assert!(matches!(answer, Err(PortError::Unavailable(outage)) if outage.kind == OutageKind::ReadOnly));
        }
        assert!(asked.load(Ordering::Relaxed) <= 2, "{asked:?} statements");
    }

    #[tokio::test]
    async fn number_of_waiting_tokens_is_bounded() {
        let lookup = TokenLookup::default();
        let _busy = lookup.batch.lock().await;
        for number in 0..WAITING_MAX {
            assert!(lookup.wait_for_batch(hash(&secret(number))).is_ok());
        }
        assert!(lookup.wait_for_batch(hash(&secret(WAITING_MAX))).is_err());
    }
}
