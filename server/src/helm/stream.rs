//! Helm's pipes on the supervisor's side: no operation blocks.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    process::ChildStdin,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    poll::{PollFd, PollFlags},
    unistd::{read, write},
};

use super::{capture::Capture, protocol::Spec};

/// One of helm's outputs.
#[derive(Debug)]
pub(super) struct Stream {
    pipe: Option<OwnedFd>,
    capture: Capture,
    chunk: Vec<u8>,
}

impl Stream {
    pub(super) fn new(pipe: Option<OwnedFd>, spec: &Spec) -> io::Result<Self> {
        if let Some(pipe) = &pipe {
            nonblocking(pipe.as_fd())?;
        }
        Ok(Self { pipe, capture: Capture::new(spec.keep_first, spec.keep_last), chunk: vec![0; 64 * 1024] })
    }

    pub(super) fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    pub(super) fn poll_fd(&self) -> Option<PollFd<'_>> {
        self.pipe.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN))
    }

    /// Reads one chunk, so that a large output on one pipe does not starve the others.
    pub(super) fn read(&mut self) {
        let Some(pipe) = &self.pipe else { return };
        match read(pipe, &mut self.chunk) {
            Ok(count) if count > 0 => self.capture.push(self.chunk.get(..count).unwrap_or_default()),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Ok(_) | Err(_) => self.pipe = None,
        }
    }

    pub(super) fn text(&self) -> String {
        self.capture.text()
    }
}

/// Writes as much as the pipe accepts, and closes it after the last byte.
pub(super) fn feed(pipe: &mut Option<ChildStdin>, unsent: &mut Vec<u8>) {
    while let Some(open) = pipe {
        match write(&*open, unsent) {
            Ok(count) if count < unsent.len() => drop(unsent.drain(..count)),
            Err(Errno::EAGAIN | Errno::EINTR) => return,
            // Everything is written, or helm has stopped reading.
            Ok(_) | Err(_) => *pipe = None,
        }
    }
}

pub(super) fn nonblocking(pipe: BorrowedFd<'_>) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(pipe, FcntlArg::F_GETFL)?);
    fcntl(pipe, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}
