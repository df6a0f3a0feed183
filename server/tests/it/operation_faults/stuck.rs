//! Releases and namespaces in every state in which an interrupted helm or something else may leave them. Each is produced in its
//! natural way: a killed helm, a person with helm, a deleted namespace.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;
use storeplane_core::operation::{OperationKind, Step};
use storeplane_proto::v1::{GetOperationRequest, OperationState, StoreState};

use super::stage::{STRIKES, Stage, Subject};
use crate::harness::{Hold, Intervention, Which, env};

/// Longer than a server takes to learn of a cancellation: it does when it renews its leases, of 3 s.
const LEARNS: Duration = Duration::from_secs(2);

async fn stage() -> Stage {
    Stage::start(&env("STOREPLANE_TEST_DATABASE_URL"), false, Vec::new()).await
}

/// Lets the step continue and kills helm processes of this store, one after another, each after this number of changes.
async fn kill_helms(stage: &Stage, subject: &Subject, hold: &Hold, after_writes: &[usize]) {
    let lines: Vec<_> = after_writes.iter().map(|_| "during killed".to_owned()).collect();
    stage.play_all(subject, &lines);
    for writes in after_writes {
        let mut set = stage.gate.set(&subject.namespace(), Which::Write(*writes), Intervention::Hold);
        hold.release();
        assert!(set.applied(STRIKES).await, "helm came to where it is killed");
        // The response that helm waits for is released only when helm is dead, or a fast one would finish.
        stage.kill_acting_helm(subject).await;
        set.release();
    }
}

/// Starts an operation whose helm processes are killed; returns the store's state and events.
async fn with_killed_helms(
    stage: &Stage,
    subject: &mut Subject,
    kind: OperationKind,
    step: Step,
    after_writes: &[usize],
) -> (StoreState, String) {
    let hold = stage.control.hold(&subject.id, step, "before");
    stage.begin(subject, kind).await.unwrap();
    hold.reached().await.unwrap();
    kill_helms(stage, subject, &hold, after_writes).await;
    let (store, seen) = stage.api().settle(&subject.id).await;
    (store.state(), seen.text())
}

