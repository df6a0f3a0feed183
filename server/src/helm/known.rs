//! Error texts of helm 3.17 and helm 4, and what they mean.

use super::error::HelmErrorKind as Kind;

/// Each line: all of these texts in helm's error mean this. The first line that fits decides, so the more telling
/// ones stand first.
pub(super) const TEXTS: &[(&[&str], Kind)] = &[
    (&[super::protocol::EXEC_ERROR], Kind::Missing),
    (&["no space left on device"], Kind::DiskFull),
    (&["disk quota exceeded"], Kind::DiskFull),
    (&["invalid ownership metadata"], Kind::NotOurs),
    (&["cannot re-use a name that is still in use"], Kind::NameInUse),
    (&["another operation", "is in progress"], Kind::InProgress),
    (&["has no deployed releases"], Kind::NeverDeployed),
    (&["release has no", "version"], Kind::ReleaseNotFound),
    (&["release: not found"], Kind::ReleaseNotFound),
    (&["because it is being terminated"], Kind::NamespaceTerminating),
    (&["violates PodSecurity"], Kind::PodSecurity),
    (&["exceeded quota"], Kind::Quota),
    (&["failed quota"], Kind::Quota),
    (&["namespaces \"", "\" not found"], Kind::NamespaceMissing),
    (&["connection refused"], Kind::Unreachable),
];
