//! Classifies messages of Kubernetes, admission webhooks, registries and shops: their meaning and their limit.
//!
//! A message of the API server arrives directly, through helm, or in a controller's event; the meaning is the same.

use storeplane_core::failure::Reason;

use super::Obstacle;

/// The meaning of a message of the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal<'a> {
    pub(crate) reason: Reason,
    pub(crate) obstacle: Obstacle,
    /// The relevant part of the text.
    pub(crate) why: &'a str,
}

/// Texts that identify a reason; the first match decides. Transient conditions come before refusals.
const REFUSALS: &[(&str, Reason, Obstacle)] = &[
    // The quota or the namespace is new: its usage is not computed yet, or its default account is missing.
    ("status unknown for quota", Reason::CreationRefused, Obstacle::Progress),
    ("error looking up service account", Reason::CreationRefused, Obstacle::Progress),
    ("failed calling webhook", Reason::WebhookUnavailable, Obstacle::Passing),
    ("exceeded quota:", Reason::QuotaExceeded, Obstacle::Refused),
    ("failed quota:", Reason::QuotaExceeded, Obstacle::Refused),
    // A LimitRange: "maximum memory usage per Container is 1Gi, but limit is 2Gi".
    ("maximum cpu usage per ", Reason::QuotaExceeded, Obstacle::Refused),
    ("maximum memory usage per ", Reason::QuotaExceeded, Obstacle::Refused),
    ("maximum storage usage per ", Reason::QuotaExceeded, Obstacle::Refused),
    ("minimum cpu usage per ", Reason::QuotaExceeded, Obstacle::Refused),
    ("minimum memory usage per ", Reason::QuotaExceeded, Obstacle::Refused),
    ("minimum storage usage per ", Reason::QuotaExceeded, Obstacle::Refused),
    ("violates PodSecurity", Reason::PodSecurityViolation, Obstacle::Refused),
    // Webhooks: `admission webhook "x" denied the request: ...`. Policies: `ValidatingAdmissionPolicy 'x' ... denied request: ...`.
    ("admission webhook \"", Reason::PolicyDenied, Obstacle::Refused),
    ("AdmissionPolicy '", Reason::PolicyDenied, Obstacle::Refused),
    ("denied the request", Reason::PolicyDenied, Obstacle::Refused),
    ("denied request", Reason::PolicyDenied, Obstacle::Refused),
    // RBAC.
    ("is forbidden: User ", Reason::ClusterForbidden, Obstacle::Refused),
];

/// The meaning of an API server's refusal; `None` if no known cause is named.
pub(crate) fn refusal(text: &str) -> Option<Refusal<'_>> {
    let found = REFUSALS.iter().find_map(|(needle, reason, obstacle)| Some((text.find(needle)?, *reason, *obstacle)));
    let (at, reason, obstacle) = found?;
    let start = match reason {
        // The name comes first: `ValidatingAdmissionPolicy 'x'`.
        Reason::PolicyDenied => {
            text.get(..at).and_then(|before| before.rfind([' ', ':'])).map_or(at, |space| space + 1)
        }
        _ => at,
    };
    Some(Refusal { reason, obstacle, why: text.get(start..).unwrap_or(text).trim_start() })
}

/// Signs that a server or the connection to it is temporarily unavailable.
const AWAY: [&str; 16] = [
    "toomanyrequests",
    "too many requests",
    "429",
    "500 internal server error",
    "502 bad gateway",
    "503 service unavailable",
    "504 gateway timeout",
    "timeout",
    "timed out",
    "deadline exceeded",
    "no such host",
    "temporary failure in name resolution",
    "server misbehaving",
    "connection refused",
    "connection reset",
    "unexpected eof",
];

/// How long a creation may fail whose message names no known cause.
pub(crate) fn creation(text: &str) -> Obstacle {
    if is_away(text) { Obstacle::Passing } else { Obstacle::Failing }
}

