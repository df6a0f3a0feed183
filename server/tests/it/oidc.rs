//! Bearer tokens of an identity provider.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use storeplane_proto::v1::{GetOverviewRequest, ListAuditEventsRequest, WatchStoreRequest, WatchStoresRequest};
use tonic::Code;

use crate::grpc_raw::edge_setup;
use crate::harness::{Api, Issuer, Lab, Writer, reason};
use crate::tokens::end;

/// Generous, for a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A provider, and a server that accepts its tokens. The directory holds the server's configuration.
async fn stage() -> (Issuer, Lab, tempfile::TempDir) {
    let issuer = Issuer::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("storeplane.toml");
    std::fs::write(&file, issuer.configuration()).unwrap();
    let lab = edge_setup().with("STOREPLANE_CONFIG", file.to_str().unwrap()).start().await;
    (issuer, lab, dir)
}

fn with(claims: &Value, change: &Value) -> Value {
    let mut claims = claims.clone();
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

/// What the server calls the caller: its name, tenant and role; or the error's code and reason.
async fn caller(lab: &Lab, token: &str) -> Result<(String, String, String), (Code, String)> {
    let api = Api::connect(lab.server.address(), token);
    match api.platform.clone().get_overview(GetOverviewRequest::default()).await {
        Ok(overview) => {
            let caller = overview.into_inner().caller.unwrap();
            Ok((caller.name, caller.tenant, caller.role))
        }
        Err(status) => Err((status.code(), reason(&status))),
    }
}

#[tokio::test]
async fn only_the_provider_s_tokens_for_this_api_are_accepted() {
    let (issuer, lab, _dir) = stage().await;
    let good = issuer.claims(300);
    let now = good["iat"].as_i64().unwrap();
    let alice = ("oidc:alice@example.com".to_owned(), "default".to_owned(), "operator".to_owned());
    assert_eq!(caller(&lab, &issuer.sign(&good)).await, Ok(alice));

    let claims = |change: Value| issuer.sign(&with(&good, &change));
    let header = |change: Value| issuer.sign_as(&change, &good);
    let whole = issuer.sign(&good);
    let (unsigned, _) = whole.rsplit_once('.').unwrap();
    let invalid = |name| Err((Code::Unauthenticated, String::from(name)));
    let unmapped = Err((Code::PermissionDenied, "IDENTITY_NOT_MAPPED".to_owned()));
    for (what, token, expected) in [
        ("expired", claims(json!({"exp": now - 1})), invalid("TOKEN_EXPIRED")),
        ("not yet valid", claims(json!({"nbf": now + 200})), invalid("TOKEN_INVALID")),
        ("issued in the future", claims(json!({"iat": now + 200})), invalid("TOKEN_INVALID")),
        ("no expiry", claims(json!({"exp": null})), invalid("TOKEN_INVALID")),
        ("another audience", claims(json!({"aud": "other"})), invalid("TOKEN_INVALID")),
        ("another issuer", claims(json!({"iss": "https://evil.example"})), invalid("TOKEN_INVALID")),
        ("no subject", claims(json!({"sub": null})), invalid("TOKEN_INVALID")),
        ("unverified address", claims(json!({"email_verified": false})), invalid("TOKEN_INVALID")),
        ("no role", claims(json!({"groups": ["others"]})), unmapped),
        ("no algorithm", header(json!({"alg": "none"})), invalid("TOKEN_INVALID")),
        ("a shared secret", header(json!({"alg": "HS256"})), invalid("TOKEN_INVALID")),
        ("an algorithm that is not configured", header(json!({"alg": "EdDSA"})), invalid("TOKEN_INVALID")),
        ("no key id", header(json!({"kid": null})), invalid("TOKEN_INVALID")),
        ("another type", header(json!({"typ": "logout+jwt"})), invalid("TOKEN_INVALID")),
        ("no signature", format!("{unsigned}."), invalid("TOKEN_INVALID")),
        ("a changed signature", format!("{unsigned}.{}", "A".repeat(86)), invalid("TOKEN_INVALID")),
    ] {
        assert_eq!(caller(&lab, &token).await, expected, "{what}");
    }
    // Keys in the header are not read: this one is signed by somebody else, who says how to verify it.
    let stranger = Issuer::start().await;
    let header = json!({"kid": "first", "jku": format!("{}/keys", stranger.url), "jwk": {"kty": "EC"}});
    assert_eq!(caller(&lab, &stranger.sign_as(&header, &good)).await, invalid("TOKEN_INVALID"));
    assert_eq!(stranger.reads(), 0);
    // Our own tokens work beside the provider's.
    assert!(caller(&lab, &lab.database.token("default", "viewer").await).await.is_ok());
}

#[tokio::test]
async fn keys_rotate_and_unknown_ones_cause_few_reads() {
    let (issuer, lab, _dir) = stage().await;
    let began = Instant::now();
    assert!(caller(&lab, &issuer.sign(&issuer.claims(300))).await.is_ok());
    let flood = (0..300).map(|number| {
        let token = issuer.sign_as(&json!({"kid": format!("unknown-{number}")}), &issuer.claims(300));
        let lab = &lab;
        async move { caller(lab, &token).await }
    });
    let refused = futures::future::join_all(flood).await;
    assert!(refused.iter().all(|it| *it == Err((Code::Unauthenticated, "TOKEN_INVALID".to_owned()))), "{refused:?}");
    // One read, and one more in each interval of two seconds.
    let most = 2 + usize::try_from(began.elapsed().as_secs() / 2).unwrap();
    assert!((1..=most).contains(&issuer.reads()), "{} reads, at most {most} expected", issuer.reads());

    issuer.rotate();
    let new = issuer.sign(&issuer.claims(300));
    let began = Instant::now();
    while caller(&lab, &new).await.is_err() {
        assert!(began.elapsed() < PATIENCE, "the new key is not used");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // While the provider is down, what is known stays valid; what is unknown is refused.
    issuer.set_down(true);
    let reads = issuer.reads();
    issuer.rotate();
    let unknown = issuer.sign(&issuer.claims(300));
    let began = Instant::now();
    while issuer.reads() == reads {
        assert!(began.elapsed() < PATIENCE, "the keys are not read again");
        assert_eq!(caller(&lab, &unknown).await, Err((Code::Unauthenticated, "TOKEN_INVALID".to_owned())));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(caller(&lab, &new).await.is_ok());
}

#[tokio::test]
async fn caller_that_gives_up_does_not_stop_the_read_of_the_keys() {
    let (issuer, lab, _dir) = stage().await;
    issuer.set_delay(Duration::from_secs(1));
    let token = issuer.sign(&issuer.claims(300));
    let mut hasty = tonic::Request::new(GetOverviewRequest::default());
    hasty.set_timeout(Duration::from_millis(100));
    let ended = Api::connect(lab.server.address(), &token).platform.clone().get_overview(hasty).await.unwrap_err();
    assert!(matches!(ended.code(), Code::DeadlineExceeded | Code::Cancelled), "{ended:?}");

    // It waits for the read in progress; within the interval there is no other one.
    assert!(caller(&lab, &token).await.is_ok());
    assert_eq!(issuer.reads(), 1);
}

#[tokio::test]
async fn provider_that_is_away_at_first_is_found_later() {
    let (issuer, lab, _dir) = stage().await;
    issuer.set_down(true);
    let token = issuer.sign(&issuer.claims(300));
    let away = Err((Code::Unavailable, "IDENTITY_PROVIDER_UNAVAILABLE".to_owned()));
    assert_eq!(caller(&lab, &token).await, away);
    assert!(caller(&lab, &lab.database.token("default", "viewer").await).await.is_ok(), "tokens do not need it");
    issuer.set_down(false);
    let began = Instant::now();
    while caller(&lab, &token).await.is_err() {
        assert!(began.elapsed() < PATIENCE, "the provider is not asked again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn watches_end_when_the_token_expires() {
    let (issuer, lab, _dir) = stage().await;
    Writer::new(&lab.database.url, 2).ready("tea", "default").await;
    let long = Api::connect(lab.server.address(), &issuer.sign(&issuer.claims(300)));
    assert!(long.get("tea").await.is_ok());
    let short = Api::connect(lab.server.address(), &issuer.sign(&issuer.claims(20)));
    let watch = WatchStoreRequest { store_id: "tea".into(), ..WatchStoreRequest::default() };
    let one = short.stores.clone().watch_store(watch).await.unwrap().into_inner();
    let all = short.stores.clone().watch_stores(WatchStoresRequest::default()).await.unwrap().into_inner();
    for status in [end(one).await, end(all).await] {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "TOKEN_EXPIRED"), "{status:?}");
    }
    assert!(long.get("tea").await.is_ok());
}

#[tokio::test]
async fn role_and_tenant_of_the_claims_hold_and_the_actor_is_audited() {
    let (issuer, lab, _dir) = stage().await;
    let viewer =
        issuer.sign(&with(&issuer.claims(300), &json!({"groups": ["shop-viewers"], "email": "bob@example.com"})));
    let api = Api::connect(lab.server.address(), &viewer);
    let denied = api.create(Api::wanted("oidc-denied")).await.unwrap_err();
    assert_eq!((denied.code(), reason(&denied).as_str()), (Code::PermissionDenied, "PERMISSION_DENIED"));
    let operator = Api::connect(lab.server.address(), &issuer.sign(&issuer.claims(300)));
    operator.create(Api::wanted("oidc-made")).await.unwrap();
    let events = lab.api.audit.clone().list_audit_events(ListAuditEventsRequest::default()).await.unwrap().into_inner();
    let by_users = events.audit_events.iter().filter(|event| event.actor.starts_with("oidc"));
    let mut actors: Vec<_> = by_users.map(|event| (event.actor.as_str(), event.target.as_str())).collect();
    actors.sort_unstable();
    assert_eq!(actors, [("oidc:alice@example.com", "oidc-made"), ("oidc:bob@example.com", "oidc-denied")]);
}
