//! Open watches: whose events they show, and how long their token is valid.

use storeplane_core::identity::{Caller, Role};
use storeplane_core::ids::TokenId;
use storeplane_proto::v1::WatchStoreRequest;
use storeplane_proto::v1::watch_store_response::Update;
use storeplane_server::postgres::Verified;

use crate::grpc_raw::edge;
use crate::harness::{Write, Writer};

const OWN: &str = "default";
const OTHER: &str = "acme";

#[tokio::test]
async fn events_are_checked_one_by_one() {
    let lab = edge().await;
    let writer = Writer::new(&lab.database.url, 2);
    writer.ready("tea", OWN).await;
    writer.write(OWN, "tea", &Write::of(2)).await.unwrap();
    lab.database.execute("UPDATE events SET tenant = 'acme' WHERE sequence = 2").await;
    let wanted = WatchStoreRequest { store_id: "tea".into(), ..WatchStoreRequest::default() };
    let mut watch = lab.api.stores.clone().watch_store(wanted).await.unwrap().into_inner();
    let mut sequences = Vec::new();
    loop {
        match watch.message().await.unwrap().unwrap().update {
            Some(Update::Event(event)) => sequences.push(event.sequence),
            Some(Update::CaughtUp(_)) if sequences.last() == Some(&3) => break,
            _ => {}
        }
    }
    assert_eq!(sequences, [1, 3]);
}

/// Open watches ask this every five seconds, and end when it is false.
#[tokio::test]
async fn changed_token_is_no_longer_valid_for_its_watches() {
    let lab = edge().await;
    let (TokenId(id), secret) = lab.database.issue(OWN, Role::PlatformAdmin, "changing").await;
    let caller = async || match lab.database.tokens().verify(&secret).await.unwrap() {
        Verified::Caller(caller) => Some(caller),
        _ => None,
    };
    let own: Caller = caller().await.unwrap();
    let elsewhere = own.clone().acting_in(OTHER.parse().unwrap()).unwrap();
    let valid = || async {
        // Without the cache of an earlier check.
        let tokens = lab.database.tokens();
        let checks = [tokens.recheck(&elsewhere).await.unwrap(), tokens.recheck(&own).await.unwrap()];
        let valid = checks.map(|check| matches!(check, Verified::Caller(_)));
        assert_eq!(caller().await.map(|now| now.access), Some(own.access.clone()), "it was not moved");
        valid
    };
    assert_eq!(valid().await, [true, true]);
    lab.database.execute(&format!("UPDATE tokens SET role = 'admin' WHERE id = '{id}'")).await;
    assert_eq!(valid().await, [false, false]);
    // A role of a newer release permits nothing.
    lab.database.execute("ALTER TABLE tokens DROP CONSTRAINT tokens_role_check").await;
    lab.database.execute(&format!("UPDATE tokens SET role = 'owner' WHERE id = '{id}'")).await;
    let tokens = lab.database.tokens();
    assert_eq!(tokens.recheck(&own).await.unwrap(), Verified::Unknown);
    assert_eq!(tokens.verify(&secret).await.unwrap(), Verified::Unknown);
    assert!(tokens.all().await.unwrap().iter().all(|token| token.id != TokenId(id)));
}
