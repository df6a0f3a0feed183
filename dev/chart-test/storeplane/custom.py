"""Objects of other projects' kinds: the API server validates them with those projects' own definitions."""

import functools
import json
import os
import secrets
import subprocess
import tempfile
from pathlib import Path

import yaml

from cluster import gone, kubectl, restricted_namespace
from harness import call, files, render

# Go modules that contain the definitions, and their folders.
MODULES = {
    "sigs.k8s.io/gateway-api@v1.6.3": "config/crd/standard",
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": "example/prometheus-operator-crd",
    "github.com/cert-manager/cert-manager@v1.21.2": "deploy/crds",
}
KINDS = ("BackendTLSPolicy", "Certificate", "HTTPRoute", "PodMonitor", "PrometheusRule", "ServiceMonitor")
# As many objects and fields as possible, over values-prod.
EVERYTHING = {
    "hostUsers": False,
    "imagePullSecrets": ["registry"],
    "serviceAccount": {"annotations": {"a": "b"}},
    "service": {"type": "LoadBalancer", "loadBalancerSourceRanges": ["192.0.2.0/24"], "annotations": {"a": "b"}},
    "ingress": {"enabled": True, "className": "x", "host": "a.example.com", "tls": {"clusterIssuer": "x"}, "grpc": {"host": "b.example.com", "annotations": {"a": "b"}}},
    "httpRoute": {"labels": {"a": "b"}, "annotations": {"a": "b"}},
    "metrics": {"serviceMonitor": {"relabelings": [{"action": "labeldrop", "regex": "pod"}], "metricRelabelings": [{"action": "keep", "regex": "x"}]}},
    "networkPolicy": {"api": {"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}, "extraEgress": [{"ports": [{"port": 25}]}], "extraIngress": [{"ports": [{"port": 1}]}]},
    "telemetry": {"otlpEndpoint": "http://collector:4317", "headersSecret": "otlp"},
    "tls": {"clientCA": {"existingSecret": "clients"}},
    "extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-extra"}}],
}
POD_MONITOR = {"metrics": {"serviceMonitor": {"enabled": False}, "podMonitor": {"enabled": True, "relabelings": [{"action": "labeldrop", "regex": "pod"}]}}}


@functools.cache
def definitions():
    """The files with the definitions of KINDS."""
    found = []
    for module, folder in MODULES.items():
        done = subprocess.run(["go", "mod", "download", "-json", module], capture_output=True, text=True, check=False, cwd=tempfile.gettempdir(), env=os.environ | {"GOFLAGS": "-mod=mod"})
        assert done.returncode == 0, done.stdout + done.stderr
        paths = Path(json.loads(done.stdout)["Dir"], folder).glob("*.yaml")
        found += [path for path in paths if any(f"    kind: {kind}\n" in path.read_text() for kind in KINDS)]
    assert len(found) == len(KINDS), found
    return [part for path in sorted(found) for part in ("-f", path)]


def dry_run(helm, namespace, *values):
    """Exit code and output of the API server's strict validation of everything that the chart renders."""
    with tempfile.TemporaryDirectory() as folder:
        args = []
        for number, value in enumerate(values):
            path = Path(folder) / f"{number}.json"
            path.write_text(json.dumps(value))
            args += ["-f", path]
        text = render(*files("prod"), *args, helm=helm)
    own = [o for o in yaml.safe_load_all(text) if o]
    for o in own:
        o["metadata"].pop("namespace", None)
    return call("kubectl", "-n", namespace, "apply", "--dry-run=server", "--validate=strict", "-f", "-", text=yaml.safe_dump_all(own))


def accepted(helm):
    """The API server accepts every object of values-prod with all options, and a PodMonitor; a wrong field is found."""
    name = f"chart-test-{secrets.token_hex(3)}"
    try:
        kubectl("apply", "--server-side", "--force-conflicts", *definitions())
        kubectl("wait", "--for=condition=Established", "--timeout=60s", *definitions())
        restricted_namespace(name)
        code, out = dry_run(helm, name, EVERYTHING)
        assert code == 0, out
        assert all(kind.lower() in out for kind in KINDS if kind not in ("PodMonitor", "PrometheusRule")), out
        code, out = dry_run(helm, name, EVERYTHING, POD_MONITOR)
        assert code == 0 and "podmonitor" in out, out
        wrong = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": {"name": "x"}, "spec": {"selector": {}, "endpoints": []}}
        code, out = dry_run(helm, name, {"extraObjects": [wrong]})
        assert code != 0 and 'unknown field "spec.endpoints"' in out, out
    finally:
        gone(name)
        call("kubectl", "delete", "--ignore-not-found", "--wait=true", *definitions())


CHECKS = {"the API server accepts values-prod with all options": accepted}
