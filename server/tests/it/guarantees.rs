//! `docs/guarantees.md` names the tests of each guarantee, and `SECURITY.md` those of the boundaries: each of them must exist.

use std::path::{Path, PathBuf};

/// Every Rust file below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// A file's name as a module: `…/helm_process/mod.rs` is `…/helm_process`.
fn module(path: &Path) -> PathBuf {
    let whole = path.with_extension("");
    if whole.ends_with("mod") { whole.parent().unwrap().to_owned() } else { whole }
}

fn is_a_test(source: &str, name: &str) -> bool {
    let lines: Vec<_> = source.lines().map(str::trim).collect();
    let signature = format!("fn {name}(");
    lines.iter().enumerate().any(|(at, line)| {
        line.contains(&signature)
            && lines[at.saturating_sub(3)..at].iter().any(|above| above.contains("test]") || above.contains("::test("))
    })
}

/// The rows of a document's tables, without headings that begin with `| guarantee |`.
fn rows(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| guarantee |") && !line.starts_with("| ---"))
}

/// The tests that a row names.
fn tests(row: &str) -> Vec<&str> {
    row.split('`').skip(1).step_by(2).filter(|code| is_path(code)).collect()
}

fn read(root: &Path, document: &str) -> String {
    std::fs::read_to_string(root.join(document)).unwrap()
}

#[test]
fn every_guarantee_names_a_test_and_every_named_test_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for folder in ["server/tests", "server/src", "server/core/src", "client/src", "client/tests"] {
        sources(&root.join(folder), &mut files);
    }
    for row in rows(&read(&root, "docs/guarantees.md")) {
        assert!(!tests(row).is_empty(), "a guarantee without a test: {row}");
    }
    for (document, at_least) in [("docs/guarantees.md", 30), ("SECURITY.md", 10)] {
        let text = read(&root, document);
        let named: Vec<_> = rows(&text).flat_map(tests).collect();
        let missing: Vec<_> = named.iter().filter(|test| !exists(test, &files)).collect();
        assert!(missing.is_empty(), "{document} names tests that do not exist: {missing:#?}");
        assert!(named.len() > at_least, "{document} names only {} tests; its tables are not parsed", named.len());
    }
}

fn exists(test: &str, files: &[PathBuf]) -> bool {
    let (file, name) = test.rsplit_once("::").unwrap();
    let file: PathBuf = file.split("::").collect();
    let mut there = files.iter().filter(|path| module(path).ends_with(&file));
    there.any(|path| is_a_test(&std::fs::read_to_string(path).unwrap(), name))
}

/// `module::test_name`, but not a method of a type.
fn is_path(code: &str) -> bool {
    code.contains("::")
        && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_:".contains(&byte))
}
