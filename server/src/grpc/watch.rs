//! WatchStore and WatchStores: updates to messages, and how a stream ends. [`super::envelope`] ends it at its deadline.

use futures::stream::{BoxStream, StreamExt};
use storeplane_core::command::StoreRef;
use storeplane_core::engine::Catalog;
use storeplane_core::error::{DomainError, PortError};
use storeplane_core::event::Oldest;
use storeplane_core::filter::StoreFilter;
use storeplane_core::store::Store;
use storeplane_core::validate::Check;
use storeplane_proto::v1::{
    self, WatchCaughtUp, WatchHeartbeat, WatchStoreRequest, WatchStoreResponse, WatchStoresRequest,
    WatchStoresResponse, WatchUntil, watch_store_response, watch_stores_response,
};
use tonic::{Request, Status};

use super::api_handler::{ApiHandler, caller, note_store};
use super::opaque::Seal;
use super::{convert, status};
use crate::watch::{Start, StoreUpdate, StoresUpdate, Until, Update, WatchEnd};

/// The stream of a watch.
pub(super) type Updates<T> = BoxStream<'static, Result<T, Status>>;

/// Watches one store.
pub(super) async fn store(
    edge: &ApiHandler,
    request: Request<WatchStoreRequest>,
) -> Result<Updates<WatchStoreResponse>, Status> {
    let caller = caller(&request)?;
    let request = request.into_inner();
    note_store(&request.store_id);
    let (wanted, after, until) = check(&request).map_err(|refusal| status::refusal(&refusal))?;
    let permit = edge.limits.open_stream(&caller).map_err(status::too_many_streams)?;
    let updates = edge.watches.store(caller, wanted, after, until).await.map_err(|error| status::port(&error))?;
    let service = edge.service.clone();
    let updates = updates.map(move |update| {
        let _open = &permit;
        update.map(|update| store_response(service.catalog(), update)).map_err(|end| ended(&end))
    });
    Ok(updates.boxed())
}

/// Watches all stores that the caller may see.
pub(super) async fn stores(
    edge: &ApiHandler,
    request: Request<WatchStoresRequest>,
) -> Result<Updates<WatchStoresResponse>, Status> {
    let caller = caller(&request)?;
    let seal = edge.seal(&caller.access).await?;
    let request = request.into_inner();
    let mut check = Check::default();
    let filter = StoreFilter::check(&mut check, &request.filter);
    if filter.as_ref().is_some_and(StoreFilter::names_changing_fields) {
        check.fail("filter", "must not name state, reason, backup_overdue, drifted or update_time: they change");
    }
    let cursor = seal.read_cursor(&request.cursor);
    let cursor = cursor.map_err(|_| check.fail("cursor", "must be the cursor of an earlier message")).ok();
    let (filter, cursor) = check.finish(filter.zip(cursor)).map_err(|refusal| status::refusal(&refusal))?;
    let start = match cursor {
        Some(cursor) => Start::After(cursor),
        None if request.from_now => Start::Now,
        None => Start::Snapshot,
    };
    let permit = edge.limits.open_stream(&caller).map_err(status::too_many_streams)?;
    let updates = edge.watches.stores(caller, filter, start).await;
    let updates = updates.map_err(|error| stores_ended(&seal, &error.into()))?;
    let service = edge.service.clone();
    let updates = updates.map(move |update| {
        let _open = &permit;
        match update {
            Ok(update) => Ok(stores_response(service.catalog(), &seal, update)),
            Err(end) => Err(stores_ended(&seal, &end)),
        }
    });
    Ok(updates.boxed())
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

fn store_response(catalog: &Catalog, StoreUpdate { update, sequence }: StoreUpdate) -> WatchStoreResponse {
    use watch_store_response::Update as Message;
    let store = changed_store(catalog, &update);
    let update = match update {
        Update::Snapshot(store) => Message::Snapshot(convert::store(catalog, *store)),
        Update::Event(event, _) => Message::Event(convert::event(&event)),
        Update::CaughtUp => Message::CaughtUp(WatchCaughtUp {}),
        Update::Heartbeat(at) => Message::Heartbeat(WatchHeartbeat { time: Some(convert::timestamp(at)) }),
    };
    WatchStoreResponse { update: Some(update), sequence, store }
}

fn stores_response(
    catalog: &Catalog,
    seal: &Seal,
    StoresUpdate { update, cursor }: StoresUpdate,
) -> WatchStoresResponse {
    use watch_stores_response::Update as Message;
    let store = changed_store(catalog, &update);
    let update = match update {
        Update::Snapshot(store) => Message::Snapshot(convert::store(catalog, *store)),
        Update::Event(event, _) => Message::Event(convert::event(&event)),
        Update::CaughtUp => Message::CaughtUp(WatchCaughtUp {}),
        Update::Heartbeat(at) => Message::Heartbeat(WatchHeartbeat { time: Some(convert::timestamp(at)) }),
    };
    let cursor = cursor.map(|cursor| seal.cursor(cursor)).unwrap_or_default();
    WatchStoresResponse { update: Some(update), cursor, store }
}

/// The store, sent with an event that changed its state.
fn changed_store(catalog: &Catalog, update: &Update) -> Option<v1::Store> {
    let Update::Event(_, store) = update else { return None };
    store.as_deref().cloned().map(|store: Store| convert::store(catalog, store))
}

/// How a watch of all stores ends: its cursor is sealed.
fn stores_ended(seal: &Seal, end: &WatchEnd) -> Status {
    match end {
        WatchEnd::Port(PortError::Refused(DomainError::CursorExpired { oldest: Oldest::Cursor(cursor) })) => {
            status::cursor_expired(&seal.cursor(*cursor))
        }
        other => ended(other),
    }
}

pub(super) fn ended(end: &WatchEnd) -> Status {
    match end {
        WatchEnd::ShuttingDown => {
            status::unavailable("SHUTTING_DOWN", "this server is stopping; resume on another one")
        }
        WatchEnd::Revoked => {
            status::unauthenticated("TOKEN_REVOKED", "the token was revoked, or its role, tenant or stores changed")
        }
        WatchEnd::Expired => status::token_expired(),
        WatchEnd::Port(error) => status::port(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_watch_request_violations_are_reported() {
        let request = WatchStoreRequest { store_id: "A".into(), uid: "7".into(), after_sequence: -1, until: 9 };
        let Err(DomainError::Invalid(violations)) = check(&request) else { panic!("accepted") };
        let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
        assert_eq!(fields, ["store_id", "uid", "after_sequence", "until"]);
    }
}
