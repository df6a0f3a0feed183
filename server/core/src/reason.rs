//! All reasons why a store fails, degrades or waits, with rank, wire form and remedy.
//!
//! To add one: a line in the table below, at its rank; a case in `server/tests/it/remedies`; a row in `docs/operations.md`.
//! Tests fail until all three exist.

use serde::{Deserialize, Serialize};

/// One table with everything about each reason.
macro_rules! reasons {
    ($(#[doc = $doc:literal] $name:ident = $wire:literal, $remedy:literal;)+) => {
        /// A stable reason, `UPPER_SNAKE` on the wire. The order of declaration is the rank: if several are observed,
        /// the first one is the cause and the others are its consequences.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Reason {
            $(#[doc = $doc] #[serde(rename = $wire)] $name,)+
        }

        impl Reason {
            /// All reasons, by rank.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The wire form, for example `IMAGE_PULL_FAILED`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $wire,)+ }
            }

            /// What a person can do about it. `tests/it/remedies` follows each of them.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)+ }
            }

            /// Its meaning, as documented above.
            #[cfg(test)]
            fn meaning(self) -> &'static str {
                match self { $(Self::$name => $doc,)+ }
            }
        }
    };
}

reasons! {
    /// The namespace or release does not belong to this store.
    NotOurs = "NOT_OURS",
        "Ask the owner of the namespace or release to remove it, then retry the store; or delete the store and create it under another id.";
    /// The store's namespace is gone or being deleted, with everything in it.
    NamespaceMissing = "NAMESPACE_MISSING",
        "Retry the store to get a new, empty shop under the same id, then restore one of its backups into it; or delete the store.";
    /// Helm no longer has the store's release.
    ReleaseMissing = "RELEASE_MISSING",
        "Retry the store: the release is installed again over the existing objects, and volumes and Secrets are kept.";
    /// Secrets that the control plane generated are missing.
    SecretMissing = "SECRET_MISSING",
        "Restore the named Secrets from a backup; without one, retry the store, which generates new ones where its chart allows that.";
    /// Workloads of the release are missing.
    WorkloadMissing = "WORKLOAD_MISSING",
        "Retry the store: the chart is applied again, and volumes and Secrets are kept.";
    /// The helm binary is missing or cannot be run.
    HelmMissing = "HELM_MISSING",
        "Install helm 3.17 or newer on the server, or set STOREPLANE_HELM_BIN to its path, then retry the store.";
    /// The helm binary has an unsupported version.
    HelmUnsupported = "HELM_UNSUPPORTED",
        "Install helm 3.17 or newer (or helm 4) on the server, then retry the store.";
    /// The API server refused our credentials, or RBAC refuses the request.
    ClusterForbidden = "CLUSTER_FORBIDDEN",
        "Grant the server's account the rights listed in docs/operations.md, or renew its credentials, then retry the store.";
    /// An admission policy or an admission webhook denied the request.
    PolicyDenied = "POLICY_DENIED",
        "Change the admission policy or webhook that the message names, or the chart so that it complies, then retry the store.";
    /// An admission webhook cannot be called.
    WebhookUnavailable = "WEBHOOK_UNAVAILABLE",
        "Repair or remove the admission webhook that the message names; a waiting operation then continues, a failed store needs a retry.";
    /// The API server is unreachable or overloaded.
    ClusterUnreachable = "CLUSTER_UNREACHABLE",
        "Check the API server and the kubeconfig; a waiting operation continues once it answers, a failed store needs a retry.";
    /// The chart or its values were refused: template, schema or API validation.
    ChartRejected = "CHART_REJECTED",
        "Correct the chart or the values that the message names, then retry the store.";
    /// A ResourceQuota or LimitRange forbids the objects.
    QuotaExceeded = "QUOTA_EXCEEDED",
        "Raise the quota or limit range that the message names (the chart's own quota: in the plan's values file), then retry the store.";
    /// Pod Security forbids the pods.
    PodSecurityViolation = "POD_SECURITY_VIOLATION",
        "Change the chart so that its pods meet the restricted Pod Security Standard, then retry the store.";
    /// The API server refused to create an object for another reason.
    CreationRefused = "CREATION_REFUSED",
        "Remove the cause that the API server's message in the details names, then retry the store.";
    /// A workload of the store was scaled to zero.
    ScaledToZero = "SCALED_TO_ZERO",
        "Retry the store, which restores the chart's number of replicas; or scale the workload that the message names up again.";
    /// The node of a pod does not respond.
    NodeLost = "NODE_LOST",
        "Bring the node that the message names back, or delete its Node object so that its pods are replaced elsewhere.";
    /// No node can schedule a pod.
    Unschedulable = "UNSCHEDULABLE",
        "Add or free nodes that fit the pod, or correct the plan's requests and node selector in its values file, then retry the store.";
    /// A volume claim is not bound, or its volume cannot be attached.
    VolumeNotBound = "VOLUME_NOT_BOUND",
        "Make sure that the storage class that the details name exists and that its provisioner works, then retry the store.";
    /// A volume claim cannot grow, because its storage class does not allow it.
    VolumeNotExpandable = "VOLUME_NOT_EXPANDABLE",
        "Set `allowVolumeExpansion: true` in the storage class of the claim that the message names, if its provisioner can expand volumes, then repeat the request; otherwise keep a plan with the present sizes.";
    /// A volume has no space left.
    VolumeFull = "VOLUME_FULL",
        "Expand the volume claim that the message names (its storage class must allow that) or free space on it; the store then recovers, a failed one needs a retry.";
    /// An image cannot be pulled.
    ImagePullFailed = "IMAGE_PULL_FAILED",
        "Correct the image's name, tag or the registry's credentials, then retry the store.";
    /// A container needs a Secret or ConfigMap that is missing.
    ContainerConfigError = "CONTAINER_CONFIG_ERROR",
        "Create the Secret or ConfigMap that the message names, then retry the store.";
    /// A container exits repeatedly.
    CrashLoop = "CRASH_LOOP",
        "Correct the cause that the container's last log lines in the details show, then retry the store.";
    /// A container used more memory than its limit.
    OutOfMemory = "OUT_OF_MEMORY",
        "Raise the memory limit in the plan's values file, then retry the store.";
    /// A container runs but does not become ready.
    NotReady = "NOT_READY",
        "Correct what the readiness probe's answer in the details shows; the store then recovers, a failed one needs a retry.";
    /// The release is pending or partly removed, and the control plane is not the cause.
    ReleaseConflict = "RELEASE_CONFLICT",
        "Find out with `helm history` what else is changing the release, wait until it has finished, then retry the store.";
    /// Somebody deployed a newer version of the chart with another schema: the store's version cannot read data that it has migrated.
    NewerSchemaDeployed = "NEWER_SCHEMA_DEPLOYED",
        "Update the store to the engine_version that the message names, or restore a backup from before, which deploys the store's version again.";
    /// Helm failed with an error that is not recognized.
    HelmFailed = "HELM_FAILED",
        "Remove the cause that helm's message in the details names, then retry the store.";
    /// Helm exceeded its time limit and was stopped.
    HelmTimeout = "HELM_TIMEOUT",
        "Check the load of the API server and its admission webhooks, then retry the store.";
    /// A namespace is not deleted because an object in it has a finalizer that is not removed.
    NamespaceStuck = "NAMESPACE_STUCK",
        "Start the controller that owns the finalizer in the details, or remove that finalizer with kubectl, then retry the deletion.";
    /// Labels that identify the store's namespace were removed.
    NamespaceUnlabelled = "NAMESPACE_UNLABELLED",
        "Stop the controller that removes labels from the namespace, then retry the store, which puts them back.";
    /// The storage of backups does not answer.
    BackupStorageUnavailable = "BACKUP_STORAGE_UNAVAILABLE",
        "Start the storage of backups, or correct its address in the server's configuration; a waiting backup continues, a failed one can be created again.";
    /// The storage of backups refuses the server's credentials or a signed request.
    BackupStorageDenied = "BACKUP_STORAGE_DENIED",
        "Correct the credentials and the bucket of the storage in the server's configuration, then create the backup again.";
    /// The storage of backups has no space left.
    BackupStorageFull = "BACKUP_STORAGE_FULL",
        "Enlarge the storage of backups, or delete backups that are not needed, then create the backup again.";
    /// The shop's database or files cannot be read.
    BackupSourceUnreadable = "BACKUP_SOURCE_UNREADABLE",
        "Repair the database or the volume that the message names (GetStoreLogs shows their logs), then create the backup again.";
    /// The Job of a backup was killed, evicted or exceeded its time or memory.
    BackupJobFailed = "BACKUP_JOB_FAILED",
        "Remove the cause that the details name, such as a node without memory or disk space, then create the backup again.";
    /// What was stored is not what was sent, or cannot be decrypted.
    BackupCorrupted = "BACKUP_CORRUPTED",
        "Check the storage of backups for defects, then create a new backup.";
    /// The server has no key that decrypts a backup.
    BackupKeyMissing = "BACKUP_KEY_MISSING",
        "Add the key that was in use when the backup was made to the file that backups.key_file names.";
    /// A backup could not be read into the shop's database or volume; what was there is unchanged.
    RestoreFailed = "RESTORE_FAILED",
        "Correct what the message and the details name, then restore the backup again, or another one.";
    /// The shop gives wrong answers, or does not sell.
    VerificationFailed = "VERIFICATION_FAILED",
        "Correct what the request and its answer in the details show, then retry the store.";
    /// The operation exceeded its time limit, and no other cause was observed.
    DeadlineExceeded = "DEADLINE_EXCEEDED",
        "Retry the store: it continues from what exists.";
    /// The operation was cancelled.
    Cancelled = "CANCELLED",
        "Retry the store if you still want it, or delete it.";
    /// The control plane itself failed; its log has the details.
    Internal = "INTERNAL",
        "Search the server's log for the store's id and correct the error there, then retry the store.";
    /// The store's row holds values that this server does not know; a newer one wrote them.
    Unreadable = "UNREADABLE",
        "Upgrade all servers to the release that wrote the store, or delete the store.";
}

