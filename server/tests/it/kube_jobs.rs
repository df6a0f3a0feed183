//! Jobs from a release's `PodTemplate`s. Nodes are simulated: pods with images of these tests neither start nor end by themselves, so the
//! tests write the status that a kubelet would. The Job controller and the garbage collector are Kubernetes' own.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, PodTemplate, ResourceQuota, Secret};
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use storeplane_core::failure::Reason;
use storeplane_core::ids::OperationId;
use storeplane_server::kube::{
    ClusterError, ClusterErrorKind, JobEnsured, JobFailureCause, JobSpec, JobUpdate, NamespaceSpec,
};
use storeplane_server::secret::SecretText;
use uuid::Uuid;

use crate::kube_support::{SETTLES_WITHIN, cluster, impatient, namespace, plain_client, remove};

/// Pods with such an image are left alone by the simulated nodes.
pub(crate) const IMAGE: &str = "test.invalid/backup:1";

type Updates = BoxStream<'static, Result<JobUpdate, ClusterError>>;

/// A pod template that the restricted Pod Security Standard allows, with these containers.
pub(crate) fn template(name: &str, labels: &Value, containers: &[&str], image: &str) -> PodTemplate {
    let security = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    let container = |name: &&str| json!({"name": name, "image": image, "securityContext": security});
    let spec = json!({
        "containers": containers.iter().map(container).collect::<Vec<_>>(),
        "securityContext": {"runAsNonRoot": true, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "terminationGracePeriodSeconds": 1,
        "volumes": [{"name": "transfer", "secret": {"secretName": name}}],
    });
    let template = json!({"metadata": {"name": name}, "template": {"metadata": {"labels": labels}, "spec": spec}});
    serde_json::from_value(template).expect("a pod template")
}

pub(crate) async fn create_template(namespace: &str, template: &PodTemplate) {
    let templates = Api::<PodTemplate>::namespaced(plain_client().await, namespace);
    templates.create(&PostParams::default(), template).await.expect("a pod template");
}

pub(crate) fn job(store: &NamespaceSpec, template: &str) -> JobSpec {
    let operation = Uuid::now_v7();
    JobSpec {
        name: format!("{template}-{}", operation.simple().to_string().split_off(24)),
        template: template.into(),
        store_uid: store.store_uid,
        operation: OperationId(operation),
        fence: 5,
        deadline: Duration::from_mins(10),
        retries: 0,
        files: BTreeMap::new(),
    }
}

fn backup(store: &NamespaceSpec) -> JobSpec {
    let files = [
        ("recipient", "age1recipient"),
        ("database.urls", "https://storage.example.com/1?signed=a\nhttps://storage.example.com/2?signed=b\n"),
    ];
    let files = files.iter().map(|(name, text)| ((*name).to_owned(), SecretText::new(*text)));
    JobSpec { files: files.collect(), ..job(store, "store-backup") }
}

async fn with_template(image: &str) -> NamespaceSpec {
    let store = namespace(&cluster()).await;
    let template = template("store-backup", &json!({"app": "store-backup"}), &["database", "uploads"], image);
    create_template(&store.name, &template).await;
    store
}

pub(crate) async fn pods_of(namespace: &str, job: &str) -> Vec<Pod> {
    let pods = Api::<Pod>::namespaced(plain_client().await, namespace);
    pods.list(&ListParams::default().labels(&format!("job-name={job}"))).await.expect("pods").items
}

/// The Job's pod that has not ended, once it exists.
pub(crate) async fn current_pod(namespace: &str, job: &str) -> Pod {
    let phase = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.clone());
    let is_current = |pod: &Pod| {
        pod.metadata.deletion_timestamp.is_none() && !matches!(phase(pod).as_deref(), Some("Succeeded" | "Failed"))
    };
    let found = async {
        loop {
            if let Some(pod) = pods_of(namespace, job).await.into_iter().find(is_current) {
                return pod;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SETTLES_WITHIN, found).await.expect("a pod")
}

pub(crate) async fn write_status(namespace: &str, pod: &Pod, status: Value) {
    let name = pod.metadata.name.as_ref().expect("a name");
    let pods = Api::<Pod>::namespaced(plain_client().await, namespace);
    let status = Patch::Merge(json!({"status": status}));
    pods.patch_status(name, &PatchParams::default(), &status).await.expect("a status");
}

/// Writes the status of the Job's pod, as its kubelet would once all containers run and are ready.
pub(crate) async fn run_pod(namespace: &str, job: &str) {
    let pod = current_pod(namespace, job).await;
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let running = |name: &str| json!({"name": name, "image": "i", "imageID": "", "ready": true, "started": true, "restartCount": 0, "state": {"running": {}}});
    let statuses: Vec<_> = containers.map(|container| running(&container.name)).collect();
    let conditions = json!([{"type": "Ready", "status": "True"}]);
    let status = json!({"phase": "Running", "conditions": conditions, "containerStatuses": statuses});
    write_status(namespace, &pod, status).await;
}

/// The same once all containers have ended.
pub(crate) async fn end_pod(namespace: &str, job: &str, phase: &str, ends: &[(&str, i32, &str)]) {
    let pod = current_pod(namespace, job).await;
    let ended = |(name, code, message): &(&str, i32, &str)| {
        let reason = if *code == 0 { "Completed" } else { "Error" };
        json!({"name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": code, "reason": reason, "message": message}}})
    };
    let statuses: Vec<_> = ends.iter().map(ended).collect();
    let conditions = json!([{"type": "Ready", "status": "False"}]);
    let status = json!({"phase": phase, "conditions": conditions, "containerStatuses": statuses});
    write_status(namespace, &pod, status).await;
}

