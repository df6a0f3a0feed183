//! The server as a process.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Database, Setup};

/// Time limit of a start on a busy machine.
const START: Duration = Duration::from_secs(30);

/// Tests create and delete many stores, and call, watch and fail to authenticate often.
const LIFTED: [&str; 8] = [
    "STOREPLANE_QUOTA_STORES",
    "STOREPLANE_QUOTA_CREATIONS",
    "STOREPLANE_QUOTA_DELETIONS",
    "STOREPLANE_QUOTA_BACKUPS",
    "STOREPLANE_LIMIT_REQUESTS_PER_SECOND",
    "STOREPLANE_LIMIT_STREAMS_PER_CALLER",
    "STOREPLANE_LIMIT_STREAMS_PER_TENANT",
    "STOREPLANE_LIMIT_FAILED_AUTHENTICATIONS_PER_MINUTE",
];

pub(crate) struct Server {
    child: Child,
    port: u16,
    env: Vec<(String, String)>,
    launcher: Vec<String>,
    dir: tempfile::TempDir,
}

impl Server {
    pub(crate) async fn start(setup: &Setup, database: &Database) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let url = setup.database_proxy.map_or_else(
            || database.url.clone(),
            |proxy| {
                let (start, rest) = database.url.split_once('@').expect("a user in the URL");
                format!("{start}@{proxy}/{}", rest.split_once('/').expect("a database in the URL").1)
            },
        );
        let text = |path: &std::path::Path| path.to_str().expect("a path in UTF-8").to_owned();
        let mut env = setup.account.settings.clone();
        env.retain(|(name, _)| name != "KUBECONFIG");
        env.extend([
            ("DATABASE_URL".to_owned(), url),
            ("KUBECONFIG".to_owned(), text(&setup.kubeconfig)),
            ("STOREPLANE_HELM_BIN".to_owned(), setup.helm.clone()),
            ("STOREPLANE_CHARTS_DIR".to_owned(), text(&setup.charts)),
            ("STOREPLANE_LISTEN".to_owned(), format!("127.0.0.1:{port}")),
            ("STOREPLANE_DOMAIN".to_owned(), "shops.test".to_owned()),
            ("STOREPLANE_LOG".to_owned(), "info,storeplane_server=debug".to_owned()),
            ("PATH".to_owned(), std::env::var("PATH").unwrap_or_default()),
        ]);
        env.extend(LIFTED.map(|name| (name.to_owned(), "unlimited".to_owned())));
        env.extend(setup.env.iter().cloned());
        let dir = tempfile::tempdir().expect("a directory");
        env.push(("HOME".to_owned(), text(dir.path())));
        env.push(("TMPDIR".to_owned(), text(dir.path())));
        let mut launcher = setup.launcher.clone();
        if !launcher.is_empty() {
            launcher.push(text(dir.path()));
        }
        let child = spawn(&launcher, &env, &dir.path().join("server.log"));
        let mut server = Self { child, port, env, launcher, dir };
        server.wait_until_up().await;
        server
    }

    pub(crate) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its complete log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("server.log")
    }

    /// Its own directory, which is also its `TMPDIR`.
    pub(crate) fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill9(&mut self) {
        self.child.kill().expect("a running server");
        self.child.wait().expect("a dead server");
    }

    /// Stops it like Kubernetes would, and returns the time taken.
    pub(crate) async fn terminate(&mut self) -> Duration {
        let began = Instant::now();
        signal(self.pid(), "TERM");
        while self.child.try_wait().expect("a child").is_none() {
            assert!(began.elapsed() < START, "the server does not stop:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        began.elapsed()
    }

    /// Starts it again, on the same port.
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(&self.launcher, &self.env, &self.log_path());
        self.wait_until_up().await;
    }

    /// Changes an environment variable for the next start.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
    }

    async fn wait_until_up(&mut self) {
        let began = Instant::now();
        while tokio::net::TcpStream::connect(self.address()).await.is_err() {
            let ended = self.child.try_wait().expect("a child");
            assert!(ended.is_none() && began.elapsed() < START, "the server does not start:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ids of the processes below the server: supervisors and helm processes.
    pub(crate) fn helpers(&self) -> Vec<u32> {
        descendants(self.pid())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(60).collect();
            eprintln!("--- the server's last lines ---\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
    }
}

fn spawn(launcher: &[String], env: &[(String, String)], log: &std::path::Path) -> Child {
    let log = File::options().create(true).append(true).open(log).expect("a log");
    // Measurements name the release build.
    let server = std::env::var("STOREPLANE_TEST_SERVER");
    let server = server.as_deref().unwrap_or(env!("CARGO_BIN_EXE_storeplane-server"));
    let mut words = launcher.iter().map(String::as_str).chain([server, "serve"]);
    Command::new(words.next().expect("a program"))
        .args(words)
        .env_clear()
        .envs(env.iter().cloned())
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .spawn()
        .expect("the server's binary")
}

/// Sends a signal to a process that a test started.
pub(crate) fn signal(pid: u32, name: &str) {
    Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().expect("kill");
}

/// Ids of the helm processes, and of scripts in their place, that work in a namespace.
pub(crate) fn helms_of(namespace: &str) -> Vec<u32> {
    let wanted = format!("--namespace={namespace}\0");
    let pids = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains(&wanted)))
        .collect()
}

/// All processes below one.
pub(crate) fn descendants(root: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let after = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        if let Some(parent) = after.split(' ').nth(1).and_then(|parent| parent.parse::<u32>().ok()) {
            parents.push((pid, parent));
        }
    }
    let mut found = vec![root];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    found.remove(0);
    found
}

/// Counts the helm processes below a server until it is stopped.
pub(crate) struct PeakHelms {
    stop: std::sync::mpsc::Sender<()>,
    counting: std::thread::JoinHandle<usize>,
}

/// Starts counting.
pub(crate) fn peak_helms(server: u32) -> PeakHelms {
    let (stop, stopped) = std::sync::mpsc::channel();
    let counting = std::thread::spawn(move || {
        let mut peak = 0;
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            peak = peak.max(descendants(server).into_iter().filter(|pid| is_helm(*pid)).count());
            std::thread::sleep(Duration::from_millis(5));
        }
        peak
    });
    PeakHelms { stop, counting }
}

impl PeakHelms {
    /// The maximum number at once.
    pub(crate) fn stop(self) -> usize {
        drop(self.stop);
        self.counting.join().expect("the count")
    }
}

/// Whether it is a helm process that works on a release: version checks for health are not counted.
fn is_helm(pid: u32) -> bool {
    let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    if command.split('\0').nth(1) == Some("version") {
        return false;
    }
    let exe = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    exe.file_name().is_some_and(|name| name.to_string_lossy().starts_with("helm"))
}
