//! `[[engines.NAME.plugins]]`: the plugins that an engine offers.

use serde::{Deserialize, Serialize};
use storeplane_core::plugins::{self, Plugin, is_name, is_version};

use super::charts::is_digest;
use super::section::Section;

/// Maximum number of characters of a description.
const DESCRIPTION_MAX: usize = 200;

/// A version of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferedPlugin {
    /// Its name: that of its folder.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The image with its files, with a digest or a tag.
    pub image: String,
    /// Its folder in the image.
    #[serde(default = "plugin_folder")]
    pub path: String,
    /// What it is, in one line.
    #[serde(default)]
    pub description: String,
}

fn plugin_folder() -> String {
    "/plugin".to_owned()
}

impl From<OfferedPlugin> for plugins::OfferedPlugin {
    fn from(OfferedPlugin { name, version, image, path, description }: OfferedPlugin) -> Self {
        Self { name, plugin: Plugin { version, image, path }, description }
    }
}

pub(super) fn read(section: &mut Section) -> Vec<OfferedPlugin> {
    let offered: Vec<OfferedPlugin> = section.take("plugins", Vec::new());
    for (index, plugin) in offered.iter().enumerate() {
        let OfferedPlugin { name, version, image, path, description } = plugin;
        let mut fail = |key, rule: String| section.fail(&format!("plugins[{index}].{key}"), rule);
        if !is_name(name) {
            fail("name", format!("must be the name of its folder, a DNS label of at most 56 characters (is {name:?})"));
        }
        if !is_version(version) {
            let rule = "must be numbers with dots, such as 1.2.0 or 1.3.0-beta.1, at most 32 characters";
            fail("version", format!("{rule} (is {version:?})"));
        }
        let before = offered.iter().take(index);
        if before.into_iter().any(|it| (&it.name, &it.version) == (name, version)) {
            fail("version", format!("must not be that of another entry for {name} (is {version:?})"));
        }
        if !is_image(image) {
            let rule = "must be an image with a digest, such as registry.example.com/faq@sha256:…, or a tag that is not latest";
            fail("image", rule.to_owned());
        }
        if !path.starts_with('/') || path.contains(char::is_whitespace) {
            fail("path", format!("must be an absolute path without white space (is {path:?})"));
        }
        if description.chars().count() > DESCRIPTION_MAX || description.chars().any(char::is_control) {
            fail("description", format!("must be one line of at most {DESCRIPTION_MAX} characters"));
        }
    }
    offered
}

/// True for a reference with a tag or a digest, as the chart's schema has it.
fn is_image(text: &str) -> bool {
    let is_tag = |tag: &str| {
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        tag.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_')
            && tag.bytes().all(is_inner)
            && tag != "latest"
    };
    let (name, is_pinned) = match text.split_once('@') {
        Some((name, digest)) => (name, is_digest(digest)),
        None => text.rsplit_once(':').map_or((text, false), |(name, tag)| (name, is_tag(tag))),
    };
    let (registry, port) = name.split_once(':').unwrap_or((name, "0/x"));
    let has_port = |(port, path): (&str, &str)| {
        !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && !path.is_empty() && !path.contains(':')
    };
    is_pinned
        && registry.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
        && !text.contains(char::is_whitespace)
        && port.split_once('/').is_some_and(has_port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Overrides};

    const DIGEST: &str = "0123456789012345678901234567890123456789012345678901234567890123";

    fn parse(plugin: &str) -> Result<Vec<OfferedPlugin>, String> {
        let file = format!("[engines.woocommerce]\n{plugin}");
        let config = Config::parse(&file, &Overrides::default()).map_err(|error| error.to_string())?;
        Ok(config.engines["woocommerce"].plugins.clone())
    }

    #[test]
    fn several_versions_are_offered_and_printed_again() {
        let table = |version: &str, image: &str| {
            format!("[[engines.woocommerce.plugins]]\nname = 'faq'\nversion = '{version}'\nimage = '{image}'\n")
        };
        let digest = format!("r.test:5000/a/faq@sha256:{DIGEST}");
        let file = table("1.2", "r.test/faq:1.2") + &table("1.3.0-beta.1", &digest) + "path = '/faq'";
        let plugins = parse(&file).expect("valid");
        assert_eq!(plugins.iter().map(|it| it.path.as_str()).collect::<Vec<_>>(), ["/plugin", "/faq"]);
        let config = Config::parse(&file, &Overrides::default()).expect("valid");
        let again = Config::parse(&config.print().expect("printed"), &Overrides::default()).expect("valid again");
        assert_eq!(again.engines["woocommerce"].plugins, plugins);
    }

    #[test]
    fn wrong_plugin_names_its_key() {
        let good = "plugins = [{name = 'faq', version = '1.2', image = 'r.test/faq:1.2', path = '/p', description = 'Answers'}]";
        assert!(parse(good).is_ok());
        for (old, new, key) in [
            ("'faq'", "'../faq'", "plugins[0].name"),
            ("'faq'", &format!("'{}'", "a".repeat(57)), "plugins[0].name"),
            ("'1.2'", "'latest'", "plugins[0].version"),
            ("faq:1.2'", "faq'", "plugins[0].image"),
            ("faq:1.2'", "faq:latest'", "plugins[0].image"),
            ("r.test/", "r.test:x/", "plugins[0].image"),
            ("r.test/faq:1.2", "faq:1.2@sha256:0123", "plugins[0].image"),
            ("'/p'", "'p'", "plugins[0].path"),
            ("'Answers'", &format!("'{}'", "a".repeat(201)), "plugins[0].description"),
            ("path", "folder", "plugins"),
            ("image = 'r.test/faq:1.2', ", "", "plugins"),
            ("}]", "}, {name = 'faq', version = '1.2', image = 'r.test/other:1'}]", "plugins[1].version"),
        ] {
            let problem = parse(&good.replace(old, new)).expect_err(new);
            assert!(problem.contains(&format!("engines.woocommerce.{key}: ")), "{problem} does not name {key}");
        }
    }
}
