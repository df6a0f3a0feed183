//! A Postgres for a single test, which may stop it.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub(crate) struct Postgres {
    /// Of its superuser.
    pub(crate) url: String,
    dir: tempfile::TempDir,
    /// Deletes it when its input ends, also when the test is killed.
    keeper: Child,
}

impl Postgres {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let keeper = Command::new("sh")
            .args(["-c", "cat; exec \"$@\" >/dev/null 2>&1", "keeper"])
            .arg(script())
            .args(words("delete", dir.path()))
            .stdin(Stdio::piped())
            // A terminal's Ctrl-C is not for it.
            .process_group(0)
            .spawn()
            .expect("a shell");
        let url = run("up", dir.path());
        Self { url, dir, keeper }
    }

    /// Stops it like an operator would: connections are closed.
    pub(crate) fn stop(&self) {
        run("down", self.dir.path());
    }

    /// Starts it again on the same port.
    pub(crate) fn start_again(&self) {
        assert_eq!(run("up", self.dir.path()), self.url, "it moved");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dev/postgres")
}

fn words(verb: &str, dir: &Path) -> [String; 6] {
    let dir = dir.to_str().expect("a path in UTF-8");
    [verb, "--dir", dir, "--scratch", "--database", "postgres"].map(str::to_owned)
}

fn run(verb: &str, dir: &Path) -> String {
    let output = Command::new(script()).args(words(verb, dir)).output().expect("dev/postgres");
    assert!(output.status.success(), "dev/postgres {verb}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
