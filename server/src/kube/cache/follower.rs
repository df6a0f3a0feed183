//! Keeps one watch open: after an error it is opened again, with growing delays.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{BoxStream, unfold};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::watches::{self, Changes, Part, Seen};
use crate::backoff::Backoff;
use crate::kube::cluster::{self, Cluster};
use crate::kube::connection::{Connected, WatchClient};
use crate::kube::error::{ClusterError, ClusterErrorKind};

/// Time limit of the first listing.
const LISTED_WITHIN: Duration = Duration::from_mins(1);
/// A watch that fails sooner than this after its listing failed repeatedly: for example an account that may list, but not watch.
const STABLE: Duration = Duration::from_secs(10);
/// First and longest delay after a refusal: a new namespace gets its permissions a moment later, others when somebody grants them.
const REFUSED: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// A change, or the error that interrupted the watch. After an error everything is listed again.
pub(super) struct Update {
    pub(super) part: Arc<Part>,
    pub(super) seen: Result<Seen, ClusterError>,
}

/// Follows a part for as long as the stream is polled. `listings` limits the number of concurrent listings.
pub(super) fn follow(cluster: Cluster, part: Part, listings: Arc<Semaphore>) -> BoxStream<'static, Update> {
    let follower = Follower {
        cluster,
        part: Arc::new(part),
        listings,
        watching: None,
        backoff: cluster::backoff(),
        refused: Backoff::new(REFUSED.0, REFUSED.1),
        failed: None,
    };
    unfold(follower, |mut follower| async {
        let update = follower.next().await;
        Some((update, follower))
    })
    .boxed()
}

struct Follower {
    cluster: Cluster,
    part: Arc<Part>,
    listings: Arc<Semaphore>,
    watching: Option<Watching>,
    backoff: Backoff,
    refused: Backoff,
    failed: Option<ClusterErrorKind>,
}

struct Watching {
    changes: Changes,
    connected: Arc<Connected>,
    _client: WatchClient,
    state: State,
}

enum State {
    /// Listing, until then at the latest.
    Opening { until: Instant, _listing: OwnedSemaphorePermit },
    /// Listed at that time.
    Open(Instant),
}

impl Follower {
    async fn next(&mut self) -> Update {
        match self.failed {
            _ if self.watching.is_some() => {}
            Some(ClusterErrorKind::Forbidden) => self.refused.pause().await,
            Some(_) => self.cluster.pause(self.backoff.next(), None).await,
            None => {}
        }
        let seen = self.step().await;
        if let Err(error) = &seen {
            self.failed = Some(error.kind());
            if let Some(watching) = self.watching.take() {
                if matches!(watching.state, State::Open(since) if since.elapsed() >= STABLE) {
                    self.backoff.reset();
                    self.refused.reset();
                }
                self.cluster.note_failure(&watching.connected, error).await;
            }
        }
        Update { part: Arc::clone(&self.part), seen }
    }

    async fn step(&mut self) -> Result<Seen, ClusterError> {
        let watching = if let Some(watching) = &mut self.watching {
            watching
        } else {
            let opened = self.open().await?;
            self.watching.insert(opened)
        };
        let seen = match &watching.state {
            State::Open(_) => watching.changes.next().await,
            State::Opening { until, .. } => {
                tokio::time::timeout_at(*until, watching.changes.next()).await.map_err(|_| no_answer(&self.part))?
            }
        };
        let seen = seen.unwrap_or_else(|| Err(no_answer(&self.part)))?;
        if seen.is_listed() {
            watching.state = State::Open(Instant::now());
            self.failed = None;
        }
        Ok(seen)
    }

    async fn open(&mut self) -> Result<Watching, ClusterError> {
        if self.failed.is_some_and(|kind| kind != ClusterErrorKind::Forbidden) {
            // Shared by all watches, so that they do not reconnect to a restarted server simultaneously.
            self.cluster.check().await?;
        }
        let permit = Arc::clone(&self.listings).acquire_owned().await;
        let permit = permit.map_err(|_| no_answer(&self.part))?;
        let connected = self.cluster.connected().await?;
        let opening = tokio::time::timeout(self.cluster.config().request_timeout, connected.watch_client(1)).await;
        let client = match opening {
            Err(_) => Err(no_answer(&self.part)),
            Ok(opened) => {
                opened.map_err(|error| ClusterError::from_client(&format!("watch the {}", self.part), &error))
            }
        };
        match client {
            Ok(client) => {
                let changes = watches::open(client.client.clone(), &self.part);
                let state = State::Opening { until: Instant::now() + LISTED_WITHIN, _listing: permit };
                Ok(Watching { changes, connected, _client: client, state })
            }
            Err(error) => {
                self.cluster.note_failure(&connected, &error).await;
                Err(error)
            }
        }
    }
}

fn no_answer(part: &Part) -> ClusterError {
    let message = format!("could not watch the {part}: no answer from the API server");
    ClusterError::new(ClusterErrorKind::Unreachable, message)
}
