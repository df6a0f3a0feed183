//! Keeps the beginning and the end of an output of any length.

use std::collections::VecDeque;

/// An output of which only a limited amount is kept.
#[derive(Debug)]
pub(super) struct Capture {
    first: Vec<u8>,
    last: VecDeque<u8>,
    keep_first: usize,
    keep_last: usize,
    left_out: u64,
}

impl Capture {
    pub(super) fn new(keep_first: usize, keep_last: usize) -> Self {
        Self { first: Vec::new(), last: VecDeque::new(), keep_first, keep_last, left_out: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = self.keep_first.saturating_sub(self.first.len()).min(bytes.len());
        let (first, rest) = bytes.split_at(room);
        self.first.extend_from_slice(first);
        // Most of a very long output is not even copied.
        let (skipped, tail) = rest.split_at(rest.len().saturating_sub(self.keep_last));
        self.last.extend(tail);
        let excess = self.last.len().saturating_sub(self.keep_last);
        self.last.drain(..excess);
        self.left_out += (skipped.len() + excess) as u64;
    }

    /// The text, with a line in the middle that says how much is missing.
    pub(super) fn text(&self) -> String {
        let mut bytes = self.first.clone();
        if self.left_out > 0 {
            bytes.extend_from_slice(format!("\n[{} bytes left out]\n", self.left_out).as_bytes());
        }
        bytes.extend(&self.last);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(chunks: &[&str]) -> String {
        let mut capture = Capture::new(4, 3);
        for chunk in chunks {
            capture.push(chunk.as_bytes());
        }
        capture.text()
    }

    #[test]
    fn short_output_is_kept_whole() {
        assert_eq!(captured(&[]), "");
        assert_eq!(captured(&["abc"]), "abc");
        assert_eq!(captured(&["ab", "cdef", "g"]), "abcdefg");
    }

    #[test]
    fn long_output_keeps_beginning_and_end() {
        assert_eq!(captured(&["abcdefgh"]), "abcd\n[1 bytes left out]\nfgh");
        assert_eq!(captured(&["a", "bcdefghij", "klmno", "p"]), "abcd\n[9 bytes left out]\nnop");
    }

    #[test]
    fn invalid_utf8_becomes_text() {
        let mut capture = Capture::new(2, 2);
        capture.push(&[0xff, b'a']);
        assert_eq!(capture.text(), "\u{fffd}a");
    }
}
