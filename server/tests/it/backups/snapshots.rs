//! Snapshots of volumes that are made with backups, and restores that use them. A [`VolumePlayer`] plays the cluster's storage.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim};
use kube::ResourceExt as _;
use kube::api::{Api as Objects, ListParams};
use storeplane_core::operation::Step;
use storeplane_proto::v1::{
    Backup, CancelOperationRequest, ListBackupsRequest, OperationState, RestoreStoreRequest, Store, StoreState,
};
use tempfile::TempDir;

use super::restores::{assert_online, charts_without_test, ended, restore, wanted};
use super::{Stage, complete, create, delete, events, get, until};
use crate::harness::{DRIVER, FromSnapshots, JobPlayer, Run, Setup, VolumePlayer, fresh, without_snapshots};
use crate::kube_support::plain_client;

/// What the sample chart has no need of elsewhere: a database and two volumes.
const VOLUMES: &str = r#"
{{- range list "data-store-db-0" "store-uploads" }}
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: {{ . }}, labels: {app: volumes}, annotations: {helm.sh/resource-policy: keep}}
spec:
  storageClassName: DRIVER
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
---
{{- end }}
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: store-db, labels: {helm.sh/chart: sample-1.0.0}}
spec:
  serviceName: store-db
  selector: {matchLabels: {app: store-db}}
  template:
    metadata: {labels: {app: store-db}}
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 10001, seccompProfile: {type: RuntimeDefault}}
      terminationGracePeriodSeconds: 1
      containers:
      - name: mariadb
        image: store-db
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
        volumeMounts: [{name: data, mountPath: /var/lib/mysql}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: data-store-db-0}}]
---
apiVersion: v1
kind: PodTemplate
metadata: {name: store-mount}
template:
  metadata: {labels: {app: store-mount}}
  spec:
    restartPolicy: Never
    automountServiceAccountToken: false
    securityContext: {runAsNonRoot: true, runAsUser: 10001, seccompProfile: {type: RuntimeDefault}}
    containers:
    - name: mount
      image: test.invalid/mount:1
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
      volumeMounts: [{name: uploads, mountPath: /uploads}]
    volumes: [{name: uploads, persistentVolumeClaim: {claimName: store-uploads}}]
"#;
const DESCRIPTOR: &str = "
  volumes: [{claim: data-store-db-0, stateful_set: store-db}, {claim: store-uploads, mount: store-mount}]
";
pub(super) const CLAIMS: [&str; 2] = ["data-store-db-0", "store-uploads"];

fn charts() -> TempDir {
    charts_with(&VOLUMES.replace("DRIVER", DRIVER))
}

/// The claims are of the cluster's own class, which makes no snapshots.
pub(super) fn charts_without_driver() -> TempDir {
    charts_with(&VOLUMES.replace("  storageClassName: DRIVER\n", ""))
}

fn charts_with(volumes: &str) -> TempDir {
    let dir = charts_without_test();
    let descriptor = dir.path().join("sample/storeplane.yaml");
    let text = std::fs::read_to_string(&descriptor).expect("a descriptor");
    std::fs::write(descriptor, text.trim_end().to_owned() + DESCRIPTOR).expect("written");
    std::fs::write(dir.path().join("sample/templates/volumes.yaml"), volumes).expect("written");
    dir
}

/// A server, a READY shop with volumes, and those who play its Jobs and its storage.
struct Scene {
    stage: Stage,
    store: Store,
    jobs: JobPlayer,
    volumes: VolumePlayer,
    _charts: TempDir,
}

impl Scene {
    async fn start(script: &[Run]) -> Self {
        let charts = charts();
        let stage = Stage::mortal(Setup { charts: charts.path().to_owned(), ..Setup::small() }).await;
        let id = fresh("snapshots");
        let volumes = VolumePlayer::start(&format!("store-{id}"), FromSnapshots::Made).await;
        stage.api().ready(&id).await;
        let store = stage.api().get(&id).await.expect("the store");
        let jobs = JobPlayer::start(&store.namespace, script).await;
        let scene = Self { stage, store, jobs, volumes, _charts: charts };
        scene.is_real().await;
        scene
    }