async fn next(updates: &mut Updates) -> JobUpdate {
    let update = tokio::time::timeout(SETTLES_WITHIN, updates.next()).await.expect("in time");
    update.expect("an update").expect("no error")
}

async fn last(updates: &mut Updates) -> JobUpdate {
    let mut last = next(updates).await;
    while let Some(update) = tokio::time::timeout(SETTLES_WITHIN, updates.next()).await.expect("in time") {
        last = update.expect("no error");
    }
    last
}

#[tokio::test]
async fn job_runs_with_its_files_and_succeeds_when_the_test_ends_its_pod() {
    let cluster = cluster();
    let store = with_template(IMAGE).await;
    let spec = backup(&store);
    assert_eq!(cluster.ensure_job(&store.name, &spec).await, Ok(JobEnsured::Created));
    assert_eq!(cluster.ensure_job(&store.name, &spec).await, Ok(JobEnsured::Adopted));
    let jobs = Api::<Job>::namespaced(plain_client().await, &store.name);
    let found = jobs.get(&spec.name).await.expect("the Job");
    let secrets = Api::<Secret>::namespaced(plain_client().await, &store.name);
    let secret = secrets.get(&spec.name).await.expect("its Secret");
    assert_eq!(secret.data.expect("files")["recipient"].0, b"age1recipient");
    assert_eq!(secret.metadata.owner_references.expect("an owner")[0].uid, found.metadata.uid.expect("a uid"));

    let mut updates = cluster.watch_job(&store.name, &spec.name);
    run_pod(&store.name, &spec.name).await;
    assert_eq!(next(&mut updates).await, JobUpdate::Running);
    let volumes = pods_of(&store.name, &spec.name).await[0].spec.clone().and_then(|pod| pod.volumes).expect("volumes");
    assert_eq!(volumes[0].secret.as_ref().and_then(|it| it.secret_name.as_ref()), Some(&spec.name));
    let message = format!("{{\"bytes\":1,\"sha256\":\"{}\"}}", "0a".repeat(32));
    end_pod(&store.name, &spec.name, "Succeeded", &[("database", 0, &message), ("uploads", 0, "")]).await;
    let messages = BTreeMap::from([("database".to_owned(), SecretText::new(message))]);
    assert_eq!(last(&mut updates).await, JobUpdate::Succeeded(messages));

    let ours = cluster.jobs_of(&store.name).await.expect("a listing");
    let ours: Vec<_> = ours.iter().map(|job| (job.name.as_str(), job.operation, job.ended)).collect();
    assert_eq!(ours, [(spec.name.as_str(), spec.operation, true)]);
    remove(&cluster, &store).await;
}

