//! Connections that break at the worst moments, between the client and a scripted server.

#![allow(clippy::disallowed_methods, reason = "the scripted server runs beside its test")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod scripted;

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt as _;
use storeplane_client::v1::{self, StoreState};
use storeplane_client::{Change, Client, Error};
use tonic::transport::Server;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use scripted::{Act, ScriptedServer};

/// More than all delays here together.
const TIME_LIMIT: Duration = Duration::from_mins(1);

fn refused(code: Code) -> Status {
    let details = ErrorDetails::with_error_info("REASON", "storeplane", [("a".to_owned(), "b".to_owned())]);
    Status::with_error_details(code, "refused", details)
}

fn limited(delay: Duration) -> Status {
    let mut details = ErrorDetails::with_retry_info(Some(delay));
    details.set_error_info("REQUEST_RATE_EXCEEDED", "storeplane", HashMap::new());
    Status::with_error_details(Code::ResourceExhausted, "too many requests", details)
}

#[tokio::test]
async fn create_is_retried_with_same_request_id_after_lost_response() {
    let (client, server) = ScriptedServer::start([Act::Cut, Act::Cut, Act::Answer]).await;

    let store = client.create_store("tea", v1::Store::default()).await.unwrap();

    assert_eq!(store.store_id, "tea");
    let ids: Vec<_> = server.creations().into_iter().map(|request| request.request_id).collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| *id == ids[0] && id.len() == 36), "{ids:?}");
    client.create_store("tea", v1::Store::default()).await.unwrap();
    assert_ne!(server.creations()[3].request_id, ids[0], "another call is another request");
}

#[tokio::test]
async fn create_is_retried_with_same_request_id_after_timeout() {
    let (address, server) = ScriptedServer::serve([Act::Hang, Act::Answer], Server::builder()).await;
    let client = Client::to(&address.to_string()).token("token").answer_within(Duration::from_millis(200));

    client.client().unwrap().create_store("tea", v1::Store::default()).await.unwrap();

    let ids: Vec<_> = server.creations().into_iter().map(|request| request.request_id).collect();
    assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");
}

#[tokio::test]
async fn rejected_requests_are_not_retried() {
    for code in [Code::Internal, Code::Unknown, Code::FailedPrecondition] {
        let (client, server) = ScriptedServer::start([Act::End(refused(code))]).await;
        let error = client.create_store("tea", v1::Store::default()).await.unwrap_err();
        assert_eq!((error.reason().as_deref(), error.is_unavailable()), (Some("REASON"), false), "{code:?}");
        assert_eq!(server.creations().len(), 1, "{code:?}");
    }
}

