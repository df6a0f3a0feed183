//! Labels of our objects. People and other programs select by them, so they do not change.

/// What manages the object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`] on objects that the control plane itself creates.
pub const STOREPLANE: &str = "storeplane";
/// Which control plane.
pub const INSTANCE: &str = "storeplane.io/instance";
/// The store's id.
pub const STORE_ID: &str = "storeplane.io/store-id";
/// The store's uid, which distinguishes it from others with the same id.
pub const STORE_UID: &str = "storeplane.io/store-uid";
/// The store's tenant.
pub const TENANT: &str = "storeplane.io/tenant";
/// The fence of the claim that acted last; a worker with a lower one has lost its operation.
pub const FENCE: &str = "storeplane.io/fence";
/// On the pod template of a restarted workload: when its Secrets last changed.
pub const SECRETS_SINCE: &str = "storeplane.io/secrets-since";
/// On a Secret: the operation that rotated it last.
pub const ROTATED_BY: &str = "storeplane.io/rotated-by";
/// On a Job, its pods and its Secret: the operation that they belong to.
pub const OPERATION: &str = "storeplane.io/operation";
/// On a Deployment or `StatefulSet` that is scaled to 0 for maintenance: its number of replicas before.
pub const REPLICAS_BEFORE: &str = "storeplane.io/replicas-before-maintenance";
/// On a `CronJob` that is suspended for maintenance: whether it was suspended before.
pub const SUSPENDED_BEFORE: &str = "storeplane.io/suspended-before-maintenance";
/// On a snapshot of a volume: the backup that it was made with.
pub const BACKUP: &str = "storeplane.io/backup";
/// On a volume claim that a restore created again: the operation, and how.
pub const RESTORED_BY: &str = "storeplane.io/restored-by";
/// On a copy of a Secret: `namespace.name` of the original.
pub const COPIED_FROM: &str = "storeplane.io/copied-from";
/// On a copy of a Secret: the resource version of the original that it was copied from.
pub const COPIED_VERSION: &str = "storeplane.io/copied-version";
/// On helm's records of a release: the store's engine.
pub const ENGINE: &str = "storeplane.io/engine";
/// On helm's records of a release: the store's plan.
pub const PLAN: &str = "storeplane.io/plan";
/// Helm's recommended label of a chart's objects: its name and version.
pub const CHART: &str = "helm.sh/chart";
/// Pod Security: what is enforced, audited and warned about.
pub const POD_SECURITY: [&str; 3] =
    ["pod-security.kubernetes.io/enforce", "pod-security.kubernetes.io/audit", "pod-security.kubernetes.io/warn"];
/// The value of [`POD_SECURITY`].
pub const RESTRICTED: &str = "restricted";
