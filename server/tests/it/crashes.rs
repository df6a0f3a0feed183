//! kill -9 at the worst moments.

use storeplane_proto::v1::StoreState;

use crate::harness::{Api, Lab, Setup, fresh, signal};

/// A short lease, so that the tests do not wait long.
fn quick() -> Setup {
    Setup::default().with("STOREPLANE_LEASE_SECONDS", "3")
}

async fn five_creates(lab: &Lab) -> Vec<String> {
    let ids: Vec<_> = (0..5).map(|n| fresh(&format!("crash{n}"))).collect();
    for created in futures::future::join_all(ids.iter().map(|id| lab.api.create(Api::wanted(id)))).await {
        created.unwrap();
    }
    lab.api.until_told(&ids[0], "STEP_STARTED INSTALL").await;
    ids
}

async fn assert_all_ready(lab: &Lab, ids: &[String]) {
    for (store, seen) in futures::future::join_all(ids.iter().map(|id| lab.api.settle(id))).await {
        assert_eq!(store.state(), StoreState::Ready, "{}", seen.text());
        assert_eq!(seen.sequences(), (1..=store.last_sequence).collect::<Vec<_>>());
    }
    for id in ids {
        lab.kubernetes.assert_installed(id).await;
    }
    lab.database.assert_sound().await;
    for id in ids {
        lab.api.delete(id).await.unwrap();
    }
    for id in ids {
        assert_eq!(lab.api.settle(id).await.0.state(), StoreState::Deleted);
    }
}

#[tokio::test]
async fn restarted_server_continues_after_kill() {
    let mut lab = quick().start().await;
    let ids = five_creates(&lab).await;
    lab.server.kill9();
    lab.server.restart().await;
    assert_all_ready(&lab, &ids).await;
}

#[tokio::test]
async fn restarted_server_continues_after_kill_with_its_helm_processes() {
    let mut lab = quick().start().await;
    let ids = five_creates(&lab).await;
    let helpers = lab.server.helpers();
    lab.server.kill9();
    for pid in helpers {
        signal(pid, "KILL");
    }
    lab.server.restart().await;
    assert_all_ready(&lab, &ids).await;
}

#[tokio::test]
async fn killed_helm_process_is_retried() {
    let lab = quick().start().await;
    let ids = five_creates(&lab).await;
    for pid in lab.server.helpers() {
        signal(pid, "KILL");
    }
    assert_all_ready(&lab, &ids).await;
}

#[tokio::test]
async fn helm_ends_when_its_server_is_killed() {
    let mut lab = quick().start().await;
    five_creates(&lab).await;
    let helpers = lab.server.helpers();
    lab.server.kill9();
    for _ in 0..600 {
        if helpers.iter().all(|pid| !std::path::Path::new(&format!("/proc/{pid}/cmdline")).exists() || is_dead(*pid)) {
            lab.server.restart().await;
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("helm processes outlive their server by a minute");
}

fn is_dead(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

#[tokio::test]
async fn stopping_server_hands_over_operations_immediately() {
    // With the usual lease of 15 s: without its release, the second server would have to wait.
    let mut lab = Setup::default().start().await;
    let id = fresh("hand");
    lab.api.create(Api::wanted(&id)).await.unwrap();
    lab.api.until_told(&id, "STEP_STARTED INSTALL").await;

    lab.server.terminate().await;
    let held = lab.database.value("SELECT count(*) FROM operations WHERE lease_owner IS NOT NULL").await;

    assert_eq!(held, "0");
    lab.server.restart().await;
    assert_all_ready(&lab, &[id]).await;
}

#[tokio::test]
async fn two_servers_on_one_database_share_the_work() {
    let lab = quick().start().await;
    let mut second = crate::harness::Server::start(&quick(), &lab.database).await;
    let ids = five_creates(&lab).await;
    second.kill9();
    assert_all_ready(&lab, &ids).await;
}
