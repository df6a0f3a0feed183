//! The last stage before helm: a process that ties its life to the supervisor's and then executes helm.
//! The kernel kills it when the thread that started it dies, and the supervisor has only one thread.

use std::{ffi::OsString, io::Write as _, os::unix::process::CommandExt as _, process::ExitCode};

use nix::{
    sys::{
        prctl,
        signal::{SigSet, Signal},
    },
    unistd::getppid,
};

use super::protocol::EXEC_ERROR;

/// Executes `PARENT PROGRAM ARGUMENT...`; returns only if that failed.
pub(super) fn main(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let cause = match (args.next(), args.next()) {
        (Some(parent), Some(program)) => match tie_to(&parent) {
            Ok(()) => become_program(&program, args),
            Err(cause) => cause,
        },
        _ => "too few arguments".to_owned(),
    };
    // If nobody reads it any more, the error cannot be reported.
    let _ = writeln!(std::io::stderr(), "{EXEC_ERROR}{cause}");
    ExitCode::from(127)
}

fn tie_to(parent: &OsString) -> Result<(), String> {
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(|error| error.to_string())?;
    // A parent that died before the line above never sends the signal.
    if parent.to_str() != Some(&getppid().to_string()) {
        return Err("its supervisor is gone".to_owned());
    }
    SigSet::all().thread_unblock().map_err(|error| error.to_string())
}

fn become_program(program: &OsString, args: impl Iterator<Item = OsString>) -> String {
    #[expect(clippy::disallowed_methods, reason = "this is where processes are started")]
    let error = std::process::Command::new(program).args(args).exec();
    format!("{}: {error}", program.display())
}
