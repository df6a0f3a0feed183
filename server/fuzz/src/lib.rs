//! Properties of what reads bytes from outside, on generated inputs. Tests call [`check`]; `make test` runs a few hundred inputs of each,
//! `dev/fuzz` as many as fit into a time, and prints how many inputs were refused.
//!
//! To add a target: a test in a module named `fuzz`, so that `dev/fuzz` finds it.

#![allow(clippy::panic, reason = "a property fails by panicking, as every test does")]

use std::cell::Cell;
use std::io::Write as _;
use std::panic::Location;
use std::time::{Duration, Instant};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// How long each target runs, in seconds. Otherwise it runs `PROPTEST_CASES` inputs, 256 by default.
const SECONDS: &str = "STOREPLANE_FUZZ_SECONDS";

/// Checks a property, which says whether it accepted or refused its input, or fails. A failing input is printed in its shortest form, and
/// kept in `proptest-regressions` next to the test's file, from where it is tried first.
///
/// # Panics
/// If the property fails.
#[track_caller]
pub fn check<S: Strategy>(target: &str, inputs: &S, property: impl Fn(S::Value) -> Result<Outcome, TestCaseError>) {
    let config = Config { source_file: Some(Location::caller().file()), ..Config::default() };
    let seconds = std::env::var(SECONDS).ok().and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
    let (began, all, refused) = (Instant::now(), Cell::new(0_u64), Cell::new(0_u64));
    loop {
        let run = TestRunner::new(config.clone()).run(inputs, |input| {
            let outcome = property(input)?;
            all.set(all.get() + 1);
            refused.set(refused.get() + u64::from(outcome == Outcome::Refused));
            Ok(())
        });
        if let Err(failure) = run {
            panic!("{target}: {failure}");
        }
        if seconds.is_none_or(|seconds| began.elapsed() >= seconds) {
            break;
        }
    }
    // For dev/fuzz.
    let row = format!("fuzz|{target}|{}|{}|{:.1}\n", all.get(), refused.get(), began.elapsed().as_secs_f64());
    if seconds.is_some() {
        let _ = std::io::stderr().write_all(row.as_bytes());
    }
}

/// What became of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is valid.
    Accepted,
    /// It is not, and was rejected.
    Refused,
}

impl Outcome {
    /// Of a result.
    pub fn of<T, E>(result: &Result<T, E>) -> Self {
        if result.is_ok() { Self::Accepted } else { Self::Refused }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[should_panic(expected = "numbers are small")]
    fn property_that_does_not_hold_fails() {
        let config = |number: u32| {
            if number < 1000 { Ok(Outcome::Accepted) } else { Err(TestCaseError::fail("numbers are small")) }
        };
        // Without a file, so that the failure is not kept.
        let run = TestRunner::new(Config { failure_persistence: None, ..Config::default() })
            .run(&any::<u32>(), |number| config(number).map(|_| ()));
        run.unwrap_or_else(|failure| panic!("{failure}"));
    }

    #[test]
    fn every_input_is_tried() {
        let seen = Cell::new(0);
        check("every input", &any::<bool>(), |input| {
            seen.set(seen.get() + 1);
            Ok(if input { Outcome::Accepted } else { Outcome::Refused })
        });
        assert!(seen.get() >= 2, "{} inputs", seen.get());
    }
}
