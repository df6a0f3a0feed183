//! Waits for the end of an operation by following its store's events instead of polling Postgres.

use std::time::Duration;

use storeplane_core::error::PortError;
use storeplane_core::identity::Caller;
use storeplane_core::ids::{OperationId, StoreUid};
use storeplane_core::operation::Operation;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::hub::News;
use super::{HeartbeatTimer, WatchEnd, Watches};

impl Watches {
    /// The operation once it has ended, or its current state at `timeout`; `None` if there is none that the caller may see.
    pub async fn operation(
        &self,
        caller: &Caller,
        id: OperationId,
        timeout: Duration,
    ) -> Result<Option<Operation>, WatchEnd> {
        let until = Instant::now() + timeout;
        let Some(first) = self.read_operation(caller, id).await? else { return Ok(None) };
        if first.ended_at.is_some() {
            return Ok(Some(first));
        }
        // Subscribe first, read second, so that nothing is missed in between.
        let mut live = self.hub.one(first.store);
        let mut heartbeat = HeartbeatTimer::new();
        loop {
            let operation = self.read_operation(caller, id).await?;
            let ended = operation.as_ref().is_none_or(|operation| operation.ended_at.is_some());
            if ended || Instant::now() >= until {
                return Ok(operation);
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return Err(WatchEnd::ShuttingDown),
                () = tokio::time::sleep_until(until) => {}
                () = self.state_changed(first.store, &mut live) => {}
                () = heartbeat.due() => drop(self.check_access(caller, &mut heartbeat).await?),
            }
        }
    }

    async fn read_operation(&self, caller: &Caller, id: OperationId) -> Result<Option<Operation>, PortError> {
        self.stores.operation(&caller.access, id).await
    }

    /// Waits until the store's state may have changed. Every end of an operation changes it.
    async fn state_changed(&self, store: StoreUid, live: &mut Receiver<News>) {
        loop {
            match live.recv().await {
                Ok(News::Event(event, _)) if event.new_state().is_none() => {}
                Ok(_) | Err(RecvError::Lagged(_)) => return,
                Err(RecvError::Closed) => {
                    *live = self.hub.one(store);
                    return;
                }
            }
        }
    }
}
