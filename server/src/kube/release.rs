//! A release's state, read from the Secrets in which helm stores it.
//!
//! Only labels are read: a record's content includes the values, which are not needed here.

use std::collections::BTreeMap;

use ::kube::Api;
use ::kube::api::{DeleteParams, ListParams};
use ::kube::core::PartialObjectMeta;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use storeplane_core::ids::StoreUid;
use time::OffsetDateTime;

use super::cluster::Cluster;
use super::error::{ClusterError, ClusterErrorKind};
use super::labels;

/// Helm's status of a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReleaseStatus {
    /// All manifests were applied. This does not mean that anything runs.
    Deployed,
    /// Helm failed.
    Failed,
    /// A first install is in progress, or was interrupted.
    PendingInstall,
    /// An upgrade is in progress, or was interrupted.
    PendingUpgrade,
    /// A rollback is in progress, or was interrupted.
    PendingRollback,
    /// An uninstall is in progress, or was interrupted.
    Uninstalling,
    /// Uninstalled, with its history kept.
    Uninstalled,
    /// A later revision was deployed.
    Superseded,
    /// `unknown`, or a status that is not known here.
    Unknown,
}

impl ReleaseStatus {
    fn parse(text: &str) -> Self {
        match text {
            "deployed" => Self::Deployed,
            "failed" => Self::Failed,
            "pending-install" => Self::PendingInstall,
            "pending-upgrade" => Self::PendingUpgrade,
            "pending-rollback" => Self::PendingRollback,
            "uninstalling" => Self::Uninstalling,
            "uninstalled" => Self::Uninstalled,
            "superseded" => Self::Superseded,
            _ => Self::Unknown,
        }
    }

    /// Helm's name of the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployed => "deployed",
            Self::Failed => "failed",
            Self::PendingInstall => "pending-install",
            Self::PendingUpgrade => "pending-upgrade",
            Self::PendingRollback => "pending-rollback",
            Self::Uninstalling => "uninstalling",
            Self::Uninstalled => "uninstalled",
            Self::Superseded => "superseded",
            Self::Unknown => "unknown",
        }
    }
}

/// A release, according to its newest revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseObservation {
    /// Status of the newest revision.
    pub status: ReleaseStatus,
    /// The newest revision.
    pub revision: u32,
    /// The newest deployed revision: the target of a rollback.
    pub last_deployed: Option<u32>,
    /// When helm last wrote the newest revision, by helm's clock.
    pub updated: Option<OffsetDateTime>,
    /// The store that it was created for; `None` if we did not create it.
    pub store_uid: Option<StoreUid>,
}

/// A release in the listing over all namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRelease {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub observation: ReleaseObservation,
}

impl Cluster {
    /// Helm's record of a release; `None` if there is none.
    pub async fn release(&self, namespace: &str, name: &str) -> Result<Option<ReleaseObservation>, ClusterError> {
        let what = format!("read the release {name} in {namespace}");
        let selector = format!("owner=helm,name={name}");
        let records = self
            .call(&what, |client| async move {
                let secrets = Api::<PartialObjectMeta<Secret>>::namespaced(client, namespace);
                secrets.list(&ListParams::default().labels(&selector)).await
            })
            .await?;
        Ok(fold(records.items.iter().map(|record| &record.metadata)).pop().map(|release| release.observation))
    }

    /// Removes helm's records of a release and nothing else: its objects are kept.
    pub async fn forget_release(&self, namespace: &str, name: &str) -> Result<(), ClusterError> {
        let selector = ListParams::default().labels(&format!("owner=helm,name={name}"));
        let what = format!("remove the records of the release {name} in {namespace}");
        self.call(&what, |client| async move {
            let secrets = Api::<PartialObjectMeta<Secret>>::namespaced(client, namespace);
            secrets.delete_collection(&DeleteParams::default(), &selector).await.map(drop)
        })
        .await
    }

