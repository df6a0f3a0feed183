//! The server's binary. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // First of all, while there is one thread: helm runs below helpers that are this same binary.
    storeplane_server::helm::helper_main().unwrap_or_else(storeplane_server::cli::main)
}
