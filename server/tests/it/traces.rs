//! Spans as a collector receives them: the request, the linked operation, its steps, and helm.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::Span;
use tonic::{Request, Response, Status};

use crate::harness::{Lab, Setup, fresh};

/// Stores every span that it receives.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans.into_iter();
        let spans = resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans);
        self.0.lock().unwrap().extend(spans);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test]
async fn trace_links_request_operation_and_helm_runs() {
    let collector = Collector::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    let serving = tonic::transport::Server::builder().add_service(TraceServiceServer::new(collector.clone()));
    let serving = tokio::spawn(serving.serve_with_incoming(incoming));
    let mut lab: Lab = Setup::default().with("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).start().await;
    let id = fresh("traced");
    lab.api.ready(&id).await;

    // Remaining spans are exported when the server stops.
    lab.server.terminate().await;

    let spans = collector.0.lock().unwrap().clone();
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    let by_id: HashMap<_, _> = spans.iter().map(|span| (span.span_id.clone(), span)).collect();
    let request = spans.iter().find(|span| span.name.ends_with("CreateStore")).unwrap_or_else(|| panic!("{names:?}"));
    let operation = spans.iter().find(|span| span.name == "operation").unwrap_or_else(|| panic!("{names:?}"));
    let helm = spans.iter().find(|span| span.name == "helm").unwrap_or_else(|| panic!("{names:?}"));
    assert_eq!(operation.links.len(), 1);
    assert_eq!((&operation.links[0].trace_id, &operation.links[0].span_id), (&request.trace_id, &request.span_id));
    let step = by_id.get(&helm.parent_span_id).unwrap_or_else(|| panic!("helm has no parent: {names:?}"));
    assert_eq!(step.name, "step");
    assert_eq!(step.parent_span_id, operation.span_id);
    let text = format!("{spans:?}");
    let password = lab.kubernetes.cluster.read_secret(&format!("store-{id}"), "store-admin", "password").await.unwrap();
    assert!(!text.contains(password.unwrap().expose()), "a secret is in a span");
    lab.server.restart().await;
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
    serving.abort();
}
