//! Each reason is true and its remedy works: a case produces it, follows the printed remedy, and ends at READY or DELETED.
//!
//! [`case`] names the case of every reason; a new reason does not compile without one. `plans` are cured by correcting
//! the plan's values, `cluster` in the cluster, `server` at the server. `stage` is the server that most of them share.

mod cluster;
mod plans;
mod server;
mod stage;

pub(crate) use stage::script;

use std::pin::Pin;
use std::sync::Arc;

use futures::StreamExt as _;
use storeplane_core::failure::Reason;

use stage::Stage;

/// Concurrent cases; helm is the bottleneck.
const TOGETHER: usize = 8;

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How a reason is produced and cured.
enum Case {
    /// On the shared server.
    Shared(fn(Arc<Stage>, Reason) -> Running),
    /// By a separate test, which is in `server` unless another place is named.
    Own,
}

macro_rules! shared {
    ($case:path) => {
        Case::Shared(|stage, reason| Box::pin(async move { $case(&stage, reason).await }))
    };
}

fn case(reason: Reason) -> Case {
    match reason {
        Reason::ChartRejected
        | Reason::QuotaExceeded
        | Reason::PodSecurityViolation
        | Reason::Unschedulable
        | Reason::ImagePullFailed
        | Reason::CrashLoop => shared!(plans::corrected),
        Reason::Cancelled => shared!(plans::cancelled),
        Reason::VolumeNotBound => shared!(cluster::storage_class_is_created_or_corrected),
        Reason::CreationRefused => shared!(cluster::service_account_is_created),
        Reason::NotOurs => shared!(cluster::foreign_namespace_is_removed),
        Reason::NamespaceMissing => shared!(cluster::namespace_is_deleted),
        Reason::NamespaceUnlabelled => shared!(cluster::labels_are_removed),
        Reason::NamespaceStuck => shared!(cluster::finalizer_is_removed),
        Reason::ReleaseMissing => shared!(cluster::release_is_forgotten),
        Reason::ReleaseConflict => shared!(cluster::release_is_left_failed),
        Reason::SecretMissing => shared!(cluster::secrets_are_deleted),
        Reason::WorkloadMissing => shared!(cluster::workload_is_deleted),
        Reason::ScaledToZero => shared!(cluster::workload_is_scaled_to_zero),
        Reason::PolicyDenied => shared!(cluster::policy_is_removed),
        Reason::WebhookUnavailable => shared!(cluster::webhook_is_removed),
        Reason::NodeLost
        | Reason::VolumeFull
        | Reason::NotReady
        | Reason::OutOfMemory
        | Reason::ContainerConfigError => shared!(cluster::pod_recovers),
        Reason::HelmFailed => shared!(server::helm_fails_for_an_unknown_cause),
        Reason::DeadlineExceeded => shared!(server::time_is_up),
        // In `backups::failures`, `backups::interruptions` and `backups::restores`: they are reasons of backups, not of stores.
        Reason::BackupStorageUnavailable
        | Reason::BackupStorageDenied
        | Reason::BackupStorageFull
        | Reason::BackupSourceUnreadable
        | Reason::BackupJobFailed
        | Reason::BackupCorrupted
        | Reason::BackupKeyMissing
        | Reason::RestoreFailed
        // In `backups::migrations`.
        | Reason::NewerSchemaDeployed
        // In `updates`.
        | Reason::VolumeNotExpandable
        | Reason::HelmMissing
        | Reason::HelmUnsupported
        | Reason::HelmTimeout
        | Reason::ClusterForbidden
        | Reason::ClusterUnreachable
        | Reason::VerificationFailed
        | Reason::Unreadable
        | Reason::Internal => Case::Own,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reason_is_cured_by_its_remedy() {
    let stage = Arc::new(Stage::start().await);
    let wanted = std::env::var("STOREPLANE_REMEDIES_ONLY").unwrap_or_default();
    let chosen = Reason::ALL.iter().copied().filter(|reason| wanted.is_empty() || wanted == reason.as_str());
    let cases = chosen.filter_map(|reason| match case(reason) {
        Case::Shared(run) => Some((reason, run(Arc::clone(&stage), reason))),
        Case::Own => None,
    });
    let cases = cases.map(|(reason, running)| async move { (reason, tokio::spawn(running).await) });
    let ended: Vec<_> = futures::stream::iter(cases.collect::<Vec<_>>()).buffer_unordered(TOGETHER).collect().await;
    assert!(!ended.is_empty(), "STOREPLANE_REMEDIES_ONLY={wanted} names no case");
    let failed: Vec<_> = ended.iter().filter(|(_, end)| end.is_err()).map(|(reason, _)| reason.as_str()).collect();
    assert!(failed.is_empty(), "remedies that do not help: {failed:?}");
    stage.lab.database.assert_sound().await;
}
