//! WatchStore and WatchStores: updates to messages, and how a stream ends.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::stream::{BoxStream, Stream, StreamExt};
use storeplane_core::command::StoreRef;
use storeplane_core::error::DomainError;
use storeplane_core::filter::StoreFilter;
use storeplane_core::validate::Check;
use storeplane_proto::v1::{
    WatchCaughtUp, WatchHeartbeat, WatchStoreRequest, WatchStoreResponse, WatchStoresRequest, WatchStoresResponse,
    WatchUntil, watch_store_response, watch_stores_response,
};
use tokio::time::Sleep;
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

use super::api_handler::{ApiHandler, caller, note_store};
use super::{convert, opaque, status};
use crate::watch::{Start, StoreUpdate, StoresUpdate, Until, Update, WatchEnd};

/// Watches one store.
pub(super) async fn store(
    edge: &ApiHandler,
    request: Request<WatchStoreRequest>,
) -> Result<Updates<WatchStoreResponse>, Status> {
    let (caller, deadline) = (caller(&request)?, deadline(request.metadata()));
    let request = request.into_inner();
    note_store(&request.store_id);
    let (wanted, after, until) = check(&request).map_err(|refusal| status::refusal(&refusal))?;
    let updates = edge.watches.store(caller, wanted, after, until).await.map_err(|error| status::port(&error))?;
    Ok(Updates::new(updates.map(|update| update.map(store_response).map_err(|end| ended(&end))), deadline))
}

/// Watches all stores of a tenant.
pub(super) async fn stores(
    edge: &ApiHandler,
    request: Request<WatchStoresRequest>,
) -> Result<Updates<WatchStoresResponse>, Status> {
    let (caller, deadline) = (caller(&request)?, deadline(request.metadata()));
    let request = request.into_inner();
    let mut check = Check::default();
    let filter = StoreFilter::check(&mut check, &request.filter);
    if filter.as_ref().is_some_and(StoreFilter::names_states) {
        check.fail("filter", "must not name states: they change while one watches");
    }
    let cursor = opaque::read_cursor(&request.cursor);
    let cursor = cursor.map_err(|_| check.fail("cursor", "must be the cursor of an earlier message")).ok();
    let (filter, cursor) = check.finish(filter.zip(cursor)).map_err(|refusal| status::refusal(&refusal))?;
    let start = match cursor {
        Some(cursor) => Start::After(cursor),
        None if request.from_now => Start::Now,
        None => Start::Snapshot,
    };
    let updates = edge.watches.stores(caller, filter, start).await.map_err(|error| status::port(&error))?;
    Ok(Updates::new(updates.map(|update| update.map(stores_response).map_err(|end| ended(&end))), deadline))
}

fn check(request: &WatchStoreRequest) -> Result<(StoreRef, i64, Until), DomainError> {
    let mut check = Check::default();
    let id = check.required("store_id", &request.store_id);
    let uid = check.optional("uid", &request.uid);
    if request.after_sequence < 0 {
        check.fail("after_sequence", "must not be negative");
    }
    let until = match WatchUntil::try_from(request.until) {
        Ok(WatchUntil::Unspecified | WatchUntil::Never) => Some(Until::Never),
        Ok(WatchUntil::Settled) => Some(Until::Settled),
        Ok(WatchUntil::Deleted) => Some(Until::Deleted),
        Err(_) => {
            check.fail("until", "must be NEVER, SETTLED or DELETED");
            None
        }
    };
    let wanted = id.map(|id| StoreRef { id, uid });
    check.finish(wanted.zip(until)).map(|(wanted, until)| (wanted, request.after_sequence, until))
}

fn store_response(StoreUpdate { update, sequence }: StoreUpdate) -> WatchStoreResponse {
    use watch_store_response::Update as Message;
    let update = match update {
        Update::Snapshot(store) => Message::Snapshot(convert::store(*store)),
        Update::Event(event) => Message::Event(convert::event(&event)),
        Update::CaughtUp => Message::CaughtUp(WatchCaughtUp {}),
        Update::Heartbeat(at) => Message::Heartbeat(WatchHeartbeat { time: Some(convert::timestamp(at)) }),
    };
    WatchStoreResponse { update: Some(update), sequence, store: None }
}

fn stores_response(StoresUpdate { update, cursor }: StoresUpdate) -> WatchStoresResponse {
    use watch_stores_response::Update as Message;
    let update = match update {
        Update::Snapshot(store) => Message::Snapshot(convert::store(*store)),
        Update::Event(event) => Message::Event(convert::event(&event)),
        Update::CaughtUp => Message::CaughtUp(WatchCaughtUp {}),
        Update::Heartbeat(at) => Message::Heartbeat(WatchHeartbeat { time: Some(convert::timestamp(at)) }),
    };
    WatchStoresResponse { update: Some(update), cursor: cursor.map(opaque::cursor).unwrap_or_default(), store: None }
}

fn ended(end: &WatchEnd) -> Status {
    match end {
        WatchEnd::ShuttingDown => status::unavailable("SHUTTING_DOWN", "this server stops; go on at another one"),
        WatchEnd::Revoked => status::unauthenticated("TOKEN_REVOKED", "the token was revoked"),
        WatchEnd::Port(error) => status::port(error),
    }
}

/// The stream of a watch. Ends at the caller's deadline: tonic ends handlers then, and never a body.
pub struct Updates<T> {
    inner: BoxStream<'static, Result<T, Status>>,
    deadline: Option<Pin<Box<Sleep>>>,
    ended: bool,
}

impl<T> std::fmt::Debug for Updates<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Updates").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl<T> Updates<T> {
    fn new(inner: impl Stream<Item = Result<T, Status>> + Send + 'static, deadline: Option<Duration>) -> Self {
        let deadline = deadline.map(|after| Box::pin(tokio::time::sleep(after)));
        Self { inner: inner.boxed(), deadline, ended: false }
    }
}

impl<T> Stream for Updates<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            self.ended = true;
            return Poll::Ready(Some(Err(status::deadline_exceeded())));
        }
        let next = ready!(self.inner.poll_next_unpin(cx));
        self.ended = !matches!(next, Some(Ok(_)));
        Poll::Ready(next)
    }
}

/// `grpc-timeout`: up to eight digits and a unit.
fn deadline(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = Some(number).filter(|number| number.len() <= 8)?.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_at_its_deadline_and_stays_ended() {
        let endless = stream::pending::<Result<(), Status>>();
        let mut updates = Updates::new(stream::iter([Ok(())]).chain(endless), Some(Duration::from_secs(5)));
        assert!(updates.next().await.is_some_and(|update| update.is_ok()));
        let end = updates.next().await.expect("the end").expect_err("is an error");
        assert_eq!(end.code(), tonic::Code::DeadlineExceeded);
        assert!(updates.next().await.is_none());
    }

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        let of = |text: &str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", text.parse().expect("ascii"));
            deadline(&metadata)
        };
        assert_eq!(of("15S"), Some(Duration::from_secs(15)));
        assert_eq!(of("99999999H"), Some(Duration::from_hours(99_999_999)));
        assert_eq!(of("250m"), Some(Duration::from_millis(250)));
        for bad in ["", "S", "15", "-1S", "999999999S", "1x"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn all_that_is_wrong_with_a_watch_is_named() {
        let request = WatchStoreRequest { store_id: "A".into(), uid: "7".into(), after_sequence: -1, until: 9 };
        let Err(DomainError::Invalid(violations)) = check(&request) else { panic!("accepted") };
        let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(fields, ["store_id", "uid", "after_sequence", "until"]);
    }
}
