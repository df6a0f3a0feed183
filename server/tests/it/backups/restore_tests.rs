//! Test restores: a backup of each tenant is restored into a store of its own, which is tested and then deleted.

use std::sync::Arc;

use storeplane_core::ids::{RESTORE_TEST_TENANT as TENANT, StoreUid};
use storeplane_proto::v1::{Backup, ListAuditEventsRequest, ListStoresRequest, RestoreTestState};
use storeplane_server::config::{Config, Overrides};
use storeplane_server::postgres::{self, RestoreTests};
use storeplane_server::restore_tests::{Due, RestoreTester};
use storeplane_server::system::RandomIds;
use time::{Duration, OffsetDateTime};

use super::copies::start;
use super::{Stage, complete, create, get, until};
use crate::harness::{JobPlayer, Run, catalog, fresh};

/// The scheduler of another server, with the charts of this one.
async fn tester(stage: &Stage, charts: &std::path::Path) -> RestoreTester {
    let text = std::fs::read_to_string(charts.join("storeplane.toml")).expect("a configuration");
    let dir = Some(charts.display().to_string());
    let config = Config::parse(&text, &Overrides { charts_dir: dir, ..Overrides::default() });
    let config = config.expect("a configuration");
    let catalog = catalog(&config).await;
    let pool = postgres::connect(&stage.lab.database.url, 2).expect("a pool");
    let tests = RestoreTests::new(pool, catalog, "localhost".into(), Arc::new(RandomIds));
    RestoreTester { tests, every: Some(Duration::WEEK), max_running: 1 }
}

async fn round(tester: &RestoreTester) {
    Box::pin(tester.round(&mut Due::default(), OffsetDateTime::now_utc())).await.expect("a round");
}

/// The backup after the test that has begun, and nothing is left of its store.
async fn tested(stage: &Stage, tester: &RestoreTester, backup: &Backup) -> Backup {
    let test = get(stage.api(), &backup.backup_id).await.expect("the backup").restore_test.expect("it has begun");
    assert_eq!(test.state(), RestoreTestState::Running);
    let of_test = format!("FROM stores WHERE tenant = '{TENANT}' AND state <> 'DELETED'");
    until("the test is over", async || {
        round(tester).await;
        stage.lab.database.value(&format!("SELECT count(*) {of_test}")).await == "0"
    })
    .await;
    get(stage.api(), &backup.backup_id).await.expect("the backup")
}

async fn state_of_test(stage: &Stage) -> String {
    stage.lab.database.value(&format!("SELECT state FROM stores WHERE tenant = '{TENANT}'")).await
}

async fn namespace_of_test(stage: &Stage) -> String {
    let namespace = format!("SELECT namespace FROM stores WHERE tenant = '{TENANT}' AND state <> 'DELETED'");
    stage.lab.database.value(&namespace).await
}

#[tokio::test]
async fn backup_is_restored_tested_and_the_store_deleted() {
    let (stage, charts, _gateway) = start().await;
    let (api, store) = (stage.api(), stage.api().ready(&fresh("tested")).await);
    let making = JobPlayer::start(&store.namespace, &[Run::Succeeds]).await;
    let old = complete(api, &create(api, &store).await).await;
    let newest = complete(api, &create(api, &store).await).await;
    let tester = tester(&stage, charts.path()).await;

    tokio::join!(round(&tester), round(&tester));
    let namespace = namespace_of_test(&stage).await;
    assert!(namespace.ends_with(&format!("--{TENANT}")), "one store: {namespace}");
    let restoring = JobPlayer::start(&namespace, &[Run::Succeeds]).await;
    until("the shop is ready", async || state_of_test(&stage).await == "READY").await;
    let uid = stage.lab.database.value(&format!("SELECT uid FROM stores WHERE tenant = '{TENANT}'")).await;
    tester.tests.delete(StoreUid(uid.parse().expect("a uid")), OffsetDateTime::now_utc()).await.expect("nothing to do");
    assert_eq!(state_of_test(&stage).await, "READY", "its result is recorded first");
    let passed = tested(&stage, &tester, &newest).await;
    let test = passed.restore_test.expect("a result");
    assert_eq!((test.state(), test.reason.as_str()), (RestoreTestState::Passed, ""), "{}", test.message);
    assert!(test.end_time.is_some(), "{test:?}");
    assert_eq!(restoring.played()[0].sources, making.played()[1].sources, "the newest backup was restored");
    assert!(!stage.lab.kubernetes.has_namespace(&namespace).await, "nothing is left");
    assert_eq!(get(api, &old.backup_id).await.expect("the backup").restore_test, None, "one backup of a tenant");
    round(&tester).await;
    assert_eq!(get(api, &old.backup_id).await.expect("the backup").restore_test, None, "not before a week is over");

    let listed = api.stores.clone().list_stores(ListStoresRequest::default()).await.expect("stores").into_inner();
    assert_eq!(listed.stores.len(), 1, "callers see their own stores only");
    let filter = "action = TEST_RESTORE".to_owned();
    let request = ListAuditEventsRequest { filter, ..ListAuditEventsRequest::default() };
    let records = api.audit.clone().list_audit_events(request).await.expect("records").into_inner().audit_events;
    assert_eq!(records.iter().map(|it| it.target.as_str()).collect::<Vec<_>>(), [newest.backup_id.as_str()]);
    let seen = super::events(api, &store.store_id).await;
    assert!(seen.contains("RESTORE_TESTED"), "{seen}");
    stage.delete(&store).await;
    stage.lab.database.assert_sound().await;
}

#[tokio::test]
async fn backup_that_cannot_be_restored_fails_its_test() {
    let (stage, charts, _gateway) = start().await;
    let (api, store) = (stage.api(), stage.api().ready(&fresh("tested")).await);
    let _making = JobPlayer::start(&store.namespace, &[Run::Succeeds]).await;
    let backup = complete(api, &create(api, &store).await).await;
    stage.delete(&store).await;
    api.settle(&store.store_id).await;
    let tester = tester(&stage, charts.path()).await;
    round(&tester).await;
    let damaged = Run::Exits("database", 31, "the checksum differs");
    let _restoring = JobPlayer::start(&namespace_of_test(&stage).await, &[damaged]).await;
    let failed = tested(&stage, &tester, &backup).await;
    let test = failed.restore_test.expect("a result");
    assert_eq!(
        (test.state(), test.reason.as_str()),
        (RestoreTestState::Failed, "BACKUP_CORRUPTED"),
        "{}",
        test.message
    );
    stage.lab.database.assert_sound().await;
}
