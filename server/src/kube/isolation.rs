//! Whether a store's network policies are enforced, as its own pods report it. Policies without effect are not visible in the API: a
//! network plugin that does not know them ignores them silently.
//!
//! A container of a chart reports by its termination message, a line `network-isolation: closed ADDRESS` or `network-isolation: open
//! ADDRESS`: whether it could connect to ADDRESS (the API server), which no policy of the chart allows.

use ::kube::api::ListParams;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use storeplane_core::condition::{Condition, ConditionKind, ConditionStatus};
use time::OffsetDateTime;

use super::cluster::Cluster;
use super::error::ClusterError;

/// Begins the line of a termination message.
const REPORT: &str = "network-isolation: ";

/// What is known about the network policies of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkIsolation {
    /// A pod could not reach this address.
    Closed(String),
    /// A pod reached this address, although no policy allows it.
    Open(String),
    /// No pod has reported.
    NotReported,
    /// Nothing runs in the cluster.
    Simulated,
}

impl NetworkIsolation {
    /// The store's condition.
    pub fn condition(&self, now: OffsetDateTime) -> Condition {
        let (status, reason, message) = match self {
            Self::Closed(address) => {
                let message = format!("Network policies are enforced: the shop's pods cannot connect to {address}.");
                (ConditionStatus::True, "", message)
            }
            Self::Open(address) => {
                let message = format!(
                    "The shop's pods can connect to the Kubernetes API server at {address}: network policies are disabled or the \
                     cluster does not enforce them, or networkPolicy.exceptCIDRs lacks that server's addresses."
                );
                (ConditionStatus::False, "NOT_ENFORCED", message)
            }
            Self::NotReported => {
                let message = "No pod of the shop has reported whether network policies are enforced.";
                (ConditionStatus::Unknown, "NOT_REPORTED", message.to_owned())
            }
            Self::Simulated => {
                let message = "The cluster is simulated: nothing runs in it that could be isolated.";
                (ConditionStatus::Unknown, "SIMULATED", message.to_owned())
            }
        };
        Condition { kind: ConditionKind::NetworkIsolated, status, reason: reason.to_owned(), message, since: now }
    }
}

impl Cluster {
    /// The newest report of the namespace's pods.
    pub async fn network_isolation(&self, namespace: &str) -> Result<NetworkIsolation, ClusterError> {
        Ok(newest(&self.list_in::<Pod>(namespace, ListParams::default()).await?))
    }
}

fn newest(pods: &[Pod]) -> NetworkIsolation {
    let statuses = pods.iter().filter_map(|pod| pod.status.as_ref()).flat_map(|status| {
        let containers = [&status.init_container_statuses, &status.container_statuses];
        containers.into_iter().flatten().flatten()
    });
    let ended = statuses.flat_map(|container| {
        let states = [&container.state, &container.last_state];
        states.into_iter().flatten().filter_map(|state| state.terminated.as_ref())
    });
    let reports = ended.filter_map(|end| Some((&end.finished_at, report(end)?)));
    let newest = reports.max_by(|(one, _), (other, _)| one.cmp(other));
    newest.map_or(NetworkIsolation::NotReported, |(_, report)| report)
}

fn report(end: &ContainerStateTerminated) -> Option<NetworkIsolation> {
    let line = end.message.as_deref()?.lines().find_map(|line| line.strip_prefix(REPORT))?;
    let (word, address) = line.split_once(' ')?;
    // The text comes from the shop's pod: it is shown only if it is an address.
    let is_address = address.len() <= 64 && address.bytes().all(|b| b.is_ascii_alphanumeric() || b".:[]-".contains(&b));
    match word {
        _ if !is_address => None,
        "closed" => Some(NetworkIsolation::Closed(address.to_owned())),
        "open" => Some(NetworkIsolation::Open(address.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const CLOSED: &str = "network-isolation: closed 10.43.0.1:443\n";
    const OPEN: &str = "network-isolation: open 10.43.0.1:443\n";

    fn terminated(message: &str, at: &str) -> Value {
        json!({"name": "c", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": 0, "message": message, "finishedAt": at}}})
    }

    fn pod(init: &[Value], containers: &[Value]) -> Pod {
        let pod = json!({"metadata": {"name": "p"}, "status": {"initContainerStatuses": init, "containerStatuses": containers}});
        serde_json::from_value(pod).expect("a pod")
    }

    #[test]
    fn newest_report_of_any_container_counts() {
        let running = json!({"name": "c", "image": "", "imageID": "", "ready": true, "restartCount": 0, "state": {"running": {}}});
        let shop = pod(&[terminated(OPEN, "2026-11-26T02:00:00Z")], &[running]);
        let cron = |message: &str, at: &str| pod(&[], &[terminated(message, at)]);
        let open = || NetworkIsolation::Open("10.43.0.1:443".into());
        assert_eq!(newest(std::slice::from_ref(&shop)), open());
        let later = cron(CLOSED, "2026-11-26T02:05:00Z");
        let closed = NetworkIsolation::Closed("10.43.0.1:443".into());
        assert_eq!(newest(&[later.clone(), shop.clone()]), closed);
        assert_eq!(newest(&[shop.clone(), later]), closed);
        assert_eq!(newest(&[shop, cron(CLOSED, "2026-11-26T01:55:00Z")]), open());
    }

    #[test]
    fn other_messages_are_no_reports() {
        for message in [
            "",
            "bootstrap: 1.00 s  database error",
            "network-isolation: perhaps 10.43.0.1:443",
            "network-isolation: closed",
            "network-isolation: closed <b>10.43.0.1</b>",
        ] {
            assert_eq!(
                newest(&[pod(&[terminated(message, "2026-11-26T02:00:00Z")], &[])]),
                NetworkIsolation::NotReported,
                "{message}"
            );
        }
        assert_eq!(newest(&[]), NetworkIsolation::NotReported);
        let among_others = format!("done\n{CLOSED}bye");
        let six = among_others.replace("10.43.0.1:443", "[fd00:43::1]:443");
        assert_eq!(
            newest(&[pod(&[], &[terminated(&six, "2026-11-26T02:00:00Z")])]),
            NetworkIsolation::Closed("[fd00:43::1]:443".into())
        );
    }

    #[test]
    fn condition_says_what_is_known() {
        let address = || "10.43.0.1:443".to_owned();
        for (isolation, status, reason) in [
            (NetworkIsolation::Closed(address()), ConditionStatus::True, ""),
            (NetworkIsolation::Open(address()), ConditionStatus::False, "NOT_ENFORCED"),
            (NetworkIsolation::NotReported, ConditionStatus::Unknown, "NOT_REPORTED"),
            (NetworkIsolation::Simulated, ConditionStatus::Unknown, "SIMULATED"),
        ] {
            let condition = isolation.condition(OffsetDateTime::UNIX_EPOCH);
            assert_eq!((condition.kind, condition.status), (ConditionKind::NetworkIsolated, status));
            assert_eq!(condition.reason, reason);
            assert!(condition.message.ends_with('.'), "{}", condition.message);
        }
    }
}
