//! Reads the Kubernetes objects, logs and events of a store.

use time::OffsetDateTime;

use super::Service;
use crate::audit::Action;
use crate::command::StoreRef;
use crate::error::{DomainError, PortError};
use crate::identity::Caller;
use crate::live_view::{LiveLogs, LiveResource, TAIL_LINES_DEFAULT, TAIL_LINES_MAX};
use crate::store::{State, Store};

impl Service {
    /// The store's Kubernetes objects, and the time of reading. A DELETED store has none.
    pub async fn resources(
        &self,
        caller: &Caller,
        wanted: &StoreRef,
    ) -> Result<(OffsetDateTime, Vec<LiveResource>), PortError> {
        let store = self.existing(caller, wanted).await?;
        let resources = match store.state {
            State::Deleted => Vec::new(),
            _ => self.live_view.resources(&store).await?,
        };
        Ok((self.clock.now(), resources))
    }

    /// The store's logs and Kubernetes events, and the time of reading. A DELETED store has none. The audit record is stored
    /// before the caller gets the answer.
    pub async fn logs(
        &self,
        caller: &Caller,
        wanted: &StoreRef,
        tail_lines: i32,
    ) -> Result<(OffsetDateTime, LiveLogs), PortError> {
        let asked = wanted.id.to_string();
        let read = self.read_logs(caller, wanted, tail_lines).await;
        let (store, logs) = self.audited(caller, Action::ReadLogs, &asked, read).await?;
        let mut record = self.request(caller, None).record(Action::ReadLogs, &asked);
        record.store = Some(store.uid);
        self.stores.record(record).await?;
        Ok((self.clock.now(), logs))
    }

    async fn read_logs(
        &self,
        caller: &Caller,
        wanted: &StoreRef,
        tail_lines: i32,
    ) -> Result<(Store, LiveLogs), PortError> {
        let lines = tail(tail_lines)?;
        let store = self.existing(caller, wanted).await?;
        let logs = match store.state {
            State::Deleted => LiveLogs::default(),
            _ => self.live_view.logs(&store, lines).await?,
        };
        Ok((store, logs))
    }

    async fn existing(&self, caller: &Caller, wanted: &StoreRef) -> Result<Store, PortError> {
        let found = self.stores.find(&caller.access, wanted).await?;
        Ok(found.ok_or_else(|| DomainError::NotFound { kind: "store", name: wanted.id.to_string() })?)
    }
}

fn tail(wanted: i32) -> Result<u32, DomainError> {
    match u32::try_from(wanted) {
        Ok(0) => Ok(TAIL_LINES_DEFAULT),
        Ok(lines) if lines <= TAIL_LINES_MAX => Ok(lines),
        _ => Err(DomainError::field("tail_lines", format!("must be 1 to {TAIL_LINES_MAX}, or 0 for the default"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_lines_has_a_default_and_bounds() {
        assert_eq!((tail(0), tail(1), tail(500)), (Ok(100), Ok(1), Ok(500)));
        for wrong in [-1, 501, i32::MAX] {
            assert_eq!(tail(wrong).map_err(|error| error.reason()), Err("INVALID_REQUEST"), "{wrong}");
        }
    }
}
