//! How a Job ended: termination messages and exit codes, as plain values.

use std::collections::BTreeMap;

use serde::Deserialize;
use storeplane_core::backup::Part;
use storeplane_core::failure::{Failure, Reason};

use crate::kube::{ContainerEnd, JobFailure, JobFailureCause};
use crate::secret::SecretText;
use crate::worker::outcome::{RetryLimit, StepError};

/// Length of a SHA-256 in hexadecimal digits.
const SHA256_DIGITS: usize = 64;

/// What a container reports when it has succeeded.
#[derive(Deserialize)]
struct Report {
    bytes: u64,
    sha256: String,
    source_bytes: u64,
}

/// The uploaded parts, in the engine's order.
pub(in super::super) fn parts(
    names: &[String],
    messages: &BTreeMap<String, SecretText>,
) -> Result<Vec<Part>, StepError> {
    names.iter().map(|name| part(name, messages.get(name))).collect()
}

fn part(name: &str, message: Option<&SecretText>) -> Result<Part, StepError> {
    let unusable = |what: &str| {
        let message = format!("The container {name} of the backup's Job {what}; it must report sizes and a checksum.");
        Failure::new(Reason::BackupJobFailed, message)
    };
    // A pod that was deleted after it had succeeded reports nothing; another run may.
    let message = message.ok_or_else(|| step_error(unusable("left no termination message"), false))?;
    let report: Report = serde_json::from_str(message.expose().trim())
        .map_err(|_| StepError::Failed(unusable("left another termination message")))?;
    let Report { bytes, sha256, source_bytes } = report;
    let is_digest = sha256.len() == SHA256_DIGITS && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_digest {
        return Err(StepError::Failed(unusable("left no SHA-256")));
    }
    Ok(Part { name: name.to_owned(), bytes, source_bytes, sha256: sha256.to_ascii_lowercase() })
}

/// The meaning of a failed Job. Another run may succeed unless the cause lies in the store or in the storage.
pub(super) fn failed(failure: &JobFailure, what: &str) -> StepError {
    let first = failure.containers.first();
    let (reason, is_permanent) = match (failure.cause, first) {
        (JobFailureCause::Exit, Some(end)) => reason(end.exit_code),
        _ => (Reason::BackupJobFailed, false),
    };
    if let Some((end, sentence)) = first.and_then(|end| Some((end, of_storage(reason)?))) {
        // The container's own words name hosts: they are for the operator.
        tracing::warn!(container = end.container, message = end.message, "a Job could not use the storage of backups");
        return step_error(Failure::new(reason, sentence), is_permanent);
    }
    let said = first.map_or(failure.message.as_str(), |end| end.message.as_str());
    let how = match failure.cause {
        JobFailureCause::Exit => "failed",
        JobFailureCause::OutOfMemory => "exceeded its memory limit",
        JobFailureCause::Deadline => "exceeded its time limit",
        JobFailureCause::Evicted => "was evicted from its node",
    };
    let container = first.map_or_else(String::new, |end| format!(" ({})", end.container));
    let failure = Failure::new(reason, format!("The {what}'s Job{container} {how}: {}", last_line(said)))
        .with_details(failure.containers.iter().map(detail))
        .with_details(Some(&failure.message).filter(|text| !text.is_empty()));
    step_error(failure, is_permanent)
}

fn step_error(failure: Failure, is_permanent: bool) -> StepError {
    if is_permanent {
        return StepError::Failed(failure);
    }
    StepError::Retry { failure, tries: RetryLimit::Bounded, after: None }
}

/// What is said of a Job that could not use the storage.
fn of_storage(reason: Reason) -> Option<&'static str> {
    match reason {
        Reason::BackupStorageUnavailable => Some("The storage of backups does not answer the pods of the store."),
        Reason::BackupStorageDenied => {
            Some("The storage of backups refuses a signed request of a pod, or no longer has its upload.")
        }
        Reason::BackupStorageFull => Some("The storage of backups has no space left."),
        _ => None,
    }
}

