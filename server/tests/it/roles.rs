//! Every RPC with every role, in the caller's own tenant, in another one, and without naming one.

#[path = "../../examples/raw/mod.rs"]
mod raw;

use std::collections::HashMap;

use bytes::Bytes;
use futures::StreamExt as _;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value};
use storeplane_core::identity::{PERMISSIONS, Role, needed};
use storeplane_proto::v1::watch_stores_response::Update as AllUpdate;
use storeplane_proto::v1::{ListAuditEventsRequest, Store, WatchStoresRequest};
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Extensions, Request, Status};
use tonic_types::StatusExt as _;

use self::raw::Raw;
use crate::grpc_raw::{edge, edge_with_backups};
use crate::harness::{Api, COUNTED, Lab, Write, Writer, fresh, reason};

const OWN: &str = "default";
const OTHER: &str = "acme";
/// Calls in flight.
const AT_ONCE: usize = 16;
/// Nothing that was admitted ends so.
const FAILURES: [Code; 6] =
    [Code::PermissionDenied, Code::NotFound, Code::Unauthenticated, Code::Unimplemented, Code::Internal, Code::Unknown];

pub(crate) fn channel(lab: &Lab) -> Channel {
    Endpoint::from_shared(format!("http://{}", lab.server.address())).unwrap().connect_lazy()
}

pub(crate) fn request<T>(token: &str, tenant: Option<&str>, message: T) -> Request<T> {
    let mut metadata = MetadataMap::new();
    metadata.insert("authorization", format!("Bearer {token}").parse().unwrap());
    if let Some(tenant) = tenant {
        metadata.insert("storeplane-tenant", tenant.parse().unwrap());
    }
    Request::from_parts(metadata, Extensions::default(), message)
}

pub(crate) fn path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

/// All RPCs.
pub(crate) fn methods() -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(storeplane_proto::FILE_DESCRIPTOR_SET).unwrap();
    let ours = pool.services().filter(|service| service.package_name() == "storeplane.v1");
    ours.flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

/// True if the request names something that must exist.
pub(crate) fn names_target(method: &MethodDescriptor) -> bool {
    let has = |name| method.input().get_field_by_name(name).is_some();
    (has("store_id") || has("operation_id") || has("backup_id"))
        && method.name() != "CreateStore"
        && (!method.name().starts_with("List") || matches!(method.name(), "ListDomains" | "ListStoreRevisions"))
}

/// A request that changes nothing, even if it is admitted: the etag is stale, and the backup is CREATING.
pub(crate) fn harmless(method: &MethodDescriptor, target: &Target, with_uid: bool) -> Bytes {
    let mut message = DynamicMessage::new(method.input());
    for field in method.input().fields() {
        let value = match field.name() {
            // There, it is the id of a new store.
            "store_id" if matches!(method.name(), "CreateStore" | "CopyStore") => continue,
            "store_id" | "source_store_id" => Value::String(target.store_id.clone()),
            "operation_id" => Value::String(target.operation_id.clone()),
            // There, it is only for another schema.
            "backup_id" if method.name() == "RollbackStore" => continue,
            "backup_id" => Value::String(target.backup_id.clone()),
            "uid" | "store_uid" | "source_uid" if with_uid => Value::String(target.uid.clone()),
            // No store has it.
            "domain" => Value::String("shop.example.com".to_owned()),
            "etag" => Value::String("stale".to_owned()),
            "validate_only" => Value::Bool(true),
            "revision" => Value::I32(1),
            "update_mask" => {
                let mut mask = DynamicMessage::new(field.kind().as_message().unwrap().clone());
                mask.set_field_by_name("paths", Value::List(vec![Value::String("deletion_protection".to_owned())]));
                Value::Message(mask)
            }
            // WaitOperation answers at once.
            "timeout" => Value::Message(DynamicMessage::new(field.kind().as_message().unwrap().clone())),
            _ => continue,
        };
        message.set_field(&field, value);
    }
    message.encode_to_vec().into()
}

/// What is asked for, and in which tenant it exists.
pub(crate) struct Target {
    pub(crate) tenant: Option<&'static str>,
    pub(crate) store_id: String,
    pub(crate) operation_id: String,
    pub(crate) backup_id: String,
    pub(crate) uid: String,
}

