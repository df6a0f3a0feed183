"""The checks of charts/storeplane."""

import custom
import guide
import life
import policy

# For each environment, with helm's arguments.
COMBINED = policy.CHECKS
ONCE = policy.ONCE | guide.CHECKS
# With each helm, on a cluster.
CLUSTER = life.CHECKS | custom.CHECKS