/// The reason of an exit code, which the images share with the control plane, and whether another run cannot succeed.
fn reason(code: i32) -> (Reason, bool) {
    match code {
        10 => (Reason::BackupStorageUnavailable, false),
        11 | 13 => (Reason::BackupStorageDenied, false),
        12 => (Reason::BackupStorageFull, true),
        20 | 21 => (Reason::BackupSourceUnreadable, false),
        22 => (Reason::BackupSourceUnreadable, true),
        30 | 31 => (Reason::BackupCorrupted, true),
        32 => (Reason::RestoreFailed, false),
        33 => (Reason::VolumeFull, true),
        34 => (Reason::RestoreFailed, true),
        _ => (Reason::BackupJobFailed, false),
    }
}

fn detail(end: &ContainerEnd) -> String {
    let ContainerEnd { container, exit_code, reason, message } = end;
    format!("container {container}: exit code {exit_code} ({reason}): {}", last_line(message))
}

/// The last line that is not empty: the error, after the log.
fn last_line(text: &str) -> &str {
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(code: i32, message: &str) -> JobFailure {
        let end = ContainerEnd {
            container: "database".into(),
            exit_code: code,
            reason: "Error".into(),
            message: message.into(),
        };
        JobFailure { cause: JobFailureCause::Exit, message: String::new(), containers: vec![end] }
    }

    #[test]
    fn exit_code_tells_reason_and_whether_another_run_may_help() {
        for (code, reason, again) in [
            (10, Reason::BackupStorageUnavailable, true),
            (11, Reason::BackupStorageDenied, true),
            (12, Reason::BackupStorageFull, false),
            (13, Reason::BackupStorageDenied, true),
            (20, Reason::BackupSourceUnreadable, true),
            (22, Reason::BackupSourceUnreadable, false),
            (30, Reason::BackupCorrupted, false),
            (31, Reason::BackupCorrupted, false),
            (32, Reason::RestoreFailed, true),
            (33, Reason::VolumeFull, false),
            (34, Reason::RestoreFailed, false),
            (137, Reason::BackupJobFailed, true),
        ] {
            let (failure, retried) = match failed(&exit(code, "log\nthe error\n"), "backup") {
                StepError::Retry { failure, .. } => (failure, true),
                StepError::Failed(failure) => (failure, false),
                other => panic!("{other:?}"),
            };
            assert_eq!((failure.reason, retried), (reason, again), "{code}");
            if (10..=13).contains(&code) {
                // What a container says about the storage names hosts.
                assert!(
                    failure.message.starts_with("The storage of backups ") && failure.details.is_empty(),
                    "{failure:?}"
                );
                continue;
            }
            assert_eq!(failure.message, "The backup's Job (database) failed: the error");
            assert_eq!(failure.details, [format!("container database: exit code {code} (Error): the error")]);
        }
    }

    #[test]
    fn killed_job_says_what_killed_it() {
        let evicted = JobFailure {
            cause: JobFailureCause::Evicted,
            message: "The node was low on resource: memory.".into(),
            containers: vec![],
        };
        let StepError::Retry { failure, .. } = failed(&evicted, "backup") else { panic!("retried") };
        let message = "The backup's Job was evicted from its node: The node was low on resource: memory.";
        assert_eq!((failure.reason, failure.message.as_str()), (Reason::BackupJobFailed, message));
    }

    #[test]
    fn success_without_a_complete_report_is_none() {
        let names = ["database".to_owned(), "uploads".to_owned()];
        let report =
            |sha256: &str| SecretText::new(format!(r#"{{"bytes":7,"sha256":"{sha256}","source_bytes":9,"parts":1}}"#));
        let digest = "AB".repeat(32);
        let messages = BTreeMap::from(names.clone().map(|name| (name, report(&digest))));
        let read = parts(&names, &messages).expect("complete");
        let sizes: Vec<_> = read.iter().map(|part| (part.name.as_str(), part.bytes, part.source_bytes)).collect();
        assert_eq!(sizes, [("database", 7, 9), ("uploads", 7, 9)]);
        assert_eq!(read[0].sha256, digest.to_lowercase());
        for bad in [SecretText::new("done"), report("ab")] {
            let refused = parts(&names[..1], &BTreeMap::from([("database".to_owned(), bad)]));
            assert!(matches!(refused, Err(StepError::Failed(Failure { reason: Reason::BackupJobFailed, .. }))));
        }
        let lost = parts(&names[..1], &BTreeMap::new());
        assert!(matches!(lost, Err(StepError::Retry { tries: RetryLimit::Bounded, .. })), "its pod may be gone");
    }
}