    /// Removes helm's record of one revision, which is pending: helm continues from the revision before it.
    pub async fn forget_revision(&self, namespace: &str, name: &str, revision: u32) -> Result<(), ClusterError> {
        let secret = format!("sh.helm.release.v1.{name}.v{revision}");
        let what = format!("remove the record of revision {revision} of the release {name} in {namespace}");
        let deleting = self.call(&what, |client| async move {
            let secrets = Api::<PartialObjectMeta<Secret>>::namespaced(client, namespace);
            secrets.delete(&secret, &DeleteParams::default()).await.map(drop)
        });
        match deleting.await {
            Err(error) if error.kind() == ClusterErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// The helm releases in a namespace, ordered by name.
    pub async fn releases_in(&self, namespace: &str) -> Result<Vec<ListedRelease>, ClusterError> {
        let found: Vec<PartialObjectMeta<Secret>> = self.list_in(namespace, records()).await?;
        Ok(fold(found.iter().map(|record| &record.metadata)))
    }

    /// Every helm release in the cluster or, if the account may not list these, in the namespaces of stores; read in pages, ordered by
    /// namespace and name.
    pub async fn all_releases(&self) -> Result<Vec<ListedRelease>, ClusterError> {
        let records: Vec<PartialObjectMeta<Secret>> = self.list_visible("list the releases", records()).await?;
        Ok(fold(records.iter().map(|record| &record.metadata)))
    }
}

/// Selects helm's release records.
pub(super) fn records() -> ListParams {
    ListParams::default().labels("owner=helm")
}

/// One release for each namespace and name, from the records of its revisions.
pub(super) fn fold<'a>(records: impl Iterator<Item = &'a ObjectMeta>) -> Vec<ListedRelease> {
    let mut releases = BTreeMap::<(String, String), ReleaseObservation>::new();
    for record in records {
        let Some((name, revision)) = read(record) else { continue };
        let key = (record.namespace.clone().unwrap_or_default(), name);
        match releases.get_mut(&key) {
            None => drop(releases.insert(key, revision)),
            Some(known) => {
                let last_deployed = known.last_deployed.max(revision.last_deployed);
                let store_uid = known.store_uid.or(revision.store_uid);
                if revision.revision > known.revision {
                    *known = revision;
                }
                (known.last_deployed, known.store_uid) = (last_deployed, store_uid);
            }
        }
    }
    let listed = |((namespace, name), observation)| ListedRelease { namespace, name, observation };
    releases.into_iter().map(listed).collect()
}

/// Helm's status of a revision, from its label on the record.
pub(super) fn status_of(record: &ObjectMeta) -> Option<ReleaseStatus> {
    Some(ReleaseStatus::parse(record.labels.as_ref()?.get("status")?))
}

/// Name and revision, from helm's labels on the record.
fn read(record: &ObjectMeta) -> Option<(String, ReleaseObservation)> {
    let found = record.labels.as_ref()?;
    let status = status_of(record)?;
    let seconds = found.get("modifiedAt").or_else(|| found.get("createdAt")).and_then(|text| text.parse().ok());
    let revision = found.get("version")?.parse().ok()?;
    let was_deployed = matches!(status, ReleaseStatus::Deployed | ReleaseStatus::Superseded);
    let observation = ReleaseObservation {
        status,
        revision,
        last_deployed: was_deployed.then_some(revision),
        updated: seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok()),
        store_uid: found.get(labels::STORE_UID).and_then(|text| text.parse().ok()),
    };
    Some((found.get("name")?.clone(), observation))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(namespace: &str, name: &str, version: &str, status: &str) -> ObjectMeta {
        let labels =
            [("owner", "helm"), ("name", name), ("version", version), ("status", status), ("modifiedAt", "1790000000")];
        ObjectMeta {
            namespace: Some(namespace.into()),
            labels: Some(labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn newest_revision_is_chosen_by_number_and_history_is_kept() {
        let records = [
            record("a", "shop", "9", "superseded"),
            record("a", "shop", "11", "pending-upgrade"),
            record("a", "shop", "10", "failed"),
            record("b", "shop", "1", "pending-install"),
        ];
        let releases = fold(records.iter());
        assert_eq!(releases.len(), 2);
        let first = &releases[0].observation;
        assert_eq!((first.status, first.revision, first.last_deployed), (ReleaseStatus::PendingUpgrade, 11, Some(9)));
        assert_eq!(first.updated.map(OffsetDateTime::unix_timestamp), Some(1_790_000_000));
        let second = &releases[1].observation;
        assert_eq!((second.status, second.last_deployed), (ReleaseStatus::PendingInstall, None));
    }

    #[test]
    fn invalid_records_are_skipped() {
        assert_eq!(fold([ObjectMeta::default(), record("a", "shop", "first", "deployed")].iter()), []);
        assert_eq!(
            fold([record("a", "shop", "1", "new-in-helm-5")].iter())[0].observation.status,
            ReleaseStatus::Unknown
        );
    }
}
