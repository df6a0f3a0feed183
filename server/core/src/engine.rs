//! The engines on offer: each is a chart and an entry in the server's configuration. The worker knows none by name.

use std::path::PathBuf;

use crate::store::Versions;

/// A kind of shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// What callers name it.
    pub name: String,
    /// The chart's directory.
    pub chart: PathBuf,
    /// Values files under every store of this engine, in helm's order of precedence.
    pub values: Vec<PathBuf>,
    /// Plans, in order of size.
    pub plans: Vec<Plan>,
    /// The plan of stores that name none.
    pub default_plan: String,
    /// Secrets that the chart refers to; made before helm runs, kept only in the cluster.
    pub secrets: Vec<SecretTemplate>,
    /// What becomes of them when they are lost and the volumes are not.
    pub lost_secrets: LostSecrets,
    /// Where its administrator's login is, if its shops have one.
    pub credentials: Option<AdminSecret>,
    /// How a shop of this engine is asked whether it sells.
    pub verify: Verification,
    /// Versions as `Chart.yaml` has them.
    pub versions: Versions,
    /// True where the values turn on TLS at the ingress.
    pub secure: bool,
}

/// What a retry does when Secrets with random texts are gone while the shop's volumes are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LostSecrets {
    /// It fails and asks for the old ones: what is in the volumes may be locked with them.
    #[default]
    Refuse,
    /// It makes new ones and restarts the pods, which take them up at their start.
    Renew,
}

/// How a shop proves that it can sell, once its pods are ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verification {
    /// It is not asked: ready pods are enough.
    #[default]
    None,
    /// By WooCommerce's Store API: products, a cart, and a checkout that nobody pays.
    StoreApi,
}

/// Where the administrator's login is: a Secret in the store's namespace, and its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminSecret {
    /// The Secret's name.
    pub secret: String,
    /// The key of the user's name.
    pub username: String,
    /// The key of the password.
    pub password: String,
}

/// A Secret that every store of an engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretTemplate {
    /// Its name in the store's namespace.
    pub name: String,
    /// Its keys and how their texts come about.
    pub entries: Vec<(String, SecretEntry)>,
}

/// How one text in a Secret comes about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretEntry {
    /// Always this; no secret, but belongs with one: a user's name.
    Fixed(String),
    /// That many random letters and digits, new for each store.
    Random(usize),
}

/// A size of a shop: one more values file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What callers name it.
    pub name: String,
    /// Its values file.
    pub values: PathBuf,
    /// How large a shop of it is, for people.
    pub size: PlanSize,
}

/// A plan's size as Kubernetes writes quantities; empty where the chart does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanSize {
    /// CPU limit of one pod of the shop and its database together.
    pub cpu: String,
    /// Memory limit of the same.
    pub memory: String,
    /// Storage of all volumes.
    pub storage: String,
    /// One sentence.
    pub description: String,
}

impl Engine {
    /// The plan of that name.
    pub fn plan(&self, name: &str) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.name == name)
    }

    /// The plan of stores that name none: the configured one where the engine has it, else the smallest.
    pub fn default_plan(&self) -> Option<&Plan> {
        self.plan(&self.default_plan).or_else(|| self.plans.first())
    }
}

/// All engines, the default one first. Never empty: the server refuses to start without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    engines: Vec<Engine>,
}

impl Catalog {
    /// A catalogue of these engines, or `None` without one, or when one has no plan.
    pub fn new(engines: Vec<Engine>) -> Option<Self> {
        (!engines.is_empty() && engines.iter().all(|engine| !engine.plans.is_empty())).then_some(Self { engines })
    }

    /// The engine of that name.
    pub fn engine(&self, name: &str) -> Option<&Engine> {
        self.engines.iter().find(|engine| engine.name == name)
    }

    /// Every engine, the default one first.
    pub fn engines(&self) -> &[Engine] {
        &self.engines
    }
}
