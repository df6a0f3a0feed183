use uuid::Uuid;

use super::*;

/// A pending operation of that kind.
pub(crate) fn operation(kind: OperationKind) -> Operation {
    Operation {
        id: OperationId(Uuid::nil()),
        store: StoreUid(Uuid::nil()),
        store_id: "demo".parse().expect("valid"),
        tenant: Tenant::default(),
        kind,
        force: false,
        restore: None,
        update: None,
        prior: None,
        state: OperationState::Pending,
        step: None,
        reached: None,
        undoing: false,
        cancel_requested: false,
        failure: None,
        claims: 0,
        requested_by: "test".into(),
        trace: None,
        created_at: OffsetDateTime::UNIX_EPOCH,
        started_at: None,
        ended_at: None,
    }
}

#[test]
fn undo_steps_run_in_reverse_order() {
    let mut create = operation(OperationKind::Create);
    assert_eq!(create.undo_steps(), []);
    create.reached = Some(Step::Secrets);
    assert_eq!(create.undo_steps(), [Step::NamespaceGone]);
    create.reached = Some(Step::Verify);
    assert_eq!(create.undo_steps(), [Step::Uninstall, Step::NamespaceGone]);
    let mut update = operation(OperationKind::Update);
    assert_eq!(update.undo_steps(), []);
    update.reached = Some(Step::Upgrade);
    assert_eq!(update.undo_steps(), [Step::Revert, Step::Rollout, Step::Verify]);
    let settings = Settings {
        smtp: None,
        plugins: crate::plugins::Plugins::new(),
        display_name: String::new(),
        plan: String::new(),
        admin_email: String::new(),
        environment: crate::settings::Environment::Production,
        domains: crate::host_name::ServedDomains::default(),
        versions: crate::settings::Versions::default(),
    };
    update.update = Some(Update {
        before: settings,
        to_revision: None,
        from_revision: 1,
        maintenance: true,
        replaces_database: false,
        sold: None,
    });
    let whole = [Step::Revert, Step::Restore, Step::EndMaintenance, Step::Rollout, Step::Verify];
    for (reached, undo) in [
        (Step::Maintenance, &[Step::EndMaintenance][..]),
        (Step::VerifyBackup, &[Step::EndMaintenance]),
        (Step::Upgrade, &whole),
        (Step::Verify, &whole),
        (Step::EndMaintenance, &[]),
    ] {
        update.reached = Some(reached);
        assert_eq!(update.undo_steps(), undo, "{reached:?}");
    }
}

#[test]
fn every_step_belongs_to_a_kind() {
    for step in Step::ALL {
        let runs = |kind: &OperationKind| kind.steps().iter().any(|each| *each == step || each.undo() == Some(step));
        assert!(OperationKind::ALL.iter().any(runs), "{step:?}");
    }
}

#[test]
fn steps_before_the_furthest_are_behind() {
    let mut create = operation(OperationKind::Create);
    assert!(!create.is_behind(Step::Namespace));
    create.reached = Some(Step::Install);
    assert!(create.is_behind(Step::Namespace) && !create.is_behind(Step::Install));
}
