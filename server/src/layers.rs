//! Tests that layers point one way: no top-level module of the server, or of the core, depends on itself, directly or through others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The dependencies of each module.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// The dependencies between top-level modules, from paths that begin with `crate::`. Tests may use anything.
fn graph(root: &Path) -> Graph {
    let path = regex::Regex::new(r"\bcrate::(?:(?P<one>[a-z_]+)|\{(?P<many>[^;]*)\})").expect("a pattern");
    let name = regex::Regex::new(r"(?:^|[{,])\s*([a-z_]+)").expect("a pattern");
    let mut graph = Graph::new();
    for file in sources(root) {
        let relative = file.strip_prefix(root).expect("below the root");
        let module = relative.components().next().expect("a name").as_os_str().to_string_lossy();
        let module = module.trim_end_matches(".rs").to_owned();
        let text = std::fs::read_to_string(&file).expect("a source");
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let code: Vec<_> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let used = graph.entry(module.clone()).or_default();
        for found in path.captures_iter(&code.join("\n")) {
            let many = found.name("many").map_or("", |many| many.as_str());
            used.extend(found.name("one").map(|one| one.as_str().to_owned()));
            used.extend(name.captures_iter(many).map(|one| one[1].to_owned()));
        }
        used.remove(&module);
    }
    let modules: BTreeSet<_> = graph.keys().cloned().collect();
    for used in graph.values_mut() {
        used.retain(|name| modules.contains(name));
    }
    graph
}

/// Source files except tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let is_test = |path: &Path| matches!(path.file_stem().and_then(|name| name.to_str()), Some("tests" | "layers"));
    let (folders, files): (Vec<_>, Vec<_>) = entries.filter(|path| !is_test(path)).partition(|path| path.is_dir());
    let files = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files.chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}

/// The modules in cycles, and those between cycles: what remains after repeatedly removing modules that nothing depends on
/// and modules without dependencies.
fn circles(mut graph: Graph) -> Graph {
    loop {
        let used: BTreeSet<String> = graph.values().flatten().cloned().collect();
        let before = graph.len();
        graph.retain(|name, uses| !uses.is_empty() && used.contains(name));
        if graph.len() == before {
            return graph;
        }
        let left: BTreeSet<String> = graph.keys().cloned().collect();
        for uses in graph.values_mut() {
            uses.retain(|name| left.contains(name));
        }
    }
}

#[test]
fn top_level_modules_form_no_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["src", "core/src"] {
        let graph = graph(&root.join(folder));
        assert!(graph.len() > 10 && graph.values().any(|used| !used.is_empty()), "{folder} was read: {graph:?}");
        assert_eq!(circles(graph), Graph::new(), "in {folder}: move what both need into a module of its own");
    }
}

#[test]
fn circles_are_found() {
    let left = |pairs: &[(&str, &str)]| {
        let mut graph = Graph::new();
        for (from, to) in pairs {
            graph.entry((*to).to_owned()).or_default();
            graph.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        circles(graph).into_keys().collect::<Vec<_>>()
    };
    assert_eq!(left(&[("a", "b"), ("b", "c"), ("a", "c")]), Vec::<String>::new());
    assert_eq!(left(&[("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")]), ["b", "c"]);
}
