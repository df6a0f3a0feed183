//! Whether helm can be run, and signs in to the API server: a kubeconfig's credential plugin may work for the server and
//! fail in helm's environment.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::classify::{self, Context};
use super::command::{Release, Verb};
use super::error::{HelmError, HelmErrorKind};
use super::runner::{Helm, Job};
use super::version::HelmVersion;

/// A cluster that answers later than this has no say in helm's health; its own health shows it.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// The authorizer's text. Whoever reads it has signed in.
const UNAUTHORIZED: &str = "is forbidden: User";

impl Helm {
    /// The version of helm, once it has signed in to the API server. What is wrong with the API server itself is no error.
    ///
    /// Checked again once a minute. The errors are those of [`Helm::version`] and `Forbidden`.
    pub async fn check(&self) -> Result<HelmVersion, HelmError> {
        let version = self.version().await?;
        let mut signed_in = self.0.signed_in.lock().await;
        if signed_in.is_some_and(|at| at.elapsed() < self.0.config.version_ttl) {
            return Ok(version);
        }
        *signed_in = None;
        // Cut short, it is no answer: it is asked again.
        if let Ok(answer) = tokio::time::timeout(ANSWER_WITHIN, self.list(version)).await {
            answer?;
            *signed_in = Some(Instant::now());
        }
        Ok(version)
    }

    async fn list(&self, version: HelmVersion) -> Result<(), HelmError> {
        let release = Release { namespace: "default".into(), name: String::new() };
        let context = Context::new(Verb::List, &release, "");
        let Some(permit) = self.0.limiter.enter(&release).await else { return Ok(()) };
        let job = Job {
            program: self.binary().await?.0,
            args: Verb::List.args(version, &release),
            input: String::new(),
            timeout: self.0.config.version_timeout,
            lease_until_ms: None,
        };
        let report = self.process(job, None, CancellationToken::new(), permit).await;
        let report = report.map_err(|error| classify::lost(&context, error))?;
        match classify::outcome(&context, &report) {
            Err(error) if error.kind() == HelmErrorKind::Forbidden && !report.stderr.contains(UNAUTHORIZED) => {
                Err(error)
            }
            _ => Ok(()),
        }
    }
}
