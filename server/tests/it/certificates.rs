//! Client certificates as credentials of services, and what each kind of credential costs.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use prost::Message;
use rustls::version::TLS13;
use serde_json::json;
use storeplane_proto::health::HealthCheckRequest;
use storeplane_proto::v1::{GetOverviewRequest, GetStoreRequest, Overview};

use crate::grpc_raw::{Answer, edge_setup, frame};
use crate::harness::{Authority, Database, Issuer, Lab, Pair, Writer, in_days, print_line};

/// Calls of each kind in a measurement.
const CALLS: usize = 200;

/// A server with TLS, for which clients may have a certificate, and some identities.
struct Stage {
    authority: Authority,
    issuer: Issuer,
    lab: Lab,
    token: String,
    _dir: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        let (authority, issuer, dir) = (Authority::new(), Issuer::start().await, tempfile::tempdir().unwrap());
        let server = authority.sign("localhost", in_days(90));
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        for (name, content) in [("crt", &server.certificate), ("key", &server.key), ("ca", &authority.pem)] {
            std::fs::write(path(name), content).unwrap();
        }
        let file = format!(
            "{}\n[tls]\ncertificate = '{}'\nkey = '{}'\nclient_ca = '{}'\nclient_auth = 'optional'\n\
             [[tls.identities]]\ndns = 'billing.example.com'\nname = 'billing'\ntenant = 'default'\nrole = 'viewer'\n",
            issuer.configuration(),
            path("crt"),
            path("key"),
            path("ca")
        );
        std::fs::write(path("toml"), file).unwrap();
        let database = Database::create().await;
        let token = database.token("default", "admin").await;
        let lab = edge_setup().with("STOREPLANE_CONFIG", path("toml")).start_on(database).await;
        Self { authority, issuer, lab, token, _dir: dir }
    }

    fn origin(&self) -> String {
        format!("https://localhost:{}", self.lab.server.address().port())
    }

    /// A client over HTTP/2, perhaps with a certificate.
    fn browser(&self, identity: Option<&Pair>) -> Browser {
        let tls = self.authority.client(identity, &[&TLS13], &[]);
        // Otherwise the client's first frames wait for each other's acknowledgement, which hides what is measured.
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http2().wrap_connector(http);
        Browser { client: Client::builder(TokioExecutor::new()).build(connector), origin: self.origin() }
    }
}

struct Browser {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    origin: String,
}

type Headers<'a> = &'a [(&'static str, &'a str)];
/// The name of a credential, and who sends it in which headers.
type Kind<'a> = (&'static str, &'a Browser, Vec<(&'static str, &'a str)>);

impl Browser {
    async fn post(&self, path: &str, headers: Headers<'_>, kind: &'static str, body: Vec<u8>) -> Answer {
        let mut request = Request::post(format!("{}{path}", self.origin)).body(Full::from(body)).unwrap();
        request.headers_mut().insert("content-type", HeaderValue::from_static(kind));
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let response = self.client.request(request).await.expect("an answer");
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes().to_vec();
        Answer { status, headers, body }
    }

    async fn call(&self, path: &str, headers: Headers<'_>, request: &impl Message) -> Answer {
        self.post(path, headers, "application/grpc-web+proto", frame(request)).await
    }

    /// The caller's name, or the error's code.
    async fn caller(&self, headers: Headers<'_>) -> Result<String, String> {
        let path = "/storeplane.v1.PlatformService/GetOverview";
        let answer = self.call(path, headers, &GetOverviewRequest::default()).await;
        let (messages, trailers) = answer.frames::<Overview>();
        let code = trailers.get("grpc-status").map_or_else(|| answer.header("grpc-status").to_owned(), Clone::clone);
        messages.into_iter().next().map(|overview| overview.caller.unwrap().name).ok_or(code)
    }
}

const UNAUTHENTICATED: &str = "16";
const PERMISSION_DENIED: &str = "7";

