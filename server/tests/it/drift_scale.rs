//! Many stores: the cost of watching them, and the delay until a change is reported. `STOREPLANE_TEST_STORES` is the
//! number of stores; figures are printed.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api as Objects, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use storeplane_core::failure::Reason;
use storeplane_core::ids::{StoreUid, Tenant};
use storeplane_server::kube::{Cluster, Examined, Expected, NamespaceSpec};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::harness::{Account, Database, Gateway, Kubernetes, Lab, Setup, fresh};
use crate::kube_support::accessible;

/// Concurrent requests of the test itself.
const AT_ONCE: usize = 16;
/// Stores that change one after another.
const SAMPLE: usize = 20;
/// Lists the pods of all namespaces, without watching them.
const ALL_PODS: &str = "GET /api/v1/pods?";

fn deployment(release: &str) -> Deployment {
    let restricted = json!({"runAsNonRoot": true, "runAsUser": 10001, "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}});
    let pod = json!({"metadata": {"labels": {"app": "store"}}, "spec": {"containers": [
        {"name": "store", "image": "example.com/shop:1", "securityContext": restricted}]}});
    let object = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "store", "labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"meta.helm.sh/release-name": release}},
        "spec": {"strategy": {"type": "Recreate"}, "selector": {"matchLabels": {"app": "store"}}, "template": pod}});
    serde_json::from_value(object).expect("a Deployment")
}

/// Creates a store in the cluster as helm would have left it, and its row.
async fn make(cluster: &Cluster, database: &Database, number: usize, run: &str) -> NamespaceSpec {
    let uid = Uuid::now_v7();
    let id = format!("{run}-{number}");
    let spec = NamespaceSpec {
        name: format!("store-{id}"),
        store_id: id.parse().expect("an id"),
        store_uid: StoreUid(uid),
        tenant: Tenant::default(),
        fence: 1,
    };
    accessible(cluster, &spec).await.expect("a namespace");
    let client = cluster.client().await.expect("a client");
    let release = &spec.name;
    let record = json!({"metadata": {"name": format!("sh.helm.release.v1.{release}.v1"),
        "labels": {"owner": "helm", "name": release, "version": "1", "status": "deployed"}}, "type": "helm.sh/release.v1"});
    let record: Secret = serde_json::from_value(record).expect("a Secret");
    Objects::namespaced(client.clone(), release).create(&PostParams::default(), &record).await.expect("a record");
    let deployments = Objects::namespaced(client, release);
    deployments.create(&PostParams::default(), &deployment(release)).await.expect("a Deployment");
    let operation = Uuid::now_v7();
    let (store, op) = (
        "uid, store_id, tenant, display_name, engine, plan, admin_email, cleanup_policy, namespace, release, host, state,
         chart_version, app_version, simulated, secure, operation, last_sequence, fence, created_at, ready_at, updated_at",
        "id, store, store_id, tenant, kind, state, undoing, cancel_requested, claims, priority, requested_by, fence, writes,
         created_at, ended_at",
    );
    database
        .execute(&format!(
            "INSERT INTO stores ({store}) VALUES ('{uid}', '{id}', 'default', 'Shop', 'woocommerce', 'small', 'a@b.co',
                'KEEP', '{release}', '{release}', '{id}.test', 'READY', 'none', '', true, false, '{operation}', 0, 1, now(), now(), now())"
        ))
        .await;
    database
        .execute(&format!(
            "INSERT INTO operations ({op}) VALUES ('{operation}', '{uid}', '{id}', 'default', 'CREATE', 'SUCCEEDED', false,
                false, 1, 0, 'test', 1, 1, now(), now())"
        ))
        .await;
    spec
}

async fn set_image(cluster: &Cluster, spec: &NamespaceSpec, image: &str) -> OffsetDateTime {
    let pod: Value = json!({"spec": {"containers": [{"name": "store", "image": image}]}});
    let patch = Patch::Strategic(json!({"spec": {"template": pod}}));
    let deployments = Objects::<Deployment>::namespaced(cluster.client().await.expect("a client"), &spec.name);
    deployments.patch("store", &PatchParams::default(), &patch).await.expect("a patch");
    OffsetDateTime::now_utc()
}

