//! INSTALL: the release is deployed. A release that helm left incomplete is repaired first; a deployed one is adopted.

use serde_json::{Map, Value, json};
use storeplane_core::engine::Engine;
use storeplane_core::failure::{Failure, Reason};
use storeplane_core::operation::Step;
use storeplane_core::store::{Environment, Store, Versions};
use storeplane_core::transition::operation as transition;

use super::repair::{Known, Repair, repair};
use crate::helm::{Chart, HelmErrorKind};
use crate::kube::{CopiedSecret, CopiedSecretUse, ReleaseObservation, ReleaseStatus, labels};
use crate::worker::context::OperationContext;
use crate::worker::outcome::{RetryLimit, StepError};
use crate::worker::release::Stopped;

pub(super) async fn run(context: &mut OperationContext) -> Result<(), StepError> {
    let engine = context.engine().await?;
    let chart = chart(context, &engine)?;
    let found = context.observe_release().await?;
    let known = Known {
        is_ours: found.as_ref().is_some_and(|release| release.store_uid == Some(context.store.uid)),
        was_ready: context.store.ready_at.is_some(),
        apply_again: context.operation.is_retry() && !context.operation.is_behind(Step::Install),
    };
    let found = found.as_ref();
    match repair(found, known) {
        Repair::Adopt => return Ok(()),
        Repair::LeaveAlone => return Err(StepError::Failed(not_ours(context))),
        Repair::Install => context.helm_install(&chart).await?,
        Repair::Upgrade => upgrade(context, found, &chart).await?,
        Repair::Reinstall => {
            context.note_repair(Step::Install, found, "removed, then installed again").await?;
            reinstall(context, &chart).await?;
        }
        Repair::RollBack(revision) => {
            let how = format!("rolled back to revision {revision}, then upgraded");
            context.note_repair(Step::Install, found, &how).await?;
            context.helm_rollback(revision).await?;
            upgrade(context, found, &chart).await?;
        }
        Repair::Forget => {
            let how = "installed again over the existing objects; nothing is removed";
            context.note_repair(Step::Install, found, how).await?;
            forget(context).await?;
            context.helm_install(&chart).await?;
        }
    }
    // The exit code proves nothing; the release's own record does.
    match context.observe_release().await? {
        Some(ReleaseObservation { status: ReleaseStatus::Deployed, .. }) => record(context, &engine.versions).await,
        other => {
            let status = other.map_or("missing", |release| release.status.as_str());
            let message = format!("Release {} is {status} after helm ended.", context.store.placement.release);
            let failure = Failure::new(Reason::ReleaseConflict, message);
            Err(StepError::Retry { failure, tries: RetryLimit::Bounded, after: None })
        }
    }
}

/// Remembers what was applied: the chart's content may have changed since the store was requested.
async fn record(context: &mut OperationContext, versions: &Versions) -> Result<(), StepError> {
    if context.store.versions == *versions {
        return Ok(());
    }
    context.write(&|snapshot| Ok(transition::installed(snapshot, versions))).await
}

/// A changed immutable field (a corrected storage class) can be applied by reinstalling, as long as the shop never worked.
async fn upgrade(
    context: &mut OperationContext,
    found: Option<&ReleaseObservation>,
    chart: &Chart,
) -> Result<(), StepError> {
    match context.helm_upgrade(chart).await {
        Err(Stopped::Helm(error)) if error.kind() == HelmErrorKind::Immutable && context.store.ready_at.is_none() => {
            let how =
                "removed with its unbound volume claims, then installed again: the chart changes immutable fields";
            context.note_repair(Step::Install, found, how).await?;
            reinstall(context, chart).await
        }
        other => other.map_err(StepError::from),
    }
}

/// For stores that were never READY only.
async fn reinstall(context: &OperationContext, chart: &Chart) -> Result<(), StepError> {
    context.helm_uninstall().await?;
    let (cluster, namespace) = (context.tools.cluster.clone(), context.store.placement.namespace.clone());
    context.unless_stopped(cluster.delete_unbound_claims(&namespace)).await??;
    context.helm_install(chart).await
}

async fn forget(context: &OperationContext) -> Result<(), StepError> {
    let (cluster, release) = (context.tools.cluster.clone(), context.release_name());
    Ok(context.unless_stopped(cluster.forget_release(&release.namespace, &release.name)).await??)
}

