//! The audit log for its readers: pages, filters, and isolation between tenants.

use storeplane_proto::v1::{AuditEvent, AuditOutcome, ListAuditEventsRequest};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::grpc_raw::edge;
use crate::harness::{Api, Lab, fields, fresh};

async fn list(api: &Api, request: ListAuditEventsRequest) -> Result<(Vec<AuditEvent>, String), Status> {
    let page = api.audit.clone().list_audit_events(request).await?.into_inner();
    Ok((page.audit_events, page.next_page_token))
}

async fn filtered(api: &Api, filter: &str) -> Vec<AuditEvent> {
    let request = ListAuditEventsRequest { filter: filter.into(), ..ListAuditEventsRequest::default() };
    list(api, request).await.unwrap().0
}

/// A lab in which one store was created, another was denied to a viewer, and a deletion was rejected.
async fn lab() -> (Lab, String, Api) {
    let lab = edge().await;
    let id = fresh("tea");
    lab.api.create(Api::wanted(&id)).await.unwrap();
    let role = storeplane_core::identity::Role::Auditor;
    let (_, secret) = lab.database.issue("default", role, "looker on").await;
    let viewer = Api::connect(lab.server.address(), &secret);
    assert_eq!(viewer.create(Api::wanted("other")).await.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(lab.api.delete("nobodys").await.unwrap_err().code(), Code::NotFound);
    (lab, id, viewer)
}

#[tokio::test]
async fn records_show_actor_action_and_outcome() {
    let (lab, id, viewer) = lab().await;
    let store = lab.api.get(&id).await.unwrap();

    let events = filtered(&viewer, "").await;

    let recorded: Vec<_> = events
        .iter()
        .map(|event| {
            (event.actor.as_str(), event.action.as_str(), event.outcome().as_str_name(), event.reason.as_str())
        })
        .collect();
    assert_eq!(
        recorded,
        [
            ("test", "DELETE_STORE", "AUDIT_OUTCOME_REJECTED", "STORE_NOT_FOUND"),
            ("looker on", "CREATE_STORE", "AUDIT_OUTCOME_DENIED", "PERMISSION_DENIED"),
            ("test", "CREATE_TOKEN", "AUDIT_OUTCOME_ACCEPTED", ""),
            ("test", "CREATE_STORE", "AUDIT_OUTCOME_ACCEPTED", ""),
            ("test", "CREATE_TOKEN", "AUDIT_OUTCOME_ACCEPTED", ""),
        ]
    );
    let created = &events[3];
    let token = lab.database.value("SELECT id FROM tokens WHERE name = 'test'").await;
    assert_eq!((created.credential_kind.as_str(), &created.credential_id), ("token", &token));
    assert_eq!((created.peer.as_str(), created.sequence, created.tenant.as_str()), ("127.0.0.1", 2, "default"));
    assert!(created.user_agent.starts_with("tonic/") && !created.request_id.is_empty(), "{created:?}");
    let changes: serde_json::Value = serde_json::from_str(&created.changes).unwrap();
    assert_eq!((&changes["after"]["plan"], changes.get("before")), (&serde_json::json!("small"), None), "{changes}");
    assert_eq!((&created.target, &created.store_uid, &created.operation_id), (&id, &store.uid, &store.operation));
    assert_eq!(created.time, store.create_time);
    assert_eq!((events[1].target.as_str(), events[1].store_uid.as_str()), ("other", ""));
    assert!(events.iter().all(|event| event.audit_event_id.parse::<uuid::Uuid>().is_ok()));
}

#[tokio::test]
async fn filter_matches_exactly_what_it_names() {
    let (lab, id, _) = lab().await;
    let uid = lab.api.get(&id).await.unwrap().uid;
    // Makes the store's record an old one.
    lab.database.execute("UPDATE audit_events SET at = '2026-01-31T23:59:59.999999Z' WHERE store IS NOT NULL").await;

    for (filter, expected) in [
        ("actor = test", 4),
        ("actor = \"looker on\"", 1),
        ("actor != test", 1),
        ("outcome = ACCEPTED", 3),
        ("outcome = DENIED OR outcome = REJECTED", 2),
        ("action = CREATE_STORE", 2),
        ("action = CREATE_STORE AND outcome = ACCEPTED", 1),
        ("NOT action = CREATE_TOKEN", 3),
        (&format!("target = {id}"), 1),
        (&format!("store_uid = \"{uid}\""), 1),
        (&format!("NOT store_uid = {uid}"), 4),
        ("store_uid = 00000000-0000-0000-0000-000000000000", 0),
        ("time < \"2026-02-01T00:00:00Z\"", 1),
        ("time <= \"2026-02-01T01:00:00+02:00\"", 0),
        ("time >= \"2026-02-01T00:00:00Z\"", 4),
        ("time > \"2026-01-31T23:59:59.999999Z\"", 4),
        ("time = \"2026-01-31T23:59:59.999999Z\"", 1),
        ("LOOKER", 1),
        ("\"looker on\" other", 1),
        ("nobodys", 1),
        ("peer = \"127.0.0.1\"", 3),
        ("peer = \"192.0.2.1\"", 0),
        ("request_id = none", 0),
        ("\"%\"", 0),
        ("action = REPAIR_RELEASE", 0),
    ] {
        let found = filtered(&lab.api, filter).await;
        assert_eq!(found.len(), expected, "{filter}: {found:#?}");
    }
}

#[tokio::test]
async fn pages_neither_repeat_nor_skip_records() {
    let (lab, ..) = lab().await;
    // Several at the same time: the id decides.
    lab.database
        .execute(
            "UPDATE audit_events SET at = '2026-02-01T00:00:00Z' WHERE action = 'CREATE_TOKEN' OR outcome = 'DENIED'",
        )
        .await;
    let all: Vec<_> = filtered(&lab.api, "").await.into_iter().map(|event| event.audit_event_id).collect();
    assert_eq!(all.len(), 5);

    let (mut seen, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let request = ListAuditEventsRequest { page_size: 2, page_token: token, ..ListAuditEventsRequest::default() };
        let (events, next) = list(&lab.api, request).await.unwrap();
        // Records added meanwhile are newer than all following pages.
        lab.api.delete("nobodys").await.unwrap_err();
        seen.extend(events.into_iter().map(|event| event.audit_event_id));
        (token, pages) = (next, pages + 1);
        if token.is_empty() {
            break;
        }
    }

    assert_eq!((seen, pages), (all, 3));
}

#[tokio::test]
async fn invalid_request_reports_all_violations() {
    let (lab, ..) = lab().await;
    let request = |filter: &str, token: &str| ListAuditEventsRequest {
        page_size: 1,
        page_token: token.into(),
        filter: filter.into(),
        platform: false,
    };
    let (_, of_all) = list(&lab.api, request("", "")).await.unwrap();
    assert!(list(&lab.api, request("", &of_all)).await.is_ok());

    let status = list(&lab.api, request("actor = test", &of_all)).await.unwrap_err();
    assert_eq!((status.code(), fields(&status)), (Code::InvalidArgument, vec!["page_token".to_owned()]));

    let bad = ListAuditEventsRequest { page_size: -1, ..request("outcome = MAYBE price = 3 time < soon", "nonsense") };
    let status = list(&lab.api, bad).await.unwrap_err();
    assert_eq!(fields(&status), ["page_size", "filter", "filter", "filter", "page_token"]);

    for filter in
        ["'; DROP TABLE audit_events; --", "time = \"2026-11-31T00:00:00Z\"", "actor > a", "outcome", "(", "a:b"]
    {
        let answer = list(&lab.api, request(filter, "")).await;
        match filter {
            // A bare word that matches nothing.
            "outcome" => assert!(answer.unwrap().0.is_empty()),
            _ => assert!(answer.unwrap_err().get_details_bad_request().is_some(), "{filter}"),
        }
    }
}

#[tokio::test]
async fn other_tenants_records_are_invisible() {
    let (lab, id, _) = lab().await;
    let uid = lab.api.get(&id).await.unwrap().uid;
    let stranger = Api::connect(lab.server.address(), &lab.database.token("acme", "admin").await);

    assert_eq!(filtered(&stranger, &format!("store_uid = {uid} OR target = {id}")).await, []);
    let own = filtered(&stranger, "").await;
    assert_eq!(own.len(), 1, "the record of its own token");
    assert_eq!(own[0].outcome(), AuditOutcome::Accepted);
    let (_, token) = list(&lab.api, ListAuditEventsRequest { page_size: 1, ..Default::default() }).await.unwrap();
    let theirs = ListAuditEventsRequest { page_token: token, ..ListAuditEventsRequest::default() };
    assert_eq!(fields(&list(&stranger, theirs).await.unwrap_err()), ["page_token"]);
}
