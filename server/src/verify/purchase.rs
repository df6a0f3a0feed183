//! Runs an engine's test purchase, up to the point of payment.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use serde_json::Value;
use storeplane_core::engine::{PurchaseStep, PurchaseTest, Tries};
use url::form_urlencoded::byte_serialize;

use super::transport::{Answer, Probe, Transport};
use super::{ProbeFailure, Unverified};

/// What a shop must be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// It was just installed: it has products, and offers the payment that its engine says.
    AsInstalled,
    /// It was ready once, and its merchant decides on products and payment methods.
    AsMerchantLeft,
    /// A test purchase was possible before a change: it still is, whatever the products and the payment methods are.
    AsBefore,
}

/// The requests and their durations.
#[derive(Debug, Default)]
pub struct Report {
    /// By the steps' keys, in order.
    pub took: Vec<(String, Duration)>,
    /// The route: `url` or `proxy`.
    pub via: &'static str,
    /// A one-sentence summary.
    pub message: String,
    /// The payment methods on offer.
    pub payment_methods: Vec<String>,
    /// The purchase was possible up to the payment, for which there is a method.
    pub sold: bool,
    names: Vec<String>,
}

impl Report {
    fn note(&mut self, probe: &Probe, answer: &Answer) {
        self.took.push((probe.key.clone(), answer.took));
        self.names.push(probe.name.clone());
    }

    /// The total duration.
    pub fn total(&self) -> Duration {
        self.took.iter().map(|(_, took)| *took).sum()
    }

    fn finish(mut self, transport: &Transport<'_>, what: &str) -> Self {
        let (names, seconds) = (self.names.join(", "), self.total().as_secs_f64());
        self.message = format!("{what} (tested through {} for {names} in {seconds:.2} s)", transport.name());
        self.via = transport.key();
        self
    }
}

/// Values that were captured, by name.
type Variables = BTreeMap<String, Value>;

/// A customer's session.
struct Customer<'a> {
    transport: &'a Transport<'a>,
    test: &'a PurchaseTest,
    demand: Demand,
    variables: Variables,
    report: Report,
}

/// The first request, which shows whose shop answers.
pub(super) async fn begin(transport: &Transport<'_>, test: &PurchaseTest) -> Result<Answer, Unverified> {
    let step = test.steps.first().ok_or_else(|| invalid("/", "The test has no step."))?;
    let none = Variables::new();
    transport.send(&probe(step, &none)?, &headers(test, &none), body(step, &none)?).await
}

/// Continues from the first answer.
pub(super) async fn run(
    transport: &Transport<'_>,
    (test, demand): (&PurchaseTest, Demand),
    first: Result<Answer, Unverified>,
) -> Result<Report, Unverified> {
    let (variables, report) = (Variables::new(), Report::default());
    let mut customer = Customer { transport, test, demand, variables, report };
    match customer.purchase(first).await {
        Ok(()) => {
            let sells = match demand {
                Demand::AsInstalled if !test.offers.is_empty() => format!("The shop sells, and offers {}", test.offers),
                _ => "The shop sells".to_owned(),
            };
            Ok(customer.report.finish(transport, &sells))
        }
        // Products and payment methods are the merchant's decision: a shop with well-formed answers is up.
        Err(Unverified::Shop(failed)) if demand == Demand::AsMerchantLeft && failed.is_well_formed(&test.refusal) => {
            let what = format!("The shop answers, but a test purchase was not possible: {}", failed.what());
            Ok(customer.report.finish(transport, what.trim_end_matches('.')))
        }
        Err(error) => Err(error),
    }
}

impl Customer<'_> {
    async fn purchase(&mut self, first: Result<Answer, Unverified>) -> Result<(), Unverified> {
        let (test, mut first) = (self.test, Some(first));
        for step in &test.steps {
            match first.take() {
                Some(answer) => self.take(step, &probe(step, &Variables::new())?, &answer?)?,
                None => self.step(step).await?,
            }
        }
        let methods = self.variables.get(&test.payment_methods).and_then(Value::as_array);
        let names = methods.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        self.report.payment_methods = names.collect();
        self.report.sold = !self.report.payment_methods.is_empty();
        if self.demand == Demand::AsBefore && !self.report.sold {
            return Err(Unverified::Shop(ProbeFailure::wrong("payment methods", "The shop offers no payment method.")));
        }
        Ok(())
    }

    /// Makes the request of a step, with each of the values that it tries until one is accepted.
    async fn step(&mut self, step: &PurchaseStep) -> Result<(), Unverified> {
        let Some(Tries { of, name, at_most }) = &step.tries else { return self.request(step).await };
        let values = self.variables.get(of).and_then(Value::as_array).cloned().unwrap_or_default();
        let mut refused = None;
        for value in values.into_iter().take(*at_most) {
            self.variables.insert(name.clone(), value);
            match self.request(step).await {
                Err(Unverified::Shop(failed)) if failed.is_well_formed(&self.test.refusal) => {
                    refused = Some(Unverified::Shop(failed));
                }
                done => return done,
            }
        }
        let nothing = || {
            let what = format!("The shop has nothing for the {}.", step.name);
            // Its list is well-formed: what is in it is its merchant's decision.
            Unverified::Shop(ProbeFailure::wrong(&step.name, what).answered(http::StatusCode::OK, b"[]"))
        };
        Err(refused.unwrap_or_else(nothing))
    }

    async fn request(&mut self, step: &PurchaseStep) -> Result<(), Unverified> {
        let probe = probe(step, &self.variables)?;
        let (headers, body) = (headers(self.test, &self.variables), body(step, &self.variables)?);
        let answer = self.transport.send(&probe, &headers, body).await?;
        self.take(step, &probe, &answer)
    }

    /// Checks an answer, and captures what later steps need.
    fn take(&mut self, step: &PurchaseStep, probe: &Probe, answer: &Answer) -> Result<(), Unverified> {
        self.report.note(probe, answer);
        for (name, capture) in &step.capture {
            let found = match &capture.header {
                Some(header) => answer.header(header).map(Value::String),
                None => capture.find(&answer.json),
            };
            match (found, &capture.failure) {
                (Some(value), _) => drop(self.variables.insert(name.clone(), value)),
                (None, Some(failure)) => return Err(answer.wrong(probe, failure.clone())),
                (None, None) => {}
            }
        }
        let applies = |as_installed: bool| !as_installed || self.demand == Demand::AsInstalled;
        let mut expected = step.expect.iter().filter(|expectation| applies(expectation.as_installed));
        match expected.find(|expectation| !expectation.is.holds(answer.json.pointer(&expectation.at))) {
            Some(unmet) => Err(answer.wrong(probe, unmet.failure.clone())),
            None => Ok(()),
        }
    }
}

