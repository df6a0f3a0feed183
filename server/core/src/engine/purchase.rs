//! The test purchase of an engine's shops, as data: its chart says which requests a customer makes, and what must be answered.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

/// Maximum number of steps.
const STEPS_MAX: usize = 40;
/// Maximum number of values that a step tries.
const TRIES_MAX: usize = 20;

/// A test purchase, up to the point of payment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurchaseTest {
    /// Pointer to a URL in the answer to the first step. Its host must be that of the shop's URL: otherwise the URL leads elsewhere.
    pub identity: String,
    /// Headers of all requests. One with a variable is sent once that has a value.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Pointers to texts. An answer with status 4xx that has all of them is the API's own: the shop is up, whatever it refuses.
    pub refusal: Vec<String>,
    /// The requests, in order.
    pub steps: Vec<PurchaseStep>,
    /// The variable with the list of the names of the payment methods on offer.
    pub payment_methods: String,
    /// What a shop offers as it was installed, as a part of a sentence; may be empty.
    #[serde(default)]
    pub offers: String,
}

/// One request. Path, headers and body may contain variables, `${NAME}`; in a body, a text that is only a variable becomes its value.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PurchaseStep {
    /// Its name in messages, for example `product list`.
    pub name: String,
    /// The key of its duration in an event's details.
    pub key: String,
    /// The path of a GET request. A step has one of `get`, `post` and `delete`.
    pub get: Option<String>,
    /// The path of a POST request.
    pub post: Option<String>,
    /// The path of a DELETE request.
    pub delete: Option<String>,
    /// The body, as JSON.
    pub body: Option<Value>,
    /// Values of which each is tried until one is not refused.
    #[serde(rename = "try")]
    pub tries: Option<Tries>,
    /// What the answer must be.
    #[serde(default)]
    pub expect: Vec<Expectation>,
    /// Variables from the answer.
    #[serde(default)]
    pub capture: BTreeMap<String, Capture>,
}

/// Values that a step tries.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tries {
    /// The variable with the list of values.
    pub of: String,
    /// The variable that each of them becomes.
    #[serde(rename = "as")]
    pub name: String,
    /// How many are tried.
    pub at_most: usize,
}

/// What a part of an answer must be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// A JSON pointer; empty for all of the answer.
    pub at: String,
    /// What it must be.
    #[serde(default)]
    pub is: Condition,
    /// The message if it is not.
    pub failure: String,
    /// Only a shop that was just installed must answer this: it is its merchant's decision.
    #[serde(default)]
    pub as_installed: bool,
}

/// What a value must be: all that is given; without anything, neither missing nor null.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Condition {
    /// This value.
    pub equals: Option<Value>,
    /// Not this value; a missing one fits.
    pub differs: Option<Value>,
    /// A list with this value.
    pub contains: Option<Value>,
    /// A list or an object with at least this many entries.
    pub entries: Option<usize>,
}

impl Condition {
    /// True if the value is as it must be.
    pub fn holds(&self, value: Option<&Value>) -> bool {
        let Self { equals, differs, contains, entries } = self;
        if let Some(other) = differs {
            return value != Some(other);
        }
        let Some(value) = value.filter(|value| !value.is_null()) else { return false };
        let count = value.as_array().map(Vec::len).or_else(|| value.as_object().map(serde_json::Map::len));
        equals.as_ref().is_none_or(|wanted| value == wanted)
            && contains.as_ref().is_none_or(|wanted| value.as_array().is_some_and(|list| list.contains(wanted)))
            && entries.is_none_or(|least| count.is_some_and(|count| count >= least))
    }
}

/// Where a variable's value is in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Capture {
    /// A response header.
    pub header: Option<String>,
    /// A JSON pointer whose segments `*` stand for all entries of a list. Without one, the answer itself.
    pub each: Option<String>,
    /// Only entries with all of this.
    #[serde(rename = "where")]
    pub filter: Vec<EntryCondition>,
    /// A JSON pointer within the entry; empty for all of it.
    pub take: String,
    /// A list of all that was found instead of the first.
    pub all: bool,
    /// The message if nothing was found; without one, the variable then has no value.
    pub failure: Option<String>,
}

/// What a part of an entry must be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryCondition {
    /// A JSON pointer.
    pub at: String,
    /// What it must be.
    #[serde(default)]
    pub is: Condition,
}