async fn is_deployed(stage: &Stage, subject: &Subject) {
    stage.lab.kubernetes.assert_installed(&subject.id).await;
    stage.lab.database.assert_sound().await;
    stage.lab.kubernetes.drop_namespace(&subject.namespace()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_release_of_killed_helm_is_repaired_with_event() {
    let stage = stage().await;
    let mut subject = stage.prepare(OperationKind::Create, false).await.unwrap();
    let (end, events) = with_killed_helms(&stage, &mut subject, OperationKind::Create, Step::Install, &[2]).await;
    assert_eq!(end, StoreState::Ready, "{events}");
    assert!(events.contains("was left pending-install; it is removed"), "{events}");
    is_deployed(&stage, &subject).await;

    // An upgrade is killed, and then the rollback that repairs it.
    let mut subject = stage.prepare(OperationKind::Retry, false).await.unwrap();
    let (end, events) = with_killed_helms(&stage, &mut subject, OperationKind::Retry, Step::Install, &[1, 1]).await;
    assert_eq!(end, StoreState::Ready, "{events}");
    assert!(events.contains("was left pending-upgrade; it is"), "{events}");
    assert!(events.contains("was left pending-rollback; it is"), "{events}");
    is_deployed(&stage, &subject).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_retry_of_a_ready_store_does_not_stop_helm() {
    let stage = stage().await;
    let mut subject = stage.prepare(OperationKind::Retry, true).await.unwrap();
    let hold = stage.control.hold(&subject.id, Step::Install, "before");
    stage.begin(&mut subject, OperationKind::Retry).await.unwrap();
    hold.reached().await.unwrap();
    let mut set = stage.gate.set(&subject.namespace(), Which::Write(1), Intervention::Hold);
    hold.release();
    assert!(set.applied(STRIKES).await, "helm came to where its operation is cancelled");
    stage.cancel(&mut subject).await.unwrap();
    tokio::time::sleep(LEARNS).await;
    set.release();

    let (store, seen) = stage.api().settle(&subject.id).await;

    assert_eq!(store.state(), StoreState::Ready, "{}", seen.text());
    let request = GetOperationRequest { operation_id: store.operation };
    let operation = stage.api().operations.clone().get_operation(request).await.unwrap().into_inner();
    assert_eq!(operation.state(), OperationState::Cancelled, "{}", seen.text());
    is_deployed(&stage, &subject).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_rotation_restarts_the_pods_whose_secrets_it_replaced() {
    let stage = stage().await;
    let mut subject = stage.prepare(OperationKind::RotateCredentials, true).await.unwrap();
    let hold = stage.control.hold(&subject.id, Step::Rollout, "before");
    stage.begin(&mut subject, OperationKind::RotateCredentials).await.unwrap();
    hold.reached().await.unwrap();
    stage.cancel(&mut subject).await.unwrap();
    hold.release();

    let (store, seen) = stage.api().settle(&subject.id).await;

    assert!(matches!(store.state(), StoreState::Ready | StoreState::Degraded), "{}", seen.text());
    let client = stage.lab.kubernetes.cluster.client().await.unwrap();
    let all = Api::<Deployment>::namespaced(client, &subject.namespace()).list(&ListParams::default()).await.unwrap();
    assert!(!all.items.is_empty());
    for workload in all {
        let template = workload.spec.template.metadata.unwrap_or_default();
        let annotations = template.annotations.unwrap_or_default();
        assert!(annotations.contains_key("storeplane.io/secrets-since"), "{annotations:?}");
    }
    stage.lab.database.assert_sound().await;
    stage.lab.kubernetes.drop_namespace(&subject.namespace()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partly_uninstalled_release_is_uninstalled() {
    let stage = stage().await;
    let mut subject = stage.prepare(OperationKind::Delete, true).await.unwrap();
    // The first change is the fence, the second is helm's record of the start.
    let (end, events) = with_killed_helms(&stage, &mut subject, OperationKind::Delete, Step::Uninstall, &[3]).await;
    assert_eq!(end, StoreState::Deleted, "{events}");
    stage.lab.kubernetes.assert_gone(&subject.id).await;
    stage.lab.database.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_release_with_our_name_is_refused_and_unchanged() {
    let stage = stage().await;
    let mut subject = stage.prepare(OperationKind::Create, false).await.unwrap();
    let namespace = subject.namespace();
    let hold = stage.control.hold(&subject.id, Step::Install, "before");
    stage.begin(&mut subject, OperationKind::Create).await.unwrap();
    hold.reached().await.unwrap();
    helm(&["install", &namespace, "--set", "store.displayName=theirs", &stage.chart(), "--namespace", &namespace]);
    hold.release();

    let (store, seen) = stage.api().settle(&subject.id).await;

    assert_eq!((store.state(), store.reason.as_str()), (StoreState::Failed, "NOT_OURS"), "{}", seen.text());
    assert!(store.details.join("\n").contains(&format!("helm uninstall {namespace} -n {namespace}")), "{store:?}");
    assert_eq!(stage.lab.kubernetes.releases(&namespace).await, [format!("{namespace} deployed")]);
    let texts = stage.lab.kubernetes.configuration(&namespace).await;
    assert!(texts.contains(&"theirs".to_owned()), "it is unchanged: {texts:?}");

    helm(&["uninstall", &namespace, "--namespace", &namespace]);
    stage.begin(&mut subject, OperationKind::Retry).await.unwrap();
    assert_eq!(stage.settle(&subject).await.unwrap().state(), StoreState::Ready);
    is_deployed(&stage, &subject).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn namespace_deleted_during_creation_fails_it_with_that_cause() {
    let stage = stage().await;
    let mut subject = stage.prepare(OperationKind::Create, false).await.unwrap();
    let hold = stage.control.hold(&subject.id, Step::Install, "before");
    stage.begin(&mut subject, OperationKind::Create).await.unwrap();
    hold.reached().await.unwrap();
    stage.lab.kubernetes.drop_namespace(&subject.namespace()).await;
    hold.release();

    let (store, seen) = stage.api().settle(&subject.id).await;

    // Whether helm ran before or after the deletion.
    if store.state() != StoreState::Ready {
        assert_eq!((store.state(), store.reason.as_str()), (StoreState::Failed, "CREATION_REFUSED"), "{}", seen.text());
        let causes = ["the namespace is being deleted", "the namespace does not exist"];
        assert!(causes.iter().any(|cause| store.message.contains(cause)), "{}", store.message);
        stage.begin(&mut subject, OperationKind::Retry).await.unwrap();
        assert_eq!(stage.settle(&subject).await.unwrap().state(), StoreState::Ready);
    }
    is_deployed(&stage, &subject).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn namespace_blocked_by_finalizer_names_it_and_is_deleted_afterwards() {
    let stage = stage().await;
    let mut subject = stage.prepare(OperationKind::Delete, true).await.unwrap();
    let maps: Api<ConfigMap> =
        Api::namespaced(stage.lab.kubernetes.cluster.client().await.unwrap(), &subject.namespace());
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.com/keep"]}});
    maps.create(&PostParams::default(), &serde_json::from_value(held).unwrap()).await.unwrap();

    stage.begin(&mut subject, OperationKind::Delete).await.unwrap();
    stage.api().until_told(&subject.id, "WAITING NAMESPACE_GONE").await;
    let waiting = stage.api().get(&subject.id).await.unwrap();

    assert_eq!((waiting.state(), waiting.reason.as_str()), (StoreState::Deleting, "NAMESPACE_STUCK"));
    assert!(waiting.details.join("\n").contains("example.com/keep"), "{waiting:?}");
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    maps.patch("held", &PatchParams::default(), &free).await.unwrap();
    assert_eq!(stage.settle(&subject).await.unwrap().state(), StoreState::Deleted);
    stage.lab.kubernetes.assert_gone(&subject.id).await;
    stage.lab.database.assert_sound().await;
}

fn helm(words: &[&str]) {
    let output = std::process::Command::new(env("STOREPLANE_TEST_HELM3"))
        .args(words)
        .env("KUBECONFIG", env("STOREPLANE_TEST_KUBECONFIG"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