    /// The store is taken for one of a real cluster, until an operation looks at the nodes.
    async fn is_real(&self) {
        let real = format!("UPDATE stores SET simulated = false WHERE uid = '{}'", self.store.uid);
        self.stage.lab.database.execute(&real).await;
    }

    /// A complete backup, once its snapshots are ready.
    async fn backup(&self) -> Backup {
        let backup = complete(self.stage.api(), &create(self.stage.api(), &self.store).await).await;
        until("the snapshots are ready", async || {
            let backup = get(self.stage.api(), &backup.backup_id).await.expect("the backup");
            backup.snapshots.len() == 2 && backup.snapshots.iter().all(|snapshot| snapshot.ready)
        })
        .await;
        get(self.stage.api(), &backup.backup_id).await.expect("the backup")
    }

    async fn restore(&self, backup: &Backup) -> Store {
        let request = RestoreStoreRequest { skip_backup: true, ..wanted(&self.store, &backup.backup_id) };
        restore(self.stage.api(), request).await.expect("accepted")
    }

    async fn events(&self) -> String {
        events(self.stage.api(), &self.store.store_id).await
    }

    /// The claims' snapshots, by claim.
    async fn sources(&self) -> Vec<Option<String>> {
        let claims = Objects::<PersistentVolumeClaim>::namespaced(plain_client().await, &self.store.namespace);
        let mut sources = Vec::new();
        for name in CLAIMS {
            let claim = claims.get(name).await.expect("a claim");
            let release = format!("store-{}", self.store.store_id);
            assert_eq!(claim.annotations().get("meta.helm.sh/release-name"), Some(&release), "it is helm's");
            assert_eq!(claim.labels().get("app").map(String::as_str), Some("volumes"));
            sources.push(claim.spec.and_then(|spec| spec.data_source).map(|source| source.name));
        }
        sources
    }

    /// The database runs, the shop is online, and nothing that the restore had to remember is left.
    async fn assert_put_back(&self) {
        let client = plain_client().await;
        let sets = Objects::<StatefulSet>::namespaced(client.clone(), &self.store.namespace);
        assert_eq!(sets.get("store-db").await.expect("a StatefulSet").spec.replicas, Some(1));
        let maps = Objects::<ConfigMap>::namespaced(client, &self.store.namespace);
        let maps = maps.list(&ListParams::default()).await.expect("ConfigMaps").items;
        assert!(!maps.iter().any(|map| map.name_any().starts_with("store-volumes-")), "{maps:?}");
        assert_online(&self.stage, &self.store).await;
    }

    async fn end(self) {
        self.stage.delete(&self.store).await;
        self.volumes.end().await;
        self.stage.lab.database.assert_sound().await;
    }
}

fn names(backup: &Backup) -> Vec<Option<String>> {
    let of = |claim| backup.snapshots.iter().find(|it| it.claim == claim).map(|it| it.name.clone());
    CLAIMS.map(of).into()
}

#[tokio::test]
async fn restore_makes_the_volumes_from_the_snapshots_of_the_backup() {
    let scene = Scene::start(&[Run::Succeeds]).await;
    let backup = scene.backup().await;
    assert!(backup.snapshots.iter().all(|snapshot| snapshot.create_time.is_some()), "{backup:?}");
    let (operation, after) = ended(scene.stage.api(), &scene.restore(&backup).await).await;
    let seen = scene.events().await;
    assert_eq!((operation.state(), after.state()), (OperationState::Succeeded, StoreState::Ready), "{seen}");
    assert_eq!(scene.sources().await, names(&backup), "{seen}");
    let restored: Vec<_> = scene.volumes.made().into_iter().skip(2).map(|(_, snapshot)| snapshot).collect();
    assert_eq!(restored, names(&backup), "each volume is made once");
    assert_eq!(scene.jobs.played().len(), 1, "nothing is imported: {seen}");
    assert!(seen.contains(&format!("The volumes are those of the snapshots of backup {}", backup.backup_id)), "{seen}");
    scene.assert_put_back().await;
    scene.end().await;
}