/// How long pulling an image may fail, by the registry's message.
pub(crate) fn image_pull(text: &str) -> Obstacle {
    if is_away(text) || text.contains("pull QPS exceeded") { Obstacle::Passing } else { Obstacle::Failing }
}

fn is_away(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    AWAY.iter().any(|sign| text.contains(sign))
}

/// How long a claim may be unbound, by the reason and message of its newest event.
pub(crate) fn claim(event: &str, text: &str) -> Obstacle {
    match event {
        // A provisioner is working; shared volumes take minutes.
        "ExternalProvisioning" | "Provisioning" => Obstacle::Progress,
        "FailedBinding" => Obstacle::Refused,
        _ if text.contains("storageclass") && text.contains("not found") => Obstacle::Refused,
        // Provisioners retry, and their clouds use the same messages for quota, rate limits and timeouts.
        _ => Obstacle::Passing,
    }
}

/// Autoscalers' events about a pod: the first two announce a node, the others say that there is none.
pub(crate) const SCALING: [&str; 4] = ["TriggeredScaleUp", "Nominated", "NotTriggerScaleUp", "FailedScaleUp"];

/// How long a pod may be unscheduled, by the reason of the newest of [`SCALING`]'s events and whether the scheduler has
/// nominated a node on which it makes room.
pub(crate) fn scheduling(event: Option<&str>, nominated: bool) -> Obstacle {
    match event {
        Some("TriggeredScaleUp" | "Nominated") => Obstacle::Progress,
        _ if nominated => Obstacle::Progress,
        _ => Obstacle::Unschedulable,
    }
}

/// How long a shop's URL may give no answer, by the connection's error.
pub(crate) fn shop_lost(error: &str) -> Obstacle {
    let error = error.to_ascii_lowercase();
    // The certificate is not issued yet, so the ingress presents its own; or the name is not published yet.
    let on_the_way = ["certificate", "failed to lookup address", "name or service not known", "no address associated"];
    if on_the_way.iter().any(|sign| error.contains(sign)) { Obstacle::Progress } else { Obstacle::Passing }
}

