//! The reconciler's conditions. `PubliclyReachable`: a shop that customers cannot reach says so, whatever its state is.
//! `NetworkIsolated`: a shop whose network policies have no effect says so.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;
use storeplane_proto::v1::{Condition, ConditionStatus, WatchUntil};

use crate::harness::{Gateway, Lab, Setup, Writer, fresh};

/// A server that may not see the nodes does not know that they are simulated, so it requests shops' URLs.
async fn lab() -> (Lab, Gateway) {
    let gateway = Gateway::open().await;
    gateway.forbid("GET /api/v1/nodes");
    let setup = Setup { kubeconfig: gateway.kubeconfig.clone(), helm: "/no/such/helm".into(), ..Setup::default() };
    (setup.start().await, gateway)
}

async fn condition(lab: &Lab, id: &str, kind: &str) -> Condition {
    let began = Instant::now();
    loop {
        let found = lab.api.get(id).await.unwrap().conditions.into_iter().find(|condition| condition.r#type == kind);
        if let Some(condition) = found {
            return condition;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "no condition:\n{}", lab.server.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn pod_that_reaches_the_api_server_makes_its_store_not_isolated() {
    let (lab, _gateway) = lab().await;
    let id = fresh("open");
    let namespace = format!("store-{id}");
    lab.kubernetes.foreign_namespace(&namespace).await;
    let pods: Api<Pod> = Api::namespaced(lab.kubernetes.client().await, &namespace);
    let pod = json!({"metadata": {"name": "shop"}, "spec": {
        "schedulingGates": [{"name": "example.com/never"}], "containers": [{"name": "shop", "image": "shop:1"}]}});
    let pod: Pod = serde_json::from_value(pod).unwrap();
    let began = Instant::now();
    // The namespace's service account is created a moment after it.
    while let Err(error) = pods.create(&PostParams::default(), &pod).await {
        assert!(began.elapsed() < Duration::from_mins(1), "{error}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let ended = json!({"exitCode": 0, "finishedAt": "2026-11-26T02:00:00Z", "message": "network-isolation: open 10.43.0.1:443\n"});
    let status = json!({"status": {"initContainerStatuses": [{"name": "bootstrap", "image": "shop:1", "imageID": "", "ready": true,
        "restartCount": 0, "state": {"terminated": ended}}]}});
    pods.patch_status("shop", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    Writer::new(&lab.database.url, 1).ready(&id, "default").await;

    let condition = condition(&lab, &id, "NetworkIsolated").await;

    assert_eq!((condition.status(), condition.reason.as_str()), (ConditionStatus::False, "NOT_ENFORCED"));
    assert!(condition.message.contains("10.43.0.1:443"), "{condition:?}");
    // Without the Gateway API there is no route to ask about, and no error.
    assert_eq!(lab.kubernetes.cluster.route_problem(&namespace).await.unwrap(), None);
    lab.kubernetes.drop_namespace(&namespace).await;
}

#[tokio::test]
async fn unreachable_shop_has_condition_with_reason_and_event() {
    let (lab, _gateway) = lab().await;
    let id = fresh("closed");
    Writer::new(&lab.database.url, 1).ready(&id, "default").await;

    let condition = condition(&lab, &id, "PubliclyReachable").await;

    // Without a resolver nothing is known about the name.
    let expected = [(ConditionStatus::False, "DNS_NOT_FOUND"), (ConditionStatus::Unknown, "DNS_UNAVAILABLE")];
    assert!(expected.contains(&(condition.status(), condition.reason.as_str())), "{condition:?}");
    assert!(condition.message.contains(&id) && condition.message.ends_with('.'), "{condition:?}");
    assert!(condition.last_transition_time.is_some());
    let seen = lab.api.watch(&id, 0, WatchUntil::Settled).await.unwrap();
    let event = seen.events.iter().find(|event| event.r#type == "CONDITION_CHANGED").expect("an event");
    assert_eq!((&event.details["condition"], &event.details["reason"]), (&condition.r#type, &condition.reason));
    assert_eq!(event.message, condition.message);
}
