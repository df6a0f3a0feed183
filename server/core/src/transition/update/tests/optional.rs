//! Settings that not every chart has: a mail server, plugins.

use super::*;

#[test]
fn mail_server_needs_a_chart_with_that_value_and_a_password_in_clear_text_is_noted() {
    let server = Smtp {
        host: "smtp.example.com".into(),
        port: 25,
        encryption: Encryption::None,
        username: "shop".into(),
        from_address: String::new(),
        from_name: String::new(),
        secret: "store-smtp-1".into(),
    };
    let password = Some(SecretText::new("hunter2"));
    let wanted = StoreUpdate { smtp: Some(SmtpChange::Set(server.clone(), password)), ..StoreUpdate::default() };
    let before = settled(State::Ready, true);
    let change = updated(before.clone(), &wanted).expect("accepted");
    assert_eq!(change.store.spec.smtp, Some(Box::new(server)));
    let notes = preview(&before.store, &change, None, &with_backups()).notes;
    assert_eq!(notes, ["The shop sends the password to the mail server without encryption."]);
    let without = Catalog::new(vec![Engine { smtp: false, ..with_backups().engines()[0].clone() }]).expect("engines");
    let refused = update(before, None, &wanted, (&without, None), &request(&caller())).unwrap_err();
    assert!(refused.to_string().contains("store.smtp cannot be set"), "{refused}");
}

#[test]
fn plugins_are_replaced_as_a_whole_and_by_rollouts_one_by_one() {
    let offers = [("faq", "1.0"), ("faq", "1.1"), ("cards", "2.0")].map(|(name, version)| offered(name, version));
    let catalog = Catalog::new(vec![Engine { plugins: Some(offers.to_vec()), ..with_backups().engines()[0].clone() }])
        .expect("engines");
    let set = |all: &[(&str, &str)]| StoreUpdate {
        plugins: Some(all.iter().map(|(name, version)| choice(name, version)).collect()),
        ..StoreUpdate::default()
    };
    let change = |before: &Snapshot, wanted: &StoreUpdate| {
        update(before.clone(), None, wanted, (&catalog, None), &request(&caller())).expect("accepted")
    };
    let before = settled(State::Ready, true);
    let both = change(&before, &set(&[("faq", "1.0"), ("cards", "")]));
    let Preview { changes, restarts_pods, maintenance_page, notes, .. } = preview(&before.store, &both, None, &catalog);
    let expected =
        PreviewedChange { field: "plugins".into(), before: String::new(), after: "cards 2.0, faq 1.0".into() };
    assert_eq!((changes, restarts_pods, maintenance_page, notes), (vec![expected], true, false, vec![]));
    assert_ne!(both.store.etag(), Store { spec: before.store.spec.clone(), ..both.store.clone() }.etag());
    let mut with_both = before.clone();
    with_both.store.spec.plugins = both.store.spec.plugins.clone();
    assert_eq!(
        change(&with_both, &set(&[("cards", "2.0"), ("faq", "1.0")])).operation,
        with_both.operation,
        "the same"
    );
    assert_eq!(text(&change(&with_both, &set(&[("faq", "")])).store.spec.plugins), "faq 1.1");
    let rollout =
        StoreUpdate { plugin_versions: vec![choice("faq", "1.1"), choice("gone", "1")], ..StoreUpdate::default() };
    assert_eq!(text(&change(&with_both, &rollout).store.spec.plugins), "cards 2.0, faq 1.1");
    assert!(rollout.needs_plugins_of(&before.store) && !rollout.needs_plugins_of(&with_both.store));
    // A version whose chart has no plugins is refused, unless they are removed with the same request.
    let without = Catalog::new(vec![Engine { plugins: None, ..catalog.engines()[0].clone() }]).expect("engines");
    let named = StoreUpdate { display_name: Some("Tea".into()), ..StoreUpdate::default() };
    let refused = update(with_both.clone(), None, &named, (&without, None), &request(&caller())).unwrap_err();
    assert!(refused.to_string().contains("store.engine_version cannot be 0.2.0"), "{refused}");
    let removed = update(with_both, None, &set(&[]), (&without, None), &request(&caller())).expect("accepted");
    assert_eq!(text(&removed.store.spec.plugins), "");
}
