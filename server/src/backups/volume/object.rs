//! Reads an object, or a range of it, from its files.

use std::collections::VecDeque;
use std::io::SeekFrom;

use async_trait::async_trait;
use storeplane_core::backup_storage::{ObjectKey, ObjectReader, StorageError};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::READ;
use super::files::{Piece, fault};
use crate::backups::timed;

/// Bytes that are read at a time.
const CHUNK: u64 = 256 * 1024;

/// Reads the files of an object one after another.
#[derive(Debug)]
pub(super) struct Reader {
    object: ObjectKey,
    /// What is left: where each file is read from, and how many bytes.
    rest: VecDeque<(Piece, u64)>,
    file: Option<File>,
}

impl Reader {
    /// Reads `length` bytes from the byte `start`.
    pub(super) fn range(object: ObjectKey, pieces: Vec<Piece>, start: u64, length: u64) -> Self {
        let (mut skip, mut length) = (start, length);
        let mut rest = VecDeque::new();
        for Piece { path, bytes } in pieces {
            let here = bytes.saturating_sub(skip).min(length);
            if here > 0 {
                rest.push_back((Piece { path, bytes: here }, skip));
            }
            skip = skip.saturating_sub(bytes);
            length -= here;
        }
        Self { object, rest, file: None }
    }

    /// Reads all of it.
    pub(super) fn all(object: ObjectKey, pieces: Vec<Piece>) -> Self {
        Self::range(object, pieces, 0, u64::MAX)
    }
}

#[async_trait]
impl ObjectReader for Reader {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, StorageError> {
        let Some((piece, start)) = self.rest.front_mut() else { return Ok(None) };
        let file = &mut self.file;
        let what = format!("read {}", self.object);
        let chunk =
            timed(&what, READ, async { chunk(file, piece, *start).await.map_err(|error| fault(&self.object, &error)) });
        let chunk = chunk.await?;
        if chunk.is_empty() {
            return Err(StorageError::Invalid(format!("{}: it became shorter while it was read", self.object)));
        }
        piece.bytes -= u64::try_from(chunk.len()).unwrap_or_default();
        if piece.bytes == 0 {
            self.rest.pop_front();
            self.file = None;
        }
        Ok(Some(chunk))
    }
}

/// The next bytes of a file, which is opened if it is not open yet.
async fn chunk(open: &mut Option<File>, piece: &Piece, start: u64) -> std::io::Result<Vec<u8>> {
    let file = match open {
        Some(file) => file,
        none => {
            let mut file = File::open(&piece.path).await?;
            file.seek(SeekFrom::Start(start)).await?;
            none.insert(file)
        }
    };
    let mut chunk = vec![0; usize::try_from(piece.bytes.min(CHUNK)).unwrap_or_default()];
    let read = file.read(&mut chunk).await?;
    chunk.truncate(read);
    Ok(chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ranges_cross_files() {
        let folder = tempfile::tempdir().expect("a directory");
        let pieces = |texts: &[&str]| -> Vec<Piece> {
            let write = |(number, text): (usize, &&str)| {
                let path = folder.path().join(number.to_string());
                std::fs::write(&path, text).expect("written");
                Piece { path, bytes: text.len().try_into().expect("small") }
            };
            texts.iter().enumerate().map(write).collect()
        };
        for (start, length, expected) in
            [(0, u64::MAX, "abcdefg"), (0, 3, "abc"), (1, 3, "bcd"), (3, 2, "de"), (6, 1, "g"), (7, 1, ""), (2, 0, "")]
        {
            let object: ObjectKey = "a".parse().expect("a key");
            let mut reader = Reader::range(object, pieces(&["abc", "", "de", "fg"]), start, length);
            let mut read = Vec::new();
            while let Some(chunk) = reader.next().await.expect("bytes") {
                assert!(!chunk.is_empty());
                read.extend(chunk);
            }
            assert_eq!(String::from_utf8_lossy(&read), expected, "{start} {length}");
        }
        let pieces = vec![Piece { bytes: 4, ..pieces(&["abc"]).remove(0) }];
        let mut reader = Reader::all("a".parse().expect("a key"), pieces);
        assert!(reader.next().await.is_ok() && reader.next().await.is_err(), "a truncated file is an error");
    }
}
