//! The server's command line.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::grpc_raw::edge;
use crate::harness::{Api, DEFAULT_ENGINE, Database, charts, fresh, signal};

/// A command that does not end by itself is killed after this time.
const TIME_LIMIT: Duration = Duration::from_mins(1);

/// Runs the server's binary with only these environment variables.
pub(crate) fn run(arguments: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_storeplane-server"));
    command.args(arguments).env_clear().envs(env.iter().copied());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    // Nothing that ends prints more than a pipe holds.
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > TIME_LIMIT {
            child.kill().unwrap();
            panic!("{arguments:?} did not end: {}", err(&child.wait_with_output().unwrap()));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn config_prints_environment_over_file_without_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("storeplane.toml");
    std::fs::write(&file, "domain = 'file.test'\ninstance = 'file'\n[worker]\nlease_seconds = 30\n").unwrap();
    let env = [
        ("STOREPLANE_CONFIG", file.to_str().unwrap()),
        ("STOREPLANE_DOMAIN", "env.test"),
        ("DATABASE_URL", "postgres://me:hunter2@db/shops"),
        ("STOREPLANE_MAX_OPERATIONS", "9"),
    ];

    let output = run(&["config", "--domain", "flag.test"], &env);

    assert!(output.status.success(), "{}", err(&output));
    let table: toml::Table = out(&output).parse().unwrap();
    assert_eq!(table["domain"].as_str(), Some("flag.test"));
    assert_eq!(table["instance"].as_str(), Some("file"));
    assert_eq!(table["worker"]["lease_seconds"].as_integer(), Some(30));
    assert_eq!(table["worker"]["max_operations"].as_integer(), Some(9));
    assert_eq!(table["database"]["url"].as_str(), Some("postgres://me:***@db/shops"));
    assert!(!out(&run(&["--help"], &env)).contains("hunter2"), "help shows no secret either");
}

#[test]
fn invalid_configuration_prevents_start_and_names_every_key() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("storeplane.toml");
    std::fs::write(&file, "lisen = 'x'\n[helm]\nmax_processes = 0\n").unwrap();
    let database = ("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none");

    let output = run(&["serve"], &[database, ("STOREPLANE_CONFIG", file.to_str().unwrap())]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("lisen") && err(&output).contains("helm.max_processes"), "{}", err(&output));

    let output = run(&["serve"], &[database, ("STOREPLANE_CHARTS_DIR", "/no/such/charts")]);
    assert_eq!(output.status.code(), Some(1));
    let said = err(&output);
    assert!(said.contains("charts.dir: cannot read /no/such/charts"), "{said}");

    // Each on its own: the charts are read before the database is used.
    let (charts, engines) = (charts(), "charts.default_engine: must name one of the engines: medusa, woocommerce");
    let folder = ("STOREPLANE_CHARTS_DIR", charts.to_str().unwrap());
    assert!(err(&run(&["serve"], &[database, folder])).contains(engines));
    let other = err(&run(&["serve"], &[database, folder, ("STOREPLANE_DEFAULT_ENGINE", "other")]));
    assert!(other.contains(&format!("{engines} (is other)")), "{other}");

    let output = run(&["serve"], &[folder, ("STOREPLANE_DEFAULT_ENGINE", DEFAULT_ENGINE)]);
    assert!(err(&output).contains("DATABASE_URL"), "{}", err(&output));
}

#[tokio::test]
async fn migrate_is_idempotent() {
    let database = Database::empty().await;
    for _ in 0..2 {
        let output = run(&["migrate"], &[("DATABASE_URL", &database.url)]);
        assert!(output.status.success(), "{}", err(&output));
    }
    assert_eq!(database.value("SELECT count(*) FROM stores").await, "0");
    // Refused at once: for one that cannot be reached the command would wait.
    let (_, server) = database.url.split_once('@').unwrap();
    let output = run(&["migrate"], &[("DATABASE_URL", &format!("postgres://nobody:hunter2@{server}"))]);
    assert!(!output.status.success() && !err(&output).contains("hunter2"), "{}", err(&output));
}

