"""kube-score of a chart."""

import tempfile
from pathlib import Path

import yaml

from harness import NAMESPACE, TOOLS, call, files, objects


def nothing_critical(environment, *ignored):
    """Without the tests in `ignored`, and without the pod of `helm test`."""
    with tempfile.TemporaryDirectory() as d:
        path = Path(d) / "chart.yaml"
        kept = [o for o in objects(*files(environment)) if "helm.sh/hook" not in o["metadata"].get("annotations", {})]
        for o in kept:
            o["metadata"]["namespace"] = NAMESPACE
        path.write_text(yaml.safe_dump_all(kept))
        _, out = call(TOOLS / "kube-score", "score", "--output-format", "ci", *[f"--ignore-test={name}" for name in ignored], path)
    critical = [line for line in out.splitlines() if line.startswith("[CRITICAL]")]
    assert "[OK]" in out and not critical, "\n".join(critical) or out
