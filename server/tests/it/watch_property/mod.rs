//! A property test of watches: whatever is written, by whomever and however late it commits, and wherever a client disconnects,
//! stalls or reconnects, it receives each event once and in order. proptest generates histories, clients and faults; servers,
//! connections and Postgres are real. `STOREPLANE_WATCH_CASES` sets the number of cases (24).

mod case;
mod stage;
mod viewer;

use proptest::test_runner::{Config, TestCaseError, TestRunner};

use stage::Stage;

fn count() -> u32 {
    std::env::var("STOREPLANE_WATCH_CASES").ok().map_or(24, |cases| cases.parse().expect("a number"))
}

#[test]
fn every_client_receives_each_event_once_in_order() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let stage = runtime.block_on(Stage::set());
    // Timing is part of each case, so shrinking far would not be meaningful.
    let config = Config { cases: count(), max_shrink_iters: 12, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let played = runner.run(&case::cases(), |case| runtime.block_on(stage.play(&case)).map_err(TestCaseError::fail));
    if let Err(failure) = played {
        panic!("{failure}\n{}", runtime.block_on(stage.logs()));
    }
}
