//! Runs helm. No other code starts processes.
//!
//! ```text
//! runner ─► process ──pipe──► supervisor ─► exec ─► helm
//!  gate       │ lease, stop      │ group, time, lease, outputs
//!  command    ◄──────────────────┘ report
//!  classify ◄ report             (same binary, hidden subcommands)
//! ```
//! - `runner`: the worker's interface. `process_limiter`: how many runs at once. `command`: arguments. `config`:
//!   environment. `scratch_dirs`: a directory for each server, and for each run. `binary`, `version`: which helm.
//! - `check`: whether helm signs in to the API server.
//! - `process`: the server's side of a run; `protocol`: the messages between both sides.
//! - `supervisor` with `inbox`, `stream`, `capture` and `descendants`: the process that stops helm when the
//!   server dies, requests it, or no longer renews the lease; `exec`: helm dies with its supervisor.
//! - `classify`, `known`, `error`: the meaning of a failure. `measure`: metrics.
//!
//! To add a known error text: store helm's standard error in `samples/helm3/` or `samples/helm4/`,
//! named after the case, add the distinctive part to the table in `known`, and accept the new lines of its snapshot.

mod binary;
mod capture;
mod check;
mod classify;
mod command;
mod config;
mod descendants;
mod error;
mod exec;
mod inbox;
mod known;
mod measure;
mod process;
mod process_limiter;
mod protocol;
mod runner;
mod scratch_dirs;
mod stream;
mod supervisor;
mod version;

use std::process::ExitCode;

pub use command::{Chart, Pull, Release};
pub use config::HelmConfig;
pub use error::{HelmError, HelmErrorKind};
pub use runner::{Helm, Run};
pub(crate) use scratch_dirs::ScratchDirs;
pub use version::HelmVersion;

/// Call this first in `main`, before any thread is started: if this process is one of the runner's helpers,
/// it does its work and returns the exit code.
pub fn helper_main() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    match args.next()?.to_str()? {
        protocol::SUPERVISOR => Some(supervisor::main()),
        protocol::EXEC => Some(exec::main(args)),
        _ => None,
    }
}