#[tokio::test]
async fn snapshots_of_the_newest_backup_are_kept_and_go_with_it() {
    let scene = Scene::start(&[Run::Succeeds]).await;
    let first = scene.backup().await;
    scene.volumes.orphan("of-no-backup", CLAIMS[0]).await;
    let second = scene.backup().await;
    let mut kept: Vec<_> = names(&second).into_iter().flatten().collect();
    kept.sort();
    until("only the newest are left", async || scene.volumes.snapshots().await == kept).await;
    until("the API says so", async || {
        get(scene.stage.api(), &first.backup_id).await.is_ok_and(|first| first.snapshots.is_empty())
    })
    .await;
    // The present data gets snapshots too, and those that are being restored stay until then.
    let request = wanted(&scene.store, &second.backup_id);
    let restoring = restore(scene.stage.api(), request).await.expect("accepted");
    let (operation, _) = ended(scene.stage.api(), &restoring).await;
    assert_eq!(operation.state(), OperationState::Succeeded, "{}", scene.events().await);
    assert_eq!(scene.sources().await, names(&second), "{}", scene.events().await);
    until("those of the present data replace them", async || {
        let left = scene.volumes.snapshots().await;
        left.len() == 2 && left.iter().all(|name| !kept.contains(name))
    })
    .await;
    let before = Objects::<PersistentVolumeClaim>::namespaced(plain_client().await, &scene.store.namespace);
    assert_eq!(before.list(&ListParams::default()).await.expect("claims").items.len(), 2);
    let of_store = ListBackupsRequest { store_id: scene.store.store_id.clone(), ..ListBackupsRequest::default() };
    let mut backups = scene.stage.api().backups.clone();
    let list = backups.list_backups(of_store);
    let newest = list.await.expect("backups").into_inner().backups.remove(0);
    delete(scene.stage.api(), &newest.backup_id).await.expect("deleted");
    until("none is left", async || scene.volumes.snapshots().await.is_empty()).await;
    scene.end().await;
}

#[tokio::test]
async fn backup_is_imported_if_the_volumes_cannot_be_made_from_snapshots() {
    let scene = Scene::start(&[Run::Succeeds]).await;
    let backup = scene.backup().await;
    scene.volumes.set(FromSnapshots::Held);
    let (operation, after) = ended(scene.stage.api(), &scene.restore(&backup).await).await;
    let seen = scene.events().await;
    assert_eq!((operation.state(), after.state()), (OperationState::Succeeded, StoreState::Ready), "{seen}");
    let why =
        format!("WAITING RESTORE The snapshots of backup {} are not used, it is imported instead", backup.backup_id);
    assert!(seen.contains(&why), "{seen}");
    assert_eq!(scene.sources().await, [None, None], "the volumes are empty ones");
    let [made, restored] = &scene.jobs.played()[..] else { panic!("two Jobs: {seen}") };
    assert_eq!(made.sources, restored.sources);
    scene.assert_put_back().await;
    scene.end().await;
}

#[tokio::test]
async fn restore_from_snapshots_goes_on_on_another_server_and_cannot_be_cancelled_half_way() {
    let mut scene = Scene::start(&[Run::Succeeds]).await;
    let backup = scene.backup().await;
    for is_cancelled in [false, true] {
        let made = scene.volumes.made().len();
        scene.volumes.set(FromSnapshots::Held);
        let restoring = scene.restore(&backup).await;
        // The present volumes are gone, and no new one exists.
        until("the claims are replaced", async || {
            let claims = Objects::<PersistentVolumeClaim>::namespaced(plain_client().await, &scene.store.namespace);
            let claims = claims.list(&ListParams::default()).await.expect("claims").items;
            let pending = |claim: &&PersistentVolumeClaim| {
                claim.spec.as_ref().is_some_and(|spec| spec.data_source.is_some() && spec.volume_name.is_none())
            };
            claims.iter().filter(pending).count() == 2
        })
        .await;
        if is_cancelled {
            let operation_id = restoring.operation.clone();
            let request = CancelOperationRequest { operation_id, ..CancelOperationRequest::default() };
            scene.stage.api().operations.clone().cancel_operation(request).await.expect("accepted");
        }
        scene.stage.lab.server.kill9();
        scene.stage.lab.server.restart().await;
        scene.volumes.set(FromSnapshots::Made);
        let (operation, after) = ended(scene.stage.api(), &restoring).await;
        let seen = scene.events().await;
        let expected = if is_cancelled { OperationState::Cancelled } else { OperationState::Succeeded };
        assert_eq!((operation.state(), after.state()), (expected, StoreState::Ready), "{seen}");
        assert_eq!(scene.sources().await, names(&backup), "{seen}");
        assert_eq!(scene.volumes.made().len(), made + 2, "each volume is made once");
        scene.assert_put_back().await;
    }
    assert_eq!(scene.jobs.played().len(), 1, "nothing is imported");
    scene.end().await;
}

