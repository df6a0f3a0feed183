//! A token that is limited to some stores: of the others it sees nothing, whatever it calls and whatever happens to them.

mod token;

use prost_reflect::DynamicMessage;
use storeplane_core::identity::{Role, needed};
use storeplane_proto::v1::watch_store_response::Update as OneUpdate;
use storeplane_proto::v1::watch_stores_response::Update as AllUpdate;
use storeplane_proto::v1::{
    CancelOperationRequest, CreateStoreRequest, CreateTokenRequest, DeleteStoreRequest, ListOperationsRequest,
    ListStoresRequest, Store, Tenant, TenantQuotas, Token, UpdateTenantRequest, WatchStoreRequest, WatchStoresRequest,
    WatchStoresResponse,
};
use tonic::{Code, Streaming};

use crate::grpc_raw::{edge, edge_with_backups};
use crate::harness::{Api, Lab, Write, Writer, fields, reason};
use crate::roles::{Target, call, channel, harmless, methods, names_target, path, request, words};
use crate::tenant_isolation::{Answer, read_all, reads};

const TENANT: &str = "default";
/// In the scope of [`scoped`].
const INSIDE: [&str; 3] = ["tea", "shop-1", "shop-berlin"];
/// Not in it, although their ids are like those that are.
const OUTSIDE: [&str; 4] = ["teapot", "shop", "shops", "my-shop-1"];

/// A token for the stores `tea` and `not-yet` and those that begin with `shop-`.
async fn scoped(lab: &Lab, name: &str, role: &str) -> (Token, String) {
    let wanted = CreateTokenRequest {
        name: name.into(),
        role: role.into(),
        store_ids: vec!["tea".into(), "not-yet".into(), "tea".into()],
        store_id_prefix: "shop-".into(),
        ..CreateTokenRequest::default()
    };
    let created = lab.api.tokens.clone().create_token(wanted).await.unwrap().into_inner();
    (created.token.unwrap(), created.secret)
}

async fn stores(writer: &Writer, ids: &[&str]) {
    for id in ids {
        writer.ready(id, TENANT).await;
        writer.write(TENANT, id, &Write::of(3)).await.unwrap();
    }
}

/// What differs between a limited token and one that is not, if the tenant has only stores of the scope: the texts that are sealed for
/// their access, the figures of the tenant's quotas, and themselves.
fn comparable(answers: Vec<(String, Answer)>) -> Vec<(String, Answer)> {
    fn clean(message: &mut DynamicMessage) {
        for name in ["next_page_token", "cursor", "quotas", "caller"] {
            message.clear_field_by_name(name);
        }
    }
    let each = answers.into_iter().map(|(rpc, answer)| {
        let answer = answer.map(|mut messages| {
            messages.iter_mut().for_each(clean);
            messages
        });
        (rpc, answer)
    });
    each.collect()
}

/// Stores, events, operations, backups, refusals and deletions outside of the scope.
async fn simulate_activity(lab: &Lab, writer: &Writer) {
    stores(writer, &OUTSIDE).await;
    writer.operate(TENANT, "teapot").await;
    writer.fail(TENANT, "shop").await;
    writer.delete(TENANT, "shops").await;
    lab.database.backup(&lab.api.get("teapot").await.unwrap().uid).await;
    lab.api.create(Api::wanted("other")).await.unwrap();
    lab.api.delete("my-shop-1").await.unwrap();
}

/// A quota of the tenant whose use would tell how many stores it has.
async fn limit_totals(lab: &Lab) {
    let platform = Api::connect(lab.server.address(), &lab.database.token(TENANT, "platform_admin").await);
    let quotas = TenantQuotas { cpu: "1000".into(), ..TenantQuotas::default() };
    let tenant = Some(Tenant { quotas: Some(quotas), ..Tenant::default() });
    let update = UpdateTenantRequest { tenant_id: TENANT.into(), tenant, ..UpdateTenantRequest::default() };
    platform.tenants.clone().update_tenant(update).await.unwrap();
}

