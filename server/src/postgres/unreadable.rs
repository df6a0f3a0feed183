//! Rows with values that this server does not know, most likely because a newer one wrote them: they are shown as far as
//! possible, logged with their id, and never block others.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize as _;
use serde::de::DeserializeOwned;
use storeplane_core::failure::{Failure, Reason};
use tokio::time::Instant;
use uuid::Uuid;

/// Interval between log lines about the same row.
const INTERVAL: Duration = Duration::from_mins(10);
/// Maximum number of remembered rows.
const REMEMBERED: usize = 1000;

static LOGGED: Mutex<Option<HashMap<Uuid, Instant>>> = Mutex::new(None);

/// The unknown values of one row.
pub(super) struct Problems {
    table: &'static str,
    id: Uuid,
    found: Vec<String>,
}

impl Problems {
    pub(super) fn of(table: &'static str, id: Uuid) -> Self {
        Self { table, id, found: Vec::new() }
    }

    /// True if all values are known.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The value, or a substitute for an unknown one.
    pub(super) fn known<T>(&mut self, column: &str, text: &str, parsed: Option<T>, unknown: T) -> T {
        parsed.unwrap_or_else(|| {
            self.found.push(format!("{column} {text:?}"));
            unknown
        })
    }

    /// The same for a nullable column.
    pub(super) fn optional<T>(
        &mut self,
        column: &str,
        text: Option<&str>,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = text?;
        self.known(column, text, parse(text).map(Some), None)
    }

    /// A stored failure, or as much of it as can be read.
    pub(super) fn failure(&mut self, stored: Option<serde_json::Value>) -> Option<Failure> {
        let stored = stored?;
        if let Ok(failure) = Failure::deserialize(&stored) {
            return Some(failure);
        }
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let reason = stored.get("reason").and_then(text).unwrap_or_default();
        self.found.push(format!("failure.reason {reason:?}"));
        let message = stored.get("message").and_then(text).unwrap_or_default();
        let details = stored.get("details").and_then(serde_json::Value::as_array).into_iter().flatten();
        Some(Failure::new(Reason::Unreadable, message).with_details(details.filter_map(text)))
    }

    /// A value that was stored as JSON, or `None` if this server does not know its form.
    pub(super) fn json<T: DeserializeOwned>(&mut self, column: &str, stored: Option<serde_json::Value>) -> Option<T> {
        let stored = stored?;
        let read = T::deserialize(&stored).ok();
        self.optional(column, Some(&stored.to_string()), |_| read)
    }

    /// Logs the unknown values. A store or an operation shows them as its failure, unless it has one.
    pub(super) fn report(self, failure: &mut Option<Failure>) {
        let Some(message) = self.log() else { return };
        failure.get_or_insert_with(|| Failure::new(Reason::Unreadable, message));
    }

    /// Logs the unknown values, and returns a sentence about them.
    pub(super) fn log(self) -> Option<String> {
        let Self { table, id, found } = self;
        if found.is_empty() {
            return None;
        }
        let found = found.join(", ");
        if is_due(id) {
            tracing::error!(table, %id, found, "a row has values that this server does not know");
        }
        Some(format!("This server does not know {found}; a newer one wrote it."))
    }
}

fn is_due(id: Uuid) -> bool {
    let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    let logged = logged.get_or_insert_default();
    if logged.get(&id).is_some_and(|last| last.elapsed() < INTERVAL) {
        return false;
    }
    if logged.len() >= REMEMBERED {
        logged.clear();
    }
    logged.insert(id, Instant::now());
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn failure_of_newer_server_keeps_its_text() {
        let mut problems = Problems::of("stores", Uuid::nil());
        let stored = json!({"reason": "MOON_PHASE", "message": "The moon is full.", "details": ["full", 1]});
        let failure = problems.failure(Some(stored)).expect("a failure");
        assert_eq!((failure.reason, failure.message.as_str()), (Reason::Unreadable, "The moon is full."));
        assert_eq!(failure.details, ["full"]);
        assert_eq!(problems.found, ["failure.reason \"MOON_PHASE\""]);

        let known = serde_json::to_value(Failure::new(Reason::CrashLoop, "It ends.")).expect("JSON");
        assert_eq!(
            Problems::of("stores", Uuid::nil()).failure(Some(known)).map(|it| it.reason),
            Some(Reason::CrashLoop)
        );
    }

    #[test]
    fn unknown_values_become_the_failure_of_the_row() {
        let mut problems = Problems::of("operations", Uuid::now_v7());
        assert_eq!(problems.known("state", "PAUSED", None, 7), 7);
        assert_eq!(problems.optional("step", Some("DANCE"), |_| None::<u8>), None);
        assert_eq!(problems.optional("reached", None, |_| None::<u8>), None);
        let mut failure = None;
        problems.report(&mut failure);
        let failure = failure.expect("a failure");
        assert_eq!(
            failure.message,
            "This server does not know state \"PAUSED\", step \"DANCE\"; a newer one wrote it."
        );
    }

    #[tokio::test(start_paused = true)]
    async fn unreadable_row_is_logged_with_rate_limit() {
        let id = Uuid::now_v7();
        assert!(is_due(id) && !is_due(id));
        tokio::time::advance(INTERVAL).await;
        assert!(is_due(id));
    }
}
