//! Plugins of a store: of those that its engine offers, each from an image. A store's settings have the image, too, so that it keeps a plugin that
//! is no longer offered.

use std::collections::BTreeMap;

use semver::Prerelease;
use serde::{Deserialize, Serialize};

/// Maximum number of plugins of a store. Each is a container that copies its files whenever a pod starts.
pub const PLUGINS_MAX: usize = 20;
/// Maximum length of a plugin's name: with the prefix `plugin-` it is the name of a container, a DNS label.
const NAME_MAX: usize = 56;
/// Maximum length of a plugin's version.
const VERSION_MAX: usize = 32;

/// A store's plugins by name, which is that of the plugin's folder.
pub type Plugins = BTreeMap<String, Plugin>;

/// A version of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugin {
    /// Its version.
    pub version: String,
    /// The image that its files are copied from.
    pub image: String,
    /// Its folder in the image.
    pub path: String,
}

/// A version of a plugin that an engine offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedPlugin {
    /// Its name.
    pub name: String,
    /// Its version, and where it comes from.
    pub plugin: Plugin,
    /// What it is, in one line; may be empty.
    pub description: String,
}

/// Orders versions: releases after pre-releases, then by number. `None` for what is not a version of a plugin.
pub(crate) fn order(version: &str) -> Option<(bool, Vec<u64>, Prerelease)> {
    let (numbers, pre) = version.split_once('-').unwrap_or((version, ""));
    let numbers: Result<Vec<u64>, _> = numbers.split('.').map(str::parse).collect();
    let mut numbers = numbers.ok().filter(|_| version.len() <= VERSION_MAX && !version.contains('+'))?;
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    let pre = Prerelease::new(pre).ok().filter(|pre| pre.is_empty() != version.contains('-'))?;
    Some((pre.is_empty(), numbers, pre))
}

/// True for a name of a plugin: a DNS label of at most 56 characters.
pub fn is_name(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(is_inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// True for a version of a plugin: numbers with dots, and optionally a pre-release such as `-beta.1`; at most 32 characters.
pub fn is_version(text: &str) -> bool {
    order(text).is_some()
}

/// The versions by name, in one line.
pub fn text(plugins: &Plugins) -> String {
    let each = plugins.iter().map(|(name, plugin)| format!("{name} {}", plugin.version));
    each.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers_with_an_optional_pre_release() {
        assert!(["4.1.0.7", "3", "1.2-beta.1"].into_iter().all(is_version));
        for bad in ["", "latest", "1.", "1.2-", "v1.2", "1.2 ", "1.2+3", "1.2-ä", &"1".repeat(33)] {
            assert!(!is_version(bad), "{bad}");
        }
        let mut versions = ["2.0.0-beta.1", "1.10.0", "1.9", "2.0-alpha", "1.9.0.1"];
        versions.sort_by_key(|version| order(version));
        assert_eq!(versions, ["2.0-alpha", "2.0.0-beta.1", "1.9", "1.9.0.1", "1.10.0"]);
    }
}
