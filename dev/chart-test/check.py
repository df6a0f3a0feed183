"""Runs all checks of charts/woocommerce and of the images' scripts; see `run`. A check is a function that raises AssertionError, and a line in main."""

import json
import os
import re
import sys
import tempfile
from pathlib import Path

import kubernetes_validate
import yaml

import cluster
import images
import policy
import readme
from harness import CHART, COMBINATIONS, ENVIRONMENTS, HELMS, HERE, RELEASE, NAMESPACE, STORE, TOOLS, Tally, call, files, objects, render

KUBERNETES = [f"1.{minor}" for minor in range(30, 37)]
SNAPSHOTS = HERE / "snapshots"


def lint(helm, environment, plan):
    code, out = call(HELMS[helm], "lint", "--strict", "--quiet", CHART, *files(environment, plan))
    assert code == 0, out


def refused(helm, case):
    """A wrong values file is refused, with the message that the case expects."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        json.dump(case["values"], f)
        f.flush()
        code, out = call(HELMS[helm], "template", RELEASE, CHART, *files(case.get("environment", "local"), "small"), "-f", f.name)
    assert code != 0, "accepted"
    assert re.search(case["says"], out), f"expected: {case['says']}\nsaid: {out}"
    assert "schema" in out, f"not the schema refused it: {out}"


def snapshot(environment, update):
    path = SNAPSHOTS / f"{environment}.yaml"
    now = render(*files(environment, "small"))
    if update:
        path.parent.mkdir(exist_ok=True)
        path.write_text(now)
    was = path.read_text()
    if was != now:
        import difflib

        lines = difflib.unified_diff(was.splitlines(), now.splitlines(), "snapshot", "now", lineterm="", n=2)
        raise AssertionError("\n".join(list(lines)[:60]) + "\n`dev/chart-test/run --update` if this is intended")


def same_in_both(environment):
    assert objects(*files(environment, "small"), helm="3") == objects(*files(environment, "small"), helm="4"), "helm 3 and 4 render differently"


def valid(version, environment, plan):
    wrong = []
    for o in objects(*files(environment, plan)):
        try:
            kubernetes_validate.validate(o, version, strict=True)
        except kubernetes_validate.ValidationError as e:
            wrong.append(f"{o['kind']}/{o['metadata']['name']}: {e}")
    assert not wrong, "\n".join(wrong)


def score():
    with tempfile.TemporaryDirectory() as d:
        path = Path(d) / "prod.yaml"
        # without the pod of `helm test`
        kept = [o for o in objects(*files("prod", "small")) if "helm.sh/hook" not in o["metadata"].get("annotations", {})]
        for o in kept:
            o["metadata"]["namespace"] = NAMESPACE
        path.write_text(yaml.safe_dump_all(kept))
        _, out = call(TOOLS / "kube-score", "score", "--output-format", "ci", path)
    critical = [line for line in out.splitlines() if line.startswith("[CRITICAL]")]
    assert "[OK]" in out and not critical, "\n".join(critical) or out


def minimum_kubernetes(helm):
    """The oldest version that the chart accepts is the oldest that it is checked with, vendors' suffixes included."""
    def template(version):
        return call(HELMS[helm], "template", RELEASE, CHART, *files("local", "small"), "--kube-version", version)

    oldest = int(KUBERNETES[0].split(".")[1])
    for version in (f"1.{oldest}.0", f"1.{oldest}.4-gke.100", "1.36.4+k3s1"):
        code, out = template(version)
        assert code == 0, f"{version}: {out}"
    code, out = template(f"1.{oldest - 1}.9")
    assert code != 0 and "kubeVersion" in out, out


def units():
    code, out = call(TOOLS / "helm-unittest", "--strict", "-f", os.path.relpath(HERE / "unit" / "*_test.yaml", CHART), CHART)
    assert code == 0, out


def main():
    words = sys.argv[1:]
    update = "--update" in words
    tally = Tally([w for w in words if not w.startswith("--")])
    cases = yaml.safe_load((HERE / "refused.yaml").read_text())
    for helm in HELMS:
        for e, p in COMBINATIONS:
            tally.check(f"lint: helm {helm}, {e}, {p}", lint, helm, e, p)
        for case in cases:
            tally.check(f"refused: helm {helm}, {case['name']}", refused, helm, case)
        tally.check(f"kubeVersion: helm {helm}", minimum_kubernetes, helm)
    for e in ENVIRONMENTS:
        tally.check(f"snapshot: {e}", snapshot, e, update)
        tally.check(f"helm 3 and 4 render the same: {e}", same_in_both, e)
    for name, test in policy.CHECKS.items():
        for e, p in COMBINATIONS:
            tally.check(f"{name}: {e}, {p}", test, files(e, p))
    for name, test in policy.ONCE.items():
        tally.check(name, test)
    for version in KUBERNETES:
        for e in ENVIRONMENTS:
            tally.check(f"valid in Kubernetes {version}: {e}", valid, version, e, "small")
    tally.check("kube-score: values-prod has nothing critical", score)
    tally.check("unit: helm-unittest", units)
    tally.check("README: up to date with values.yaml", readme.check, update)
    for name, test in images.CHECKS.items():
        tally.check(f"images: {name}", test)
    if os.environ.get("KUBECONFIG"):
        for helm in HELMS:
            tally.check(f"cluster: helm {helm}, claims grown by hand keep their size and class", cluster.grown, helm)
            tally.check(f"cluster: helm {helm}, an upgrade follows edited Secrets", cluster.edited_secret, helm)
            tally.check(f"cluster: helm {helm}, dry run, install, upgrade, rollback, uninstall", cluster.life, helm)
            tally.check(f"cluster: helm {helm}, ten installs at once lose nothing to the quota", cluster.crowd, helm)
    else:
        print("chart-test: no KUBECONFIG, so no cluster checks", file=sys.stderr)
    return tally.finish()


if __name__ == "__main__":
    sys.exit(main())
