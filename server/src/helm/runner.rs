//! The runner, the worker's interface to helm.

use std::{env, io, sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, watch},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument as _, Span, field};

use super::{
    binary::{Binary, find},
    classify::{self, Context, lost, outcome},
    command::{Chart, Pull, Release, Verb},
    config::HelmConfig,
    error::{HelmError, HelmErrorKind},
    measure::Waiting,
    process::{Lease, Lost, supervise},
    process_limiter::ProcessLimiter,
    protocol::{KillReason, Report, Spec, millis},
    scratch_dirs::ScratchDirs,
    version::HelmVersion,
};
use crate::boottime::BootTime;

/// Runs helm. Clones are the same runner.
#[derive(Debug, Clone)]
pub struct Helm(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) config: HelmConfig,
    pub(super) limiter: Arc<ProcessLimiter>,
    scratch_dirs: ScratchDirs,
    tasks: TaskTracker,
    /// The last version check: its result and its time.
    known: Mutex<Option<(Binary, HelmVersion, Instant)>>,
    /// When helm last signed in to the API server.
    pub(super) signed_in: Mutex<Option<Instant>>,
}

/// The conditions under which helm runs.
#[derive(Debug, Clone)]
pub struct Run {
    /// When the lease was last renewed: the time before the request. Helm is stopped when this is `silence` old.
    pub renewed: watch::Receiver<BootTime>,
    /// Half a lease.
    pub silence: Duration,
    /// Stops helm cleanly, or ends the wait for a permit.
    pub cancel: CancellationToken,
    /// Time limit of the run, not counting the wait for a permit.
    pub timeout: Duration,
    /// For traces.
    pub operation_id: String,
    /// For traces.
    pub store_uid: String,
}

impl Helm {
    /// Never fails: helm may be missing now and be installed later.
    pub fn new(config: HelmConfig) -> Self {
        Self(Arc::new(Inner {
            limiter: Arc::new(ProcessLimiter::new(config.max_processes)),
            scratch_dirs: ScratchDirs::new(config.home.clone()),
            tasks: TaskTracker::new(),
            known: Mutex::new(None),
            signed_in: Mutex::new(None),
            config,
        }))
    }

    /// The version of helm, checked again when the file changed, after a while, and after an error.
    /// Errors are `Missing`, `Unsupported` and those that prevent any process from running.
    pub async fn version(&self) -> Result<HelmVersion, HelmError> {
        Ok(self.binary().await?.1)
    }

    /// Installs a new release without waiting for its pods. Helm may succeed although its last record of
    /// the release could not be written: the record shows whether the release is deployed or still pending.
    pub async fn install(&self, run: &Run, release: &Release, chart: &Chart) -> Result<(), HelmError> {
        self.run(run, release, Verb::Install(chart)).await
    }

    /// Upgrades an existing release, whichever helm created it, without waiting for its pods.
    pub async fn upgrade(&self, run: &Run, release: &Release, chart: &Chart) -> Result<(), HelmError> {
        self.run(run, release, Verb::Upgrade(chart)).await
    }

    /// Rolls back to an existing revision, without waiting for its pods.
    pub async fn rollback(&self, run: &Run, release: &Release, revision: u32) -> Result<(), HelmError> {
        self.run(run, release, Verb::Rollback(revision)).await
    }

    /// Uninstalls a release. A missing one is `ReleaseNotFound`; success does not prove that its objects are gone.
    pub async fn uninstall(&self, run: &Run, release: &Release) -> Result<(), HelmError> {
        self.run(run, release, Verb::Uninstall).await
    }

    /// The number of running helm processes.
    pub fn running(&self) -> usize {
        self.0.limiter.running()
    }

    /// The highest number of concurrent helm processes so far.
    pub fn peak(&self) -> usize {
        self.0.limiter.peak()
    }

