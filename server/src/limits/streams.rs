//! Open streams of each caller and each tenant.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use storeplane_core::identity::Caller;
use storeplane_core::ids::Tenant;
use storeplane_core::quota::Limit;
use uuid::Uuid;

/// Whose streams are limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamScope {
    /// Those of one caller.
    Caller,
    /// Those of all callers in one tenant.
    Tenant,
}

impl StreamScope {
    /// The name of the limit.
    pub fn name(self) -> &'static str {
        match self {
            Self::Caller => "streams_per_caller",
            Self::Tenant => "streams_per_tenant",
        }
    }
}

/// Why no further stream is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyStreams {
    /// Which limit.
    pub scope: StreamScope,
    /// The limit.
    pub limit: usize,
}

/// The open streams. Clones share the counts.
#[derive(Debug, Clone)]
pub(super) struct Streams {
    per_caller: usize,
    per_tenant: usize,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    callers: HashMap<Uuid, usize>,
    tenants: HashMap<Tenant, usize>,
}

/// An open stream, until it is dropped.
#[derive(Debug)]
pub struct StreamPermit {
    caller: Uuid,
    tenant: Tenant,
    open: Arc<Mutex<Open>>,
}

impl Streams {
    pub(super) fn new(per_caller: Limit, per_tenant: Limit) -> Self {
        let number =
            |limit: Limit| limit.number().map_or(usize::MAX, |number| usize::try_from(number).unwrap_or(usize::MAX));
        Self { per_caller: number(per_caller), per_tenant: number(per_tenant), open: Arc::default() }
    }

    /// Counts a stream, unless there are too many.
    pub(super) fn open(&self, caller: &Caller) -> Result<StreamPermit, TooManyStreams> {
        let (key, tenant) = (caller.credential.key(), caller.tenant().clone());
        let mut open = lock(&self.open);
        let of_caller = open.callers.get(&key).copied().unwrap_or_default();
        let of_tenant = open.tenants.get(&tenant).copied().unwrap_or_default();
        if of_caller >= self.per_caller {
            return Err(TooManyStreams { scope: StreamScope::Caller, limit: self.per_caller });
        }
        if of_tenant >= self.per_tenant {
            return Err(TooManyStreams { scope: StreamScope::Tenant, limit: self.per_tenant });
        }
        open.callers.insert(key, of_caller + 1);
        open.tenants.insert(tenant.clone(), of_tenant + 1);
        Ok(StreamPermit { caller: key, tenant, open: Arc::clone(&self.open) })
    }

    /// Those of the caller, and of its tenant.
    pub(super) fn counts(&self, caller: &Caller) -> (usize, usize) {
        let open = lock(&self.open);
        let of_caller = open.callers.get(&caller.credential.key()).copied().unwrap_or_default();
        (of_caller, open.tenants.get(caller.tenant()).copied().unwrap_or_default())
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        decrement(&mut open.callers, self.caller);
        decrement(&mut open.tenants, self.tenant.clone());
    }
}

fn decrement<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: K) {
    if let Entry::Occupied(mut count) = counts.entry(key) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use storeplane_core::access::Access;
    use storeplane_core::identity::{Credential, Proof, Role};
    use storeplane_core::ids::TokenId;

    use super::*;

    fn caller(number: u128, tenant: &str) -> Caller {
        Caller {
            credential: Credential::Token(TokenId(Uuid::from_u128(number))),
            name: "ci".into(),
            access: Access::whole(tenant.parse().expect("a tenant")),
            role: Role::Viewer,
            expires: None,
            proof: Proof::Signed,
            origin: Arc::default(),
        }
    }

    #[test]
    fn streams_are_counted_by_caller_and_by_tenant_until_they_end() {
        let streams = Streams::new(Limit::AtMost(2), Limit::AtMost(3));
        let scope = |caller: &Caller| streams.open(caller).map_err(|refusal| refusal.scope);
        let (one, two) = (caller(1, "acme"), caller(2, "acme"));
        let (first, second) = (scope(&one).expect("the first"), scope(&one).expect("the second"));
        assert_eq!(scope(&one).expect_err("a third"), StreamScope::Caller);
        let third = scope(&two).expect("another caller");
        assert_eq!(scope(&two).expect_err("a fourth of the tenant"), StreamScope::Tenant);
        assert_eq!((streams.counts(&one), streams.counts(&two)), ((2, 3), (1, 3)));
        let other = scope(&caller(3, "beta")).expect("another tenant");
        drop(first);
        let again = scope(&one).expect("one has ended");
        drop((second, third, other, again));
        let open = lock(&streams.open);
        assert!(open.callers.is_empty() && open.tenants.is_empty(), "nothing is kept about those who are gone");
    }

    #[test]
    fn without_limits_streams_are_only_counted() {
        let streams = Streams::new(Limit::Unlimited, Limit::Unlimited);
        let one = caller(1, "acme");
        let open: Vec<_> = (0..1000).map(|_| streams.open(&one).expect("no limit")).collect();
        assert_eq!(streams.counts(&one), (open.len(), 1000));
    }
}
