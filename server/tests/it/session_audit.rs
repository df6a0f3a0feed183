//! What the audit log says about sign-ins, and how administrators end sessions.

use serde_json::json;
use storeplane_core::identity::Role;

use crate::command_line::run;
use crate::grpc_raw::{edge, edge_setup};
use crate::sessions::{approve, call_back, origin, post_from, provider};

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
