"""The chart's life on a cluster. Simulated nodes are enough: admission, quota and Pod Security are the API server's."""

import concurrent.futures
import re
import secrets
import subprocess

from harness import CHART, HELMS, call, files

LABELS = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
KEYS = {
    "store-db": ("database", "username", "password", "root-password"),
    "store-admin": ("username", "password"),
    "store-salts": ("AUTH_KEY", "SECURE_AUTH_KEY", "LOGGED_IN_KEY", "NONCE_KEY", "AUTH_SALT", "SECURE_AUTH_SALT", "LOGGED_IN_SALT", "NONCE_SALT"),
}


def kubectl(*argv, text=None):
    code, out = call("kubectl", *argv, text=text)
    assert code == 0, f"kubectl {' '.join(argv[:3])}: {out}"
    return out


def namespace(name):
    """What the control plane makes before helm runs."""
    kubectl("create", "namespace", name)
    kubectl("label", "namespace", name, *[f"{k}={v}" for k, v in LABELS.items()])
    for secret, keys in KEYS.items():
        literals = [f"--from-literal={k}={secrets.token_hex(16)}" for k in keys]
        kubectl("-n", name, "create", "secret", "generic", secret, *literals)


def gone(*names):
    subprocess.run(["kubectl", "delete", "namespace", "--wait=false", "--ignore-not-found", *names], capture_output=True, check=False)


def helm_run(helm, *argv):
    code, out = call(HELMS[helm], *argv)
    end = "\n".join(out.splitlines()[-12:])
    assert code == 0, f"helm {argv[0]}: {end}"
    assert not re.search(r"would violate PodSecurity|^W\d{4}|unrecognized|deprecated", out, re.M), f"helm {argv[0]} warned: {end}"
    return out


def life(helm):
    """Dry run, install, twice the same, upgrade to a larger plan, roll back, uninstall: the claims stay."""
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
        ready(name)
        helm_run(helm, "uninstall", "store-demo", "--namespace", name)
        kept = kubectl("-n", name, "get", "deployments,statefulsets,services,networkpolicies,resourcequotas,ingresses,cronjobs,pvc", "-o", "name").split()
        assert sorted(kept) == ["persistentvolumeclaim/data-store-db-0", "persistentvolumeclaim/store-uploads"], kept
    finally:
        gone(name)


def ready(name):
    for rollout in ("statefulset/store-db", "deployment/store"):
        kubectl("-n", name, "rollout", "status", rollout, "--timeout=120s")


def crowd(helm):
    """Quota and claims come in one install: none may lose the race, and every store gets its pods."""
    names = [f"chart-test-{secrets.token_hex(3)}-{i}" for i in range(10)]
    try:
        for name in names:
            namespace(name)
        with concurrent.futures.ThreadPoolExecutor(5) as pool:
            list(pool.map(lambda n: helm_run(helm, "install", "store-demo", CHART, "--namespace", n, *files("local", "small")), names))
        for name in names:
            ready(name)
    finally:
        gone(*names)
