//! The steps of operations.

use crate::wire::wire_enum;

wire_enum! {
    /// One step of an operation.
    pub enum Step {
        /// The namespace exists and is the store's.
        Namespace = "NAMESPACE",
        /// The Secrets exist; existing ones are kept.
        Secrets = "SECRETS",
        /// The release is deployed.
        Install = "INSTALL",
        /// All pods of the release are ready.
        Rollout = "ROLLOUT",
        /// The storefront answers, and sells.
        Verify = "VERIFY",
        /// The Secrets have new values.
        RotateSecrets = "ROTATE_SECRETS",
        /// The store's data is in the storage, encrypted.
        BackUp = "BACK_UP",
        /// A page answers in the shop's place, and nothing changes its data.
        Maintenance = "MAINTENANCE",
        /// The stored data was read back and decrypted, and is what was sent.
        VerifyBackup = "VERIFY_BACKUP",
        /// The shop's data is that of the backup.
        Restore = "RESTORE",
        /// The shop's pods run, while the page answers customers.
        Start = "START",
        /// The shop answers again.
        EndMaintenance = "END_MAINTENANCE",
        /// The release is deployed with the new settings.
        Upgrade = "UPGRADE",
        /// The release is deployed with the chart and the values of the revision before.
        Revert = "REVERT",
        /// The release is gone.
        Uninstall = "UNINSTALL",
        /// The namespace and everything in it is gone.
        NamespaceGone = "NAMESPACE_GONE",
    }
}

impl Step {
    /// A description for people.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Namespace => "Creating the namespace",
            Self::Secrets => "Generating credentials",
            Self::Install => "Installing the chart",
            Self::Rollout => "Waiting for pods to become ready",
            Self::Verify => "Testing the storefront",
            Self::RotateSecrets => "Replacing credentials",
            Self::BackUp => "Backing up database and files",
            Self::VerifyBackup => "Reading the backup back and verifying it",
            Self::Maintenance => "Taking the shop offline",
            Self::Restore => "Restoring database and files",
            Self::Start => "Starting the shop behind the maintenance page",
            Self::EndMaintenance => "Putting the shop back online",
            Self::Upgrade => "Applying the chart with the new settings",
            Self::Revert => "Applying the previous chart and settings",
            Self::Uninstall => "Uninstalling the release",
            Self::NamespaceGone => "Removing the namespace and everything in it",
        }
    }

    /// True if it runs helm.
    pub fn runs_helm(self) -> bool {
        matches!(self, Self::Install | Self::Upgrade | Self::Start | Self::Revert | Self::Uninstall)
    }

    /// The step that undoes this one. `None` if another step's undo covers it (Secrets are deleted with their
    /// namespace) or if there is nothing to undo.
    pub fn undo(self) -> Option<Self> {
        match self {
            Self::Namespace => Some(Self::NamespaceGone),
            Self::Install => Some(Self::Uninstall),
            Self::Maintenance => Some(Self::EndMaintenance),
            Self::Upgrade => Some(Self::Revert),
            Self::Secrets
            | Self::Rollout
            | Self::Verify
            | Self::RotateSecrets
            | Self::BackUp
            | Self::VerifyBackup
            | Self::Restore
            | Self::Start
            | Self::EndMaintenance
            | Self::Revert
            | Self::Uninstall
            | Self::NamespaceGone => None,
        }
    }
}
