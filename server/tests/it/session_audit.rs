//! What the audit log says about sign-ins, and how administrators end sessions.

use serde_json::json;
use storeplane_client::{Client, Timestamp, v1};
use storeplane_core::identity::Role;
use storeplane_proto::v1::WatchStoresRequest;
use storeplane_proto::v1::store_service_client::StoreServiceClient;
use storeplane_server::postgres::Verified;
use tonic::metadata::MetadataMap;
use tonic::transport::Endpoint;
use tonic::{Code, Extensions, Request};

use crate::command_line::run;
use crate::grpc_raw::{edge, edge_setup};
use crate::harness::reason;
use crate::sessions::{approve, call_back, caller, origin, post_from, provider, sign_in, until_ended};
use crate::tokens::end;

/// The records of sign-ins, oldest first, without those of the tokens' creation.
const RECORDED: &str = "SELECT string_agg(concat_ws(' ', action, actor, credential_kind, credential, peer, user_agent, outcome, changes), E'\n' ORDER BY sequence)
  FROM audit_events WHERE action IN ('CREATE_SIGN_IN_CODE', 'SIGN_IN', 'SIGN_OUT') AND tenant = 'default'";

#[tokio::test]
async fn sign_ins_and_sign_outs_are_records_of_the_callers_tenant() {
    let lab = edge().await;
    let to = lab.server.address();
    let (ada, token) = lab.database.issue("default", Role::Admin, "ada").await;
    let (eve, other) = lab.database.issue("default", Role::Viewer, "eve").await;
    let code = |arguments: &[&str], token: &str| {
        let env = [("DATABASE_URL", lab.database.url.as_str()), ("STOREPLANE_TOKEN", token)];
        let output = run(&[&["token", "code"], arguments].concat(), &env);
        assert!(output.status.success(), "{output:?}");
        json!({"code": String::from_utf8(output.stdout).unwrap().trim()})
    };
    let own = origin(to);
    let request = async |path: &str, cookie: &str, body: serde_json::Value| {
        let headers = [("origin", own.as_str()), ("user-agent", "browser/1"), ("cookie", cookie)];
        let answer = post_from(to, path, &headers, &body).await;
        assert!(matches!(answer.status, 200 | 204), "{answer:?}");
        answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned()
    };
    let cookie = request("/auth/session", "", code(&[&ada.to_string()], "")).await;
    let replaced = json!({"token": other, "replace": true});
    let theirs = request("/auth/session", &cookie, replaced).await;
    request("/auth/logout", &theirs, json!({})).await;
    // Signing out a second time, and redeeming no code, is no sign-out and no sign-in.
    request("/auth/logout", &theirs, json!({})).await;
    code(&[], &token);

    let (ada_is, eve_is) = (format!("ada token {ada}"), format!("eve token {eve}"));
    let by_browser = "127.0.0.1 browser/1 ACCEPTED";
    let expected = [
        "CREATE_SIGN_IN_CODE command line     ACCEPTED ".to_owned(),
        format!("SIGN_IN {ada_is} {by_browser} {{\"after\":{{\"method\":\"CODE\"}}}}"),
        format!("SIGN_IN {eve_is} {by_browser} {{\"after\":{{\"method\":\"TOKEN\"}}}}"),
        format!("SIGN_OUT {ada_is} {by_browser} "),
        format!("SIGN_OUT {eve_is} {by_browser} "),
        format!("CREATE_SIGN_IN_CODE {ada_is}   ACCEPTED "),
    ];
    assert_eq!(lab.database.value(RECORDED).await, expected.join("\n"));
    let codes = "SELECT string_agg(DISTINCT target, ' ') FROM audit_events WHERE action = 'CREATE_SIGN_IN_CODE'";
    assert_eq!(lab.database.value(codes).await, ada.to_string());
    let sessions = "SELECT count(*) || ' ' || count(DISTINCT target) FROM audit_events WHERE action LIKE 'SIGN%'";
    assert_eq!(lab.database.value(sessions).await, "4 2", "a sign-out names the session of its sign-in");
    lab.database.assert_sound().await;
}

#[tokio::test]
async fn sign_in_at_the_provider_is_a_record_and_a_refused_one_is_counted() {
    let (issuer, mut lab, _other, _dir) = provider(edge_setup()).await;
    let to = lab.server.address();
    let (path, cookie) = approve(to, "/").await;
    assert_eq!(call_back(to, &path, &cookie).await.header("location"), "http://localhost:7/");
    let recorded = lab.database.value(RECORDED).await;
    assert!(recorded.starts_with("SIGN_IN oidc:alice@example.com oidc http"), "{recorded}");
    assert!(recorded.ends_with("{\"after\":{\"method\":\"PROVIDER\"}}") && !recorded.contains('\n'), "{recorded}");

    issuer.set_user(json!({"sub": "8", "email": "bob@example.com", "groups": ["others"]}));
    let (path, cookie) = approve(to, "/").await;
    call_back(to, &path, &cookie).await;
    // The last counts are recorded when the server stops.
    lab.server.terminate().await;
    let refused = "SELECT reason || ' ' || count FROM audit_events WHERE action = 'AUTHENTICATE'";
    assert_eq!(lab.database.value(refused).await, "SIGN_IN_REFUSED 1");
}

