//! The life of API tokens.

use std::sync::Arc;
use std::time::{Duration, Instant};

use storeplane_core::access::Scope;
use storeplane_core::error::{DomainError, PortError, TokenError};
use storeplane_core::identity::Role;
use storeplane_core::ids::Tenant;
use storeplane_core::ports::{Clock, Tokens as _};
use storeplane_core::token::{Author, CreateToken, IssuedToken};
use storeplane_proto::v1::{
    CreateTokenRequest, CreateTokenResponse, GetTokenRequest, ListTokensRequest, RevokeTokenRequest,
    RotateTokenRequest, RotateTokenResponse, Token, TokenState, WatchStoreRequest, WatchStoresRequest,
};
use storeplane_server::postgres::{Tokens, Verified};
use storeplane_server::system::{RandomIds, SystemClock};
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt as _;

use crate::grpc_raw::edge;
use crate::harness::{Api, Database, Lab, Writer, reason};

/// Generous, for a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// How a stream ends.
pub(crate) async fn end<T>(mut stream: Streaming<T>) -> Status {
    let ended = async {
        loop {
            match stream.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return Status::ok("in order"),
                Err(status) => return status,
            }
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("the stream ends")
}

/// Waits until GetStore is unauthenticated, and returns the reason.
async fn refused(api: &Api) -> String {
    let began = Instant::now();
    loop {
        match api.get("tea").await {
            Err(status) if status.code() == Code::Unauthenticated => return reason(&status),
            _ => assert!(began.elapsed() < PATIENCE, "the token still works"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn connect(lab: &Lab, secret: &str) -> Api {
    Api::connect(lab.server.address(), secret)
}

#[tokio::test]
async fn expiry_ends_calls_and_watches() {
    let lab = edge().await;
    Writer::new(&lab.database.url, 2).ready("tea", "default").await;
    let (id, secret) = lab.database.issue("default", Role::Viewer, "short").await;
    let (_, other) = lab.database.issue("default", Role::Viewer, "long").await;
    let (short, long) = (connect(&lab, &secret), connect(&lab, &other));
    let watch = WatchStoreRequest { store_id: "tea".into(), ..WatchStoreRequest::default() };
    let one = short.stores.clone().watch_store(watch).await.unwrap().into_inner();
    let all = short.stores.clone().watch_stores(WatchStoresRequest::default()).await.unwrap().into_inner();

    lab.database.execute(&format!("UPDATE tokens SET expires_at = now() WHERE id = '{id}'")).await;

    for status in [end(one).await, end(all).await] {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "TOKEN_EXPIRED"), "{status:?}");
    }
    assert_eq!(refused(&short).await, "TOKEN_EXPIRED");
    assert!(long.get("tea").await.is_ok());
}

async fn create(database: &Database, tenant: &str, name: &str) -> Result<IssuedToken, PortError> {
    let author = Author::system("test");
    let lifetime = Some(time::Duration::DAY);
    let wanted = CreateToken { name: name.into(), role: Role::Viewer, scope: Scope::All, lifetime, idempotency: None };
    database.tokens().create(&tenant.parse().unwrap(), wanted, &author).await
}

#[tokio::test]
async fn name_is_unique_among_valid_tokens_of_a_tenant() {
    let database = Database::create().await;
    let taken = |result: Result<IssuedToken, PortError>| {
        matches!(result, Err(PortError::Refused(DomainError::Token(TokenError::NameTaken { .. }))))
    };
    let parallel = (0..8).map(|_| create(&database, "default", "ci"));
    let results = futures::future::join_all(parallel).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    assert!(taken(create(&database, "default", "CI").await));
    create(&database, "acme", "ci").await.unwrap();

    database.execute("UPDATE tokens SET expires_at = now() - interval '1 second' WHERE tenant = 'default'").await;
    let second = create(&database, "default", "ci").await.unwrap().token;
    assert!(taken(create(&database, "default", "ci").await));
    database.revoke(second.id).await;
    create(&database, "default", "ci").await.unwrap();
    assert_eq!(database.tokens().get(&"acme".parse().unwrap(), second.id).await.unwrap(), None);
    assert!(database.tokens().get(&Tenant::default(), second.id).await.unwrap().unwrap().revoked_at.is_some());
}

#[tokio::test]
async fn last_use_is_recorded_at_most_once_a_minute() {
    let database = Database::create().await;
    let (_, secret) = database.issue("default", Role::Viewer, "used").await;
    database.issue("default", Role::Viewer, "unused").await;
    let tokens = database.tokens();
    let used = async || {
        for _ in 0..100 {
            assert!(matches!(tokens.verify(&secret).await.unwrap(), Verified::Caller(_)));
        }
        tokens.record_use().await.unwrap();
        database.value("SELECT string_agg(last_used_at::text, ', ') FROM tokens").await
    };
    let first = used().await;
    assert!(first.starts_with("20") && !first.contains(','), "{first}");
    let writes = async || database.value("SELECT string_agg(xmin::text, ', ' ORDER BY id) FROM tokens").await;
    let written = writes().await;
    assert_eq!(used().await, first, "within a minute nothing is written");
    assert_eq!(writes().await, written);
    database.execute("UPDATE tokens SET last_used_at = last_used_at - interval '2 minutes' WHERE name = 'used'").await;
    assert!(used().await >= first);
}

#[tokio::test]
async fn server_records_last_use_when_it_stops() {
    let mut lab = edge().await;
    assert_eq!(lab.api.get("tea").await.unwrap_err().code(), Code::NotFound);
    lab.server.terminate().await;
    assert!(lab.database.value("SELECT last_used_at FROM tokens").await.starts_with("20"));
}

fn wanted(name: &str, role: &str) -> CreateTokenRequest {
    CreateTokenRequest { name: name.into(), role: role.into(), ..CreateTokenRequest::default() }
}

async fn issue(api: &Api, request: CreateTokenRequest) -> Result<(Token, String), Status> {
    let CreateTokenResponse { token, secret } = api.tokens.clone().create_token(request).await?.into_inner();
    Ok((token.unwrap(), secret))
}

async fn rotate(api: &Api, request: RotateTokenRequest) -> Result<(Token, String), Status> {
    let RotateTokenResponse { token, secret } = api.tokens.clone().rotate_token(request).await?.into_inner();
    Ok((token.unwrap(), secret))
}

async fn get(api: &Api, token_id: &str) -> Result<Token, Status> {
    Ok(api.tokens.clone().get_token(GetTokenRequest { token_id: token_id.into() }).await?.into_inner())
}

async fn revoke(api: &Api, token_id: &str) -> Result<Token, Status> {
    let request = RevokeTokenRequest { token_id: token_id.into(), ..RevokeTokenRequest::default() };
    Ok(api.tokens.clone().revoke_token(request).await?.into_inner())
}

async fn list(api: &Api, show_inactive: bool, page_size: i32) -> Vec<Token> {
    let (mut tokens, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListTokensRequest { page_size, page_token, show_inactive };
        let page = api.tokens.clone().list_tokens(request).await.unwrap().into_inner();
        assert!(page.tokens.len() <= usize::try_from(page_size).unwrap());
        tokens.extend(page.tokens);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return tokens;
        }
    }
}

fn names(tokens: &[Token]) -> Vec<&str> {
    tokens.iter().map(|token| token.name.as_str()).collect()
}

fn code(status: &Status) -> (Code, String) {
    (status.code(), reason(status))
}

#[tokio::test]
async fn token_is_created_used_listed_and_revoked() {
    let lab = edge().await;
    Writer::new(&lab.database.url, 2).ready("tea", "default").await;
    let (first, secret) = issue(&lab.api, wanted("ci", "viewer")).await.unwrap();
    let api = connect(&lab, &secret);
    assert_eq!(api.get("tea").await.unwrap().store_id, "tea");
    let lifetime = first.expire_time.unwrap().seconds - first.create_time.unwrap().seconds;
    assert_eq!((lifetime, first.state(), first.created_by.as_str()), (90 * 86_400, TokenState::Valid, "test"));
    assert_eq!((first.tenant.as_str(), first.role.as_str()), ("default", "viewer"));
    for name in ["b", "c", "d"] {
        issue(&lab.api, wanted(name, "operator")).await.unwrap();
    }
    assert_eq!(names(&list(&lab.api, false, 2).await), ["d", "c", "b", "ci", "test"]);
    assert_eq!(get(&lab.api, &first.token_id).await.unwrap().name, "ci");
    let denied = api.tokens.clone().list_tokens(ListTokensRequest::default()).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);

    let revoked = revoke(&lab.api, &first.token_id).await.unwrap();
    assert_eq!((revoked.state(), revoked.revoked_by.as_str()), (TokenState::Revoked, "test"));
    assert_eq!(revoke(&lab.api, &first.token_id).await.unwrap().revoke_time, revoked.revoke_time, "unchanged");
    assert_eq!(refused(&api).await, "TOKEN_INVALID");
    assert_eq!(names(&list(&lab.api, false, 3).await), ["d", "c", "b", "test"]);
    assert_eq!(names(&list(&lab.api, true, 3).await), ["d", "c", "b", "ci", "test"]);
    issue(&lab.api, wanted("CI", "viewer")).await.expect("its name is free");
}

#[tokio::test]
async fn all_violations_of_a_token_are_reported_and_audited() {
    let lab = edge().await;
    let ttl = Some(prost_types::Duration { seconds: 366 * 86_400, nanos: 0 });
    let bad = CreateTokenRequest { ttl, request_id: "7".into(), ..wanted("worker", "god") };
    let violations = issue(&lab.api, bad).await.unwrap_err().get_details_bad_request().unwrap().field_violations;
    let fields: Vec<_> = violations.into_iter().map(|violation| violation.field).collect();
    assert_eq!(fields, ["name", "role", "ttl", "request_id"]);
    let taken = issue(&lab.api, wanted("TEST", "viewer")).await.unwrap_err();
    assert_eq!(code(&taken), (Code::AlreadyExists, "TOKEN_NAME_TAKEN".into()));
    let none = revoke(&lab.api, &uuid::Uuid::new_v4().to_string()).await.unwrap_err();
    assert_eq!(code(&none), (Code::NotFound, "TOKEN_NOT_FOUND".into()));
    let recorded = "SELECT string_agg(action || ' ' || outcome || ' ' || reason, ', ' ORDER BY at, id)
        FROM audit_events WHERE token IS NOT NULL";
    assert_eq!(
        lab.database.value(recorded).await,
        "CREATE_TOKEN REJECTED INVALID_REQUEST, CREATE_TOKEN REJECTED TOKEN_NAME_TAKEN, REVOKE_TOKEN REJECTED TOKEN_NOT_FOUND"
    );
}

/// Every call about another tenant's token answers as if there were none. The service's unit tests have all roles.
#[tokio::test]
async fn other_tenants_tokens_are_not_found() {
    let lab = edge().await;
    let (id, secret) = lab.database.issue("acme", Role::Viewer, "theirs").await;
    let id = id.to_string();
    let request = RotateTokenRequest { token_id: id.clone(), ..RotateTokenRequest::default() };
    for status in [
        get(&lab.api, &id).await.unwrap_err(),
        revoke(&lab.api, &id).await.unwrap_err(),
        rotate(&lab.api, request).await.unwrap_err(),
    ] {
        assert_eq!(code(&status), (Code::NotFound, "TOKEN_NOT_FOUND".into()));
        assert_eq!(status.message(), format!("token \"{id}\" was not found"));
    }
    assert_eq!(names(&list(&lab.api, true, 10).await), ["test"]);
    assert_eq!(connect(&lab, &secret).get("tea").await.unwrap_err().code(), Code::NotFound, "it still works");
    for role in [Role::Operator, Role::Viewer] {
        let api = connect(&lab, &lab.database.token("default", role.as_str()).await);
        let denied = issue(&api, wanted("new", "viewer")).await.unwrap_err();
        assert_eq!(code(&denied), (Code::PermissionDenied, "PERMISSION_DENIED".into()));
    }
    let denied = "SELECT count(*) FROM audit_events
        WHERE action = 'CREATE_TOKEN' AND outcome = 'DENIED' AND target = 'new'";
    assert_eq!(lab.database.value(denied).await, "2");
}

#[tokio::test]
async fn old_secret_works_until_the_overlap_ends() {
    let lab = edge().await;
    Writer::new(&lab.database.url, 2).ready("tea", "default").await;
    let (token, first) = issue(&lab.api, wanted("ci", "viewer")).await.unwrap();
    let id = token.token_id.clone();
    let request = || RotateTokenRequest { token_id: id.clone(), ..RotateTokenRequest::default() };
    let old = connect(&lab, &first);
    let watch = WatchStoreRequest { store_id: "tea".into(), ..WatchStoreRequest::default() };
    let stream = old.stores.clone().watch_store(watch).await.unwrap().into_inner();

    let (rotated, second) = rotate(&lab.api, request()).await.unwrap();
    let new = connect(&lab, &second);
    assert_eq!((old.get("tea").await.is_ok(), new.get("tea").await.is_ok()), (true, true));
    let seconds = |time: Option<prost_types::Timestamp>| time.unwrap().seconds;
    assert_eq!(seconds(rotated.previous_secret_expire_time) - seconds(rotated.rotate_time), 86_400);
    assert_eq!(seconds(rotated.expire_time) - seconds(rotated.rotate_time), 90 * 86_400, "the lifetime begins anew");

    lab.database.execute("UPDATE tokens SET previous_expires_at = now() WHERE name = 'ci'").await;
    assert_eq!(refused(&old).await, "TOKEN_EXPIRED");
    assert_eq!(code(&end(stream).await), (Code::Unauthenticated, "TOKEN_EXPIRED".into()), "its stream as well");
    assert!(new.get("tea").await.is_ok());

    let leaked = RotateTokenRequest { overlap: Some(prost_types::Duration::default()), ..request() };
    let (_, third) = rotate(&lab.api, leaked).await.unwrap();
    assert_eq!(refused(&new).await, "TOKEN_EXPIRED", "without an overlap it ends at once");
    let newest = connect(&lab, &third);
    assert!(newest.get("tea").await.is_ok());
    revoke(&lab.api, &id).await.unwrap();
    assert_eq!(refused(&newest).await, "TOKEN_INVALID");
    let dead = rotate(&lab.api, request()).await.unwrap_err();
    assert_eq!(code(&dead), (Code::FailedPrecondition, "TOKEN_NOT_VALID".into()));
}

#[tokio::test]
async fn repeated_request_id_never_shows_a_secret_again() {
    let lab = edge().await;
    let new_id = || uuid::Uuid::new_v4().to_string();
    let request = CreateTokenRequest { request_id: new_id(), ..wanted("ci", "viewer") };
    let (token, secret) = issue(&lab.api, request.clone()).await.unwrap();
    let again = issue(&lab.api, request.clone()).await.unwrap_err();
    assert_eq!(code(&again), (Code::AlreadyExists, "SECRET_ALREADY_SHOWN".into()));
    assert_eq!(again.get_details_error_info().unwrap().metadata["token_id"], token.token_id);
    let other = issue(&lab.api, CreateTokenRequest { name: "cd".into(), ..request }).await.unwrap_err();
    assert_eq!(reason(&other), "REQUEST_ID_REUSED");
    assert_eq!(names(&list(&lab.api, true, 10).await), ["ci", "test"]);

    let token_id = token.token_id;
    let request =
        RotateTokenRequest { token_id: token_id.clone(), request_id: new_id(), ..RotateTokenRequest::default() };
    let (_, rotated) = rotate(&lab.api, request.clone()).await.unwrap();
    assert_eq!(reason(&rotate(&lab.api, request).await.unwrap_err()), "SECRET_ALREADY_SHOWN");
    assert_eq!(connect(&lab, &rotated).get("tea").await.unwrap_err().code(), Code::NotFound, "the secret is valid");
    let request = RevokeTokenRequest { token_id, request_id: new_id() };
    for _ in 0..2 {
        let revoked = lab.api.tokens.clone().revoke_token(request.clone()).await.unwrap().into_inner();
        assert_eq!(revoked.state(), TokenState::Revoked);
    }
    let recorded = "SELECT string_agg(action, ', ' ORDER BY at, id) FROM audit_events
        WHERE token IS NOT NULL AND outcome = 'ACCEPTED'";
    assert_eq!(lab.database.value(recorded).await, "CREATE_TOKEN, ROTATE_TOKEN, REVOKE_TOKEN");

    let rows =
        "SELECT string_agg(t, ' ') FROM (SELECT t::text t FROM tokens t UNION ALL SELECT a::text FROM audit_events a
        UNION ALL SELECT r::text FROM requests r) x";
    let (rows, log) = (lab.database.value(rows).await, lab.server.log());
    assert!(rows.contains("CREATE_TOKEN") && log.contains("CreateToken"), "the test searches the right places");
    for secret in [&secret, &rotated] {
        assert!(secret.starts_with("spt_") && !rows.contains(secret.as_str()) && !log.contains(secret.as_str()));
    }
}

/// A server's clock that is a day ahead.
struct DayAhead;

impl Clock for DayAhead {
    fn now(&self) -> time::OffsetDateTime {
        SystemClock.now() + time::Duration::DAY
    }
}

#[tokio::test]
async fn server_with_a_wrong_clock_creates_and_verifies_tokens_by_the_database_s() {
    let database = Database::create().await;
    let tokens = Tokens::new(database.pool.clone(), Arc::new(DayAhead), Arc::new(RandomIds));
    let lifetime = Some(time::Duration::HOUR);
    let wanted = CreateToken { name: "ci".into(), role: Role::Viewer, scope: Scope::All, lifetime, idempotency: None };
    let author = Author::system("test");
    let IssuedToken { secret, .. } = tokens.create(&Tenant::default(), wanted, &author).await.unwrap();
    let soon = "SELECT expires_at BETWEEN now() AND now() + interval '1 hour' FROM tokens";
    assert_eq!(database.value(soon).await, "true");
    assert!(matches!(tokens.verify(&secret).await.unwrap(), Verified::Caller(_)));
}
