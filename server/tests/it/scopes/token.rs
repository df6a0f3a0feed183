//! The scope of a token, through its life.

use storeplane_core::identity::Role;
use storeplane_proto::v1::{ListAuditEventsRequest, ListTokensRequest, RotateTokenRequest, Token};
use storeplane_server::postgres::{SessionLifetimes, Sessions, SignInMethod, Verified};

use super::scoped;
use crate::grpc_raw::edge;

/// However a caller authenticates as the token, and after its secret was replaced.
#[tokio::test]
async fn scope_is_kept_by_rotation_sessions_and_codes_and_is_recorded() {
    let lab = edge().await;
    let (token, _) = scoped(&lab, "limited", "operator").await;
    let expected = (vec!["not-yet".to_owned(), "tea".to_owned()], "shop-".to_owned(), "operator".to_owned());
    let of = |token: &Token| (token.store_ids.clone(), token.store_id_prefix.clone(), token.role.clone());
    assert_eq!(of(&token), expected);
    let rotate = RotateTokenRequest { token_id: token.token_id.clone(), ..RotateTokenRequest::default() };
    let rotated = lab.api.tokens.clone().rotate_token(rotate).await.unwrap().into_inner();
    assert_eq!(of(rotated.token.as_ref().unwrap()), expected);
    let listed = lab.api.tokens.clone().list_tokens(ListTokensRequest::default()).await;
    assert!(listed.unwrap().into_inner().tokens.iter().any(|listed| of(listed) == expected));

    let tokens = lab.database.tokens();
    let Verified::Caller(caller) = tokens.verify(&rotated.secret).await.unwrap() else { panic!("refused") };
    assert_eq!(caller.access.scope.selection().unwrap().to_string(), "not-yet, tea, shop-*");
    let lifetimes =
        SessionLifetimes { idle: std::time::Duration::from_hours(1), max: std::time::Duration::from_hours(1) };
    let sessions = Sessions::new(lab.database.pool.clone(), tokens.clone(), lifetimes);
    let session = sessions.create(&caller, SignInMethod::Token).await.unwrap();
    let Verified::Caller(in_browser) = sessions.verify(&session).await.unwrap() else { panic!("refused") };
    let code = tokens.code_of(&caller).await.unwrap().unwrap();
    let Verified::Caller(by_code) = tokens.take_code(&code).await.unwrap() else { panic!("refused") };
    assert_eq!((&in_browser.access, &by_code.access), (&caller.access, &caller.access));

    let created = ListAuditEventsRequest { filter: "action = CREATE_TOKEN".into(), ..Default::default() };
    let records = lab.api.audit.clone().list_audit_events(created).await.unwrap().into_inner().audit_events;
    let changes = &records[0].changes;
    for part in ["\"store_ids\":[\"not-yet\",\"tea\"]", "\"store_id_prefix\":\"shop-\"", "\"role\":\"operator\""] {
        assert!(changes.contains(part), "{changes}");
    }

    // A release without scopes reads the role alone, for calls and for sessions.
    let id = &token.token_id;
    let role = lab.database.value(&format!("SELECT role FROM tokens WHERE id = '{id}'")).await;
    assert_eq!((role.as_str(), Role::parse(&role)), ("scoped_operator", None), "it refuses the token");
    // What such a server could write by hand is not a token for all stores either.
    for unscoped in [
        format!("UPDATE tokens SET role = 'operator' WHERE id = '{id}'"),
        format!("UPDATE tokens SET store_ids = NULL, store_id_prefix = NULL WHERE id = '{id}'"),
        format!("UPDATE tokens SET store_ids = '{{}}', store_id_prefix = '' WHERE id = '{id}'"),
    ] {
        let result = sea_orm::ConnectionTrait::execute_unprepared(&lab.database.pool, &unscoped).await;
        assert!(result.unwrap_err().to_string().contains("tokens_scope_check"), "{unscoped}");
    }
    let widened = format!("UPDATE tokens SET store_id_prefix = 's' WHERE id = '{id}'");
    lab.database.execute(&widened).await;
    let now = lab.database.tokens().recheck(&caller).await.unwrap();
    assert_eq!(now, Verified::Unknown, "its open streams end");
}