#[tokio::test]
async fn admin_ends_all_sessions_of_a_user_with_their_watches() {
    let (_issuer, lab, other, _dir) = provider(edge_setup()).await;
    let to = lab.server.address();
    let client = |token: &str| Client::connect(&to.to_string(), token).unwrap();
    let mut cookies = Vec::new();
    for _ in 0..2 {
        let (path, cookie) = approve(to, "/").await;
        let answer = call_back(to, &path, &cookie).await;
        cookies.push(answer.header("set-cookie").split(';').next().unwrap().to_owned());
    }
    let kept = sign_in(to, &json!({"token": lab.database.token("default", "viewer").await})).await;
    for server in [to, other.address()] {
        assert_eq!(caller(server, &cookies[0]).await, "oidc:alice@example.com");
    }
    let mut metadata = MetadataMap::new();
    metadata.insert("cookie", cookies[0].parse().unwrap());
    metadata.insert("origin", origin(to).parse().unwrap());
    let mut stores = StoreServiceClient::new(Endpoint::from_shared(origin(to)).unwrap().connect_lazy());
    let request = Request::from_parts(metadata, Extensions::default(), WatchStoresRequest::default());
    let watch = stores.watch_stores(request).await.unwrap().into_inner();

    let admin = client(&lab.database.token("default", "admin").await);
    let listed = admin.list_sessions(v1::ListSessionsRequest::default()).await.unwrap().sessions;
    let hers: Vec<_> = listed.iter().filter(|session| session.name == "oidc:alice@example.com").collect();
    assert_eq!((listed.len(), hers.len(), hers[0].credential_kind.as_str()), (3, 2, "oidc"), "{listed:?}");
    let seconds = |time: &Option<Timestamp>| time.as_ref().expect("a time").seconds;
    assert!(hers.iter().all(|session| session.peer == "127.0.0.1"), "{hers:?}");
    assert!(hers.iter().all(|session| seconds(&session.expire_time) > seconds(&session.last_use_time)), "{hers:?}");
    assert!(!format!("{listed:?}").contains(cookies[0].split('=').nth(1).unwrap()));
    let elsewhere = client(&lab.database.token("acme", "admin").await);
    assert!(elsewhere.list_sessions(v1::ListSessionsRequest::default()).await.unwrap().sessions.is_empty());
    assert_eq!(elsewhere.revoke_sessions_of(&hers[0].credential_id).await.unwrap(), 0);
    assert!(!elsewhere.revoke_session(&hers[0].session_id).await.unwrap());
    assert_eq!(caller(to, &cookies[0]).await, "oidc:alice@example.com", "an admin of another tenant ends none");

    assert_eq!(admin.revoke_sessions_of(&hers[0].credential_id).await.unwrap(), 2);
    for cookie in &cookies {
        assert_eq!(caller(to, cookie).await, "", "at once where it was requested");
        until_ended(other.address(), cookie).await;
    }
    let status = end(watch).await;
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "TOKEN_REVOKED"), "{status:?}");
    assert!(!caller(to, &kept).await.is_empty());
    assert_eq!(admin.revoke_sessions_of(&hers[0].credential_id).await.unwrap(), 0, "they have ended");
    let recorded = "SELECT string_agg(target || ' ' || jsonb_array_length(coalesce(nullif(changes, ''), '{}')::jsonb #> '{before,sessions}'), ', ')
      FROM audit_events WHERE action = 'REVOKE_SESSIONS' AND tenant = 'default'";
    assert_eq!(lab.database.value(recorded).await, format!("{0} 2, {0} 0", hers[0].credential_id));
}

#[tokio::test]
async fn admin_ends_one_session_and_none_above_its_own_role() {
    let lab = edge().await;
    let to = lab.server.address();
    let admin = Client::connect(&to.to_string(), &lab.database.token("default", "admin").await).unwrap();
    let (id, secret) = lab.database.issue("default", Role::Operator, "ada").await;
    let (platform, above) = lab.database.issue("default", Role::PlatformAdmin, "root").await;
    let mut cookies = Vec::new();
    for token in [&secret, &secret, &above] {
        cookies.push(sign_in(to, &json!({"token": token})).await);
    }
    let mut listed = Vec::new();
    let mut request = v1::ListSessionsRequest { page_size: 1, ..v1::ListSessionsRequest::default() };
    loop {
        let page = admin.list_sessions(request.clone()).await.unwrap();
        assert_eq!(page.sessions.len(), 1);
        listed.extend(page.sessions);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    let names: Vec<_> = listed.iter().map(|session| session.name.as_str()).collect();
    assert_eq!(names, ["root", "ada", "ada"], "newest first");
    assert_eq!(listed[1].credential_id, id.to_string());

    for refused in [
        admin.revoke_session(&listed[0].session_id).await.map(i32::from),
        admin.revoke_sessions_of(&platform.to_string()).await,
    ] {
        assert_eq!(refused.unwrap_err().reason().as_deref(), Some("PERMISSION_DENIED"));
    }
    assert!(admin.revoke_session(&listed[1].session_id).await.unwrap());
    let mut callers = Vec::new();
    for cookie in &cookies {
        callers.push(caller(to, cookie).await);
    }
    assert_eq!(callers, ["ada", "", "root"]);
    lab.database.execute("UPDATE sessions SET last_used_at = last_used_at - interval '2 hours'").await;
    let left = admin.list_sessions(v1::ListSessionsRequest::default()).await.unwrap().sessions;
    assert!(left.is_empty(), "sessions that ended by themselves are not listed: {left:?}");
    assert!(!admin.revoke_session(&listed[2].session_id).await.unwrap(), "nor ended again");
    let token = lab.database.tokens().verify(&secret).await.unwrap();
    assert!(matches!(token, Verified::Caller(_)), "the token itself works: {token:?}");
}
