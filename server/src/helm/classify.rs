//! Classifies the result of a helm run.

use std::path::Path;

use super::{
    command::{Release, Verb},
    error::{HelmError, HelmErrorKind as Kind},
    known,
    process::Lost,
    protocol::{KillReason, Report},
    version::HelmVersion,
};
use crate::redact::redact;
use storeplane_core::failure::truncate;

/// Lines of helm's output that an error keeps.
const LINES: usize = 20;
/// Maximum length of a line of helm's output in a message, in bytes.
const CAUSE_MAX: usize = 240;
/// Prefixes of helm's lines without information.
const IDLE: [&str; 8] = [
    "Error:",
    "INSTALLATION FAILED:",
    "UPGRADE FAILED:",
    "ROLLBACK FAILED:",
    "1 error occurred:",
    "* ",
    "create: failed to create:",
    "cluster reachability check failed:",
];

/// The context for messages about a run.
#[derive(Debug)]
pub(super) struct Context {
    what: String,
    /// Texts that are never shown, longest first.
    hidden: Vec<String>,
    /// Directories of this machine, of which only the last component is shown.
    folders: Vec<(String, String)>,
}

impl Context {
    pub(super) fn new(verb: Verb<'_>, release: &Release, store_uid: &str) -> Self {
        let mut hidden = Vec::new();
        let mut folders = Vec::new();
        if let Verb::Install(chart) | Verb::Upgrade(chart) = verb {
            let known =
                |text: &str| text == store_uid || text.contains(&release.namespace) || release.namespace.contains(text);
            leaves(&chart.values, &mut |text| {
                // Shorter values are too common to be distinguished from helm's own text.
                if text.len() >= 4 && !known(text) {
                    hidden.push(text.to_owned());
                }
            });
            hidden.sort_by_key(|text| std::cmp::Reverse(text.len()));
            folders.extend(
                std::path::absolute(&chart.dir)
                    .ok()
                    .as_deref()
                    .and_then(Path::parent)
                    .map(|parent| (format!("{}/", parent.display()), String::new())),
            );
        }
        let what = match verb {
            Verb::Version | Verb::List => format!("helm {}", verb.as_str()),
            Verb::Pull(pull) => format!("helm pull {}:{}", pull.repository, pull.version),
            _ => format!("helm {} {}", verb.as_str(), release.name),
        };
        Self { what, hidden, folders }
    }

    pub(super) fn what(&self) -> &str {
        &self.what
    }

    /// The last lines of a text, redacted.
    fn excerpt(&self, text: &str) -> Vec<String> {
        let mut clean = redact(text, self.hidden.iter().map(String::as_str));
        for (folder, shown) in &self.folders {
            clean = clean.replace(folder, shown);
        }
        let lines: Vec<&str> = clean.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        lines.iter().skip(lines.len().saturating_sub(LINES)).map(|line| (*line).to_owned()).collect()
    }

    fn error(&self, kind: Kind, text: &str) -> HelmError {
        let details = self.excerpt(error_part(text));
        let cause = cause(&details);
        HelmError::new(kind, &self.what, cause.as_deref(), details)
    }
}

/// The meaning of a report.
pub(super) fn outcome(context: &Context, report: &Report) -> Result<(), HelmError> {
    let kind = match (report.exit, report.killed) {
        // Helm had finished before the signal reached it.
        (Some(0), _) => return Ok(()),
        (_, Some(KillReason::Timeout)) => Kind::TimedOut,
        (_, Some(KillReason::LeaseExpired)) => Kind::LeaseLost,
        (_, Some(KillReason::Asked)) => Kind::Stopped,
        (None, None) => Kind::Killed,
        (Some(_), None) => classify(&report.stderr),
    };
    Err(context.error(kind, &report.stderr))
}

/// The result of `helm version`. Any unknown failure means that the program is not helm, or broken.
pub(super) fn version(context: &Context, report: &Report) -> Result<HelmVersion, HelmError> {
    match outcome(context, report) {
        Err(error) if error.kind() == Kind::Unknown => Err(context.error(Kind::Missing, &report.stderr)),
        Err(error) => Err(error),
        Ok(()) => HelmVersion::read(&report.stdout).ok_or_else(|| context.error(Kind::Unsupported, &report.stdout)),
    }
}

