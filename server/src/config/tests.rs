use super::*;

fn parse(file: &str) -> Result<Config, ConfigError> {
    Config::parse(file, &Overrides::default())
}

#[test]
fn empty_file_is_valid() {
    let config = parse("").expect("defaults are possible");
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert!(config.charts.values.is_empty(), "plain HTTP must be asked for");
    assert!(config.helm.max_processes >= 1);
    assert_eq!(config.retention.events.to_string(), "90d");
    assert_eq!(
        (config.tokens.lifetime.to_string(), config.tokens.max_lifetime.to_string()),
        ("90d".into(), "365d".into())
    );
    assert!(config.database_url().is_err_and(|error| error.to_string().contains("DATABASE_URL")));
}

#[test]
fn all_violations_are_reported_together() {
    let error = parse(
        r#"
        lisen = "127.0.0.1:1"
        listen = "here"
        domain = "Not A Domain"
        allowed_origins = ["https://ok.example.com", "shops/"]
        [database]
        url = "mysql://u:hunter2@h/db"
        pool_size = 0
        [kubernetes]
        scope = "all"
        service_account = "storeplane"
        store_role = "storeplane-store"
        [worker]
        lease_seconds = "long"
        lease = 3
        [retention]
        events = "0d"
        operations = 90
        [tokens]
        lifetime = "2d"
        max_lifetime = "1d"
        [engines.woocommerce]
        chat = "x"
        [log]
        format = "xml"
        filter = "a=b=c"
        "#,
    )
    .expect_err("all of it is wrong");
    assert!(!error.to_string().contains("hunter2"));
    insta::assert_snapshot!(error, @r#"
    the configuration cannot be used:
      listen: invalid socket address syntax (is "here")
      domain: must be a domain in lower case (is Not A Domain)
      allowed_origins: must be origins such as https://shops.example.com (has shops/)
      database.url: must begin with postgres:// (is mysql://…)
      database.pool_size: must be 2 to 500 (is 0)
      kubernetes.scope: unknown variant `all`, expected `cluster` or `namespaced` (is "all")
      kubernetes.service_account: must be NAMESPACE/NAME (is "storeplane")
      worker.lease_seconds: invalid type: string "long", expected u64 (is "long")
      worker.lease: is not a key of the configuration
      retention.events: must be a whole number and a unit (s, m, h or d), from 1s to 36500d (is "0d")
      retention.operations: invalid type: integer `90`, expected a string (is 90)
      tokens.lifetime: must be at least 1m and at most max_lifetime, which is 1d (is 2d)
      engines.woocommerce.chat: is not a key of the configuration
      log.filter: error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5 (is a=b=c)
      log.format: unknown variant `xml`, expected `pretty` or `json` (is "xml")
      lisen: is not a key of the configuration
    "#);
}

#[test]
fn default_engine_is_named_if_there_is_more_than_one() {
    let problem = |charts: &str, engines: &str| {
        let error = parse(&format!("[charts]\n{charts}\n[engines]\n{engines}")).err();
        error.map(|error| error.to_string().lines().skip(1).collect::<String>())
    };
    assert_eq!(problem("", ""), None, "they are found when the charts are read");
    assert_eq!(problem("", "tea = {}"), None);
    assert_eq!(problem("default_engine = 'tea'", "tea = {}\ncake = {}"), None);
    let names = "must name one of the engines: cake, tea";
    assert_eq!(problem("", "tea = {}\ncake = {}"), Some(format!("  charts.default_engine: {names}")));
    let other = problem("default_engine = 'ink'", "tea = {}\ncake = {}");
    assert_eq!(other, Some(format!("  charts.default_engine: {names} (is ink)")));
}

#[test]
fn addresses_must_not_overlap() {
    for (listen, health, metrics, wrong) in [
        ("127.0.0.1:80", "127.0.0.1:81", "127.0.0.1:82", &[][..]),
        ("127.0.0.1:80", "127.0.0.1:80", "127.0.0.1:82", &["health_listen"]),
        ("127.0.0.1:80", "127.0.0.1:81", "127.0.0.1:80", &["metrics.listen"]),
        ("127.0.0.1:80", "127.0.0.1:81", "127.0.0.1:81", &["metrics.listen"]),
        ("127.0.0.1:80", "127.0.0.1:80", "127.0.0.1:80", &["health_listen", "metrics.listen", "metrics.listen"]),
        ("127.0.0.1:80", "10.0.0.1:80", "[::1]:80", &[]),
        ("127.0.0.1:80", "0.0.0.0:80", "10.0.0.1:81", &["health_listen"]),
        ("[::]:80", "127.0.0.1:81", "10.0.0.1:80", &["metrics.listen"]),
        ("127.0.0.1:80", "127.0.0.1:81", "[::ffff:127.0.0.1]:81", &["metrics.listen"]),
        ("127.0.0.1:0", "127.0.0.1:0", "0.0.0.0:0", &[]),
    ] {
        let file = format!("listen = '{listen}'\nhealth_listen = '{health}'\n[metrics]\nlisten = '{metrics}'");
        let error = parse(&file).err().map(|error| error.to_string()).unwrap_or_default();
        let found: Vec<_> = error.lines().skip(1).filter_map(|line| line.trim().split_once(": ")).collect();
        assert!(found.iter().all(|(_, problem)| problem.starts_with("must not overlap with ")), "{error}");
        assert_eq!(found.iter().map(|(key, _)| *key).collect::<Vec<_>>(), wrong, "{file}: {error}");
    }
}

#[test]
fn invalid_quotas_are_errors() {
    let file = "[quotas]\nstores = -1\ncreations = 'many'\ndeletions = 1.5\nmemory = 'lots'\nwindow = '2d'";
    insta::assert_snapshot!(parse(file).expect_err("all of it is wrong"), @r#"
    the configuration cannot be used:
      quotas.memory: must be a Kubernetes quantity such as "20" or "64Gi", or "unlimited" (is lots)
      quotas.stores: invalid value: integer `-1`, expected a number of at least 0, or "unlimited" (is -1)
      quotas.creations: invalid value: string "many", expected a number of at least 0, or "unlimited" (is "many")
      quotas.deletions: invalid type: floating point `1.5`, expected a number of at least 0, or "unlimited" (is 1.5)
      quotas.window: must be at most 1d (is 2d)
    "#);
}

#[test]
fn limits_are_on_unless_they_are_lifted() {
    use storeplane_core::quota::Limit;
    let limits = parse("").expect("the defaults").limits;
    assert_eq!((limits.requests_per_second, limits.request_burst.get()), (Limit::AtMost(50), 100));
    assert_eq!((limits.streams_per_caller, limits.streams_per_tenant), (Limit::AtMost(100), Limit::AtMost(500)));
    assert_eq!(limits.failed_authentications_per_minute, Limit::AtMost(60));
    let lifted = parse("[limits]\nstreams_per_caller = 'unlimited'").expect("valid").limits;
    assert_eq!(lifted.streams_per_caller, Limit::Unlimited);
    let file = "[limits]\nrequests_per_second = 0\nrequest_burst = 0\nstreams_per_tenant = 1000001";
    insta::assert_snapshot!(parse(file).expect_err("all of it is wrong"), @r#"
    the configuration cannot be used:
      limits.requests_per_second: must be 1 to 1000000, or "unlimited" (is 0)
      limits.streams_per_tenant: must be 1 to 1000000, or "unlimited" (is 1000001)
      limits.request_burst: invalid value: integer `0`, expected a nonzero u32 (is 0)
    "#);
}

#[test]
fn quotas_are_on_unless_they_are_lifted() {
    use storeplane_core::quota::{Limit, Quotas};
    let config = parse("").expect("the defaults");
    let quotas = Quotas::from(&config.quotas);
    let expected = Quotas {
        stores: Limit::AtMost(50),
        creations: Limit::AtMost(5),
        deletions: Limit::AtMost(10),
        backups: Limit::AtMost(100),
        window: time::Duration::minutes(15),
        ..Quotas::unlimited()
    };
    assert_eq!(quotas, expected);
    let file = "[quotas]\nstores = 'unlimited'\ncpu = '1500m'\nmemory = '64Gi'\nstorage = '0'\nplans = ['small']\nwindow = '1h'";
    let quotas = Quotas::from(&parse(file).expect("valid").quotas);
    assert_eq!((quotas.stores, quotas.cpu), (Limit::Unlimited, Limit::AtMost(1500)));
    assert_eq!((quotas.memory, quotas.storage), (Limit::AtMost(64 << 30), Limit::AtMost(0)));
    assert_eq!((quotas.plans, quotas.window), (vec!["small".to_owned()], time::Duration::HOUR));
    let error = parse("[retention]\noperations = '14m'").expect_err("windows are counted from operations");
    assert!(
        error.to_string().contains("retention.operations: must be at least quotas.window, which is 15m"),
        "{error}"
    );
}

#[test]
fn invalid_toml_is_an_error() {
    assert!(parse("listen 127").is_err_and(|error| error.to_string().contains("not TOML")));
    let missing = Overrides { config: Some("/nowhere/storeplane.toml".into()), ..Overrides::default() };
    assert!(Config::load(&missing).is_err_and(|error| error.to_string().contains("/nowhere/storeplane.toml")));
}

#[test]
fn flags_and_environment_override_the_file() {
    let over = Overrides {
        listen: Some("127.0.0.1:2".into()),
        chart_values: Some("a.yaml, b.yaml".into()),
        default_engine: Some("tea".into()),
        lease_seconds: Some("20".into()),
        domain: Some(String::new()),
        retention_events: Some("36h".into()),
        ..Overrides::default()
    };
    let file = "listen = '127.0.0.1:1'\ndomain = 'shops.test'\n[worker]\nmax_operations = 5\nlease_seconds = 5";
    let config = Config::parse(file, &over).expect("good");
    assert_eq!(config.listen.port(), 2);
    assert_eq!(config.domain, "shops.test", "an empty variable is none");
    assert_eq!((config.worker.max_operations, config.worker.lease_seconds), (5, 20));
    assert_eq!(
        (config.retention.events.to_string(), config.retention.operations.to_string()),
        ("36h".into(), "90d".into())
    );
    assert_eq!(config.charts.values, [PathBuf::from("a.yaml"), PathBuf::from("b.yaml")]);
    assert_eq!(config.charts.default_engine.as_deref(), Some("tea"));
    let wrong = Overrides { lease_seconds: Some("soon".into()), ..Overrides::default() };
    assert!(Config::parse("", &wrong).is_err_and(|error| error.to_string().contains("worker.lease_seconds")));
}

#[test]
fn printed_configuration_masks_secrets_and_parses_back() {
    let file = "[database]\nurl = 'postgres://me:hunter2@db:5432/shops?sslmode=require&sslpassword=hunter3'\n\
                [telemetry]\notlp_endpoint = 'http://u:hunter4@otel:4317'";
    let config = parse(file).expect("good");
    let printed = config.print().expect("is TOML");
    assert!(!format!("{printed}{config:?}").contains("hunter"), "{printed}");
    assert!(printed.contains("postgres://me:***@db:5432/shops?sslmode=require"), "{printed}");
    let again = parse(&printed).expect("what is printed is a configuration");
    assert_eq!(again.print().expect("is TOML"), printed);
}

/// The configuration file in a rendered chart.
fn file_in(snapshot: &str) -> String {
    let (_, file) = snapshot.split_once("  storeplane.toml: |\n").expect("the chart has a configuration file");
    file.lines().map_while(|line| line.strip_prefix("    ")).fold(String::new(), |file, line| file + line + "\n")
}

#[test]
fn configuration_files_of_the_chart_are_valid() {
    let local = include_str!("../../../dev/chart-test/storeplane/snapshots/local.yaml");
    let prod = include_str!("../../../dev/chart-test/storeplane/snapshots/prod.yaml");
    for file in [local, prod].map(file_in) {
        let config = parse(&file).unwrap_or_else(|error| panic!("{error}\n{file}"));
        assert_eq!(config.listen.to_string(), "0.0.0.0:8080");
        assert_eq!(config.shutdown_seconds, 15);
    }
}
