//! The last lines of the containers' logs, and the namespace's events.

use std::cmp::Reverse;

use ::kube::Api;
use ::kube::api::{ListParams, LogParams};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{Event, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use storeplane_core::failure::{DETAIL_LINE_MAX, truncate};
use storeplane_core::live_view::{ClusterEvent, ContainerLog, LiveLogs};
use storeplane_core::store::Store;
use time::OffsetDateTime;

use super::{Found, at};
use crate::kube::cluster::Cluster;
use crate::kube::error::ClusterError;
use crate::kube::redact::mask;
use crate::secret::SecretText;

/// Bytes shown of one log, from its end.
const LOG_MAX: usize = 64 * 1024;
/// Bytes read of one log. The kubelet counts from the first requested line, so this is far more than is shown.
const READ_MAX: i64 = 1024 * 1024;
/// Bytes shown of all logs together.
const ALL_MAX: usize = 1024 * 1024;
/// Number of pods whose logs are read, newest first.
const PODS_MAX: usize = 20;
/// Number of events shown, newest first.
const EVENTS_MAX: usize = 100;
/// Number of logs read concurrently.
const TOGETHER: usize = 4;

/// A container's log that may exist.
struct Source {
    pod: String,
    container: String,
    previous: bool,
}

impl Cluster {
    pub(super) async fn live_logs(&self, store: &Store, tail_lines: u32) -> Result<LiveLogs, ClusterError> {
        let namespace = &store.placement.namespace;
        let Found::Ours(_) = self.live_namespace(store).await? else { return Ok(LiveLogs::default()) };
        let any = ListParams::default;
        let (values, pods, events) = futures::try_join!(
            self.secret_texts(namespace),
            self.list_in::<Pod>(namespace, any()),
            self.list_in::<Event>(namespace, any()),
        )?;
        let values = &values;
        let read = sources(pods).into_iter().map(|source| async move {
            let text = self.tail(namespace, &source, tail_lines).await?;
            let Source { pod, container, previous } = source;
            Some(ContainerLog {
                pod,
                container,
                previous,
                lines: last_lines(&mask(end(&text, LOG_MAX * 2), values), LOG_MAX),
            })
        });
        let logs: Vec<_> = futures::stream::iter(read).buffered(TOGETHER).collect().await;
        Ok(LiveLogs { logs: bounded(logs.into_iter().flatten(), ALL_MAX), events: newest(&events, values) })
    }

    /// `None` if the node has no such log. The text is not masked yet.
    async fn tail(&self, namespace: &str, source: &Source, lines: u32) -> Option<String> {
        let parameters = LogParams {
            container: Some(source.container.clone()),
            tail_lines: Some(lines.into()),
            limit_bytes: Some(READ_MAX),
            previous: source.previous,
            ..LogParams::default()
        };
        let what = format!("read the log of {} in {namespace}", source.pod);
        let log = self.call(&what, |client| async move {
            Api::<Pod>::namespaced(client, namespace).logs(&source.pod, &parameters).await
        });
        log.await.ok()
    }
}

/// The containers that have started, init containers first, and the previous instances of restarted ones.
fn sources(mut pods: Vec<Pod>) -> Vec<Source> {
    pods.sort_by(|a, b| b.metadata.creation_timestamp.cmp(&a.metadata.creation_timestamp));
    pods.truncate(PODS_MAX);
    pods.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    let mut sources = Vec::new();
    for pod in &pods {
        let status = pod.status.iter();
        for container in status.flat_map(|it| it.init_container_statuses.iter().chain(&it.container_statuses).flatten())
        {
            let state = container.state.as_ref();
            let source = |previous| Source {
                pod: pod.metadata.name.clone().unwrap_or_default(),
                container: container.name.clone(),
                previous,
            };
            if container.restart_count > 0 {
                sources.push(source(true));
            }
            if state.is_some_and(|state| state.running.is_some() || state.terminated.is_some()) {
                sources.push(source(false));
            }
        }
    }
    sources
}

/// The whole lines within this number of bytes at the end of a text.
fn end(text: &str, room: usize) -> &str {
    let Some(from) = text.len().checked_sub(room).filter(|from| *from > 0) else { return text };
    let rest = (from..text.len()).find_map(|from| text.get(from..)).unwrap_or_default();
    rest.split_once('\n').map_or(rest, |(_, lines)| lines)
}

/// The last lines that fit into this number of bytes. A longer line is truncated.
fn last_lines(text: &str, room: usize) -> Vec<String> {
    let mut left = room;
    let mut lines = Vec::new();
    for line in text.lines().rev() {
        let line = truncate(line.trim_end().to_owned(), room / 4);
        let Some(rest) = left.checked_sub(line.len() + 1) else { break };
        left = rest;
        lines.push(line);
    }
    lines.reverse();
    lines
}

/// Limits the total size of logs: the oldest lines of the longest logs are dropped.
fn bounded(logs: impl Iterator<Item = ContainerLog>, room: usize) -> Vec<ContainerLog> {
    let mut logs: Vec<_> = logs.collect();
    let share = room / logs.len().max(1);
    for log in &mut logs {
        let mut size: usize = log.lines.iter().map(|line| line.len() + 1).sum();
        let too_many = log.lines.iter().take_while(|line| {
            let is_over = size > share;
            size = size.saturating_sub(line.len() + 1);
            is_over
        });
        let too_many = too_many.count();
        log.lines.drain(..too_many);
    }
    logs
}

fn newest(events: &[Event], values: &[SecretText]) -> Vec<ClusterEvent> {
    let mut events: Vec<_> = events.iter().map(|event| shown(event, values)).collect();
    events.sort_by_key(|event| Reverse(event.last_at));
    events.truncate(EVENTS_MAX);
    events
}

fn shown(event: &Event, values: &[SecretText]) -> ClusterEvent {
    let about = &event.involved_object;
    let series = event.series.as_ref();
    let first = at(event.first_timestamp.as_ref()).or_else(|| precise(event.event_time.as_ref()));
    let last = series.and_then(|series| precise(series.last_observed_time.as_ref()));
    let last = last.or_else(|| at(event.last_timestamp.as_ref())).or(first);
    ClusterEvent {
        kind: event.type_.clone().unwrap_or_default(),
        reason: event.reason.clone().unwrap_or_default(),
        object: format!("{}/{}", about.kind.as_deref().unwrap_or_default(), about.name.as_deref().unwrap_or_default()),
        message: truncate(mask(event.message.as_deref().unwrap_or_default(), values), DETAIL_LINE_MAX * 2),
        count: series.and_then(|series| series.count).or(event.count).unwrap_or(1).max(1),
        first_at: first,
        last_at: last,
    }
}

fn precise(time: Option<&MicroTime>) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(time?.0.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn newest_lines_are_kept_and_long_ones_truncated() {
        assert_eq!(last_lines("one\ntwo\nthree\n", 100), ["one", "two", "three"]);
        assert_eq!(last_lines("aaaa\nbbbb\ncccc\ndd\n", 16), ["bbbb", "cccc", "dd"]);
        assert_eq!((end("one\ntwo\nthree", 7), end("one\ntwo", 7), end("äöü", 3)), ("three", "one\ntwo", "ü"));
        let cut = last_lines(&"x".repeat(1000), 400);
        assert!(cut.len() == 1 && cut[0].len() <= 100 && cut[0].ends_with('…'), "{cut:?}");
    }

    #[test]
    fn total_log_size_is_bounded_and_each_log_keeps_its_end() {
        let log = |pod: &str, lines: usize| ContainerLog {
            pod: pod.into(),
            container: "web".into(),
            previous: false,
            lines: (0..lines).map(|line| format!("line {line:04}")).collect(),
        };
        let kept = bounded([log("a", 1000), log("b", 3)].into_iter(), 2000);
        assert_eq!((kept[0].lines.len(), kept[1].lines.len()), (100, 3));
        assert_eq!(kept[0].lines.last().map(String::as_str), Some("line 0999"));
    }

    #[test]
    fn started_containers_are_read_and_crashed_ones_from_previous_run() {
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "p"}, "status": {
            "initContainerStatuses": [{"name": "init", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                "state": {"terminated": {"exitCode": 0}}}],
            "containerStatuses": [
                {"name": "web", "image": "", "imageID": "", "ready": false, "restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}}},
                {"name": "side", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}}}]}}))
        .expect("a pod");
        let found: Vec<_> = sources(vec![pod]).into_iter().map(|it| (it.container, it.previous)).collect();
        assert_eq!(found, [("init".to_owned(), false), ("web".to_owned(), true)]);
    }

    #[test]
    fn events_of_both_apis_have_times_and_masked_messages() {
        let old = json!({"metadata": {"name": "a"}, "involvedObject": {"kind": "Pod", "name": "p"}, "type": "Warning",
            "reason": "Failed", "message": "said c0rrect-horse", "count": 4,
            "firstTimestamp": "2026-11-25T10:00:00Z", "lastTimestamp": "2026-11-25T11:00:00Z"});
        let new = json!({"metadata": {"name": "b"}, "involvedObject": {"kind": "Pod", "name": "p"}, "type": "Normal",
            "reason": "Scheduled", "message": "", "eventTime": "2026-11-25T12:00:00.000000Z"});
        let events: [Event; 2] = [old, new].map(|event| serde_json::from_value(event).expect("an event"));
        let shown = newest(&events, &[SecretText::new("c0rrect-horse")]);
        let summary: Vec<_> = shown.iter().map(|it| (it.reason.as_str(), it.count, it.message.as_str())).collect();
        assert_eq!(summary, [("Scheduled", 1, ""), ("Failed", 4, "said ***")]);
        assert!(shown[1].first_at < shown[1].last_at && shown[0].first_at == shown[0].last_at);
        assert_eq!(shown[1].object, "Pod/p");
    }
}
