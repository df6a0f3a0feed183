//! Engines: each is a chart in one or more versions, and an entry in the server's configuration. No code refers to one by name.
//!
//! `catalog`: the engines and their versions. `purchase`: how their shops are tested. `version`: what a version says of itself, and from which one a store may be upgraded to it.

mod catalog;
mod purchase;
mod version;

use std::path::PathBuf;
use std::sync::Arc;

pub use catalog::{Catalog, Upgrade};
pub use purchase::{Capture, Condition, EntryCondition, Expectation, PurchaseStep, PurchaseTest, Tries};
pub use version::{UpgradeRefusal, VersionInfo, may_upgrade};

use crate::plugins::OfferedPlugin;
use crate::quota::{Size, quantity};
use crate::store::Versions;

/// A kind of shop, at one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// The name that callers use.
    pub name: String,
    /// The chart's directory.
    pub chart: PathBuf,
    /// The chart's name, from `Chart.yaml`.
    pub chart_name: String,
    /// Values files of every store of this engine, in helm's order of precedence.
    pub values: Vec<PathBuf>,
    /// Plans, smallest first.
    pub plans: Vec<Plan>,
    /// The plan of stores that name none.
    pub default_plan: String,
    /// Secrets that the chart refers to; generated before helm runs, and stored only in the cluster.
    pub secrets: Vec<SecretTemplate>,
    /// What a retry does if they are lost but the volumes are not.
    pub lost_secrets: LostSecrets,
    /// The path of the shop's administration, below its URL; `None` if it has none, or none with pages.
    pub admin_path: Option<String>,
    /// Where the administrator's login is stored, if the shops have one.
    pub credentials: Option<AdminSecret>,
    /// How its shops are backed up; `None` if they cannot be.
    pub backup: Option<EngineBackup>,
    /// Its chart has the value `domains`: its shops answer to custom domains.
    pub domains: bool,
    /// Its chart has the value `smtp`, so that a shop can be given a mail server.
    pub smtp: bool,
    /// The plugins that its shops may have; `None` if its chart has no value `store.plugins`.
    pub plugins: Option<Vec<OfferedPlugin>>,
    /// How a shop of this engine is tested.
    pub verify: Verification,
    /// The chart's version, digest and schema, and that of the shop software.
    pub versions: Versions,
    /// What this version says of itself.
    pub info: VersionInfo,
    /// The container images that the chart's values name.
    pub images: Vec<String>,
    /// True if the values enable TLS at the ingress or the gateway.
    pub secure: bool,
}

/// What a retry does if generated Secrets are gone while the shop's volumes exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LostSecrets {
    /// It fails and asks for the old ones: data in the volumes may depend on them.
    #[default]
    Refuse,
    /// It generates new ones and restarts the pods, which read them at their start.
    Renew,
}

/// How a shop is tested once its pods are ready.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Verification {
    /// Not at all: ready pods suffice.
    #[default]
    None,
    /// By a test purchase.
    Purchase(Arc<PurchaseTest>),
}

impl Verification {
    /// The test purchase, if there is one.
    pub fn purchase(&self) -> Option<&Arc<PurchaseTest>> {
        match self {
            Self::None => None,
            Self::Purchase(test) => Some(test),
        }
    }
}

/// Where the administrator's login is stored: a Secret in the store's namespace, and its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminSecret {
    /// The Secret's name.
    pub secret: String,
    /// The key of the user name.
    pub username: String,
    /// The key of the password.
    pub password: String,
}

/// How an engine's shops are backed up and restored: names of objects in its chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineBackup {
    /// The `PodTemplate` of the Jobs that make a backup.
    pub create: String,
    /// The `PodTemplate` of the Jobs that restore one.
    pub restore: String,
    /// What a backup consists of. The container with a part's name makes and restores it.
    pub parts: Vec<String>,
    /// How a shop is taken offline while it is restored; `None` if it need not be.
    pub maintenance: Option<Maintenance>,
    /// Its chart has the values `store.restored` and `store.staging`, which copies need.
    pub copies: bool,
    /// The volumes with all of a shop's data, of which snapshots are made; empty if there are none.
    pub volumes: Vec<DataVolume>,
}

