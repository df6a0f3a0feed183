use std::time::Duration as StdDuration;

use uuid::Uuid;

use super::*;
use crate::command::PluginChoice;
use crate::store::Environment;

fn check(input: CreateRolloutInput) -> Result<CreateRollout, DomainError> {
    let caller = Caller::server("ci", crate::ids::Tenant::default());
    input.check(RolloutId(Uuid::nil()), &caller, OffsetDateTime::UNIX_EPOCH)
}

fn input() -> CreateRolloutInput {
    let update = UpdateStoreInput {
        update_mask: vec!["plan".into()],
        plan: "large".into(),
        environment: Some(Environment::Production),
        ..UpdateStoreInput::default()
    };
    CreateRolloutInput {
        filter: "*".into(),
        update,
        on_failure: Some(OnFailure::Pause),
        ..CreateRolloutInput::default()
    }
}

fn violations(input: CreateRolloutInput) -> Vec<(String, String)> {
    let Err(DomainError::Invalid(violations)) = check(input) else { panic!("accepted") };
    violations.into_iter().map(|violation| (violation.field, violation.description)).collect()
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let checked = check(input()).expect("valid");
    let rollout = checked.of(1000);
    let sizes: Vec<_> = rollout.waves.iter().map(|wave| wave.stores).collect();
    assert_eq!(sizes, [1, 9, 90, 400, 500]);
    assert_eq!((rollout.parallelism, rollout.soak, rollout.budget.effective_percent()), (4, SOAK_DEFAULT, Some(2)));
    assert_eq!(rollout.counts.total(), 1000);
    let Target::Update { mask, values } = rollout.target else { panic!("no update") };
    assert_eq!((mask, values.plan), (vec!["plan".to_owned()], Some("large".into())));
}

#[test]
fn all_violations_are_reported_at_once() {
    let update = UpdateStoreInput {
        update_mask: vec!["environment".into(), "labels.tier".into()],
        labels: [("tier".to_owned(), "x".repeat(64))].into(),
        ..UpdateStoreInput::default()
    };
    let bad = CreateRolloutInput {
        filter: "planet = mars".into(),
        update,
        waves: vec![Some(SizeInput::Percent(50)), Some(SizeInput::Percent(10))],
        parallelism: 101,
        budget_stores: Some(-1),
        budget_percent: Some(101),
        soak: Some(StdDuration::from_hours(200).try_into().expect("short")),
        window: Some(("9:00".into(), "17:00".into())),
        on_failure: None,
        request_id: "7".into(),
        display_name: "x".repeat(81),
        ..input()
    };
    let fields: Vec<_> = violations(bad).into_iter().map(|(field, _)| field).collect();
    let expected = [
        "rollout.display_name",
        "rollout.filter",
        "rollout.target.store.environment",
        "rollout.target.store.labels.tier",
        "rollout.waves",
        "rollout.parallelism",
        "rollout.failure_budget.stores",
        "rollout.failure_budget.percent",
        "rollout.soak",
        "rollout.window.start",
        "rollout.on_failure",
        "request_id",
    ];
    assert_eq!(fields, expected);
}

#[test]
fn rollout_needs_a_filter_and_one_target_of_shared_fields() {
    let with_mask = |mask: &[&str]| {
        let update_mask = mask.iter().map(|path| (*path).to_owned()).collect();
        CreateRolloutInput { update: UpdateStoreInput { update_mask, ..input().update }, ..input() }
    };
    let field = |input| violations(input).into_iter().map(|(field, _)| field).collect::<Vec<_>>();
    assert_eq!(field(CreateRolloutInput { filter: " ".into(), ..input() }), ["rollout.filter"]);
    for mask in [&["display_name"][..], &["plan", "admin_email"], &["labels"], &["store_id"], &[]] {
        assert_eq!(field(with_mask(mask)), ["rollout.target.update_mask"], "{mask:?}");
    }
    let protection = with_mask(&["plan", "deletion_protection"]);
    assert_eq!(
        field(CreateRolloutInput { on_failure: Some(OnFailure::RollBack), ..protection }),
        ["rollout.on_failure"]
    );
    let both = CreateRolloutInput { reapply: true, ..input() };
    assert_eq!(field(both.clone()), ["rollout.target.update_mask"]);
    let reapply = CreateRolloutInput { update: UpdateStoreInput::default(), ..both };
    assert_eq!(check(reapply).expect("valid").rollout.target, Target::Reapply);
}

#[test]
fn plugins_are_versions_of_those_that_stores_have() {
    let with = |plugins: &[(&str, &str)]| {
        let plugins =
            plugins.iter().map(|(name, version)| PluginChoice { name: (*name).into(), version: (*version).into() });
        let update_mask = vec!["plugins".into()];
        let update = UpdateStoreInput { update_mask, plugins: plugins.collect(), ..UpdateStoreInput::default() };
        CreateRolloutInput { update, on_failure: Some(OnFailure::RollBack), ..input() }
    };
    let Target::Update { values, .. } = check(with(&[("faq", "1.1")])).expect("reversible").rollout.target else {
        panic!("no update")
    };
    assert_eq!((values.plugins.clone(), values.plugin_versions.len()), (None, 1));
    let stored = serde_json::to_string(&values).expect("JSON");
    assert_eq!(stored, r#"{"plugin_versions":[{"name":"faq","version":"1.1"}]}"#);
    let fields = |plugins: &[(&str, &str)]| violations(with(plugins)).into_iter().map(|it| it.0).collect::<Vec<_>>();
    assert_eq!(fields(&[]), ["rollout.target.store.plugins"]);
    assert_eq!(fields(&[("faq", "1"), ("faq", "2")]), ["rollout.target.store.plugins[1].name"]);
}
