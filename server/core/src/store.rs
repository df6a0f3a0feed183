//! A store: its spec, placement and state.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::backup_policy::BackupPolicy;
use crate::condition::{self, Condition, ConditionKind, ConditionStatus};
use crate::error::DomainError;
use crate::failure::Failure;
use crate::host_name::{HostName, ServedDomains};
use crate::ids::{BackupId, OperationId, StoreId, StoreUid, Tenant};
use crate::labels::{self, Labels};
use crate::names::Placement;
use crate::operation::Step;
use crate::plugins::Plugins;
pub use crate::settings::{Environment, Settings, Versions};
use crate::smtp::Smtp;
pub use crate::state::State;

/// The requested properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The shop's name as customers see it.
    pub display_name: String,
    /// The kind of shop: a name in the [`crate::engine::Catalog`].
    pub engine: String,
    /// The size: a plan of the engine.
    pub plan: String,
    /// Administrator's e-mail address.
    pub admin_email: String,
    /// What happens to the resources if the creation fails.
    pub cleanup_policy: CleanupPolicy,
    /// Callers cannot delete it.
    pub deletion_protection: bool,
    /// Its owner's labels.
    pub labels: Labels,
    /// What was set for it of when it is backed up.
    pub backup_policy: BackupPolicy,
    /// What the shop is for.
    pub environment: Environment,
    /// The custom domains to which the shop answers.
    pub domains: ServedDomains,
    /// The mail server; `None` for that of the engine's values.
    pub smtp: Option<Box<Smtp>>,
    /// Its plugins, besides those of the engine's values and images.
    pub plugins: Plugins,
}

/// Where a store's data came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The store whose data it is.
    pub store: StoreUid,
    /// That store's id.
    pub store_id: StoreId,
    /// The backup from which it is restored.
    pub backup: BackupId,
    /// The data is that of the backup.
    pub restored: bool,
}

impl Source {
    /// A backup of `original` that is to be restored.
    pub fn of(original: &Store, backup: BackupId) -> Self {
        Self { store: original.uid, store_id: original.id.clone(), backup, restored: false }
    }
}

/// What happens to a store's resources if its creation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CleanupPolicy {
    /// They are kept for debugging and retry.
    #[default]
    Keep,
    /// Release and namespace are removed.
    DeleteResources,
}

/// A store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// Its unique id, never reused.
    pub uid: StoreUid,
    /// The id that callers use.
    pub id: StoreId,
    /// Its tenant.
    pub tenant: Tenant,
    /// What was requested.
    pub spec: Spec,
    /// Where its data came from, unless it was created empty.
    pub source: Option<Source>,
    /// Its namespace, release and host.
    pub placement: Placement,
    /// Its state.
    pub state: State,
    /// When it entered the state.
    pub state_changed_at: OffsetDateTime,
    /// Conditions, at most one of each kind.
    pub conditions: Vec<Condition>,
    /// The step of the active operation.
    pub step: Option<Step>,
    /// Why it is failed or degraded, or what it waits for.
    pub failure: Option<Failure>,
    /// The installed versions.
    pub versions: Versions,
    /// The number of its newest revision; 0 if none is recorded.
    pub revision: u32,
    /// True once its cluster was found to be simulated.
    pub simulated: bool,
    /// `https` if the chart terminates TLS, otherwise `http`.
    pub secure: bool,
    /// The active operation, otherwise the last one.
    pub operation: OperationId,
    /// Sequence of the last event.
    pub last_sequence: i64,
    /// When it was requested.
    pub created_at: OffsetDateTime,
    /// When it first became ready.
    pub ready_at: Option<OffsetDateTime>,
    /// When the row last changed.
    pub updated_at: OffsetDateTime,
    /// When it was deleted.
    pub deleted_at: Option<OffsetDateTime>,
}

impl Store {
    /// What its chart is told, and its versions.
    pub fn settings(&self) -> Settings {
        let Spec { display_name, plan, admin_email, environment, domains, smtp, plugins, .. } = self.spec.clone();
        let versions = self.versions.clone();
        Settings { display_name, plan, admin_email, environment, domains, versions, smtp, plugins }
    }

