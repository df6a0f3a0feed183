//! Backups of a store of the second engine: the names of its Jobs, parts and claims are those of its chart.

use storeplane_proto::v1::{CopyStoreRequest, OperationState, StoreEnvironment, StoreState};

use super::restores::{assert_online, ended, restore, wanted};
use super::{Stage, complete, create, events};
use crate::engines::ready;
use crate::failures::copy;
use crate::harness::{BackupStorage, Gateway, JobPlayer, Run, Setup, charts, fresh};

/// Gives the Jobs images that simulated nodes leave to the player.
const IMAGES: &str = "{{- define \"test.image\" }}{{ include \"store.image\" . | replace .root.Values.images.registry \"test.invalid\" }}{{- end }}";

/// The chart with Jobs that can be played. Its shops are not tested: behind simulated pods there is none.
fn played() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let chart = dir.path().join("medusa");
    copy(&charts().join("medusa"), &chart);
    let descriptor = chart.join("storeplane.yaml");
    let text = std::fs::read_to_string(&descriptor).expect("a descriptor");
    let (before, rest) = text.split_once("\nverify:\n").expect("a test purchase");
    let (_, after) = rest.split_once("\n\n").expect("more keys");
    std::fs::write(descriptor, format!("{before}\n{after}")).expect("written");
    let jobs = chart.join("templates/backup.yaml");
    let text = std::fs::read_to_string(&jobs).expect("templates");
    std::fs::write(jobs, text.replace("include \"store.image\"", "include \"test.image\"")).expect("written");
    std::fs::write(chart.join("templates/_test.tpl"), IMAGES).expect("written");
    dir
}

#[tokio::test]
async fn store_of_the_second_engine_is_backed_up_restored_and_copied() {
    let (charts, gateway) = (played(), Gateway::open().await);
    // So that it is not noticed that the nodes are simulated, and Jobs are created.
    gateway.forbid("GET /api/v1/nodes");
    let setup = Setup { charts: charts.path().to_owned(), kubeconfig: gateway.kubeconfig.clone(), ..Setup::default() };
    // Without a configuration the engines are those in the folder, and the only one is the default one.
    let setup = setup.with("STOREPLANE_DEFAULT_ENGINE", "");
    let stage = Stage::of(setup, BackupStorage::volume()).await;
    let store = ready(stage.api(), "medusa", &fresh("second")).await;
    let player = JobPlayer::start(&store.namespace, &[Run::Succeeds]).await;

    let backup = complete(stage.api(), &create(stage.api(), &store).await).await;
    assert_eq!((backup.engine.as_str(), backup.simulated), ("medusa", false));
    let parts: Vec<_> = player.played()[0].sources.keys().cloned().collect();
    assert_eq!(parts, ["database", "uploads"]);

    let restoring = restore(stage.api(), wanted(&store, &backup.backup_id)).await.expect("accepted");
    let (operation, after) = ended(stage.api(), &restoring).await;
    let text = events(stage.api(), &store.store_id).await;
    assert_eq!((operation.state(), after.state()), (OperationState::Succeeded, StoreState::Ready), "{text}");
    assert_online(&stage, &store).await;
    let [made, _, restored] = &player.played()[..] else { panic!("three Jobs: {:?}", player.played()) };
    assert_eq!(made.sources, restored.sources, "what was restored is what was backed up");

    let request = CopyStoreRequest {
        source_store_id: store.store_id.clone(),
        backup_id: backup.backup_id,
        store_id: fresh("copy"),
        ..CopyStoreRequest::default()
    };
    let copying = JobPlayer::start(&format!("store-{}", request.store_id), &[Run::Succeeds]).await;
    let copied = stage.api().stores.clone().copy_store(request).await.expect("accepted").into_inner();
    let (copied, seen) = stage.api().settle(&copied.store_id).await;
    let found = (copied.state(), copied.engine.as_str(), copied.environment());
    assert_eq!(found, (StoreState::Ready, "medusa", StoreEnvironment::Staging), "{}", seen.text());
    assert_eq!(copying.played()[0].sources, made.sources);
    stage.delete(&copied).await;
    stage.delete(&store).await;
    stage.lab.database.assert_sound().await;
}
