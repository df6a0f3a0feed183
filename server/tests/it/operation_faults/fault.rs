//! The faults. To add one: a variant, its place in `single` or `of_servers`, when it can occur in [`Fault::phases`], and
//! its injection in `single` (one store) or `rounds` (a whole server).

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use storeplane_core::operation::OperationKind;

use super::charts::{ENGINES, SMALL};
use super::passage::{Effect, Passage, Phase};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Fault {
    /// Helm never ends.
    HelmHangs,
    /// Helm writes bytes that are not text.
    HelmPrintsGarbage,
    /// Helm writes a gigabyte.
    HelmPrintsAGigabyte,
    /// kill -9 of helm only.
    HelmKilled,
    /// Helm exits with 1 and the error in this file.
    HelmSays(PathBuf),
    /// The API server responds with this code.
    ApiAnswers(u16),
    /// The connection to Postgres breaks after a COMMIT and before its response.
    CommitLost,
    /// No fault, but the step runs twice.
    RunTwice,
    /// The operation is cancelled.
    Cancelled,
    /// The store is deleted.
    Deleted,
    /// kill -9 of the server.
    ServerKilled,
    /// kill -9 of the server and of every helm process and supervisor.
    AllKilled,
    /// SIGTERM to the server.
    ServerStopped,
    /// SIGSTOP to the server until another one has claimed its operations, then SIGCONT.
    ServerPaused,
    /// The API server cannot be reached for three seconds.
    ApiAway,
    /// Postgres is stopped, and started again two seconds later.
    PostgresRestarted,
    /// The server's clock jumps by this number of hours.
    ClockJumps(i64),
    /// The file system of helm's files is full for two seconds.
    DiskFull,
}

/// Error texts that are simulated by default.
const TEXTS: [&str; 2] = ["schema.txt", "webhook-unreachable.txt"];

impl Fault {
    /// Faults of one store's operation. Two of helm's error texts: a permanent one and a transient one. The meaning of all
    /// texts is tested by their snapshot; `full` simulates all of them here as well.
    pub(super) fn single(samples: &str, full: bool) -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/helm/samples").join(samples);
        let files = std::fs::read_dir(folder).expect("samples").flatten().map(|entry| entry.path());
        let mut files: Vec<_> = files.collect();
        files.sort();
        files.retain(|file| full || TEXTS.iter().any(|text| file.ends_with(text)));
        let mut all = vec![Self::HelmHangs, Self::HelmPrintsGarbage, Self::HelmPrintsAGigabyte, Self::HelmKilled];
        all.extend(files.into_iter().map(Self::HelmSays));
        all.extend([429, 500, 409].map(Self::ApiAnswers));
        all.extend([Self::CommitLost, Self::RunTwice, Self::Cancelled, Self::Deleted]);
        all
    }

    /// Faults of a whole server.
    pub(super) fn of_servers() -> Vec<Self> {
        let clocks = [24, -24].map(Self::ClockJumps);
        let mut all = vec![Self::ServerKilled, Self::AllKilled, Self::ServerStopped, Self::ServerPaused];
        all.extend([Self::ApiAway, Self::PostgresRestarted]);
        all.extend(clocks);
        all.push(Self::DiskFull);
        all
    }

    /// The phases in which it can occur there.
    pub(super) fn phases(&self, passage: Passage, effect: Effect) -> Vec<Phase> {
        let only = |wanted: &[Phase]| wanted.to_vec();
        let asks = effect.requests.requests > 0;
        match self {
            Self::HelmHangs
            | Self::HelmPrintsGarbage
            | Self::HelmPrintsAGigabyte
            | Self::HelmKilled
            | Self::HelmSays(_) => {
                if effect.helms > 0 {
                    only(&Phase::ALL)
                } else {
                    Vec::new()
                }
            }
            Self::DiskFull if effect.helms == 0 => Vec::new(),
            // A conflict is the response to a change, and some steps make only one or none.
            Self::ApiAnswers(409) => match effect.requests.writes {
                0 => Vec::new(),
                1 => only(&[Phase::Before, Phase::During]),
                _ => only(&Phase::ALL),
            },
            Self::ApiAnswers(_) => match effect.requests.requests {
                0 => Vec::new(),
                1 => only(&[Phase::Before, Phase::During]),
                _ => only(&Phase::ALL),
            },
            Self::CommitLost => only(&[Phase::Before, Phase::After]),
            Self::RunTwice => only(&[Phase::After]),
            // Deletions cannot be cancelled, and an undo is not stopped by the cancellation that caused it.
            Self::Cancelled if passage.undoing || passage.kind == OperationKind::Delete => Vec::new(),
            Self::Deleted if passage.kind == OperationKind::Delete => Vec::new(),
            _ if asks => only(&Phase::ALL),
            _ => only(&[Phase::Before, Phase::After]),
        }
    }

    /// Its name for the wrapper around helm.
    pub(super) fn scenario(&self) -> Option<String> {
        match self {
            Self::HelmHangs => Some("hangs".into()),
            Self::HelmPrintsGarbage => Some("garbage".into()),
            Self::HelmPrintsAGigabyte => Some("gigabyte".into()),
            Self::HelmKilled => Some("killed".into()),
            Self::HelmSays(file) => Some(file.display().to_string()),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HelmSays(file) => write!(f, "HelmSays({})", file.file_stem().unwrap_or_default().display()),
            other => write!(f, "{other:?}"),
        }
    }
}

