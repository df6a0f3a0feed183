//! What the server's account may not do, asked of the real API server: RBAC or the admission policy refuses it.
//! Writes are dry runs, so nothing happens if one is not refused. `scope`: what a server does where its account may not watch all namespaces.

mod attempts;
mod scope;

use std::path::Path;
use std::time::Duration;

use http::{Method, Request, header};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::{ClusterRole, RoleBinding};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::core::Status;
use kube::{Client, Error};
use serde_json::{Value, json};
use storeplane_server::kube::{Cluster, ClusterConfig, ClusterErrorKind, NamespaceSpec};

use crate::harness::{Account, Kubernetes, fresh};
use crate::kube_support::{accessible, remove, spec};
use attempts::{Attempt, By};

/// How long the API server may take to apply a new policy.
const EFFECTIVE_WITHIN: Duration = Duration::from_mins(1);

fn account(instance: &str) -> Account {
    account_with(instance, "values.yaml")
}

/// An account with the permissions of a values file beside this one.
fn account_with(instance: &str, values: &str) -> Account {
    let values = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/permissions").join(values);
    Account::create(instance, &["--values", values.to_str().expect("a path in UTF-8")])
}

/// The namespaces that the attempts are about.
struct Scene {
    account: Account,
    own: NamespaceSpec,
    /// Has neither our prefix nor labels.
    foreign: String,
    /// Has our prefix and no labels.
    unlabelled: String,
    /// A store's of another control plane.
    others: String,
}

impl Scene {
    async fn set(admin: &Client, cluster: &Cluster, account: Account) -> Self {
        let own = spec(1);
        accessible(cluster, &own).await.expect("a namespace");
        let (foreign, unlabelled, others) = (fresh("foreign"), fresh("store-unlabelled"), fresh("store-others"));
        for (name, labels) in [
            (&foreign, json!({})),
            (&unlabelled, json!({})),
            (&others, json!({"storeplane.io/instance": "another", "app.kubernetes.io/managed-by": "storeplane"})),
        ] {
            let namespace = serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}}));
            let namespaces = Api::<Namespace>::all(admin.clone());
            namespaces.create(&PostParams::default(), &namespace.expect("a namespace")).await.expect("a namespace");
        }
        Self { account, own, foreign, unlabelled, others }
    }

    async fn clear(self, admin: &Client, cluster: &Cluster) {
        for name in [self.foreign, self.unlabelled, self.others] {
            Api::<Namespace>::all(admin.clone()).delete(&name, &DeleteParams::default()).await.expect("it was there");
        }
        remove(cluster, &self.own).await;
    }

    fn fill(&self, text: &str) -> String {
        let name = format!("account-{}", self.account.instance);
        let (rbac, admission) =
            ("/apis/rbac.authorization.k8s.io/v1/".to_owned(), "/apis/admissionregistration.k8s.io/v1/".to_owned());
        let pairs = [
            ("RBAC/", &rbac),
            ("ADMISSION/", &admission),
            ("OWN", &self.own.name),
            ("FOREIGN", &self.foreign),
            ("UNLABELLED", &self.unlabelled),
            ("OTHERS", &self.others),
            ("ACCOUNT", &name),
            ("INSTANCE", &self.account.instance),
        ];
        pairs.iter().fold(text.to_owned(), |text, (key, value)| text.replace(key, value))
    }

    /// Asks the API server to do it as a dry run; its status if it would not.
    async fn attempt(&self, client: &Client, attempt: &Attempt) -> Result<(), Status> {
        let Attempt { method, path, body, user, .. } = attempt;
        let separator = if path.contains('?') { '&' } else { '?' };
        let dry_run = if *method == Method::GET { String::new() } else { format!("{separator}dryRun=All") };
        let kind = if *method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
        let mut request =
            Request::builder().method(method).uri(self.fill(path) + &dry_run).header(header::CONTENT_TYPE, kind);
        if let Some(user) = user {
            request = request.header("Impersonate-User", *user);
        }
        let body = if body.is_null() { Vec::new() } else { self.fill(&body.to_string()).into_bytes() };
        match client.request_text(request.body(body).expect("a request")).await {
            Ok(_) => Ok(()),
            Err(Error::Api(status)) => Err(*status),
            Err(error) => panic!("{path}: {error}"),
        }
    }
}

/// Who refused it; `None` for any other reason, such as an invalid object.
fn by(status: &Status) -> Option<By> {
    let contains = |text: &&str| status.message.contains(text);
    if !matches!(status.code, 403 | 422) {
        return None;
    }
    if contains(&"ValidatingAdmissionPolicy") {
        return Some(By::Policy);
    }
    [" cannot ", "is attempting to grant RBAC permissions not currently held"].iter().any(contains).then_some(By::Rbac)
}