/// The result of `helm pull`: what it says of a host is about a registry, not about the cluster.
pub(super) fn pull(context: &Context, report: &Report) -> Result<(), HelmError> {
    match (report.exit, report.killed) {
        (Some(1..), None) => Err(context.error(Kind::Unknown, &report.stderr)),
        _ => outcome(context, report),
    }
}

/// The meaning of a missing report.
pub(super) fn lost(context: &Context, lost: Lost) -> HelmError {
    match lost {
        Lost::DiskFull => HelmError::new(Kind::DiskFull, &context.what, None, Vec::new()),
        Lost::Failed(cause) => HelmError::new(Kind::Internal, &context.what, Some(&cause), Vec::new()),
        Lost::Killed => HelmError::new(Kind::Killed, &context.what, Some("its supervisor is gone"), Vec::new()),
    }
}

fn classify(stderr: &str) -> Kind {
    let text = error_part(stderr);
    let fits = |needles: &[&str]| needles.iter().all(|needle| text.contains(needle));
    known::TEXTS.iter().find(|(needles, _)| fits(needles)).map_or(Kind::Unknown, |(_, kind)| *kind)
}

/// Helm's message on one line, without prefixes that carry no information.
fn cause(lines: &[String]) -> Option<String> {
    let words: Vec<&str> = lines.iter().map(|line| strip(line)).filter(|line| !line.is_empty()).collect();
    (!words.is_empty()).then(|| truncate(words.join(" "), CAUSE_MAX))
}

fn strip(line: &str) -> &str {
    let mut rest = line.trim();
    while let Some(shorter) = IDLE.iter().find_map(|idle| rest.strip_prefix(idle)) {
        rest = shorter.trim_start();
    }
    rest
}

/// From helm's last error on; warnings and logs precede it.
fn error_part(stderr: &str) -> &str {
    let start = if stderr.starts_with("Error: ") { Some(0) } else { stderr.find("\nError: ").map(|at| at + 1) };
    start.and_then(|start| stderr.get(start..)).unwrap_or(stderr)
}

