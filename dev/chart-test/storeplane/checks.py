"""The checks of charts/storeplane."""

import custom
import life
import policy

# For each environment, with helm's arguments.
COMBINED = policy.CHECKS
ONCE = policy.ONCE
# With each helm, on a cluster.
CLUSTER = life.CHECKS | custom.CHECKS
