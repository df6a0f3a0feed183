"""The chart on a cluster."""

import base64
import concurrent.futures
import json
import secrets

from cluster import gone, helm_run, kubectl, ready, restricted_namespace
from definitions import dry_run, installed
from harness import CHART, files

WORKLOADS = ("statefulset/store-db", "deployment/store")
KEYS = {
    "store-db": ("database", "username", "password", "root-password"),
    "store-admin": ("username", "password"),
    "store-salts": ("AUTH_KEY", "SECURE_AUTH_KEY", "LOGGED_IN_KEY", "NONCE_KEY", "AUTH_SALT", "SECURE_AUTH_SALT", "LOGGED_IN_SALT", "NONCE_SALT"),
}


def namespace(name):
    """What the control plane creates before it runs helm."""
    restricted_namespace(name)
    for secret, keys in KEYS.items():
        literals = [f"--from-literal={k}={secrets.token_hex(16)}" for k in keys]
        kubectl("-n", name, "create", "secret", "generic", secret, *literals)


def install(helm, name, *arguments):
    """The API server refuses a claim while it has not counted the new quota yet, which it does within a second unless the machine is very busy. That install
    is repeated, as the control plane repeats it."""
    where = ("store-demo", CHART, "--namespace", name, *arguments)
    try:
        helm_run(helm, "install", *where)
    except AssertionError as refused:
        if "status unknown for quota" not in str(refused):
            raise
        helm_run(helm, "uninstall", "store-demo", "--namespace", name)
        helm_run(helm, "install", *where)


def life(helm):
    """Dry run, install, upgrade without and with changes, rollback, uninstall: the claims are kept."""
    name = f"chart-test-{secrets.token_hex(3)}"
    small, large = files("local", "small"), files("local", "standard")
    try:
        namespace(name)
        where = ("store-demo", CHART, "--namespace", name)
        helm_run(helm, "install", *where, *small, "--dry-run=server")
        install(helm, name, *small)
        helm_run(helm, "upgrade", *where, *small)
        helm_run(helm, "upgrade", *where, *large, "--dry-run=server")
        helm_run(helm, "upgrade", *where, *large, "--set", "uploads.size=2Gi,database.storage.size=2Gi")
        helm_run(helm, "rollback", "store-demo", "1", "--namespace", name)
        ready(name, *WORKLOADS)
        helm_run(helm, "uninstall", "store-demo", "--namespace", name)
        kept = kubectl("-n", name, "get", "deployments,statefulsets,services,networkpolicies,resourcequotas,ingresses,cronjobs,pvc", "-o", "name").split()
        assert sorted(kept) == ["persistentvolumeclaim/data-store-db-0", "persistentvolumeclaim/store-uploads"], kept
    finally:
        gone(name)


def crowd(helm):
    """Quota and claims are created in one install: no object loses the race, and all pods start."""
    names = [f"chart-test-{secrets.token_hex(3)}-{i}" for i in range(10)]
    try:
        for name in names:
            namespace(name)
        with concurrent.futures.ThreadPoolExecutor(5) as pool:
            list(pool.map(lambda n: install(helm, n, *files("local", "small")), names))
        for name in names:
            ready(name, *WORKLOADS)
    finally:
        gone(*names)


def grown(helm):
    """An upgrade neither shrinks a claim nor changes the class of a bound one, although the values say so; larger values still apply."""
    name = f"chart-test-{secrets.token_hex(3)}"
    # as the control plane runs helm 4, whose server-side apply would not take over what people changed
    values = (*files("local", "small"), *(["--server-side=false"] if helm == "4" else []))
    where = ("store-demo", CHART, "--namespace", name, *values)

    def claim():
        return json.loads(kubectl("-n", name, "get", "pvc", "store-uploads", "-o", "json"))["spec"]

    try:
        namespace(name)
        install(helm, name, *values)
        ready(name, *WORKLOADS)
        storage_class = claim()["storageClassName"]
        kubectl("-n", name, "patch", "pvc", "store-uploads", "-p", json.dumps({"spec": {"resources": {"requests": {"storage": "3000Mi"}}}}))
        for _ in range(2):  # the second release also has the larger size as its predecessor
            helm_run(helm, "upgrade", *where, "--set", "uploads.storageClass=another")
            assert claim()["resources"]["requests"]["storage"] == "3000Mi" and claim()["storageClassName"] == storage_class, claim()
        helm_run(helm, "upgrade", *where, "--set", "uploads.storageClass=another,uploads.size=4Gi")
        assert claim()["resources"]["requests"]["storage"] == "4Gi", claim()
    finally:
        gone(name)