#[tokio::test]
async fn job_of_another_operation_or_with_a_higher_fence_is_not_adopted() {
    let cluster = cluster();
    let store = with_template(IMAGE).await;
    let spec = backup(&store);
    assert_eq!(cluster.ensure_job(&store.name, &spec).await, Ok(JobEnsured::Created));
    let other = JobSpec { operation: OperationId(Uuid::now_v7()), ..spec.clone() };
    let error = cluster.ensure_job(&store.name, &other).await.expect_err("of another operation");
    assert_eq!(error.kind(), ClusterErrorKind::NotOurs);
    let later = JobSpec { fence: 6, ..spec.clone() };
    assert_eq!(cluster.ensure_job(&store.name, &later).await, Ok(JobEnsured::Adopted));
    let error = cluster.ensure_job(&store.name, &spec).await.expect_err("the fence is higher now");
    assert_eq!(error.kind(), ClusterErrorKind::Fenced);
    remove(&cluster, &store).await;
}

#[tokio::test]
async fn interrupted_creation_is_continued_with_the_files_of_the_caller() {
    let cluster = cluster();
    let store = with_template(IMAGE).await;
    let spec = backup(&store);
    assert_eq!(cluster.ensure_job(&store.name, &spec).await, Ok(JobEnsured::Created));
    // As if the caller had been killed before it started the Job.
    let jobs = Api::<Job>::namespaced(plain_client().await, &store.name);
    let suspended = Patch::Merge(json!({"spec": {"suspend": true}}));
    jobs.patch(&spec.name, &PatchParams::default(), &suspended).await.expect("a Job");
    let files = BTreeMap::from([("recipient".to_owned(), SecretText::new("age1another"))]);
    let again = JobSpec { files, ..spec.clone() };
    assert_eq!(cluster.ensure_job(&store.name, &again).await, Ok(JobEnsured::Created));
    let secrets = Api::<Secret>::namespaced(plain_client().await, &store.name);
    let data = secrets.get(&spec.name).await.expect("its Secret").data.expect("files");
    assert_eq!(
        data.iter().map(|(name, text)| (name.as_str(), &*text.0)).collect::<Vec<_>>(),
        [("recipient", &b"age1another"[..])]
    );
    run_pod(&store.name, &spec.name).await;
    assert_eq!(next(&mut cluster.watch_job(&store.name, &spec.name)).await, JobUpdate::Running);
    remove(&cluster, &store).await;
}

#[tokio::test]
async fn job_fails_with_the_exit_codes_that_the_test_writes_and_masked_messages() {
    let cluster = cluster();
    let store = with_template(IMAGE).await;
    let spec = backup(&store);
    assert_eq!(cluster.ensure_job(&store.name, &spec).await, Ok(JobEnsured::Created));
    let mut updates = cluster.watch_job(&store.name, &spec.name);
    run_pod(&store.name, &spec.name).await;
    assert_eq!(next(&mut updates).await, JobUpdate::Running);
    let message = "PUT https://storage.example.com/2?signed=b: 403";
    end_pod(&store.name, &spec.name, "Failed", &[("database", 11, message), ("uploads", 0, "")]).await;
    let JobUpdate::Failed(failure) = last(&mut updates).await else { panic!("it failed") };
    assert_eq!(failure.cause, JobFailureCause::Exit);
    let ends: Vec<_> = failure.containers.iter().map(|end| (end.container.as_str(), end.exit_code)).collect();
    assert_eq!(ends, [("database", 11)]);
    let end = &failure.containers[0];
    assert_eq!((end.reason.as_str(), end.message.as_str()), ("Error", "PUT ***: 403"));
    remove(&cluster, &store).await;
}