#[tokio::test]
async fn activity_outside_of_a_scope_changes_no_answer() {
    let lab = edge_with_backups().await;
    let writer = Writer::new(&lab.database.url, 2);
    stores(&writer, &INSIDE).await;
    limit_totals(&lab).await;
    let (_, limited) = scoped(&lab, "limited", "operator").await;
    let whole = lab.database.token(TENANT, "operator").await;
    let tea = lab.api.get("tea").await.unwrap();
    let backup = lab.database.backup(&tea.uid).await;
    // The server would do it some time between the answers, because no operation makes the backup.
    lab.database.execute("UPDATE backups SET state = 'FAILED'").await;
    let ids = [("store_id", tea.store_id), ("operation_id", tea.operation), ("backup_id", backup)];
    let mut methods = reads(Role::Operator);
    // Limited tokens cannot use rollouts.
    methods.retain(|method| method.parent_service().name() != "RolloutService");

    let before = read_all(&lab, &limited, &methods, &ids).await;
    let everything = read_all(&lab, &whole, &methods, &ids).await;
    assert_eq!(comparable(before.clone()), comparable(everything), "as if the tenant had only these stores");
    simulate_activity(&lab, &writer).await;
    let after = read_all(&lab, &limited, &methods, &ids).await;

    let answered = before.iter().filter(|(_, answer)| answer.is_ok()).count();
    assert!(answered >= 9, "{before:#?}");
    for ((rpc, before), (_, after)) in before.iter().zip(&after) {
        assert!(before == after, "{rpc}: {before:?} became {after:?}");
    }
    pages_show_the_scope_only(&lab, &limited, &whole).await;
    equal_requests_at_once_are_answered_apart(&lab, &limited, &whole).await;
}

/// Answers are shared between equal requests, but not with a caller that sees less.
async fn equal_requests_at_once_are_answered_apart(lab: &Lab, limited: &str, whole: &str) {
    let apis = [whole, limited, whole].map(|secret| Api::connect(lab.server.address(), secret));
    for _ in 0..20 {
        let listed = apis.iter().map(|api| async {
            api.stores.clone().list_stores(ListStoresRequest::default()).await.unwrap().into_inner().total_size
        });
        let totals = futures::future::join_all(listed).await;
        assert!(totals[1] == 3 && totals[0] > 3 && totals[2] > 3, "{totals:?}");
    }
}

