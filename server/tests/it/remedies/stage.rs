//! The server that most cases share: a plan for each reason, a helm that can be made to fail, short limits.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use storeplane_core::failure::Reason;
use storeplane_proto::v1::{CreateStoreRequest, Store, StoreState};

use crate::failures::copy;
use crate::harness::{Api, Failpoints, Lab, Setup, env, fresh};

/// Longer than reaching any state takes on a busy machine.
const WITHIN: Duration = Duration::from_secs(90);
const VALUES: &str = "{store: {}, ingress: {}, refuse: false, quota: '', storageClass: '', serviceAccount: '', node: '', \
     image: store, memory: 64Mi, privileged: false}\n";
const LIMITS: &str = "\n[obstacles]\nunschedulable = \"2s\"\nrecovered = \"1s\"\n";

pub(super) struct Stage {
    pub(super) lab: Lab,
    pub(super) control: Failpoints,
    dir: tempfile::TempDir,
}

/// The charts with an additional one whose values the plans change; each reason has its own plan.
pub(super) fn charts(dir: &Path) -> Setup {
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/harness/charts"), dir);
    let chart = dir.join("sample");
    let write = |name: &str, text: &str| std::fs::write(chart.join(name), text).unwrap();
    write("values.yaml", VALUES);
    write("templates/objects.yaml", include_str!("chart.yaml"));
    for reason in Reason::ALL {
        write(&format!("plans/{}.yaml", plan(*reason)), "{}\n");
    }
    let configuration = dir.join("storeplane.toml");
    let text = std::fs::read_to_string(&configuration).unwrap();
    std::fs::write(&configuration, text + LIMITS).unwrap();
    let configuration = configuration.to_str().unwrap().to_owned();
    Setup { charts: dir.to_owned(), env: Vec::new(), ..Setup::default() }.with("STOREPLANE_CONFIG", configuration)
}

/// A plan's name: lower case, without underscores.
fn plan(reason: Reason) -> String {
    reason.as_str().to_lowercase().replace('_', "-")
}

/// An executable script.
pub(crate) fn script(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(new, path).unwrap();
}

impl Stage {
    pub(super) async fn start() -> Self {
        let (dir, control) = (tempfile::tempdir().unwrap(), Failpoints::new());
        let helm = dir.path().join("helm");
        let text = format!(
            "#!/bin/sh\nfor word; do case $word in --namespace=*) [ ! -e '{}/fail-'\"${{word#--namespace=}}\" ] || \
             {{ echo 'Error: the moon is full' >&2; exit 1; }} ;; esac; done\nexec '{}' \"$@\"\n",
            dir.path().display(),
            env("STOREPLANE_TEST_HELM3")
        );
        script(&helm, &text);
        let setup = Setup { helm: helm.to_str().unwrap().to_owned(), ..charts(dir.path()) };
        let lab = setup.with("FAILPOINTS", control.failpoints()).start().await;
        Self { lab, control, dir }
    }

    /// Writes the values of a reason's plan.
    pub(super) fn plan(&self, reason: Reason, values: &str) {
        std::fs::write(self.dir.path().join(format!("sample/plans/{}.yaml", plan(reason))), values).unwrap();
    }

    /// Whether helm fails in this store's namespace.
    pub(super) fn helm_fails(&self, id: &str, fails: bool) {
        let file = self.dir.path().join(format!("fail-store-{id}"));
        if fails { std::fs::write(file, "").unwrap() } else { std::fs::remove_file(file).unwrap() }
    }

    pub(super) fn id(reason: Reason) -> String {
        let plan = plan(reason);
        fresh(&plan[..plan.len().min(20)])
    }

    pub(super) async fn create(&self, id: &str, reason: Reason) -> Store {
        self.lab.api.create(wanted(id, Some(reason))).await.unwrap()
    }

    /// Creates a READY store.
    pub(super) async fn ready(&self, reason: Reason) -> Store {
        let id = Self::id(reason);
        self.create(&id, reason).await;
        self.arrives(&id, reason).await
    }

    /// The store becomes FAILED with this reason and shows its remedy.
    pub(super) async fn fails(&self, id: &str, reason: Reason) -> Store {
        fails(&self.lab.api, id, reason).await
    }

    /// The store shows this reason while it waits, or has failed with it.
    pub(super) async fn reports(&self, id: &str, reason: Reason) {
        until(&self.lab.api, id, reason, |store| store.reason == reason.as_str()).await;
    }

    /// The store shows this reason, in this state.
    pub(super) async fn shows(&self, id: &str, state: StoreState, reason: Reason) -> Store {
        shows(&self.lab.api, id, state, reason).await
    }

    /// Retries the store, which becomes READY.
    pub(super) async fn retry(&self, id: &str, reason: Reason) {
        self.lab.api.retry(id).await.unwrap_or_else(|status| panic!("{reason:?}: {status:?}"));
        self.arrives(id, reason).await;
        self.finish(id).await;
    }

    /// The store becomes READY without a call.
    pub(super) async fn recovers(&self, id: &str, reason: Reason) {
        self.arrives(id, reason).await;
        self.finish(id).await;
    }

    async fn arrives(&self, id: &str, reason: Reason) -> Store {
        until(&self.lab.api, id, reason, |store| store.state() == StoreState::Ready).await
    }

    async fn finish(&self, id: &str) {
        self.lab.api.delete(id).await.unwrap();
    }
}

pub(super) fn wanted(id: &str, reason: Option<Reason>) -> CreateStoreRequest {
    let mut request = Api::wanted(id);
    if let Some(reason) = reason {
        request.store.as_mut().unwrap().plan = plan(reason);
    }
    request
}

pub(super) async fn fails(api: &Api, id: &str, reason: Reason) -> Store {
    let (store, seen) = api.settle(id).await;
    assert_eq!((store.state(), store.reason.as_str()), (StoreState::Failed, reason.as_str()), "{}", seen.text());
    assert_eq!(store.remedy, reason.remedy());
    store
}

pub(super) async fn shows(api: &Api, id: &str, state: StoreState, reason: Reason) -> Store {
    let store = until(api, id, reason, |store| store.state() == state && store.reason == reason.as_str()).await;
    assert_eq!(store.remedy, reason.remedy());
    store
}

/// Waits for a condition of the store.
pub(super) async fn until(api: &Api, id: &str, reason: Reason, wished: impl Fn(&Store) -> bool) -> Store {
    let began = Instant::now();
    loop {
        let store = api.get(id).await.unwrap();
        if wished(&store) {
            return store;
        }
        assert!(began.elapsed() < WITHIN, "case {reason:?} does not go on: {store:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
