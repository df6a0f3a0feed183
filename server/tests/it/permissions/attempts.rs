//! The table of attempts. RBAC and ADMISSION are the paths of API groups; OWN, FOREIGN, UNLABELLED and OTHERS are namespaces, ACCOUNT names the server's account and its role.

use http::Method;
use serde_json::{Value, json};

/// Who refuses an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Rbac,
    Policy,
}

impl By {
    /// As in the documentation.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Rbac => "RBAC",
            Self::Policy => "admission policy",
        }
    }
}

/// A request of the account.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    /// As in the documentation.
    pub(super) what: &'static str,
    pub(super) by: By,
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) body: Value,
    /// Whom it impersonates.
    pub(super) user: Option<&'static str>,
}

const RBAC_API: &str = "rbac.authorization.k8s.io";

fn attempt(what: &'static str, by: By, method: Method, path: &'static str, body: Value) -> Attempt {
    Attempt { what, by, method, path, body, user: None }
}

fn get(what: &'static str, path: &'static str) -> Attempt {
    attempt(what, By::Rbac, Method::GET, path, Value::Null)
}

fn rbac(what: &'static str, method: Method, path: &'static str, body: Value) -> Attempt {
    attempt(what, By::Rbac, method, path, body)
}

fn policy(what: &'static str, method: Method, path: &'static str, body: Value) -> Attempt {
    attempt(what, By::Policy, method, path, body)
}

fn namespace(name: &str, instance: &str, security: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"storeplane.io/instance": instance,
        "pod-security.kubernetes.io/enforce": security, "pod-security.kubernetes.io/audit": "restricted",
        "pod-security.kubernetes.io/warn": "restricted"}}})
}

fn binding(name: &str, role: &str, subject: &str) -> Value {
    json!({"apiVersion": format!("{RBAC_API}/v1"), "kind": "RoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC_API, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": subject, "namespace": "ACCOUNT"}]})
}

fn pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
}

fn role(kind: &str) -> Value {
    let all = json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]});
    json!({"apiVersion": format!("{RBAC_API}/v1"), "kind": kind, "metadata": {"name": "everything"}, "rules": [all]})
}

/// What must be refused, and by whom.
pub(super) fn refused() -> Vec<Attempt> {
    let mut all = reads();
    all.extend(writes());
    all.extend(namespaces());
    all.extend(bindings());
    all.push(Attempt { user: Some("admin"), ..get("impersonate the administrator", "/api/v1/namespaces") });
    let account = "system:serviceaccount:kube-system:namespace-controller";
    all.push(Attempt { user: Some(account), ..get("impersonate another ServiceAccount", "/api/v1/namespaces") });
    all
}

fn reads() -> Vec<Attempt> {
    vec![
        get("list the Secrets of all namespaces", "/api/v1/secrets"),
        get("watch the Secrets of all namespaces", "/api/v1/secrets?watch=true&timeoutSeconds=1"),
        get("list Secrets in kube-system", "/api/v1/namespaces/kube-system/secrets"),
        get("list Secrets in its own namespace", "/api/v1/namespaces/ACCOUNT/secrets"),
        get("read a Secret in a namespace without RoleBinding", "/api/v1/namespaces/FOREIGN/secrets/x"),
        get("list Secrets of another control plane's store", "/api/v1/namespaces/OTHERS/secrets"),
        get("list the pods of all namespaces", "/api/v1/pods"),
        get("list pods in kube-system", "/api/v1/namespaces/kube-system/pods"),
        get("read a pod's log in kube-system", "/api/v1/namespaces/kube-system/pods/x/log"),
        get("list the ConfigMaps of all namespaces", "/api/v1/configmaps"),
        get("list nodes", "/api/v1/nodes"),
        get("run commands through a node's kubelet (nodes/proxy)", "/api/v1/nodes/simulated-0/proxy/pods"),
        get("list persistent volumes", "/api/v1/persistentvolumes"),
        get("list ClusterRoles", "RBAC/clusterroles"),
        get("list RoleBindings", "RBAC/rolebindings"),
        get(
            "reach a Service in kube-system (services/proxy)",
            "/api/v1/namespaces/kube-system/services/http:x:80/proxy/",
        ),
    ]
}

