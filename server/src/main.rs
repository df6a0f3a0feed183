//! The server's binary. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Must come first, while there is only one thread: helm runs under helper processes of this same binary.
    if let Some(code) = storeplane_server::helm::helper_main() {
        return code;
    }
    #[cfg(feature = "failpoints")]
    let _failpoints = storeplane_server::failpoints::set_up();
    storeplane_server::cli::main()
}
