//! Watching, and waiting for a state.

use std::time::Duration;

use futures::StreamExt as _;
use storeplane_proto::v1;
use storeplane_proto::v1::StoreState::{Degraded, Deleted, Failed, Ready};

use crate::client::Client;
use crate::error::Error;
use crate::watch::{self, Beginning, Change, CursorChange, Watch};

impl Client {
    /// The events of a store after event `after` (0: all that are kept), then live events.
    pub fn watch(&self, store_id: &str, after: i64) -> Watch {
        self.watch_until(store_id, after, v1::WatchUntil::Never)
    }

    /// The same, until no operation is active: READY, DEGRADED, FAILED or DELETED.
    pub fn watch_until_settled(&self, store_id: &str, after: i64) -> Watch {
        self.watch_until(store_id, after, v1::WatchUntil::Settled)
    }

    /// The same, until the store is DELETED.
    pub fn watch_until_deleted(&self, store_id: &str, after: i64) -> Watch {
        self.watch_until(store_id, after, v1::WatchUntil::Deleted)
    }

    fn watch_until(&self, store_id: &str, after: i64, until: v1::WatchUntil) -> Watch {
        watch::from_sequence(self.clone(), &Beginning { store_id, uid: "", after, until })
    }

    /// The events of all stores that match a filter (empty: all of the tenant's), in their global order.
    /// With an empty cursor it begins with a snapshot of each store; with the cursor of a received message, it continues exactly after that.
    pub fn watch_all(&self, filter: &str, cursor: &str) -> Watch<CursorChange> {
        watch::from_cursor(self.clone(), filter, cursor)
    }

    /// Waits until no operation is active on a store, and returns that very store, even if its id was reused.
    ///
    /// # Errors
    /// [`Error::Deadline`] after `within`; `STORE_NOT_FOUND`.
    pub async fn wait_settled(&self, store_id: &str, within: Duration) -> Result<v1::Store, Error> {
        let settled = |store: &v1::Store| matches!(store.state(), Ready | Degraded | Failed | Deleted);
        self.wait(store_id, within, settled).await
    }

    /// Waits until a store is READY.
    ///
    /// # Errors
    /// [`Error::NotReady`] as soon as the store is FAILED or DELETED, with the reason. [`Error::Deadline`] after `within`;
    /// `STORE_NOT_FOUND`.
    pub async fn wait_ready(&self, store_id: &str, within: Duration) -> Result<v1::Store, Error> {
        let decided = |store: &v1::Store| matches!(store.state(), Ready | Failed | Deleted);
        let store = self.wait(store_id, within, decided).await?;
        if store.state() == Ready { Ok(store) } else { Err(Error::NotReady(Box::new(store))) }
    }

    async fn wait(
        &self,
        store_id: &str,
        within: Duration,
        done: impl Fn(&v1::Store) -> bool,
    ) -> Result<v1::Store, Error> {
        let waiting = async {
            let mut store = self.get_store(store_id).await?;
            // From here on, only this very store and only new events.
            let (uid, after, until) = (store.uid.clone(), store.last_sequence, v1::WatchUntil::Never);
            let mut watch = watch::from_sequence(self.clone(), &Beginning { store_id, uid: &uid, after, until });
            while !done(&store) {
                match watch.next().await {
                    Some(Ok(Change::Snapshot(now) | Change::Event(_, Some(now)))) => store = *now,
                    // A server that sends no store beside its events.
                    Some(Ok(Change::Event(event, None))) if event.details.contains_key("state") => {
                        let request = v1::GetStoreRequest { store_id: store_id.to_owned(), uid: uid.clone() };
                        store = self.get(request).await?;
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                    None => break,
                }
            }
            Ok(store)
        };
        tokio::time::timeout(within, waiting).await.map_err(|_| Error::Deadline)?
    }
}
