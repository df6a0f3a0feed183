//! The engines, each with its versions.

use semver::Version;

use super::Engine;
use super::version::{is_prerelease, may_upgrade, newest_first};
use crate::store::{Store, Versions};

/// All engines, the default one first, each with its versions, one of which is its default. Never empty: without an engine the server
/// refuses to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    /// The default versions.
    engines: Vec<Engine>,
    /// All versions, newest first.
    versions: Vec<Engine>,
}

/// A newer version to which a store may be upgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upgrade<'a> {
    /// The newest one.
    pub to: &'a Engine,
    /// True if it, or a version between, closes a vulnerability.
    pub security: bool,
}

impl Catalog {
    /// A catalogue of engines with one version each, or `None` if there is none, or if one has no plan.
    pub fn new(engines: Vec<Engine>) -> Option<Self> {
        Self::with_versions(engines, Vec::new())
    }

    /// A catalogue of these default versions, and of further versions of the same engines. `None` if there is no engine, or if one has no
    /// plan.
    pub fn with_versions(defaults: Vec<Engine>, others: Vec<Engine>) -> Option<Self> {
        let mut versions: Vec<Engine> = defaults.iter().cloned().chain(others).collect();
        versions.sort_by(newest_first);
        let complete = !versions.is_empty() && versions.iter().all(|engine| !engine.plans.is_empty());
        complete.then_some(Self { engines: defaults, versions })
    }

    /// The default version of the engine with this name.
    pub fn engine(&self, name: &str) -> Option<&Engine> {
        self.engines.iter().find(|engine| engine.name == name)
    }

    /// The default versions of all engines, the default engine first.
    pub fn engines(&self) -> &[Engine] {
        &self.engines
    }

    /// All versions of an engine, newest first.
    pub fn versions(&self, name: &str) -> impl Iterator<Item = &Engine> {
        self.versions.iter().filter(move |engine| engine.name == name)
    }

    /// The engine with this name at this version.
    pub fn engine_at(&self, name: &str, version: &str) -> Option<&Engine> {
        self.versions(name).find(|engine| engine.versions.chart == version)
    }

    /// True if an engine offers this version of the plugin, or, if it names none, any.
    pub fn offers_plugin(&self, (name, version): (&str, &str)) -> bool {
        let mut offered = self.versions.iter().filter_map(|engine| engine.plugins.as_ref()).flatten();
        offered.any(|offer| offer.name == name && (version.is_empty() || offer.plugin.version == version))
    }

    /// The engine with this name at the version whose chart has this digest.
    pub fn engine_by_digest(&self, name: &str, digest: &str) -> Option<&Engine> {
        self.versions(name).find(|engine| !digest.is_empty() && engine.versions.digest == digest)
    }

    /// The version that a store has: the one with its digest, otherwise the one with its version. The content of a chart's directory may
    /// change under the same version, and then it is meant for the stores that have this version.
    pub fn installed(&self, name: &str, versions: &Versions) -> Option<&Engine> {
        self.engine_by_digest(name, &versions.digest).or_else(|| self.engine_at(name, &versions.chart))
    }

    /// The version that a store has if it is available, otherwise the default one.
    pub fn installed_or_default(&self, name: &str, versions: &Versions) -> Option<&Engine> {
        self.installed(name, versions).or_else(|| self.engine(name))
    }

    /// The URL of a store's administration: the path is that of its version, otherwise that of the default one, because charts of earlier
    /// releases do not name it. Empty if there is none.
    pub fn admin_url(&self, store: &Store) -> String {
        let name = &store.spec.engine;
        let path = |engine: Option<&Engine>| engine?.admin_path.clone();
        let path = path(self.installed(name, &store.versions)).or_else(|| path(self.engine(name)));
        path.map(|path| format!("{}{path}", store.shop_url())).unwrap_or_default()
    }

