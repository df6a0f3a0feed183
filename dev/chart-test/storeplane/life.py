"""The chart on a cluster."""

import json
import secrets

from cluster import gone, helm_run, kubectl, ready, restricted_namespace
from harness import CHART, files

WORKLOADS = ("statefulset/storeplane-postgres", "deployment/storeplane")
SCALED = ("--set", "replicas=2")


def password(name):
    return kubectl("-n", name, "get", "secret", "storeplane-postgres", "-o", "jsonpath={.data.password}")


def life(helm):
    """The API server accepts every object in a restricted namespace; the password stays; an upgrade without changes restarts nothing."""
    name = f"chart-test-{secrets.token_hex(3)}"
    # cluster-wide objects must not collide with those of other installations
    own = ["--set", f"instance={name}"]
    where = ("storeplane", CHART, "--namespace", name, *files("local"), *own)
    try:
        restricted_namespace(name)
        helm_run(helm, "install", *where, "--dry-run=server")
        assert "deployment" not in kubectl("-n", name, "get", "deployments", "-o", "name")
        helm_run(helm, "install", *where)
        ready(name, *WORKLOADS)
        first = password(name)
        helm_run(helm, "upgrade", *where)
        assert password(name) == first, "an upgrade changed the password"
        assert generations(name) == (1, 1), "an upgrade without changes restarted pods"
        helm_run(helm, "upgrade", *where, *SCALED, "--set", "config.limits.stores_per_tenant=5")
        ready(name, *WORKLOADS)
        assert generations(name) == (1, 2), generations(name)
        assert "poddisruptionbudget" in kubectl("-n", name, "get", "pdb", "storeplane", "-o", "name")
        helm_run(helm, "rollback", "storeplane", "1", "--namespace", name)
        ready(name, *WORKLOADS)
        helm_run(helm, "uninstall", "storeplane", "--namespace", name)
        kept = kubectl("-n", name, "get", "secrets,pvc", "-o", "name").split()
        assert kept == ["secret/storeplane-postgres", "persistentvolumeclaim/data-storeplane-postgres-0"], kept
        helm_run(helm, "install", *where)
        assert password(name) == first, "a new installation over the old database has another password"
        helm_run(helm, "uninstall", "storeplane", "--namespace", name)
    finally:
        gone(name)


def generations(name):
    """Generations of the pods' templates, which change only if pods are replaced; the number of servers does not count."""
    revision = json.loads(kubectl("-n", name, "get", "deployment", "storeplane", "-o", "json"))["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
    database = json.loads(kubectl("-n", name, "get", "statefulset", "storeplane-postgres", "-o", "json"))["metadata"]["generation"]
    return database, int(revision)


CHECKS = {"dry run, install, upgrade, rollback, uninstall, install again": life}