def edited_secret(helm):
    """After a Secret was edited in place, an upgrade replaces the pods that read it, and only those."""
    name = f"chart-test-{secrets.token_hex(3)}"
    where = ("store-demo", CHART, "--namespace", name, *files("local", "small"))

    def generations():
        found = (json.loads(kubectl("-n", name, "get", w, "-o", "json"))["metadata"]["generation"] for w in WORKLOADS)
        return tuple(found)

    def edit(secret):
        value = base64.b64encode(secrets.token_hex(16).encode()).decode()
        kubectl("-n", name, "patch", "secret", secret, "-p", json.dumps({"data": {"password": value}}))

    try:
        namespace(name)
        install(helm, name, *files("local", "small"))
        helm_run(helm, "upgrade", *where)
        database, web = generations()
        assert (database, web) == (1, 1), "an upgrade without changes restarted pods"
        edit("store-admin")
        helm_run(helm, "upgrade", *where)
        assert generations() == (1, 2), generations()
        edit("store-db")
        helm_run(helm, "upgrade", *where)
        assert generations() == (2, 3), generations()
    finally:
        gone(name)


def maintained(helm):
    """Maintenance by the values, and back: the shop's pods are removed or kept, never replaced."""
    name = f"chart-test-{secrets.token_hex(3)}"
    where = ("store-demo", CHART, "--namespace", name, *files("local", "small"))

    def pods():
        selector = "app.kubernetes.io/component=web,storeplane.io/page=false"
        return kubectl("-n", name, "get", "pods", "--selector", selector, "-o", "jsonpath={.items[*].metadata.uid}")

    def replica_sets():
        return kubectl("-n", name, "get", "replicasets", "-o", "name").split()

    try:
        namespace(name)
        install(helm, name, *files("local", "small"))
        ready(name, *WORKLOADS)
        before, sets = pods(), replica_sets()
        for mode in ("page", ""):
            helm_run(helm, "upgrade", *where, "--set", f"store.maintenance={mode}")
            ready(name, *WORKLOADS)
            assert pods() == before, mode
        helm_run(helm, "upgrade", *where, "--set", "store.maintenance=offline")
        kubectl("-n", name, "wait", "--for=delete", "pods", "--selector", "storeplane.io/page=false", "--timeout=300s")
        helm_run(helm, "upgrade", *where)
        ready(name, *WORKLOADS)
        assert replica_sets() == sets and len(sets) == 1, replica_sets()
    finally:
        gone(name)


def smaller(helm):
    """An upgrade to a smaller plan starts its pods beside the larger ones; the next upgrade lowers the quota."""
    name = f"chart-test-{secrets.token_hex(3)}"
    claims = ("--set", "uploads.size=2Gi,database.storage.size=2Gi")
    requests = ("--set", "web.resources.requests.cpu=100m,database.resources.requests.cpu=100m")
    where = ("store-demo", CHART, "--namespace", name)

    def limit():
        return kubectl("-n", name, "get", "quota", "store", "-o", "jsonpath={.spec.hard.limits\\.memory}")

    try:
        namespace(name)
        install(helm, name, *files("local", "large"), *claims, *requests)
        ready(name, *WORKLOADS)
        helm_run(helm, "upgrade", *where, *files("local", "small"))
        assert limit() == "24Gi", limit()
        ready(name, *WORKLOADS)
        for w in WORKLOADS:
            kubectl("-n", name, "wait", "--for=jsonpath={.status.replicas}=1", w, "--timeout=300s")
        # The quota counts pods that are being deleted.
        kubectl("-n", name, "wait", "--for=jsonpath={.status.used.pods}=2", "quota/store", "--timeout=300s")
        helm_run(helm, "upgrade", *where, *files("local", "small"))
        assert limit() == "3Gi", limit()
    finally:
        gone(name)


