"""Helm and kubectl against a cluster. Simulated nodes are enough: admission, quota and Pod Security are in the API server."""

import re
import subprocess

from harness import HELMS, call

RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}


def kubectl(*argv, text=None):
    code, out = call("kubectl", *argv, text=text)
    assert code == 0, f"kubectl {' '.join(argv[:3])}: {out}"
    return out


def restricted_namespace(name):
    """A namespace that enforces the restricted Pod Security Standard."""
    kubectl("create", "namespace", name)
    kubectl("label", "namespace", name, *[f"{k}={v}" for k, v in RESTRICTED.items()])


def gone(*names):
    subprocess.run(["kubectl", "delete", "namespace", "--wait=false", "--ignore-not-found", *names], capture_output=True, check=False)


def helm_run(helm, *argv):
    code, out = call(HELMS[helm], *argv)
    end = "\n".join(out.splitlines()[-12:])
    assert code == 0, f"helm {argv[0]}: {end}"
    assert not re.search(r"would violate PodSecurity|^W\d{4}|unrecognized|deprecated", out, re.M), f"helm {argv[0]} warned: {end}"
    return out


def ready(namespace, *rollouts, seconds=300):
    """A simulated pod is ready within a second; on a machine that compiles and runs other tests meanwhile, within minutes."""
    for rollout in rollouts:
        code, out = call("kubectl", "-n", namespace, "rollout", "status", rollout, f"--timeout={seconds}s")
        if code:
            _, pods = call("kubectl", "-n", namespace, "get", "pods,pvc", "-o", "wide")
            _, events = call("kubectl", "-n", namespace, "get", "events", "--sort-by=.lastTimestamp")
            raise AssertionError("\n".join([f"{rollout} is not ready: {out}", pods, *events.splitlines()[-15:]]))