#[tokio::test]
async fn watch_resumes_after_every_kind_of_break_without_gaps_or_duplicates() {
    let (client, server) = ScriptedServer::start([
        Act::Send(vec![1, 2, 3], Box::new(Act::Cut)),
        // Cut before the stream is open.
        Act::Cut,
        // Repeats events, and ends with OK although the client did not ask for an end.
        Act::Send(vec![2, 3, 4], Box::new(Act::Answer)),
        Act::Send(vec![5], Box::new(Act::End(Status::unavailable("this server stops")))),
        // As tonic reports a stream that a proxy ended without a status.
        Act::Send(vec![6], Box::new(Act::End(Status::unknown("missing grpc-status")))),
        // A limit of requests, when the watch is opened again.
        Act::Send(vec![7], Box::new(Act::Cut)),
        Act::End(limited(Duration::from_millis(200))),
        Act::Send(vec![8], Box::new(Act::End(refused(Code::OutOfRange)))),
    ])
    .await;

    let items = client.watch("tea", 0).collect::<Vec<_>>();
    let items = tokio::time::timeout(TIME_LIMIT, items).await.expect("it ends with a permanent error");

    let mut sequences = Vec::new();
    let mut end = None;
    for change in items {
        match change {
            Ok(Change::Event(event, _)) => sequences.push(event.sequence),
            Ok(_) => {}
            Err(error) => end = error.reason(),
        }
    }
    assert_eq!(sequences, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(end.as_deref(), Some("REASON"));
    let received: Vec<_> =
        server.watches().iter().map(|request| (request.after_sequence, request.uid.clone())).collect();
    let expected = [(0, ""), (3, "uid"), (3, "uid"), (4, "uid"), (5, "uid"), (6, "uid"), (7, "uid"), (7, "uid")];
    assert_eq!(received, expected.map(|(after, uid)| (after, uid.to_owned())));
}

#[tokio::test]
async fn watch_all_restarts_only_until_it_has_a_cursor() {
    let (client, server) = ScriptedServer::start([
        // Cut within the snapshots.
        Act::Send(vec![], Box::new(Act::Cut)),
        Act::Send(vec![1, 2], Box::new(Act::Cut)),
        Act::Send(vec![3], Box::new(Act::Answer)),
        Act::End(Status::unavailable("this server stops")),
        Act::Send(vec![4], Box::new(Act::End(refused(Code::Unauthenticated)))),
    ])
    .await;

    let items = client.watch_all("", "").collect::<Vec<_>>();
    let items = tokio::time::timeout(TIME_LIMIT, items).await.expect("it ends with a permanent error");

    let (mut snapshots, mut events) = (0, Vec::new());
    for item in &items[..items.len() - 1] {
        let item = item.as_ref().unwrap();
        match &item.change {
            Change::Snapshot(_) => snapshots += 1,
            Change::Event(event, _) => events.push((event.sequence, item.cursor.as_str())),
            Change::CaughtUp => {}
        }
    }
    assert_eq!((snapshots, events), (2, vec![(1, "1"), (2, "2"), (3, "3"), (4, "4")]));
    assert_eq!(items.last().unwrap().as_ref().unwrap_err().reason().as_deref(), Some("REASON"));
    assert_eq!(server.cursors(), ["", "", "2", "3", "3"]);
}

#[tokio::test]
async fn wait_ends_with_its_own_store_or_at_deadline() {
    let is = |state| Act::Is(state);
    let watched = |then| Act::Send(vec![1], Box::new(then));
    let (client, server) =
        ScriptedServer::start([is(StoreState::Provisioning), watched(Act::Hang), is(StoreState::Degraded)]).await;
    let store = client.wait_settled("tea", TIME_LIMIT).await.unwrap();
    assert_eq!(store.state(), StoreState::Degraded);
    assert_eq!(server.gets()[1].uid, "uid");
    assert_eq!(server.watches()[0].uid, "uid");

    let (client, _server) = ScriptedServer::start([is(StoreState::Provisioning), watched(Act::Hang), Act::Hang]).await;
    let error = client.wait_settled("tea", Duration::from_millis(300)).await.unwrap_err();
    assert!(matches!(error, Error::Deadline), "{error}");
}

#[tokio::test]
async fn wait_ready_returns_failure_immediately() {
    let is = |state| Act::Is(state);
    let items = |sequence| Act::Send(vec![sequence], Box::new(Act::End(Status::unavailable("this server stops"))));
    let script = [is(StoreState::Degraded), items(1), is(StoreState::Provisioning), items(2), is(StoreState::Ready)];
    let (client, _server) = ScriptedServer::start(script).await;
    assert_eq!(client.wait_ready("tea", TIME_LIMIT).await.unwrap().state(), StoreState::Ready);

    for end in [StoreState::Failed, StoreState::Deleted] {
        let (client, _server) = ScriptedServer::start([is(StoreState::Provisioning), items(1), is(end)]).await;
        let error = client.wait_ready("tea", TIME_LIMIT).await.unwrap_err();
        assert_eq!(error.reason().as_deref(), Some("IMAGE_PULL_FAILED"));
        let state = end.as_str_name().trim_start_matches("STORE_STATE_");
        assert_eq!(error.to_string(), format!("store tea is {state}: IMAGE_PULL_FAILED"));
    }
}

#[tokio::test]
async fn wait_takes_store_that_comes_with_event() {
    let (client, script) =
        ScriptedServer::start([Act::Is(StoreState::Provisioning), Act::Beside(StoreState::Ready)]).await;
    assert_eq!(client.wait_ready("tea", TIME_LIMIT).await.unwrap().state(), StoreState::Ready);
    assert_eq!(script.gets().len(), 1, "only the first watch reads the store");

    let (client, _script) = ScriptedServer::start([Act::Beside(StoreState::Failed)]).await;
    let change = client.watch("tea", 0).next().await.unwrap().unwrap();
    let Change::Event(event, Some(store)) = change else { panic!("{change:?}") };
    assert_eq!((event.sequence, store.state()), (1, StoreState::Failed));
}

#[tokio::test]
async fn wait_operation_repeats_until_operation_has_ended() {
    let running = || Act::Is(StoreState::Provisioning);
    let stopping = || Act::End(Status::unavailable("this server stops"));
    let (client, script) = ScriptedServer::start([running(), stopping(), Act::Cut, running(), Act::Answer]).await;
    let operation = client.wait_operation("operation", TIME_LIMIT).await.unwrap();
    assert!(operation.end_time.is_some());
    let waits = script.waits();
    assert_eq!(waits.len(), 5);
    assert!(waits.iter().all(|wait| wait.operation_id == "operation" && wait.timeout.is_some()), "{waits:?}");

    let (client, _script) = ScriptedServer::start([running(), Act::Hang]).await;
    let error = client.wait_operation("operation", Duration::from_millis(300)).await.unwrap_err();
    assert!(matches!(error, Error::Deadline), "{error}");
    let (client, script) = ScriptedServer::start([Act::End(refused(Code::NotFound))]).await;
    assert_eq!(client.wait_operation("operation", TIME_LIMIT).await.unwrap_err().reason().as_deref(), Some("REASON"));
    assert_eq!(script.waits().len(), 1);
}

#[tokio::test]
async fn gzip_compresses_requests_and_is_accepted_in_answers() {
    for (gzip, expected) in [(false, ("", false)), (true, ("gzip", true))] {
        let (address, script) = ScriptedServer::serve([], Server::builder()).await;
        let connect = Client::to(&address.to_string()).token("token");
        let client = if gzip { connect.gzip() } else { connect }.client().unwrap();
        assert_eq!(client.get_store("tea").await.unwrap().store_id, "tea");
        let (sent, accepted) = script.encodings().remove(0);
        assert_eq!((sent.as_str(), accepted.contains("gzip")), expected);
    }
}

#[tokio::test]
async fn token_whose_scope_an_older_server_ignored_is_revoked() {
    let (client, script) = ScriptedServer::start([]).await;
    let wanted = |name: &str, store_id_prefix: &str| v1::CreateTokenRequest {
        name: name.into(),
        role: "operator".into(),
        store_id_prefix: store_id_prefix.into(),
        ..v1::CreateTokenRequest::default()
    };
    assert_eq!(client.create_token(wanted("whole", "")).await.unwrap().secret, "spt_secret");
    assert!(script.revocations().is_empty());
    let error = client.create_token(wanted("limited", "shop-")).await.unwrap_err();
    assert!(matches!(&error, Error::ScopeIgnored { token_id } if token_id == "id of limited"), "{error}");
    assert_eq!(script.revocations(), ["id of limited"]);
}