/// All pages of the lists, and the figures of the overview. A page token is of no use to others.
async fn pages_show_the_scope_only(lab: &Lab, limited: &str, whole: &str) {
    let (api, whole) = (Api::connect(lab.server.address(), limited), Api::connect(lab.server.address(), whole));
    let (mut seen, mut tokens) = (Vec::new(), vec![String::new()]);
    while let Some(page_token) = tokens.last().filter(|token| seen.is_empty() || !token.is_empty()) {
        let request = ListStoresRequest {
            page_size: 1,
            order_by: "store_id".into(),
            page_token: page_token.clone(),
            ..ListStoresRequest::default()
        };
        let page = api.stores.clone().list_stores(request).await.unwrap().into_inner();
        assert_eq!(page.total_size, 3);
        seen.extend(page.stores.into_iter().map(|store| store.store_id));
        tokens.push(page.next_page_token);
    }
    assert_eq!(seen, ["shop-1", "shop-berlin", "tea"]);
    let stolen = ListStoresRequest {
        page_size: 1,
        order_by: "store_id".into(),
        page_token: tokens[1].clone(),
        ..ListStoresRequest::default()
    };
    let status = whole.stores.clone().list_stores(stolen).await.unwrap_err();
    assert_eq!((status.code(), fields(&status)), (Code::InvalidArgument, vec!["page_token".to_owned()]));

    let operations = api.operations.clone().list_operations(ListOperationsRequest::default()).await.unwrap();
    let mut stores: Vec<_> = operations.into_inner().operations.into_iter().map(|it| it.store_id).collect();
    stores.sort();
    assert_eq!(stores, seen);
    let of_other = ListOperationsRequest { store_id: "teapot".into(), ..ListOperationsRequest::default() };
    let found = api.operations.clone().list_operations(of_other).await.unwrap().into_inner();
    assert!(found.operations.is_empty() && found.next_page_token.is_empty());
    let deleted = ListStoresRequest { filter: "state = DELETED".into(), ..ListStoresRequest::default() };
    let deleted = api.stores.clone().list_stores(deleted).await.unwrap().into_inner();
    assert_eq!((deleted.stores.len(), deleted.total_size), (0, 0));
    let overview = api.platform.clone().get_overview(storeplane_proto::v1::GetOverviewRequest::default()).await;
    let overview = overview.unwrap().into_inner();
    assert_eq!(overview.states.iter().map(|state| state.count).sum::<i64>(), 3);
    let whole = whole.platform.clone().get_overview(storeplane_proto::v1::GetOverviewRequest::default()).await;
    assert!(whole.unwrap().into_inner().quotas.iter().any(|quota| quota.name == "cpu"), "there is one to be hidden");
    let totals = ["stores", "cpu", "memory", "storage"];
    assert!(overview.quotas.iter().all(|quota| !totals.contains(&quota.name.as_str())), "{:?}", overview.quotas);
    assert!(overview.recent_events.iter().all(|event| INSIDE.contains(&event.store_id.as_str())));
}

/// A store outside of the scope, one of no tenant, and one that would be in the scope: every RPC has the same words.
#[tokio::test]
async fn store_outside_of_the_scope_does_not_exist_for_any_rpc() {
    let lab = edge_with_backups().await;
    let writer = Writer::new(&lab.database.url, 2);
    stores(&writer, &["tea", "teapot"]).await;
    let target = async |store: Store| Target {
        tenant: Some(TENANT),
        backup_id: lab.database.backup(&store.uid).await,
        store_id: store.store_id,
        operation_id: store.operation,
        uid: store.uid,
    };
    let nobodys = |store_id: &str| Target {
        tenant: None,
        store_id: store_id.into(),
        operation_id: uuid::Uuid::now_v7().to_string(),
        backup_id: uuid::Uuid::now_v7().to_string(),
        uid: uuid::Uuid::now_v7().to_string(),
    };
    let inside = target(lab.api.get("tea").await.unwrap()).await;
    let targets = [target(lab.api.get("teapot").await.unwrap()).await, nobodys("never"), nobodys("shop-never")];
    let mut walked = 0;
    for (name, role) in [("limited", Role::Operator), ("limited viewer", Role::Viewer)] {
        let (_, secret) = scoped(&lab, name, role.as_str()).await;
        let permitted = |method: &_| needed(&path(method)).is_some_and(|needed| role.allows(needed));
        let methods = methods().into_iter().filter(names_target).filter(permitted);
        // Once by id, and once by id and uid.
        for (method, with_uid) in methods.flat_map(|method| [(method.clone(), false), (method, true)]) {
            let answer = async |target: &Target| {
                let message = harmless(&method, target, with_uid);
                call(channel(&lab), &method, request(&secret, None, message)).await
            };
            let mut refusals = Vec::new();
            for target in &targets {
                let status = answer(target).await.expect_err(method.full_name());
                assert_eq!(status.code(), Code::NotFound, "{}: {status:?}", method.full_name());
                refusals.push(words(&status, target));
            }
            assert!(refusals.windows(2).all(|pair| pair[0] == pair[1]), "{}: {refusals:#?}", method.full_name());
            // That store has no such domain.
            let refusal = answer(&inside).await.err().filter(|status| reason(status) != "DOMAIN_NOT_FOUND");
            assert_ne!(refusal.map(|status| status.code()), Some(Code::NotFound), "{}", method.full_name());
            walked += 1;
        }
    }
    assert!(walked >= 42, "{walked}");
    let after = lab.api.get("teapot").await.unwrap();
    assert_eq!(after.operation, targets[0].operation_id, "nothing was changed");
    creations_stay_in_the_scope(&lab).await;
    repeated_requests_show_nothing_outside(&lab).await;
}

