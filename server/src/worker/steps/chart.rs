//! The chart of a store, and the values that helm is given.

use serde_json::{Map, Value, json};
use storeplane_core::engine::Engine;
use storeplane_core::failure::{Failure, Reason};
use storeplane_core::host_name::{HostName, ServedDomains};
use storeplane_core::revision::{DeployedWith, Revision};
use storeplane_core::store::{Environment, Settings, Store};
use storeplane_core::store_domain::secret_name;

use super::smtp;
use crate::config::CertificateIssuer;
use crate::helm::Chart;
use crate::kube::{CopiedSecret, CopiedSecretUse, labels};
use crate::worker::context::OperationContext;
use crate::worker::outcome::StepError;

/// The key of the values that describe the store.
const STORE: &str = "store";
/// The key of the values about custom domains.
const DOMAINS: &str = "domains";
/// The key of the shop's mode within them.
const MAINTENANCE: &str = "maintenance";

/// What customers reach at a shop's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Customers reach the shop.
    Online,
    /// The maintenance page answers; the shop's pods run.
    Page,
    /// The maintenance page answers; the shop has no pods.
    Offline,
}

impl Mode {
    /// The value of the chart; `None` for its default.
    fn value(self) -> Option<&'static str> {
        match self {
            Self::Online => None,
            Self::Page => Some("page"),
            Self::Offline => Some("offline"),
        }
    }
}

/// The mode in which a release is deployed.
pub(super) fn mode(deployed: &DeployedWith) -> Mode {
    match deployed.values.get(STORE).and_then(|store| store.get(MAINTENANCE)?.as_str()) {
        Some("page") => Mode::Page,
        Some("offline") => Mode::Offline,
        _ => Mode::Online,
    }
}

impl Chart {
    /// The same with the shop in this mode.
    pub(super) fn in_mode(mut self, mode: Mode) -> Self {
        if let (Some(value), Some(store)) = (mode.value(), self.values.get_mut(STORE).and_then(Value::as_object_mut)) {
            store.insert(MAINTENANCE.to_owned(), json!(value));
        }
        self
    }
}

/// The values without the mode of the shop.
pub(super) fn without_mode(mut values: Value) -> Value {
    if let Some(store) = values.get_mut(STORE).and_then(Value::as_object_mut) {
        store.remove(MAINTENANCE);
    }
    values
}

/// The engine's chart with the values of a store that has these settings.
pub(super) fn of(context: &OperationContext, engine: &Engine, settings: &Settings) -> Result<Chart, StepError> {
    let store = &context.store;
    let plan = engine.plan(&settings.plan).ok_or_else(|| {
        let message = format!("Plan {} of engine {} is no longer in the configuration.", settings.plan, engine.name);
        StepError::Failed(Failure::new(Reason::ChartRejected, message))
    })?;
    let mut values = json!({ "store": about(store, settings), "ingress": { "host": store.placement.host } });
    if let (Some(smtp), Some(all)) = (&settings.smtp, values.as_object_mut()) {
        all.insert("smtp".to_owned(), smtp::values(smtp));
    }
    let values = with_copied_secrets(values, context.tools.cluster.copied_secrets());
    let values = with_domains(values, &settings.domains, context.tools.issuer.as_ref());
    let values_files = engine.values.iter().chain([&plan.values]).cloned().collect();
    Ok(Chart { dir: engine.chart.clone(), values_files, values, labels: recorded_labels(store, settings) })
}

/// The chart of a revision with the values that helm was given then, and these domains: others may belong to other stores since.
pub(super) fn of_revision(
    context: &OperationContext,
    engine: &Engine,
    revision: &Revision,
    domains: &ServedDomains,
) -> Chart {
    let values = with_domains(revision.values.clone(), domains, context.tools.issuer.as_ref());
    let labels = recorded_labels(&context.store, &revision.settings);
    Chart { dir: engine.chart.clone(), values_files: Vec::new(), values, labels }
}

