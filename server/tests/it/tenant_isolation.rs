//! Nothing that one tenant does changes what another one sees: neither its answers nor the time that they take.

use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DynamicMessage, MethodDescriptor, ReflectMessage as _, Value};
use storeplane_core::identity::{Role, needed};
use storeplane_proto::v1::{
    AbortRolloutRequest, CreateRolloutRequest, CreateTokenRequest, DeleteStoreRequest, GetOperationRequest,
    RevokeTokenRequest, Rollout, RolloutTarget, RolloutWindow,
};
use tonic::{Code, Status};

use crate::grpc_raw::edge;
use crate::harness::{Api, Lab, Write, Writer, print_line};
use crate::roles::{call, channel, methods, path, request};

/// What does not depend on other tenants, but changes: the state of this server's dependencies, when the reader's own token was last used, and
/// how many streams it has open.
const OF_THE_SERVER: [&str; 3] = ["dependencies", "last_use_time", "limits"];

/// RPCs that are named like reads and recorded in the audit log, which the test reads too.
const RECORDED: [&str; 3] = ["GetStoreCredentials", "GetStoreLogs", "VerifyDomain"];

/// Lists that are not limited to a store.
const OF_ALL_STORES: [&str; 2] = ["ListOperations", "ListBackups"];

/// The RPCs that change nothing and that this role may call.
pub(crate) fn reads(role: Role) -> Vec<MethodDescriptor> {
    let is_read = |name: &str| {
        ["Get", "List", "Watch", "Wait", "Verify"].iter().any(|verb| name.starts_with(verb))
            && !RECORDED.contains(&name)
    };
    let is_permitted = |method: &MethodDescriptor| needed(&path(method)).is_some_and(|needed| role.allows(needed));
    methods().into_iter().filter(|method| is_read(method.name()) && is_permitted(method)).collect()
}

/// A request for what the tenant has, in pages of one row.
fn read_request(method: &MethodDescriptor, ids: &[(&str, String)]) -> Bytes {
    let mut message = DynamicMessage::new(method.input());
    for field in method.input().fields() {
        let value = match field.name() {
            "page_size" => Value::I32(1),
            // Periods of days: none ends while the test runs.
            "window" => {
                let mut window = DynamicMessage::new(field.kind().as_message().unwrap().clone());
                window.set_field_by_name("seconds", Value::I64(90 * 24 * 3600));
                Value::Message(window)
            }
            name if !OF_ALL_STORES.contains(&method.name()) => match ids.iter().find(|(known, _)| *known == name) {
                Some((_, id)) => Value::String(id.clone()),
                None => continue,
            },
            _ => continue,
        };
        message.set_field(&field, value);
    }
    message.encode_to_vec().into()
}

fn without_server(mut message: DynamicMessage) -> DynamicMessage {
    for name in OF_THE_SERVER {
        if message.descriptor().get_field_by_name(name).is_some() {
            message.clear_field_by_name(name);
        }
    }
    let fields: Vec<_> = message.fields().map(|(field, value)| (field, value.clone())).collect();
    for (field, value) in fields {
        match value {
            Value::Message(inner) => message.set_field(&field, Value::Message(without_server(inner))),
            Value::List(items) => {
                let clean = items.into_iter().map(|item| match item {
                    Value::Message(inner) => Value::Message(without_server(inner)),
                    other => other,
                });
                message.set_field(&field, Value::List(clean.collect()));
            }
            _ => {}
        }
    }
    message
}

/// The messages of an answer, or its error. Compared as messages: the order of a map's entries on the wire is arbitrary.
pub(crate) type Answer = Result<Vec<DynamicMessage>, (Code, String)>;

/// All that a caller can read, by RPC.
pub(crate) async fn read_all(
    lab: &Lab,
    token: &str,
    methods: &[MethodDescriptor],
    ids: &[(&str, String)],
) -> Vec<(String, Answer)> {
    let channel = &channel(lab);
    let read = methods.iter().map(|method| async move {
        let answer = call(channel.clone(), method, request(token, None, read_request(method, ids))).await;
        let decode = |bytes| without_server(DynamicMessage::decode(method.output(), bytes).unwrap());
        let answer = answer.map(|messages| messages.into_iter().map(decode).collect());
        (method.full_name().to_owned(), answer.map_err(|status| (status.code(), status.message().to_owned())))
    });
    futures::future::join_all(read).await
}