fn probe(step: &PurchaseStep, variables: &Variables) -> Result<Probe, Unverified> {
    let (method, path) = step.request().ok_or_else(|| invalid(&step.name, "The test has no request."))?;
    let method = Method::from_bytes(method.as_bytes()).unwrap_or_default();
    let encoded = |value: &Value| byte_serialize(text(value).as_bytes()).collect::<String>();
    let path = fill(path, variables, &|value| match encoded(value) {
        // Path segments that would lead elsewhere.
        dots if dots.chars().all(|c| c == '.') => None,
        other => Some(other),
    });
    let path = path.ok_or_else(|| invalid(&step.name, "The shop's answers have nothing that the request needs."))?;
    Ok(Probe { name: step.name.clone(), key: step.key.clone(), method, path })
}

/// The headers whose variables have values.
fn headers(test: &PurchaseTest, variables: &Variables) -> Vec<(HeaderName, HeaderValue)> {
    let each = test.headers.iter().filter_map(|(name, value)| {
        let value = fill(value, variables, &|value| Some(text(value)))?;
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    });
    each.collect()
}

fn body(step: &PurchaseStep, variables: &Variables) -> Result<Option<Value>, Unverified> {
    let Some(body) = &step.body else { return Ok(None) };
    let filled = fill_json(body, variables);
    filled.map(Some).ok_or_else(|| invalid(&step.name, "The shop's answers have nothing that the request needs."))
}

fn fill_json(value: &Value, variables: &Variables) -> Option<Value> {
    Some(match value {
        Value::String(template) => {
            let whole = template.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
            match whole.filter(|name| !name.contains('}')) {
                Some(name) => variables.get(name)?.clone(),
                None => Value::String(fill(template, variables, &|value| Some(text(value)))?),
            }
        }
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| fill_json(item, variables)).collect::<Option<_>>()?)
        }
        Value::Object(fields) => {
            let filled = fields.iter().map(|(name, field)| Some((name.clone(), fill_json(field, variables)?)));
            Value::Object(filled.collect::<Option<_>>()?)
        }
        other => other.clone(),
    })
}

/// The text with the values of its variables; `None` if one has none.
fn fill(template: &str, variables: &Variables, show: &dyn Fn(&Value) -> Option<String>) -> Option<String> {
    let mut parts = template.split("${");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}')?;
        filled.push_str(&show(variables.get(name)?)?);
        filled.push_str(rest);
    }
    Some(filled)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn invalid(request: &str, what: &str) -> Unverified {
    Unverified::Shop(ProbeFailure::wrong(request, what))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_cannot_leave_their_path_segment() {
        let step: PurchaseStep =
            serde_json::from_value(json!({"name": "cart", "key": "k", "get": "/carts/${id}/items?of=${id}"}))
                .expect("a step");
        let path = |id: Value| probe(&step, &[("id".to_owned(), id)].into()).map(|probe| probe.path).ok();
        assert_eq!(path(json!("c_1-a.b")).as_deref(), Some("/carts/c_1-a.b/items?of=c_1-a.b"));
        assert_eq!(path(json!(17)).as_deref(), Some("/carts/17/items?of=17"));
        assert_eq!(path(json!("../x?y#z")).as_deref(), Some("/carts/..%2Fx%3Fy%23z/items?of=..%2Fx%3Fy%23z"));
        for dots in [".", "..", ""] {
            assert_eq!(path(json!(dots)), None, "{dots:?}");
        }
    }

    #[test]
    fn body_keeps_the_types_of_values() {
        let variables = [("id".to_owned(), json!(17)), ("key".to_owned(), json!("k"))].into();
        let filled = |template| fill_json(&template, &variables);
        assert_eq!(
            filled(json!({"id": "${id}", "all": ["no ${id}", "${key}"], "n": 1})),
            Some(json!({"id": 17, "all": ["no 17", "k"], "n": 1}))
        );
        assert_eq!(filled(json!("${unknown}")), None);
    }
}
