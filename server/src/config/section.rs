//! Reads a TOML table key by key, and collects all errors.

use std::fmt::Display;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// A table of the configuration, and the keys that were read.
pub(super) struct Section {
    path: String,
    table: Table,
    problems: Vec<String>,
}

impl Section {
    /// The whole configuration.
    pub(super) fn root(table: Table) -> Self {
        Self { path: String::new(), table, problems: Vec::new() }
    }

    /// The key's value, or `default` if it is absent or invalid.
    pub(super) fn take<T: DeserializeOwned>(&mut self, key: &str, default: T) -> T {
        self.optional(key).unwrap_or(default)
    }

    /// The key's value if it is present.
    pub(super) fn optional<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        let value = self.table.remove(key)?;
        let shown = value.to_string();
        match value.try_into() {
            Ok(value) => Some(value),
            Err(error) => {
                // An invalid value may be a misplaced secret: only numbers and booleans are shown.
                let shown =
                    if shown.len() <= 40 && !shown.contains("://") { format!(" (is {shown})") } else { String::new() };
                self.fail(key, format!("{}{shown}", error.to_string().trim_end()));
                None
            }
        }
    }

    /// The key's value if it is valid, otherwise `default`.
    pub(super) fn checked<T: DeserializeOwned + Display>(
        &mut self,
        key: &str,
        default: T,
        rule: &str,
        good: impl Fn(&T) -> bool,
    ) -> T {
        match self.optional(key) {
            Some(value) if good(&value) => value,
            Some(value) => {
                self.fail(key, format!("{rule} (is {value})"));
                default
            }
            None => default,
        }
    }

    /// A nested table; empty if it is absent.
    pub(super) fn section<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let path = self.name(key);
        let table = match self.table.remove(key) {
            Some(Value::Table(table)) => table,
            Some(_) => {
                self.fail(key, "must be a table");
                Table::new()
            }
            None => Table::new(),
        };
        let mut below = Self { path, table, problems: Vec::new() };
        let value = read(&mut below);
        self.problems.extend(below.finish());
        value
    }

    /// True if the key is present and was not read yet, also if its value is invalid.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The keys that were not read yet.
    pub(super) fn keys(&self) -> Vec<String> {
        self.table.keys().cloned().collect()
    }

    /// Records an error of a key.
    pub(super) fn fail(&mut self, key: &str, problem: impl Display) {
        self.problems.push(format!("{}: {problem}", self.name(key)));
    }

    /// All errors, including unknown keys.
    pub(super) fn finish(mut self) -> Vec<String> {
        for key in self.keys() {
            self.fail(&key, "is not a key of the configuration");
        }
        self.problems
    }

    fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// Merges `over` into `table`, key by key.
pub(super) fn overlay(table: &mut Table, over: Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(over)) => overlay(below, over),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}