#[tokio::test]
async fn account_is_refused_everything_outside_of_its_stores() {
    let account = account("it-permissions");
    let cluster = Cluster::new(account.config());
    let (client, admin) = (cluster.client().await.expect("a client"), Kubernetes::new().client().await);
    let scene = Scene::set(&admin, &cluster, account).await;

    // A new policy is not effective at once.
    let first = attempts::refused().into_iter().find(|attempt| attempt.by == By::Policy).expect("one by policy");
    let effective = async {
        while scene.attempt(&client, &first).await.map_err(|status| by(&status)) != Err(Some(By::Policy)) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(EFFECTIVE_WITHIN, effective).await.expect("the policy becomes effective");

    let mut wrong = Vec::new();
    for attempt in attempts::refused() {
        match scene.attempt(&client, &attempt).await {
            Err(status) if by(&status) == Some(attempt.by) => {}
            answer => wrong.push(format!("not refused by {:?}: {}: {answer:?}", attempt.by, attempt.what)),
        }
    }
    for attempt in attempts::allowed() {
        if let Err(status) = scene.attempt(&client, &attempt).await
            && !(status.is_not_found() && attempt.path.contains("/pods/x/"))
        {
            wrong.push(format!("refused: {}: {status:?}", attempt.what));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    scene.clear(&admin, &cluster).await;
}

#[test]
fn documentation_lists_what_is_refused() {
    let text = include_str!("../../../../docs/operations.md");
    let rows = attempts::refused().into_iter().map(|Attempt { what, by, .. }| format!("| {what} | {} |\n", by.text()));
    let table = format!("| attempt | refused by |\n| --- | --- |\n{}\n", rows.collect::<String>());
    assert!(text.contains(&table), "docs/operations.md does not have exactly this table:\n{table}");
}

#[tokio::test]
async fn role_binding_is_restored_and_replaced() {
    let account = account("it-permissions");
    let cluster = Cluster::new(account.config());
    let admin = Kubernetes::new().client().await;
    let own = spec(1);
    accessible(&cluster, &own).await.expect("a namespace");
    let bindings = Api::<RoleBinding>::namespaced(admin, &own.name);
    let role = format!("account-{}-store", account.instance);
    assert_eq!(bindings.get("storeplane").await.expect("a binding").role_ref.name, role);

    bindings.delete("storeplane", &DeleteParams::default()).await.expect("it was there");
    assert_eq!(cluster.grant_access(&own.name).await, Ok(true));
    assert_eq!(cluster.grant_access(&own.name).await, Ok(false), "it exists");
    assert!(cluster.has_recent_access(&own.name));

    // As of a control plane that was installed under another name.
    bindings.delete("storeplane", &DeleteParams::default()).await.expect("it was there");
    let stale = json!({"metadata": {"name": "storeplane"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "older-store"},
        "subjects": [{"kind": "ServiceAccount", "name": "older", "namespace": "older"}]});
    let stale: RoleBinding = serde_json::from_value(stale).expect("a binding");
    bindings.create(&PostParams::default(), &stale).await.expect("a binding");
    assert_eq!(cluster.grant_access(&own.name).await, Ok(true));
    assert_eq!(bindings.get("storeplane").await.expect("a binding").role_ref.name, role);
    remove(&cluster, &own).await;
}

#[tokio::test]
async fn role_binding_without_effect_is_an_error_that_names_it() {
    let account = account("it-powerless");
    let roles = Api::<ClusterRole>::all(Kubernetes::new().client().await);
    let name = format!("account-{}-store", account.instance);
    let nothing = Patch::Merge(json!({"rules": []}));
    roles.patch(&name, &PatchParams::default(), &nothing).await.expect("the role");
    let mut config: ClusterConfig = account.config();
    config.limits.forbidden = Duration::from_secs(1);
    let cluster = Cluster::new(config);
    let own = spec(1);
    let error = accessible(&cluster, &own).await.expect_err("the role grants nothing");
    assert_eq!(error.kind(), ClusterErrorKind::Forbidden);
    assert!(error.to_string().contains(&format!("the role binding storeplane in {}", own.name)), "{error}");
    remove(&cluster, &own).await;
    roles.delete(&name, &DeleteParams::default()).await.expect("it was there");
}

#[tokio::test]
async fn foreign_namespaces_are_neither_adopted_nor_deleted_by_the_account() {
    let account = account("it-permissions");
    let cluster = Cluster::new(account.config());
    let admin = Kubernetes::new();
    for labels in [json!({}), json!({"storeplane.io/instance": "another"})] {
        let own = spec(1);
        let namespace: Value = json!({"metadata": {"name": own.name, "labels": labels}});
        let namespaces = Api::<Namespace>::all(admin.client().await);
        let namespace = serde_json::from_value(namespace).expect("a namespace");
        namespaces.create(&PostParams::default(), &namespace).await.expect("a namespace");
        let error = cluster.ensure_namespace(&own).await.expect_err("not ours");
        assert_eq!(error.kind(), ClusterErrorKind::NotOurs, "{error}");
        let error = cluster.delete_namespace(&own.name, own.store_uid).await.expect_err("not ours");
        assert_eq!(error.kind(), ClusterErrorKind::NotOurs, "{error}");
        admin.drop_namespace(&own.name).await;
    }
}
