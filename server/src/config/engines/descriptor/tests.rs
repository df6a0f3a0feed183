use super::*;

#[test]
fn wrong_backup_names_its_key() {
    let parse = |backup: &str| DescriptorFile::parse(&format!("backup: {backup}"));
    let maintenance =
        "maintenance: {template: store-maintenance, deployment: store, cron_job: store-cron, service: store-shop}";
    let volumes = "volumes: [{claim: data-0, stateful_set: store-db}, {claim: files, mount: store-mount}]";
    let good = format!(
        "{{create: store-backup, restore: store-restore, parts: [database, uploads], {maintenance}, {volumes}}}"
    );
    let backup = parse(&good).ok().and_then(|file| file.backup).map(EngineBackup::from).expect("valid");
    assert_eq!(backup.parts, ["database", "uploads"]);
    assert_eq!(backup.maintenance.and_then(|it| it.cron_job).as_deref(), Some("store-cron"));
    let users: Vec<_> = backup.volumes.iter().map(|volume| (volume.claim.as_str(), &volume.user)).collect();
    let (set, mount) = (VolumeUser::StatefulSet("store-db".into()), VolumeUser::Mount("store-mount".into()));
    assert_eq!(users, [("data-0", &set), ("files", &mount)]);
    for (old, new, expected) in [
        ("create: store-backup", "create: Store_Backup", "backup.create"),
        ("restore: store-restore", "restore: ''", "backup.restore"),
        ("uploads]", "'up/loads']", "backup.parts"),
        ("uploads]", "database]", "names a part twice"),
        ("database, uploads", "", "backup.parts without a part"),
        ("template: store-maintenance", "template: -a", "backup.maintenance.template"),
        ("deployment: store,", "deployment: a.b,", "backup.maintenance.deployment"),
        ("cron_job: store-cron", "cron_job: 'a b'", "backup.maintenance.cron_job"),
        ("service: store-shop", "service: Shop", "backup.maintenance.service"),
        ("create: store-backup, ", "", "create"),
        ("parts: [database, uploads], ", "", "parts"),
        ("deployment: store, ", "", "deployment"),
        ("cron_job:", "cronJob:", "cronJob"),
        ("claim: files", "claim: a/b", "backup.volumes.claim"),
        ("claim: files", "claim: data-0", "names a claim twice"),
        ("stateful_set: store-db", "stateful_set: _", "backup.volumes.stateful_set"),
        ("mount: store-mount", "mount: ''", "backup.volumes.mount"),
        (", mount: store-mount", "", "exactly one of stateful_set and mount"),
        ("stateful_set: store-db", "stateful_set: store-db, mount: a", "exactly one of stateful_set and mount"),
        (maintenance, "copies: true", "backup.volumes without backup.maintenance"),
    ] {
        let problem = parse(&good.replace(old, new)).err().expect(new);
        assert!(problem.contains(expected), "{problem} does not name {expected}");
    }
}

#[test]
fn admin_path_stays_below_the_shop_s_url() {
    for (path, good) in [
        ("admin/", true),
        ("app", true),
        ("a/b-c/index.php", true),
        ("", false),
        ("/app", false),
        ("a//b", false),
        ("../app", false),
        ("a/.", false),
        ("app?x=1", false),
        ("http://else.where/", false),
        ("a b", false),
    ] {
        assert_eq!(DescriptorFile::parse(&format!("admin_path: {path:?}")).is_ok(), good, "{path}");
    }
}

#[test]
fn wrong_release_names_its_key() {
    let good = "schema: '11.0', upgrades_from: '>=0.1.0, <0.3.0', security: true, notes: Fixes the checkout";
    let parse = |release: &str| DescriptorFile::parse(&format!("release: {{{release}}}"));
    assert!(parse(good).is_ok() && parse("").is_ok());
    for (old, new, expected) in [
        (">=0.1.0", "0.1.x.y", "release.upgrades_from"),
        ("'11.0'", "\"11\\n0\"", "release.schema"),
        ("Fixes", &"x".repeat(200), "release.notes"),
        ("security", "secure", "secure"),
    ] {
        let problem = parse(&good.replace(old, new)).err().expect(new);
        assert!(problem.contains(expected), "{problem} does not name {expected}");
    }
}

mod fuzz {
    use proptest::prelude::*;
    use storeplane_fuzz::{Outcome, check};

    use super::super::{DescriptorFile, EntryFile, RANDOM_MIN, is_label};

    /// Lines of such files, in any order and indentation.
    const LINES: [&str; 23] = [
        "verify: store-api",
        "verify: 7",
        "lost_secrets: renew",
        "lost_secrets: [",
        "credentials:",
        "  secret: login",
        "  username: user",
        "  password: word",
        "secrets:",
        "  login:",
        "    user: {fixed: admin}",
        "    word: {random: 24}",
        "    word: {random: 3}",
        "    word: {unique: admin-}",
        "a: &a [*a, *a]",
        "--- !!binary x",
        "unknown: 1",
        "\t- ? :",
        "backup: {create: store-backup, restore: store-restore, parts: [database]}",
        "backup: {create: store-backup, restore: store-restore, parts: [database, database]}",
        "release: {schema: '11.0', upgrades_from: '>=0.1.0'}",
        "release: {upgrades_from: newest}",
        "backup: {create: ../store, restore: store-restore, parts: [database]}",
    ];

    #[test]
    fn descriptors_with_weak_or_missing_secrets_are_refused() {
        let lines = prop::collection::vec(prop::sample::select(&LINES[..]), 0..14);
        let valid = prop::collection::vec(0..7_usize, 1..4).prop_map(|order| {
            let backup = &LINES[18..19];
            let parts = [&LINES[..1], &LINES[2..3], &LINES[4..8], &LINES[8..12], &[][..], &LINES[16..17], backup];
            let mut order = order;
            order.dedup();
            order.into_iter().flat_map(|at| parts[at]).copied().collect::<Vec<_>>()
        });
        let joined = prop_oneof![lines, valid].prop_map(|lines| lines.join("\n"));
        check("storeplane.yaml", &prop_oneof![1 => any::<String>(), 5 => joined], |text| {
            let parsed = DescriptorFile::parse(&text);
            if let Ok(file) = &parsed {
                let weak = |entry: &EntryFile| matches!(entry, EntryFile::Random(length) if *length < RANDOM_MIN);
                prop_assert!(!file.secrets.values().flat_map(|keys| keys.values()).any(weak));
                prop_assert!(file.credentials.as_ref().is_none_or(|login| file.secrets.contains_key(&login.secret)));
                if let Some(backup) = &file.backup {
                    prop_assert!(is_label(&backup.create) && is_label(&backup.restore), "{text}");
                    prop_assert!(!backup.parts.is_empty() && backup.parts.iter().all(|part| is_label(part)));
                }
                prop_assert!(!text.contains("unknown: 1"), "an unknown key is accepted: {text}");
            }
            Ok(Outcome::of(&parsed))
        });
    }
}