/// A volume with data of a shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataVolume {
    /// Its claim.
    pub claim: String,
    /// What uses it while the shop is offline.
    pub user: VolumeUser,
}

/// What uses a volume while the shop is offline, and shows that a restored one works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeUser {
    /// The `StatefulSet` that is scaled to 0 meanwhile, and must become ready afterwards.
    StatefulSet(String),
    /// Nothing: the `PodTemplate` of a Job that mounts it, and must succeed.
    Mount(String),
}

/// How a shop is taken offline: a page answers in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maintenance {
    /// The `PodTemplate` of the Job that serves the page. Its pods have the labels that the shop's Service selects.
    pub template: String,
    /// The Deployment that is scaled to 0.
    pub deployment: String,
    /// The `CronJob` that is suspended, if the chart has one.
    pub cron_job: Option<String>,
    /// The Service of the shop's own pods, which a new version is tested through while the page answers. Only charts with the value
    /// `store.maintenance` have one; without it, no version with another schema can be applied.
    pub service: Option<String>,
}

/// A Secret that every store of an engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretTemplate {
    /// Its name in the store's namespace.
    pub name: String,
    /// Its keys, and how their values are generated.
    pub entries: Vec<(String, SecretEntry)>,
}

/// How a value in a Secret is generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretEntry {
    /// A fixed text, which is not secret but belongs to the Secret: a user name.
    Fixed(String),
    /// This number of random letters and digits, different for each store.
    Random(usize),
    /// This text, a dash and eight random letters and digits: a user name that cannot be guessed.
    Unique(String),
}

/// A size of a shop: an additional values file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The name that callers use.
    pub name: String,
    /// Its values file.
    pub values: PathBuf,
    /// Its size, for display.
    pub size: PlanSize,
}

/// A plan's size as Kubernetes quantities; empty if the chart does not declare it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanSize {
    /// CPU limit of one shop pod and its database together.
    pub cpu: String,
    /// Memory limit of the same pods.
    pub memory: String,
    /// Total storage of the volumes.
    pub storage: String,
    /// A one-sentence description.
    pub description: String,
}

impl PlanSize {
    /// As numbers; what the chart does not declare is 0. `None` if it declares something that is not a quantity.
    pub fn amounts(&self) -> Option<Size> {
        let read = |text: &str, read: fn(&str) -> Option<i64>| if text.is_empty() { Some(0) } else { read(text) };
        Some(Size {
            cpu: read(&self.cpu, quantity::millis)?,
            memory: read(&self.memory, quantity::bytes)?,
            storage: read(&self.storage, quantity::bytes)?,
        })
    }
}

impl Engine {
    /// What its `storeplane.yaml` lacks for a change of a shop's data with its version: a page, behind which a version is tested, and, if the
    /// database is replaced, the volume that is emptied for that.
    pub fn lacks_for_migration(&self, replaces_database: bool) -> Option<&'static str> {
        let backup = self.backup.as_ref();
        let service = backup.and_then(|backup| backup.maintenance.as_ref()?.service.as_ref());
        let mut volumes = backup.into_iter().flat_map(|backup| &backup.volumes);
        let has_database = volumes.any(|volume| matches!(volume.user, VolumeUser::StatefulSet(_)));
        match (service, has_database || !replaces_database) {
            (None, _) => Some("`backup.maintenance.service`"),
            (_, false) => {
                Some("volume of the database in `backup.volumes`, which another series of the database needs empty")
            }
            (Some(_), true) => None,
        }
    }

    /// The plan with this name.
    pub fn plan(&self, name: &str) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.name == name)
    }

    /// The plan of stores that name none: the configured one if the engine has it, otherwise the smallest.
    pub fn default_plan(&self) -> Option<&Plan> {
        self.plan(&self.default_plan).or_else(|| self.plans.first())
    }
}