/// A rollout that was aborted before it started a store.
async fn rollout(api: &Api) -> String {
    let in_12_hours = (time::OffsetDateTime::now_utc().hour() + 12) % 24;
    let (start, end) = (format!("{in_12_hours:02}:00"), format!("{in_12_hours:02}:01"));
    let rollout = Rollout {
        filter: "*".into(),
        target: Some(RolloutTarget { reapply: true, ..RolloutTarget::default() }),
        window: Some(RolloutWindow { start, end }),
        ..Rollout::default()
    };
    let request = CreateRolloutRequest { rollout: Some(rollout), ..CreateRolloutRequest::default() };
    let rollout_id = api.rollouts.clone().create_rollout(request).await.unwrap().into_inner().rollout_id;
    let request = AbortRolloutRequest { rollout_id, ..AbortRolloutRequest::default() };
    api.rollouts.clone().abort_rollout(request).await.unwrap().into_inner().rollout_id
}

/// Stores, events, operations, backups, rollouts, tokens, refusals and deletions of a tenant.
async fn simulate_activity(lab: &Lab, writer: &Writer, tenant: &str) {
    let token = lab.database.token(tenant, "admin").await;
    let (api, viewer) = (
        Api::connect(lab.server.address(), &token),
        Api::connect(lab.server.address(), &lab.database.token(tenant, "viewer").await),
    );
    for store in ["tea", "coffee"] {
        writer.ready(store, tenant).await;
        writer.write(tenant, store, &Write::of(5)).await.unwrap();
    }
    rollout(&api).await;
    // The same id as a store of the other tenant.
    let cocoa = api.create(Api::wanted("cocoa")).await.unwrap();
    lab.database.backup(&cocoa.uid).await;
    assert_eq!(viewer.delete("cocoa").await.unwrap_err().code(), Code::PermissionDenied);
    writer.delete(tenant, "tea").await;
    let named = CreateTokenRequest { name: "ci".into(), role: "viewer".into(), ..CreateTokenRequest::default() };
    let made = api.tokens.clone().create_token(named).await.unwrap().into_inner().token.unwrap();
    api.tokens
        .clone()
        .revoke_token(RevokeTokenRequest { token_id: made.token_id, ..Default::default() })
        .await
        .unwrap();
}

#[tokio::test]
async fn other_tenants_activity_changes_no_answer() {
    let lab = edge().await;
    let writer = Writer::new(&lab.database.url, 2);
    let token = lab.database.token("default", "admin").await;
    for store in ["cocoa", "mate"] {
        writer.ready(store, "default").await;
        writer.write("default", store, &Write::of(3)).await.unwrap();
    }
    let cocoa = lab.api.get("cocoa").await.unwrap();
    let backup = lab.database.backup(&cocoa.uid).await;
    let issued = lab.database.value("SELECT min(id::text) FROM tokens WHERE tenant = 'default'").await;
    let ids = [
        ("store_id", cocoa.store_id),
        ("operation_id", cocoa.operation),
        ("backup_id", backup),
        ("rollout_id", rollout(&lab.api).await),
        ("token_id", issued),
    ];

    let methods = reads(Role::Admin);
    let before = read_all(&lab, &token, &methods, &ids).await;
    simulate_activity(&lab, &writer, "acme").await;
    let after = read_all(&lab, &token, &methods, &ids).await;

    let answered = before.iter().filter(|(_, answer)| answer.is_ok()).count();
    assert!(answered >= 18, "{before:#?}");
    for ((rpc, before), (_, after)) in before.iter().zip(&after) {
        assert!(before == after, "{rpc}: {before:?} became {after:?}");
    }
}

/// Calls of each kind; `STOREPLANE_TIMING_CALLS` sets another number.
const CALLS: usize = 500;

