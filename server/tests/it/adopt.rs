//! `adopt`: stores whose rows are missing after a restore of an older backup.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use sqlx::{Connection as _, Executor as _};
use storeplane_proto::v1::{GetStoreRequest, ListAuditEventsRequest, Store, StoreState};

use crate::harness::{Account, Kubernetes, Lab, Setup, charts, fresh};

fn adopt(lab: &Lab, instance: &str, arguments: &[&str]) -> Output {
    command(lab, instance, arguments).output().unwrap()
}

fn command(lab: &Lab, instance: &str, arguments: &[&str]) -> Command {
    let account = account();
    let configuration = charts().join("../server/tests/it/harness/charts/storeplane.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_storeplane-server"));
    command
        .arg("adopt")
        .args(arguments)
        .env_clear()
        .env("DATABASE_URL", &lab.database.url)
        .envs(account.settings)
        .env("STOREPLANE_CONFIG", &configuration)
        .env("STOREPLANE_CHARTS_DIR", configuration.parent().unwrap())
        .env("STOREPLANE_INSTANCE", instance);
    command
}

/// Adopts while a creation in the tenant is in progress, for which it waits.
async fn adopt_beside_a_creation(lab: &Lab, instance: &str) -> Output {
    let mut creation = sqlx::PgConnection::connect(&lab.database.url).await.unwrap();
    let lock = "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('storeplane-stores-of-default', 0))";
    creation.execute(lock).await.unwrap();
    let mut adopting = command(lab, instance, &["--apply"]);
    let mut adopting = adopting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    while lab.database.value(waiting).await == "0" {
        assert_eq!(adopting.try_wait().unwrap(), None, "it waits");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(lab.database.value("SELECT count(*) FROM stores").await, "0");
    creation.execute("COMMIT").await.unwrap();
    adopting.wait_with_output().unwrap()
}

fn account() -> Account {
    Account::of("it-adopt")
}

fn accepted(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The problems of a refused adoption.
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let all = [output.stdout.clone(), output.stderr.clone()].concat();
    String::from_utf8(all).unwrap()
}

/// What must be equal before and after.
fn identity(store: &Store) -> [&str; 9] {
    let Store { store_id, uid, display_name, engine, plan, admin_email, host, namespace, .. } = store;
    [store_id, uid, display_name, engine, plan, admin_email, host, namespace, &store.shop_url]
}

#[tokio::test]
async fn store_without_row_is_adopted_with_everything_that_is_recorded() {
    let instance = account().instance;
    Kubernetes::of(&instance).drop_all().await;
    let lab = Setup::of(account()).with_small_chart().start().await;
    let id = fresh("lost");
    let store = lab.api.ready(&id).await;
    let (uid, namespace) = (store.uid.as_str(), store.namespace.as_str());
    let all = || adopt(&lab, &instance, &[]);
    let fence = lab.database.value(&format!("SELECT fence FROM stores WHERE uid = '{uid}'")).await;
    assert!(accepted(&all()).contains("belongs to a store"));
    assert!(refused(&adopt(&lab, &instance, &["--namespace", namespace])).contains(&format!("belongs to store {id}")));
    assert!(refused(&adopt(&lab, "other", &["--namespace", namespace])).contains("the control plane"));
    assert!(refused(&adopt(&lab, &instance, &["--namespace", "store-none"])).contains("there is no namespace"));

    // Rows that exclude it.
    lab.database.execute(&format!("UPDATE stores SET state = 'DELETED', deleted_at = now() WHERE uid = '{uid}'")).await;
    assert!(refused(&all()).contains("was deleted according to the database"));
    lab.database.execute("DELETE FROM events; DELETE FROM operations").await;
    lab.database.execute("DELETE FROM revisions").await;
    lab.database.execute("UPDATE stores SET uid = gen_random_uuid(), state = 'FAILED', deleted_at = NULL").await;
    let rival = refused(&adopt(&lab, &instance, &["--apply"]));
    assert!(
        rival.contains(&format!("has the id {id}, the host name {}, the namespace {namespace}", store.host)),
        "{rival}"
    );

    lab.database.execute("DELETE FROM stores").await;
    let planned = accepted(&all());
    for text in [id.as_str(), uid, &store.host, "can be adopted", "state READY", "Nothing was written"] {
        assert!(planned.contains(text), "{text}: {planned}");
    }
    assert_eq!(lab.database.value("SELECT count(*) FROM stores").await, "0");
    let adopted = accepted(&adopt_beside_a_creation(&lab, &instance).await);
    assert!(adopted.contains(": adopted") && !adopted.contains("Nothing was written"), "{adopted}");
    assert!(accepted(&adopt(&lab, &instance, &["--apply"])).contains("belongs to a store"));

    let (again, seen) = lab.api.settle(&id).await;
    assert_eq!((again.state(), identity(&again)), (StoreState::Ready, identity(&store)));
    assert_eq!(seen.types()[..2], ["ADOPTED", "STATE_CHANGED"], "{}", seen.text());
    assert_eq!(seen.sequences()[..2], [1, 2]);
    assert_eq!(lab.database.value(&format!("SELECT fence FROM stores WHERE uid = '{uid}'")).await, fence);
    let request = ListAuditEventsRequest { filter: "action = ADOPT_STORE".into(), ..ListAuditEventsRequest::default() };
    let records = lab.api.audit.clone().list_audit_events(request).await.unwrap().into_inner().audit_events;
    assert_eq!((records.len(), records[0].store_uid.as_str(), records[0].actor.as_str()), (1, uid, "command line"));

    lab.database.assert_sound().await;
    lab.api.delete(&id).await.unwrap();
    assert_eq!(lab.api.settle(&id).await.0.state(), StoreState::Deleted);
    assert!(!lab.kubernetes.has_namespace(namespace).await);
    let request = GetStoreRequest { store_id: id, uid: store.uid.clone() };
    assert!(lab.api.stores.clone().get_store(request).await.is_ok());
}
