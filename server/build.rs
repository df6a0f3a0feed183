//! Sees to it that a dashboard that was built anew is embedded anew.

use std::path::Path;

fn main() {
    let dist = Path::new("../web-client/dist");
    // cargo can watch an empty folder; for a missing one it would compile this crate each time. Where it cannot be made, so be it.
    if !dist.exists() {
        let _ = std::fs::create_dir_all(dist);
    }
    println!("cargo:rerun-if-changed={}", dist.display());
    println!("cargo:rerun-if-changed=build.rs");
}
