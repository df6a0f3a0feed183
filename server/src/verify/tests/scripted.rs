//! A scripted shop. It also answers for an API server, under the path of a service proxy.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use crate::config::Via;
use crate::kube::{Cluster, ClusterConfig};
use crate::verify::{Demand, Shop, Verifier};

const PROXY: &str = "/api/v1/namespaces/store-demo/services/http:store:http/proxy";

/// How the shop behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scenario {
    Sells,
    NoProducts,
    NoCashOnDelivery,
    NoCartToken,
    Redirects,
    HtmlInsteadOfJson,
    Http500ThenFine,
    Hangs,
    HugeBody,
    /// The URL leads to another shop, the proxy to ours.
    AnotherShopByUrl,
    /// The API server knows no pod at first.
    NoEndpointsThenFine,
    /// The account may not use the proxy.
    ProxyForbidden,
    /// The shop itself answers like an API server.
    ShopSaysUnauthorized,
    /// The newest product cannot be bought.
    OneProductWithoutPrice,
    /// No product can be bought.
    NoProductWithPrice,
    /// The merchant closed the Store API.
    ApiClosed,
    /// The proxy does not reach the shop, and the URL reaches it only at the second attempt.
    ProxyCutOffAndSlowUrl,
}

pub(super) struct Scripted {
    script: Arc<Script>,
    address: std::net::SocketAddr,
    directory: tempfile::TempDir,
}

struct Script {
    scenario: Scenario,
    asked: AtomicU64,
    items: AtomicU64,
    orders: AtomicU64,
}

impl Scripted {
    pub(super) async fn open(scenario: Scenario) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (asked, items, orders) = Default::default();
        let script = Arc::new(Script { scenario, asked, items, orders });
        let router = axum::Router::new().fallback(answer).with_state(Arc::clone(&script));
        TaskTracker::new().spawn(async move { axum::serve(listener, router).await });
        let directory = tempfile::tempdir().expect("a directory");
        let url = format!("http://{address}");
        let file = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": url}}], "users": [{"name": "c", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]});
        std::fs::write(directory.path().join("config"), file.to_string()).expect("a file");
        Self { script, address, directory }
    }

    pub(super) fn verifier(&self, via: Via) -> Verifier {
        let kubeconfig = Some(self.directory.path().join("config"));
        Verifier::new(Cluster::new(ClusterConfig { kubeconfig, ..ClusterConfig::new("test") }), via)
    }

    pub(super) fn shop(&self, demand: Demand) -> Shop {
        let test = serde_saphyr::from_str(include_str!("../../config/engines/store_api.yaml")).expect("a test");
        Shop::online(format!("http://{}/", self.address), "store-demo".into(), &Arc::new(test), demand)
    }

    /// Items left in the cart.
    pub(super) fn items(&self) -> u64 {
        self.script.items.load(Ordering::SeqCst)
    }

    /// Checkouts that were posted.
    pub(super) fn orders(&self) -> u64 {
        self.script.orders.load(Ordering::SeqCst)
    }
}

