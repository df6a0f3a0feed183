//! A namespace of its own on the real API server.

use std::{fs, path::PathBuf, time::Duration};

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Namespace, Secret},
};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use storeplane_server::helm::{Chart, Helm, HelmConfig, Release, Run};
use tempfile::TempDir;
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

/// A namespace, and the helm binaries that work in it.
pub(super) struct Lab {
    pub(super) client: Client,
    pub(super) release: Release,
    pub(super) home: TempDir,
}

pub(super) fn required(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `make test`"))
}

impl Lab {
    pub(super) async fn new() -> Self {
        let kubeconfig = Kubeconfig::read_from(required("STOREPLANE_TEST_KUBECONFIG")).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        let client = Client::try_from(config).unwrap();
        let id = uuid::Uuid::new_v4().simple().to_string();
        let lab = Self {
            client,
            release: Release { namespace: format!("helm-{id}"), name: "store-demo".into() },
            home: TempDir::new().unwrap(),
        };
        lab.create::<Namespace>(&Api::all(lab.client.clone()), json!({"metadata": {"name": lab.release.namespace}}))
            .await;
        lab
    }

    pub(super) fn helm(&self, major: &str) -> Helm {
        self.helm_at(major, PathBuf::from(required("STOREPLANE_TEST_KUBECONFIG")))
    }

    pub(super) fn helm_at(&self, major: &str, kubeconfig: PathBuf) -> Helm {
        Helm::new(HelmConfig {
            binary: required(&format!("STOREPLANE_TEST_HELM{major}")).into(),
            supervisor: env!("CARGO_BIN_EXE_storeplane-server").into(),
            kubeconfig: Some(kubeconfig),
            home: self.home.path().to_owned(),
            // On a busy machine helm needs more than the default to record that it was stopped.
            grace: Duration::from_mins(1),
            ..HelmConfig::default()
        })
    }

    pub(super) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.release.namespace)
    }

    pub(super) async fn create<K>(&self, api: &Api<K>, object: Value)
    where
        K: Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
    {
        api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    }

    pub(super) async fn text(&self, key: &str) -> String {
        self.api::<ConfigMap>().get("sample").await.unwrap().data.unwrap()[key].clone()
    }

    pub(super) async fn replicas(&self) -> i32 {
        self.api::<Deployment>().get("sample").await.unwrap().spec.replicas.unwrap()
    }

    /// Whether helm's last record of the release has this status.
    pub(super) async fn is_recorded_as(&self, status: &str) -> bool {
        let labels = format!("owner=helm,name={},status={status}", self.release.name);
        let list = self.api::<Secret>().list(&ListParams::default().labels(&labels)).await.unwrap();
        !list.items.is_empty()
    }

    /// Kills helm itself while it waits in its chart's hook.
    pub(super) async fn kill_helm(&self, status: &str) {
        while !self.is_recorded_as(status).await {
            sleep(Duration::from_millis(20)).await;
        }
        let namespace = format!("--namespace={}", self.release.namespace);
        let is_ours = |entry: &fs::DirEntry| {
            let arguments = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
            // Not the stage before helm, in which the same arguments follow others.
            arguments.split('\0').nth(2) == Some(namespace.as_str())
        };
        let helm = fs::read_dir("/proc").unwrap().flatten().find(is_ours).unwrap();
        let pid: i32 = helm.file_name().to_str().unwrap().parse().unwrap();
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }

    /// A manual change.
    pub(super) async fn scale(&self, replicas: i32) {
        let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        self.api::<Deployment>().patch_scale("sample", &PatchParams::default(), &patch).await.unwrap();
    }

    pub(super) async fn end(self) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.delete(&self.release.namespace, &DeleteParams::background()).await.unwrap();
    }
}

/// The sender is dropped, so nothing renews this lease; it is long enough.
pub(super) fn run() -> Run {
    Run {
        renewed: watch::channel(storeplane_server::boottime::BootTime::now()).1,
        silence: Duration::from_mins(2),
        cancel: CancellationToken::new(),
        timeout: Duration::from_mins(2),
        operation_id: "operation".into(),
        store_uid: "uid".into(),
    }
}

pub(super) fn chart(values: Value) -> Chart {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/helm_real/chart");
    Chart { dir, values_files: Vec::new(), values, labels: Vec::new() }
}
