//! The administrator's login: returned to authorized callers, audited, and stored nowhere.

use storeplane_proto::v1::{GetStoreCredentialsRequest, StoreCredentials, StoreState};
use tonic::{Code, Response, Status};
use uuid::Uuid;

use crate::harness::{Api, Lab, fresh, reason};

async fn ask(api: &Api, store_id: &str, uid: &str) -> Result<Response<StoreCredentials>, Status> {
    let request = GetStoreCredentialsRequest { store_id: store_id.to_owned(), uid: uid.to_owned() };
    api.stores.clone().get_store_credentials(request).await
}

/// The audit records of such reads, oldest first: outcome, reason, and whether it names the store.
async fn looks(lab: &Lab) -> String {
    let sql = "SELECT string_agg(concat_ws(' ', outcome, nullif(reason, ''), CASE WHEN store IS NULL THEN NULL ELSE 'store' END),
               ', ' ORDER BY at, id) FROM audit_events WHERE action = 'READ_CREDENTIALS'";
    lab.database.value(sql).await
}

#[tokio::test]
async fn credentials_come_from_cluster_and_each_read_is_audited() {
    let lab = Lab::start().await;
    let id = fresh("login");
    let store = lab.api.ready(&id).await;
    let viewer = Api::connect(lab.server.address(), &lab.database.token("default", "viewer").await);
    let operator = Api::connect(lab.server.address(), &lab.database.token("default", "operator").await);
    let stranger = Api::connect(lab.server.address(), &lab.database.token("acme", "admin").await);

    let answer = ask(&operator, &id, &store.uid).await.unwrap();
    assert_eq!(answer.metadata().get("cache-control").unwrap(), "no-store");
    let login = answer.into_inner();
    let secret = lab.kubernetes.cluster.read_secret(&store.namespace, "store-admin", "password").await.unwrap();
    assert_eq!(login.admin_url, store.admin_url);
    let unique = login.username.strip_prefix("admin-").expect("the chart's prefix");
    assert!(unique.len() == 8 && unique.bytes().all(|b| b.is_ascii_alphanumeric()), "{}", login.username);
    assert_eq!(login.password, secret.expect("the Secret exists").expose());
    assert!(!format!("{login:?}").contains(&login.password), "messages with a password do not print it");

    assert_eq!(ask(&viewer, &id, "").await.unwrap_err().code(), Code::PermissionDenied);
    let unknown = ask(&stranger, &id, "").await.unwrap_err();
    assert_eq!((unknown.code(), reason(&unknown).as_str()), (Code::NotFound, "STORE_NOT_FOUND"));
    let other = ask(&operator, &id, &Uuid::now_v7().to_string()).await.unwrap_err();
    assert_eq!(other.code(), Code::NotFound);
    assert_eq!(ask(&operator, "Not An Id", "").await.unwrap_err().code(), Code::InvalidArgument);
    let expected = "ACCEPTED store, DENIED PERMISSION_DENIED, REJECTED STORE_NOT_FOUND, REJECTED STORE_NOT_FOUND, REJECTED INVALID_REQUEST";
    assert_eq!(looks(&lab).await, expected);

    let rows = lab.database.value(
        "SELECT string_agg(t, ' ') FROM (SELECT s::text t FROM stores s UNION ALL SELECT o::text FROM operations o
         UNION ALL SELECT e::text FROM events e UNION ALL SELECT a::text FROM audit_events a) x",
    );
    let (rows, log) = (rows.await, lab.server.log());
    assert!(rows.contains(&id) && log.contains("GetStoreCredentials"), "the test searches the right places");
    assert!(!rows.contains(&login.password) && !log.contains(&login.password), "the password was kept");
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}

#[tokio::test]
async fn rotated_credentials_replace_the_old_ones_and_pods_restart() {
    let lab = Lab::start().await;
    let id = fresh("rotate");
    let store = lab.api.ready(&id).await;
    let before = ask(&lab.api, &id, "").await.unwrap().into_inner();
    let secrets = async || {
        let mut all = Vec::new();
        for (name, key) in [
            ("store-db", "username"),
            ("store-db", "password"),
            ("store-db", "root-password"),
            ("store-salts", "AUTH_SALT"),
        ] {
            let value = lab.kubernetes.cluster.read_secret(&store.namespace, name, key).await.unwrap();
            all.push(value.expect("it exists").expose().to_owned());
        }
        all
    };
    let old = secrets().await;

    let rotating = lab.api.rotate_credentials(&id).await.unwrap();
    assert_eq!(rotating.state(), StoreState::Updating);
    let (after, seen) = lab.api.settle(&id).await;

    let text = seen.text();
    assert_eq!(after.state(), StoreState::Ready, "{text}");
    for workload in ["StatefulSet store-db", "Deployment store"] {
        assert!(text.contains(&format!("{workload} is restarted: its pods are older than their Secrets")), "{text}");
    }
    let login = ask(&lab.api, &id, "").await.unwrap().into_inner();
    assert_eq!(login.username, before.username);
    assert_ne!(login.password, before.password);
    let new = secrets().await;
    assert_eq!(old[0], new[0], "user names are kept");
    assert!(old[1..].iter().zip(&new[1..]).all(|(old, new)| old != new && old.len() == new.len()));
    let log = lab.server.log();
    assert!(
        [&before.password, &login.password].into_iter().chain(&old[1..]).chain(&new[1..]).all(|it| !log.contains(it))
    );
    lab.database.assert_sound().await;
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}

#[tokio::test]
async fn credentials_are_unavailable_without_a_shop() {
    let lab = Lab::start().await;
    let id = fresh("nologin");
    lab.api.create(Api::wanted(&id)).await.unwrap();
    let early = ask(&lab.api, &id, "").await.unwrap_err();
    lab.api.settle(&id).await;
    lab.api.delete(&id).await.unwrap();
    let going = ask(&lab.api, &id, "").await.unwrap_err();
    lab.api.settle(&id).await;
    let gone = ask(&lab.api, &id, "").await.unwrap_err();

    for status in [early, going, gone] {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "CREDENTIALS_UNAVAILABLE"));
    }
    assert_eq!(looks(&lab).await, "REJECTED CREDENTIALS_UNAVAILABLE", "equal refusals are one record");
}

#[tokio::test]
async fn credentials_in_foreign_namespace_are_not_returned() {
    let lab = Lab::start().await;
    let id = fresh("foreign");
    let namespace = format!("store-{id}");
    lab.kubernetes.foreign_namespace(&namespace).await;
    lab.kubernetes.secret(&namespace, "store-admin", &[("username", "them"), ("password", "theirs")]).await;
    lab.api.create(Api::wanted(&id)).await.unwrap();
    let (store, _) = lab.api.settle(&id).await;
    assert_eq!(store.reason, "NOT_OURS");

    let status = ask(&lab.api, &id, "").await.unwrap_err();

    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "CREDENTIALS_UNAVAILABLE"));
    lab.kubernetes.drop_namespace(&namespace).await;
}
