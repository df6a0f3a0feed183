"""The checks of charts/storeplane."""

import custom
import life
import policy

# For each environment, with helm's arguments.
COMBINED = policy.CHECKS
ONCE = custom.CHECKS
# With each helm, on a cluster.
CLUSTER = life.CHECKS
