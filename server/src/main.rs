//! The server's binary. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // First of all, while there is one thread: helm runs below helpers that are this same binary.
    if let Some(code) = storeplane_server::helm::helper_main() {
        return code;
    }
    #[cfg(feature = "failpoints")]
    let _failpoints = storeplane_server::failpoints::set_up();
    storeplane_server::cli::main()
}
