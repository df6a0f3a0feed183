//! Runs the helm binary. This is the only place in the product that starts processes.
//!
//! ```text
//! runner ─► process ──pipe──► supervisor ─► exec ─► helm
//!  gate       │ lease, stop      │ group, time, lease, outputs
//!  command    ◄──────────────────┘ report
//!  classify ◄ report             (same binary, hidden subcommands)
//! ```
//! - `runner`: what the worker calls. `gate`: how many at once. `command`: the arguments. `config`: the
//!   environment. `homes`: a directory for each run. `binary`, `version`: which helm.
//! - `process`: the server's side of a run; `protocol`: what both sides say.
//! - `supervisor` with `inbox`, `stream`, `capture` and `descendants`: the process that ends helm when the
//!   server dies, asks for it, or says no more that the lease is renewed; `exec`: helm dies with its supervisor.
//! - `classify`, `known`, `error`: what a failure means.
//!
//! To add a known error text: put what helm wrote to its standard error into `samples/helm3/` or `samples/helm4/`,
//! named after the case, add the telling part to the table in `known`, and accept the new lines of its snapshot.

mod binary;
mod capture;
mod classify;
mod command;
mod config;
mod descendants;
mod error;
mod exec;
mod inbox;
mod known;
mod process;
mod process_limiter;
mod protocol;
mod runner;
mod scratch_dirs;
mod stream;
mod supervisor;
mod version;

use std::process::ExitCode;

pub use command::{Chart, Release};
pub use config::HelmConfig;
pub use error::{HelmError, HelmErrorKind};
pub use runner::{Helm, Run};
pub use version::HelmVersion;

/// To be called first in `main`, before anything starts a thread: if this process is one of the runner's helpers,
/// does its work and says how it ended.
pub fn helper_main() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    match args.next()?.to_str()? {
        protocol::SUPERVISOR => Some(supervisor::main()),
        protocol::EXEC => Some(exec::main(args)),
        _ => None,
    }
}
