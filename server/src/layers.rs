//! Layers point one way: no two top-level modules of the server, or of the core, depend on each other, directly or through others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Which top-level module uses which, by the paths that begin with `crate::`. Tests may use anything.
fn graph(root: &Path) -> Graph {
    let pattern = regex::Regex::new(r"\bcrate::(?:(?P<one>[a-z_]+)|\{(?P<many>[^;]*)\})").expect("a pattern");
    let name = regex::Regex::new(r"(?:^|[{,])\s*([a-z_]+)").expect("a pattern");
    let mut graph = Graph::new();
    for file in sources(root) {
        let relative = file.strip_prefix(root).expect("below the root");
        let module = relative.components().next().expect("a name").as_os_str().to_string_lossy();
        let module = module.trim_end_matches(".rs").to_owned();
        let text = std::fs::read_to_string(&file).expect("a source");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        let used = graph.entry(module.clone()).or_default();
        for found in pattern.captures_iter(&code) {
            let many = found.name("many").map_or("", |many| many.as_str());
            used.extend(found.name("one").map(|one| one.as_str().to_owned()));
            used.extend(name.captures_iter(many).map(|one| one[1].to_owned()));
        }
        used.remove(&module);
    }
    let modules: BTreeSet<_> = graph.keys().cloned().collect();
    graph.values_mut().for_each(|used| used.retain(|name| modules.contains(name)));
    graph
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let is_test = |path: &Path| matches!(path.file_stem().and_then(|name| name.to_str()), Some("tests" | "layers"));
    let entries = entries.filter(|path| !is_test(path));
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files.chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}

/// A module that reaches itself, with the way back.
fn circle(graph: &Graph) -> Option<Vec<String>> {
    graph.keys().find_map(|start| way_back(graph, start, vec![start.clone()], &mut BTreeSet::new()))
}

fn way_back(graph: &Graph, start: &str, way: Vec<String>, seen: &mut BTreeSet<String>) -> Option<Vec<String>> {
    for next in graph.get(way.last()?)? {
        let mut way = way.clone();
        way.push(next.clone());
        if next == start {
            return Some(way);
        }
        if seen.insert(next.clone())
            && let Some(found) = way_back(graph, start, way, seen)
        {
            return Some(found);
        }
    }
    None
}

#[test]
fn top_level_modules_form_no_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["src", "core/src"] {
        let graph = graph(&root.join(folder));
        assert!(graph.len() > 10 && graph.values().any(|used| !used.is_empty()), "{folder} was read: {graph:?}");
        assert_eq!(circle(&graph), None, "in {folder}: move what both need into a module of its own");
    }
}

#[test]
fn a_circle_is_found() {
    let uses = |pairs: &[(&str, &str)]| {
        let mut graph = Graph::new();
        for (from, to) in pairs {
            graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        circle(&graph)
    };
    assert_eq!(uses(&[("a", "b"), ("b", "c"), ("a", "c")]), None);
    assert_eq!(uses(&[("a", "b"), ("b", "c"), ("c", "a")]), Some(["a", "b", "c", "a"].map(str::to_owned).to_vec()));
}
