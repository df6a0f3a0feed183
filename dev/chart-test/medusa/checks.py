"""The checks of charts/medusa and of its shop's images. Rules that hold for the shop of any engine are those of charts/woocommerce."""

import sys

from harness import HERE

sys.path.append(str(HERE / "woocommerce"))
import life  # noqa: E402
import policy  # noqa: E402
import programs  # noqa: E402
import rules  # noqa: E402

life.KEYS = {"store-db": ("database", "username", "password"), "store-admin": ("username", "password"), "store-keys": ("JWT_SECRET", "COOKIE_SECRET")}
SHARED = ("Pod Security", "quota holds a rollout", "no hooks but helm test", "one pod unless uploads are shared")
SHARED_ONCE = ("display name arrives as typed", "no passwords", "plans say their sizes", "pull Secrets")
SHARED_ON_CLUSTER = ("an upgrade follows edited Secrets", "dry run, install, upgrade, rollback, uninstall", "maintenance replaces no pod")

# For each combination of an environment and a plan, with helm's arguments.
COMBINED = {name: policy.CHECKS[name] for name in SHARED} | rules.CHECKS
ONCE = {name: policy.ONCE[name] for name in SHARED_ONCE} | rules.ONCE | {f"images: {name}": test for name, test in programs.CHECKS.items()}
# With each helm, on a cluster.
CLUSTER = {name: life.CHECKS[name] for name in SHARED_ON_CLUSTER}
CLUSTER_ONCE = {}
