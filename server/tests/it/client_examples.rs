//! The client's example programs against a real server.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use storeplane_proto::v1::StoreState;

use crate::harness::{Lab, Setup, Write, Writer, env, fresh};

/// Where the programs are; builds them if necessary.
fn programs() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let this = std::env::current_exe().expect("this test");
            let profile = this.ancestors().nth(2).expect("target/<profile>/deps/<this>").to_owned();
            let mut build = Command::new(env!("CARGO"));
            // With the whole workspace's features, and without cargo's variables about the running test: otherwise
            // dependencies would be compiled again, here and for the next part of `make test`.
            build.args(["build", "--locked", "--quiet", "--workspace", "--examples"]);
            let about_us =
                |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "OUT_DIR";
            for (name, _) in std::env::vars().filter(|(name, _)| about_us(name)) {
                build.env_remove(name);
            }
            if !cfg!(debug_assertions) {
                build.arg("--release");
            }
            assert!(build.status().expect("cargo").success(), "the examples do not compile");
            profile.join("examples")
        })
        .clone()
}

struct Caller {
    programs: PathBuf,
    address: String,
    token: String,
}

impl Caller {
    async fn of(lab: &Lab) -> Self {
        let token = lab.database.token("default", "operator").await;
        Self { programs: programs(), address: lab.server.address().to_string(), token }
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.args(arguments).env_clear().env("STOREPLANE_ADDR", &self.address).env("STOREPLANE_TOKEN", &self.token);
        command
    }

    async fn run(&self, program: &str, arguments: &[&str]) -> (Output, String) {
        let mut command = self.command(program, arguments);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().expect("the program");
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output, text)
    }

    fn start(&self, program: &str, arguments: &[&str]) -> Child {
        self.command(program, arguments).stdout(Stdio::piped()).spawn().expect("the program")
    }
}

/// Waits for a program's end.
async fn finish(mut child: Child) -> Output {
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_mins(2), "the program does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    child.wait_with_output().unwrap()
}

#[tokio::test]
async fn examples_create_watch_wait_and_list_while_server_is_killed() {
    let mut lab = Setup::default().with("STOREPLANE_LEASE_SECONDS", "3").start().await;
    let caller = Caller::of(&lab).await;
    let id = fresh("example");
    let creating = caller.start("create_store", &["--id", &id, "--name", "Tea & Co"]);
    let began = Instant::now();
    while lab.api.get(&id).await.is_err() {
        assert!(began.elapsed() < Duration::from_mins(1), "the program creates nothing");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    lab.api.until_told(&id, "STEP_STARTED INSTALL").await;
    let watching = caller.start("watch_stores", &["--id", &id]);
    let waiting = caller.start("wait_ready", &["--id", &id]);
    lab.server.kill9();
    lab.server.restart().await;

    let (created, waited) = (finish(creating).await, finish(waiting).await);
    let text = String::from_utf8_lossy(&created.stdout);
    assert!(created.status.success() && text.contains(&format!("{id} is READY")), "{text}");
    let text = String::from_utf8_lossy(&waited.stdout);
    assert!(waited.status.success() && text.contains(&format!("{id} is READY: http://")), "{text}");
    let (listed, text) = caller.run("list_stores", &["--filter", "state = READY"]).await;
    assert!(listed.status.success() && text.contains(&id), "{text}");

    lab.api.delete(&id).await.unwrap();
    let watched = finish(watching).await;
    let (store, _) = lab.api.settle(&id).await;
    assert_eq!(store.state(), StoreState::Deleted);
    let text = String::from_utf8_lossy(&watched.stdout);
    let sequences: Vec<i64> =
        text.lines().filter_map(|line| line.strip_prefix(&format!("{id} "))?.split(' ').next()?.parse().ok()).collect();
    assert!(watched.status.success(), "{text}");
    assert_eq!(sequences, (1..=store.last_sequence).collect::<Vec<_>>(), "{text}");
}

#[tokio::test]
async fn wait_ready_example_reports_failure_reason() {
    let mut lab = Setup { helm: "/no/such/helm".into(), ..Setup::default() }.start().await;
    let caller = Caller::of(&lab).await;
    let id = fresh("fails");
    let (created, text) = caller.run("create_store", &["--id", &id, "--name", "Tea"]).await;
    assert!(!created.status.success() && text.contains("HELM_MISSING"), "{text}");
    let (waited, text) = caller.run("wait_ready", &["--id", &id]).await;
    assert!(!waited.status.success() && text.contains(&format!("store {id} is FAILED: HELM_MISSING: ")), "{text}");
    lab.server.terminate().await;
    lab.server.set("STOREPLANE_HELM_BIN", &env("STOREPLANE_TEST_HELM3"));
    lab.server.restart().await;
    lab.api.delete(&id).await.unwrap();
    lab.api.settle(&id).await;
}

#[tokio::test]
async fn watch_all_example_resumes_from_saved_cursor() {
    let lab = crate::grpc_raw::edge().await;
    let writer = Writer::new(&lab.database.url, 2);
    writer.ready("tea", "default").await;
    let caller = Caller::of(&lab).await;
    let first = lines_until(&caller, &[], "-- caught up").await;
    assert!(first[0].starts_with("tea is READY"), "{first:?}");
    let cursor = first.last().unwrap().rsplit_once(' ').unwrap().1.to_owned();
    writer.write("default", "tea", &Write::of(3)).await.unwrap();
    writer.ready("coffee", "default").await;

    let second = lines_until(&caller, &["--cursor", &cursor], "-- caught up").await;

    let lines: Vec<_> = second.iter().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(lines, ["tea 2", "tea 3", "tea 4", "coffee 1", "-- caught"], "{second:?}");
}

/// The output of a watch of all stores up to a line; then it is killed.
async fn lines_until(caller: &Caller, arguments: &[&str], end: &str) -> Vec<String> {
    use std::io::BufRead as _;
    let mut child = caller.start("watch_stores", arguments);
    let output = child.stdout.take().unwrap();
    let end = end.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        let mut lines = Vec::new();
        for line in std::io::BufReader::new(output).lines().map_while(Result::ok) {
            lines.push(line);
            if lines.last().is_some_and(|line| line.starts_with(&end)) {
                break;
            }
        }
        lines
    });
    let lines = tokio::time::timeout(Duration::from_mins(1), reading).await;
    child.kill().unwrap();
    child.wait().unwrap();
    lines.expect("it tells").unwrap()
}
