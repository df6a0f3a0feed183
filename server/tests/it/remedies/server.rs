//! Reasons that are produced and cured at the server: helm, permissions, disk, time.

use std::time::Duration;

use storeplane_core::failure::Reason;
use storeplane_core::operation::Step;
use storeplane_proto::v1::StoreState;

use super::stage::{Stage, charts, fails, script, shows, until, wanted};
use crate::harness::{Gateway, Lab, Setup, env, fresh};

pub(super) async fn helm_fails_for_an_unknown_cause(stage: &Stage, reason: Reason) {
    let id = Stage::id(reason);
    stage.helm_fails(&id, true);
    stage.create(&id, reason).await;
    let store = stage.fails(&id, reason).await;
    assert!(store.details.join("\n").contains("the moon is full"), "{store:?}");
    stage.helm_fails(&id, false);
    stage.retry(&id, reason).await;
}

/// The operation's first claim is dated back while its first step is paused.
pub(super) async fn time_is_up(stage: &Stage, reason: Reason) {
    let id = Stage::id(reason);
    let hold = stage.control.hold(&id, Step::Namespace, "before");
    let store = stage.create(&id, reason).await;
    hold.reached().await.unwrap();
    let operation = store.operation.rsplit('/').next().unwrap();
    let sql =
        format!("UPDATE operations SET started_at = started_at - interval '1 day' WHERE id::text = '{operation}'");
    stage.lab.database.execute(&sql).await;
    hold.release();
    stage.fails(&id, reason).await;
    stage.retry(&id, reason).await;
}

async fn becomes_ready(lab: &Lab, id: &str, reason: Reason) {
    until(&lab.api, id, reason, |store| store.state() == StoreState::Ready).await;
    lab.api.delete(id).await.unwrap();
}

async fn fails_until_retried(lab: &Lab, reason: Reason, produce: impl FnOnce(), cure: impl FnOnce()) {
    let id = fresh("server");
    produce();
    lab.api.create(wanted(&id, None)).await.unwrap();
    fails(&lab.api, &id, reason).await;
    cure();
    lab.api.retry(&id).await.unwrap();
    becomes_ready(lab, &id, reason).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn server_reasons_are_cured_by_their_remedies() {
    let (dir, gateway) = (tempfile::tempdir().unwrap(), Gateway::open().await);
    let (helm, real) = (dir.path().join("helm"), env("STOREPLANE_TEST_HELM3"));
    let good = || script(&helm, &format!("#!/bin/sh\nexec '{real}' \"$@\"\n"));
    let setup =
        Setup { helm: helm.to_str().unwrap().to_owned(), kubeconfig: gateway.kubeconfig.clone(), ..charts(dir.path()) };
    let lab = setup.start().await;

    fails_until_retried(&lab, Reason::HelmMissing, || {}, good).await;
    let old = || script(&helm, "#!/bin/sh\necho v2.17.0\n");
    fails_until_retried(&lab, Reason::HelmUnsupported, old, good).await;
    let home = lab.server.dir().join("storeplane-helm");
    let broken = || {
        std::fs::rename(&home, home.with_extension("away")).unwrap();
        std::fs::write(&home, "in the way").unwrap();
    };
    let mended = || std::fs::remove_file(&home).unwrap();
    fails_until_retried(&lab, Reason::Internal, broken, mended).await;
    let forbidden = || gateway.forbid("POST /api/v1/namespaces");
    fails_until_retried(&lab, Reason::ClusterForbidden, forbidden, || gateway.forbid("nothing")).await;

    let id = fresh("server");
    gateway.answer_with(503);
    lab.api.create(wanted(&id, None)).await.unwrap();
    shows(&lab.api, &id, StoreState::Provisioning, Reason::ClusterUnreachable).await;
    gateway.answer_with(0);
    becomes_ready(&lab, &id, Reason::ClusterUnreachable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hanging_helm_is_cured_by_retry() {
    let dir = tempfile::tempdir().unwrap();
    let (helm, real) = (dir.path().join("helm"), env("STOREPLANE_TEST_HELM3"));
    let hangs =
        || script(&helm, &format!("#!/bin/sh\n[ \"$1\" = version ] || exec sleep 1000\nexec '{real}' \"$@\"\n"));
    let good = || script(&helm, &format!("#!/bin/sh\nexec '{real}' \"$@\"\n"));
    let setup = Setup { helm: helm.to_str().unwrap().to_owned(), ..charts(dir.path()) };
    hangs();
    let lab = setup.with("STOREPLANE_HELM_TIMEOUT_SECONDS", "5").start().await;
    fails_until_retried(&lab, Reason::HelmTimeout, hangs, good).await;
}

/// Simulated nodes run nothing, so a server that may not see that they are simulated tests a shop that does not answer. The
/// correction is the permission to see it.
#[tokio::test(flavor = "multi_thread")]
async fn silent_shop_is_cured_by_correcting_it() {
    let (dir, gateway) = (tempfile::tempdir().unwrap(), Gateway::open().await);
    let setup = Setup { kubeconfig: gateway.kubeconfig.clone(), ..charts(dir.path()) };
    let configuration = dir.path().join("storeplane.toml");
    let text = std::fs::read_to_string(&configuration).unwrap();
    std::fs::write(&configuration, text + "shop_silent = \"1s\"\n[verify]\nvia = \"proxy\"\n").unwrap();
    gateway.forbid("GET /api/v1/nodes");
    let lab = setup.start().await;
    let id = fresh("server");
    lab.api.create(wanted(&id, None)).await.unwrap();
    let store = fails(&lab.api, &id, Reason::VerificationFailed).await;
    assert!(store.details.join("\n").contains("request: GET /index.php?rest_route=/wc/store/v1/products"), "{store:?}");
    gateway.forbid("nothing");
    tokio::time::sleep(Duration::from_secs(4)).await;
    // The reconciler may have found it healthy first.
    let _ = lab.api.retry(&id).await;
    becomes_ready(&lab, &id, Reason::VerificationFailed).await;
}
