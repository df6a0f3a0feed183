//! Maintenance of a shop: interrupted anywhere and continued. Nodes are simulated: the pods of the page and of the `CronJob` have the status
//! that the tests write, as a kubelet would.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use storeplane_core::engine::Maintenance;
use storeplane_core::failure::Reason;
use storeplane_server::kube::{
    Cluster, ClusterError, JobSpec, MaintenanceChange as Changed, MaintenanceUpdate, NamespaceSpec, RolloutUpdate,
};

use crate::kube_jobs::{IMAGE, create_template, current_pod, end_pod, job, pods_of, run_pod, template};
use crate::kube_support::{SETTLES_WITHIN, cluster, namespace, plain_client, remove, settle};

type Updates = BoxStream<'static, Result<MaintenanceUpdate, ClusterError>>;

struct Shop {
    cluster: Cluster,
    store: NamespaceSpec,
    maintenance: Maintenance,
    page: JobSpec,
}

impl Shop {
    /// A release with two pods of its Deployment, a `CronJob` and the template of its page.
    async fn start() -> Self {
        let cluster = cluster();
        let store = namespace(&cluster).await;
        let page = template("store-maintenance", &json!({"app": "store"}), &["page"], IMAGE);
        create_template(&store.name, &page).await;
        let mut pod = json!({"metadata": {"labels": {"app": "store"}}, "spec": page.template.as_ref().and_then(|it| it.spec.clone())});
        pod["spec"]["volumes"] = json!([]);
        let mut once = pod.clone();
        pod["spec"]["containers"][0]["image"] = json!("example.com/shop:1");
        let metadata = |name: &str| json!({"name": name, "annotations": {"meta.helm.sh/release-name": store.name}});
        let deployment = json!({"metadata": metadata("store"),
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "store"}}, "template": pod}});
        let deployments = Api::<Deployment>::namespaced(plain_client().await, &store.name);
        let deployment = serde_json::from_value(deployment).expect("a Deployment");
        deployments.create(&PostParams::default(), &deployment).await.expect("a Deployment");
        once["spec"]["restartPolicy"] = json!("Never");
        once["metadata"]["labels"] = json!({"app": "store-cron"});
        let cron_job = json!({"metadata": metadata("store-cron"),
            "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": once}}}});
        let cron_jobs = Api::<CronJob>::namespaced(plain_client().await, &store.name);
        let cron_job = serde_json::from_value(cron_job).expect("a CronJob");
        cron_jobs.create(&PostParams::default(), &cron_job).await.expect("a CronJob");
        assert_eq!(settle(&cluster, &store.name, &store.name).await.0, RolloutUpdate::Ready);
        let maintenance = Maintenance {
            template: "store-maintenance".into(),
            deployment: "store".into(),
            cron_job: Some("store-cron".into()),
            service: None,
        };
        let page = job(&store, "store-maintenance");
        Self { cluster, store, maintenance, page }
    }

    fn begin(&self) -> Updates {
        self.cluster.begin_maintenance(&self.store.name, &self.maintenance, self.page.clone())
    }

    fn end(&self) -> Updates {
        self.cluster.end_maintenance(&self.store.name, &self.store.name, &self.maintenance, &self.page.name)
    }

    /// All changes of a maintenance whose page becomes ready.
    async fn offline(&self) -> Vec<Changed> {
        let ((), changes) = tokio::join!(run_pod(&self.store.name, &self.page.name), changes(self.begin()));
        changes
    }

    /// Replicas and whether the `CronJob` is suspended, with what is remembered of each.
    async fn state(&self) -> (Value, Value) {
        let client = plain_client().await;
        let deployment = Api::<Deployment>::namespaced(client.clone(), &self.store.name).get("store").await;
        let deployment = serde_json::to_value(deployment.expect("a Deployment")).expect("JSON");
        let cron_job = Api::<CronJob>::namespaced(client, &self.store.name).get("store-cron").await;
        let cron_job = serde_json::to_value(cron_job.expect("a CronJob")).expect("JSON");
        let remembered = |object: &Value, name: &str| object["metadata"]["annotations"][name].clone();
        (
            json!([
                deployment["spec"]["replicas"],
                remembered(&deployment, "storeplane.io/replicas-before-maintenance")
            ]),
            json!([cron_job["spec"]["suspend"], remembered(&cron_job, "storeplane.io/suspended-before-maintenance")]),
        )
    }

    async fn remove(self) {
        remove(&self.cluster, &self.store).await;
    }
}