#[tokio::test]
async fn certificate_is_a_service_and_a_token_in_the_same_request_wins() {
    let stage = Stage::new().await;
    let known = stage.authority.sign("billing.example.com", in_days(90));
    let unknown = stage.authority.sign("other.example.com", in_days(90));
    let (service, stranger, nobody) = (stage.browser(Some(&known)), stage.browser(Some(&unknown)), stage.browser(None));
    let bearer = format!("Bearer {}", stage.token);
    let own = stage.origin();
    let (token, invalid) = (("authorization", bearer.as_str()), ("authorization", "Bearer spt_x"));
    let unauthenticated = || Err(UNAUTHENTICATED.to_owned());
    assert_eq!(service.caller(&[]).await, Ok("cert:billing".to_owned()));
    assert_eq!(service.caller(&[token]).await, Ok("test".to_owned()));
    assert_eq!(service.caller(&[invalid]).await, unauthenticated(), "an invalid token is no reason to look further");
    assert_eq!(stranger.caller(&[]).await, unauthenticated());
    assert_eq!(stranger.caller(&[token]).await, Ok("test".to_owned()));
    assert_eq!(nobody.caller(&[]).await, unauthenticated());
    // A browser presents its certificate whatever page causes the request.
    assert_eq!(service.caller(&[("origin", "https://evil.example")]).await, Err(PERMISSION_DENIED.to_owned()));
    assert_eq!(service.caller(&[("sec-fetch-site", "cross-site")]).await, Err(PERMISSION_DENIED.to_owned()));
    assert_eq!(service.caller(&[("origin", &own)]).await, Ok("cert:billing".to_owned()));
    // A signed-in browser is its user, whatever certificate it has.
    let body = json!({"token": stage.token}).to_string().into_bytes();
    let signed_in = service.post("/auth/session", &[("origin", &own)], "application/json", body).await;
    let cookie = signed_in.header("set-cookie").split(';').next().unwrap().to_owned();
    assert_eq!(service.caller(&[("cookie", &cookie), ("origin", &own)]).await, Ok("test".to_owned()));
    // Its role holds.
    let denied = storeplane_proto::v1::CreateStoreRequest { store_id: "x".into(), ..Default::default() };
    let answer = service.call("/storeplane.v1.StoreService/CreateStore", &[], &denied).await;
    assert_eq!(answer.header("grpc-status"), PERMISSION_DENIED, "{answer:?}");
    let audited = "SELECT actor FROM audit_events WHERE action = 'CREATE_STORE'";
    assert_eq!(stage.lab.database.value(audited).await, "cert:billing");
}

#[tokio::test]
async fn session_over_https_has_a_host_cookie_and_every_credential_is_accepted() {
    let stage = Stage::new().await;
    Writer::new(&stage.lab.database.url, 2).ready("tea", "default").await;
    let certificate = stage.authority.sign("billing.example.com", in_days(90));
    let (plain, service) = (stage.browser(None), stage.browser(Some(&certificate)));
    let own = stage.origin();
    let body = json!({"token": stage.token}).to_string().into_bytes();
    let signed_in = plain.post("/auth/session", &[("origin", &own)], "application/json", body).await;
    let cookie = signed_in.header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-storeplane=sps_"), "{signed_in:?}");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let jwt = format!("Bearer {}", stage.issuer.sign(&stage.issuer.claims(3600)));
    let bearer = format!("Bearer {}", stage.token);

    let store = GetStoreRequest { store_id: "tea".into(), ..GetStoreRequest::default() };
    let kinds: [Kind<'_>; 4] = [
        ("token", &plain, vec![("authorization", &bearer)]),
        ("JWT (ES256)", &plain, vec![("authorization", &jwt)]),
        ("session", &plain, vec![("cookie", cookie), ("origin", &own)]),
        ("certificate", &service, vec![]),
    ];
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); kinds.len() + 1];
    // In turns, so that the machine's other work affects all alike. The first calls connect and fill caches.
    for round in 0..CALLS + 5 {
        for (at, (kind, browser, headers)) in kinds.iter().enumerate() {
            let began = Instant::now();
            let answer = browser.call("/storeplane.v1.StoreService/GetStore", headers, &store).await;
            let took = began.elapsed();
            assert_eq!(answer.frames::<storeplane_proto::v1::Store>().1["grpc-status"], "0", "{kind}: {answer:?}");
            times[at].extend((round >= 5).then_some(took));
        }
        let began = Instant::now();
        let answer = plain.call("/grpc.health.v1.Health/Check", &[], &HealthCheckRequest::default()).await;
        assert_eq!(answer.status, 200);
        times[kinds.len()].extend((round >= 5).then_some(began.elapsed()));
    }
    let medians: Vec<f64> = times
        .iter_mut()
        .map(|times| {
            times.sort_unstable();
            times[times.len() / 2].as_secs_f64() * 1000.0
        })
        .collect();
    let names = kinds.iter().map(|(name, ..)| format!("GetStore by {name}")).chain(["health check".to_owned()]);
    for (name, median) in names.zip(&medians) {
        print_line(&format!("{name:25} p50 {median:.2} ms, {:.2} × GetStore by token", median / medians[0]));
    }
}
