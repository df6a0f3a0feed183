//! A small `OpenID` provider: it signs tokens, publishes its keys, and lets one user sign in, with PKCE.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use time::OffsetDateTime;

/// The audience of its tokens for callers of the API.
pub(crate) const AUDIENCE: &str = "storeplane-api";
/// The dashboard's client, and its secret: both need encoding in HTTP basic authentication.
pub(crate) const CLIENT: (&str, &str) = ("storeplane dashboard", "a secret: 100%");

#[derive(Clone)]
pub(crate) struct Issuer {
    pub(crate) url: String,
    state: Arc<Provider>,
}

struct Provider {
    url: String,
    keys: Mutex<Vec<(String, EcdsaKeyPair)>>,
    /// Number of requests for metadata, with which each read begins.
    reads: AtomicUsize,
    down: AtomicBool,
    /// Before each answer with metadata.
    delay: Mutex<Duration>,
    user: Mutex<Value>,
    codes: Mutex<HashMap<String, HashMap<String, String>>>,
}

impl Issuer {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Provider {
            url: url.clone(),
            keys: Mutex::new(vec![("first".to_owned(), key())]),
            reads: AtomicUsize::new(0),
            down: AtomicBool::new(false),
            delay: Mutex::default(),
            user: Mutex::new(json!({"sub": "7", "email": "alice@example.com", "groups": ["shop-operators"]})),
            codes: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(keys))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    /// The section of the server's configuration, without `[oidc.client]`.
    pub(crate) fn configuration(&self) -> String {
        format!(
            "[oidc]\nissuer = '{}'\naudiences = ['{AUDIENCE}']\nalgorithms = ['ES256']\ntenant = 'default'\n\
             keys_interval_seconds = 2\nskew_seconds = 0\n[oidc.roles]\nshop-viewers = 'viewer'\n\
             shop-operators = 'operator'\nshop-admins = 'admin'\n",
            self.url
        )
    }

    /// The claims of a token that is accepted for some time.
    pub(crate) fn claims(&self, lifetime: i64) -> Value {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let mut claims = self.state.user.lock().expect("no panic").clone();
        for (name, value) in
            [("iss", json!(self.url)), ("aud", json!(AUDIENCE)), ("iat", json!(now)), ("exp", json!(now + lifetime))]
        {
            claims[name] = value;
        }
        claims
    }

    /// A token with these claims, signed with the newest key.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_as(&json!({}), claims)
    }

    /// The same with other fields in its header.
    pub(crate) fn sign_as(&self, header: &Value, claims: &Value) -> String {
        self.state.sign(header, claims)
    }

    /// From now on signs with a new key, and publishes both.
    pub(crate) fn rotate(&self) {
        self.state.keys.lock().expect("no panic").push((format!("key-{}", uuid::Uuid::new_v4()), key()));
    }

    /// How often its keys were read.
    pub(crate) fn reads(&self) -> usize {
        self.state.reads.load(Ordering::Relaxed)
    }

    /// Whether it answers with errors.
    pub(crate) fn set_down(&self, down: bool) {
        self.state.down.store(down, Ordering::Relaxed);
    }

    /// How long it takes to answer.
    pub(crate) fn set_delay(&self, delay: Duration) {
        *self.state.delay.lock().expect("no panic") = delay;
    }

    /// Changes the user who signs in.
    pub(crate) fn set_user(&self, user: Value) {
        *self.state.user.lock().expect("no panic") = user;
    }
}

impl Provider {
    fn sign(&self, header: &Value, claims: &Value) -> String {
        let keys = self.keys.lock().expect("no panic");
        let (id, pair) = keys.last().expect("a key");
        let mut all = json!({"alg": "ES256", "typ": "JWT", "kid": id});
        for (name, value) in header.as_object().expect("an object") {
            all[name] = value.clone();
        }
        let signed = format!("{}.{}", encode(all.to_string()), encode(claims.to_string()));
        let signature = pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", encode(signature))
    }
}

fn key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).expect("a key")
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn pairs(text: &[u8]) -> HashMap<String, String> {
    url::form_urlencoded::parse(text).into_owned().collect()
}

async fn metadata(State(provider): State<Arc<Provider>>) -> Response {
    provider.reads.fetch_add(1, Ordering::Relaxed);
    let delay = *provider.delay.lock().expect("no panic");
    tokio::time::sleep(delay).await;
    if provider.down.load(Ordering::Relaxed) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let url = &provider.url;
    axum::Json(json!({"issuer": url, "jwks_uri": format!("{url}/keys"),
        "authorization_endpoint": format!("{url}/authorize"), "token_endpoint": format!("{url}/token")}))
    .into_response()
}

async fn keys(State(provider): State<Arc<Provider>>) -> Response {
    if provider.down.load(Ordering::Relaxed) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let jwk = |(id, pair): &(String, EcdsaKeyPair)| {
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": id, "x": encode(x), "y": encode(y)})
    };
    let keys: Vec<_> = provider.keys.lock().expect("no panic").iter().map(jwk).collect();
    axum::Json(json!({ "keys": keys })).into_response()
}

/// Signs its user in without asking.
async fn authorize(State(provider): State<Arc<Provider>>, RawQuery(query): RawQuery) -> Response {
    let query = pairs(query.unwrap_or_default().as_bytes());
    let is = |name: &str, expected: &str| query.get(name).is_some_and(|value| value == expected);
    if !(is("response_type", "code") && is("client_id", CLIENT.0) && is("code_challenge_method", "S256")) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let code = uuid::Uuid::new_v4().to_string();
    let back = format!("{}?code={code}&state={}", query["redirect_uri"], query["state"]);
    provider.codes.lock().expect("no panic").insert(code, query);
    (StatusCode::FOUND, [("location", back)]).into_response()
}

async fn token(State(provider): State<Arc<Provider>>, headers: HeaderMap, body: Bytes) -> Response {
    let form = pairs(&body);
    // A code works once, whatever else is wrong.
    let asked = form.get("code").and_then(|code| provider.codes.lock().expect("no panic").remove(code));
    let Some(asked) = asked else { return StatusCode::BAD_REQUEST.into_response() };
    let challenge = encode(digest(&SHA256, form.get("code_verifier").map_or(b"", |it| it.as_bytes())));
    let part = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", part(CLIENT.0), part(CLIENT.1))));
    let authenticated = headers.get("authorization").is_some_and(|value| value.as_bytes() == basic.as_bytes());
    let same = asked["redirect_uri"] == form["redirect_uri"] && asked["code_challenge"] == challenge;
    if !(same && authenticated) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let mut claims = provider.user.lock().expect("no panic").clone();
    claims["iss"] = json!(provider.url);
    claims["aud"] = json!(CLIENT.0);
    claims["iat"] = json!(now);
    claims["exp"] = json!(now + 300);
    claims["nonce"] = json!(asked["nonce"]);
    let id_token = provider.sign(&json!({}), &claims);
    axum::Json(json!({"token_type": "Bearer", "access_token": "unused", "id_token": id_token})).into_response()
}
