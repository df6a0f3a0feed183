//! The order of versions, and from which version to which a store may be upgraded.

use std::cmp::Ordering;

use semver::{Version, VersionReq};

use super::Engine;
use crate::store::Versions;

/// What a version of an engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VersionInfo {
    /// The versions from which a store may be upgraded to it; `None`: any older one.
    pub upgrades_from: Option<VersionReq>,
    /// True if it closes a vulnerability of older versions.
    pub security: bool,
    /// What is new, in one line; may be empty.
    pub notes: String,
}

/// Why a store may not be upgraded to a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeRefusal {
    /// The store's version is not a semantic version, so nothing is known of its order.
    #[error("the store's version {from:?} is not a semantic version")]
    Unordered {
        /// The store's version.
        from: String,
    },
    /// The store has this version, or a newer one.
    #[error("version {to} is not newer than {from}")]
    NotNewer {
        /// The store's version.
        from: String,
        /// The other one.
        to: String,
    },
    /// The version cannot follow that of the store.
    #[error("version {to} upgrades stores of the versions {accepted} only, and the store has {from}")]
    NotFrom {
        /// The store's version.
        from: String,
        /// The other one.
        to: String,
        /// The versions from which a store may be upgraded.
        accepted: String,
    },
}

/// Whether a store with these versions may be upgraded to `to`.
pub fn may_upgrade(from: &Versions, to: &Engine) -> Result<(), UpgradeRefusal> {
    let (Ok(older), Ok(newer)) = (Version::parse(&from.chart), Version::parse(&to.versions.chart)) else {
        return Err(UpgradeRefusal::Unordered { from: from.chart.clone() });
    };
    if newer.cmp_precedence(&older) != Ordering::Greater {
        return Err(UpgradeRefusal::NotNewer { from: from.chart.clone(), to: to.versions.chart.clone() });
    }
    match &to.info.upgrades_from {
        Some(accepted) if !accepted.matches(&older) => Err(UpgradeRefusal::NotFrom {
            from: from.chart.clone(),
            to: to.versions.chart.clone(),
            accepted: accepted.to_string(),
        }),
        _ => Ok(()),
    }
}

/// Newest first; what is not a semantic version comes last.
pub(super) fn newest_first(one: &Engine, other: &Engine) -> Ordering {
    let version = |engine: &Engine| Version::parse(&engine.versions.chart).ok();
    version(other).cmp(&version(one))
}

/// True for `1.0.0-rc.1`.
pub(super) fn is_prerelease(version: &str) -> bool {
    Version::parse(version).is_ok_and(|version| !version.pre.is_empty())
}
