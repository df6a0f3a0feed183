//! Failed authentications: counted by address (IPv6: by /64) and minute, then recorded for the platform, which is no tenant.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use storeplane_core::audit::{Action, AuditRecord, Origin, Outcome, PLATFORM};
use storeplane_core::error::PortError;
use storeplane_core::ids::Tenant;
use storeplane_core::ports::{Clock, Ids};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::append;
use crate::limits::client;
use crate::outage::OutageLog;
use crate::postgres::error::port_error;
use crate::postgres::pool::Pool;

/// Addresses and reasons counted in a minute; further ones are counted together.
const KINDS: usize = 100;
/// How long failures are counted before they are recorded.
const WINDOW: Duration = Duration::from_mins(1);
/// Stands for the addresses beyond [`KINDS`].
const OTHERS: &str = "*";

static OUTAGE: OutageLog = OutageLog::new("record failed authentications");

/// Counts failed authentications. Clones share the counts.
#[derive(Clone)]
pub struct AuthFailures {
    database: Pool,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    counts: Arc<Mutex<HashMap<Kind, Count>>>,
}

/// What is counted together: the address, `None` for others, and the reason.
type Kind = (Option<IpAddr>, String);

#[derive(Debug, Clone)]
struct Count {
    number: i64,
    first: OffsetDateTime,
    last: OffsetDateTime,
    user_agent: String,
}

impl std::fmt::Debug for AuthFailures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthFailures").finish_non_exhaustive()
    }
}

impl AuthFailures {
    /// Uses this pool.
    pub fn new(database: Pool, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { database, clock, ids, counts: Arc::default() }
    }

    /// Counts a failure. Never waits.
    pub fn count(&self, origin: &Origin, reason: &str) {
        let now = self.clock.now();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let named = (origin.peer.map(client), reason.to_owned());
        let kind = if counts.contains_key(&named) || counts.len() < KINDS { named } else { (None, reason.to_owned()) };
        let user_agent = if kind.0.is_some() { origin.user_agent.clone() } else { String::new() };
        let known = counts.entry(kind).or_insert(Count { number: 0, first: now, last: now, user_agent });
        known.number += 1;
        known.last = now;
    }

    #[cfg(test)]
    fn counted(&self) -> (usize, i64) {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        (counts.len(), counts.values().map(|count| count.number).sum())
    }

    /// Records the counts every minute until `shutdown`, and the last ones then.
    pub async fn record_until(self, shutdown: CancellationToken) {
        loop {
            let stopping = tokio::select! {
                () = shutdown.cancelled() => true,
                () = tokio::time::sleep(WINDOW) => false,
            };
            match self.record().await {
                Ok(()) => OUTAGE.worked(),
                Err(error) => OUTAGE.failed(&error),
            }
            if stopping {
                return;
            }
        }
    }

    /// Records the counts in one transaction. Those that cannot be recorded are kept for the next time.
    pub async fn record(&self) -> Result<(), PortError> {
        let counts = std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner));
        if counts.is_empty() {
            return Ok(());
        }
        let stored = self.store(&counts).await;
        if stored.is_err() {
            let mut now = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
            for (kind, count) in counts {
                let kind = if now.contains_key(&kind) || now.len() < KINDS { kind } else { (None, kind.1) };
                let known = now.entry(kind).or_insert(Count { number: 0, ..count.clone() });
                known.number += count.number;
                known.first = known.first.min(count.first);
                known.last = known.last.max(count.last);
            }
        }
        stored
    }

    async fn store(&self, counts: &HashMap<Kind, Count>) -> Result<(), PortError> {
        let transaction = self.database.begin().await.map_err(port_error)?;
        for ((peer, reason), count) in counts {
            let tenant = Tenant::stored(PLATFORM.to_owned());
            let target = if peer.is_some() { "" } else { OTHERS };
            let mut record =
                AuditRecord::new(self.ids.uuid(), count.first, tenant, String::new(), Action::Authenticate, target);
            record.outcome = Outcome::Denied;
            record.reason.clone_from(reason);
            (record.count, record.last_at) = (count.number, count.last);
            let user_agent = count.user_agent.clone();
            record.origin = Arc::new(Origin { peer: *peer, user_agent, ..Origin::default() });
            append(&transaction, record).await?;
        }
        transaction.commit().await.map_err(port_error)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;
    use crate::postgres::connect;
    use crate::system::{RandomIds, SystemClock};

    #[tokio::test]
    async fn addresses_of_one_ipv6_network_are_one() {
        let pool = connect("postgres://nobody@127.0.0.1:1/none", 1).expect("a URL");
        let failures = AuthFailures::new(pool, Arc::new(SystemClock), Arc::new(RandomIds));
        for n in 0..300_u16 {
            let peer = Some(Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, n).into());
            failures.count(&Origin { peer, ..Origin::default() }, "TOKEN_INVALID");
        }
        assert_eq!(failures.counted(), (1, 300));
        let other = Some(Ipv6Addr::new(0x2001, 0xdb8, 0, 8, 0, 0, 0, 1).into());
        failures.count(&Origin { peer: other, ..Origin::default() }, "TOKEN_INVALID");
        assert_eq!(failures.counted(), (2, 301));
    }

    #[tokio::test]
    async fn many_addresses_are_counted_together_and_none_is_lost() {
        let pool = connect("postgres://nobody@127.0.0.1:1/none", 1).expect("a URL");
        let failures = AuthFailures::new(pool, Arc::new(SystemClock), Arc::new(RandomIds));
        let origin = |n: u32| Origin { peer: Some(Ipv4Addr::from(n).into()), ..Origin::default() };
        for n in 0..10_000 {
            failures.count(&origin(n % 5000), "TOKEN_INVALID");
        }
        assert_eq!(failures.counted(), (KINDS + 1, 10_000));
        failures.record().await.expect_err("there is no database");
        let (kinds, kept) = failures.counted();
        assert!(kinds <= KINDS + 1 && kept == 10_000, "they are kept for the next time: {kept} of {kinds} kinds");
    }
}
