//! The plugins that a caller wants: as received, and as the engine offers them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::plugins::{OfferedPlugin, PLUGINS_MAX, Plugin, Plugins, order};
use crate::validate::Check;

/// A plugin that a caller wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginChoice {
    /// Its name.
    pub name: String,
    /// Its version; empty for the newest one that is offered.
    pub version: String,
}

/// Validates what needs no engine: how many there are, and that none is named twice. `true` if there are too many to look at each.
pub fn check_names(check: &mut Check, wanted: &[PluginChoice]) -> bool {
    if wanted.len() > PLUGINS_MAX {
        check.fail("store.plugins", format!("must have at most {PLUGINS_MAX} plugins, has {}", wanted.len()));
        return true;
    }
    let mut names = BTreeSet::new();
    for (index, choice) in wanted.iter().enumerate() {
        if !names.insert(&choice.name) {
            check.fail(&format!("store.plugins[{index}].name"), "must not be that of another entry");
        }
    }
    false
}

/// For the fingerprint of a request.
pub(super) fn field(wanted: &[PluginChoice]) -> String {
    format!("plugins={}", serde_json::json!(wanted))
}

/// The wanted plugins as the engine offers them, or as the store has them. Records all violations.
pub fn choose(check: &mut Check, wanted: &[PluginChoice], present: &Plugins, engine: Option<&Engine>) -> Plugins {
    if let Some(Engine { name, versions, .. }) = engine.filter(|it| it.plugins.is_none() && !wanted.is_empty()) {
        check.fail("store.plugins", format!("must be empty: engine {name} {} has no plugins", versions.chart));
        return Plugins::new();
    }
    if check_names(check, wanted) {
        return Plugins::new();
    }
    let offered = engine.and_then(|engine| engine.plugins.as_deref()).unwrap_or_default();
    let mut chosen = Plugins::new();
    for (index, PluginChoice { name, version }) in wanted.iter().enumerate() {
        match find(offered, present.get(name), name, version) {
            Ok(plugin) => drop(chosen.insert(name.clone(), plugin.clone())),
            Err((part, rule)) => check.fail(&format!("store.plugins[{index}].{part}"), rule),
        }
    }
    chosen
}

