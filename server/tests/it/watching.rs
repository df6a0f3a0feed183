//! Watches: each event once and in order, from any cursor.

use storeplane_proto::v1::watch_stores_response::Update;
use storeplane_proto::v1::{StoreState, WatchStoreRequest, WatchStoresRequest, WatchUntil};
use tonic::Code;

use crate::harness::{Api, Lab, fresh, reason};

#[tokio::test]
async fn watch_from_cursor_returns_exactly_later_events() {
    let lab = Lab::start().await;
    let id = fresh("cursor");
    let store = lab.api.ready(&id).await;
    let whole = lab.api.watch(&id, 0, WatchUntil::Settled).await.unwrap();
    assert_eq!((whole.snapshots.len(), whole.caught_up), (1, 1));
    for after in 0..=store.last_sequence {
        let part = lab.api.watch(&id, after, WatchUntil::Settled).await.unwrap();
        let expected = &whole.events[usize::try_from(after).unwrap()..];
        assert_eq!(part.events, expected, "after {after}");
    }
    let beyond = lab.api.watch(&id, store.last_sequence + 1, WatchUntil::Settled).await.unwrap_err();
    assert_eq!(beyond.code(), Code::InvalidArgument);
    assert_eq!(lab.api.watch(&id, -1, WatchUntil::Settled).await.unwrap_err().code(), Code::InvalidArgument);
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}

#[tokio::test]
async fn sequence_of_deleted_store_is_not_applied_to_its_successor() {
    let lab = crate::grpc_raw::edge().await;
    let (id, writer) = (fresh("again"), crate::harness::Writer::new(&lab.database.url, 2));
    let first = writer.ready(&id, "default").await;
    let read = async |uid: String, after_sequence: i64| {
        let request = WatchStoreRequest { store_id: id.clone(), uid, after_sequence, ..WatchStoreRequest::default() };
        let mut stream = lab.api.stores.clone().watch_store(request).await?.into_inner();
        stream.message().await
    };
    writer.write("default", &id, &crate::harness::Write::of(4)).await.unwrap();
    assert!(read(String::new(), 2).await.is_ok(), "one store has had the id: its uid is not needed");
    writer.delete("default", &id).await;
    let second = writer.ready(&id, "default").await;
    writer.write("default", &id, &crate::harness::Write::of(4)).await.unwrap();

    let refused = read(String::new(), 2).await.unwrap_err();
    assert_eq!((refused.code(), crate::harness::fields(&refused)), (Code::InvalidArgument, vec!["uid".to_owned()]));
    let snapshot_of = async |uid: String, after| {
        let message = read(uid, after).await.unwrap().unwrap();
        match message.update.unwrap() {
            storeplane_proto::v1::watch_store_response::Update::Snapshot(store) => (store.uid, message.sequence),
            other => panic!("{other:?}"),
        }
    };
    for uid in [first, second] {
        assert_eq!(snapshot_of(uid.to_string(), 2).await, (uid.to_string(), 2));
    }
    assert_eq!(snapshot_of(String::new(), 0).await, (second.to_string(), 0), "from the beginning no uid is needed");
}

#[tokio::test]
async fn two_watchers_receive_the_same_events() {
    let lab = Lab::start().await;
    let id = fresh("pair");
    lab.api.create(Api::wanted(&id)).await.unwrap();
    let (one, two) = tokio::join!(lab.api.settle(&id), lab.api.settle(&id));
    assert_eq!(one.1.events, two.1.events);
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}

#[tokio::test]
async fn expired_cursor_names_oldest_position() {
    let lab = Lab::start().await;
    let id = fresh("old");
    let store = lab.api.ready(&id).await;
    lab.database.execute("DELETE FROM events WHERE sequence <= 5").await;

    let status = lab.api.watch(&id, 3, WatchUntil::Settled).await.unwrap_err();

    assert_eq!((status.code(), reason(&status).as_str()), (Code::OutOfRange, "CURSOR_EXPIRED"));
    let kept = lab.api.watch(&id, 5, WatchUntil::Settled).await.unwrap();
    assert_eq!(kept.sequences(), (6..=store.last_sequence).collect::<Vec<_>>());
    let all_kept = lab.api.watch(&id, 0, WatchUntil::Settled).await.unwrap();
    assert_eq!(all_kept.sequences(), kept.sequences());
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}

