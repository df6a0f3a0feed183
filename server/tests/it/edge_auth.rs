//! Who may call what, and what is written down about those who may not.

use std::time::Duration;

use storeplane_proto::v1::GetStoreRequest;
use storeplane_proto::v1::store_service_client::StoreServiceClient;
use tonic::transport::Endpoint;
use tonic::{Code, Request};

use crate::harness::{Api, Lab, fresh, reason};

#[tokio::test]
async fn without_a_token_that_is_ours_nothing_is_answered() {
    let lab = Lab::start().await;
    let channel = Endpoint::from_shared(format!("http://{}", lab.server.address())).unwrap().connect_lazy();
    for (header, expected) in [
        (None, "TOKEN_MISSING"),
        (Some("Basic dXNlcjpwYXNz".to_owned()), "TOKEN_MALFORMED"),
        (Some("Bearer garbage".to_owned()), "TOKEN_INVALID"),
        (Some(format!("Bearer {}", "x".repeat(5000))), "TOKEN_INVALID"),
    ] {
        let mut request = Request::new(GetStoreRequest { store_id: "any".into(), ..GetStoreRequest::default() });
        if let Some(header) = &header {
            request.metadata_mut().insert("authorization", header.parse().unwrap());
        }
        let status = StoreServiceClient::new(channel.clone()).get_store(request).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, expected), "{header:?}");
    }
    assert_eq!(
        lab.database.value("SELECT count(*) FROM audit_events WHERE tenant = 'default' AND token IS NOT NULL").await,
        "0"
    );
}

#[tokio::test]
async fn a_viewer_reads_and_its_mutations_are_denied_and_written_down() {
    let lab = Lab::start().await;
    let id = fresh("viewed");
    lab.api.ready(&id).await;
    let viewer = Api::connect(lab.server.address(), &lab.database.token("default", "viewer").await);

    assert_eq!(viewer.get(&id).await.unwrap().store_id, id);
    for status in [
        viewer.delete(&id).await.unwrap_err(),
        viewer.retry(&id).await.unwrap_err(),
        viewer.create(Api::wanted(&fresh("denied"))).await.unwrap_err(),
    ] {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "PERMISSION_DENIED"));
    }

    let denied = "SELECT string_agg(action, ' ' ORDER BY at, id) FROM audit_events WHERE outcome = 'DENIED'";
    assert_eq!(lab.database.value(denied).await, "DELETE_STORE RETRY_STORE CREATE_STORE");
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}

#[tokio::test]
async fn a_revoked_token_ends_soon() {
    let lab = Lab::start().await;
    let secret = lab.database.token("default", "viewer").await;
    let viewer = Api::connect(lab.server.address(), &secret);
    assert_eq!(viewer.get("nobody").await.unwrap_err().code(), Code::NotFound);
    let newest = lab.database.tokens().list().await.unwrap().pop().unwrap();
    assert!(lab.database.tokens().revoke(newest.id, "test").await.unwrap());
    assert!(!lab.database.tokens().revoke(newest.id, "test").await.unwrap(), "twice is once");

    for _ in 0..100 {
        if viewer.get("nobody").await.unwrap_err().code() == Code::Unauthenticated {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("a revoked token still works after ten seconds");
}
