//! Browser sessions: signing in with a token, a one-time code and the identity provider.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use storeplane_core::identity::Role;
use storeplane_core::ports::Tokens as _;
use storeplane_core::token::{Author, RotateToken};
use storeplane_proto::v1::WatchStoresRequest;
use storeplane_proto::v1::store_service_client::StoreServiceClient;
use tonic::metadata::MetadataMap;
use tonic::transport::Endpoint;
use tonic::{Code, Extensions, Request};

use crate::command_line::run;
use crate::grpc_raw::{Answer, edge, edge_setup, http};
use crate::harness::{CLIENT, Issuer, Lab, Server, Setup, reason};
use crate::tokens::end;

/// Generous, for a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn origin(to: SocketAddr) -> String {
    format!("http://{to}")
}

/// A request as a page of the server sends it.
pub(crate) async fn post(to: SocketAddr, path: &str, cookie: &str, body: &Value) -> Answer {
    post_from(to, path, &[("origin", &origin(to)), ("cookie", cookie)], body).await
}

pub(crate) async fn post_from(to: SocketAddr, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let mut all = vec![("content-type", "application/json")];
    all.extend(headers.iter().filter(|(_, value)| !value.is_empty()));
    http(to, &format!("POST {path}"), &all, body.to_string().as_bytes()).await
}

/// Status and reason of an answer of `/auth/…`.
pub(crate) fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["reason"].as_str().unwrap_or_default().to_owned())
}