impl Capture {
    /// What is found in an answer.
    pub fn find(&self, json: &Value) -> Option<Value> {
        let mut entries = vec![json];
        for segment in self.each.iter().flat_map(|each| each.split('/').skip(1)) {
            entries = match segment {
                "*" => entries.into_iter().filter_map(Value::as_array).flatten().collect(),
                name => entries.into_iter().filter_map(|entry| entry.pointer(&format!("/{name}"))).collect(),
            };
        }
        let fits = |entry: &&Value| self.filter.iter().all(|wanted| wanted.is.holds(entry.pointer(&wanted.at)));
        let mut found = entries.into_iter().filter(fits).filter_map(|entry| entry.pointer(&self.take)).cloned();
        if self.all { Some(Value::Array(found.collect())) } else { found.find(|value| !value.is_null()) }
    }
}

impl PurchaseStep {
    /// The method and the path; `None` if it has not exactly one.
    pub fn request(&self) -> Option<(&'static str, &str)> {
        match (&self.get, &self.post, &self.delete) {
            (Some(path), None, None) => Some(("GET", path)),
            (None, Some(path), None) => Some(("POST", path)),
            (None, None, Some(path)) => Some(("DELETE", path)),
            _ => None,
        }
    }
}

impl PurchaseTest {
    /// What is wrong with it, if anything is.
    pub fn problem(&self) -> Option<String> {
        if self.steps.is_empty() || self.steps.len() > STEPS_MAX {
            return Some(format!("verify.steps must be 1 to {STEPS_MAX}"));
        }
        let mut known = BTreeSet::new();
        for (step, number) in self.steps.iter().zip(0..) {
            let at = format!("verify.steps[{number}]");
            let Some((_, path)) = step.request() else {
                return Some(format!("{at} must have one of get, post, delete"));
            };
            if !path.starts_with('/') {
                return Some(format!("{at} must have a path that begins with /"));
            }
            if let Some(Tries { of, name, at_most }) = &step.tries {
                if !known.contains(of) {
                    return Some(format!("{at}.try.of must be captured before: {of}"));
                }
                if !(1..=TRIES_MAX).contains(at_most) {
                    return Some(format!("{at}.try.at_most must be 1 to {TRIES_MAX}"));
                }
                known.insert(name.clone());
            }
            let body = step.body.as_ref().map(Value::to_string).unwrap_or_default();
            let mut used = variables(path).chain(variables(&body));
            if let Some(unknown) = used.find(|name| !known.contains(*name)) {
                return Some(format!("{at} uses a variable that is not captured before: {unknown}"));
            }
            known.extend(step.capture.keys().cloned());
        }
        (!known.contains(&self.payment_methods)).then(|| "verify.payment_methods must be captured by a step".to_owned())
    }
}

/// The names of the variables in a text.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn capture(file: Value) -> Capture {
        serde_json::from_value(file).expect("a capture")
    }

    #[test]
    fn capture_finds_entries_of_nested_lists() {
        let answer = json!({"products": [
            {"variants": [{"id": "a", "price": null}]},
            {"variants": [{"id": "b", "price": 3}, {"id": "c", "price": 4}]},
        ]});
        let priced = json!({"each": "/products/*/variants/*", "where": [{"at": "/price"}], "take": "/id"});
        assert_eq!(capture(priced.clone()).find(&answer), Some(json!("b")));
        let mut all = priced;
        all["all"] = json!(true);
        assert_eq!(capture(all).find(&answer), Some(json!(["b", "c"])));
        assert_eq!(capture(json!({"take": "/products/0/variants/0/id"})).find(&answer), Some(json!("a")));
        assert_eq!(capture(json!({"take": "/orders"})).find(&answer), None);
    }

    #[test]
    fn condition_holds_for_all_that_is_given() {
        let holds = |condition: Value, value: Value| {
            serde_json::from_value::<Condition>(condition).expect("a condition").holds(Some(&value))
        };
        assert!(holds(json!({}), json!(0)) && !holds(json!({}), json!(null)));
        assert!(holds(json!({"equals": "x"}), json!("x")) && !holds(json!({"equals": "x"}), json!("y")));
        assert!(holds(json!({"contains": "x"}), json!(["y", "x"])) && !holds(json!({"contains": "x"}), json!("x")));
        assert!(holds(json!({"entries": 1}), json!([1])) && !holds(json!({"entries": 1}), json!([])));
        assert!(holds(json!({"differs": false}), json!(true)) && !holds(json!({"differs": false}), json!(false)));
        assert!(Condition { differs: Some(json!(false)), ..Condition::default() }.holds(None));
    }
}