async fn next(updates: &mut Updates) -> MaintenanceUpdate {
    let update = tokio::time::timeout(SETTLES_WITHIN, updates.next()).await.expect("in time");
    update.expect("an update").expect("no error")
}

/// All changes until it is done.
async fn changes(mut updates: Updates) -> Vec<Changed> {
    let mut changes = Vec::new();
    loop {
        match next(&mut updates).await {
            MaintenanceUpdate::Changed(change) => changes.push(change),
            MaintenanceUpdate::Done => return changes,
            // The page's pod may take a moment on a busy machine.
            MaintenanceUpdate::Waiting(_) => {}
            MaintenanceUpdate::Failed(failure) => panic!("{failure:?}"),
        }
    }
}

#[tokio::test]
async fn shop_is_taken_offline_and_put_back_as_it_was() {
    let shop = Shop::start().await;
    let page = shop.page.name.clone();
    let begun = shop.offline().await;
    let cron_job = || "store-cron".to_owned();
    let expected = [
        Changed::CronJobSuspended(cron_job()),
        Changed::PageStarted(page.clone()),
        Changed::ScaledDown("store".into(), 2),
    ];
    assert_eq!(begun, expected);
    assert_eq!(shop.state().await, (json!([0, "2"]), json!([true, "false"])));
    let page_pods = pods_of(&shop.store.name, &page).await;
    assert_eq!(page_pods.len(), 1);
    assert_eq!(page_pods[0].metadata.labels.as_ref().expect("labels")["app"], "store", "the Service selects it");
    assert_eq!(changes(shop.begin()).await, [], "nothing is changed twice");

    let ended = changes(shop.end()).await;
    let expected =
        [Changed::ScaledUp("store".into(), 2), Changed::CronJobResumed(cron_job()), Changed::PageRemoved(page)];
    assert_eq!(ended, expected);
    assert_eq!(shop.state().await, (json!([2, null]), json!([false, null])));
    assert_eq!(changes(shop.end()).await, [], "what was not begun is not undone");
    assert_eq!(settle(&shop.cluster, &shop.store.name, &shop.store.name).await.0, RolloutUpdate::Ready);
    shop.remove().await;
}

#[tokio::test]
async fn maintenance_that_is_interrupted_after_each_change_is_continued() {
    let shop = Shop::start().await;
    for expected in ["CronJob store-cron is suspended", "serves the maintenance page", "from 2 to 0 replicas"] {
        // Dropped after its first change.
        let MaintenanceUpdate::Changed(change) = next(&mut shop.begin()).await else { panic!("a change") };
        assert!(change.to_string().contains(expected), "{change}");
        if matches!(change, Changed::PageStarted(_)) {
            run_pod(&shop.store.name, &shop.page.name).await;
        }
    }
    assert_eq!(changes(shop.begin()).await, []);
    // Someone scales it up; what is remembered stays.
    let deployments = Api::<Deployment>::namespaced(plain_client().await, &shop.store.name);
    let scaled = Patch::Merge(json!({"spec": {"replicas": 1}}));
    deployments.patch("store", &PatchParams::default(), &scaled).await.expect("the Deployment");
    assert_eq!(changes(shop.begin()).await, [Changed::ScaledDown("store".into(), 2)]);
    for expected in ["back to 2 replicas", "CronJob store-cron is resumed", "is deleted"] {
        let MaintenanceUpdate::Changed(change) = next(&mut shop.end()).await else { panic!("a change") };
        assert!(change.to_string().contains(expected), "{change}");
    }
    assert_eq!(changes(shop.end()).await, []);
    assert_eq!(shop.state().await, (json!([2, null]), json!([false, null])));
    shop.remove().await;
}