#[tokio::test]
async fn stopping_server_ends_watches_with_unavailable() {
    let mut lab = Lab::start().await;
    let id = fresh("bye");
    lab.api.ready(&id).await;
    let request = WatchStoreRequest { store_id: id.clone(), ..WatchStoreRequest::default() };
    let mut stream = lab.api.stores.clone().watch_store(request).await.unwrap().into_inner();
    while stream.message().await.unwrap().unwrap().sequence == 0 {}

    let (took, end) = tokio::join!(lab.server.terminate(), async {
        loop {
            if let Err(status) = stream.message().await {
                return status;
            }
        }
    });

    assert_eq!(end.code(), Code::Unavailable, "{end:?}");
    assert!(took.as_secs() < 10, "{took:?}");
    lab.server.restart().await;
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}

#[tokio::test]
async fn watch_stores_has_one_global_order() {
    let lab = Lab::start().await;
    let before = fresh("before");
    lab.api.ready(&before).await;
    let watch = |cursor: String| {
        let request = WatchStoresRequest { cursor, ..WatchStoresRequest::default() };
        let mut stores = lab.api.stores.clone();
        async move { stores.watch_stores(request).await.unwrap().into_inner() }
    };
    let ids: Vec<_> = (0..4).map(|n| fresh(&format!("all{n}"))).collect();
    let read = |mut stream: tonic::Streaming<storeplane_proto::v1::WatchStoresResponse>, wanted: usize| async move {
        let (mut snapshots, mut events, mut ready) = (Vec::new(), Vec::new(), 0);
        while ready < wanted {
            let message = stream.message().await.unwrap().unwrap();
            match message.update.unwrap() {
                Update::Snapshot(store) => snapshots.push(store.store_id),
                Update::Event(event) => {
                    let is_ready = event.details.get("state").is_some_and(|state| state == "READY");
                    ready += usize::from(is_ready);
                    events.push((event.store_id, event.sequence, message.cursor, is_ready));
                }
                _ => {}
            }
        }
        (snapshots, events)
    };
    let (first, second) = (watch(String::new()).await, watch(String::new()).await);

    let (created, one, two) = tokio::join!(
        futures::future::join_all(ids.iter().map(|id| lab.api.create(Api::wanted(id)))),
        read(first, 4),
        read(second, 4),
    );

    assert!(created.iter().all(Result::is_ok));
    assert_eq!(one.0, [before.as_str()]);
    assert_eq!(one.1, two.1);
    for id in &ids {
        let sequences: Vec<_> =
            one.1.iter().filter(|(store, ..)| store == id).map(|(_, sequence, ..)| *sequence).collect();
        assert_eq!(sequences, (1..=i64::try_from(sequences.len()).unwrap()).collect::<Vec<_>>());
    }
    let middle = one.1.len() / 2;
    let ready_later = one.1[middle + 1..].iter().filter(|(.., is_ready)| *is_ready).count();
    let (snapshots, rest) = read(watch(one.1[middle].2.clone()).await, ready_later).await;
    assert_eq!(snapshots, Vec::<String>::new());
    assert_eq!(rest, one.1[middle + 1..]);
    for id in ids.iter().chain([&before]) {
        lab.api.delete(id).await.unwrap();
    }
    for id in ids.iter().chain([&before]) {
        assert_eq!(lab.api.settle(id).await.0.state(), StoreState::Deleted);
    }
}

#[tokio::test]
async fn watch_from_now_skips_snapshots_and_misses_nothing() {
    let lab = Lab::start().await;
    let (before, after) = (fresh("before"), fresh("after"));
    lab.api.ready(&before).await;
    let request = WatchStoresRequest { from_now: true, ..WatchStoresRequest::default() };
    let mut stream = lab.api.stores.clone().watch_stores(request).await.unwrap().into_inner();
    let first = stream.message().await.unwrap().unwrap();
    assert!(matches!(first.update, Some(Update::CaughtUp(_))), "{first:?}");
    lab.api.create(Api::wanted(&after)).await.unwrap();

    // What happened just before may be reported as well: it has its place in the order only now.
    let event = loop {
        if let Some(Update::Event(event)) = stream.message().await.unwrap().unwrap().update
            && event.store_id == after
        {
            break event;
        }
    };

    assert_eq!(event.sequence, 1);
    for id in [&before, &after] {
        lab.api.delete(id).await.unwrap();
    }
    for id in [&before, &after] {
        lab.api.settle(id).await;
    }
}

#[tokio::test]
async fn state_filter_and_foreign_cursor_are_rejected() {
    let lab = Lab::start().await;
    for (filter, cursor) in [("state = READY", ""), ("", "nonsense"), ("price = 3", "")] {
        let request =
            WatchStoresRequest { filter: filter.into(), cursor: cursor.into(), ..WatchStoresRequest::default() };
        let status = lab.api.stores.clone().watch_stores(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{filter:?} {cursor:?}");
    }
}
