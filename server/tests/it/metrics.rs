//! `/metrics`: what a server shows after the life of a store, and what it never shows.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use regex::Regex;
use storeplane_proto::v1::WatchStoresRequest;
use storeplane_server::metrics::Metrics;

use crate::grpc_raw::{Answer, http};
use crate::harness::{Lab, Setup, env, fresh};

/// Metrics without a value until something fails.
const FAILURES_ONLY: [&str; 1] = ["storeplane_step_retries_total"];

const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3";

/// A server with metrics, and their address.
async fn lab() -> (Lab, SocketAddr) {
    let (setup, address) = with_metrics(Setup::small());
    (setup.start().await, address)
}

/// Metrics at this address.
pub(crate) fn with_metrics(setup: Setup) -> (Setup, SocketAddr) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    (setup.with("STOREPLANE_METRICS_LISTEN", address.to_string()), address)
}

/// The value of a time series in a server's metrics.
pub(crate) async fn read(address: SocketAddr, series: &str) -> Option<f64> {
    value(&scrape(address, OPEN_METRICS).await.1, series)
}

async fn scrape(address: SocketAddr, accept: &str) -> (Answer, String) {
    let answer = http(address, "GET /metrics", &[("accept", accept)], b"").await;
    assert_eq!(answer.status, 200);
    let text = String::from_utf8(answer.body.clone()).unwrap();
    (answer, text)
}

/// The value of a time series.
fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

/// Name and type of each metric in the text.
fn served(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    lines.map(|line| line.split_once(' ').expect("a name and a type")).collect()
}

/// Prometheus' own linter.
fn promtool_accepts(text: &str) {
    let mut command = Command::new(env("STOREPLANE_TEST_PROMTOOL"));
    let command =
        command.args(["check", "metrics"]).stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("promtool");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{}: {said}", output.status);
}

/// What is missing, and the time series with another value than expected.
fn wrong(text: &str, expected: &[(String, f64)]) -> Vec<String> {
    let found = served(text);
    let missing = Metrics::ALL
        .iter()
        .filter(|metric| !found.contains(&(metric.name, metric.kind)) && !FAILURES_ONLY.contains(&metric.name))
        .map(|metric| metric.name.to_owned());
    let other = expected.iter().filter(|(series, expected)| value(text, series) != Some(*expected));
    missing.chain(other.map(|(series, _)| series.clone())).collect()
}

/// The trace of a bucket's exemplar.
fn exemplar<'a>(text: &'a str, bucket: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(bucket) && line.contains(" # {"))?;
    line.split_once("trace_id=\"")?.1.split('"').next()
}

#[tokio::test]
async fn life_of_a_store_is_measured_without_ids() {
    let (lab, address) = lab().await;
    let id = fresh("measured");
    let watch = lab.api.stores.clone().watch_stores(WatchStoresRequest::default()).await.unwrap();
    let store = lab.api.ready(&id).await;
    lab.api.get("no-such-store").await.unwrap_err();
    http(
        lab.server.address(),
        "POST /storeplane.v1.StoreService/Invented",
        &[("content-type", "application/grpc")],
        b"",
    )
    .await;

    let stores = "service=\"storeplane.v1.StoreService\"";
    let expected = [
        ("storeplane_operations_total{kind=\"CREATE\",outcome=\"SUCCEEDED\"}".to_owned(), 1.0),
        ("storeplane_operations_total{kind=\"DELETE\",outcome=\"SUCCEEDED\"}".to_owned(), 0.0),
        ("storeplane_operation_failures_total{kind=\"CREATE\",reason=\"NOT_READY\"}".to_owned(), 0.0),
        ("storeplane_store_time_to_ready_seconds_count".to_owned(), 1.0),
        (
            "storeplane_step_duration_seconds_count{kind=\"CREATE\",step=\"INSTALL\",outcome=\"SUCCEEDED\"}".to_owned(),
            1.0,
        ),
        ("storeplane_helm_run_duration_seconds_count{command=\"install\",outcome=\"SUCCEEDED\"}".to_owned(), 1.0),
        ("storeplane_helm_processes".to_owned(), 0.0),
        ("storeplane_watchers{scope=\"stores\"}".to_owned(), 1.0),
        ("storeplane_dependency_up{dependency=\"postgres\"}".to_owned(), 1.0),
        ("storeplane_dependency_up{dependency=\"kubernetes\"}".to_owned(), 1.0),
        ("storeplane_database_connections_max{pool=\"api\"}".to_owned(), 10.0),
        (format!("storeplane_rpc_requests_total{{{stores},method=\"CreateStore\",code=\"OK\"}}"), 1.0),
        (format!("storeplane_rpc_requests_total{{{stores},method=\"GetStore\",code=\"NOT_FOUND\"}}"), 1.0),
        (format!("storeplane_rpc_in_flight{{{stores},method=\"WatchStores\"}}"), 1.0),
    ];
    // Some are sampled, and a call is counted shortly after its answer.
    let end = Instant::now() + Duration::from_mins(1);
    let (answer, text) = loop {
        let (answer, text) = scrape(address, "*/*").await;
        let wrong = wrong(&text, &expected);
        if wrong.is_empty() {
            break (answer, text);
        }
        assert!(Instant::now() < end, "{wrong:?} in\n{text}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };

    assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"), "{answer:?}");
    promtool_accepts(&text);
    let known = |name: &str| Metrics::ALL.iter().any(|metric| metric.name == name);
    assert!(served(&text).iter().all(|(name, _)| known(name)), "{text}");
    let uuid = Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-").unwrap();
    let secrets = [id.as_str(), &store.uid, "store-measured", "Invented", "no-such-store", "\"default\""];
    for line in text.lines() {
        assert!(!uuid.is_match(line) && !secrets.iter().any(|secret| line.contains(secret)), "{line}");
    }

    let (answer, text) = scrape(address, OPEN_METRICS).await;

    assert!(answer.header("content-type").starts_with("application/openmetrics-text; version=1.0.0"), "{answer:?}");
    let mut create = text.lines().filter(|line| line.contains("method=\"CreateStore\""));
    let request = create.find_map(|line| exemplar(line, "storeplane_rpc_duration_seconds_bucket"));
    let ready = exemplar(&text, "storeplane_store_time_to_ready_seconds_bucket").expect("an exemplar of a creation");
    assert_eq!(request, Some(ready), "both are the trace of the one CreateStore");
    assert_eq!(ready.len(), 32, "{ready}");
    assert_eq!(http(address, "GET /", &[], b"").await.status, 404, "the port serves nothing else");
    drop(watch);
}
