"""The chart on a cluster."""

import json
import secrets

from cluster import gone, helm_run, kubectl, ready, restricted_namespace
from harness import CHART, HELMS, call, files

# Two servers cannot share the volume of values-local.
SCALED = ("--set", "replicas=2,backups.storage=none")


def password(name):
    return kubectl("-n", name, "get", "secret", f"{name}-postgres", "-o", "jsonpath={.data.password}")


def life(helm):
    """The API server accepts every object in a restricted namespace; password and claims stay; an upgrade without changes restarts nothing."""
    name = f"chart-test-{secrets.token_hex(3)}"
    # Cluster-wide objects are named after it, too.
    own = ["--set", f"instance={name},fullnameOverride={name}"]
    workloads = (f"statefulset/{name}-postgres", f"deployment/{name}")
    where = ("storeplane", CHART, "--namespace", name, *files("local"), *own)
    try:
        restricted_namespace(name)
        helm_run(helm, "install", *where, "--dry-run=server")
        assert "deployment" not in kubectl("-n", name, "get", "deployments", "-o", "name")
        helm_run(helm, "install", *where, *SCALED)
        ready(name, *workloads)
        assert "poddisruptionbudget" in kubectl("-n", name, "get", "pdb", name, "-o", "name")
        first = password(name)
        helm_run(helm, "upgrade", *where, *SCALED)
        assert password(name) == first, "an upgrade changed the password"
        assert generations(name) == (1, 1), "an upgrade without changes restarted pods"
        helm_run(helm, "upgrade", *where, "--set", "config.quotas.stores=5")
        ready(name, *workloads)
        assert generations(name) == (1, 2), generations(name)
        assert kubectl("-n", name, "get", "deployment", name, "-o", "jsonpath={.spec.strategy}") == '{"type":"Recreate"}'
        helm_run(helm, "rollback", "storeplane", "1", "--namespace", name)
        ready(name, *workloads)
        helm_run(helm, "uninstall", "storeplane", "--namespace", name)
        kept = kubectl("-n", name, "get", "secrets,pvc", "-o", "name").split()
        assert kept == [f"secret/{name}-postgres", f"persistentvolumeclaim/{name}-backups", f"persistentvolumeclaim/data-{name}-postgres-0"], kept
        helm_run(helm, "install", *where)
        assert password(name) == first, "a new installation over the old database has another password"
        helm_run(helm, "uninstall", "storeplane", "--namespace", name)
    finally:
        call(HELMS[helm], "uninstall", "storeplane", "--namespace", name)  # the cluster-wide objects, if a check failed
        gone(name)


def generations(name):
    """Generations of the pods' templates, which change only if pods are replaced; the number of servers does not count."""
    revision = json.loads(kubectl("-n", name, "get", "deployment", name, "-o", "json"))["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
    database = json.loads(kubectl("-n", name, "get", "statefulset", f"{name}-postgres", "-o", "json"))["metadata"]["generation"]
    return database, int(revision)


CHECKS = {"dry run, install, upgrade, rollback, uninstall, install again": life}
