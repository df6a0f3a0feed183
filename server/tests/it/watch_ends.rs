//! What keeps a watch open, and what ends it.

use std::time::{Duration, Instant};

use storeplane_core::identity::Role;
use storeplane_core::ids::TokenId;
use storeplane_proto::v1::{
    WatchStoreRequest, WatchStoreResponse, WatchStoresRequest, WatchStoresResponse, WatchUntil, watch_store_response,
    watch_stores_response,
};
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt as _;

use crate::grpc_raw::edge;
use crate::harness::{Api, Lab, Write, Writer, fresh, reason};

/// A heartbeat is sent every 15 s; on a busy machine a little later.
const BEAT: Duration = Duration::from_mins(1);

async fn token(lab: &Lab, tenant: &str) -> (TokenId, Api) {
    let (id, secret) = lab.database.issue(tenant, Role::Viewer, &fresh("watcher")).await;
    (id, Api::connect(lab.server.address(), &secret))
}

async fn one(api: &Api, id: &str) -> Streaming<WatchStoreResponse> {
    let request = WatchStoreRequest { store_id: id.into(), ..WatchStoreRequest::default() };
    api.stores.clone().watch_store(request).await.unwrap().into_inner()
}

async fn all(api: &Api, cursor: &str) -> Result<Streaming<WatchStoresResponse>, Status> {
    let request = WatchStoresRequest { cursor: cursor.into(), ..WatchStoresRequest::default() };
    Ok(api.stores.clone().watch_stores(request).await?.into_inner())
}

/// How a stream ends, and after how many messages.
async fn end<T>(stream: &mut Streaming<T>) -> (Status, usize) {
    let mut heard = 0;
    loop {
        match stream.message().await {
            Ok(Some(_)) => heard += 1,
            Ok(None) => return (Status::ok("in order"), heard),
            Err(status) => return (status, heard),
        }
    }
}

