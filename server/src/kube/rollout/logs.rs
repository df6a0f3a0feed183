//! The last log lines of an exited container.

use std::time::Duration;

use ::kube::Api;
use ::kube::api::LogParams;
use k8s_openapi::api::core::v1::Pod;

use storeplane_core::failure::Reason;

use super::explain::LogSource;
use crate::kube::cluster::Cluster;
use crate::obstacle::messages;
use crate::redact::Unmasked;

/// Number of lines requested; a failure keeps at most that many details.
const LINES: i64 = 15;
/// Number of bytes requested.
const BYTES: i64 = 16 * 1024;
/// Time limit, so that an unresponsive node does not delay the failure.
const WITHIN: Duration = Duration::from_secs(3);

impl Cluster {
    /// The container's last non-empty lines; empty if the node has no such log. Not masked yet.
    async fn last_log_lines(&self, namespace: &str, source: &LogSource) -> Vec<String> {
        for previous in [false, true] {
            let text = tokio::time::timeout(WITHIN, self.log(namespace, source, previous)).await;
            let lines =
                |text: &str| text.lines().map(str::trim_end).filter(|it| !it.is_empty()).map(Into::into).collect();
            let lines: Vec<String> = text.ok().flatten().as_deref().map(lines).unwrap_or_default();
            if !lines.is_empty() {
                return lines;
            }
        }
        Vec::new()
    }

    /// Adds the container's last log lines to the failure. They may change the cause: a full disk stops databases.
    pub(in crate::kube) async fn with_log(&self, namespace: &str, failure: Unmasked, source: &LogSource) -> Unmasked {
        let lines = self.last_log_lines(namespace, source).await;
        let mut failure = failure;
        if failure.reason == Reason::CrashLoop && lines.iter().any(|line| messages::is_disk_full(line)) {
            failure.reason = Reason::VolumeFull;
            failure.message = format!("A volume of pod {} has no space left: {}", source.pod, failure.message);
        }
        failure.with_details(lines)
    }

    async fn log(&self, namespace: &str, source: &LogSource, previous: bool) -> Option<String> {
        let parameters = LogParams {
            container: Some(source.container.clone()),
            tail_lines: Some(LINES),
            limit_bytes: Some(BYTES),
            previous,
            ..LogParams::default()
        };
        let what = format!("read the log of {} in {namespace}", source.pod);
        let log = self
            .call(&what, |client| async move {
                Api::<Pod>::namespaced(client, namespace).logs(&source.pod, &parameters).await
            })
            .await;
        log.ok()
    }
}
