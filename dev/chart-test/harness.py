"""Shared by all checks: paths, helm, rendered objects, and the tally. The first argument selects the chart."""

import functools
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CHART = ROOT / "charts" / sys.argv[1]
# Tests of this chart only.
OWN = HERE / CHART.name
NOTHING_RAN = 3  # exit code
TOOLS = Path(os.environ["STOREPLANE_TOOLS"])
_setup = yaml.safe_load((OWN / "chart.yaml").read_text())
RELEASE = NAMESPACE = _setup["release"]
ENVIRONMENTS = _setup["environments"]
PLANS = _setup.get("plans", [])
COMBINATIONS = [(e, p) for e in ENVIRONMENTS for p in PLANS or [None]]
_VALUES = [OWN / name for name in _setup.get("values", [])]
_GENERATED = re.compile(f"({_setup['generated']}).*", re.M) if "generated" in _setup else None


def helms():
    """The helm binaries by major version. A missing one ends the run with the name of its variable."""
    found = {}
    for major in ("3", "4"):
        variable = f"STOREPLANE_TEST_HELM{major}"
        path = os.environ.get(variable, "")
        if not os.access(path, os.X_OK):
            sys.exit(f"chart-test: {variable} must name a helm {major} binary; `make test` sets it")
        found[major] = path
    return found


HELMS = helms()


def call(*argv, text=None):
    """Exit code and output (stdout and stderr) of a command."""
    done = subprocess.run([str(a) for a in argv], input=text, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def files(environment, plan=None):
    """The values files of a release, in the control plane's order. Without a plan: the smallest."""
    plan = plan or next(iter(PLANS), None)
    names = [CHART / f"values-{environment}.yaml", *([CHART / "plans" / f"{plan}.yaml"] if plan else []), *_VALUES]
    return [part for name in names for part in ("-f", name)]


@functools.cache
def render(*args, helm="3"):
    """The rendered chart, without generated values; AssertionError with helm's output."""
    code, out = call(HELMS[helm], "template", RELEASE, CHART, "--namespace", NAMESPACE, *args)
    if code:
        raise AssertionError(out)
    return _GENERATED.sub(r"\1generated", out) if _GENERATED else out


def objects(*args, helm="3"):
    return [o for o in yaml.safe_load_all(render(*args, helm=helm)) if o]


def pod_specs(manifests):
    """All pod specs, each with its `Kind/name`."""
    for o in manifests:
        spec = o.get("spec", {})
        where = {
            "Pod": spec,
            "PodTemplate": o.get("template", {}).get("spec"),
            "CronJob": spec.get("jobTemplate", {}).get("spec", {}).get("template", {}).get("spec"),
        }
        pod = where.get(o["kind"], spec.get("template", {}).get("spec") if isinstance(spec.get("template"), dict) else None)
        if pod and "containers" in pod:
            yield f"{o['kind']}/{o['metadata']['name']}", pod


def containers(pod):
    return pod.get("initContainers", []) + pod["containers"]


class Tally:
    """Runs checks by name and counts the results."""

    def __init__(self, only):
        self.only, self.passed, self.failed = only, 0, []

    def check(self, name, test, *args):
        if self.only and not any(word in name for word in self.only):
            return
        try:
            test(*args)
        except (AssertionError, subprocess.TimeoutExpired) as e:
            self.failed.append(name)
            print(f"FAILED {name}\n    " + str(e).strip().replace("\n", "\n    "), flush=True)
        else:
            self.passed += 1
            print(f"ok     {name}", flush=True)

    def finish(self):
        if self.failed:
            print("\nFailed:\n  " + "\n  ".join(self.failed))
        print(f"{self.passed} passed, {len(self.failed)} failed: {CHART.name}")
        return 1 if self.failed else 0 if self.passed else NOTHING_RAN
