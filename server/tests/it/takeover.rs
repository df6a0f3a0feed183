//! How soon another server continues a lost server's work: the figures are printed. With the usual lease of 15 s.

use std::time::{Duration, Instant};

use futures::future::join_all;
use storeplane_core::operation::OperationKind;
use storeplane_proto::v1::StoreState;

use crate::harness::{Api, Failpoints, Hold, Lab, Server, Setup, fresh, print_line, signal};

/// The lease, the margin after it, and the time of a claim: 16 s. A busy machine has twice that.
const AFTER_DEATH: Duration = Duration::from_secs(32);
/// On a busy machine; on an idle one it is well under a second.
const AFTER_STOP: Duration = Duration::from_secs(10);

/// A server that holds one operation in each step of a creation, and another one that is idle.
struct Scene {
    lab: Lab,
    other: Server,
    beside: Api,
    stores: Vec<(String, Hold)>,
    control: Failpoints,
}

async fn scene() -> Scene {
    let control = Failpoints::new();
    let setup = Setup::small().with("FAILPOINTS", control.failpoints());
    let lab = setup.clone().start().await;
    let mut stores = Vec::new();
    for step in OperationKind::Create.steps() {
        let id = fresh("takeover");
        stores.push((id.clone(), control.hold(&id, *step, "before")));
        lab.api.create(Api::wanted(&id)).await.unwrap();
    }
    for (_, hold) in &stores {
        hold.reached().await.unwrap();
    }
    let other = Server::start(&setup, &lab.database).await;
    let beside = Api::connect(other.address(), &lab.database.token("default", "operator").await);
    Scene { lab, other, beside, stores, control }
}

/// The number of resumed operations, and when the last one was resumed. An operation whose last step had just ended may have finished before.
async fn taken_up(scene: &Scene, since: Instant) -> (usize, Duration) {
    let resumed = scene.stores.iter().map(|(id, _)| async {
        tokio::select! {
            _ = scene.beside.until_told(id, "OPERATION_RESUMED") => Some(since.elapsed()),
            _ = scene.beside.settle(id) => None,
        }
    });
    let times: Vec<_> = join_all(resumed).await.into_iter().flatten().collect();
    (times.len(), times.into_iter().max().unwrap_or_default())
}

async fn end(scene: Scene) {
    for (id, _) in &scene.stores {
        assert_eq!(scene.beside.settle(id).await.0.state(), StoreState::Ready);
        scene.lab.kubernetes.assert_installed(id).await;
        scene.lab.kubernetes.drop_namespace(&format!("store-{id}")).await;
    }
    scene.lab.database.assert_sound().await;
    drop((scene.other, scene.control));
}

#[tokio::test]
async fn killed_servers_operations_continue_elsewhere_within_20_s() {
    let mut scene = scene().await;
    let killed = Instant::now();
    scene.lab.server.kill9();
    let (count, took) = taken_up(&scene, killed).await;
    print_line(&format!(
        "takeover: {:.1} s from kill -9 until {count} operations, one in each step, went on elsewhere",
        took.as_secs_f64()
    ));
    assert!(count == scene.stores.len() && took < AFTER_DEATH, "{count} in {took:?}");
    end(scene).await;
}

#[tokio::test]
async fn stopped_servers_operations_continue_elsewhere_immediately() {
    let mut scene = scene().await;
    let stopped = Instant::now();
    signal(scene.lab.server.pid(), "TERM");
    scene.stores.iter().for_each(|(_, hold)| hold.release());
    let (count, took) = taken_up(&scene, stopped).await;
    scene.lab.server.terminate().await;
    print_line(&format!(
        "takeover: {:.2} s from SIGTERM until {count} operations went on elsewhere",
        took.as_secs_f64()
    ));
    assert!(count > 2 && took < AFTER_STOP, "{count} in {took:?}");
    end(scene).await;
}