#[allow(clippy::too_many_lines, reason = "a table")]
fn writes() -> Vec<Attempt> {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
    let token = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}});
    vec![
        rbac("create a Secret in kube-system", Method::POST, "/api/v1/namespaces/kube-system/secrets", secret),
        rbac("create a pod in kube-system", Method::POST, "/api/v1/namespaces/kube-system/pods", pod()),
        rbac("delete pods in kube-system", Method::DELETE, "/api/v1/namespaces/kube-system/pods/x", Value::Null),
        rbac("create a pod directly in a store's namespace", Method::POST, "/api/v1/namespaces/OWN/pods", pod()),
        rbac(
            "run a command in a store's pod (exec)",
            Method::POST,
            "/api/v1/namespaces/OWN/pods/x/exec?command=id",
            Value::Null,
        ),
        rbac("attach to a store's pod", Method::POST, "/api/v1/namespaces/OWN/pods/x/attach", Value::Null),
        rbac("forward a port of a store's pod", Method::POST, "/api/v1/namespaces/OWN/pods/x/portforward", Value::Null),
        rbac(
            "get a token of a store's ServiceAccount",
            Method::POST,
            "/api/v1/namespaces/OWN/serviceaccounts/default/token",
            token.clone(),
        ),
        rbac(
            "get a token of a ServiceAccount in kube-system",
            Method::POST,
            "/api/v1/namespaces/kube-system/serviceaccounts/default/token",
            token,
        ),
        rbac("change a node", Method::PATCH, "/api/v1/nodes/simulated-0", json!({"metadata": {"labels": {"a": "b"}}})),
        rbac("delete a persistent volume", Method::DELETE, "/api/v1/persistentvolumes/x", Value::Null),
        rbac("create a Role in a store's namespace", Method::POST, "RBAC/namespaces/OWN/roles", role("Role")),
        rbac("create a ClusterRole", Method::POST, "RBAC/clusterroles", role("ClusterRole")),
        rbac(
            "extend its own ClusterRole (escalate)",
            Method::PATCH,
            "RBAC/clusterroles/ACCOUNT",
            json!({"rules": role("ClusterRole")["rules"]}),
        ),
        rbac(
            "change the ClusterRole of stores",
            Method::PATCH,
            "RBAC/clusterroles/ACCOUNT-store",
            json!({"rules": role("ClusterRole")["rules"]}),
        ),
        rbac(
            "create a ClusterRoleBinding",
            Method::POST,
            "RBAC/clusterrolebindings",
            json!({"apiVersion": format!("{RBAC_API}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": "x"},
                "roleRef": {"apiGroup": RBAC_API, "kind": "ClusterRole", "name": "cluster-admin"}}),
        ),
        rbac(
            "change the admission policy",
            Method::PATCH,
            "ADMISSION/validatingadmissionpolicies/ACCOUNT-namespaces",
            json!({"spec": {"failurePolicy": "Ignore"}}),
        ),
        rbac(
            "delete the admission policy's binding",
            Method::DELETE,
            "ADMISSION/validatingadmissionpolicybindings/ACCOUNT-namespaces",
            Value::Null,
        ),
        rbac(
            "create a mutating webhook",
            Method::POST,
            "ADMISSION/mutatingwebhookconfigurations",
            json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": "x"}}),
        ),
        rbac(
            "create a CustomResourceDefinition",
            Method::POST,
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "x"}}),
        ),
        rbac(
            "remove a namespace's finalizers",
            Method::PUT,
            "/api/v1/namespaces/OWN/finalize",
            namespace("OWN", "INSTANCE", "restricted"),
        ),
    ]
}

#[allow(clippy::too_many_lines, reason = "a table")]
fn namespaces() -> Vec<Attempt> {
    let label = |instance: Value| json!({"metadata": {"labels": {"storeplane.io/instance": instance}}});
    let security =
        |key: &str, value: Value| json!({"metadata": {"labels": {format!("pod-security.kubernetes.io/{key}"): value}}});
    vec![
        policy(
            "create a namespace without the prefix store-",
            Method::POST,
            "/api/v1/namespaces",
            namespace("shops", "INSTANCE", "restricted"),
        ),
        policy(
            "create a namespace of another control plane",
            Method::POST,
            "/api/v1/namespaces",
            namespace("store-x", "another", "restricted"),
        ),
        policy(
            "create a namespace with weaker Pod Security",
            Method::POST,
            "/api/v1/namespaces",
            namespace("store-x", "INSTANCE", "privileged"),
        ),
        policy("change kube-system", Method::PATCH, "/api/v1/namespaces/kube-system", label(json!("INSTANCE"))),
        policy(
            "delete the namespace of the control plane itself",
            Method::DELETE,
            "/api/v1/namespaces/ACCOUNT",
            Value::Null,
        ),
        policy(
            "delete a namespace without the prefix store-",
            Method::DELETE,
            "/api/v1/namespaces/FOREIGN",
            Value::Null,
        ),
        policy(
            "take a namespace that has the prefix but not the label",
            Method::PATCH,
            "/api/v1/namespaces/UNLABELLED",
            namespace("UNLABELLED", "INSTANCE", "restricted"),
        ),
        policy(
            "delete a namespace that has the prefix but not the label",
            Method::DELETE,
            "/api/v1/namespaces/UNLABELLED",
            Value::Null,
        ),
        policy(
            "take a namespace of another control plane",
            Method::PATCH,
            "/api/v1/namespaces/OTHERS",
            namespace("OTHERS", "INSTANCE", "restricted"),
        ),
        policy("delete a namespace of another control plane", Method::DELETE, "/api/v1/namespaces/OTHERS", Value::Null),
        policy(
            "remove the label from a store's namespace",
            Method::PATCH,
            "/api/v1/namespaces/OWN",
            label(Value::Null),
        ),
        policy(
            "hand a store's namespace to another control plane",
            Method::PATCH,
            "/api/v1/namespaces/OWN",
            label(json!("another")),
        ),
        policy(
            "weaken Pod Security in a store's namespace",
            Method::PATCH,
            "/api/v1/namespaces/OWN",
            security("enforce", json!("baseline")),
        ),
        policy(
            "remove a Pod Security label from a store's namespace",
            Method::PATCH,
            "/api/v1/namespaces/OWN",
            security("warn", Value::Null),
        ),
    ]
}