fn leaves(value: &serde_json::Value, visit: &mut impl FnMut(&str)) {
    match value {
        serde_json::Value::String(text) => visit(text),
        serde_json::Value::Array(list) => list.iter().for_each(|value| leaves(value, visit)),
        serde_json::Value::Object(map) => map.values().for_each(|value| leaves(value, visit)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::helm::command::Chart;

    fn report(exit: Option<i32>, killed: Option<KillReason>, stderr: &str) -> Report {
        let signal = exit.is_none().then_some(9);
        Report { exit, signal, killed, stderr: stderr.to_owned(), ..Report::never_started(KillReason::Asked) }
    }

    fn chart() -> Chart {
        Chart {
            dir: "/srv/product/charts/woocommerce".into(),
            values_files: Vec::new(),
            values: json!({
                "store": {"id": "demo", "uid": "0191", "displayName": "Ann's Shop", "adminEmail": "ann@example.com"},
                "ingress": {"host": "store-demo.localhost"}
            }),
            labels: Vec::new(),
        }
    }

    fn fails(exit: Option<i32>, killed: Option<KillReason>, stderr: &str) -> HelmError {
        let release = Release { namespace: "store-demo".into(), name: "store-demo".into() };
        let chart = chart();
        outcome(&Context::new(Verb::Install(&chart), &release, "0191"), &report(exit, killed, stderr)).unwrap_err()
    }

    #[test]
    fn exit_kind_takes_precedence_over_output() {
        for (exit, killed, kind, retryable) in [
            (Some(1), None, Kind::Unreachable, true),
            (Some(1), Some(KillReason::Asked), Kind::Stopped, false),
            (None, Some(KillReason::LeaseExpired), Kind::LeaseLost, false),
            (None, Some(KillReason::Timeout), Kind::TimedOut, true),
            (None, None, Kind::Killed, true),
        ] {
            let error = fails(exit, killed, "Error: dial tcp 10.0.0.1:6443: connect: connection refused\n");
            assert_eq!((error.kind(), error.retryable()), (kind, retryable));
        }
    }

    #[test]
    fn success_counts_even_after_stop_request() {
        let release = Release { namespace: "n".into(), name: "n".into() };
        let context = Context::new(Verb::Uninstall, &release, "");
        assert_eq!(outcome(&context, &report(Some(0), Some(KillReason::Asked), "warning")), Ok(()));
    }

    #[test]
    fn unrecognized_output_is_unknown_and_printable() {
        let error = fails(Some(1), None, "\u{7}\u{fffd}panic: token=abc\n\n");
        assert_eq!(error.kind(), Kind::Unknown);
        assert_eq!(error.to_string(), "helm install store-demo: helm failed (\u{fffd}panic: token=***)");
        assert_eq!(fails(Some(1), None, "").to_string(), "helm install store-demo: helm failed");
    }

    #[test]
    fn values_and_paths_are_hidden() {
        let error = fails(
            Some(1),
            None,
            "level=WARN msg=x\nError: INSTALLATION FAILED: values don't meet the specifications of the schema(s) in the \
             following chart(s):\n- at '/store/adminEmail': 'ann@example.com' is not Ann's Shop of demo at \
             store-demo.localhost, 0191, see /srv/product/charts/woocommerce/values.yaml\n",
        );
        insta::assert_snapshot!(error.failure().details.join("\n"), @r"
        Error: INSTALLATION FAILED: values don't meet the specifications of the schema(s) in the following chart(s):
        - at '/store/adminEmail': '***' is not *** of demo at store-demo.localhost, 0191, see woocommerce/values.yaml
        ");
    }

    mod fuzz {
        use proptest::prelude::*;
        use storeplane_fuzz::{Outcome, check};

        use super::super::*;
        use super::{chart, report};
        use crate::helm::protocol::SupervisorMessage;

        /// What helm prints, mixed up.
        fn output() -> impl Strategy<Value = String> {
            let known = known::TEXTS.iter().flat_map(|(texts, _)| texts.iter().copied());
            let words: Vec<_> =
                known.chain(["Error: ", "* ", "\n", "ann@example.com", "Ann's Shop", "\u{1b}[31m"]).collect();
            let mixed = prop::collection::vec(
                prop_oneof![prop::sample::select(words).prop_map(str::to_owned), any::<String>()],
                0..30,
            );
            prop_oneof![any::<String>(), mixed.prop_map(|words| words.concat())]
        }

        #[test]
        fn errors_are_bounded_and_show_no_values() {
            let inputs = (output(), any::<Option<i32>>(), any::<bool>());
            check("helm output", &inputs, |(stderr, exit, killed)| {
                let (release, chart) = (Release { namespace: "store-demo".into(), name: "store-demo".into() }, chart());
                let context = Context::new(Verb::Install(&chart), &release, "0191");
                let result = outcome(&context, &report(exit, killed.then_some(KillReason::Timeout), &stderr));
                prop_assert_eq!(result.is_ok(), exit == Some(0));
                if let Err(error) = &result {
                    let text = format!("{error} {error:?}");
                    prop_assert!(!text.contains("ann@example.com") && !text.contains("Ann's Shop"), "{text}");
                    prop_assert!(error.to_string().len() <= 1024, "{} bytes", error.to_string().len());
                }
                let _ = version(&context, &report(Some(0), None, &stderr));
                Ok(Outcome::of(&result))
            });
        }

        #[test]
        fn supervisor_messages_are_read_as_they_were_written() {
            let message = (any::<i32>(), output(), any::<bool>()).prop_map(|(pid, text, ended)| {
                let message = if ended {
                    SupervisorMessage::Ended(report(Some(pid), None, &text))
                } else {
                    SupervisorMessage::Failed(text)
                };
                serde_json::to_string(&message).unwrap_or_default()
            });
            check("supervisor message", &prop_oneof![any::<String>(), message], |line| {
                let read = serde_json::from_str::<SupervisorMessage>(&line);
                if let Ok(message) = &read {
                    prop_assert_eq!(serde_json::to_string(message).unwrap_or_default(), line);
                }
                Ok(Outcome::of(&read))
            });
        }
    }
}
