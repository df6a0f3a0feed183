//! Controls the worker's failpoints; see the server's `failpoints`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use storeplane_core::operation::Step;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(150);

pub(crate) struct Failpoints(tempfile::TempDir);

/// Where a worker stops.
#[derive(Clone)]
pub(crate) struct Hold(PathBuf);

impl Failpoints {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// `FAILPOINTS` of a server that is controlled by this folder.
    pub(crate) fn failpoints(&self) -> String {
        format!("control=return({})", self.path().display())
    }

    /// Pauses the worker before or after it runs this step for this store.
    pub(crate) fn hold(&self, store: &str, step: Step, side: &str) -> Hold {
        let point = self.path().join(format!("{store}.{}.{side}", step.as_str()));
        let _ = std::fs::remove_file(beside(&point, "reached"));
        let _ = std::fs::remove_file(beside(&point, "go"));
        std::fs::write(&point, "").expect("a point");
        Hold(point)
    }

    /// Makes the worker run this step of this store a second time.
    pub(crate) fn again(&self, store: &str, step: Step) -> Hold {
        let hold = self.hold(store, step, "after");
        std::fs::write(&hold.0, "again").expect("a point");
        hold
    }

    /// Sets the servers' clocks.
    pub(crate) fn set_clock(&self, seconds: i64) {
        std::fs::write(self.path().join("clock"), seconds.to_string()).expect("a clock");
    }
}

fn beside(point: &Path, word: &str) -> PathBuf {
    let mut name = point.as_os_str().to_owned();
    name.push(".");
    name.push(word);
    name.into()
}

impl Hold {
    /// True once a worker is paused there, or was.
    pub(crate) fn is_reached(&self) -> bool {
        beside(&self.0, "reached").exists()
    }

    /// Waits until a worker is paused there.
    pub(crate) async fn reached(&self) -> Result<(), String> {
        let began = Instant::now();
        while !self.is_reached() {
            if began.elapsed() > PATIENCE {
                return Err(format!("no worker came to {}", self.0.display()));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Lets the worker continue, also one that arrives later.
    pub(crate) fn release(&self) {
        let _ = std::fs::remove_file(&self.0);
        std::fs::write(beside(&self.0, "go"), "").expect("a word");
    }
}
