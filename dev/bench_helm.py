"""Bare helm, with homes of its own."""

import os
import subprocess
from pathlib import Path

SAME_FLAGS = ("--disable-openapi-validation",)
"""The flags of the server's helm; see docs/ARCHITECTURE.md."""
SAME_LIMITS = {"HELM_QPS": "50", "HELM_BURST_LIMIT": "100"}
"""How many requests a second the server's helm may send."""


def helm(options, *argv, values=None):
    """What it prints; an error ends the run. `values` is its standard input. With the server's flags it also has its limits."""
    home = Path(options.state) / "helm"
    homes = {f"HELM_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "KUBECONFIG": os.environ["KUBECONFIG"], **homes}
    if set(SAME_FLAGS) <= set(argv):
        environment |= SAME_LIMITS
    ran = subprocess.run([options.helm, *argv], input=values, text=True, env=environment, capture_output=True)
    if ran.returncode:
        raise SystemExit(f"bench: helm {argv[0]} failed: {ran.stderr.strip()}")
    return ran.stdout