/// A plugin at a version, otherwise the field and its rule. A version that the store has already is the same one, whatever is offered by now.
fn find<'a>(
    offered: &'a [OfferedPlugin],
    present: Option<&'a Plugin>,
    name: &str,
    version: &str,
) -> Result<&'a Plugin, (&'static str, String)> {
    let versions = || offered.iter().filter(|offer| offer.name == name).map(|offer| &offer.plugin);
    let newest = || versions().max_by_key(|plugin| order(&plugin.version)).or(present);
    let found = if version.is_empty() { newest() } else { versions().find(|plugin| plugin.version == version) };
    let wanted = found.map_or(version, |plugin| plugin.version.as_str());
    let found = present.filter(|present| present.version == wanted).or(found);
    found.ok_or_else(|| match newest() {
        None if offered.is_empty() => ("name", "must not be given: the engine offers no plugins".to_owned()),
        None => {
            let names: BTreeSet<_> = offered.iter().map(|offer| offer.name.as_str()).collect();
            ("name", format!("must be one of: {}", names.into_iter().collect::<Vec<_>>().join(", ")))
        }
        Some(_) => {
            let known: Vec<_> = versions().chain(present).map(|plugin| plugin.version.as_str()).collect();
            ("version", format!("must be empty for the newest version of {name}, or one of: {}", known.join(", ")))
        }
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::command::tests::catalog;
    use crate::error::DomainError;
    use crate::plugins::text;

    pub(crate) fn offered(name: &str, version: &str) -> OfferedPlugin {
        let image = format!("r.test/{name}:{version}");
        let plugin = Plugin { version: version.into(), image, path: "/plugin".into() };
        OfferedPlugin { name: name.into(), plugin, description: String::new() }
    }

    pub(crate) fn choice(name: &str, version: &str) -> PluginChoice {
        PluginChoice { name: name.into(), version: version.into() }
    }

    fn chosen(wanted: &[(&str, &str)], present: &Plugins, engine: Option<&Engine>) -> Result<String, Vec<String>> {
        let wanted: Vec<_> = wanted.iter().map(|(name, version)| choice(name, version)).collect();
        let mut check = Check::default();
        let plugins = choose(&mut check, &wanted, present, engine);
        check.finish(Some(text(&plugins))).map_err(|refusal| match refusal {
            DomainError::Invalid(all) => all.into_iter().map(|it| format!("{} {}", it.field, it.description)).collect(),
            other => panic!("{other:?}"),
        })
    }

    fn engine(plugins: Option<Vec<OfferedPlugin>>) -> Engine {
        Engine { plugins, ..catalog().engines()[0].clone() }
    }

    #[test]
    fn newest_release_is_chosen_unless_a_version_is_named() {
        let versions = ["1.9", "1.10.0", "2.0.0-beta.1", "1.2"].map(|version| offered("gift-cards", version));
        let engine = engine(Some(versions.to_vec()));
        let (none, one) =
            (Plugins::new(), |version| chosen(&[("gift-cards", version)], &Plugins::new(), Some(&engine)));
        assert_eq!(one(""), Ok("gift-cards 1.10.0".into()));
        assert_eq!(one("2.0.0-beta.1"), Ok("gift-cards 2.0.0-beta.1".into()));
        assert_eq!(chosen(&[], &none, Some(&engine)), Ok(String::new()));
    }

    #[test]
    fn all_violations_are_reported_with_what_is_offered() {
        let engine =
            engine(Some(vec![offered("gift-cards", "1.2"), offered("gift-cards", "1.3"), offered("faq", "1")]));
        let wanted = [("gift-cards", "1.4"), ("reviews", ""), ("faq", ""), ("faq", "1")];
        let expected = [
            "store.plugins[3].name must not be that of another entry",
            "store.plugins[0].version must be empty for the newest version of gift-cards, or one of: 1.2, 1.3",
            "store.plugins[1].name must be one of: faq, gift-cards",
        ];
        assert_eq!(chosen(&wanted, &Plugins::new(), Some(&engine)), Err(expected.map(Into::into).to_vec()));
        let many: Vec<_> = (0..=PLUGINS_MAX).map(|_| ("x", "")).collect();
        let too_many = "store.plugins must have at most 20 plugins, has 21".to_owned();
        assert_eq!(chosen(&many, &Plugins::new(), Some(&engine)), Err(vec![too_many]));
    }

    #[test]
    fn engine_without_plugins_or_without_offers_refuses_them() {
        let (without, empty) = (engine(None), engine(Some(Vec::new())));
        let refused = |engine| chosen(&[("faq", "")], &Plugins::new(), engine).expect_err("refused").join("; ");
        assert_eq!(refused(Some(&without)), "store.plugins must be empty: engine woocommerce 0.2.0 has no plugins");
        for engine in [Some(&empty), None] {
            assert_eq!(refused(engine), "store.plugins[0].name must not be given: the engine offers no plugins");
        }
        assert_eq!(chosen(&[], &Plugins::new(), Some(&without)), Ok(String::new()), "none are wanted");
    }

    #[test]
    fn version_that_the_store_has_is_kept_though_it_is_no_longer_offered() {
        let OfferedPlugin { name, plugin, .. } = offered("faq", "1.0");
        let present = Plugins::from([(name, plugin)]);
        for engine in [engine(Some(Vec::new())), engine(Some(vec![offered("faq", "2.0")]))] {
            assert_eq!(chosen(&[("faq", "1.0")], &present, Some(&engine)), Ok("faq 1.0".into()));
            let newest = if engine.plugins.as_ref().is_some_and(Vec::is_empty) { "faq 1.0" } else { "faq 2.0" };
            assert_eq!(chosen(&[("faq", "")], &present, Some(&engine)), Ok(newest.into()));
        }
        let refused = chosen(&[("faq", "1.1")], &present, Some(&engine(Some(Vec::new())))).expect_err("refused");
        assert!(refused[0].ends_with("or one of: 1.0"), "{refused:?}");
    }
}
