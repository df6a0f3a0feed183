//! The supervisor's standard input: the spec, then lease renewals, then the end.

use std::{io, time::Duration};

use nix::{errno::Errno, unistd::read};

use super::protocol::Spec;

/// Reads the server's messages without reading ahead.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    unread: Vec<u8>,
    closed: bool,
}

impl Inbox {
    /// The first line; `None` if it is missing or not a spec.
    pub(super) fn spec(&mut self) -> Option<Spec> {
        loop {
            if let Some(line) = self.line() {
                return serde_json::from_slice(&line).ok();
            }
            if self.closed || self.read().is_err() {
                return None;
            }
        }
    }

    /// Reads what is available; blocks if nothing is.
    pub(super) fn read(&mut self) -> io::Result<()> {
        let mut chunk = vec![0; 16 * 1024];
        match read(io::stdin(), &mut chunk) {
            Ok(0) => self.closed = true,
            Ok(count) => self.unread.extend(chunk.iter().take(count)),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The lease's new deadline, if a renewal arrived.
    pub(super) fn lease(&mut self) -> Option<Duration> {
        let mut news = None;
        while let Some(line) = self.line() {
            let millis = std::str::from_utf8(&line).ok().and_then(|text| text.trim().parse().ok());
            news = millis.map(Duration::from_millis).max(news);
        }
        news
    }

    /// Whether the server closed the pipe or died.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.unread.iter().position(|byte| *byte == b'\n')?;
        Some(self.unread.drain(..=end).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_lease_renewal_counts_and_garbage_is_ignored() {
        let mut inbox = Inbox { unread: b"20\n700\nx\n5".to_vec(), closed: false };
        assert_eq!(inbox.lease(), Some(Duration::from_millis(700)));
        assert_eq!(inbox.lease(), None);
        inbox.unread.extend(b"0\n");
        assert_eq!(inbox.lease(), Some(Duration::from_millis(50)));
    }
}
