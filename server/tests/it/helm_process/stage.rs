//! A runner whose helm is a script, and files with which test and script synchronize.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::unistd::Pid;
use storeplane_server::boottime::BootTime;
use storeplane_server::helm::{Helm, HelmConfig, HelmError, HelmErrorKind, Release, Run};
use tempfile::TempDir;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes on a busy machine.
pub(super) const LONG: Duration = Duration::from_mins(1);
pub(super) const SUPERVISOR: &str = env!("CARGO_BIN_EXE_storeplane-server");

pub(super) struct Stage {
    pub(super) helm: Helm,
    /// Where the scenarios report to the test, and where it tells them to continue.
    pub(super) control: TempDir,
    pub(super) home: TempDir,
    pub(super) renewed: watch::Sender<BootTime>,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut HelmConfig)) -> Self {
        let (control, home) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let mut config = HelmConfig {
            binary: script(),
            supervisor: SUPERVISOR.into(),
            kubeconfig: Some(control.path().to_owned()),
            home: home.path().to_owned(),
            grace: LONG,
            ..HelmConfig::default()
        };
        change(&mut config);
        Self { helm: Helm::new(config), control, home, renewed: watch::Sender::new(BootTime::now()) }
    }

    pub(super) fn run(&self) -> Run {
        Run {
            renewed: self.renewed.subscribe(),
            silence: LONG,
            cancel: CancellationToken::new(),
            timeout: LONG,
            operation_id: "operation".into(),
            store_uid: "uid".into(),
        }
    }

    pub(super) async fn play(&self, scenario: &str, run: &Run) -> Result<(), HelmError> {
        timeout(LONG, self.helm.uninstall(run, &release(scenario))).await.expect("a run never hangs")
    }

    /// Starts the scenario in the background; returns once helm runs, with its process id.
    pub(super) async fn start(
        &self,
        scenario: &str,
        run: &Run,
    ) -> (tokio::task::JoinHandle<Result<(), HelmError>>, Pid) {
        let (helm, run, release) = (self.helm.clone(), run.clone(), release(scenario));
        let task = background(async move { helm.uninstall(&run, &release).await });
        let file = self.control.path().join(format!("{scenario}.pid"));
        until("helm runs", || file.exists()).await;
        (task, self.pid(&format!("{scenario}.pid")))
    }

    pub(super) fn pid(&self, file: &str) -> Pid {
        Pid::from_raw(self.read(file).trim().parse().unwrap())
    }

    pub(super) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.control.path().join(file)).unwrap()
    }

    pub(super) fn has(&self, file: &str) -> bool {
        self.control.path().join(file).exists()
    }

    pub(super) fn tell_to_go_on(&self) {
        fs::write(self.control.path().join("go"), "").unwrap();
    }

    /// No process and no run's directory remains.
    pub(super) async fn is_clean(&self, scenario: &str) {
        for file in [format!("{scenario}.pid"), format!("{scenario}.supervisor")] {
            if self.has(&file) {
                let pid = self.pid(&file);
                until("the process is gone", || is_gone(pid)).await;
            }
        }
        let left =
            || fs::read_dir(self.home.path()).unwrap().flatten().flat_map(|dir| fs::read_dir(dir.path()).unwrap());
        until("the run's directory is gone", || left().count() == 0).await;
        assert_eq!(self.helm.running(), 0);
    }
}

pub(super) fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/helm_process/fake_helm.sh")
}

pub(super) fn release(name: &str) -> Release {
    Release { namespace: "store-demo".into(), name: name.into() }
}

pub(super) fn is_gone(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie is left for init to reap.
    status.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}

pub(super) fn background<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    #[expect(clippy::disallowed_methods, reason = "a test has no shutdown")]
    tokio::spawn(work)
}

pub(super) async fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

pub(super) fn kind(result: Result<(), HelmError>) -> HelmErrorKind {
    result.unwrap_err().kind()
}
