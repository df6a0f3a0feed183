//! Store quotas of tenants.

use storeplane_proto::v1::{CreateStoreRequest, GetOverviewRequest};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::grpc_raw::edge_setup;
use crate::harness::{Api, fresh, reason};

#[tokio::test]
async fn tenant_store_quota_is_enforced() {
    let lab = edge_setup().with("STOREPLANE_STORES_PER_TENANT", "3").start().await;
    let used = async || {
        let overview = lab.api.platform.clone().get_overview(GetOverviewRequest::default()).await.unwrap();
        let quotas = overview.into_inner().quotas;
        quotas.into_iter().map(|quota| (quota.name, quota.used, quota.limit)).collect::<Vec<_>>()
    };
    assert_eq!(used().await, [("stores".to_owned(), 0, 3)]);
    let ids: Vec<_> = (0..8).map(|n| fresh(&format!("n{n}"))).collect();

    let asked = ids.iter().map(|id| lab.api.create(Api::wanted(id)));
    let answers = futures::future::join_all(asked).await;

    let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (3, 5));
    for status in refused.into_iter().map(Result::unwrap_err) {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "STORE_QUOTA_EXCEEDED"));
        let violations = status.get_details_quota_failure().unwrap().violations;
        assert_eq!(violations[0].subject, "tenant/default");
    }
    assert_eq!(used().await, [("stores".to_owned(), 3, 3)]);
    let refused = "SELECT count(*) FROM audit_events WHERE outcome = 'REJECTED' AND reason = 'STORE_QUOTA_EXCEEDED'";
    assert_eq!(lab.database.value(refused).await, "5");
    let check = CreateStoreRequest { validate_only: true, ..Api::wanted("late") };
    assert_eq!(reason(&lab.api.create(check.clone()).await.unwrap_err()), "STORE_QUOTA_EXCEEDED");
    let stranger = Api::connect(lab.server.address(), &lab.database.token("acme", "operator").await);
    stranger.create(Api::wanted("tea")).await.expect("another tenant has its own");

    let gone = format!("UPDATE stores SET state = 'DELETED' WHERE uid = '{}'", made[0].as_ref().unwrap().uid);
    lab.database.execute(&gone).await;
    lab.api.create(check).await.expect("a place is free");
    lab.api.create(Api::wanted("late")).await.expect("and can be had");
    assert_eq!(used().await, [("stores".to_owned(), 3, 3)]);
}
