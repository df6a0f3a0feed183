"""Objects of other projects' kinds: the API server validates them with those projects' own definitions."""

import secrets

from cluster import gone, restricted_namespace
from definitions import KINDS, dry_run, installed
from harness import files

# As many objects and fields as possible, over values-prod.
EVERYTHING = {
    "hostUsers": False,
    "imagePullSecrets": ["registry"],
    "serviceAccount": {"annotations": {"a": "b"}},
    "service": {"type": "LoadBalancer", "loadBalancerSourceRanges": ["192.0.2.0/24"], "annotations": {"a": "b"}},
    "ingress": {"enabled": True, "className": "x", "host": "a.example.com", "tls": {"clusterIssuer": "x"}, "grpc": {"host": "b.example.com", "annotations": {"a": "b"}}},
    "httpRoute": {"labels": {"a": "b"}, "annotations": {"a": "b"}},
    "metrics": {"serviceMonitor": {"relabelings": [{"action": "labeldrop", "regex": "pod"}], "metricRelabelings": [{"action": "keep", "regex": "x"}]}},
    "networkPolicy": {"api": {"from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}, "extraEgress": [{"ports": [{"port": 25}]}], "extraIngress": [{"ports": [{"port": 1}]}], "backups": {"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}},
    "telemetry": {"otlpEndpoint": "http://collector:4317", "headersSecret": "otlp"},
    "tls": {"clientCA": {"existingSecret": "clients"}},
    "backups": {"s3": {"prefix": "a/", "caSecret": "s3"}},
    "extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-extra"}}],
}
VOLUME = {"backups": {"storage": "volume", "volume": {"storageClass": "x", "accessMode": "ReadWriteMany"}}}
POD_MONITOR = {"metrics": {"serviceMonitor": {"enabled": False}, "podMonitor": {"enabled": True, "relabelings": [{"action": "labeldrop", "regex": "pod"}]}}}


def accepted(helm):
    """The API server accepts every object of values-prod with all options, and a PodMonitor and a volume of backups; a wrong field is found."""
    name = f"chart-test-{secrets.token_hex(3)}"
    try:
        with installed():
            restricted_namespace(name)
            code, out = dry_run(helm, name, files("prod"), EVERYTHING)
            assert code == 0, out
            assert all(kind.lower() in out for kind in KINDS if kind not in ("ListenerSet", "PodMonitor")), out
            code, out = dry_run(helm, name, files("prod"), EVERYTHING, POD_MONITOR, VOLUME)
            assert code == 0 and "podmonitor" in out and "persistentvolumeclaim" in out, out
            wrong = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": {"name": "x"}, "spec": {"selector": {}, "endpoints": []}}
            code, out = dry_run(helm, name, files("prod"), {"extraObjects": [wrong]})
            assert code != 0 and 'unknown field "spec.endpoints"' in out, out
    finally:
        gone(name)


CHECKS = {"the API server accepts values-prod with all options": accepted}
