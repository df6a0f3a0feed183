//! The whole server with a volume, and the command that makes keys.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use age::x25519::Identity;
use axum::body::Body;
use http::{Method, StatusCode};

use super::pod::send;
use crate::command_line::run;
use crate::harness::{DEFAULT_ENGINE, charts};

/// Time limit of a start on a busy machine.
const START: Duration = Duration::from_secs(30);

/// Killed at the end of a test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").to_string()
}

/// Neither Postgres nor a cluster is there.
#[tokio::test]
async fn server_serves_a_volume_and_makes_its_key() {
    let folder = tempfile::tempdir().expect("a directory");
    let (volume, configuration) = (folder.path().join("volume"), folder.path().join("storeplane.toml"));
    std::fs::create_dir(&volume).expect("created");
    let (listen, path) = (free(), volume.display());
    let file = format!(
        "[backups]\nstorage = 'volume'\n[backups.volume]\npath = '{path}'\nlisten = '{listen}'\nurl = 'http://{listen}'\n"
    );
    std::fs::write(&configuration, file).expect("written");
    let log = std::fs::File::create(folder.path().join("log")).expect("a file");
    let mut server = Command::new(env!("CARGO_BIN_EXE_storeplane-server"));
    server.arg("serve").env_clear().env("HOME", folder.path()).env("STOREPLANE_CONFIG", &configuration);
    server.env("STOREPLANE_CHARTS_DIR", charts()).env("STOREPLANE_LISTEN", free());
    server.env("STOREPLANE_DEFAULT_ENGINE", DEFAULT_ENGINE);
    server.env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none").stdin(Stdio::null()).stderr(log);
    let _server = Killed(server.spawn().expect("the server"));

    let key = volume.join("key.txt");
    let read_log = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    let began = Instant::now();
    while !key.exists() || tokio::net::TcpStream::connect(&listen).await.is_err() {
        assert!(began.elapsed() < START, "{}", read_log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let answer = send(Method::GET, &format!("http://{listen}/key.txt"), None, Body::empty()).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(std::fs::metadata(&key).expect("a file").permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&key).expect("a file");
    let secret = text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).expect("a key");
    assert!(read_log().contains("backups.key_file: is not set") && !read_log().contains(secret), "{}", read_log());
}

#[test]
fn backup_key_prints_a_new_key_even_if_the_configuration_needs_one() {
    let output = run(&["backup-key"], &[("STOREPLANE_BACKUP_STORAGE", "s3")]);
    let text = String::from_utf8(output.stdout).expect("a text");
    assert!(output.status.success() && output.stderr.is_empty(), "{text}");
    let identity: Identity = text.lines().last().expect("a line").parse().expect("an identity");
    assert!(text.contains(&format!("# recipient: {}\n", identity.to_public())), "the comment names the recipient");
    let other = String::from_utf8(run(&["backup-key"], &[]).stdout).expect("a text");
    assert_ne!(text, other);
    let output = run(&["config"], &[("STOREPLANE_BACKUP_STORAGE", "s3")]);
    let problems = String::from_utf8(output.stderr).expect("a text");
    assert!(problems.contains("backups.key_file: is missing"), "{problems}");
}