/// Two kinds of answers, whose times are compared.
#[derive(Default)]
struct Times {
    of_others: Vec<f64>,
    of_nobody: Vec<f64>,
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The mean of the middle nine tenths, and the square of its standard error: a few calls wait for something else.
fn trimmed(times: &[f64]) -> (f64, f64) {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = &sorted[sorted.len() / 20..sorted.len() - sorted.len() / 20];
    let count = f64::from(u32::try_from(middle.len()).unwrap());
    let mean = middle.iter().sum::<f64>() / count;
    let variance = middle.iter().map(|time| (time - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, variance / count)
}

impl Times {
    fn print(&self, rpc: &str) {
        let ((others, e1), (nobody, e2)) = (trimmed(&self.of_others), trimmed(&self.of_nobody));
        print_line(&format!(
            "{rpc:15} | {:5} calls of each | medians {:.3} and {:.3} ms, ratio {:.3} | difference of means {:+.4} ms, {:+.1} standard errors",
            self.of_others.len(),
            median(&self.of_others),
            median(&self.of_nobody),
            median(&self.of_others) / median(&self.of_nobody),
            others - nobody,
            (others - nobody) / (e1 + e2).sqrt()
        ));
    }
}

/// Asks for what exists in another tenant and for what does not exist, in turns.
async fn compare<T: std::fmt::Debug>(rpc: &str, ids: (&str, &str), call: impl AsyncFn(&str) -> Result<T, Status>) {
    let calls = std::env::var("STOREPLANE_TIMING_CALLS").map_or(CALLS, |calls| calls.parse().unwrap());
    let mut times = Times::default();
    let words = |status: &Status, id: &str| (status.code(), status.message().replace(id, "ID"));
    for round in 0..calls + 20 {
        let mut answers = Vec::new();
        // The order changes, so that neither kind always follows the other.
        let order = if round % 2 == 0 { [(ids.0, true), (ids.1, false)] } else { [(ids.1, false), (ids.0, true)] };
        for (id, exists) in order {
            let began = Instant::now();
            let status = call(id).await.expect_err("it is not found");
            let elapsed = began.elapsed().as_secs_f64() * 1000.0;
            answers.push(words(&status, id));
            assert_eq!(status.code(), Code::NotFound, "{rpc}: {status:?}");
            // The first calls fill caches.
            if round >= 20 {
                if exists { times.of_others.push(elapsed) } else { times.of_nobody.push(elapsed) }
            }
        }
        assert_eq!(answers[0], answers[1], "{rpc}");
    }
    times.print(rpc);
}

/// Prints whether the time of an answer tells that another tenant has something by that name.
#[tokio::test]
async fn not_found_is_the_same_for_what_others_have_and_for_what_does_not_exist() {
    let lab = edge().await;
    let writer = Writer::new(&lab.database.url, 2);
    for store in ["cocoa", "mate"] {
        writer.ready(store, "acme").await;
        writer.write("acme", store, &Write::of(50)).await.unwrap();
    }
    writer.ready("tea", "default").await;
    let acme = Api::connect(lab.server.address(), &lab.database.token("acme", "admin").await);
    let operation = acme.get("cocoa").await.unwrap().operation;
    let nothing = uuid::Uuid::now_v7().to_string();
    // Retention, statistics and first connections are over.
    tokio::time::sleep(Duration::from_millis(500)).await;

    let api = &lab.api;
    compare("GetStore", ("cocoa", "mocha"), async |id: &str| api.get(id).await).await;
    compare("DeleteStore", ("cocoa", "mocha"), async |id: &str| {
        let request = DeleteStoreRequest { store_id: id.to_owned(), ..DeleteStoreRequest::default() };
        api.stores.clone().delete_store(request).await
    })
    .await;
    compare("GetOperation", (&operation, &nothing), async |id: &str| {
        let request = GetOperationRequest { operation_id: id.to_owned() };
        api.operations.clone().get_operation(request).await
    })
    .await;
    assert_eq!(acme.get("cocoa").await.unwrap().store_id, "cocoa");
}
