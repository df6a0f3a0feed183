//! Changes a store's fields. What its chart is told is applied by an operation; the rest changes at once.

use super::request::{Request, check_etag, check_idle, of_running_shop, without_operation};
use super::{Change, Snapshot};
use crate::audit::Action;
use crate::backup::{Backup, BackupTrigger, NewBackup};
use crate::command::{SmtpChange, StoreUpdate, choose_plan, plugins};
use crate::engine::{Catalog, Engine, UpgradeRefusal, may_upgrade};
use crate::error::DomainError;
use crate::event::{EventType, NewEvent};
use crate::host_name::{HostName, ServedDomains};
use crate::ids::BackupId;
use crate::labels;
use crate::operation::{OperationKind, Update};
use crate::plugins::Plugins;
use crate::smtp::Smtp;
use crate::store::{Environment, Settings, State, Store, Versions};
use crate::validate::Check;

/// Changes a store's fields. A field that has the wanted value already has no event. A version that migrates the shop's data needs the `backup`,
/// which is `None` if there is no storage for one.
pub fn update(
    snapshot: Snapshot,
    etag: Option<&str>,
    wanted: &StoreUpdate,
    (catalog, backup): (&Catalog, Option<BackupId>),
    request: &Request<'_>,
) -> Result<Change, DomainError> {
    let mut change = Change::of(snapshot);
    check_etag(&change.store, etag)?;
    let state = change.store.state;
    if matches!(state, State::Deleting | State::Deleted) {
        return Err(DomainError::NotUpdatable { state });
    }
    let settings = settings(&change.store, wanted, catalog)?;
    set_protection(&mut change, wanted, request);
    set_labels(&mut change, wanted, request)?;
    set_backup_policy(&mut change, wanted, request);
    let before = change.store.settings();
    if settings == before {
        request.account(&mut change, Action::UpdateStore);
        without_operation(&mut change);
        return Ok(change);
    }
    if !matches!(state, State::Ready | State::Degraded) {
        return Err(DomainError::SettingsNotUpdatable { state });
    }
    check_idle(&change)?;
    let message = format!("{} requested new settings of {}: ", request.caller.name, change.store.id);
    let mut event = NewEvent::new(EventType::StoreUpdated, "").with("actor", &request.caller.name);
    let differing = before.differences(&settings);
    for (field, _, after) in &differing {
        event = event.with(field, after);
    }
    let texts = differing.iter().map(|(field, before, after)| format!("{field} {before} → {after}"));
    event.message = message + &texts.collect::<Vec<_>>().join(", ");
    let migration = migration(&change.store, &settings, catalog, backup)?;
    begin(&mut change, settings, (None, migration), Action::UpdateStore, request);
    change.events.push(event);
    let message = format!("New settings of store {} are being applied", change.store.id);
    change.enter(State::Updating, request.now, message)?;
    Ok(change)
}

/// Tells the shop of a store to which of its domains it answers. `None` if it answers to these already.
pub fn apply_domains(
    snapshot: Snapshot,
    names: Vec<HostName>,
    request: &Request<'_>,
) -> Result<Option<Change>, DomainError> {
    let before = snapshot.store.settings();
    let settings = Settings { domains: before.domains.with_names(names), ..before.clone() };
    if settings == before {
        return Ok(None);
    }
    let mut change = of_running_shop(snapshot, None, |state| DomainError::SettingsNotUpdatable { state })?;
    let texts = |settings: &Settings| settings.domains.names_text();
    let message =
        format!("The domains of {} change from [{}] to [{}]", change.store.id, texts(&before), texts(&settings));
    let event = NewEvent::new(EventType::StoreUpdated, message).with("actor", &request.caller.name);
    let event = event.with("domains", texts(&settings)).with("primary_domain", settings.domains.primary_text());
    begin(&mut change, settings, (None, None), Action::ApplyDomains, request);
    change.events.push(event);
    let message = format!("The shop of {} is being told its domains", change.store.id);
    change.enter(State::Updating, request.now, message)?;
    Ok(Some(change))
}

/// Whether a test purchase was possible before the update.
pub fn tested(snapshot: Snapshot, sold: bool) -> Change {
    let mut change = Change::of(snapshot);
    if let Some(update) = &mut change.operation.update {
        update.sold = Some(sold);
    }
    change
}

/// The backup that is made first if the new settings have another schema; `None` if they do not.
pub(super) fn migration(
    store: &Store,
    settings: &Settings,
    catalog: &Catalog,
    backup: Option<BackupId>,
) -> Result<Option<BackupId>, DomainError> {
    if store.versions.schema == settings.versions.schema {
        return Ok(None);
    }
    let (name, replaces_database) = (&store.spec.engine, replaces_database(&store.versions, &settings.versions));
    for versions in [&store.versions, &settings.versions] {
        // It may no longer be offered; the worker finds its chart, and looks again.
        let Some(engine) = catalog.installed(name, versions) else { continue };
        if let Some(lacks) = engine.lacks_for_migration(replaces_database) {
            let (engine, version) = (name.clone(), versions.chart.clone());
            return Err(DomainError::MigrationUnsupported { engine, version, lacks });
        }
    }
    backup.map(Some).ok_or(DomainError::BackupsDisabled)
}