async fn answer(State(script): State<Arc<Script>>, request: Request) -> Response {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let proxied = path.starts_with(PROXY);
    let first = script.asked.fetch_add(1, Ordering::SeqCst) == 0;
    if path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" {
        let allowed = script.scenario != Scenario::ProxyForbidden;
        let review = json!({"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "spec": {},
            "status": {"allowed": allowed}});
        return axum::Json(review).into_response();
    }
    assert_eq!(path.trim_start_matches(PROXY), "/index.php");
    match script.scenario {
        Scenario::Hangs => std::future::pending().await,
        Scenario::Redirects => return Redirect::temporary("https://login.example.com/").into_response(),
        Scenario::HtmlInsteadOfJson => return axum::response::Html("<h1>Coming\nsoon</h1>").into_response(),
        Scenario::HugeBody => return axum::Json("x".repeat(300 * 1024)).into_response(),
        Scenario::Http500ThenFine if first => {
            let error = json!({"code": "internal_server_error", "message": "There has been a critical error"});
            return (StatusCode::INTERNAL_SERVER_ERROR, axum::Json(error)).into_response();
        }
        Scenario::NoEndpointsThenFine if first => {
            return status(StatusCode::SERVICE_UNAVAILABLE, "no endpoints available for service \"http:store:http\"");
        }
        Scenario::ShopSaysUnauthorized => return status(StatusCode::UNAUTHORIZED, "Unauthorized"),
        Scenario::ApiClosed => {
            let error = json!({"code": "rest_forbidden", "message": "Sign in first.", "data": {"status": 401}});
            return (StatusCode::UNAUTHORIZED, axum::Json(error)).into_response();
        }
        Scenario::ProxyCutOffAndSlowUrl if proxied => {
            return status(StatusCode::SERVICE_UNAVAILABLE, "error trying to reach service: dial tcp: i/o timeout");
        }
        Scenario::ProxyCutOffAndSlowUrl if first => std::future::pending().await,
        Scenario::ProxyForbidden if proxied => return status(StatusCode::FORBIDDEN, "services \"store\" is forbidden"),
        _ => {}
    }
    let route = query.trim_start_matches("rest_route=/wc/store/v1/").to_owned();
    if route.starts_with("products") {
        return axum::Json(script.products(proxied)).into_response();
    }
    let has_token = request.headers().get("cart-token").is_some_and(|token| token == "token-1");
    if route != "cart" && !has_token {
        let error = json!({"code": "woocommerce_rest_missing_nonce", "message": "Missing the Nonce header."});
        return (StatusCode::UNAUTHORIZED, axum::Json(error)).into_response();
    }
    let method = request.method().clone();
    let body = axum::body::to_bytes(request.into_body(), 1000).await.expect("a short body");
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    if route == "cart/add-item" && !script.has_price(&body["id"]) {
        let error = json!({"code": "woocommerce_rest_product_not_purchasable", "message": "This product cannot be purchased.", "data": {"status": 400}});
        return (StatusCode::BAD_REQUEST, axum::Json(error)).into_response();
    }
    let json = axum::Json(script.cart(&method, &route, &body));
    match script.scenario {
        Scenario::NoCartToken => json.into_response(),
        _ => ([("Cart-Token", "token-1")], json).into_response(),
    }
}

/// An API server's error.
fn status(code: StatusCode, message: &str) -> Response {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": "x", "code": code.as_u16()});
    (code, axum::Json(status)).into_response()
}

impl Script {
    fn products(&self, proxied: bool) -> Value {
        let ours = self.scenario != Scenario::AnotherShopByUrl || proxied;
        let host = if ours { "127.0.0.1" } else { "elsewhere.example.com" };
        match self.scenario {
            Scenario::NoProducts => json!([]),
            Scenario::OneProductWithoutPrice | Scenario::NoProductWithPrice => json!([
                {"id": 18, "name": "Free", "permalink": format!("http://{host}/product/free/"), "is_purchasable": false},
                {"id": 19, "name": "Odd", "permalink": format!("http://{host}/product/odd/"), "is_purchasable": true},
                {"id": 17, "name": "Tea", "permalink": format!("http://{host}/product/tea/"), "is_purchasable": true}]),
            _ => json!([{"id": 17, "name": "Tea", "permalink": format!("http://{host}/product/tea/")}]),
        }
    }

    fn has_price(&self, id: &Value) -> bool {
        self.scenario != Scenario::NoProductWithPrice && id == 17
    }

    fn cart(&self, method: &Method, route: &str, body: &Value) -> Value {
        match (method.as_str(), route) {
            ("GET", "cart") => {}
            ("POST", "cart/add-item") if body["id"] == 17 => self.items.store(1, Ordering::SeqCst),
            ("POST", "cart/remove-item") if body["key"] == "k-1" => self.items.store(0, Ordering::SeqCst),
            ("GET", "checkout") if self.items.load(Ordering::SeqCst) == 1 => {
                return json!({"order_id": 0, "status": "checkout-draft", "payment_method": "cod"});
            }
            _ => {
                self.orders.fetch_add(1, Ordering::SeqCst);
            }
        }
        let count = self.items.load(Ordering::SeqCst);
        let items = if count == 0 { json!([]) } else { json!([{"key": "k-1", "id": 17, "quantity": 1}]) };
        let methods = if self.scenario == Scenario::NoCashOnDelivery { json!(["bacs"]) } else { json!(["cod"]) };
        json!({"items": items, "items_count": count, "payment_methods": methods})
    }
}