#[tokio::test]
async fn idle_watch_sends_heartbeats_with_cursor() {
    let lab = edge().await;
    let writer = Writer::new(&lab.database.url, 2);
    writer.ready("tea", "default").await;
    let mut single = one(&lab.api, "tea").await;
    let mut whole = all(&lab.api, "").await.unwrap();
    let began = Instant::now();

    let beat_of_one = async {
        loop {
            let message = single.message().await.unwrap().unwrap();
            if let Some(watch_store_response::Update::Heartbeat(beat)) = message.update {
                return (message.sequence, beat.time.is_some());
            }
        }
    };
    let beat_of_all = async {
        let mut caught_up = String::new();
        loop {
            let message = whole.message().await.unwrap().unwrap();
            match message.update {
                Some(watch_stores_response::Update::CaughtUp(_)) => {
                    caught_up = message.cursor;
                    writer.ready("coffee", "other").await;
                }
                Some(watch_stores_response::Update::Heartbeat(_)) => {
                    assert_eq!(message.cursor, caught_up, "nothing that another tenant does moves the cursor");
                    return message.cursor;
                }
                _ => {}
            }
        }
    };
    let both = async { tokio::join!(beat_of_one, beat_of_all) };
    let (place, cursor) = tokio::time::timeout(BEAT, both).await.expect("heartbeats");

    assert!(began.elapsed() > Duration::from_secs(13), "{:?}", began.elapsed());
    assert_eq!(place, (1, true));
    writer.write("default", "tea", &Write::of(1)).await.unwrap();
    let mut resumed = all(&lab.api, &cursor).await.unwrap();
    // It may have caught up first, while a transaction of another test delays the event.
    let event = loop {
        match resumed.message().await.unwrap().unwrap().update {
            Some(watch_stores_response::Update::Event(event)) => break event,
            Some(watch_stores_response::Update::CaughtUp(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((event.store_id.as_str(), event.sequence), ("tea", 2));
}

#[tokio::test]
async fn revoked_token_ends_watches_within_15_s() {
    let lab = edge().await;
    let writer = Writer::new(&lab.database.url, 4);
    for store in ["idle", "busy"] {
        writer.ready(store, "default").await;
    }
    let (id, revoked) = token(&lab, "default").await;
    let (_, other) = token(&lab, "default").await;
    let (mut idle, mut busy, mut whole) =
        (one(&revoked, "idle").await, one(&revoked, "busy").await, all(&revoked, "").await.unwrap());
    let (mut asleep, mut others) = (all(&revoked, "").await.unwrap(), one(&other, "idle").await);
    let writing = async {
        loop {
            writer.write("default", "busy", &Write { text: 2000, ..Write::of(20) }).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let watching = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        lab.database.revoke(id).await;
        let revoked_at = Instant::now();
        let ended = async { tokio::join!(end(&mut idle), end(&mut busy), end(&mut whole)) };
        let ended = tokio::time::timeout(Duration::from_secs(30), ended)
            .await
            .expect("all end within 15 s, on a busy machine 30 s");
        let took = revoked_at.elapsed();
        // A client that read nothing meanwhile gets what was already sent, and then no more.
        tokio::time::sleep(Duration::from_secs(12).saturating_sub(took)).await;
        let late = tokio::time::timeout(Duration::from_secs(30), end(&mut asleep)).await.expect("it ends as well");
        (ended, late)
    };
    let (((one, two, three), late), _others) = tokio::select! {
        ended = watching => (ended, 0),
        () = writing => unreachable!("it writes for ever"),
    };

    for (status, _) in [&one, &two, &three, &late] {
        assert_eq!((status.code(), reason(status).as_str()), (Code::Unauthenticated, "TOKEN_REVOKED"), "{status:?}");
    }
    assert!(two.1 > 100 && three.1 > 100, "{} {}", two.1, three.1);
    assert!(
        tokio::time::timeout(Duration::from_secs(5), end(&mut others)).await.is_err(),
        "another token's watch continues"
    );
    assert_eq!(all(&revoked, "").await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn watch_until_deleted_ends_only_when_store_is_gone() {
    let lab = edge().await;
    let writer = Writer::new(&lab.database.url, 2);
    let id = fresh("goes");
    let uid = writer.ready(&id, "default").await;
    let request =
        WatchStoreRequest { store_id: id.clone(), until: WatchUntil::Deleted.into(), ..WatchStoreRequest::default() };
    let mut stream = lab.api.stores.clone().watch_store(request.clone()).await.unwrap().into_inner();
    writer.write("default", &id, &Write::of(2)).await.unwrap();
    let early = tokio::time::timeout(Duration::from_secs(3), end(&mut stream)).await;
    assert!(early.is_err(), "it ended while the store was there: {early:?}");

    writer.delete("default", &id).await;
    let (status, heard) = tokio::time::timeout(Duration::from_mins(1), end(&mut stream)).await.expect("it ends");
    assert_eq!((status.code(), heard), (Code::Ok, 2), "DELETING and DELETED, then the end: {status:?}");

    // The same id again: the uid still refers to the deleted store, and its complete history ends the watch.
    writer.ready(&id, "default").await;
    let gone = WatchStoreRequest { uid: uid.to_string(), ..request };
    let mut stream = lab.api.stores.clone().watch_store(gone).await.unwrap().into_inner();
    let (status, heard) = tokio::time::timeout(Duration::from_mins(1), end(&mut stream)).await.expect("it ends");
    assert_eq!((status.code(), heard), (Code::Ok, 7), "snapshot, five events, the marker");
}

#[tokio::test]
async fn expired_cursor_is_out_of_range_with_oldest_position() {
    let lab = crate::grpc_raw::edge_setup().with("STOREPLANE_RETENTION_EVENTS", "1s").start().await;
    let writer = Writer::new(&lab.database.url, 2);
    writer.ready("old", "default").await;
    let mut before = all(&lab.api, "").await.unwrap();
    let cursor = loop {
        let message = before.message().await.unwrap().unwrap();
        if matches!(message.update, Some(watch_stores_response::Update::CaughtUp(_))) {
            break message.cursor;
        }
    };
    drop(before);
    writer.write("default", "old", &Write::of(3)).await.unwrap();
    let began = Instant::now();
    while lab.database.value("SELECT count(*) FROM events").await != "0" {
        assert!(began.elapsed() < Duration::from_mins(1), "nothing is removed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let expired = all(&lab.api, &cursor).await.unwrap_err();
    assert_eq!((expired.code(), reason(&expired).as_str()), (Code::OutOfRange, "CURSOR_EXPIRED"));
    let oldest = expired.get_details_error_info().unwrap().metadata["oldest"].clone();
    let mut whole = all(&lab.api, &oldest).await.expect("everything after it is kept");
    let expired = lab.api.watch("old", 2, WatchUntil::Settled).await.unwrap_err();
    assert_eq!((expired.code(), reason(&expired).as_str()), (Code::OutOfRange, "CURSOR_EXPIRED"));
    let oldest = expired.get_details_error_info().unwrap().metadata["oldest"].clone();
    assert_eq!(oldest, "4");
    let empty = lab.api.watch("old", 4, WatchUntil::Settled).await.unwrap();
    assert_eq!((empty.snapshots.len(), empty.events.len(), empty.caught_up), (1, 0, 1));
    assert_eq!(lab.api.watch("old", 0, WatchUntil::Settled).await.unwrap().events.len(), 0, "0 is whatever is kept");
    let mut single = one(&lab.api, "old").await;

    writer.write("default", "old", &Write::of(1)).await.unwrap();
    let next = loop {
        let message = whole.message().await.unwrap().unwrap();
        if let Some(watch_stores_response::Update::Event(event)) = message.update {
            break event.sequence;
        }
    };
    assert_eq!(next, 5);
    let next = loop {
        let message = single.message().await.unwrap().unwrap();
        if let Some(watch_store_response::Update::Event(event)) = message.update {
            break event.sequence;
        }
    };
    assert_eq!(next, 5);
}