/// True if the files of the database fit only one of both versions.
fn replaces_database(before: &Versions, after: &Versions) -> bool {
    before.database() != after.database()
}

/// Begins an UPDATE, or a ROLLBACK if data is replaced on the way to a revision.
pub(super) fn begin(
    change: &mut Change,
    settings: Settings,
    (to_revision, migration): (Option<u32>, Option<BackupId>),
    action: Action,
    request: &Request<'_>,
) {
    let (before, from_revision) = (change.store.settings(), change.store.revision);
    let backup = migration.map(|id| {
        let new = NewBackup {
            id,
            trigger: BackupTrigger::BeforeUpdate,
            description: String::new(),
            requested_by: request.caller.name.clone(),
            operation: request.operation,
        };
        Backup::of(&change.store, new, request.now)
    });
    let replaces_database = backup.is_some() && replaces_database(&before.versions, &settings.versions);
    change.store.set_settings(settings);
    let kind = if to_revision.is_some() && backup.is_some() { OperationKind::Rollback } else { OperationKind::Update };
    request.begin(change, kind, action);
    let maintenance = backup.is_some();
    change.operation.update =
        Some(Update { before, to_revision, from_revision, maintenance, replaces_database, sold: None });
    change.backup = backup;
}

/// The store's settings with the wanted values, all of them checked.
fn settings(store: &Store, wanted: &StoreUpdate, catalog: &Catalog) -> Result<Settings, DomainError> {
    let (before, mut check) = (store.settings(), Check::default());
    if !wanted.names_settings() {
        return Ok(before);
    }
    let installed = catalog.installed_or_default(&store.spec.engine, &before.versions);
    let wanted_version = wanted.engine_version.as_deref();
    let engine = wanted_version.map_or(installed, |wanted| version(&mut check, store, wanted, catalog));
    let plan = match (&wanted.plan, engine) {
        (None, _) => Some(before.plan),
        (Some(plan), Some(engine)) => choose_plan(&mut check, engine, plan),
        (Some(_), None) if installed.is_some() => Some(before.plan),
        (Some(_), None) => {
            check.fail("store.plan", format!("cannot change: engine {} is not available", store.spec.engine));
            None
        }
    };
    let environment = wanted.environment.unwrap_or(before.environment);
    let has_staging = engine.is_some_and(|engine| engine.backup.as_ref().is_some_and(|backup| backup.copies));
    if environment != before.environment && environment == Environment::Staging && !has_staging {
        check.fail("store.environment", format!("must be PRODUCTION: engine {} has no STAGING", store.spec.engine));
    }
    let domains = domains(&mut check, &before.domains, wanted);
    if let Some(engine) = engine.filter(|engine| !engine.domains && !before.domains.names.is_empty()) {
        let version = &engine.versions.chart;
        check.fail("store.engine_version", format!("cannot be {version}: it does not support the store's domains"));
    }
    let smtp = match &wanted.smtp {
        Some(change) => mail_server(&mut check, change, before.smtp.as_deref(), engine).map(Box::new),
        None => before.smtp,
    };
    let plugins = chosen_plugins(&mut check, &before.plugins, wanted, engine);
    check.finish(plan.map(|plan| Settings {
        domains,
        plugins,
        display_name: wanted.display_name.clone().unwrap_or(before.display_name),
        admin_email: wanted.admin_email.clone().unwrap_or(before.admin_email),
        plan,
        environment,
        smtp,
        versions: match engine.filter(|_| wanted_version.is_some()) {
            Some(engine) if engine.versions.chart != before.versions.chart => engine.versions.clone(),
            _ => content(before.versions, installed),
        },
    }))
}

/// The domains with the wanted primary one.
fn domains(check: &mut Check, before: &ServedDomains, wanted: &StoreUpdate) -> ServedDomains {
    let primary = wanted.primary_domain.clone().unwrap_or_else(|| before.primary.clone());
    if primary.as_ref().is_some_and(|primary| !before.names.contains(primary)) {
        let names = before.names_text();
        let rule = if names.is_empty() {
            "must be empty: the shop answers to no domain".to_owned()
        } else {
            format!("must be empty, or one of the domains to which the shop answers: {names}")
        };
        check.fail("store.primary_domain", rule);
    }
    ServedDomains { primary, ..before.clone() }
}