/// Signs in, and returns the cookie as browsers send it.
pub(crate) async fn sign_in(to: SocketAddr, credentials: &Value) -> String {
    let answer = post(to, "/auth/session", "", credentials).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let cookie = answer.header("set-cookie");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

/// The name of the caller to whom a cookie belongs; empty if it is not accepted.
pub(crate) async fn caller(to: SocketAddr, cookie: &str) -> String {
    let answer = post(to, "/storeplane.v1.PlatformService/GetOverview", cookie, &json!({})).await;
    assert!(matches!(answer.status, 200 | 401), "{answer:?}");
    answer.json()["caller"]["name"].as_str().unwrap_or_default().to_owned()
}

pub(crate) async fn until_ended(to: SocketAddr, cookie: &str) {
    let began = Instant::now();
    while !caller(to, cookie).await.is_empty() {
        assert!(began.elapsed() < PATIENCE, "the session does not end");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn session_holds_on_every_server_and_over_a_restart_until_the_logout() {
    let mut lab = edge().await;
    let (_, secret) = lab.database.issue("default", Role::Operator, "ada").await;
    let to = lab.server.address();
    for (credentials, expected) in [
        (json!({"token": "spt_nonsense"}), (401, "TOKEN_INVALID")),
        (json!({"code": "spc_nonsense"}), (401, "TOKEN_INVALID")),
        (json!({}), (400, "MALFORMED_REQUEST")),
        (json!({"token": secret, "code": "x"}), (400, "MALFORMED_REQUEST")),
        (json!({"password": secret}), (400, "MALFORMED_REQUEST")),
    ] {
        let answer = post(to, "/auth/session", "", &credentials).await;
        assert_eq!(refusal(&answer), (expected.0, expected.1.to_owned()), "{credentials}");
        assert!(!String::from_utf8_lossy(&answer.body).contains(&secret) && answer.header("set-cookie").is_empty());
    }
    let cookie = sign_in(to, &json!({"token": secret})).await;
    let other = Server::start(&edge_setup(), &lab.database).await;
    assert_eq!((caller(to, &cookie).await, caller(other.address(), &cookie).await), ("ada".into(), "ada".into()));
    lab.server.kill9();
    lab.server.restart().await;
    assert_eq!(caller(to, &cookie).await, "ada");
    // Nothing in the database is of use to somebody who reads it.
    let (_, value) = cookie.split_once('=').unwrap();
    let rows = lab.database.value("SELECT string_agg(sessions::text, '') FROM sessions").await;
    assert!(!rows.is_empty() && !rows.contains(value), "{rows}");

    let answer = post(to, "/auth/logout", &cookie, &json!({})).await;
    assert_eq!((answer.status, answer.header("set-cookie").contains("Max-Age=0")), (204, true));
    assert_eq!(caller(to, &cookie).await, "");
    until_ended(other.address(), &cookie).await;
    assert_eq!(lab.database.value("SELECT count(*) FROM sessions").await, "0");
    assert!(!lab.server.log().contains(&secret) && !lab.server.log().contains(value));
}

#[tokio::test]
async fn cookie_counts_only_from_own_pages() {
    let lab = edge().await;
    let (_, secret) = lab.database.issue("default", Role::Operator, "ada").await;
    let to = lab.server.address();
    let (own, cookie) = (origin(to), sign_in(to, &json!({"token": secret})).await);
    let rpc = "/storeplane.v1.PlatformService/GetOverview";
    for headers in [
        vec![],
        vec![("origin", "null")],
        vec![("origin", "https://evil.example.com")],
        vec![("origin", "http://localhost:1")],
        vec![("origin", own.as_str()), ("sec-fetch-site", "cross-site")],
        vec![("origin", own.as_str()), ("sec-fetch-site", "same-site")],
    ] {
        let mut all = headers.clone();
        all.push(("cookie", &cookie));
        let answer = post_from(to, rpc, &all, &json!({})).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (403, Some("permission_denied")), "{headers:?}");
        assert!(String::from_utf8_lossy(&answer.body).contains("CROSS_ORIGIN"), "{answer:?}");
        for path in ["/auth/session", "/auth/code", "/auth/logout"] {
            let answer = post_from(to, path, &all, &json!({"token": secret, "code": "x"})).await;
            assert_eq!(refusal(&answer), (403, "CROSS_ORIGIN".to_owned()), "{path} {headers:?}");
        }
    }
    assert_eq!(caller(to, &cookie).await, "ada");
    let bearer = format!("Bearer {secret}");
    let all = [("origin", "https://evil.example.com"), ("cookie", &cookie), ("authorization", &bearer)];
    assert_eq!(post_from(to, rpc, &all, &json!({})).await.status, 200, "a bearer token wins, and needs no origin");
    let invalid = [("origin", own.as_str()), ("cookie", &cookie), ("authorization", "Bearer spt_x")];
    assert_eq!(post_from(to, rpc, &invalid, &json!({})).await.status, 401);
}

#[tokio::test]
async fn code_signs_in_once_and_replaces_no_session_silently() {
    let lab = edge().await;
    let (id, secret) = lab.database.issue("default", Role::Admin, "ada").await;
    let (_, other) = lab.database.issue("default", Role::Viewer, "eve").await;
    let to = lab.server.address();
    let code = |arguments: &[&str], token: &str| {
        let env = [("DATABASE_URL", lab.database.url.as_str()), ("STOREPLANE_TOKEN", token)];
        let output = run(&[&["token", "code"], arguments].concat(), &env);
        assert!(output.status.success(), "{output:?}");
        json!({"code": String::from_utf8(output.stdout).unwrap().trim()})
    };
    let ada = json!({"name": "ada", "role": "admin", "tenant": "default"});
    for code in [code(&[], &secret), code(&[&id.to_string()], "")] {
        for _ in 0..2 {
            let answer = post(to, "/auth/code", "", &code).await;
            assert_eq!((answer.status, answer.json()), (200, ada.clone()), "reading does not use it up");
        }
        let cookie = sign_in(to, &code).await;
        assert_eq!(caller(to, &cookie).await, "ada");
        assert_eq!(refusal(&post(to, "/auth/session", "", &code).await), (401, "TOKEN_INVALID".to_owned()));
    }

    let mine = sign_in(to, &json!({"token": secret})).await;
    let mut theirs = code(&[], &other);
    assert_eq!(refusal(&post(to, "/auth/session", &mine, &theirs).await), (409, "SIGNED_IN".to_owned()));
    assert_eq!(caller(to, &mine).await, "ada");
    theirs["replace"] = true.into();
    let answer = post(to, "/auth/session", &mine, &theirs).await;
    assert_eq!((answer.status, answer.json()["name"].as_str()), (200, Some("eve")), "refusing did not use it up");
    assert_eq!(caller(to, &mine).await, "", "the session that was replaced has ended");

    let expired = code(&[], &secret);
    lab.database.execute("UPDATE sign_in_codes SET expires_at = clock_timestamp()").await;
    assert_eq!(refusal(&post(to, "/auth/session", "", &expired).await), (401, "TOKEN_INVALID".to_owned()));
    let unused = code(&[], &secret);
    lab.database.revoke(id).await;
    let began = Instant::now();
    while post(to, "/auth/code", "", &unused).await.status != 401 {
        assert!(began.elapsed() < PATIENCE, "the code of a revoked token works");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn session_ends_with_its_token_its_idle_time_and_its_lifetime() {
    let lab = edge().await;
    let to = lab.server.address();
    let mut sessions = Vec::new();
    let mut ids = Vec::new();
    for name in ["revoked", "rotated", "expired", "idle", "old", "kept"] {
        let (id, secret) = lab.database.issue("default", Role::Viewer, name).await;
        let cookie = sign_in(to, &json!({"token": secret})).await;
        assert_eq!(caller(to, &cookie).await, name);
        sessions.push(cookie);
        ids.push(id);
    }
    lab.database.revoke(ids[0]).await;
    let rotate =
        RotateToken { token: ids[1], lifetime: time::Duration::DAY, overlap: time::Duration::ZERO, idempotency: None };
    let author = Author { name: "test".into(), credential: None, origin: std::sync::Arc::default() };
    lab.database.tokens().rotate(&"default".parse().unwrap(), rotate, &author).await.unwrap();
    lab.database.execute(&format!("UPDATE tokens SET expires_at = now() WHERE id = '{}'", ids[2])).await;
    for (id, change) in [(ids[3], "last_used_at = now() - interval '61 minutes'"), (ids[4], "expires_at = now()")] {
        lab.database.execute(&format!("UPDATE sessions SET {change} WHERE owner = '{id}'")).await;
    }
    for session in &sessions[..5] {
        until_ended(to, session).await;
    }
    assert_eq!(caller(to, &sessions[5]).await, "kept");
}

#[tokio::test]
async fn watch_ends_with_its_session_and_sessions_of_a_token_are_bounded() {
    let lab = edge().await;
    let to = lab.server.address();
    let (id, secret) = lab.database.issue("default", Role::Viewer, "ada").await;
    let first = sign_in(to, &json!({"token": secret})).await;
    for _ in 0..24 {
        sign_in(to, &json!({"token": secret})).await;
    }
    let count = format!("SELECT count(*) FROM sessions WHERE owner = '{id}'");
    assert_eq!(lab.database.value(&count).await, "20");
    assert_eq!(caller(to, &first).await, "", "the oldest ended");

    let cookie = sign_in(to, &json!({"token": secret})).await;
    let mut metadata = MetadataMap::new();
    metadata.insert("cookie", cookie.parse().unwrap());
    metadata.insert("origin", origin(to).parse().unwrap());
    let mut stores = StoreServiceClient::new(Endpoint::from_shared(origin(to)).unwrap().connect_lazy());
    let request = Request::from_parts(metadata, Extensions::default(), WatchStoresRequest::default());
    let watch = stores.watch_stores(request).await.unwrap().into_inner();
    assert_eq!(post(to, "/auth/logout", &cookie, &json!({})).await.status, 204);
    let status = end(watch).await;
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "TOKEN_REVOKED"), "{status:?}");
}

/// A provider with a client for the dashboard, and two servers.
pub(crate) async fn provider(setup: Setup) -> (Issuer, Lab, Server, tempfile::TempDir) {
    let issuer = Issuer::start().await;
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("secret"), format!("{}\n", CLIENT.1)).unwrap();
    let file = format!(
        "public_url = 'http://localhost:7'\n{}\n[oidc.client]\nclient_id = '{}'\nsecret_file = '{}'\ndisplay_name = 'Example ID'\n",
        issuer.configuration(),
        CLIENT.0,
        path("secret")
    );
    std::fs::write(path("storeplane.toml"), file).unwrap();
    let setup = setup.with("STOREPLANE_CONFIG", path("storeplane.toml"));
    let lab = setup.clone().start().await;
    let other = Server::start(&setup, &lab.database).await;
    (issuer, lab, other, dir)
}

/// Begins a sign-in, lets the provider's user in, and returns the path to which the provider redirects, with the browser's cookie.
pub(crate) async fn approve(to: SocketAddr, page: &str) -> (String, String) {
    let begun = http(to, &format!("GET /auth/login?return_to={page}"), &[("sec-fetch-site", "same-origin")], b"").await;
    assert_eq!(begun.status, 303, "{begun:?}");
    let cookie = begun.header("set-cookie");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=600"), "{cookie}");
    let at_provider = url::Url::parse(begun.header("location")).unwrap();
    let address = format!("{}:{}", at_provider.host_str().unwrap(), at_provider.port().unwrap()).parse().unwrap();
    let path = &at_provider[url::Position::BeforePath..];
    let answer = http(address, &format!("GET {path}"), &[], b"").await;
    assert_eq!(answer.status, 302, "{answer:?}");
    let back = answer.header("location").strip_prefix("http://localhost:7").unwrap().to_owned();
    (back, cookie.split(';').next().unwrap().to_owned())
}

pub(crate) async fn call_back(to: SocketAddr, path: &str, cookie: &str) -> Answer {
    http(to, &format!("GET {path}"), &[("cookie", cookie)], b"").await
}

#[tokio::test]
async fn user_of_the_provider_signs_in_at_one_server_and_returns_to_another() {
    let (issuer, lab, other, _dir) = provider(edge_setup()).await;
    let to = lab.server.address();
    let methods = http(to, "GET /auth/methods", &[], b"").await;
    assert_eq!(methods.json(), json!({"token": true, "provider": "Example ID"}));

    let (back, cookie) = approve(to, "/stores?show=ready").await;
    let answer = call_back(other.address(), &back, &cookie).await;
    assert_eq!((answer.status, answer.header("location")), (303, "http://localhost:7/stores?show=ready"), "{answer:?}");
    let session = answer.header("set-cookie").split(';').next().unwrap().to_owned();
    assert!(session.starts_with("storeplane=sps_"), "{session}");
    for server in [to, other.address()] {
        assert_eq!(caller(server, &session).await, "oidc:alice@example.com");
    }
    // Without the browser's cookie, with another's, or a second time, the provider's redirect is of no use.
    let (fresh, own) = approve(to, "/").await;
    let (_, stranger) = approve(to, "/").await;
    for (path, cookie) in [(&fresh, ""), (&fresh, stranger.as_str()), (&back, cookie.as_str())] {
        let answer = call_back(to, path, cookie).await;
        assert!(answer.header("location").starts_with("http://localhost:7/#sign-in-error="), "{answer:?}");
        assert!(!answer.header("set-cookie").contains("sps_"), "{answer:?}");
    }
    // An attacker that has the code redeems it with a verifier of its own: PKCE at the provider refuses it.
    let code = fresh.split("code=").nth(1).unwrap().split('&').next().unwrap();
    let (mine, my_cookie) = approve(to, "/").await;
    let my_code = mine.split("code=").nth(1).unwrap().split('&').next().unwrap();
    let answer = call_back(to, &mine.replace(my_code, code), &my_cookie).await;
    assert_eq!(answer.header("location"), "http://localhost:7/#sign-in-error=refused");
    let answer = call_back(to, &fresh, &own).await;
    assert_eq!(answer.header("location"), "http://localhost:7/#sign-in-error=refused", "the code was used up");

    issuer.set_user(json!({"sub": "8", "email": "bob@example.com", "groups": ["others"]}));
    let (path, cookie) = approve(to, "//evil.example").await;
    let answer = call_back(to, &path, &cookie).await;
    assert_eq!(answer.header("location"), "http://localhost:7/#sign-in-error=not-mapped");
    issuer.set_user(json!({"sub": "8", "email": "bob@example.com", "groups": ["shop-viewers"]}));
    let (path, cookie) = approve(to, "//evil.example").await;
    assert_eq!(call_back(to, &path, &cookie).await.header("location"), "http://localhost:7/");
    let foreign = http(to, "GET /auth/login", &[("sec-fetch-site", "cross-site")], b"").await;
    assert_eq!(refusal(&foreign), (403, "CROSS_ORIGIN".to_owned()), "another page cannot begin a sign-in");
}

#[tokio::test]
async fn refused_callbacks_count_against_their_address() {
    let setup = edge_setup().with("STOREPLANE_LIMIT_FAILED_AUTHENTICATIONS_PER_MINUTE", "3");
    let (_issuer, lab, _other, _dir) = provider(setup).await;
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(call_back(lab.server.address(), "/auth/callback?code=guess&state=guess", "").await.status);
    }

    assert_eq!(answers[0], 303, "back to the dashboard, with an error");
    assert!(answers.contains(&429), "{answers:?}");
}

