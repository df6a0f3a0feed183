//! What an update would do, for callers who ask before they request it.

use time::OffsetDateTime;

use super::Change;
use crate::backup::Backup;
use crate::engine::Catalog;
use crate::ids::BackupId;
use crate::operation::Step;
use crate::smtp::Encryption;
use crate::store::{Environment, Store};
use crate::utc;

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
    /// The backup whose data the shop gets, and the time since which changes are lost.
    pub restores: Option<(BackupId, OffsetDateTime)>,
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

/// The preview of a change of `before`, which may restore the backup `source`.
pub fn preview(before: &Store, change: &Change, source: Option<&Backup>, catalog: &Catalog) -> Preview {
    if change.operation.id == before.operation {
        return Preview::default();
    }
    let (old, new) = (before.settings(), change.store.settings());
    let changes = old.differences(&new).into_iter().map(|(field, before, after)| PreviewedChange {
        field: field.to_owned(),
        before,
        after,
    });
    Preview {
        changes: changes.collect(),
        steps: change.operation.steps().to_vec(),
        // Each setting is in the environment or in the resources of the pods.
        restarts_pods: true,
        maintenance_page: change.operation.migrates_data(),
        restores: source.map(|source| (source.id, source.created_at)),
        notes: notes(before, change, source, catalog),
    }
}

fn notes(before: &Store, change: &Change, source: Option<&Backup>, catalog: &Catalog) -> Vec<String> {
    let (after, mut notes) = (&change.store, Vec::new());
    if let Some(Backup { id, created_at, .. }) = source {
        notes.push(format!(
            "The shop gets the data of backup {id}. Orders, customers and all other changes since {} are lost: they remain only in a backup of the \
             present data, which is made first.",
            utc::to_the_second(*created_at)
        ));
    } else if change.operation.migrates_data() {
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
    notes.extend(mail_notes(before, after));
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

/// About a mail server that is new.
fn mail_notes(before: &Store, after: &Store) -> Vec<String> {
    let mut notes = Vec::new();
    let Some(smtp) = after.spec.smtp.as_ref().filter(|smtp| before.spec.smtp.as_ref() != Some(*smtp)) else {
        return notes;
    };
    if smtp.encryption == Encryption::None && smtp.has_password() {
        notes.push("The shop sends the password to the mail server without encryption.".to_owned());
    }
    if after.spec.environment == Environment::Staging {
        notes.push("A STAGING store sends no mail.".to_owned());
    }
    notes
}
