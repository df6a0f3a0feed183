//! Secrets do not belong into values files: the values of a store are recorded with its revisions.

use serde_json::Value;

/// Ends of keys, in lower case, whose texts are secrets. Names of Secrets have other keys, such as `existingSecret` and `secretName`.
const SECRET: [&str; 7] = ["password", "passwd", "token", "privatekey", "apikey", "secretkey", "accesskey"];

/// The path of the first secret in values; `None` if they contain none.
pub(super) fn find(values: &Value) -> Option<String> {
    let fields = values.as_object()?;
    fields.iter().find_map(|(key, value)| {
        let is_secret = SECRET.iter().any(|end| key.to_lowercase().replace(['-', '_'], "").ends_with(end));
        match value {
            Value::String(text) if is_secret && !text.is_empty() => Some(key.clone()),
            Value::Array(items) => items.iter().find_map(find).map(|inner| format!("{key}.{inner}")),
            inner => find(inner).map(|inner| format!("{key}.{inner}")),
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_found_and_names_of_secrets_are_not() {
        for (values, path) in [
            (json!({"smtp": {"host": "a", "password": "x"}}), Some("smtp.password")),
            (json!({"list": [{"a": 1}, {"api_key": "x"}]}), Some("list.api_key")),
            (json!({"rootPassword": "x"}), Some("rootPassword")),
            (json!({"smtp": {"password": "", "existingSecret": "smtp"}, "tls": {"secretName": "tls"}}), None),
            (json!({"automountServiceAccountToken": false, "plan": {"cpu": "2"}}), None),
        ] {
            assert_eq!(find(&values).as_deref(), path, "{values}");
        }
    }
}