    /// Replaces what its chart is told, and its versions.
    pub fn set_settings(&mut self, settings: Settings) {
        let Settings { display_name, plan, admin_email, environment, domains, versions, smtp, plugins } = settings;
        self.spec = Spec { display_name, plan, admin_email, environment, domains, smtp, plugins, ..self.spec.clone() };
        self.versions = versions;
    }

    /// Sets a condition. Its `since` is taken over only if the status changed.
    pub fn set_condition(&mut self, condition: Condition) {
        condition::set(&mut self.conditions, condition);
    }

    /// True if its shop runs and its last complete backup is too old, or missing.
    pub fn is_backup_overdue(&self) -> bool {
        let overdue =
            |each: &Condition| each.kind == ConditionKind::BackedUp && each.reason == condition::BACKUP_OVERDUE;
        matches!(self.state, State::Ready | State::Degraded) && self.conditions.iter().any(overdue)
    }

    /// True if its shop runs and the cluster differs from what is recorded of it.
    pub fn is_drifted(&self) -> bool {
        let drifted =
            |each: &Condition| each.kind == ConditionKind::ConfigurationDrifted && each.status == ConditionStatus::True;
        matches!(self.state, State::Ready | State::Degraded) && self.conditions.iter().any(drifted)
    }

    /// Changes the state if the transition is legal.
    pub fn move_to(&mut self, next: State, now: OffsetDateTime) -> Result<(), DomainError> {
        if !self.state.may_become(next) {
            return Err(DomainError::IllegalMove { from: self.state, to: next });
        }
        if next != self.state {
            self.state_changed_at = now;
        }
        self.state = next;
        if next.is_settled() {
            self.step = None;
        }
        match next {
            State::Ready => {
                self.failure = None;
                self.ready_at.get_or_insert(now);
            }
            State::Deleted => {
                self.failure = None;
                self.deleted_at = Some(now);
            }
            State::Provisioning | State::Deleting | State::Updating => self.failure = None,
            State::Degraded | State::Failed | State::Unreadable => {}
        }
        Ok(())
    }

    /// The etag: changes with caller-settable fields and with the state, not with progress.
    pub fn etag(&self) -> String {
        let mut hash = blake3::Hasher::new();
        for part in [
            self.uid.to_string().as_str(),
            &self.spec.display_name,
            &self.spec.engine,
            &self.spec.plan,
            &self.spec.admin_email,
            self.state.as_str(),
        ] {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        // Stores without these keep the etags of earlier releases.
        if self.spec.deletion_protection {
            hash.update(b"deletion_protection");
        }
        if self.spec.environment != Environment::Production {
            hash.update(self.spec.environment.as_str().as_bytes());
        }
        if let Some(smtp) = &self.spec.smtp {
            hash.update(format!("smtp {}\n", serde_json::json!(smtp)).as_bytes());
        }
        if !self.spec.plugins.is_empty() {
            hash.update(format!("plugins {}\n", serde_json::json!(self.spec.plugins)).as_bytes());
        }
        if self.spec.domains != ServedDomains::default() {
            let (names, primary) = (self.spec.domains.names_text(), self.spec.domains.primary_text());
            hash.update(format!("domains {names}; primary {primary}\n").as_bytes());
        }
        // A version that was changed; the first one is that of the creation.
        if self.revision > 1 {
            hash.update(self.versions.chart.as_bytes());
        }
        for label in labels::texts(&self.spec.labels) {
            hash.update(format!("label {label}\n").as_bytes());
        }
        if self.spec.backup_policy != BackupPolicy::default() {
            for (name, value) in self.spec.backup_policy.texts() {
                hash.update(format!("{name}={value}\n").as_bytes());
            }
        }
        hash.finalize().to_hex().chars().take(16).collect()
    }

    /// The host name in the shop's URL.
    pub fn public_host(&self) -> &str {
        self.spec.domains.primary.as_ref().map_or(&self.placement.host, HostName::as_str)
    }

    /// The shop's URL.
    pub fn shop_url(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}/", self.public_host())
    }
}