/// Waits until the cluster itself shows no ready pod for this number of stores, and returns the time taken.
async fn until_broken(cluster: &Cluster, run: &str, stores: usize) -> Duration {
    let began = Instant::now();
    while broken(cluster, run).await != stores {
        assert!(began.elapsed() < Duration::from_mins(3), "{} are broken", broken(cluster, run).await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    began.elapsed()
}

async fn broken(cluster: &Cluster, run: &str) -> usize {
    let deployments = Objects::<Deployment>::all(cluster.client().await.expect("a client"));
    let helms = ListParams::default().labels("app.kubernetes.io/managed-by=Helm");
    let all = deployments.list(&helms).await.expect("a list").items;
    let ours = all.iter().filter(|it| it.metadata.namespace.as_ref().is_some_and(|name| name.contains(run)));
    let is_broken = |it: &&Deployment| {
        let status = it.status.as_ref();
        status.is_some_and(|it| it.observed_generation >= Some(2) && it.available_replicas.unwrap_or(0) == 0)
    };
    ours.filter(is_broken).count()
}

/// Observing many stores together must give the same results as observing each alone.
async fn assert_looks_agree(cluster: &Cluster, specs: &[NamespaceSpec]) {
    let expected: Vec<_> = specs
        .iter()
        .map(|spec| Expected {
            workloads: Vec::new(),
            namespace: spec.name.clone(),
            store_uid: spec.store_uid,
            release: spec.name.clone(),
            secrets: vec!["lost".into()],
        })
        .collect();
    let snapshots = cluster.observe_all(&expected).await.expect("all are observed");
    assert_eq!(snapshots.len(), expected.len());
    for (expected, snapshot) in expected.iter().zip(snapshots).take(SAMPLE) {
        let among_all = cluster.interpret(expected, snapshot).await;
        let alone = cluster.examine(expected).await.expect("one is examined");
        assert_eq!(among_all, alone);
        let Examined::Unhealthy(failure) = alone else { panic!("{alone:?}") };
        assert_eq!(failure.reason, Reason::SecretMissing, "{failure:?}");
        assert!(failure.details.iter().any(|line| line.contains("missing.invalid")), "{failure:?}");
    }
}

async fn set_all(cluster: &Cluster, specs: &[NamespaceSpec], image: &str) {
    let changing = futures::stream::iter(specs).map(|spec| set_image(cluster, spec, image));
    let _: Vec<_> = changing.buffered(AT_ONCE).collect().await;
}

/// Waits until this number of stores is in a state, and returns the time taken.
async fn until(lab: &Lab, state: &str, count: usize) -> Duration {
    let began = Instant::now();
    let sql = format!("SELECT count(*) FROM stores WHERE state = '{state}'");
    while lab.database.value(&sql).await != count.to_string() {
        assert!(began.elapsed() < Duration::from_mins(3), "{} of {count} are {state}", lab.database.value(&sql).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    began.elapsed()
}

/// Seconds from each change to its event.
async fn delays(lab: &Lab, changes: &[(StoreUid, OffsetDateTime)], state: &str) -> Vec<f64> {
    let mut delays = Vec::new();
    for (uid, changed) in changes {
        let sql = format!(
            "SELECT extract(epoch FROM max(at)) FROM events WHERE store = '{uid}' AND details->>'state' = '{state}'"
        );
        let event_time: f64 = lab.database.value(&sql).await.parse().expect("an event");
        #[expect(clippy::cast_precision_loss, reason = "microseconds are enough")]
        delays.push(event_time - changed.unix_timestamp_nanos() as f64 / 1e9);
    }
    delays.sort_by(f64::total_cmp);
    delays
}

fn figures(what: &str, delays: &[f64]) {
    let (p50, max) = (delays[delays.len() / 2], delays[delays.len() - 1]);
    eprintln!("{what}: p50 {p50:.2} s, max {max:.2} s, of {}", delays.len());
}

/// Breaks all stores at once, and repairs them without permission to list all pods.
async fn all_at_once(lab: &mut Lab, gateway: &Gateway, cluster: &Cluster, specs: &[NamespaceSpec], run: &str) {
    let stores = specs.len();
    gateway.asked();
    set_all(cluster, specs, "missing.invalid/shop:2").await;
    let (took, broken) = tokio::join!(until(lab, "DEGRADED", stores), until_broken(cluster, run, stores));
    eprintln!(
        "all {stores} at once: DEGRADED {:.1} s after the last change, {:.1} s after the last one's pod was gone, {} requests",
        took.as_secs_f64(),
        took.saturating_sub(broken).as_secs_f64(),
        gateway.asked().len()
    );
    assert_looks_agree(cluster, specs).await;

    // A new server examines all of them together; here it has to examine one after another.
    lab.server.kill9();
    set_all(cluster, specs, "example.com/shop:1").await;
    until_broken(cluster, run, 0).await;
    gateway.forbid(ALL_PODS);
    gateway.asked();
    lab.server.restart().await;
    let took = until(lab, "READY", stores).await;
    eprintln!("all {stores}, one by one: READY {:.1} s after the server's start", took.as_secs_f64());
    let asked = gateway.asked();
    assert!(asked.iter().any(|line| line.starts_with(ALL_PODS)), "they were never observed together");
}

#[tokio::test]
async fn many_stores_need_no_more_idle_requests_than_one() {
    let stores: usize = std::env::var("STOREPLANE_TEST_STORES").map_or(40, |count| count.parse().expect("a number"));
    let (account, run) = (Account::of("it-scale"), fresh("many"));
    Kubernetes::of(&account.instance).drop_all().await;
    let gateway = Gateway::open_for(&account).await;
    let cluster = Cluster::new(account.config());
    let mut lab = Setup { kubeconfig: gateway.kubeconfig.clone(), ..Setup::of(account) }.start().await;
    let making = futures::stream::iter(0..stores).map(|number| make(&cluster, &lab.database, number, &run));
    let specs: Vec<_> = making.buffered(AT_ONCE).collect().await;
    // Some became DEGRADED briefly while their first pods started.
    tokio::time::sleep(Duration::from_secs(10)).await;
    until(&lab, "READY", stores).await;

    gateway.asked();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let asked = gateway.asked();
    let health = ["/version", "/api/v1/nodes", "/api/v1/namespaces/default"];
    let probes = |line: &&String| health.iter().any(|path| line.contains(path));
    let looks: Vec<_> = asked.iter().filter(|line| !probes(line) && !line.contains("watch=true")).collect();
    eprintln!(
        "{stores} stores, 20 s in which nothing happens: {} requests, of them health {}",
        asked.len(),
        asked.iter().filter(probes).count()
    );
    assert!(looks.is_empty(), "{looks:?}");

    for (image, state, what) in [
        ("missing.invalid/shop:1", "DEGRADED", "change to DEGRADED"),
        ("example.com/shop:1", "READY", "change to READY"),
    ] {
        let mut changes = Vec::new();
        for spec in specs.iter().take(SAMPLE) {
            changes.push((spec.store_uid, set_image(&cluster, spec, image).await));
            tokio::time::sleep(Duration::from_millis(370)).await;
        }
        until(&lab, state, if state == "READY" { stores } else { SAMPLE.min(stores) }).await;
        figures(what, &delays(&lab, &changes, state).await);
    }

    all_at_once(&mut lab, &gateway, &cluster, &specs, &run).await;

    let client = cluster.client().await.expect("a client");
    let namespaces = Objects::<k8s_openapi::api::core::v1::Namespace>::all(client);
    let ours = ListParams::default().labels(&format!("storeplane.io/instance={run}"));
    for namespace in namespaces.list(&ours).await.expect("a list") {
        let name = namespace.metadata.name.expect("a name");
        namespaces.delete(&name, &DeleteParams::default()).await.expect("it goes");
    }
}
