//! What a request changed: the fields that differ, before and after.

use serde_json::{Map, Value, json};

use crate::backup_policy::BackupPolicy;
use crate::host_name::ServedDomains;
use crate::plugins;
use crate::store::Store;

/// Fields whose values are never recorded, only that they changed.
const SECRET: [&str; 4] = ["secret", "password", "hash", "key"];
/// Stands for a secret.
const MASK: &str = "***";

/// The fields that a request changed. Contains no secret.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    before: Map<String, Value>,
    after: Map<String, Value>,
}

impl Changes {
    /// Between two JSON objects; fields that are equal are left out. `before` is `null` for what is new.
    pub fn between(before: Value, after: Value) -> Self {
        let object = |value| if let Value::Object(fields) = value { fields } else { Map::new() };
        let (before, after) = (object(before), object(after));
        let differing = |these: &Map<String, Value>, others: &Map<String, Value>| {
            let fields = these.iter().filter(|(name, value)| others.get(*name) != Some(value));
            fields.map(|(name, value)| (name.clone(), masked(name, value))).collect()
        };
        Self { before: differing(&before, &after), after: differing(&after, &before) }
    }

    /// Of a store; `before` is `None` if it is new.
    pub fn of_store(before: Option<&Store>, after: &Store) -> Self {
        Self::between(before.map_or(Value::Null, fields), fields(after))
    }

    /// True if nothing changed.
    pub fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }

    /// As JSON: `{"before": {…}, "after": {…}}`, without `before` for what is new. Empty if nothing changed.
    pub fn to_json(&self) -> String {
        match (self.before.is_empty(), self.after.is_empty()) {
            (true, true) => String::new(),
            (true, false) => json!({ "after": self.after }).to_string(),
            _ => json!({ "before": self.before, "after": self.after }).to_string(),
        }
    }
}

fn fields(store: &Store) -> Value {
    let mut fields = json!({
        "display_name": store.spec.display_name,
        "engine": store.spec.engine,
        "plan": store.spec.plan,
        "admin_email": store.spec.admin_email,
        "deletion_protection": store.spec.deletion_protection,
        "cleanup_policy": store.spec.cleanup_policy,
        "environment": store.spec.environment.as_str(),
        "state": store.state.as_str(),
    });
    if let Some(fields) = fields.as_object_mut().filter(|_| !store.spec.labels.is_empty()) {
        fields.insert("labels".to_owned(), json!(store.spec.labels));
    }
    if let Some(fields) = fields.as_object_mut().filter(|_| store.spec.domains != ServedDomains::default()) {
        fields.insert("domains".to_owned(), json!(store.spec.domains.names));
        fields.insert("primary_domain".to_owned(), json!(store.spec.domains.primary_text()));
    }
    if let Some(fields) = fields.as_object_mut().filter(|_| store.spec.backup_policy != BackupPolicy::default()) {
        let settings = store.spec.backup_policy.texts().map(|(name, value)| (name.to_owned(), value.into()));
        fields.insert("backup_policy".to_owned(), Value::Object(settings.into_iter().collect()));
    }
    if let Some(fields) = fields.as_object_mut().filter(|_| store.spec.smtp.is_some()) {
        // Of the password, the name of its Secret, which changes with it.
        fields.insert("smtp".to_owned(), json!(store.spec.smtp));
    }
    if let Some(fields) = fields.as_object_mut().filter(|_| !store.spec.plugins.is_empty()) {
        fields.insert("plugins".to_owned(), json!(plugins::text(&store.spec.plugins)));
    }
    fields
}

fn masked(name: &str, value: &Value) -> Value {
    let is_secret = SECRET.iter().any(|secret| name.to_lowercase().contains(secret));
    if is_secret && !value.is_null() { MASK.into() } else { value.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_differing_fields_are_recorded_and_secrets_are_masked() {
        let before = json!({"plan": "small", "engine": "woocommerce", "password_hash": "a", "left": 1});
        let after = json!({"plan": "large", "engine": "woocommerce", "password_hash": "b", "secret": null});
        let changes = Changes::between(before.clone(), after);
        assert_eq!(
            changes.to_json(),
            r#"{"after":{"password_hash":"***","plan":"large","secret":null},"before":{"left":1,"password_hash":"***","plan":"small"}}"#
        );
        let created = Changes::between(Value::Null, json!({"name": "ci", "Key": "x"}));
        assert_eq!(created.to_json(), r#"{"after":{"Key":"***","name":"ci"}}"#);
        let none = Changes::between(before.clone(), before);
        assert!(none.is_empty() && none.to_json().is_empty());
    }
}