async fn creations_stay_in_the_scope(lab: &Lab) {
    let (_, secret) = scoped(lab, "creator", "operator").await;
    let api = Api::connect(lab.server.address(), &secret);
    let mut refusals = Vec::new();
    for id in ["teapot", "never"] {
        let status = api.create(Api::wanted(id)).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "STORE_OUTSIDE_SCOPE"));
        refusals.push(status.message().replace(id, "STORE"));
        let wanted = CreateStoreRequest { validate_only: true, ..Api::wanted(id) };
        assert_eq!(reason(&api.create(wanted).await.unwrap_err()), "STORE_OUTSIDE_SCOPE");
    }
    assert_eq!(refusals[0], refusals[1], "whether it exists");
    let denied = "SELECT string_agg(actor || ' ' || target, ', ' ORDER BY target) FROM audit_events
        WHERE outcome = 'DENIED' AND reason = 'STORE_OUTSIDE_SCOPE'";
    assert_eq!(lab.database.value(denied).await, "creator never, creator teapot");
    let generated = api.create(Api::wanted("")).await.unwrap().store_id;
    assert!(generated.starts_with("shop-test-s-hne-"), "{generated}");
    assert_eq!(api.get(&generated).await.unwrap().store_id, generated);

    let wanted = CreateTokenRequest {
        name: "without a prefix".into(),
        role: "operator".into(),
        store_ids: vec!["mate".into()],
        ..CreateTokenRequest::default()
    };
    let created = lab.api.tokens.clone().create_token(wanted).await.unwrap().into_inner();
    let api = Api::connect(lab.server.address(), &created.secret);
    assert_eq!(fields(&api.create(Api::wanted("")).await.unwrap_err()), ["store_id"]);
    assert_eq!(api.create(Api::wanted("mate")).await.unwrap().store_id, "mate");
}

/// With the request id of somebody who sees more.
async fn repeated_requests_show_nothing_outside(lab: &Lab) {
    let (_, secret) = scoped(lab, "repeater", "operator").await;
    let api = Api::connect(lab.server.address(), &secret);
    let request_id = || uuid::Uuid::now_v7().to_string();

    let wanted = CreateStoreRequest { request_id: request_id(), ..Api::wanted("") };
    let created = lab.api.create(wanted.clone()).await.unwrap();
    assert_eq!(lab.api.create(wanted.clone()).await.unwrap().uid, created.uid);
    let status = api.create(wanted).await.unwrap_err();
    assert_eq!(reason(&status), "REQUEST_ID_REUSED", "{status:?}");

    let cancel = CancelOperationRequest {
        operation_id: created.operation.clone(),
        request_id: request_id(),
        ..CancelOperationRequest::default()
    };
    lab.api.operations.clone().cancel_operation(cancel.clone()).await.unwrap();
    lab.api.operations.clone().cancel_operation(cancel.clone()).await.unwrap();
    let repeated = api.operations.clone().cancel_operation(cancel).await.unwrap_err();
    let never = CancelOperationRequest { operation_id: request_id(), ..CancelOperationRequest::default() };
    let unknown = api.operations.clone().cancel_operation(never.clone()).await.unwrap_err();
    let neutral = |text: &str, id: &str| text.replace(id, "OPERATION");
    assert_eq!(
        (repeated.code(), neutral(repeated.message(), &created.operation)),
        (unknown.code(), neutral(unknown.message(), &never.operation_id))
    );

    let delete =
        DeleteStoreRequest { store_id: created.store_id, request_id: request_id(), ..DeleteStoreRequest::default() };
    lab.api.stores.clone().delete_store(delete.clone()).await.unwrap();
    assert_eq!(api.stores.clone().delete_store(delete).await.unwrap_err().code(), Code::NotFound);
}