/// The wanted plugins. A store keeps those that it has, whatever is offered.
fn chosen_plugins(check: &mut Check, before: &Plugins, wanted: &StoreUpdate, engine: Option<&Engine>) -> Plugins {
    if let Some(wanted) = &wanted.plugins {
        return plugins::choose(check, wanted, before, engine);
    }
    if let Some(engine) = engine.filter(|engine| engine.plugins.is_none() && !before.is_empty()) {
        let version = &engine.versions.chart;
        check.fail("store.engine_version", format!("cannot be {version}: it does not support the store's plugins"));
    }
    let versions = wanted.plugin_versions.iter().filter(|choice| before.contains_key(&choice.name));
    let versions = plugins::choose(check, &versions.cloned().collect::<Vec<_>>(), before, engine);
    before.clone().into_iter().chain(versions).collect()
}

fn mail_server(check: &mut Check, change: &SmtpChange, before: Option<&Smtp>, engine: Option<&Engine>) -> Option<Smtp> {
    let smtp = change.apply(check, before)?;
    if let Some(Engine { name, versions, .. }) = engine.filter(|engine| !engine.smtp) {
        check.fail("store.smtp", format!("cannot be set: engine {name} {} has no setting for it", versions.chart));
    }
    Some(smtp)
}

/// The content of a chart's directory may change under the same version. With another schema it is a migration, too.
fn content(before: Versions, installed: Option<&Engine>) -> Versions {
    let changed = installed
        .map(|engine| &engine.versions)
        .filter(|now| now.chart == before.chart && now.schema != before.schema && !before.schema.is_empty());
    changed.cloned().unwrap_or(before)
}

/// The version of the store's engine with this name; empty for the default one. Its own is always accepted.
fn version<'a>(check: &mut Check, store: &Store, wanted: &str, catalog: &'a Catalog) -> Option<&'a Engine> {
    let name = &store.spec.engine;
    let found = if wanted.is_empty() { catalog.engine(name) } else { catalog.engine_at(name, wanted) };
    let Some(engine) = found else {
        let versions: Vec<_> = catalog.versions(name).map(|engine| engine.versions.chart.as_str()).collect();
        check.fail("store.engine_version", format!("must be one of: {}", versions.join(", ")));
        return None;
    };
    if engine.versions.chart != store.versions.chart
        && let Err(refusal) = may_upgrade(&store.versions, engine)
    {
        let is_older = matches!(refusal, UpgradeRefusal::NotNewer { .. });
        let instead = if is_older { "; RollbackStore returns to an earlier revision" } else { "" };
        check.fail("store.engine_version", format!("cannot be {}: {refusal}{instead}", engine.versions.chart));
    }
    Some(engine)
}

fn set_protection(change: &mut Change, wanted: &StoreUpdate, request: &Request<'_>) {
    let spec = &mut change.store.spec;
    let Some(protection) = wanted.deletion_protection.filter(|wanted| *wanted != spec.deletion_protection) else {
        return;
    };
    spec.deletion_protection = protection;
    let how = if protection { "on" } else { "off" };
    let message = format!("{} switched deletion protection {how}", request.caller.name);
    let event = NewEvent::new(EventType::StoreUpdated, message).with("actor", &request.caller.name);
    change.events.push(event.with("deletion_protection", protection.to_string()));
}

fn set_labels(change: &mut Change, wanted: &StoreUpdate, request: &Request<'_>) -> Result<(), DomainError> {
    let spec = &mut change.store.spec;
    let labels = wanted.labels_of(&spec.labels);
    if labels == spec.labels {
        return Ok(());
    }
    let mut check = Check::default();
    labels::check(&mut check, &labels);
    check.finish(Some(()))?;
    let message = format!("{} changed the labels", request.caller.name);
    let mut event = NewEvent::new(EventType::StoreUpdated, message).with("actor", &request.caller.name);
    for (name, value) in labels.iter().filter(|(name, value)| spec.labels.get(*name) != Some(*value)) {
        event = event.with(&format!("labels.{name}"), value);
    }
    for name in spec.labels.keys().filter(|name| !labels.contains_key(*name)) {
        event = event.with(&format!("labels.{name}"), "");
    }
    spec.labels = labels;
    change.events.push(event);
    Ok(())
}

fn set_backup_policy(change: &mut Change, wanted: &StoreUpdate, request: &Request<'_>) {
    let spec = &mut change.store.spec;
    let policy = spec.backup_policy.with(&wanted.policy_settings, &wanted.backup_policy);
    if policy == spec.backup_policy {
        return;
    }
    spec.backup_policy = policy;
    let settings = policy.texts();
    let each = settings.iter().map(|(name, value)| match value.as_str() {
        "" | "0" => format!("{name} as the plan"),
        value => format!("{name} {value}"),
    });
    let each = each.collect::<Vec<_>>().join(", ");
    let message = format!("{} changed the backup policy: {each}", request.caller.name);
    let mut event = NewEvent::new(EventType::StoreUpdated, message).with("actor", &request.caller.name);
    for (name, value) in settings {
        event = event.with(&format!("backup_policy.{name}"), value);
    }
    change.events.push(event);
}

#[cfg(test)]
pub(super) mod tests;
