//! The objects of a Job, from a `PodTemplate` of the release.

use std::collections::BTreeMap;

use ::kube::Resource as _;
use k8s_openapi::api::batch::v1::{Job, JobSpec as Spec};
use k8s_openapi::api::core::v1::{PodSpec, PodTemplate, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::JobSpec;
use crate::kube::labels;

/// The volume with the files of the caller.
const TRANSFER: &str = "transfer";
/// How long an ended Job remains if nobody deletes it, in seconds: long enough for people to look at it.
const KEPT: i32 = 24 * 60 * 60;

/// The suspended Job. Otherwise, what is wrong with the template.
pub(super) fn job(spec: &JobSpec, template: PodTemplate) -> Result<Job, String> {
    let PodTemplateSpec { metadata, spec: pods } = template.template.unwrap_or_default();
    let mut pods = pods.ok_or("it has no pod spec")?;
    pods.restart_policy = Some("Never".into());
    if !spec.files.is_empty() {
        mount(&mut pods, &spec.name)?;
    }
    let ObjectMeta { labels: declared, annotations, .. } = metadata.unwrap_or_default();
    let mut pod_labels = declared.unwrap_or_default();
    pod_labels.extend(marks(spec));
    let mut job_labels = pod_labels.clone();
    job_labels.insert(labels::MANAGED_BY.into(), labels::STOREPLANE.into());
    let pod = ObjectMeta { labels: Some(pod_labels), annotations, ..ObjectMeta::default() };
    Ok(Job {
        metadata: ObjectMeta {
            name: Some(spec.name.clone()),
            labels: Some(job_labels),
            annotations: Some(BTreeMap::from([(labels::FENCE.into(), spec.fence.to_string())])),
            ..ObjectMeta::default()
        },
        spec: Some(Spec {
            active_deadline_seconds: Some(i64::try_from(spec.deadline.as_secs()).unwrap_or(i64::MAX)),
            backoff_limit: Some(spec.retries.into()),
            ttl_seconds_after_finished: Some(KEPT),
            suspend: Some(true),
            template: PodTemplateSpec { metadata: Some(pod), spec: Some(pods) },
            ..Spec::default()
        }),
        status: None,
    })
}

/// Points the template's volume to the Job's own Secret.
fn mount(pods: &mut PodSpec, secret: &str) -> Result<(), String> {
    let mut volumes = pods.volumes.iter_mut().flatten();
    let source = volumes.find(|volume| volume.name == TRANSFER).and_then(|volume| volume.secret.as_mut());
    let source = source.ok_or_else(|| format!("it has no volume {TRANSFER} of a Secret"))?;
    source.secret_name = Some(secret.to_owned());
    Ok(())
}

/// Of the Job's Secret, which is deleted with the Job.
pub(super) fn secret_metadata(spec: &JobSpec, job: &Job) -> ObjectMeta {
    let mut labels = marks(spec);
    labels.insert(labels::MANAGED_BY.into(), labels::STOREPLANE.into());
    let owner = OwnerReference {
        api_version: Job::api_version(&()).into_owned(),
        kind: Job::kind(&()).into_owned(),
        name: spec.name.clone(),
        uid: job.metadata.uid.clone().unwrap_or_default(),
        ..OwnerReference::default()
    };
    let (name, labels) = (Some(spec.name.clone()), Some(labels));
    ObjectMeta { name, labels, owner_references: Some(vec![owner]), ..ObjectMeta::default() }
}

fn marks(spec: &JobSpec) -> BTreeMap<String, String> {
    BTreeMap::from([
        (labels::STORE_UID.to_owned(), spec.store_uid.to_string()),
        (labels::OPERATION.to_owned(), spec.operation.to_string()),
    ])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};
    use storeplane_core::ids::{OperationId, StoreUid};
    use uuid::Uuid;

    use super::*;
    use crate::secret::SecretText;

    fn spec(files: &[&str]) -> JobSpec {
        JobSpec {
            name: "store-backup-0192f0c1".into(),
            template: "store-backup".into(),
            store_uid: StoreUid(Uuid::from_u128(1)),
            operation: OperationId(Uuid::from_u128(2)),
            fence: 7,
            deadline: Duration::from_mins(10),
            retries: 2,
            files: files.iter().map(|name| ((*name).to_owned(), SecretText::new("hidden"))).collect(),
        }
    }

    fn template(volumes: &Value) -> PodTemplate {
        let template = json!({
            "metadata": {"labels": {"app": "store-backup", "app.kubernetes.io/managed-by": "Helm"}},
            "spec": {"restartPolicy": "Always", "volumes": volumes, "containers": [{"name": "database", "image": "backup:1"}]},
        });
        serde_json::from_value(json!({"metadata": {"name": "store-backup"}, "template": template})).expect("a template")
    }

    #[test]
    fn job_has_the_templates_pod_and_its_own_secret() {
        let volumes =
            json!([{"name": "tmp", "emptyDir": {}}, {"name": "transfer", "secret": {"secretName": "store-backup"}}]);
        let job = serde_json::to_value(job(&spec(&["recipient"]), template(&volumes)).expect("a Job")).expect("JSON");
        let (store, operation) = ("00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002");
        let of = |managed: &str| {
            json!({"app": "store-backup", "app.kubernetes.io/managed-by": managed,
                "storeplane.io/store-uid": store, "storeplane.io/operation": operation})
        };
        let expected = json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "store-backup-0192f0c1", "labels": of("storeplane"), "annotations": {"storeplane.io/fence": "7"}},
            "spec": {
                "activeDeadlineSeconds": 600,
                "backoffLimit": 2,
                "suspend": true,
                "ttlSecondsAfterFinished": 86400,
                "template": {
                    "metadata": {"labels": of("Helm")},
                    "spec": {
                        "restartPolicy": "Never",
                        "containers": [{"name": "database", "image": "backup:1"}],
                        "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "transfer", "secret": {"secretName": "store-backup-0192f0c1"}}],
                    },
                },
            },
        });
        assert_eq!(job, expected);
    }

    #[test]
    fn template_without_the_volume_is_refused_only_if_there_are_files() {
        let other = json!([{"name": "transfer", "emptyDir": {}}]);
        for volumes in [json!([]), other] {
            let error = job(&spec(&["recipient"]), template(&volumes)).expect_err("no volume");
            assert_eq!(error, "it has no volume transfer of a Secret");
            assert!(job(&spec(&[]), template(&volumes)).is_ok());
        }
        assert!(job(&spec(&[]), PodTemplate::default()).is_err(), "no pod spec");
    }
}
