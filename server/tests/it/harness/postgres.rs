//! A Postgres of a test's own, which it may stop.

use std::path::Path;
use std::process::Command;

pub(crate) struct Postgres {
    /// Of its superuser.
    pub(crate) url: String,
    dir: tempfile::TempDir,
}

impl Postgres {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let url = run("up", dir.path());
        Self { url, dir }
    }

    /// Stops it as its operator would: connections are cut.
    pub(crate) fn stop(&self) {
        run("down", self.dir.path());
    }

    /// Starts it again, at the same place.
    pub(crate) fn start_again(&self) {
        assert_eq!(run("up", self.dir.path()), self.url, "it moved");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        run("delete", self.dir.path());
    }
}

fn run(verb: &str, dir: &Path) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dev/postgres");
    let words = [verb, "--dir", dir.to_str().expect("a path in UTF-8"), "--scratch", "--database", "postgres"];
    let output = Command::new(script).args(words).output().expect("dev/postgres");
    assert!(output.status.success(), "dev/postgres {verb}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
