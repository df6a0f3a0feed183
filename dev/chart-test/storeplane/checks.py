"""The checks of charts/storeplane."""

import custom
import guide
import life
import policy

# For each environment, with helm's arguments.
COMBINED = policy.CHECKS
ONCE = policy.ONCE | guide.CHECKS
# With each helm, on a cluster.
CLUSTER = life.CHECKS
# With one of them: the API server decides.
CLUSTER_ONCE = custom.CHECKS