/// A fault at a place.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) fault: Fault,
    pub(super) passage: Passage,
    pub(super) phase: Phase,
    pub(super) effect: Effect,
    /// Which of the step's changes is meant, from 1.
    pub(super) nth: usize,
    /// The engine of its store.
    pub(super) engine: &'static str,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.fault, self.phase.as_str(), self.passage, self.engine)
    }
}

/// Every fault at every place, in every possible phase. Without `full`: every fault at every step, and at every third one of the places where other
/// operations have the same step, each in one phase; which ones varies from place to place and from fault to fault. One case in four has the chart of
/// one of the other engines, whose
/// stores take three times as long; faults of a server have the small chart, because each has stores at all places at once. What the steps do is
/// surveyed with the small chart: the others make more changes.
pub(super) fn cases(faults: &[Fault], effects: &[(Passage, Effect)], full: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for (f, fault) in faults.iter().enumerate() {
        let of_server = Fault::of_servers().contains(fault);
        let mut steps = HashSet::new();
        for (p, (passage, effect)) in effects.iter().enumerate() {
            let (phases, turn) = (fault.phases(*passage, *effect), f + p);
            let is_new = !phases.is_empty() && steps.insert((passage.step, passage.undoing));
            let chosen: Vec<_> = if full {
                phases
            } else if is_new || turn.is_multiple_of(3) {
                phases.get(turn / 2 % phases.len().max(1)).copied().into_iter().collect()
            } else {
                continue;
            };
            let before = cases.len();
            cases.extend(chosen.into_iter().enumerate().map(|(h, phase)| {
                let nth = 1 + (turn + h) % effect.requests.writes.max(1);
                let at = before + h;
                let large = !of_server && at.is_multiple_of(4);
                let engine = if large { ENGINES[1 + at / 4 % (ENGINES.len() - 1)] } else { SMALL };
                Case { fault: fault.clone(), passage: *passage, phase, effect: *effect, nth, engine }
            }));
        }
    }
    cases
}

/// The cases with all of these words. Words that match no case of any fault are an error: nothing would be tested.
pub(super) fn wanted(cases: Vec<Case>, all: &[String], only: &str) -> Vec<Case> {
    let fits = |name: &str| only.split_whitespace().all(|word| name.contains(word));
    assert!(
        all.iter().any(|name| fits(name)),
        "STOREPLANE_FAULTS_ONLY={only:?} fits no case, such as {:?}",
        all.first()
    );
    cases.into_iter().filter(|case| fits(&case.to_string())).collect()
}

#[test]
fn unknown_filter_fails() {
    let all = ["ServerKilled before CREATE INSTALL".to_owned()];
    assert!(std::panic::catch_unwind(|| wanted(Vec::new(), &all, "ServerKiled")).is_err());
    assert!(wanted(Vec::new(), &all, "ServerKilled INSTALL").is_empty());
}