#[allow(clippy::too_many_lines, reason = "a table")]
fn bindings() -> Vec<Attempt> {
    let own = "RBAC/namespaces/OWN/rolebindings";
    let store = || binding("storeplane", "ACCOUNT-store", "ACCOUNT");
    vec![
        rbac(
            "bind cluster-admin in a store's namespace",
            Method::POST,
            own,
            binding("storeplane", "cluster-admin", "ACCOUNT"),
        ),
        rbac("bind another ClusterRole in a store's namespace", Method::POST, own, binding("x", "admin", "ACCOUNT")),
        rbac(
            "bind cluster-admin in kube-system",
            Method::POST,
            "RBAC/namespaces/kube-system/rolebindings",
            binding("storeplane", "cluster-admin", "ACCOUNT"),
        ),
        policy(
            "bind the stores' ClusterRole in kube-system",
            Method::POST,
            "RBAC/namespaces/kube-system/rolebindings",
            store(),
        ),
        policy(
            "bind the stores' ClusterRole in its own namespace",
            Method::POST,
            "RBAC/namespaces/ACCOUNT/rolebindings",
            store(),
        ),
        policy(
            "bind the stores' ClusterRole in an unlabelled namespace",
            Method::POST,
            "RBAC/namespaces/UNLABELLED/rolebindings",
            store(),
        ),
        policy(
            "bind the stores' ClusterRole in another control plane's namespace",
            Method::POST,
            "RBAC/namespaces/OTHERS/rolebindings",
            store(),
        ),
        policy(
            "bind another account in a store's namespace",
            Method::POST,
            own,
            binding("storeplane", "ACCOUNT-store", "default"),
        ),
        policy(
            "create a RoleBinding of another name in a store's namespace",
            Method::POST,
            own,
            binding("another", "ACCOUNT-store", "ACCOUNT"),
        ),
        rbac(
            "change a RoleBinding",
            Method::PATCH,
            "RBAC/namespaces/OWN/rolebindings/storeplane",
            json!({"subjects": []}),
        ),
        rbac(
            "delete a RoleBinding of another name",
            Method::DELETE,
            "RBAC/namespaces/kube-system/rolebindings/x",
            Value::Null,
        ),
    ]
}

/// What it needs, so that refusals are not the consequence of something else.
pub(super) fn allowed() -> Vec<Attempt> {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}});
    vec![
        rbac(
            "create a store's namespace",
            Method::POST,
            "/api/v1/namespaces",
            namespace("store-new", "INSTANCE", "restricted"),
        ),
        rbac(
            "change a store's namespace",
            Method::PATCH,
            "/api/v1/namespaces/OWN",
            json!({"metadata": {"labels": {"team": "shops"}}}),
        ),
        rbac("delete a store's namespace", Method::DELETE, "/api/v1/namespaces/OWN", Value::Null),
        rbac("delete its RoleBinding", Method::DELETE, "RBAC/namespaces/OWN/rolebindings/storeplane", Value::Null),
        rbac("create objects in a store's namespace", Method::POST, "/api/v1/namespaces/OWN/configmaps", map),
        rbac(
            "create a PodTemplate in a store's namespace",
            Method::POST,
            "/api/v1/namespaces/OWN/podtemplates",
            json!({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "t"}, "template": {"spec": pod()["spec"]}}),
        ),
        rbac(
            "create a Job in a store's namespace",
            Method::POST,
            "/apis/batch/v1/namespaces/OWN/jobs",
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"},
                "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}}),
        ),
        get("list a store's Secrets", "/api/v1/namespaces/OWN/secrets"),
        get("watch a store's Secrets", "/api/v1/namespaces/OWN/secrets?watch=true&timeoutSeconds=1"),
        // There is no such pod: the API server looks for it after it has permitted the call.
        get("read a store's logs", "/api/v1/namespaces/OWN/pods/x/log"),
        get("list namespaces", "/api/v1/namespaces"),
    ]
}
