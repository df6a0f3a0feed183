//! Spans as a collector receives them: the request, the linked operation, its steps, and helm.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use storeplane_proto::v1::Store;

use crate::grpc_raw::grpc_web;
use crate::harness::{Api, Collector, Lab, Setup, fresh};

/// The text of an attribute.
fn attribute(span: &Span, name: &str) -> String {
    let found = span.attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|attribute| attribute.value.as_ref()?.value.clone()) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{name} of {} is {other:?}", span.name),
    }
}

/// The only span with this name and this attribute.
fn only<'a>(spans: &'a [Span], name: &str, attributes: &[(&str, &str)]) -> &'a Span {
    let is_wanted = |span: &&Span| attributes.iter().all(|(key, value)| attribute(span, key) == *value);
    let mut found = spans.iter().filter(|span| span.name == name).filter(is_wanted);
    let names = || spans.iter().map(|span| span.name.as_str()).collect::<Vec<_>>();
    let span = found.next().unwrap_or_else(|| panic!("no {name} with {attributes:?} among {:?}", names()));
    assert!(found.next().is_none(), "several {name} with {attributes:?}");
    span
}

#[tokio::test]
async fn one_trace_leads_from_a_click_to_helm() {
    let collector = Collector::default();
    let (endpoint, serving) = collector.serve().await;
    let mut lab: Lab = Setup::default().with("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).start().await;
    let (id, token) = (fresh("traced"), lab.database.token("default", "operator").await);

    // As the dashboard sends it.
    let (trace, click) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let (authorization, parent) = (format!("Bearer {token}"), format!("00-{trace}-{click}-01"));
    let headers = [("authorization", authorization.as_str()), ("traceparent", parent.as_str())];
    let answer = grpc_web(lab.server.address(), "StoreService/CreateStore", &headers, &Api::wanted(&id)).await;
    assert_eq!(answer.frames::<Store>().1["grpc-status"], "0", "{answer:?}");
    lab.api.settle(&id).await;
    // Remaining spans are exported when the server stops.
    lab.server.terminate().await;

    let spans = collector.spans();
    let request = only(&spans, "storeplane.v1.StoreService/CreateStore", &[("store_id", &id)]);
    assert_eq!((hex(&request.trace_id), hex(&request.parent_span_id)), (trace.to_owned(), click.to_owned()));
    assert_eq!(request.kind(), SpanKind::Server);
    let operation = only(&spans, "operation", &[("store_id", &id), ("kind", "CREATE")]);
    let links: Vec<_> = operation.links.iter().map(|link| (&link.trace_id, &link.span_id)).collect();
    assert_eq!(links, [(&request.trace_id, &request.span_id)], "the operation is linked to its request");
    assert_ne!(operation.trace_id, request.trace_id, "it outlives the request, so its trace is its own");
    assert!(operation.parent_span_id.is_empty());
    let steps = ["NAMESPACE", "SECRETS", "INSTALL", "ROLLOUT", "VERIFY"].map(|step| {
        let span = only(&spans, "step", &[("step", step)]);
        assert_eq!((&span.parent_span_id, &span.trace_id), (&operation.span_id, &operation.trace_id), "{step}");
        span
    });
    assert!(steps.is_sorted_by_key(|step| step.start_time_unix_nano), "the steps follow each other");
    let helm = only(&spans, "helm", &[("verb", "install"), ("release", &format!("store-{id}"))]);
    assert_eq!((&helm.parent_span_id, attribute(helm, "exit").as_str()), (&steps[2].span_id, "0"));

    let text = format!("{spans:?}");
    assert!(text.contains(&id), "the test searches the right place");
    let (cluster, namespace) = (&lab.kubernetes.cluster, format!("store-{id}"));
    for (name, key) in [("store-db", "password"), ("store-admin", "password"), ("store-salts", "AUTH_KEY")] {
        let secret = cluster.read_secret(&namespace, name, key).await.unwrap().expect("the Secret exists");
        assert!(!text.contains(secret.expose()), "{name} is in a span");
    }
    assert!(!text.contains(&token), "the token is in a span");
    lab.server.restart().await;
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
    serving.abort();
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