#[tokio::test]
async fn job_beyond_its_deadline_fails_for_that_reason() {
    let cluster = cluster();
    let store = with_template(IMAGE).await;
    let spec = JobSpec { deadline: Duration::from_secs(2), ..backup(&store) };
    assert_eq!(cluster.ensure_job(&store.name, &spec).await, Ok(JobEnsured::Created));
    let JobUpdate::Failed(failure) = last(&mut cluster.watch_job(&store.name, &spec.name)).await else {
        panic!("late")
    };
    assert_eq!((failure.cause, failure.message.is_empty()), (JobFailureCause::Deadline, false));
    remove(&cluster, &store).await;
}

#[tokio::test]
async fn deleted_job_takes_its_pods_and_its_secret_with_it() {
    let cluster = cluster();
    let store = with_template(IMAGE).await;
    let spec = backup(&store);
    assert_eq!(cluster.ensure_job(&store.name, &spec).await, Ok(JobEnsured::Created));
    let mut updates = cluster.watch_job(&store.name, &spec.name);
    run_pod(&store.name, &spec.name).await;
    assert_eq!(next(&mut updates).await, JobUpdate::Running);
    assert_eq!(cluster.delete_job(&store.name, &spec.name, Some(Duration::from_mins(1))).await, Ok(()));
    assert_eq!(pods_of(&store.name, &spec.name).await, []);
    assert_eq!(last(&mut updates).await, JobUpdate::Gone);
    assert_eq!(cluster.jobs_of(&store.name).await, Ok(Vec::new()));
    let secrets = Api::<Secret>::namespaced(plain_client().await, &store.name);
    let collected = async {
        while secrets.get_opt(&spec.name).await.expect("an answer").is_some() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SETTLES_WITHIN, collected).await.expect("its Secret is collected");
    assert_eq!(cluster.delete_job(&store.name, &spec.name, None).await, Ok(()), "it does not exist any more");
    remove(&cluster, &store).await;
}

#[tokio::test]
async fn missing_pod_template_is_named() {
    let cluster = cluster();
    let store = namespace(&cluster).await;
    let error = cluster.ensure_job(&store.name, &backup(&store)).await.expect_err("no template");
    assert_eq!(error.kind(), ClusterErrorKind::NotFound);
    assert!(!error.retryable());
    assert!(
        error.to_string().contains("the pod template store-backup") && error.to_string().contains("retry the store"),
        "{error}"
    );
    assert_eq!(cluster.jobs_of(&store.name).await, Ok(Vec::new()));
    remove(&cluster, &store).await;
}

#[tokio::test]
async fn exceeded_quota_and_missing_image_are_reported_once_and_block_the_job() {
    let cluster = impatient();
    let store = with_template(IMAGE).await;
    let quota: ResourceQuota =
        serde_json::from_value(json!({"metadata": {"name": "store"}, "spec": {"hard": {"pods": "0"}}}))
            .expect("a quota");
    let quotas = Api::<ResourceQuota>::namespaced(plain_client().await, &store.name);
    quotas.create(&PostParams::default(), &quota).await.expect("a quota");
    let spec = backup(&store);
    assert_eq!(cluster.ensure_job(&store.name, &spec).await, Ok(JobEnsured::Created));
    let mut updates = cluster.watch_job(&store.name, &spec.name);
    let JobUpdate::Waiting(failure) = next(&mut updates).await else { panic!("it waits") };
    assert_eq!(failure.reason, Reason::QuotaExceeded, "{failure:?}");
    assert!(failure.message.starts_with(&format!("Job {} cannot create its pods", spec.name)), "{failure:?}");
    let JobUpdate::Blocked(failure) = last(&mut updates).await else { panic!("it is blocked") };
    assert_eq!(failure.reason, Reason::QuotaExceeded, "{failure:?}");
    remove(&cluster, &store).await;

    let store = with_template("missing.invalid/backup:1").await;
    let spec = backup(&store);
    assert_eq!(cluster.ensure_job(&store.name, &spec).await, Ok(JobEnsured::Created));
    let update = next(&mut cluster.watch_job(&store.name, &spec.name)).await;
    let JobUpdate::Waiting(failure) = update else { panic!("it waits: {update:?}") };
    assert_eq!(failure.reason, Reason::ImagePullFailed, "{failure:?}");
    remove(&cluster, &store).await;
}
