"""Rules for the pods of every chart."""

import re

from harness import containers, objects, pod_specs

UNITS = {"": 1, "m": 0.001, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def number(quantity):
    digits, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(quantity)).groups()
    return float(digits) * UNITS[unit]


def restricted(args, with_token=(), at_least=4):
    """Pod Security `restricted` and more: fixed high ids, read-only root, no token, resources everywhere, a termination message."""
    wrong, seen = [], 0
    for where, pod in pod_specs(objects(*args)):
        own = pod.get("securityContext", {})
        rules = {
            "token": pod.get("automountServiceAccountToken") is (where in with_token),
            "no service variables": pod.get("enableServiceLinks") is False,
            "runs as user above 10000": own.get("runAsNonRoot") is True and own.get("runAsUser", 0) > 10000 and own.get("runAsGroup", 0) > 10000,
            "seccomp": own.get("seccompProfile") == {"type": "RuntimeDefault"},
            "no host namespaces": not any(pod.get(k) for k in ("hostNetwork", "hostPID", "hostIPC")),
            "allowed volumes": all(set(v) - {"name"} <= {"configMap", "emptyDir", "persistentVolumeClaim", "secret", "projected"} for v in pod.get("volumes", [])),
            "bounded emptyDirs": all(v["emptyDir"].get("sizeLimit") for v in pod.get("volumes", []) if "emptyDir" in v),
        }
        for c in containers(pod):
            seen += 1
            s = c.get("securityContext", {})
            rules |= {
                f"{c['name']}: no escalation": s.get("allowPrivilegeEscalation") is False and not s.get("privileged"),
                f"{c['name']}: no capabilities": s.get("capabilities") == {"drop": ["ALL"]},
                f"{c['name']}: read-only root": s.get("readOnlyRootFilesystem") is True,
                f"{c['name']}: non-root": s.get("runAsNonRoot") is True,
                f"{c['name']}: termination message": c.get("terminationMessagePolicy") == "FallbackToLogsOnError",
                f"{c['name']}: no host port": not any("hostPort" in p for p in c.get("ports", [])),
                f"{c['name']}: requests and limits": all(
                    c["resources"].get(k, {}).get(r) for k in ("requests", "limits") for r in ("cpu", "memory")
                ),
                f"{c['name']}: pinned image": bool(re.search(r":(?!latest$)[\w][\w.-]*$|@sha256:[0-9a-f]{64}$", c["image"])),
            }
        wrong += [f"{where}: {name}" for name, kept in rules.items() if not kept]
    assert seen >= at_least, "too few containers were found"
    assert not wrong, "\n".join(wrong)