/// One combination, and the answers to it for each target.
struct Cell {
    method: MethodDescriptor,
    role: Role,
    named: Option<&'static str>,
    answers: Vec<Result<Vec<Bytes>, Status>>,
}

/// The messages of an answer; of a stream, those until it has caught up.
pub(crate) async fn call(
    channel: Channel,
    method: &MethodDescriptor,
    request: Request<Bytes>,
) -> Result<Vec<Bytes>, Status> {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
    let mut stream = grpc.server_streaming(request, path(method).parse().unwrap(), Raw).await?.into_inner();
    let mut messages = Vec::new();
    while let Some(message) = stream.message().await? {
        let read = DynamicMessage::decode(method.output(), message.clone()).unwrap();
        messages.push(message);
        if method.is_server_streaming() && read.has_field_by_name("caught_up") {
            break;
        }
    }
    Ok(messages)
}

/// A status with the requested ids replaced.
pub(crate) fn words(status: &Status, target: &Target) -> (Code, String, String) {
    let neutral = |text: String| {
        let text = text.replace(&target.store_id, "STORE").replace(&target.operation_id, "OPERATION");
        let text = text.replace(&target.backup_id, "BACKUP");
        if target.uid.is_empty() { text } else { text.replace(&target.uid, "UID") }
    };
    let details = neutral(format!("{:?}", status.get_error_details()));
    (status.code(), neutral(status.message().to_owned()), details)
}

/// Checks the answers of a cell against the table of permissions, and returns how many were denied.
fn check(cell: &Cell, targets: &[Target], uids: &HashMap<&str, String>) -> usize {
    let Cell { method, role, named, answers } = cell;
    let case = format!("{} as {} in {named:?}", path(method), role.as_str());
    let least = needed(&path(method)).unwrap_or_else(|| panic!("{case}: no rule"));
    let acts_in = named.unwrap_or(OWN);
    let missing = if !role.allows(least) {
        Some(least)
    } else if acts_in != OWN && !role.allows(Role::PlatformAdmin) {
        Some(Role::PlatformAdmin)
    } else {
        None
    };
    let names_domain = method.input().get_field_by_name("domain").is_some();
    let mut not_found = Vec::new();
    for (target, answer) in targets.iter().zip(answers) {
        match (missing, answer) {
            (Some(missing), answer) => {
                let status = answer.as_ref().expect_err(&case);
                let info = status.get_details_error_info().unwrap_or_else(|| panic!("{case}: {status:?}"));
                assert_eq!(
                    (status.code(), info.reason.as_str()),
                    (Code::PermissionDenied, "PERMISSION_DENIED"),
                    "{case}"
                );
                assert_eq!(info.metadata["needed"], missing.as_str(), "{case}");
            }
            (None, Err(status)) if names_target(method) && target.tenant != Some(acts_in) => {
                assert_eq!(status.code(), Code::NotFound, "{case}: {status:?}");
                not_found.push(words(status, target));
            }
            (None, Ok(_)) if names_target(method) && target.tenant != Some(acts_in) => {
                panic!("{case}: found {:?}'s", target.tenant)
            }
            // The store was found; it has no such domain.
            (None, Err(status)) if names_domain && reason(status) == "DOMAIN_NOT_FOUND" => {}
            (None, Err(status)) => assert!(!FAILURES.contains(&status.code()), "{case}: {status:?}"),
            (None, Ok(messages)) => {
                let foreign = uids.iter().filter(|(tenant, _)| **tenant != acts_in).map(|(_, uid)| uid.as_bytes());
                for uid in foreign {
                    let found = messages.iter().any(|bytes| bytes.windows(uid.len()).any(|part| part == uid));
                    assert!(!found, "{case}: the answer has another tenant's store");
                }
            }
        }
    }
    assert!(not_found.windows(2).all(|pair| pair[0] == pair[1]), "{case}: {not_found:#?}");
    assert!(missing.is_some() || !names_target(method) || not_found.len() == 2, "{case}");
    if missing.is_some() { answers.len() } else { 0 }
}

/// A store of another tenant, created by a platform administrator who names the tenant.
async fn created_elsewhere(lab: &Lab, token: &str) -> Store {
    let mut stores = storeplane_proto::v1::store_service_client::StoreServiceClient::new(channel(lab));
    let store = stores.create_store(request(token, Some(OTHER), Api::wanted(&fresh("theirs")))).await.unwrap();
    store.into_inner()
}