def routes(helm):
    """The API server accepts HTTPRoutes and ListenerSets with all options, and policies that name networks; a wrong field is found."""
    name = f"chart-test-{secrets.token_hex(3)}"
    shop = [*files("prod", "small"), "--no-hooks"]  # the pod of helm test needs its service account
    gateway = {"enabled": True, "parentRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "edge", "name": "shops", "sectionName": "https", "port": 443}],
               "redirectFrom": [{"namespace": "edge", "name": "shops", "sectionName": "http"}], "annotations": {"a": "b"}}
    values = {"gateway": gateway, "ingress": {"externalPort": 8443}, "networkPolicy": {"internet": True, "exceptCIDRs": ["203.0.113.7/32", "2001:db8::/48"]},
              "smtp": {"enabled": True, "host": "mail.example.com", "cidrs": ["192.0.2.25/32"]}}
    try:
        with installed():
            restricted_namespace(name)
            code, out = dry_run(helm, name, shop, values)
            assert code == 0 and "httproute.gateway.networking.k8s.io/store-redirect" in out, out
            hosts = [{"host": f"shop-{number}.example.com", "secretName": f"tls-shop-{number}.example.com"} for number in range(17)]
            listeners = {"gateway": {"listenerSets": {"enabled": True, "port": 8443}}, "domains": {"hosts": hosts, "issuer": {"name": "acme"}}}
            code, out = dry_run(helm, name, shop, values, listeners)
            assert code == 0 and "listenerset.gateway.networking.k8s.io/store-domains-1" in out, out
            code, out = dry_run(helm, name, shop, values, listeners, {"domains": {"hosts": hosts + hosts[-1:]}})
            assert code != 0 and "store-domains-1" in out, out
            code, out = dry_run(helm, name, shop, values, {"gateway": {"parentRefs": [{"name": "shops", "kind": "a" * 64}]}})
            assert code != 0 and "parentRefs" in out, out
    finally:
        gone(name)


def solver(helm):
    """A pod like cert-manager's HTTP-01 solver is admitted beside a complete rollout: Pod Security, quota and limits leave room for it."""
    name = f"chart-test-{secrets.token_hex(3)}"
    container = {
        "name": "acmesolver", "image": "quay.io/jetstack/cert-manager-acmesolver:v1.21.2", "args": ["--listen-port=8089"], "ports": [{"name": "http", "containerPort": 8089}],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}},
        "securityContext": {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "cm-acme-http-solver-", "labels": {"acme.cert-manager.io/http01-solver": "true"}},
        "spec": {"restartPolicy": "OnFailure", "enableServiceLinks": False, "automountServiceAccountToken": False, "containers": [container],
                 "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}},
    }
    try:
        namespace(name)
        install(helm, name, *files("local", "large"), "--set", "uploads.size=2Gi,database.storage.size=2Gi")
        ready(name, *WORKLOADS)
        kubectl("-n", name, "create", "-f", "-", text=json.dumps(pod))
        del container["resources"]  # the LimitRange gives it some
        kubectl("-n", name, "create", "-f", "-", text=json.dumps(pod))
        del container["securityContext"]["capabilities"]
        try:
            kubectl("-n", name, "create", "-f", "-", text=json.dumps(pod))
        except AssertionError as refused:
            assert "PodSecurity" in str(refused), refused
        else:
            raise AssertionError("the namespace admits every pod: this check cannot fail")
    finally:
        gone(name)


CHECKS = {
    "claims grown by hand keep their size and class": grown,
    "an upgrade follows edited Secrets": edited_secret,
    "dry run, install, upgrade, rollback, uninstall": life,
    "maintenance replaces no pod": maintained,
    "a smaller plan's pods fit beside the larger ones": smaller,
    "ten installs at once lose nothing to the quota": crowd,
}
ONCE = {
    "HTTPRoutes, ListenerSets and named networks are accepted": routes,
    "solver pods of cert-manager are admitted": solver,
}
