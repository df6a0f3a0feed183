"""Objects of other projects' kinds: the API server validates them with those projects' own definitions."""

import contextlib
import functools
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import yaml

from cluster import kubectl
from harness import call, render

# Go modules that contain the definitions, and their folders.
MODULES = {
    "sigs.k8s.io/gateway-api@v1.6.3": "config/crd/standard",
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": "example/prometheus-operator-crd",
    "github.com/cert-manager/cert-manager@v1.21.2": "deploy/crds",
}
KINDS = ("BackendTLSPolicy", "Certificate", "HTTPRoute", "ListenerSet", "PodMonitor", "PrometheusRule", "ServiceMonitor")


@functools.cache
def definitions():
    """The files with the definitions of KINDS."""
    found = []
    for module, folder in MODULES.items():
        for _ in range(3):  # the network may fail
            done = subprocess.run(["go", "mod", "download", "-json", module], capture_output=True, text=True, check=False, cwd=tempfile.gettempdir(), env=os.environ | {"GOFLAGS": "-mod=mod"})
            if done.returncode == 0:
                break
        assert done.returncode == 0, done.stdout + done.stderr
        paths = Path(json.loads(done.stdout)["Dir"], folder).glob("*.yaml")
        found += [path for path in paths if any(f"    kind: {kind}\n" in path.read_text() for kind in KINDS)]
    assert len(found) == len(KINDS), found
    return sorted(found)


def served():
    """Discovery shows established definitions a little later."""
    until = time.monotonic() + 300
    while True:
        code, out = call("kubectl", "get", "--all-namespaces", ",".join(KINDS))
        if code == 0:
            return
        assert time.monotonic() < until, out
        time.sleep(0.5)


@contextlib.contextmanager
def installed():
    """The cluster has the definitions meanwhile. Those that it already had stay as they are."""
    missing = [part for path in definitions() if call("kubectl", "get", "-f", path)[0] for part in ("-f", path)]
    if not missing:
        yield
        return
    try:
        kubectl("apply", "--server-side", *missing)
        kubectl("wait", "--for=condition=Established", "--timeout=300s", *missing)
        served()
        yield
    finally:
        call("kubectl", "delete", "--ignore-not-found", "--wait=true", *missing)


def dry_run(helm, namespace, args, *values):
    """Exit code and output of the API server's strict validation of everything that the chart renders with these arguments and values."""
    with tempfile.TemporaryDirectory() as folder:
        args = list(args)
        for number, value in enumerate(values):
            path = Path(folder) / f"{number}.json"
            path.write_text(json.dumps(value))
            args += ["-f", path]
        text = render(*args, helm=helm)
    own = [o for o in yaml.safe_load_all(text) if o]
    for o in own:
        o["metadata"].pop("namespace", None)
    return call("kubectl", "-n", namespace, "apply", "--dry-run=server", "--validate=strict", "-f", "-", text=yaml.safe_dump_all(own))