#[tokio::test]
async fn failed_sign_ins_count_against_their_address_and_in_the_audit_log() {
    let setup = edge_setup().with("STOREPLANE_LIMIT_FAILED_AUTHENTICATIONS_PER_MINUTE", "3");
    let mut lab = setup.start().await;
    let (to, token) = (lab.server.address(), lab.database.token("default", "viewer").await);
    let cookie = sign_in(to, &json!({"token": token})).await;
    let mut answers = Vec::new();
    for guess in 0..6 {
        let guess = if guess % 2 == 0 { json!({"code": "guess"}) } else { json!({"token": "sp_guess"}) };
        answers.push(refusal(&post(to, "/auth/session", "", &guess).await));
    }

    // One more is possible after 20 s, which a busy machine may take.
    assert_eq!(answers[0], (401, "TOKEN_INVALID".to_owned()));
    assert!(answers.contains(&(429, "AUTHENTICATION_RATE_EXCEEDED".to_owned())), "{answers:?}");
    assert!(!caller(to, &cookie).await.is_empty(), "a session from there goes on");
    // The last counts are recorded when the server stops.
    lab.server.terminate().await;
    let counted =
        "SELECT string_agg(DISTINCT reason, ', ' ORDER BY reason) FROM audit_events WHERE action = 'AUTHENTICATE'";
    assert_eq!(lab.database.value(counted).await, "AUTHENTICATION_RATE_EXCEEDED, TOKEN_INVALID");
}
