//! The images that a chart's values name: `images` with a `registry`, and a repository with tag or digest for each image.

use serde::Deserialize;
use serde_json::{Map, Value};

/// The block `images` of a chart's values. Later files override single keys. What does not have this form names no image.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "Value")]
pub(super) struct ImagesFile(Map<String, Value>);

impl From<Value> for ImagesFile {
    fn from(value: Value) -> Self {
        match value {
            Value::Object(images) => Self(images),
            _ => Self::default(),
        }
    }
}

impl ImagesFile {
    pub(super) fn under(mut self, later: Self) -> Self {
        for (name, later) in later.0 {
            match (self.0.get_mut(&name), later) {
                (Some(Value::Object(image)), Value::Object(later)) => image.extend(later),
                (_, later) => {
                    self.0.insert(name, later);
                }
            }
        }
        self
    }

    /// References such as `docker.io/storeplane/store:11.0.1-r2`, by the images' names. A digest wins over a tag.
    pub(super) fn references(&self) -> Vec<String> {
        let registry = self.0.get("registry").and_then(Value::as_str).filter(|registry| !registry.is_empty());
        let of = |image: &Value| {
            let text = |key: &str| image.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
            let repository = text("repository")?;
            let name = registry.map_or_else(|| repository.to_owned(), |registry| format!("{registry}/{repository}"));
            let tagged = text("tag").map(|tag| format!("{name}:{tag}"));
            text("digest").map(|digest| format!("{name}@{digest}")).or(tagged)
        };
        self.0.values().filter_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ImagesFile {
        serde_saphyr::from_str(text).expect("images")
    }

    #[test]
    fn digest_wins_over_tag_and_later_files_over_earlier_ones() {
        let chart = read(
            "{registry: docker.io, pullPolicy: Always, store: {repository: a/store, tag: '1', digest: ''}, db: {repository: a/db, tag: '2'}}",
        );
        assert_eq!(chart.references(), ["docker.io/a/db:2", "docker.io/a/store:1"]);
        let later = read("{registry: r.test/mirror, store: {digest: 'sha256:7'}, other: [], db: {tag: ''}}");
        assert_eq!(chart.under(later).references(), ["r.test/mirror/a/store@sha256:7"]);
        assert!(read("{}").references().is_empty() && read("[a, b]").references().is_empty());
    }
}
