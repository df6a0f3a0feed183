"""Objects of other projects' kinds, validated with the schemas of those projects' own definitions."""

import functools
import json
import os
import subprocess
import tempfile
from pathlib import Path

import jsonschema
import yaml

from harness import files, objects

# Go modules that contain the definitions, and their folders.
MODULES = {
    "sigs.k8s.io/gateway-api@v1.6.3": "config/crd/standard",
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": "example/prometheus-operator-crd",
    "github.com/cert-manager/cert-manager@v1.21.2": "deploy/crds",
}
KINDS = ("BackendTLSPolicy", "Certificate", "HTTPRoute", "PodMonitor", "PrometheusRule", "ServiceMonitor")
VALUES = {
    "tls": {"insecurePlaintext": False, "certManager": {"enabled": True, "issuerRef": {"name": "internal"}}},
    "metrics": {"serviceMonitor": {"enabled": True, "relabelings": [{"action": "labeldrop", "regex": "pod"}]}, "prometheusRule": {"enabled": True}},
    "httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}], "hostnames": ["a.example.com"], "backendTLS": {"enabled": True, "caConfigMap": "ca"}},
}
POD_MONITOR = {"metrics": {"podMonitor": {"enabled": True}}}


class Loader(yaml.CSafeLoader):
    """PyYAML has no constructor for the scalar `=`, which Prometheus' definitions contain."""


Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)


@functools.cache
def definitions():
    """Schemas by API version and kind; unknown fields are errors, as the API server treats them in strict mode."""
    found = {}
    for module, folder in MODULES.items():
        done = subprocess.run(["go", "mod", "download", "-json", module], capture_output=True, text=True, check=False, cwd=tempfile.gettempdir(), env=os.environ | {"GOFLAGS": "-mod=mod"})
        assert done.returncode == 0, done.stdout + done.stderr
        for path in Path(json.loads(done.stdout)["Dir"], folder).glob("*.yaml"):
            text = path.read_text()
            if not any(f"    kind: {kind}\n" in text for kind in KINDS):
                continue
            for crd in yaml.load_all(text, Loader):
                for version in (crd or {}).get("spec", {}).get("versions", []):
                    key = f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"]
                    found[key] = strict(version["schema"]["openAPIV3Schema"])
    return found


def strict(schema):
    """The schema, without unknown fields wherever fields are listed."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(value) if key != "enum" else value for key, value in schema.items() if key != "description"}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields") and schema.get("type") == "object":
        schema.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        schema.pop("type", None)
    return schema


def validated(*values):
    """The kinds that were validated."""
    seen = []
    with tempfile.TemporaryDirectory() as folder:
        args = list(files("local"))
        for number, value in enumerate(values):
            path = Path(folder) / f"{number}.json"
            path.write_text(json.dumps(value))
            args += ["-f", path]
        made = objects(*args)
    for o in made:
        schema = definitions().get((o["apiVersion"], o["kind"]))
        if schema is None:
            continue
        own = {key: value for key, value in o.items() if key != "metadata"}
        schema["properties"].pop("metadata", None)
        errors = [f"{'.'.join(map(str, e.absolute_path))}: {e.message}" for e in jsonschema.Draft202012Validator(schema).iter_errors(own)]
        assert not errors, f"{o['kind']}/{o['metadata']['name']}: " + "\n".join(errors)
        seen.append(o["kind"])
    return sorted(seen)


def known_kinds():
    """All kinds at once; a PodMonitor instead of the ServiceMonitor; and the check itself finds a wrong field."""
    expected = ["BackendTLSPolicy", "Certificate", "HTTPRoute", "ServiceMonitor"]
    got = validated(VALUES)
    assert [kind for kind in got if kind != "PrometheusRule"] == expected, got
    assert validated(POD_MONITOR) == ["PodMonitor"]
    try:
        validated(POD_MONITOR, {"extraObjects": [{"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": {"name": "x"}, "spec": {"selector": {}, "endpoints": []}}]})
    except AssertionError as error:
        assert "endpoints" in str(error), error
    else:
        raise AssertionError("a wrong field was not found")


CHECKS = {"HTTPRoute, monitors and Certificate match their definitions": known_kinds}
