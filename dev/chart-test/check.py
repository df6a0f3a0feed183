"""Runs all checks of one chart; see `run`. A check is a function that raises AssertionError, and a line in main or in the chart's `checks.py`."""

import json
import os
import re
import sys
import tempfile
from pathlib import Path

import kubernetes_validate
import yaml

from harness import CHART, COMBINATIONS, ENVIRONMENTS, HELMS, OWN, RELEASE, TOOLS, Tally, call, files, objects, render

sys.path.insert(0, str(OWN))
import checks  # noqa: E402
import readme  # noqa: E402
import score  # noqa: E402

# What is in the oldest and in the newest one is in all between.
KUBERNETES = ["1.30", "1.36"]
# API groups that Kubernetes itself defines.
BUILT_IN = re.compile(r"v1$|(apps|autoscaling|batch|policy)/|[a-z.]+\.k8s\.io/")
GATEWAY = "gateway.networking.k8s.io/"
SNAPSHOTS = OWN / "snapshots"


def lint(helm, environment, plan):
    code, out = call(HELMS[helm], "lint", "--strict", "--quiet", CHART, *files(environment, plan))
    assert code == 0, out


def refused(helm, case):
    """Wrong values are refused, with the message that the case expects, by the schema or, with `by: template`, by a template."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        json.dump(case["values"], f)
        f.flush()
        code, out = call(HELMS[helm], "template", RELEASE, CHART, *files(case.get("environment", "local")), "-f", f.name)
    assert code != 0, "accepted"
    assert re.search(case["says"], out), f"expected: {case['says']}\nsaid: {out}"
    by = "template" if "execution error" in out else "schema"
    assert by in out and by == case.get("by", "schema"), f"not the {case.get('by', 'schema')} refused it: {out}"


def snapshot(environment, update):
    path = SNAPSHOTS / f"{environment}.yaml"
    now = render(*files(environment))
    if update:
        path.parent.mkdir(exist_ok=True)
        path.write_text(now)
    was = path.read_text()
    if was != now:
        import difflib

        lines = difflib.unified_diff(was.splitlines(), now.splitlines(), "snapshot", "now", lineterm="", n=2)
        raise AssertionError("\n".join(list(lines)[:60]) + "\n`dev/chart-test/run --update` if this is intended")


def same_in_both(environment):
    assert objects(*files(environment), helm="3") == objects(*files(environment), helm="4"), "helm 3 and 4 render differently"


def valid(version, environment):
    wrong = []
    for o in objects(*files(environment)):
        if not BUILT_IN.match(o["apiVersion"]) or o["apiVersion"].startswith(GATEWAY):
            continue
        try:
            kubernetes_validate.validate(o, version, strict=True)
        except kubernetes_validate.ValidationError as e:
            wrong.append(f"{o['kind']}/{o['metadata']['name']}: {e}")
    assert not wrong, "\n".join(wrong)


def minimum_kubernetes(helm):
    """The oldest version that the chart accepts is the oldest that it is checked with, vendors' suffixes included."""
    def template(version):
        return call(HELMS[helm], "template", RELEASE, CHART, *files("local"), "--kube-version", version)

    oldest = int(KUBERNETES[0].split(".")[1])
    for version in (f"1.{oldest}.0", f"1.{oldest}.4-gke.100", "1.36.4+k3s1"):
        code, out = template(version)
        assert code == 0, f"{version}: {out}"
    code, out = template(f"1.{oldest - 1}.9")
    assert code != 0 and "kubeVersion" in out, out


def units():
    code, out = call(TOOLS / "helm-unittest", "--strict", "-f", os.path.relpath(OWN / "unit" / "*_test.yaml", CHART), CHART)
    assert code == 0, out


def main():
    words = sys.argv[2:]
    update = "--update" in words
    tally = Tally([w for w in words if not w.startswith("--")])
    cases = yaml.safe_load((OWN / "refused.yaml").read_text())
    for helm in HELMS:
        for e, p in COMBINATIONS:
            tally.check(f"lint: helm {helm}, {', '.join(filter(None, (e, p)))}", lint, helm, e, p)
        for case in cases:
            tally.check(f"refused: helm {helm}, {case['name']}", refused, helm, case)
        tally.check(f"kubeVersion: helm {helm}", minimum_kubernetes, helm)
    for e in ENVIRONMENTS:
        tally.check(f"snapshot: {e}", snapshot, e, update)
        tally.check(f"helm 3 and 4 render the same: {e}", same_in_both, e)
    for name, test in checks.COMBINED.items():
        for e, p in COMBINATIONS:
            tally.check(f"{name}: {', '.join(filter(None, (e, p)))}", test, files(e, p))
    for name, test in checks.ONCE.items():
        tally.check(name, test)
    for version in KUBERNETES:
        for e in ENVIRONMENTS:
            tally.check(f"valid in Kubernetes {version}: {e}", valid, version, e)
    tally.check("kube-score: values-prod has nothing critical", score.nothing_critical, "prod")
    tally.check("unit: helm-unittest", units)
    tally.check("README: up to date with values.yaml", readme.check, update)
    if os.environ.get("KUBECONFIG"):
        for helm in HELMS:
            for name, test in checks.CLUSTER.items():
                tally.check(f"cluster: helm {helm}, {name}", test, helm)
        for name, test in checks.CLUSTER_ONCE.items():
            tally.check(f"cluster: {name}", test, next(iter(HELMS)))
    else:
        print("chart-test: no KUBECONFIG, so no cluster checks", file=sys.stderr)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