#[tokio::test]
async fn step_that_runs_twice_restores_once() {
    let scene = Scene::start(&[Run::Succeeds]).await;
    let backup = scene.backup().await;
    let made = scene.volumes.made().len();
    let again = scene.stage.control.again(&scene.store.store_id, Step::Restore);
    let restoring = scene.restore(&backup).await;
    again.reached().await.expect("it restores");
    again.release();
    let (operation, _) = ended(scene.stage.api(), &restoring).await;
    assert_eq!(operation.state(), OperationState::Succeeded, "{}", scene.events().await);
    assert_eq!(scene.volumes.made().len(), made + 2, "{}", scene.events().await);
    scene.assert_put_back().await;
    scene.end().await;
}

#[tokio::test]
async fn cluster_without_snapshots_makes_backups_as_before() {
    let _alone = without_snapshots().await;
    let charts = charts_without_driver();
    let stage = Stage::mortal(Setup { charts: charts.path().to_owned(), ..Setup::small() }).await;
    let (store, jobs) = stage.played(&[Run::Succeeds]).await;
    let backup = complete(stage.api(), &create(stage.api(), &store).await).await;
    assert!(backup.snapshots.is_empty(), "{backup:?}");
    let request = RestoreStoreRequest { skip_backup: true, ..wanted(&store, &backup.backup_id) };
    let (operation, _) = ended(stage.api(), &restore(stage.api(), request).await.expect("accepted")).await;
    let seen = events(stage.api(), &store.store_id).await;
    assert_eq!((operation.state(), jobs.played().len()), (OperationState::Succeeded, 2), "{seen}");
    assert!(!seen.contains("napshots"), "it is no news: {seen}");
    stage.delete(&store).await;
}

#[tokio::test]
async fn shop_whose_restore_failed_in_both_ways_is_not_started_empty_and_another_restore_helps() {
    let import = Run::Exits("database", 32, "the import failed");
    // Two runs of a Job's three: of the step, and of its undo.
    let script = [&[Run::Succeeds][..], &[import; 6], &[Run::Succeeds]].concat();
    let scene = Scene::start(&script).await;
    let (backup, api) = (scene.backup().await, scene.stage.api());
    scene.volumes.set(FromSnapshots::Held);
    let (operation, after) = ended(api, &scene.restore(&backup).await).await;
    let seen = scene.events().await;
    assert_eq!((operation.state(), after.state()), (OperationState::Failed, StoreState::Degraded), "{seen}");
    let refused = api.retry(&scene.store.store_id).await.expect("accepted");
    let (operation, after) = ended(api, &refused).await;
    let why = (operation.state(), operation.reason.as_str());
    assert_eq!(why, (OperationState::Failed, "RESTORE_FAILED"), "{}", scene.events().await);
    assert!(operation.message.contains("Restore a backup"), "{}", operation.message);
    assert_eq!(after.state(), StoreState::Degraded);
    scene.is_real().await;
    let (operation, after) = ended(api, &scene.restore(&backup).await).await;
    let ends = (operation.state(), after.state());
    assert_eq!(ends, (OperationState::Succeeded, StoreState::Ready), "{}", scene.events().await);
    scene.assert_put_back().await;
    scene.end().await;
}
