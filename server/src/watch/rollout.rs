//! The watch of a rollout: the rollout and its stores as they are, whenever they have changed. What changed in between is not told.

use std::collections::VecDeque;
use std::time::Duration;

use futures::Stream;
use futures::stream::unfold;
use storeplane_core::error::{DomainError, PortError};
use storeplane_core::identity::Caller;
use storeplane_core::ids::RolloutId;
use storeplane_core::rollout::{Member, Rollout};
use tokio::sync::watch;

use super::measure::Watcher;
use super::{HeartbeatTimer, WatchEnd, Watches};

/// Stores in one message: well below the 4 MiB that clients accept.
const BATCH: usize = 500;
/// Notifications within this time are one.
const GATHER: Duration = Duration::from_millis(100);

/// A message of a watch of a rollout.
#[derive(Debug, Clone, Default)]
pub struct RolloutUpdate {
    /// The rollout; `None` in a heartbeat, and if more of its stores follow.
    pub rollout: Option<Rollout>,
    /// The stores that changed.
    pub members: Vec<Member>,
    /// With which a watch resumes from here.
    pub version: i64,
}

impl Watches {
    /// Watches a rollout from a version on, until it has ended and none of its stores has an active operation.
    pub async fn rollout(
        &self,
        caller: Caller,
        id: RolloutId,
        after: i64,
    ) -> Result<impl Stream<Item = Result<RolloutUpdate, WatchEnd>> + Send + 'static, PortError> {
        let mut watch = Watch {
            changes: self.notifier.operations(),
            watches: self.clone(),
            caller,
            id,
            version: after,
            is_new: true,
            ready: VecDeque::new(),
            over: false,
            failures: 0,
            heartbeat: HeartbeatTimer::new(),
            ended: false,
            _watcher: Watcher::new("rollout"),
        };
        watch.read().await?;
        if after < 0 || watch.version < after {
            let rule = format!("must be between 0 and {}, the rollout's version", watch.version);
            return Err(DomainError::field("after_version", rule).into());
        }
        Ok(unfold(watch, |mut watch| async move { watch.next().await.map(|item| (item, watch)) }))
    }
}

struct Watch {
    watches: Watches,
    caller: Caller,
    id: RolloutId,
    /// What was read last.
    version: i64,
    /// Nothing was read yet.
    is_new: bool,
    ready: VecDeque<RolloutUpdate>,
    /// Nothing changes any more.
    over: bool,
    changes: watch::Receiver<()>,
    failures: u32,
    heartbeat: HeartbeatTimer,
    ended: bool,
    _watcher: Watcher,
}

impl Watch {
    async fn next(&mut self) -> Option<Result<RolloutUpdate, WatchEnd>> {
        loop {
            if self.ended {
                return None;
            }
            let step = if self.heartbeat.is_due() {
                self.check_access().await
            } else if let Some(update) = self.ready.pop_front() {
                return Some(Ok(update));
            } else if self.over {
                return None;
            } else {
                self.listen().await
            };
            if let Err(end) = step {
                self.ended = true;
                return Some(Err(end));
            }
        }
    }

    async fn check_access(&mut self) -> Result<(), WatchEnd> {
        if self.watches.check_access(&self.caller, &mut self.heartbeat).await?.is_some() {
            self.ready.push_back(RolloutUpdate { version: self.version, ..RolloutUpdate::default() });
        }
        Ok(())
    }

    async fn listen(&mut self) -> Result<(), WatchEnd> {
        let stop = self.watches.shutdown.clone();
        tokio::select! {
            () = stop.cancelled() => return Err(WatchEnd::ShuttingDown),
            () = self.heartbeat.due() => return Ok(()),
            _ = self.changes.changed() => tokio::time::sleep(GATHER).await,
        }
        match self.read().await {
            Ok(()) => self.failures = 0,
            Err(error) => self.watches.retry_after_error(error, &mut self.failures).await?,
        }
        Ok(())
    }

    /// Reads what changed since the last time: the rollout first, so that its version is not newer than its stores.
    async fn read(&mut self) -> Result<(), PortError> {
        self.changes.mark_unchanged();
        let missing = || DomainError::NotFound { kind: "rollout", name: self.id.to_string() };
        // Most events are of other stores.
        let version = self.watches.rollouts.version(self.caller.tenant(), self.id).await?.ok_or_else(missing)?;
        if version == self.version && !self.is_new {
            return Ok(());
        }
        self.is_new = false;
        let found = self.watches.rollouts.find(self.caller.tenant(), self.id).await?;
        let rollout = found.ok_or_else(missing)?;
        self.over = rollout.progress.ended_at.is_some() && rollout.counts.running == 0;
        if rollout.version == self.version && !self.over {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.version, rollout.version);
        let mut members = self.watches.rollouts.members_after(self.id, before).await?;
        while members.len() > BATCH {
            let rest = members.split_off(BATCH);
            let members = std::mem::replace(&mut members, rest);
            self.ready.push_back(RolloutUpdate { rollout: None, members, version: before });
        }
        self.ready.push_back(RolloutUpdate { version: rollout.version, rollout: Some(rollout), members });
        Ok(())
    }
}
