//! The directories into which packages are unpacked, by digest, in a directory of this server's own.

use std::path::PathBuf;

use super::files::{ChartFiles, ChartFilesError};
use crate::helm::ScratchDirs;

/// Directories of unpacked charts.
#[derive(Debug)]
pub(super) struct ChartDirs(ScratchDirs);

impl ChartDirs {
    pub(super) fn new() -> Self {
        Self(ScratchDirs::new(std::env::temp_dir().join("storeplane-charts")))
    }

    /// The server's own directory.
    pub(super) fn root(&self) -> Result<PathBuf, ChartFilesError> {
        Ok(self.0.server_dir()?)
    }

    /// The directory of the chart with this digest, if it was unpacked.
    pub(super) fn find(&self, digest: &str) -> Result<Option<PathBuf>, ChartFilesError> {
        let dir = self.root()?.join(folder(digest)?);
        Ok(dir.is_dir().then_some(dir))
    }

    /// Unpacks a chart, unless that was done.
    pub(super) fn unpack(&self, digest: &str, files: &ChartFiles) -> Result<PathBuf, ChartFilesError> {
        if let Some(dir) = self.find(digest)? {
            return Ok(dir);
        }
        let root = self.root()?;
        // It is complete as soon as it has its name.
        let new = tempfile::Builder::new().prefix("unpack-").tempdir_in(&root)?;
        files.write(new.path())?;
        let dir = root.join(folder(digest)?);
        match std::fs::rename(new.path(), &dir) {
            // Another task was faster.
            Err(_) if dir.is_dir() => {}
            renamed => renamed?,
        }
        Ok(dir)
    }
}

/// The digits of a digest, which comes from the database.
fn folder(digest: &str) -> Result<&str, ChartFilesError> {
    let is_hex = |digits: &&str| digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    digest.strip_prefix("sha256:").filter(is_hex).ok_or(ChartFilesError::Digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chart_is_unpacked_once_by_its_digest() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("Chart.yaml"), "name: tea\n").unwrap();
        let files = ChartFiles::read_dir(dir.path()).unwrap();
        let root = tempfile::tempdir().unwrap();
        let dirs = ChartDirs(ScratchDirs::new(root.path().to_owned()));
        assert_eq!(dirs.find(&files.digest()).unwrap(), None);
        let unpacked = dirs.unpack(&files.digest(), &files).unwrap();
        assert_eq!(std::fs::read_to_string(unpacked.join("Chart.yaml")).unwrap(), "name: tea\n");
        assert_eq!(dirs.unpack(&files.digest(), &files).unwrap(), unpacked);
        for bad in ["", "sha256:", "sha256:../../x", "../x"] {
            assert!(dirs.find(bad).is_err() && dirs.unpack(bad, &files).is_err(), "{bad}");
        }
        std::fs::remove_dir_all(dirs.root().unwrap()).unwrap();
        assert!(dirs.unpack(&files.digest(), &files).unwrap().is_dir(), "temporary directories may be cleaned up");
    }
}
