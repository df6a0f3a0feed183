//! What an update would do, for callers who ask before they request it.

use super::Change;
use super::update::differences;
use crate::engine::Catalog;
use crate::operation::Step;
use crate::store::{Environment, Store};

/// What a requested change would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preview {
    /// The fields of the settings that change.
    pub changes: Vec<PreviewedChange>,
    /// The steps of the operation; none if the change takes effect at once.
    pub steps: Vec<Step>,
    /// The shop's pods are replaced.
    pub restarts_pods: bool,
    /// A page answers customers meanwhile, and the shop takes no orders.
    pub maintenance_page: bool,
    /// What else to know, and what cannot be undone, as sentences.
    pub notes: Vec<String>,
}

/// A field that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewedChange {
    /// The field, for example `plan`.
    pub field: String,
    /// Its value before.
    pub before: String,
    /// Its value after.
    pub after: String,
}

/// The preview of a change of `before`.
pub fn preview(before: &Store, change: &Change, catalog: &Catalog) -> Preview {
    if change.operation.id == before.operation {
        return Preview::default();
    }
    let (old, new) = (before.settings(), change.store.settings());
    let changes = differences(&old, &new).into_iter().map(|(field, before, after)| PreviewedChange {
        field: field.to_owned(),
        before: before.to_owned(),
        after: after.to_owned(),
    });
    Preview {
        changes: changes.collect(),
        steps: change.operation.steps().to_vec(),
        // Each setting is in the environment or in the resources of the pods.
        restarts_pods: true,
        maintenance_page: change.operation.migrates_data(),
        notes: notes(before, change, catalog),
    }
}

fn notes(before: &Store, change: &Change, catalog: &Catalog) -> Vec<String> {
    let (after, mut notes) = (&change.store, Vec::new());
    if change.operation.migrates_data() {
        notes.push(
            "The shop's data is migrated. It is backed up first, and restored if the new version fails. Once the shop is online again, its data \
             does not fit the version before."
                .to_owned(),
        );
    }
    let storage = |store: &Store| {
        let plan = catalog.installed_or_default(&store.spec.engine, &store.versions)?.plan(&store.spec.plan)?;
        Some((plan.size.amounts()?.storage, plan.size.storage.clone()))
    };
    if let (Some((old, text)), Some((new, _))) = (storage(before), storage(after))
        && new < old
    {
        notes.push(format!("The volumes keep their size of {text}: a volume cannot shrink."));
    }
    if before.public_host() != after.public_host() {
        notes.push(format!(
            "The shop's URL becomes {}. The other host names redirect to it, so its DNS records should point here first.",
            after.shop_url()
        ));
    }
    match (before.spec.environment, after.spec.environment) {
        (Environment::Staging, Environment::Production) => notes.push(
            "The shop reaches customers from then on: it sends e-mails and webhooks, takes payments and runs scheduled \
             tasks. What it sends or charges cannot be undone."
                .to_owned(),
        ),
        (Environment::Production, Environment::Staging) => notes.push(
            "The shop no longer sends e-mails and webhooks, takes no payments in live mode, runs no scheduled tasks, and \
             asks search engines not to index it."
                .to_owned(),
        ),
        _ => {}
    }
    notes
}
