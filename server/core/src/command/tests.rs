use super::*;
use crate::backup_policy::BackupPolicy;
use crate::engine::{Engine, Plan};
use crate::store::Versions;

/// An engine with two plans.
pub(crate) fn catalog() -> Catalog {
    let plan = |name: &str| Plan {
        name: name.into(),
        values: format!("plans/{name}.yaml").into(),
        size: crate::engine::PlanSize::default(),
    };
    Catalog::new(vec![Engine {
        name: "woocommerce".into(),
        chart: "charts/woocommerce".into(),
        chart_name: "woocommerce".into(),
        values: vec![],
        plans: vec![plan("tiny"), plan("small"), plan("large")],
        default_plan: "small".into(),
        secrets: vec![],
        lost_secrets: crate::engine::LostSecrets::default(),
        admin_path: None,
        credentials: None,
        backup: None,
        domains: true,
        smtp: true,
        plugins: Some(vec![]),
        verify: crate::engine::Verification::None,
        versions: Versions { chart: "0.2.0".into(), ..Versions::default() },
        info: crate::engine::VersionInfo::default(),
        images: vec![],
        secure: false,
    }])
    .expect("has an engine")
}

fn good() -> CreateStoreInput {
    CreateStoreInput {
        display_name: "Demo".into(),
        admin_email: "a@b.co".into(),
        cleanup_policy: Some(CleanupPolicy::Keep),
        ..Default::default()
    }
}

#[test]
fn version_of_the_engine_is_its_default_or_one_that_exists() {
    let engine = catalog().engines()[0].clone();
    let older = Engine {
        plans: engine.plans[..1].to_vec(),
        versions: Versions { chart: "0.1.0".into(), ..Versions::default() },
        ..engine.clone()
    };
    let catalog = Catalog::with_versions(vec![engine], vec![older]).expect("engines");
    let check = |version: &str, plan: &str| {
        let input = CreateStoreInput { engine_version: version.into(), plan: plan.into(), ..good() };
        input.check(&catalog).map(|create| (create.engine_version, create.spec.plan))
    };
    assert_eq!(check("", ""), Ok(("0.2.0".into(), "small".into())));
    assert_eq!(check("0.1.0", ""), Ok(("0.1.0".into(), "tiny".into())), "the plans are those of the version");
    let violation = |field: &str, rule: &str| Err(DomainError::field(field, rule));
    assert_eq!(check("0.1.0", "large"), violation("store.plan", "must be one of: tiny"));
    assert_eq!(check("0.3.0", ""), violation("store.engine_version", "must be one of: 0.2.0, 0.1.0"));
}

#[test]
fn all_violations_are_reported_together() {
    let input = CreateStoreInput {
        store_id: "--help".into(),
        display_name: "a\nb".into(),
        engine: "magento; rm -rf /".into(),
        admin_email: "a,secrets.x=y@b.co".into(),
        request_id: "7".into(),
        cleanup_policy: None,
        ..good()
    };
    let Err(DomainError::Invalid(violations)) = input.check(&catalog()) else { panic!("accepted") };
    let fields: Vec<_> = violations.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(
        fields,
        ["store_id", "request_id", "store.display_name", "store.admin_email", "cleanup_policy", "store.engine"]
    );
}

#[test]
fn engine_and_plan_have_defaults() {
    let create = good().check(&catalog()).expect("good");
    assert_eq!((create.spec.engine.as_str(), create.spec.plan.as_str()), ("woocommerce", "small"));
    let create = CreateStoreInput { plan: "huge".into(), ..good() };
    assert!(create.check(&catalog()).is_err());
}

#[test]
fn update_mask_names_the_changed_fields() {
    let with = |paths: &[&str]| UpdateStoreInput {
        store_id: "a".into(),
        update_mask: paths.iter().map(|path| (*path).to_owned()).collect(),
        deletion_protection: true,
        backup_policy: BackupPolicyInput { every: "daily".into(), keep_days: 3, keep_weekly: 0 },
        ..Default::default()
    };
    let (_, update) = with(&["deletion_protection"]).check().expect("good");
    assert_eq!(update, StoreUpdate { deletion_protection: Some(true), ..StoreUpdate::default() });
    let (_, update) = with(&["backup_policy.keep_days", "deletion_protection"]).check().expect("good");
    let backup_policy = BackupPolicy { keep_days: Some(3), ..BackupPolicy::default() };
    let policy_settings = vec![PolicySetting::KeepDays];
    let protected = StoreUpdate { deletion_protection: Some(true), ..StoreUpdate::default() };
    assert_eq!(update, StoreUpdate { policy_settings, backup_policy, ..protected });
    let (_, update) = UpdateStoreInput { display_name: "Tea".into(), ..with(&["display_name"]) }.check().expect("good");
    assert_eq!(update, StoreUpdate { display_name: Some("Tea".into()), ..StoreUpdate::default() });
    for bad in [&[][..], &["state"], &["*"], &["deletion_protection", "engine"]] {
        let Err(DomainError::Invalid(violations)) = with(bad).check() else { panic!("accepted {bad:?}") };
        assert_eq!(violations.iter().map(|v| v.field.as_str()).collect::<Vec<_>>(), ["update_mask"], "{bad:?}");
    }
    let all = with(&["x", "backup_policy", "display_name", "admin_email", "environment"]);
    let all = UpdateStoreInput { store_id: "-".into(), uid: "7".into(), request_id: "7".into(), ..all };
    let Err(DomainError::Invalid(violations)) = all.check() else { panic!("accepted") };
    let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    let settings = ["store.display_name", "store.admin_email", "store.environment"];
    let others = ["store.backup_policy.every", "store_id", "uid", "request_id"];
    assert_eq!(fields, [&["update_mask"], &settings[..], &others].concat());
    let bad = || "7".to_owned();
    let rolled_back =
        RollbackStoreInput { uid: bad(), backup_id: bad(), request_id: bad(), ..RollbackStoreInput::default() };
    let Err(DomainError::Invalid(violations)) = rolled_back.check() else { panic!("accepted") };
    let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["store_id", "uid", "request_id", "revision", "backup_id", "backup_id"]);
}

#[test]
fn request_id_is_bound_to_its_request() {
    let id = "0192f0c1-0000-7000-8000-000000000001";
    let with = |name: &str| CreateStoreInput { request_id: id.into(), display_name: name.into(), ..good() };
    let key = |name| with(name).check(&catalog()).expect("good").idempotency.expect("has a key");
    assert_eq!(key("Demo"), key("Demo"));
    assert_ne!(key("Demo").fingerprint, key("Other").fingerprint);
    let with = |days: i32, path: &str| {
        let backup_policy = BackupPolicyInput { keep_days: days, ..BackupPolicyInput::default() };
        let create = CreateStoreInput { request_id: id.into(), backup_policy: backup_policy.clone(), ..good() };
        let update = UpdateStoreInput {
            store_id: "a".into(),
            request_id: id.into(),
            update_mask: vec![path.into()],
            backup_policy,
            ..UpdateStoreInput::default()
        };
        let (update, _) = update.check().expect("good");
        let create = create.check(&catalog()).expect("good");
        (create.idempotency.expect("has a key").fingerprint, update.idempotency.expect("has a key").fingerprint)
    };
    assert_eq!(with(0, "backup_policy").0, key("Demo").fingerprint, "what is empty says nothing");
    let (one, two) = (with(1, "backup_policy"), with(2, "backup_policy"));
    assert!(one.0 != two.0 && one.1 != two.1);
    assert_ne!(one.1, with(1, "backup_policy.keep_days").1);
}
