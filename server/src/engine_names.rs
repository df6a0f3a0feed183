//! No code refers to an engine by name: an engine is a chart and its configuration. This test finds lines that do.

use std::fs;
use std::path::{Path, PathBuf};

/// Parts of words that only one engine's code would have.
const NAMES: [&str; 6] = ["woocommerce", "wordpress", "medusa", "wp-", "wp_", "wc/store"];

/// Sources without their tests: those are in files and modules of their own, at the end of a file.
fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        let name = entry.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let tests = ["tests", "tests.rs", "fixtures.rs", "fuzz", "target", "samples"].contains(&name.as_str());
        if entry.is_dir() && !tests {
            sources(&entry, found);
        } else if entry.extension().is_some_and(|end| end == "rs") && !tests {
            found.push(entry);
        }
    }
}

/// A line without its comment.
fn code(line: &str) -> &str {
    let comment = line.trim_start().starts_with("//");
    if comment { "" } else { line.split(" // ").next().unwrap_or_default() }
}

#[test]
fn no_line_refers_to_an_engine_by_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for dir in ["server/src", "server/core/src", "migrations/src", "client/src", "proto/src"] {
        sources(&root.join(dir), &mut files);
    }
    assert!(files.len() > 200, "the sources were not found");
    let mut lines = Vec::new();
    for file in files.iter().filter(|file| !file.ends_with("engine_names.rs")) {
        let text = fs::read_to_string(file).expect("a source");
        let tests = ["mod ", "pub(crate) mod "].map(|module| text.find(&format!("#[cfg(test)]\n{module}")));
        let own = &text[..tests.into_iter().flatten().min().unwrap_or(text.len())];
        for (number, line) in own.lines().enumerate() {
            if NAMES.iter().any(|name| code(line).to_lowercase().contains(name)) {
                lines.push(format!("{}:{}: {}", file.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(lines.is_empty(), "{} lines refer to an engine by name:\n{}", lines.len(), lines.join("\n"));
}