fn chart(context: &OperationContext, engine: &Engine) -> Result<Chart, StepError> {
    let store = &context.store;
    let plan = engine.plan(&store.spec.plan).ok_or_else(|| {
        let message = format!("Plan {} of engine {} is no longer in the configuration.", store.spec.plan, engine.name);
        StepError::Failed(Failure::new(Reason::ChartRejected, message))
    })?;
    let values = json!({ "store": about(store), "ingress": { "host": store.placement.host } });
    let values = with_copied_secrets(values, context.tools.cluster.copied_secrets());
    let values_files = engine.values.iter().chain([&plan.values]).cloned().collect();
    // With the uid, they tell `adopt` what the values do not contain.
    let recorded = [(labels::ENGINE, store.spec.engine.as_str()), (labels::PLAN, store.spec.plan.as_str())];
    let recorded = recorded.into_iter().filter(|(_, value)| is_label_value(value));
    let mut labels = vec![(labels::STORE_UID.to_owned(), store.uid.to_string())];
    labels.extend(recorded.map(|(label, value)| (label.to_owned(), value.to_owned())));
    Ok(Chart { dir: engine.chart.clone(), values_files, values, labels })
}

/// The values about the store. Charts without copies need not know those of copies.
fn about(store: &Store) -> Map<String, Value> {
    let always = [
        ("id", json!(store.id)),
        ("uid", json!(store.uid)),
        ("tenant", json!(store.tenant)),
        ("displayName", json!(store.spec.display_name)),
        ("adminEmail", json!(store.spec.admin_email)),
    ];
    let of_copies = [("restored", store.source.is_some()), ("staging", store.spec.environment == Environment::Staging)];
    let of_copies = of_copies.into_iter().filter(|(_, is_set)| *is_set).map(|(name, is_set)| (name, json!(is_set)));
    always.into_iter().chain(of_copies).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// True if Kubernetes accepts it as a label's value: a plan is named after its file.
fn is_label_value(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let ends = text.as_bytes().first().zip(text.as_bytes().last());
    let ends_are_alphanumeric =
        ends.is_some_and(|(first, last)| first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric());
    text.len() <= 63 && text.bytes().all(is_inner) && ends_are_alphanumeric
}

/// The values that name the copied Secrets. Without configuration, the chart's own values apply.
fn with_copied_secrets(mut values: Value, copied: &[CopiedSecret]) -> Value {
    let named = |purpose| copied.iter().filter(move |secret| secret.purpose == purpose).map(|secret| &secret.name);
    let Some(all) = values.as_object_mut() else { return values };
    let pull: Vec<_> = named(CopiedSecretUse::ImagePull).collect();
    if !pull.is_empty() {
        all.insert("imagePullSecrets".to_owned(), json!(pull));
    }
    if let Some(name) = named(CopiedSecretUse::Tls).next() {
        let ingress = all.entry("ingress").or_insert_with(|| json!({}));
        if let Some(ingress) = ingress.as_object_mut() {
            // Without an issuer: cert-manager would replace the copy's certificate.
            ingress.insert("tls".to_owned(), json!({"secretName": name, "clusterIssuer": ""}));
        }
    }
    values
}

fn not_ours(context: &OperationContext) -> Failure {
    let placement = &context.store.placement;
    let message = format!(
        "A release {} that this control plane did not create is in the namespace {}.",
        placement.release, placement.namespace
    );
    let remedy = format!("Its owner can remove it: helm uninstall {} -n {}", placement.release, placement.namespace);
    Failure::new(Reason::NotOurs, message).with_details([remedy])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_label_values_become_labels() {
        for good in ["small", "x-large.2", "A_b", "7"] {
            assert!(is_label_value(good), "{good}");
        }
        for bad in ["", "x large", "-a", "a.", "a,b", "größer", &"a".repeat(64)] {
            assert!(!is_label_value(bad), "{bad}");
        }
    }

    #[test]
    fn copied_secrets_are_named_in_the_chart_s_values() {
        let secret = |name: &str, purpose| CopiedSecret { namespace: "shared".into(), name: name.into(), purpose };
        let values = json!({"ingress": {"host": "a.test"}});
        assert_eq!(with_copied_secrets(values.clone(), &[secret("ca", CopiedSecretUse::None)]), values);
        let copied = [secret("pull", CopiedSecretUse::ImagePull), secret("wildcard", CopiedSecretUse::Tls)];
        let expected = json!({
            "imagePullSecrets": ["pull"],
            "ingress": {"host": "a.test", "tls": {"secretName": "wildcard", "clusterIssuer": ""}},
        });
        assert_eq!(with_copied_secrets(values, &copied), expected);
    }
}
