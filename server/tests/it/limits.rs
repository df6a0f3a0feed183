//! Limits of each server: requests and streams of a caller, failed authentications of an address.

use std::time::Duration;

use storeplane_proto::v1::{
    GetOverviewRequest, ListEnginesRequest, WaitOperationRequest, WatchStoreRequest, WatchStoresRequest,
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::grpc_raw::edge_setup;
use crate::harness::{Api, reason};

/// Until a stream that was dropped is no longer counted, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

async fn call(api: &Api) -> Result<(), Status> {
    api.platform.clone().list_engines(ListEnginesRequest {}).await.map(drop)
}

fn retry_after(status: &Status) -> Duration {
    status.get_details_retry_info().and_then(|info| info.retry_delay).expect("a delay")
}

#[tokio::test]
async fn caller_beyond_its_request_rate_is_told_when_to_call_again() {
    // One per second, so that a busy machine does not refill the burst meanwhile.
    let setup =
        edge_setup().with("STOREPLANE_LIMIT_REQUESTS_PER_SECOND", "1").with("STOREPLANE_LIMIT_REQUEST_BURST", "20");
    let lab = setup.start().await;
    let other = Api::connect(lab.server.address(), &lab.database.token("default", "viewer").await);
    let began = std::time::Instant::now();
    let answers = futures::future::join_all((0..300).map(|_| call(&lab.api))).await;
    let refilled = usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
    let (admitted, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert!((20..=20 + refilled).contains(&admitted.len()), "{} in {refilled} s", admitted.len());
    for status in refused.into_iter().map(Result::unwrap_err) {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "REQUEST_RATE_EXCEEDED"));
        assert!(retry_after(&status) <= Duration::from_secs(1));
    }
    call(&other).await.expect("another caller has its own rate");
    let again = async {
        while let Err(status) = call(&lab.api).await {
            tokio::time::sleep(retry_after(&status)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("it may call again");
}

async fn open_streams(api: &Api) -> i64 {
    let overview = api.platform.clone().get_overview(GetOverviewRequest::default()).await.unwrap().into_inner();
    overview.limits.unwrap().open_streams_of_caller
}

#[tokio::test]
async fn streams_are_limited_by_caller_and_by_tenant_and_counted_in_the_overview() {
    let setup =
        edge_setup().with("STOREPLANE_LIMIT_STREAMS_PER_CALLER", "2").with("STOREPLANE_LIMIT_STREAMS_PER_TENANT", "3");
    let lab = setup.start().await;
    let second = Api::connect(lab.server.address(), &lab.database.token("default", "viewer").await);
    let watch = async |api: &Api| {
        let opened = api.stores.clone().watch_stores(WatchStoresRequest::default()).await;
        opened.map(tonic::Response::into_inner)
    };
    let refused = |status: Status, scope: &str| {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "STREAM_LIMIT_EXCEEDED"));
        assert_eq!(status.get_details_quota_failure().unwrap().violations[0].subject, scope);
    };
    let first = watch(&lab.api).await.unwrap();
    // A call that waits counts like a stream.
    let store = Api::connect(lab.server.address(), &lab.database.token("default", "operator").await);
    let pending = store.create(Api::wanted("pending")).await.unwrap();
    let waiting = tokio::spawn({
        let mut operations = lab.api.operations.clone();
        let wait = WaitOperationRequest {
            operation_id: pending.operation,
            timeout: Some(storeplane_proto::Duration { seconds: 300, nanos: 0 }),
        };
        async move { operations.wait_operation(wait).await.map(drop) }
    });
    let both = async {
        while open_streams(&lab.api).await != 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, both).await.expect("the waiting call is counted");
    let one = WatchStoreRequest { store_id: "pending".into(), ..WatchStoreRequest::default() };
    refused(lab.api.stores.clone().watch_store(one.clone()).await.unwrap_err(), "streams_per_caller");
    waiting.abort();
    let freed = async {
        loop {
            if let Ok(opened) = lab.api.stores.clone().watch_store(one.clone()).await {
                return opened.into_inner();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let _second = tokio::time::timeout(PATIENCE, freed).await.expect("a call that ended is not counted");
    refused(watch(&lab.api).await.unwrap_err(), "streams_per_caller");
    let _third = watch(&second).await.unwrap();
    refused(watch(&second).await.unwrap_err(), "streams_per_tenant");
    let overview = lab.api.platform.clone().get_overview(GetOverviewRequest::default()).await.unwrap().into_inner();
    let limits = overview.limits.unwrap();
    assert_eq!((limits.streams_per_caller, limits.streams_per_tenant), (2, 3));
    assert_eq!((limits.open_streams_of_caller, limits.open_streams_of_tenant), (2, 3));
    assert_eq!((limits.requests_per_second, limits.request_burst), (-1, 100));
    let stranger = Api::connect(lab.server.address(), &lab.database.token("acme", "viewer").await);
    watch(&stranger).await.expect("another tenant has its own");

    drop(first);
    let again = async {
        while watch(&lab.api).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("a stream that ended is not counted");
}

#[tokio::test]
async fn address_with_many_failures_is_refused_before_postgres_but_not_its_known_tokens() {
    let setup = edge_setup().with("STOREPLANE_LIMIT_FAILED_AUTHENTICATIONS_PER_MINUTE", "5");
    let lab = setup.start().await;
    call(&lab.api).await.expect("a token that the server knows from here on");
    let guess = async || {
        let token = format!("spt_{:0<50}", uuid::Uuid::new_v4().simple());
        call(&Api::connect(lab.server.address(), &token)).await.unwrap_err()
    };
    for _ in 0..5 {
        assert_eq!(reason(&guess().await), "TOKEN_INVALID");
    }
    // The lookup's own cache of known tokens ends after five seconds.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let limited = async {
        loop {
            let status = guess().await;
            if reason(&status) == "AUTHENTICATION_RATE_EXCEEDED" {
                return status;
            }
        }
    };
    let status = tokio::time::timeout(PATIENCE, limited).await.expect("the address is limited");
    assert_eq!(status.code(), Code::ResourceExhausted);
    let delay = retry_after(&status);
    assert!(delay > Duration::ZERO && delay <= Duration::from_secs(12), "five a minute: {delay:?}");
    call(&lab.api).await.expect("someone else's guesses do not lock it out");
}
