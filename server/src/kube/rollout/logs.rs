//! The last words of a container that ended.

use std::time::Duration;

use ::kube::Api;
use ::kube::api::LogParams;
use k8s_openapi::api::core::v1::Pod;

use super::explain::LogSource;
use crate::kube::cluster::Cluster;

/// Lines asked for; a failure keeps at most that many details.
const LINES: i64 = 15;
/// Bytes asked for.
const BYTES: i64 = 16 * 1024;
/// A node that does not answer must not keep the failure from being told.
const WITHIN: Duration = Duration::from_secs(3);

impl Cluster {
    /// The container's last lines that are not empty; none when the node has no log for us. Not masked yet.
    pub(in crate::kube) async fn last_log_lines(&self, namespace: &str, source: &LogSource) -> Vec<String> {
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
