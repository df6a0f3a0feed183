//! From what helm left behind to what it means.

use std::path::Path;

use super::{
    command::{Release, Verb},
    error::{HelmError, HelmErrorKind as Kind},
    known,
    process::Lost,
    protocol::{KillReason, Report},
    redact::{MASK, redact},
};
use storeplane_core::failure::truncate;

/// Lines of helm's output that an error keeps.
const LINES: usize = 20;
/// Longest part of one of helm's lines in a message, in bytes.
const CAUSE_MAX: usize = 240;

/// What is needed to speak about a run.
#[derive(Debug)]
pub(super) struct Context {
    what: String,
    /// Texts that are never shown, longest first.
    hidden: Vec<String>,
    /// Folders of this machine, shown by their last name only.
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
                // Whatever shorter is too common to be told from helm's own words.
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
            Verb::Version => "helm version".to_owned(),
            _ => format!("helm {} {}", verb.as_str(), release.name),
        };
        Self { what, hidden, folders }
    }

    pub(super) fn what(&self) -> &str {
        &self.what
    }

    /// The last lines of a text, fit to be shown.
    pub(super) fn excerpt(&self, text: &str) -> Vec<String> {
        let mut clean = redact(text, self.hidden.iter().map(String::as_str));
        for (folder, shown) in &self.folders {
            clean = clean.replace(folder, shown);
        }
        let lines: Vec<&str> = clean.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        lines.iter().skip(lines.len().saturating_sub(LINES)).map(|line| (*line).to_owned()).collect()
    }

    fn error(&self, kind: Kind, text: &str) -> HelmError {
        let details = self.excerpt(error_part(text));
        let cause = details
            .iter()
            .find(|line| line.as_str() != MASK)
            .map(|line| truncate(line.strip_prefix("Error: ").unwrap_or(line).to_owned(), CAUSE_MAX));
        HelmError::new(kind, &self.what, cause.as_deref(), details)
    }
}

/// What a report means.
pub(super) fn outcome(context: &Context, report: &Report) -> Result<(), HelmError> {
    let kind = match (report.exit, report.killed) {
        // Helm was done before the signal reached it.
        (Some(0), _) => return Ok(()),
        (_, Some(KillReason::Timeout)) => Kind::TimedOut,
        (_, Some(KillReason::LeaseExpired)) => Kind::LeaseLost,
        (_, Some(KillReason::Asked)) => Kind::Stopped,
        (None, None) => Kind::Killed,
        (Some(_), None) => classify(&report.stderr),
    };
    Err(context.error(kind, &report.stderr))
}

/// What it means that there is no report.
pub(super) fn lost(context: &Context, lost: Lost) -> HelmError {
    match lost {
        Lost::Failed(cause) => HelmError::new(Kind::Internal, &context.what, Some(&cause), Vec::new()),
        Lost::Killed => HelmError::new(Kind::Killed, &context.what, Some("its supervisor is gone"), Vec::new()),
    }
}

fn classify(stderr: &str) -> Kind {
    let text = error_part(stderr);
    let fits = |needles: &[&str]| needles.iter().all(|needle| text.contains(needle));
    known::TEXTS.iter().find(|(needles, _)| fits(needles)).map_or(Kind::Unknown, |(_, kind)| *kind)
}

/// From helm's last word on; warnings and logs come before.
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
