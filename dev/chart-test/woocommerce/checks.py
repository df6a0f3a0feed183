"""The checks of charts/woocommerce and of the shop's images."""

import backups
import distribution
import images
import life
import policy

# For each combination of an environment and a plan, with helm's arguments.
COMBINED = policy.CHECKS
ONCE = policy.ONCE | {f"images: {name}": test for name, test in (images.CHECKS | backups.CHECKS | distribution.CHECKS).items()}
# With each helm, on a cluster.
CLUSTER = life.CHECKS
# With one of them: the API server decides.
CLUSTER_ONCE = life.ONCE
