//! What to do about a release, given helm's record. Pure.

use crate::kube::{ReleaseObservation, ReleaseStatus};

/// What INSTALL does about a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repair {
    /// Nothing: it is deployed.
    Adopt,
    /// Install: it does not exist.
    Install,
    /// Upgrade: chart and values are applied again.
    Upgrade,
    /// It never worked, and helm did not finish: uninstall, then install.
    Reinstall,
    /// An upgrade was interrupted: roll back to the last deployed revision, then upgrade.
    RollBack(u32),
    /// It may contain a shop's data, and helm cannot continue from its record: remove the record, and install the chart
    /// over the existing objects.
    Forget,
    /// Something else created it.
    LeaveAlone,
}

/// What is known of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// The release carries the store's uid.
    pub(super) is_ours: bool,
    /// The store was READY once: nothing may be uninstalled.
    pub(super) was_ready: bool,
    /// Apply the chart even if the release is deployed.
    pub(super) apply_again: bool,
}

/// Never uninstalls a store that was READY once, and handles every state.
pub(super) fn repair(found: Option<&ReleaseObservation>, known: Known) -> Repair {
    let Some(found) = found else { return Repair::Install };
    if !known.is_ours {
        return Repair::LeaveAlone;
    }
    let worked = known.was_ready || found.last_deployed.is_some();
    let not_resumable = if known.was_ready { Repair::Forget } else { Repair::Reinstall };
    match found.status {
        ReleaseStatus::Deployed if known.apply_again => Repair::Upgrade,
        ReleaseStatus::Deployed => Repair::Adopt,
        ReleaseStatus::PendingUpgrade | ReleaseStatus::PendingRollback => {
            found.last_deployed.map_or(not_resumable, Repair::RollBack)
        }
        ReleaseStatus::Failed | ReleaseStatus::Superseded if worked => Repair::Upgrade,
        ReleaseStatus::Uninstalled => Repair::Forget,
        ReleaseStatus::Failed
        | ReleaseStatus::Superseded
        | ReleaseStatus::PendingInstall
        | ReleaseStatus::Uninstalling
        | ReleaseStatus::Unknown => not_resumable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUSES: [ReleaseStatus; 9] = [
        ReleaseStatus::Deployed,
        ReleaseStatus::Failed,
        ReleaseStatus::PendingInstall,
        ReleaseStatus::PendingUpgrade,
        ReleaseStatus::PendingRollback,
        ReleaseStatus::Uninstalling,
        ReleaseStatus::Uninstalled,
        ReleaseStatus::Superseded,
        ReleaseStatus::Unknown,
    ];

    fn found(status: ReleaseStatus, last_deployed: Option<u32>) -> ReleaseObservation {
        ReleaseObservation { status, revision: 3, last_deployed, updated: None, store_uid: None }
    }

    #[test]
    fn every_status_has_a_repair() {
        let mut lines = Vec::new();
        for status in STATUSES {
            let of = |was_ready, last_deployed| {
                let known = Known { is_ours: true, was_ready, apply_again: true };
                repair(Some(&found(status, last_deployed)), known)
            };
            lines.push(format!(
                "{}: {:?}, deployed before {:?}; was READY {:?}, deployed before {:?}",
                status.as_str(),
                of(false, None),
                of(false, Some(2)),
                of(true, None),
                of(true, Some(2))
            ));
        }
        insta::assert_snapshot!(lines.join("\n"), @r"
        deployed: Upgrade, deployed before Upgrade; was READY Upgrade, deployed before Upgrade
        failed: Reinstall, deployed before Upgrade; was READY Upgrade, deployed before Upgrade
        pending-install: Reinstall, deployed before Reinstall; was READY Forget, deployed before Forget
        pending-upgrade: Reinstall, deployed before RollBack(2); was READY Forget, deployed before RollBack(2)
        pending-rollback: Reinstall, deployed before RollBack(2); was READY Forget, deployed before RollBack(2)
        uninstalling: Reinstall, deployed before Reinstall; was READY Forget, deployed before Forget
        uninstalled: Forget, deployed before Forget; was READY Forget, deployed before Forget
        superseded: Reinstall, deployed before Upgrade; was READY Upgrade, deployed before Upgrade
        unknown: Reinstall, deployed before Reinstall; was READY Forget, deployed before Forget
        ");
    }

    #[test]
    fn ready_shop_is_never_uninstalled_and_foreign_release_never_changed() {
        for status in STATUSES {
            for last_deployed in [None, Some(2)] {
                for apply_again in [false, true] {
                    let release = found(status, last_deployed);
                    let known = Known { is_ours: true, was_ready: true, apply_again };
                    assert_ne!(repair(Some(&release), known), Repair::Reinstall, "{status:?}");
                    let foreign = Known { is_ours: false, ..known };
                    assert_eq!(repair(Some(&release), foreign), Repair::LeaveAlone);
                    assert_eq!(repair(None, foreign), Repair::Install);
                }
            }
        }
    }
}