/// Until the watch has caught up; from then on its events come from the hub and not from a query.
async fn caught_up(watch: &mut Streaming<WatchStoresResponse>) -> String {
    loop {
        let message = watch.message().await.unwrap().unwrap();
        if matches!(message.update, Some(AllUpdate::CaughtUp(_))) {
            return message.cursor;
        }
    }
}

#[tokio::test]
async fn live_watches_deliver_no_event_from_outside() {
    let lab = edge().await;
    let writer = Writer::new(&lab.database.url, 2);
    stores(&writer, &["tea", "teapot"]).await;
    let (_, secret) = scoped(&lab, "limited", "viewer").await;
    let api = Api::connect(lab.server.address(), &secret);
    let mut all = api.stores.clone().watch_stores(WatchStoresRequest::default()).await.unwrap().into_inner();
    let cursor = caught_up(&mut all).await;
    let one = WatchStoreRequest { store_id: "tea".into(), ..WatchStoreRequest::default() };
    let mut one = api.stores.clone().watch_store(one).await.unwrap().into_inner();
    while !matches!(one.message().await.unwrap().unwrap().update, Some(OneUpdate::CaughtUp(_))) {}

    // The second store comes into being while the watch is open; the last event shows that the others would have come before.
    stores(&writer, &["other"]).await;
    for id in ["teapot", "tea"] {
        writer.write(TENANT, id, &Write::of(2)).await.unwrap();
    }
    writer.delete(TENANT, "teapot").await;
    // Its id is used again.
    stores(&writer, &["shop-2"]).await;
    writer.delete(TENANT, "shop-2").await;
    stores(&writer, &["shop-2"]).await;
    writer.write(TENANT, "tea", &Write::of(1)).await.unwrap();

    let (mut seen, mut of_tea) = (Vec::new(), Vec::new());
    while seen.last().is_none_or(|(id, sequence)| (id, *sequence) != (&"tea".to_owned(), 7)) {
        if let Some(AllUpdate::Event(event)) = all.message().await.unwrap().unwrap().update {
            seen.push((event.store_id, event.sequence));
        }
    }
    let of = |id: &str, sequences: std::ops::RangeInclusive<i64>| -> Vec<_> {
        sequences.map(|sequence| (id.to_owned(), sequence)).collect()
    };
    let expected = [of("tea", 5..=6), of("shop-2", 1..=6), of("shop-2", 1..=4), of("tea", 7..=7)].concat();
    assert_eq!(seen, expected);
    while of_tea.last() != Some(&7) {
        if let Some(OneUpdate::Event(event)) = one.message().await.unwrap().unwrap().update {
            of_tea.push(event.sequence);
        }
    }
    assert_eq!(of_tea, [5, 6, 7]);

    // The same from the table, and with nobody else's cursor.
    let resume = |cursor: &str| WatchStoresRequest { cursor: cursor.to_owned(), ..WatchStoresRequest::default() };
    let mut resumed = api.stores.clone().watch_stores(resume(&cursor)).await.unwrap().into_inner();
    let mut again = Vec::new();
    while again.len() < expected.len() {
        if let Some(AllUpdate::Event(event)) = resumed.message().await.unwrap().unwrap().update {
            again.push((event.store_id, event.sequence));
        }
    }
    assert_eq!(again, expected);
    let status = lab.api.stores.clone().watch_stores(resume(&cursor)).await.unwrap_err();
    assert_eq!((status.code(), fields(&status)), (Code::InvalidArgument, vec!["cursor".to_owned()]));
}
