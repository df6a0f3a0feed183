//! The condition `PubliclyReachable`: a shop that customers cannot reach says so, whatever its state is.

use std::time::{Duration, Instant};

use storeplane_proto::v1::{ConditionStatus, WatchUntil};

use crate::harness::{Gateway, Setup, Writer, fresh};

#[tokio::test]
async fn unreachable_shop_has_condition_with_reason_and_event() {
    // A server that may not see the nodes does not know that they are simulated, so it requests shops' URLs.
    let gateway = Gateway::open().await;
    gateway.forbid("GET /api/v1/nodes");
    let setup = Setup { kubeconfig: gateway.kubeconfig.clone(), helm: "/no/such/helm".into(), ..Setup::default() };
    let lab = setup.start().await;
    let id = fresh("closed");
    Writer::new(&lab.database.url, 1).ready(&id, "default").await;

    let began = Instant::now();
    let condition = loop {
        if let [condition] = &lab.api.get(&id).await.unwrap().conditions[..] {
            break condition.clone();
        }
        assert!(began.elapsed() < Duration::from_mins(1), "no condition:\n{}", lab.server.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    };

    assert_eq!(condition.r#type, "PubliclyReachable");
    // Without a resolver nothing is known about the name.
    let expected = [(ConditionStatus::False, "DNS_NOT_FOUND"), (ConditionStatus::Unknown, "DNS_UNAVAILABLE")];
    assert!(expected.contains(&(condition.status(), condition.reason.as_str())), "{condition:?}");
    assert!(condition.message.contains(&id) && condition.message.ends_with('.'), "{condition:?}");
    assert!(condition.last_transition_time.is_some());
    let seen = lab.api.watch(&id, 0, WatchUntil::Settled).await.unwrap();
    let reported = seen.events.iter().find(|event| event.r#type == "CONDITION_CHANGED").expect("an event");
    assert_eq!((&reported.details["condition"], &reported.details["reason"]), (&condition.r#type, &condition.reason));
    assert_eq!(reported.message, condition.message);
}