/// The answers to every combination of method, role and named tenant.
async fn answers(
    lab: &Lab,
    methods: &[MethodDescriptor],
    tokens: &HashMap<Role, String>,
    targets: &[Target],
) -> Vec<Cell> {
    let channel = &channel(lab);
    let cells = methods.iter().flat_map(|method| {
        let roles = Role::ALL.into_iter();
        roles.flat_map(move |role| [None, Some(OWN), Some(OTHER)].map(|named| (method.clone(), role, named)))
    });
    let cells = futures::stream::iter(cells).map(|(method, role, named)| async move {
        let mut answers = Vec::new();
        for target in targets {
            let message = harmless(&method, target, false);
            answers.push(call(channel.clone(), &method, request(&tokens[&role], named, message)).await);
        }
        Cell { method, role, named, answers }
    });
    cells.buffer_unordered(AT_ONCE).collect().await
}

/// Each denied call has its record, in the caller's own tenant.
async fn denials_are_recorded(lab: &Lab, denied: &HashMap<String, usize>) {
    let mut others: usize = denied.values().sum();
    for (rpc, action) in [
        ("CreateStore", "CREATE_STORE"),
        ("DeleteStore", "DELETE_STORE"),
        ("UpdateStore", "UPDATE_STORE"),
        ("RollbackStore", "ROLLBACK_STORE"),
        ("RetryStore", "RETRY_STORE"),
        ("RestoreStore", "RESTORE_STORE"),
        ("CopyStore", "COPY_STORE"),
        ("UndeleteStore", "UNDELETE_STORE"),
        ("CreateBackup", "CREATE_BACKUP"),
        ("DeleteBackup", "DELETE_BACKUP"),
        ("CreateDomain", "CREATE_DOMAIN"),
        ("VerifyDomain", "VERIFY_DOMAIN"),
        ("DeleteDomain", "DELETE_DOMAIN"),
        ("RotateStoreCredentials", "ROTATE_CREDENTIALS"),
        ("CancelOperation", "CANCEL_OPERATION"),
        ("GetStoreCredentials", "READ_CREDENTIALS"),
        ("GetStoreLogs", "READ_LOGS"),
        ("CreateRollout", "CREATE_ROLLOUT"),
        ("PauseRollout", "PAUSE_ROLLOUT"),
        ("ResumeRollout", "RESUME_ROLLOUT"),
        ("AbortRollout", "ABORT_ROLLOUT"),
        ("CreateTenant", "CREATE_TENANT"),
        ("UpdateTenant", "UPDATE_TENANT"),
        ("SuspendTenant", "SUSPEND_TENANT"),
        ("ResumeTenant", "RESUME_TENANT"),
        ("DeleteTenant", "DELETE_TENANT"),
        ("CreateToken", "CREATE_TOKEN"),
        ("RevokeToken", "REVOKE_TOKEN"),
        ("RotateToken", "ROTATE_TOKEN"),
        ("RevokeSessions", "REVOKE_SESSIONS"),
    ] {
        let recorded = format!(
            "SELECT sum(count) FROM {COUNTED} WHERE outcome = 'DENIED' AND tenant = '{OWN}' AND action = '{action}'"
        );
        assert!(denied[rpc] > 0);
        assert_eq!(lab.database.value(&recorded).await, denied[rpc].to_string(), "{rpc}");
        others -= denied[rpc];
    }
    // Those that change nothing and return no secret.
    let reads = format!("SELECT sum(count) FROM {COUNTED} WHERE outcome = 'DENIED' AND action = 'READ'");
    assert_eq!((lab.database.value(&reads).await, others > 0), (others.to_string(), true));
    let elsewhere = format!("SELECT count(*) FROM audit_events WHERE outcome = 'DENIED' AND tenant <> '{OWN}'");
    assert_eq!(lab.database.value(&elsewhere).await, "0");
}

