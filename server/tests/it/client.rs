//! The Rust client while its server is killed.

use std::time::Duration;

use futures::StreamExt as _;
use storeplane_client::{Change, Client, v1};

use crate::harness::{Setup, fresh};

#[tokio::test]
async fn watch_resumes_after_server_is_killed() {
    let mut lab = Setup::default().with("STOREPLANE_LEASE_SECONDS", "3").start().await;
    let id = fresh("client");
    let token = lab.database.token("default", "operator").await;
    let client = Client::connect(&lab.server.address().to_string(), &token).unwrap();
    let store = v1::Store { display_name: "Tea".into(), admin_email: "a@b.co".into(), ..v1::Store::default() };
    client.create_store(&id, store.clone()).await.unwrap();
    let again = client.create_store(&id, store).await.unwrap_err();
    assert_eq!(again.reason().as_deref(), Some("STORE_ALREADY_EXISTS"));

    let mut watch = client.watch_until_settled(&id, 0);
    let (mut sequences, mut killed, mut caught_up) = (Vec::new(), false, 0);
    let reading = async {
        while let Some(change) = watch.next().await {
            match change.unwrap() {
                Change::Event(event, _) => sequences.push(event.sequence),
                Change::CaughtUp => caught_up += 1,
                Change::Snapshot(_) => {}
            }
            if sequences.len() == 4 && !killed {
                killed = true;
                lab.server.kill9();
                lab.server.restart().await;
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(2), reading).await.expect("the watch ends");

    let store = client.wait_settled(&id, Duration::from_mins(1)).await.unwrap();
    assert_eq!(store.state(), v1::StoreState::Ready);
    assert_eq!(sequences, (1..=store.last_sequence).collect::<Vec<_>>());
    assert_eq!((killed, caught_up), (true, 1));
    client.delete_store(&id).await.unwrap();
    assert_eq!(client.wait_settled(&id, Duration::from_mins(2)).await.unwrap().state(), v1::StoreState::Deleted);
}

#[tokio::test]
async fn invalid_address_or_request_is_reported() {
    assert!(Client::connect("not an address", "t").is_err());
    assert!(Client::connect("http://127.0.0.1:1", "to\nken").is_err());
    let lab = crate::harness::Lab::start().await;
    let token = lab.database.token("default", "operator").await;
    let client = Client::connect(&lab.server.address().to_string(), &token).unwrap();
    let error = client.create_store("UPPER", v1::Store::default()).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("store_id") && text.contains("store.display_name") && text.contains("store.admin_email"),
        "{text}"
    );
}

#[tokio::test]
async fn overview_is_available_through_client() {
    let lab = crate::grpc_raw::edge().await;
    let token = lab.database.token("default", "admin").await;
    let client = Client::connect(&lab.server.address().to_string(), &token).unwrap();
    let id = fresh("client");
    let store = v1::Store { display_name: "Tea".into(), admin_email: "a@b.co".into(), ..v1::Store::default() };
    client.create_store(&id, store).await.unwrap();

    let overview = client.get_overview(Duration::from_hours(1)).await.unwrap();
    assert_eq!(overview.active_operations[0].store_id, id);
    assert!(client.get_overview(Duration::MAX).await.is_err_and(|error| error.to_string().contains("window")));
    assert_eq!(client.list_engines().await.unwrap()[0].name, "woocommerce");
    let filter = format!("target = {id}");
    let wanted = v1::ListAuditEventsRequest { filter, ..v1::ListAuditEventsRequest::default() };
    assert_eq!(client.list_audit_events(wanted).await.unwrap().audit_events[0].action, "CREATE_STORE");
}
