"""The chart on a cluster."""

import base64
import concurrent.futures
import json
import secrets

from cluster import gone, helm_run, kubectl, ready, restricted_namespace
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


def life(helm):
    """Dry run, install, upgrade without and with changes, rollback, uninstall: the claims are kept."""
    name = f"chart-test-{secrets.token_hex(3)}"
    small, large = files("local", "small"), files("local", "standard")
    try:
        namespace(name)
        where = ("store-demo", CHART, "--namespace", name)
        helm_run(helm, "install", *where, *small, "--dry-run=server")
        helm_run(helm, "install", *where, *small)
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
            list(pool.map(lambda n: helm_run(helm, "install", "store-demo", CHART, "--namespace", n, *files("local", "small")), names))
        for name in names:
            ready(name, *WORKLOADS)
    finally:
        gone(*names)


def grown(helm):
    """An upgrade neither shrinks a claim nor changes the class of a bound one, although the values say so; larger values still apply."""
    name = f"chart-test-{secrets.token_hex(3)}"
    # as the control plane runs helm 4, whose server-side apply would not take over what people changed
    where = ("store-demo", CHART, "--namespace", name, *files("local", "small"), *(["--server-side=false"] if helm == "4" else []))

    def claim():
        return json.loads(kubectl("-n", name, "get", "pvc", "store-uploads", "-o", "json"))["spec"]

    try:
        namespace(name)
        helm_run(helm, "install", *where)
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
        helm_run(helm, "install", *where)
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


CHECKS = {
    "claims grown by hand keep their size and class": grown,
    "an upgrade follows edited Secrets": edited_secret,
    "dry run, install, upgrade, rollback, uninstall": life,
    "ten installs at once lose nothing to the quota": crowd,
}
