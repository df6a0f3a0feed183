//! `docs/guarantees.md` names the tests of each guarantee: each of them must exist.

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

#[test]
fn every_named_test_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join("docs/guarantees.md")).unwrap();
    let mut files = Vec::new();
    for folder in ["server/tests", "server/src", "server/core/src", "client/src", "client/tests"] {
        sources(&root.join(folder), &mut files);
    }
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| guarantee |") && !line.starts_with("| ---"));
    let (mut named, mut missing) = (0, Vec::new());
    for row in rows {
        let tests: Vec<_> = row.split('`').skip(1).step_by(2).filter(|code| is_path(code)).collect();
        assert!(!tests.is_empty(), "a guarantee without a test: {row}");
        for test in tests {
            named += 1;
            let (file, name) = test.rsplit_once("::").unwrap();
            let file: PathBuf = file.split("::").collect();
            let there = files.iter().filter(|path| module(path).ends_with(&file));
            if !there.into_iter().any(|path| is_a_test(&std::fs::read_to_string(path).unwrap(), name)) {
                missing.push(test);
            }
        }
    }
    assert!(missing.is_empty(), "docs/guarantees.md names tests that do not exist: {missing:#?}");
    assert!(named > 30, "only {named} tests are named; the table is not parsed");
}

/// `module::test_name`, but not a method of a type.
fn is_path(code: &str) -> bool {
    code.contains("::")
        && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_:".contains(&byte))
}
