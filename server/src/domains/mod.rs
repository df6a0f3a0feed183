//! Custom domains: checks them, and tells shops which they answer to.
//!
//! One server at a time does it, the holder of a leader lock. What is due is in the database, and each step is a transaction under the store's row
//! lock, so two servers that both believe to lead do no harm.

mod checks;
mod file_reader;
mod public;
mod resolver;

use std::time::Duration;

use futures::StreamExt as _;
use storeplane_core::error::PortError;
use storeplane_core::ports::{DomainChecks as _, Domains as _};
use storeplane_core::store::Store;
use storeplane_core::store_domain::StoreDomain;
use tokio_util::sync::CancellationToken;

pub use checks::Checks;
pub use file_reader::FileReader;
pub use resolver::{LookupError, Resolver};

use crate::config::SecretUrl;
use crate::outage::OutageLog;
use crate::postgres::{LeaderLock, Leadership, PgDomains};

/// Interval between rounds.
const ROUND: Duration = Duration::from_secs(2);
/// Maximum number of domains in a round.
const MOST: u64 = 64;
/// Maximum number of domains that are checked at a time.
const TOGETHER: usize = 8;

static ROUNDS: OutageLog = OutageLog::new("check domains");

/// Checks domains when they are due.
#[derive(Debug)]
pub struct DomainFollower {
    /// The domains.
    pub domains: PgDomains,
    /// Checks one.
    pub checks: Checks,
    /// The database for the leader lock: a session of its own.
    pub url: SecretUrl,
}

impl DomainFollower {
    /// Waits for the leader lock, checks domains while it holds it, and waits again; until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        shutdown.run_until_cancelled(Box::pin(self.take_turns())).await;
    }

    async fn take_turns(&self) {
        loop {
            let mut lock = LeaderLock::wait(self.url.expose(), Leadership::Domains).await;
            tokio::select! {
                () = lock.lost() => tracing::info!("another server may check domains now"),
                () = Box::pin(self.rounds()) => {}
            }
        }
    }

    async fn rounds(&self) {
        loop {
            match self.round().await {
                Ok(()) => ROUNDS.worked(),
                Err(error) => ROUNDS.failed(&error),
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    async fn round(&self) -> Result<(), PortError> {
        let due = self.domains.due(MOST).await?;
        let followed = due.into_iter().map(|(store, domain)| self.follow(store, domain));
        let mut followed = futures::stream::iter(followed).buffer_unordered(TOGETHER);
        let mut ended = Ok(());
        while let Some(one) = followed.next().await {
            ended = ended.and(one);
        }
        ended
    }

    async fn follow(&self, store: Store, domain: StoreDomain) -> Result<(), PortError> {
        let now = self.checks.clock.now();
        // It is looked at more often while its shop is about to be told of it.
        let is_due = domain.last_check().is_none_or(|at| at + domain.next_check() <= now);
        if is_due && !domain.removing {
            let observation = self.checks.check(&store, &domain).await;
            self.domains.observe(domain.id, observation, None).await?;
        }
        self.domains.settle(domain.id).await
    }
}