/// True for a message that the disk is full.
pub(crate) fn is_disk_full(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["no space left on device", "errcode: 28", "disk is full", "disk full", "disk quota exceeded"]
        .iter()
        .any(|sign| text.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::Obstacle::{Failing, Passing, Progress, Refused, Unschedulable};
    use super::*;

    #[test]
    fn api_server_refusals_are_classified() {
        for (text, reason, obstacle, why) in [
            (
                "pods \"a\" is forbidden: status unknown for quota: store, resources: limits.memory",
                Reason::CreationRefused,
                Progress,
                "status unknown for quota: store, resources: limits.memory",
            ),
            (
                "pods \"a\" is forbidden: error looking up service account store/default: serviceaccount \"default\" not found",
                Reason::CreationRefused,
                Progress,
                "error looking up service account store/default: serviceaccount \"default\" not found",
            ),
            (
                "Internal error occurred: failed calling webhook \"validate.nginx.ingress.kubernetes.io\": failed to call webhook: Post \"https://x\": dial tcp 10.0.0.1:443: connect: connection refused",
                Reason::WebhookUnavailable,
                Passing,
                "failed calling webhook \"validate.nginx.ingress.kubernetes.io\": failed to call webhook: Post \"https://x\": dial tcp 10.0.0.1:443: connect: connection refused",
            ),
            ("pods \"a\" is forbidden: exceeded quota: q", Reason::QuotaExceeded, Refused, "exceeded quota: q"),
            (
                "pods \"a\" is forbidden: failed quota: q: must specify limits.cpu for: db",
                Reason::QuotaExceeded,
                Refused,
                "failed quota: q: must specify limits.cpu for: db",
            ),
            (
                "pods \"a\" is forbidden: [maximum memory usage per Container is 1Gi, but limit is 2Gi]",
                Reason::QuotaExceeded,
                Refused,
                "maximum memory usage per Container is 1Gi, but limit is 2Gi]",
            ),
            (
                "pods \"a\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot",
                Reason::PodSecurityViolation,
                Refused,
                "violates PodSecurity \"restricted:latest\": runAsNonRoot",
            ),
            (
                "admission webhook \"validation.gatekeeper.sh\" denied the request: [need-owner] label owner is missing",
                Reason::PolicyDenied,
                Refused,
                "admission webhook \"validation.gatekeeper.sh\" denied the request: [need-owner] label owner is missing",
            ),
            (
                "namespaces \"store-a\" is forbidden: ValidatingAdmissionPolicy 'owners' with binding 'all' denied request: no owner",
                Reason::PolicyDenied,
                Refused,
                "ValidatingAdmissionPolicy 'owners' with binding 'all' denied request: no owner",
            ),
            (
                "namespaces is forbidden: User \"system:serviceaccount:x:y\" cannot create resource \"namespaces\"",
                Reason::ClusterForbidden,
                Refused,
                "is forbidden: User \"system:serviceaccount:x:y\" cannot create resource \"namespaces\"",
            ),
        ] {
            assert_eq!(refusal(text), Some(Refusal { reason, obstacle, why }), "{text}");
        }
        assert_eq!(refusal("pods \"a\" is invalid: spec.containers: Required value"), None);
    }

    #[test]
    fn other_obstacles_are_classified() {
        for (what, obstacle, expected) in [
            ("creation: API server away", creation("Post \"https://x\": connection refused"), Passing),
            ("creation: unknown", creation("pods \"a\" is invalid"), Failing),
            ("image: rate limit", image_pull("toomanyrequests: You have reached your pull rate limit"), Passing),
            ("image: 429", image_pull("unexpected status code 429 Too Many Requests"), Passing),
            ("image: 5xx", image_pull("unexpected status from HEAD request: 503 Service Unavailable"), Passing),
            ("image: DNS", image_pull("dial tcp: lookup registry.test: no such host"), Passing),
            ("image: time-out", image_pull("net/http: TLS handshake timeout"), Passing),
            ("image: kubelet's own limit", image_pull("pull QPS exceeded"), Passing),
            ("image: not there", image_pull("docker.io/library/x:1: not found"), Failing),
            ("image: credentials", image_pull("401 Unauthorized"), Failing),
            ("claim: being made", claim("ExternalProvisioning", "Waiting for a volume to be created"), Progress),
            ("claim: being made", claim("Provisioning", "External provisioner is provisioning volume"), Progress),
            ("claim: no class", claim("FailedBinding", "no storage class is set"), Refused),
            ("claim: unknown class", claim("ProvisioningFailed", "storageclass \"x\" not found"), Refused),
            ("claim: cloud refuses", claim("ProvisioningFailed", "rpc error: ResourceExhausted"), Passing),
            ("node: none fits", scheduling(None, false), Unschedulable),
            ("node: cluster-autoscaler adds one", scheduling(Some("TriggeredScaleUp"), false), Progress),
            ("node: Karpenter adds one", scheduling(Some("Nominated"), false), Progress),
            ("node: room is being made", scheduling(None, true), Progress),
            ("node: none can be added", scheduling(Some("NotTriggerScaleUp"), false), Unschedulable),
            ("node: adding one failed", scheduling(Some("FailedScaleUp"), false), Unschedulable),
            ("shop: certificate", shop_lost("invalid peer certificate: UnknownIssuer"), Progress),
            ("shop: DNS", shop_lost("failed to lookup address information: Name or service not known"), Progress),
            ("shop: away", shop_lost("Connection refused (os error 111)"), Passing),
        ] {
            assert_eq!(obstacle, expected, "{what}");
        }
    }

    #[test]
    fn full_disk_is_recognised_in_messages() {
        assert!(is_disk_full("mariadbd: Disk is full writing './wp/x.ibd' (Errcode: 28 \"No space left on device\")"));
        assert!(!is_disk_full("starting up"));
    }
}
