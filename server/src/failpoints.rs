//! Failpoints: tests pause the worker before and after each run of a step. They apply to every step, so a new one needs nothing
//! here. Only builds with the feature `failpoints` have them, and only `cargo test` enables it.
//!
//! The failpoint `control` returns a folder shared by test and worker. A test creates the file `STORE.STEP.before` or
//! `STORE.STEP.after`; the worker that gets there renames it to `….reached` and waits for `….go`. If the file says
//! `again`, the worker does not wait but runs the step again. The file `clock` contains the clock's offset in seconds.

use storeplane_core::ids::StoreId;
use storeplane_core::operation::Step;

/// The point in a step's run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It is recorded as started, but has not acted yet.
    Before,
    /// It has acted, but this is not recorded yet.
    After,
}

/// What the worker does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Continues normally.
    GoOn,
    /// Runs the step again.
    Again,
}

#[cfg(not(feature = "failpoints"))]
pub(crate) fn reached(_: &StoreId, _: Step, _: Moment) -> std::future::Ready<Then> {
    std::future::ready(Then::GoOn)
}

#[cfg(not(feature = "failpoints"))]
pub(crate) fn clock_offset() -> time::Duration {
    time::Duration::ZERO
}

#[cfg(feature = "failpoints")]
pub use armed::set_up;
#[cfg(feature = "failpoints")]
pub(crate) use armed::{clock_offset, reached};

#[cfg(feature = "failpoints")]
mod armed {
    use std::fs;
    use std::path::PathBuf;
    use std::time::Duration;

    use super::{Moment, Step, StoreId, Then};

    /// How often a paused worker checks whether to continue.
    const LOOK: Duration = Duration::from_millis(5);

    /// Reads `FAILPOINTS`. They are active as long as the returned value lives.
    #[must_use]
    pub fn set_up() -> impl Sized {
        fail::FailScenario::setup()
    }

    fn control() -> Option<PathBuf> {
        fail::fail_point!("control", |folder| folder.map(PathBuf::from));
        None
    }

    pub(crate) async fn reached(store: &StoreId, step: Step, moment: Moment) -> Then {
        let Some(control) = control() else { return Then::GoOn };
        let side = if moment == Moment::Before { "before" } else { "after" };
        let point = control.join(format!("{store}.{}.{side}", step.as_str()));
        let wish = fs::read_to_string(&point).unwrap_or_default();
        // Only one of two servers succeeds.
        if fs::rename(&point, point.with_extension(format!("{side}.reached"))).is_err() {
            return Then::GoOn;
        }
        if wish == "again" {
            return Then::Again;
        }
        let go = point.with_extension(format!("{side}.go"));
        while !go.exists() {
            tokio::time::sleep(LOOK).await;
        }
        Then::GoOn
    }

    pub(crate) fn clock_offset() -> time::Duration {
        let seconds = control().and_then(|control| fs::read_to_string(control.join("clock")).ok());
        time::Duration::seconds(seconds.and_then(|text| text.trim().parse().ok()).unwrap_or(0))
    }
}
