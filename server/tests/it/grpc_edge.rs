//! The server's port: reflection, health, unknown paths, limits, log lines.

use std::time::Duration;

use futures::stream;
use storeplane_proto::health::health_check_response::ServingStatus;
use storeplane_proto::health::health_client::HealthClient;
use storeplane_proto::health::{HealthCheckRequest, HealthListRequest};
use storeplane_proto::v1::{GetStoreRequest, Store};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::connections::ticks;
use crate::grpc_raw::{edge, edge_setup, frame, grpc_web, http, send};
use crate::harness::{Api, Database, Lab, Proxy, Setup, env, fresh};

fn channel(lab: &Lab) -> Channel {
    Endpoint::from_shared(format!("http://{}", lab.server.address())).unwrap().connect_lazy()
}

async fn reflect(lab: &Lab, wanted: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(wanted) };
    let mut client = ServerReflectionClient::new(channel(lab));
    let mut answers =
        client.server_reflection_info(stream::once(std::future::ready(request))).await.unwrap().into_inner();
    answers.message().await.unwrap().unwrap().message_response.unwrap()
}

#[tokio::test]
async fn reflection_returns_every_service_with_comments() {
    let lab = edge().await;

    let listed = reflect(&lab, MessageRequest::ListServices(String::new())).await;

    let MessageResponse::ListServicesResponse(services) = listed else { panic!("{listed:?}") };
    let mut names: Vec<_> = services.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
            "storeplane.v1.AuditService",
            "storeplane.v1.BackupService",
            "storeplane.v1.OperationService",
            "storeplane.v1.PlatformService",
            "storeplane.v1.RolloutService",
            "storeplane.v1.SessionService",
            "storeplane.v1.StoreService",
            "storeplane.v1.TenantService",
            "storeplane.v1.TokenService"
        ]
    );
    let symbol = MessageRequest::FileContainingSymbol("storeplane.v1.StoreService".into());
    let MessageResponse::FileDescriptorResponse(files) = reflect(&lab, symbol).await else { panic!("no file") };
    let text = files.file_descriptor_proto.concat();
    let comment = b"Creates a store.";
    assert!(text.windows(comment.len()).any(|bytes| bytes == comment), "comments are served too");
}

#[tokio::test]
async fn reflection_streams_continue_after_unknown_symbol() {
    use tonic_reflection::pb::v1alpha;
    use v1alpha::server_reflection_response::MessageResponse as Answer;
    let lab = edge().await;
    let ask = |symbol: &str| v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(symbol.into())),
    };
    let asked = stream::iter([ask("storeplane.v1.Nonsense"), ask("storeplane.v1.StoreService")]);

    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel(&lab));
    let mut answers = client.server_reflection_info(asked).await.unwrap().into_inner();

    let mut next = async || answers.message().await.unwrap().unwrap().message_response.unwrap();
    assert!(matches!(next().await, Answer::ErrorResponse(error) if error.error_code == 5));
    assert!(matches!(next().await, Answer::FileDescriptorResponse(_)));
    let unknown = reflect(&lab, MessageRequest::FileContainingSymbol("nonsense".into())).await;
    assert!(matches!(unknown, MessageResponse::ErrorResponse(_)), "{unknown:?}");
}

#[tokio::test]
async fn health_covers_every_service_and_reports_unknown_ones() {
    let lab = edge().await;
    until(&lab, "postgres", true).await;
    let mut client = HealthClient::new(channel(&lab));

    let listed = client.list(HealthListRequest {}).await.unwrap().into_inner().statuses;

    let names: Vec<_> =
        listed.iter().filter(|(_, health)| health.status() == ServingStatus::Serving).map(|(n, _)| n).collect();
    for service in ["StoreService", "OperationService", "PlatformService", "AuditService", "TokenService"] {
        assert!(names.contains(&&format!("storeplane.v1.{service}")), "{names:?}");
    }
    assert_eq!(listed[""].status(), ServingStatus::Serving, "Postgres alone makes it ready");
    for part in ["helm", "kubernetes"] {
        assert_eq!(listed[part].status(), ServingStatus::NotServing, "{part}");
    }
    let unknown = HealthCheckRequest { service: "nonsense".into() };
    let answer = client.watch(unknown).await.unwrap();
    assert_eq!(answer.metadata().get("x-accel-buffering").unwrap(), "no");
    let first = answer.into_inner().message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::ServiceUnknown);
}

async fn health(lab: &Lab, service: &str) -> ServingStatus {
    let request = HealthCheckRequest { service: service.into() };
    HealthClient::new(channel(lab)).check(request).await.unwrap().into_inner().status()
}