impl std::str::FromStr for Reason {
    type Err = serde::de::value::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::deserialize(serde::de::value::StrDeserializer::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_form_is_the_serialized_form_of_every_reason() {
        for reason in Reason::ALL.iter().copied() {
            assert_eq!(serde_json::to_value(reason).ok(), Some(reason.as_str().into()));
            assert_eq!(reason.as_str().parse(), Ok(reason));
            let upper = reason.as_str().chars().all(|c| c.is_ascii_uppercase() || c == '_');
            assert!(upper, "{reason:?}");
        }
        assert!(Reason::ALL.is_sorted(), "the order of declaration is the rank");
    }

    #[test]
    fn operations_guide_lists_every_reason() {
        let guide = include_str!("../../../docs/operations.md");
        for reason in Reason::ALL {
            let (meaning, remedy) = (reason.meaning().trim(), reason.remedy());
            let row = format!("| `{}` | {meaning} | {remedy} |", reason.as_str());
            assert!(guide.contains(&row), "docs/operations.md lacks the row:\n{row}");
        }
    }

    #[test]
    fn every_remedy_is_one_sentence_that_names_an_action() {
        let mut remedies: Vec<_> = Reason::ALL.iter().map(|reason| reason.remedy()).collect();
        for remedy in &remedies {
            assert!(remedy.ends_with('.') && remedy.matches(". ").count() == 0, "{remedy}");
        }
        remedies.sort_unstable();
        remedies.dedup();
        assert_eq!(remedies.len(), Reason::ALL.len(), "each reason has a remedy of its own");
    }
}