/// With the uid, they tell `adopt` what the values do not contain.
fn recorded_labels(store: &Store, settings: &Settings) -> Vec<(String, String)> {
    let recorded = [(labels::ENGINE, store.spec.engine.as_str()), (labels::PLAN, settings.plan.as_str())];
    let recorded = recorded.into_iter().filter(|(_, value)| is_label_value(value));
    let mut labels = vec![(labels::STORE_UID.to_owned(), store.uid.to_string())];
    labels.extend(recorded.map(|(label, value)| (label.to_owned(), value.to_owned())));
    labels
}

/// The values about the store. Charts without copies or plugins need not know theirs.
fn about(store: &Store, settings: &Settings) -> Map<String, Value> {
    let always = [
        ("id", json!(store.id)),
        ("uid", json!(store.uid)),
        ("tenant", json!(store.tenant)),
        ("displayName", json!(settings.display_name)),
        ("adminEmail", json!(settings.admin_email)),
    ];
    let of_copies = [("restored", store.source.is_some()), ("staging", settings.environment == Environment::Staging)];
    let of_copies = of_copies.into_iter().filter(|(_, is_set)| *is_set).map(|(name, is_set)| (name, json!(is_set)));
    let plugins = (!settings.plugins.is_empty()).then(|| ("plugins", json!(settings.plugins)));
    always.into_iter().chain(plugins).chain(of_copies).map(|(name, value)| (name.to_owned(), value)).collect()
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

/// The values with these domains; charts without domains need not know them.
fn with_domains(mut values: Value, domains: &ServedDomains, issuer: Option<&CertificateIssuer>) -> Value {
    let Some(all) = values.as_object_mut() else { return values };
    all.remove(DOMAINS);
    if domains.names.is_empty() {
        return values;
    }
    let host = |name: &HostName| json!({"host": name, "secretName": secret_name(name)});
    let mut told = json!({
        "hosts": domains.names.iter().map(host).collect::<Vec<_>>(),
        "primary": domains.primary_text(),
    });
    if let (Some(issuer), Some(told)) = (issuer, told.as_object_mut()) {
        told.insert("issuer".to_owned(), json!({"kind": issuer.kind, "name": issuer.name}));
    }
    all.insert(DOMAINS.to_owned(), told);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_is_one_value_and_is_not_recorded() {
        let values = json!({"store": {"id": "tea"}, "other": 1});
        let chart =
            Chart { dir: "/chart".into(), values_files: Vec::new(), values: values.clone(), labels: Vec::new() };
        assert_eq!(chart.clone().in_mode(Mode::Online).values, values);
        for (mode, value) in [(Mode::Page, "page"), (Mode::Offline, "offline")] {
            let changed = chart.clone().in_mode(mode).values;
            assert_eq!(changed, json!({"store": {"id": "tea", "maintenance": value}, "other": 1}));
            assert_eq!(without_mode(changed), values);
        }
    }

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
    fn domains_replace_those_of_the_values() {
        let former = json!({"store": {"id": "tea"}, "domains": {"hosts": [{"host": "old.example"}]}});
        let none = with_domains(former.clone(), &ServedDomains::default(), None);
        assert_eq!(none, json!({"store": {"id": "tea"}}));
        let names = vec![HostName::stored("a.example"), HostName::stored("b.example")];
        let domains = ServedDomains { primary: names.last().cloned(), names };
        let issuer = CertificateIssuer { kind: crate::config::IssuerKind::ClusterIssuer, name: "acme".into() };
        let hosts = json!([{"host": "a.example", "secretName": "tls-a.example"}, {"host": "b.example", "secretName": "tls-b.example"}]);
        let issuer_value = json!({"kind": "ClusterIssuer", "name": "acme"});
        let told = json!({"hosts": hosts, "primary": "b.example", "issuer": issuer_value});
        assert_eq!(with_domains(former, &domains, Some(&issuer))["domains"], told);
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