#[tokio::test]
async fn every_rpc_answers_as_the_table_of_roles_says() {
    let lab = edge_with_backups().await;
    let mut tokens = HashMap::new();
    for role in Role::ALL {
        tokens.insert(role, lab.database.token(OWN, role.as_str()).await);
    }
    let own = lab.api.create(Api::wanted(&fresh("ours"))).await.unwrap();
    let other = created_elsewhere(&lab, &tokens[&Role::PlatformAdmin]).await;
    assert_eq!((own.tenant.as_str(), other.tenant.as_str()), (OWN, OTHER));
    let exists = async |tenant, store: &Store| Target {
        tenant: Some(tenant),
        store_id: store.store_id.clone(),
        operation_id: store.operation.clone(),
        backup_id: lab.database.backup(&store.uid).await,
        uid: String::new(),
    };
    let nobodys = Target {
        tenant: None,
        store_id: fresh("never"),
        operation_id: uuid::Uuid::now_v7().to_string(),
        backup_id: uuid::Uuid::now_v7().to_string(),
        uid: String::new(),
    };
    let targets = [exists(OWN, &own).await, exists(OTHER, &other).await, nobodys];
    let uids = HashMap::from([(OWN, own.uid.clone()), (OTHER, other.uid.clone())]);

    let methods = methods();
    assert_eq!(methods.len(), PERMISSIONS.len());
    let cells = answers(&lab, &methods, &tokens, &targets).await;

    let mut denied: HashMap<String, usize> = HashMap::new();
    for cell in &cells {
        *denied.entry(cell.method.name().to_owned()).or_default() += check(cell, &targets, &uids);
    }
    assert_eq!(cells.len(), methods.len() * Role::ALL.len() * 3);
    denials_are_recorded(&lab, &denied).await;
    for (store, api) in
        [(&own, &lab.api), (&other, &Api::connect(lab.server.address(), &lab.database.token(OTHER, "viewer").await))]
    {
        assert_eq!(api.get(&store.store_id).await.unwrap().etag, store.etag, "nothing was changed");
    }
}

#[tokio::test]
async fn platform_administrator_acts_in_the_tenant_that_it_names() {
    let lab = edge().await;
    let token = lab.database.token(OWN, "platform_admin").await;
    let theirs = created_elsewhere(&lab, &token).await;
    let admin = Api::connect(lab.server.address(), &lab.database.token(OTHER, "admin").await);
    assert_eq!(admin.get(&theirs.store_id).await.unwrap().uid, theirs.uid);
    let created = ListAuditEventsRequest { filter: "action = CREATE_STORE".into(), ..Default::default() };
    let records = admin.audit.clone().list_audit_events(created).await.unwrap().into_inner().audit_events;
    let actors: Vec<_> = records.iter().map(|record| record.actor.as_str()).collect();
    assert_eq!(actors, ["test 1@default"], "the tenant sees who it was");

    let writer = Writer::new(&lab.database.url, 2);
    writer.ready("ours", OWN).await;
    let mut stores = storeplane_proto::v1::store_service_client::StoreServiceClient::new(channel(&lab));
    let from_now = WatchStoresRequest { from_now: true, ..WatchStoresRequest::default() };
    let mut watch = stores.watch_stores(request(&token, Some(OTHER), from_now)).await.unwrap().into_inner();
    // From here on, events come from the hub and not from a query.
    while !matches!(watch.message().await.unwrap().unwrap().update, Some(AllUpdate::CaughtUp(_))) {}
    writer.write(OWN, "ours", &Write::of(1)).await.unwrap();
    writer.ready("second", OTHER).await;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|id| id != "second") {
        if let Some(AllUpdate::Event(event)) = watch.message().await.unwrap().unwrap().update {
            seen.push(event.store_id);
        }
    }
    assert!(!seen.contains(&"ours".to_owned()), "events of the named tenant only: {seen:?}");

    // While a watch in another tenant is open, the same token acts in its own one.
    let own = stores.get_store(request(
        &token,
        None,
        storeplane_proto::v1::GetStoreRequest { store_id: "ours".into(), ..Default::default() },
    ));
    assert_eq!(own.await.unwrap().into_inner().tenant, OWN);
    for malformed in ["ACME", "acme,default", "no--such"] {
        let list = request(&token, Some(malformed), storeplane_proto::v1::ListStoresRequest::default());
        let status = stores.list_stores(list).await.unwrap_err();
        let reason = reason(&status);
        assert_eq!((status.code(), reason.as_str()), (Code::InvalidArgument, "TENANT_MALFORMED"), "{malformed}");
    }
}