    /// The newest version to which a store with these versions may be upgraded. Pre-releases are for stores that have one.
    pub fn upgrade(&self, name: &str, versions: &Versions) -> Option<Upgrade<'_>> {
        let offers = |engine: &&Engine| is_prerelease(&versions.chart) || !is_prerelease(&engine.versions.chart);
        let to = self.versions(name).filter(offers).find(|engine| may_upgrade(versions, engine).is_ok())?;
        let order = |versions: &Versions| Version::parse(&versions.chart).ok();
        let passed = order(versions)..=order(&to.versions);
        let closes = |engine: &Engine| {
            let order = order(&engine.versions);
            engine.info.security && order != *passed.start() && passed.contains(&order)
        };
        Some(Upgrade { to, security: self.versions(name).filter(offers).any(closes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::tests::catalog;
    use crate::engine::{UpgradeRefusal, VersionInfo};

    fn version(version: &str, upgrades_from: &str, security: bool) -> Engine {
        let engine = catalog().engines()[0].clone();
        let upgrades_from = (!upgrades_from.is_empty()).then(|| upgrades_from.parse().expect("a requirement"));
        Engine {
            versions: of(version),
            info: VersionInfo { upgrades_from, security, ..VersionInfo::default() },
            ..engine
        }
    }

    fn of(version: &str) -> Versions {
        Versions { chart: version.into(), digest: format!("sha256:{version}"), ..Versions::default() }
    }

    fn versions() -> Catalog {
        let others = vec![
            version("0.10.0", ">=0.9.0", false),
            version("0.9.1", "", true),
            version("0.2.0", "", false),
            version("1.0.0-rc.1", "", false),
        ];
        Catalog::with_versions(vec![version("0.9.0", "", false)], others).expect("engines")
    }

    #[test]
    fn versions_are_listed_newest_first_by_their_numbers() {
        let catalog = versions();
        let listed: Vec<_> = catalog.versions("woocommerce").map(|engine| engine.versions.chart.as_str()).collect();
        assert_eq!(listed, ["1.0.0-rc.1", "0.10.0", "0.9.1", "0.9.0", "0.2.0"]);
        assert_eq!(catalog.versions("magento").count(), 0);
        assert_eq!(catalog.engine("woocommerce").map(|engine| engine.versions.chart.as_str()), Some("0.9.0"));
    }

    #[test]
    fn store_s_version_is_found_by_digest_then_by_version() {
        let catalog = versions();
        let found =
            |versions: &Versions| catalog.installed("woocommerce", versions).map(|it| it.versions.chart.clone());
        assert_eq!(found(&of("0.2.0")).as_deref(), Some("0.2.0"));
        let renamed = Versions { chart: "7.7.7".into(), ..of("0.2.0") };
        assert_eq!(found(&renamed).as_deref(), Some("0.2.0"), "the digest decides");
        let changed = Versions { digest: "sha256:other".into(), ..of("0.2.0") };
        assert_eq!(found(&changed).as_deref(), Some("0.2.0"), "a directory's content changed");
        assert_eq!(found(&of("7.7.7")), None);
        assert_eq!(found(&Versions::default()), None);
        let unknown = catalog.installed_or_default("woocommerce", &of("7.7.7"));
        assert_eq!(unknown.map(|engine| engine.versions.chart.as_str()), Some("0.9.0"));
    }

    #[test]
    fn upgrades_lead_to_newer_versions_that_accept_the_store_s() {
        let catalog = versions();
        let upgrade = |from: &str| {
            let found = catalog.upgrade("woocommerce", &of(from));
            found.map(|Upgrade { to, security }| (to.versions.chart.clone(), security))
        };
        assert_eq!(upgrade("0.2.0"), Some(("0.9.1".into(), true)), "0.10.0 does not accept it");
        assert_eq!(upgrade("0.9.0"), Some(("0.10.0".into(), true)), "a version between closes a vulnerability");
        assert_eq!(upgrade("0.9.1"), Some(("0.10.0".into(), false)));
        assert_eq!(upgrade("0.10.0"), None, "a pre-release is not offered");
        assert_eq!(upgrade("1.0.0-beta"), Some(("1.0.0-rc.1".into(), false)));
        assert_eq!(upgrade("latest"), None);
    }

    #[test]
    fn refused_upgrades_name_the_versions() {
        let newest = version("0.10.0", ">=0.9.0, <0.10.0", false);
        assert_eq!(may_upgrade(&of("0.9.5"), &newest), Ok(()));
        for (from, expected) in [
            ("0.10.0", "version 0.10.0 is not newer than 0.10.0"),
            ("0.10.0+2", "version 0.10.0 is not newer than 0.10.0+2"),
            ("0.11.0", "version 0.10.0 is not newer than 0.11.0"),
            ("0.8.9", "version 0.10.0 upgrades stores of the versions >=0.9.0, <0.10.0 only, and the store has 0.8.9"),
            ("", "the store's version \"\" is not a semantic version"),
        ] {
            let refusal: UpgradeRefusal = may_upgrade(&of(from), &newest).expect_err(from);
            assert_eq!(refusal.to_string(), expected);
        }
    }
}