/// Waits until the health service says so: it hears of a change a moment after `/readyz`.
async fn until_health(lab: &Lab, service: &str, wanted: ServingStatus) {
    let began = std::time::Instant::now();
    while health(lab, service).await != wanted {
        assert!(began.elapsed().as_secs() < 60, "{service:?} does not become {wanted:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until a part is usable or not.
async fn until(lab: &Lab, part: &str, usable: bool) -> serde_json::Value {
    let began = std::time::Instant::now();
    loop {
        let ready = http(lab.server.address(), "GET /readyz", &[], b"").await;
        let json = ready.json();
        if json["parts"][part]["ok"] == usable && json["parts"][part]["why"] != "has not been probed yet" {
            assert_eq!(ready.status, if json["ready"] == true { 200 } else { 503 });
            let serving = if usable { ServingStatus::Serving } else { ServingStatus::NotServing };
            until_health(lab, part, serving).await;
            return json;
        }
        assert!(began.elapsed().as_secs() < 60, "{part} does not become {usable}: {json}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn unavailable_kubernetes_and_helm_keep_replica_in_service() {
    let lab = edge().await;

    let json = until(&lab, "helm", false).await;
    assert!(json["parts"]["helm"]["why"].as_str().unwrap().contains("/no/such/helm"), "{json}");
    until(&lab, "kubernetes", false).await;
    let json = until(&lab, "postgres", true).await;

    // What needs Postgres alone is served all the same.
    assert_eq!(json["ready"], true);
    until_health(&lab, "", ServingStatus::Serving).await;
    lab.api.create(Api::wanted(&fresh("away"))).await.unwrap();
    let alive = http(lab.server.address(), "GET /healthz", &[], b"").await;
    assert_eq!((alive.status, alive.body.as_slice()), (200, b"ok\n".as_slice()));
    let unknown = HealthCheckRequest { service: "nonsense".into() };
    assert_eq!(HealthClient::new(channel(&lab)).check(unknown).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn readiness_follows_postgres_only() {
    let url = env("STOREPLANE_TEST_DATABASE_URL");
    let authority = url.split_once('@').unwrap().1.split(['/', '?']).next().unwrap().to_owned();
    let proxy = Proxy::to(authority).await;
    let lab = Setup { database_proxy: Some(proxy.address), ..Setup::default() }.start().await;
    for part in ["postgres", "kubernetes", "helm"] {
        until(&lab, part, true).await;
    }
    until_health(&lab, "", ServingStatus::Serving).await;

    proxy.cut();
    let json = until(&lab, "postgres", false).await;
    assert_eq!(json["parts"]["postgres"]["why"], "the database is not available", "and no address, no password");
    assert_eq!(lab.api.get("demo").await.unwrap_err().code(), Code::Unavailable);

    proxy.mend();
    assert_eq!(until(&lab, "postgres", true).await["ready"], true);
}

#[tokio::test]
async fn missing_schema_is_reported_without_stopping() {
    let database = Database::empty().await;
    let server = crate::harness::Server::start(&edge_setup(), &database).await;
    let began = std::time::Instant::now();
    loop {
        let json = http(server.address(), "GET /readyz", &[], b"").await.json();
        if json["parts"]["postgres"]["why"].as_str().is_some_and(|why| why.contains("storeplane-server migrate")) {
            return;
        }
        assert!(began.elapsed().as_secs() < 60, "{json}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn unknown_methods_are_unimplemented_and_unknown_pages_not_found() {
    let lab = edge().await;
    let to = lab.server.address();
    let token = format!("Bearer {}", lab.database.token("default", "admin").await);

    for path in ["/storeplane.v1.StoreService/Nonsense", "/nonsense.v1.Service/Method"] {
        let mut client = tonic::client::Grpc::new(channel(&lab));
        client.ready().await.unwrap();
        let mut request = tonic::Request::new(GetStoreRequest::default());
        request.metadata_mut().insert("authorization", token.parse().unwrap());
        let codec = tonic_prost::ProstCodec::<GetStoreRequest, Store>::default();
        let status = client.unary(request, path.parse().unwrap(), codec).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented, "{path}");
        assert_eq!(crate::harness::reason(&status), "METHOD_NOT_FOUND", "{path}");
    }
    let web = [("content-type", "application/grpc-web+proto")];
    let answer = http(to, "POST /nonsense.v1.Service/Method", &web, &frame(&GetStoreRequest::default())).await;
    assert_eq!((answer.status, answer.header("grpc-status")), (200, "12"), "{answer:?}");
    for line in
        ["GET /nonsense.php", "POST /", "POST /storeplane.v1.Nonsense/Method", "GET /storeplane.v1.Nonsense/Method"]
    {
        assert_eq!(http(to, line, &[], b"").await.status, 404, "{line}");
    }
    for line in ["GET /livez", "GET /metrics", "GET /version", "GET /readyz/", "GET /v1/stores"] {
        assert_eq!(http(to, line, &[("accept", "text/html")], b"").await.status, 404, "{line}");
    }
    let set = http(to, "GET /storeplane.v1.binpb", &[], b"").await;
    assert_eq!((set.status, set.body.as_slice()), (200, storeplane_proto::FILE_DESCRIPTOR_SET));
}

#[tokio::test]
async fn each_request_logs_one_line_without_secrets() {
    let lab = edge_setup().with("STOREPLANE_LOG_FORMAT", "json").start().await;
    let token = lab.database.token("default", "operator").await;
    let authorization = format!("Bearer {token}");
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    let headers = [("authorization", authorization.as_str()), ("traceparent", parent.as_str())];
    let id = fresh("logged");

    grpc_web(lab.server.address(), "StoreService/CreateStore", &headers, &Api::wanted(&id)).await;
    grpc_web(lab.server.address(), "StoreService/GetStore", &[], &GetStoreRequest::default()).await;

    // A line is written when the answer was sent: perhaps after it was read.
    let began = std::time::Instant::now();
    let (log, lines) = loop {
        let log = lab.server.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let lines: Vec<_> = lines.filter(|line| line["message"] == "request").collect();
        if lines.len() >= 2 {
            break (log, lines);
        }
        assert!(began.elapsed().as_secs() < 60, "{log}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(lines.len(), 2, "{log}");
    let (created, refused) = (&lines[0], &lines[1]);
    assert_eq!(created["status"], "OK");
    assert!(created["ms"].is_u64(), "{created}");
    let span = &created["span"];
    assert_eq!(span["method"], "storeplane.v1.StoreService/CreateStore");
    assert_eq!((&span["tenant"], &span["caller"]), (&"default".into(), &"test 1".into()));
    assert_eq!((&span["store_id"], &span["trace_id"]), (&id.into(), &trace.into()));
    assert_eq!(refused["status"], "UNAUTHENTICATED");
    assert!(!log.contains(&token) && !log.contains("owner@example.com") && !log.contains("Söhne"), "{log}");
    assert_eq!(lab.database.value("SELECT substr(trace, 4, 32) FROM operations").await, trace);
}

#[tokio::test]
async fn cancelled_callers_leave_no_open_transaction_or_partial_change() {
    let lab = edge().await;
    let token = format!("Bearer {}", lab.database.token("default", "operator").await);
    let headers = [("content-type", "application/grpc-web+proto"), ("authorization", token.as_str())];
    for round in 0..30_u64 {
        let body = frame(&Api::wanted(&fresh("gone")));
        let stream = send(lab.server.address(), "POST /storeplane.v1.StoreService/CreateStore", &headers, &body).await;
        tokio::time::sleep(Duration::from_millis(round % 10)).await;
        drop(stream);
    }
    // Longer than any transaction of ours, shorter than the time after which Postgres ends a forgotten one.
    tokio::time::sleep(Duration::from_secs(5)).await;

    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND state LIKE 'idle in transaction%' AND xact_start < now() - interval '3 seconds'";
    assert_eq!(lab.database.value(open).await, "0");
    lab.database.assert_sound().await;
    // One whose caller leaves only once it is stored is complete.
    let (id, began) = (fresh("late"), std::time::Instant::now());
    let line = "POST /storeplane.v1.StoreService/CreateStore";
    let stream = send(lab.server.address(), line, &headers, &frame(&Api::wanted(&id))).await;
    while lab.database.value(&format!("SELECT count(*) FROM stores WHERE store_id = '{id}'")).await == "0" {
        assert!(began.elapsed().as_secs() < 60, "a request that arrived is not served");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    drop(stream);
    lab.database.assert_sound().await;
}

#[tokio::test]
async fn idle_server_uses_almost_no_cpu() {
    let lab = edge().await;
    for part in ["helm", "kubernetes"] {
        until(&lab, part, false).await;
    }
    let before = ticks(lab.server.pid());
    tokio::time::sleep(Duration::from_secs(4)).await;
    let used = ticks(lab.server.pid()) - before;
    assert!(used <= 80, "{used} of 400 ticks used while idle");
}