#[tokio::test]
async fn suspended_cron_job_stays_suspended_and_its_running_pod_is_awaited_until_the_test_ends_it() {
    let shop = Shop::start().await;
    let client = plain_client().await;
    let cron_jobs = Api::<CronJob>::namespaced(client.clone(), &shop.store.name);
    let suspended = Patch::Merge(json!({"spec": {"suspend": true}}));
    let cron_job = cron_jobs.patch("store-cron", &PatchParams::default(), &suspended).await.expect("a CronJob");
    let owner = json!({"apiVersion": "batch/v1", "kind": "CronJob", "name": "store-cron", "uid": cron_job.metadata.uid, "controller": true});
    let mut run = json!({"metadata": {"name": "store-cron-1", "ownerReferences": [owner]}});
    run["spec"] = serde_json::to_value(cron_job.spec.job_template.spec).expect("JSON");
    let jobs = Api::<Job>::namespaced(client, &shop.store.name);
    jobs.create(&PostParams::default(), &serde_json::from_value(run).expect("a Job")).await.expect("a Job");
    current_pod(&shop.store.name, "store-cron-1").await;
    let mut updates = shop.begin();
    let scaled = async {
        while next(&mut updates).await != MaintenanceUpdate::Changed(Changed::ScaledDown("store".into(), 2)) {}
    };
    tokio::join!(run_pod(&shop.store.name, &shop.page.name), scaled);
    let early = tokio::time::timeout(Duration::from_secs(1), updates.next()).await;
    assert!(early.is_err(), "the CronJob's pod runs: {early:?}");
    end_pod(&shop.store.name, "store-cron-1", "Succeeded", &[("page", 0, "")]).await;
    assert_eq!(next(&mut updates).await, MaintenanceUpdate::Done);
    assert_eq!(shop.state().await.1, json!([true, "true"]));
    assert!(!changes(shop.end()).await.contains(&Changed::CronJobResumed("store-cron".into())));
    assert_eq!(shop.state().await.1, json!([true, null]));
    shop.remove().await;
}

#[tokio::test]
async fn shop_that_does_not_start_again_keeps_its_page_and_the_reason_is_reported() {
    let shop = Shop::start().await;
    shop.offline().await;
    let deployments = Api::<Deployment>::namespaced(plain_client().await, &shop.store.name);
    let image =
        json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "missing.invalid/shop:2"}]);
    let patch = Patch::<Deployment>::Json(serde_json::from_value(image).expect("a patch"));
    deployments.patch("store", &PatchParams::default(), &patch).await.expect("the Deployment");
    let mut updates = shop.end();
    let failure = loop {
        match next(&mut updates).await {
            // A simulated kubelet reports a missing image once; whether the watch sees that as new decides which of the two it is.
            MaintenanceUpdate::Failed(failure) | MaintenanceUpdate::Waiting(failure) => break failure,
            MaintenanceUpdate::Done => panic!("it has no ready pod"),
            MaintenanceUpdate::Changed(_) => {}
        }
    };
    assert_eq!(failure.reason, Reason::ImagePullFailed, "{failure:?}");
    assert_eq!(pods_of(&shop.store.name, &shop.page.name).await.len(), 1, "the page still answers");
    shop.remove().await;
}

#[tokio::test]
async fn page_that_ended_is_reported_and_created_again() {
    let shop = Shop::start().await;
    let mut updates = shop.begin();
    while next(&mut updates).await != MaintenanceUpdate::Changed(Changed::PageStarted(shop.page.name.clone())) {}
    drop(updates);
    end_pod(&shop.store.name, &shop.page.name, "Failed", &[("page", 1, "port in use")]).await;
    let ended = async {
        while !shop.cluster.jobs_of(&shop.store.name).await.expect("a listing")[0].ended {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SETTLES_WITHIN, ended).await.expect("the Job has failed");
    let begun = shop.offline().await;
    assert_eq!(begun, [Changed::PageStarted(shop.page.name.clone()), Changed::ScaledDown("store".into(), 2)]);
    shop.remove().await;
}
