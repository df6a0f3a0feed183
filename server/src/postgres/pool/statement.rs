//! Statements with bound parameters. Postgres cannot store NUL, neither as text nor as JSON, so it is replaced here
//! and only here: whatever a container logs or a caller sends, no statement fails because of it.

use sea_orm::sea_query::Values;
use sea_orm::{JsonValue, Statement, Value};
use sea_query_sqlx::SqlxValues;
use sqlx::Postgres;
use sqlx::query::Query;

/// Replaces NUL.
const REPLACEMENT: &str = "\u{FFFD}";

/// The statement for sqlx. Without `persistent` it leaves no prepared statement.
pub(super) fn query(statement: &Statement, persistent: bool) -> Query<'_, Postgres, SqlxValues> {
    let values = statement.values.iter().flat_map(|values| values.iter().cloned().map(without_nul)).collect();
    sqlx::query_with(sqlx::AssertSqlSafe(statement.sql.as_str()), SqlxValues(Values(values))).persistent(persistent)
}

fn without_nul(value: Value) -> Value {
    match value {
        Value::String(Some(text)) if text.contains('\0') => Value::String(Some(text.replace('\0', REPLACEMENT))),
        Value::Json(Some(json)) if has_nul(&json) => Value::Json(Some(Box::new(json_without_nul(*json)))),
        value => value,
    }
}

fn has_nul(json: &JsonValue) -> bool {
    match json {
        JsonValue::String(text) => text.contains('\0'),
        JsonValue::Array(items) => items.iter().any(has_nul),
        JsonValue::Object(entries) => entries.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

fn json_without_nul(json: JsonValue) -> JsonValue {
    match json {
        JsonValue::String(text) => JsonValue::String(text.replace('\0', REPLACEMENT)),
        JsonValue::Array(items) => items.into_iter().map(json_without_nul).collect(),
        JsonValue::Object(entries) => {
            entries.into_iter().map(|(key, value)| (key.replace('\0', REPLACEMENT), json_without_nul(value))).collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nul_is_replaced_in_every_text() {
        assert_eq!(without_nul("a\0b".into()), Value::from("a\u{FFFD}b"));
        assert_eq!(without_nul("plain".into()), Value::from("plain"));
        let before = json!({"a\0": ["\0", {"b": "x\0y"}, 1, null]});
        let after = json!({"a\u{FFFD}": ["\u{FFFD}", {"b": "x\u{FFFD}y"}, 1, null]});
        assert_eq!(without_nul(before.into()), Value::from(after));
    }
}