    /// Waits until no helm process is left, including those of dropped futures. Call it once, when no
    /// further runs are started.
    pub async fn drained(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    async fn run(&self, run: &Run, release: &Release, verb: Verb<'_>) -> Result<(), HelmError> {
        let span = tracing::info_span!(
            "helm",
            operation_id = run.operation_id,
            store_uid = run.store_uid,
            verb = verb.as_str(),
            namespace = release.namespace,
            release = release.name,
            exit = field::Empty,
            signal = field::Empty,
            killed = field::Empty,
            seconds = field::Empty,
            peak_rss_kib = field::Empty,
        );
        self.run_in_span(run, release, verb).instrument(span).await
    }

    async fn run_in_span(&self, run: &Run, release: &Release, verb: Verb<'_>) -> Result<(), HelmError> {
        let waiting = Waiting::begin(verb);
        let stop = run.cancel.child_token();
        let context = Context::new(verb, release, &run.store_uid);
        let stopped = || HelmError::new(HelmErrorKind::Stopped, context.what(), None, Vec::new());
        let pass = tokio::select! {
            biased;
            () = stop.cancelled() => return Err(stopped()),
            pass = self.0.limiter.enter(release) => pass.ok_or_else(stopped)?,
        };
        let (binary, version) = tokio::select! {
            biased;
            () = stop.cancelled() => return Err(stopped()),
            binary = self.binary() => binary?,
        };
        let running = waiting.run();
        let mut lease = Lease { renewed: run.renewed.clone(), silence: run.silence };
        let job = Job {
            program: binary,
            args: verb.args(version, release),
            input: verb.input(),
            timeout: run.timeout,
            lease_until_ms: Some(lease.until_ms()),
        };
        let report = self.process(job, Some(lease), stop, pass).await.map_err(|error| lost(&context, error));
        let ended = report.and_then(|report| {
            record(&report);
            outcome(&context, &report)
        });
        running.end(&ended);
        ended
    }

    /// The current binary and its version.
    pub(super) async fn binary(&self) -> Result<(Binary, HelmVersion), HelmError> {
        let what = "helm version";
        let mut known = self.0.known.lock().await;
        let search = env::var_os("PATH").unwrap_or_default();
        let binary = find(&self.0.config.binary, &search)
            .map_err(|cause| HelmError::new(HelmErrorKind::Missing, what, Some(&cause), Vec::new()))?;
        if let Some((same, version, asked)) = &*known
            && *same == binary
            && asked.elapsed() < self.0.config.version_ttl
        {
            return Ok((binary, *version));
        }
        *known = None;
        let version = self.run_version(&binary).await?;
        if !version.is_supported() {
            let cause = format!("helm {version} at {}; 3.17 or newer, or 4, is required", binary.path().display());
            return Err(HelmError::new(HelmErrorKind::Unsupported, what, Some(&cause), Vec::new()));
        }
        *known = Some((binary.clone(), version, Instant::now()));
        Ok((binary, version))
    }
}

/// One process, with its time limit.
pub(super) struct Job {
    pub(super) program: Binary,
    pub(super) args: Vec<String>,
    pub(super) input: String,
    pub(super) timeout: Duration,
    pub(super) lease_until_ms: Option<u64>,
}

/// No run takes longer, whatever is configured.
const TIMEOUT_MAX: Duration = Duration::from_hours(24);

impl Helm {
    async fn run_version(&self, binary: &Binary) -> Result<HelmVersion, HelmError> {
        let nowhere = Release { namespace: String::new(), name: String::new() };
        let context = Context::new(Verb::Version, &nowhere, "");
        let job = Job {
            program: binary.clone(),
            args: Verb::Version.args(HelmVersion::OLDEST, &nowhere),
            input: String::new(),
            timeout: self.0.config.version_timeout,
            lease_until_ms: None,
        };
        let report =
            self.process(job, None, CancellationToken::new(), ()).await.map_err(|error| lost(&context, error))?;
        classify::version(&context, &report)
    }

    /// Downloads a package, within this time, unless `stop` is cancelled.
    pub async fn pull(&self, pull: &Pull, timeout: Duration, stop: &CancellationToken) -> Result<(), HelmError> {
        let nowhere = Release { namespace: String::new(), name: String::new() };
        let (verb, (binary, version)) = (Verb::Pull(pull), self.binary().await?);
        let context = Context::new(verb, &nowhere, "");
        let args = verb.args(version, &nowhere);
        let job = Job { program: binary, args, input: verb.input(), timeout, lease_until_ms: None };
        // Its end cancels the token that it gets.
        let stop = stop.child_token();
        let report = self.process(job, None, stop, ()).await.map_err(|error| lost(&context, error))?;
        classify::pull(&context, &report)
    }

    /// Runs helm in its own task, so that a dropped future neither leaves a process behind nor releases
    /// `held`, which keeps others out, before that process has ended.
    pub(super) async fn process(
        &self,
        job: Job,
        lease: Option<Lease>,
        stop: CancellationToken,
        held: impl Send + 'static,
    ) -> Result<Report, Lost> {
        let config = &self.0.config;
        let scratch = self.0.scratch_dirs.scratch()?;
        let spec = Spec {
            program: job.program.path().to_owned(),
            args: job.args,
            env: config.environment(&scratch.server, scratch.run.path(), |name| env::var_os(name)),
            input: job.input,
            scratch: scratch.run.path().to_owned(),
            timeout_ms: millis(job.timeout.min(TIMEOUT_MAX)),
            lease_until_ms: job.lease_until_ms,
            grace_ms: millis(config.grace),
            keep_first: config.keep.0,
            keep_last: config.keep.1,
        };
        let supervisor = config.supervisor.clone();
        let _dropped = stop.clone().drop_guard();
        let task = async move {
            let report = supervise(&supervisor, &spec, lease, &stop).await;
            drop(scratch);
            drop(held);
            report
        };
        self.0.tasks.spawn(task.in_current_span()).await.map_err(io::Error::from)?
    }
}

fn record(report: &Report) {
    let span = Span::current();
    span.record("exit", report.exit);
    span.record("signal", report.signal);
    span.record("killed", report.killed.map(KillReason::as_str));
    span.record("seconds", Duration::from_millis(report.millis).as_secs_f64());
    span.record("peak_rss_kib", report.peak_rss_kib);
}
