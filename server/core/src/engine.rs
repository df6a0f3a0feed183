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
    /// Plans, the default one first.
    pub plans: Vec<Plan>,
    /// Versions as `Chart.yaml` has them.
    pub versions: Versions,
    /// True where the values turn on TLS at the ingress.
    pub secure: bool,
}

/// A size of a shop: one more values file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What callers name it.
    pub name: String,
    /// Its values file.
    pub values: PathBuf,
}

impl Engine {
    /// The plan of that name.
    pub fn plan(&self, name: &str) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.name == name)
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