#[tokio::test]
async fn tokens_are_created_listed_and_revoked() {
    let lab = edge().await;
    let env = [("DATABASE_URL", lab.database.url.as_str())];

    let made = run(&["token", "create", "--tenant", "acme", "--role", "operator", "--name", "ci of acme"], &env);
    assert!(made.status.success(), "{}", err(&made));
    let secret = out(&made).trim().to_owned();
    assert_eq!(out(&made), format!("{secret}\n"), "nothing but the token");
    assert!(err(&made).contains(" expires at 20") && !err(&made).contains(&secret), "{}", err(&made));
    let api = Api::connect(lab.server.address(), &secret);
    assert_eq!(api.create(Api::wanted(&fresh("cli"))).await.unwrap().tenant, "acme");

    let listed = out(&run(&["token", "list"], &env));
    let line = listed.lines().find(|line| line.contains("ci of acme")).unwrap();
    assert!(line.contains("acme") && line.contains("operator") && line.contains("valid"), "{listed}");
    assert!(!listed.contains(&secret));
    let id = line.split_whitespace().next().unwrap();

    let limits = ["--store-ids", "tea,mate", "--store-id-prefix", "shop-"];
    let limited = [&["token", "create", "--role", "viewer", "--name", "limited"][..], &limits].concat();
    let made = run(&limited, &env);
    assert!(made.status.success(), "{}", err(&made));
    let listed = out(&run(&["token", "list"], &env));
    let line = listed.lines().find(|line| line.ends_with(" limited")).unwrap();
    assert!(line.contains("mate, tea, shop-*"), "{listed}");

    assert!(run(&["token", "revoke", id], &env).status.success());
    assert!(!run(&["token", "revoke", id], &env).status.success(), "once is enough");
    assert!(out(&run(&["token", "list"], &env)).contains("revoked"));
    for (tenant, role, name, more) in [
        ("Not A Tenant", "viewer", "x", &[][..]),
        ("acme", "god", "x", &[]),
        ("acme", "viewer", " ", &[]),
        ("acme", "viewer", "Worker", &[]),
        ("acme", "viewer", "command line", &[]),
        ("acme", "viewer", "x", &["--store-ids", ""]),
        ("acme", "viewer", "x", &["--store-id-prefix", ""]),
        ("acme", "admin", "x", &["--store-ids", "tea"]),
        ("acme", "viewer", "x", &["--expires", "366d"]),
        ("acme", "viewer", "x", &["--expires", "1s"]),
        ("acme", "viewer", "x", &["--expires", "soon"]),
        ("acme", "viewer", "x", &["--expires", "1d", "--no-expiry"]),
    ] {
        let bad = [&["token", "create", "--tenant", tenant, "--role", role, "--name", name], more].concat();
        let output = run(&bad, &env);
        assert!(!output.status.success() && out(&output).is_empty(), "{bad:?}");
    }
    let actions = "SELECT string_agg(action || ' ' || actor, ', ' ORDER BY at, id) FROM audit_events
        WHERE tenant = 'acme' AND action LIKE '%TOKEN'";
    assert_eq!(lab.database.value(actions).await, "CREATE_TOKEN command line, REVOKE_TOKEN command line");
}

#[tokio::test]
async fn token_expires_as_the_command_line_says() {
    let database = Database::create().await;
    let env = [("DATABASE_URL", database.url.as_str())];
    let create = |name: &str, more: &[&str]| {
        let command = [&["token", "create", "--role", "viewer", "--name", name], more].concat();
        let output = run(&command, &env);
        assert!(output.status.success(), "{}", err(&output));
        err(&output)
    };
    create("by default", &[]);
    create("short", &["--expires", "2h"]);
    assert!(create("unlimited", &["--no-expiry"]).contains("never expires"));
    let lifetimes = "SELECT string_agg(name || ' ' || coalesce((expires_at - created_at)::text, 'never'), ', ' ORDER BY id) FROM tokens";
    assert_eq!(database.value(lifetimes).await, "by default 90 days, short 02:00:00, unlimited never");

    let taken = run(&["token", "create", "--role", "viewer", "--name", "Short"], &env);
    assert!(!taken.status.success() && err(&taken).contains("has the name \"Short\""), "{}", err(&taken));
    database
        .execute("UPDATE tokens SET expires_at = now(), last_used_at = '2026-11-26T07:08:09Z' WHERE name = 'short'")
        .await;
    let listed = out(&run(&["token", "list"], &env));
    let line = |name: &str| listed.lines().find(|line| line.ends_with(name)).unwrap().to_owned();
    assert!(line("short").contains("expired") && line("short").contains("2026-11-26T07:08:09Z"), "{listed}");
    assert!(line("unlimited").contains("never") && line("unlimited").contains("valid"), "{listed}");
    create("Short", &[]);
}

/// A server without a database, a cluster or helm, and its address.
fn serve(env: &[(&str, &str)]) -> (Child, String) {
    let charts = charts();
    let mut child = Command::new(env!("CARGO_BIN_EXE_storeplane-server"))
        .arg("serve")
        .env_clear()
        .env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")
        .env("KUBECONFIG", "/no/such/kubeconfig")
        .env("STOREPLANE_HELM_BIN", "/no/such/helm")
        .env("STOREPLANE_CHARTS_DIR", charts)
        .env("STOREPLANE_DEFAULT_ENGINE", DEFAULT_ENGINE)
        .env("STOREPLANE_LISTEN", "127.0.0.1:0")
        .envs(env.iter().copied())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = lines.by_ref().map(Result::unwrap).find(|line| line.contains("listening")).unwrap();
    // Later output is read as well: a full pipe would block it.
    std::thread::spawn(move || lines.for_each(drop));
    let address = line.split("address=").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    (child, address)
}

/// A connection that waits for the rest of a request.
fn half_a_request(address: &str) -> std::net::TcpStream {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut some = [0; 16];
    stream.read_exact(&mut some).unwrap();
    stream
        .write_all(b"POST /storeplane.v1.StoreService/GetStore HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n")
        .unwrap();
    stream
}

#[test]
fn sigterm_exits_with_success() {
    for _ in 0..5 {
        let (mut child, _) = serve(&[]);
        signal(child.id(), "TERM");
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    let (mut child, address) = serve(&[("STOREPLANE_SHUTDOWN_SECONDS", "1")]);
    let _open = half_a_request(&address);
    let asked = Instant::now();
    signal(child.id(), "INT");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
}

#[test]
fn second_signal_exits_immediately() {
    let (mut child, address) = serve(&[("STOREPLANE_SHUTDOWN_SECONDS", "120")]);
    let _open = half_a_request(&address);
    signal(child.id(), "TERM");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(child.try_wait().unwrap(), None, "it waits for the request");
    signal(child.id(), "TERM");
    let asked = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
}
