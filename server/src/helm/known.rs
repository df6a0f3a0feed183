//! Known error texts of helm 3.17 and helm 4, and their meaning.

use super::{error::HelmErrorKind as Kind, protocol::EXEC_ERROR};

/// Each line: if helm's error contains all of these texts, it means this. The first match decides, so the more specific
/// ones come first: an unavailable webhook also mentions a refused connection.
pub(super) const TEXTS: &[(&[&str], Kind)] = &[
    (&[EXEC_ERROR], Kind::Missing),
    // The release.
    (&["cannot re-use a name that is still in use"], Kind::NameInUse),
    (&["cannot reuse a name that is still in use"], Kind::NameInUse),
    // Kubernetes' client repeated the creation of the new revision's record, whose first answer was lost or refused.
    (&["UPGRADE FAILED: release: already exists"], Kind::InProgress),
    (&["release: already exists"], Kind::NameInUse),
    (&["another operation", "is in progress"], Kind::InProgress),
    (&["has no deployed releases"], Kind::ReleaseNotFound),
    (&["release has no", "version"], Kind::ReleaseNotFound),
    (&["release: not found"], Kind::ReleaseNotFound),
    (&["failed to delete release"], Kind::Incomplete),
    (&["invalid ownership metadata"], Kind::NotOurs),
    // The namespace and its rules.
    (&["because it is being terminated"], Kind::NamespaceTerminating),
    (&["violates PodSecurity"], Kind::PodSecurity),
    (&["exceeded quota"], Kind::Quota),
    (&["failed quota"], Kind::Quota),
    (&["is forbidden: ", "usage per "], Kind::Quota),
    (&["namespaces \"", "\" not found"], Kind::NamespaceMissing),
    // The API server.
    (&["is forbidden: User"], Kind::Forbidden),
    (&["asked for the client to provide credentials"], Kind::Forbidden),
    (&["getting credentials"], Kind::Forbidden),
    (&["failed calling webhook"], Kind::WebhookUnavailable),
    (&["too many requests"], Kind::Overloaded),
    (&["unable to handle the request"], Kind::Overloaded),
    (&["Internal error occurred"], Kind::Overloaded),
    (&["request did not complete within"], Kind::Overloaded),
    (&["etcdserver:"], Kind::Overloaded),
    (&["the object has been modified"], Kind::Conflict),
    (&["conflict occurred while applying"], Kind::Conflict),
    (&["ubernetes cluster unreachable"], Kind::Unreachable),
    (&["connection refused"], Kind::Unreachable),
    (&["connection reset by peer"], Kind::Unreachable),
    (&["TLS handshake timeout"], Kind::Unreachable),
    (&["\": EOF"], Kind::Unreachable),
    // The chart and its values.
    (&["denied request"], Kind::PolicyDenied),
    (&["denied the request"], Kind::PolicyDenied),
    (&["resource mapping not found"], Kind::ObjectRejected),
    (&["field is immutable"], Kind::Immutable),
    (&["spec is immutable after creation"], Kind::Immutable),
    (&["updates to statefulset spec for fields other than"], Kind::Immutable),
    (&["only dynamically provisioned pvc can be resized"], Kind::NotExpandable),
    (&["\" is invalid: "], Kind::ObjectRejected),
    (&["cannot be handled as a"], Kind::ObjectRejected),
    (&["chart requires kubeVersion:"], Kind::ChartRejected),
    (&["don't meet the specifications of the schema"], Kind::ChartRejected),
    (&["execution error at ("], Kind::ChartRejected),
    (&["executing \"", "\" at <"], Kind::ChartRejected),
    (&["YAML parse error on"], Kind::ChartRejected),
    (&["cannot load Chart.yaml"], Kind::ChartRejected),
    (&["path \"", "\" not found"], Kind::ChartRejected),
    (&["failed to parse ", "yaml: "], Kind::ChartRejected),
    (&["no such file or directory"], Kind::ChartRejected),
    (&["invalid release name"], Kind::ChartRejected),
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

    use super::*;
    use crate::helm::{
        classify::{Context, outcome},
        command::{Release, Verb},
        protocol::{KillReason, Report},
    };

    /// Recorded outputs of helm, by case and helm's major version.
    fn samples() -> BTreeMap<(String, String), String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/helm/samples");
        let mut samples = BTreeMap::new();
        for helm in ["helm3", "helm4"] {
            for file in fs::read_dir(folder.join(helm)).unwrap() {
                let path = file.unwrap().path();
                let case = path.file_stem().unwrap().to_string_lossy().into_owned();
                samples.insert((case, helm.to_owned()), fs::read_to_string(path).unwrap());
            }
        }
        samples
    }

    #[test]
    fn every_sample_is_known_and_reads_well() {
        let release = Release { namespace: "store-demo".into(), name: "store-demo".into() };
        let context = Context::new(Verb::Uninstall, &release, "");
        let mut table = String::new();
        for ((case, helm), stderr) in samples() {
            let report = Report { exit: Some(1), killed: None, stderr, ..Report::never_started(KillReason::Asked) };
            let error = outcome(&context, &report).unwrap_err();
            let reason = error.failure().reason.as_str();
            assert_ne!(error.kind(), Kind::Unknown, "{case} of {helm}");
            writeln!(table, "{case} of {helm}: {:?}, {reason}\n  {error}", error.kind()).unwrap();
        }
        insta::assert_snapshot!(table);
    }

    /// Helm repeats the API server's texts, so they mean what `obstacle::said` says they mean.
    #[test]
    fn api_refusals_through_helm_classify_as_direct_ones() {
        let release = Release { namespace: "store-demo".into(), name: "store-demo".into() };
        let context = Context::new(Verb::Uninstall, &release, "");
        let mut compared = 0;
        for ((case, helm), stderr) in samples() {
            let Some(known) = crate::obstacle::messages::refusal(&stderr) else { continue };
            let (reason, obstacle) = (known.reason, known.obstacle);
            let report = Report { exit: Some(1), killed: None, stderr, ..Report::never_started(KillReason::Asked) };
            let error = outcome(&context, &report).unwrap_err();
            assert_eq!((error.failure().reason, error.kind().obstacle()), (reason, obstacle), "{case} of {helm}");
            compared += 1;
        }
        assert!(compared >= 10, "only {compared} samples name a known refusal");
    }

    #[test]
    fn every_known_text_has_a_sample() {
        let samples = samples();
        let ours = |needles: &[&str]| needles == [EXEC_ERROR];
        for (needles, _) in TEXTS.iter().filter(|(needles, _)| !ours(needles)) {
            let shown = samples.values().any(|text| needles.iter().all(|needle| text.contains(needle)));
            assert!(shown, "no sample contains {needles:?}");
        }
    }
}
