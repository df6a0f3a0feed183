//! A directory for each run, below one for each server. A server's directory is locked while it lives, so that the
//! next one can tell which were left behind by `kill -9`, also on shared volumes.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use tempfile::TempDir;

const PREFIX: &str = "server-";

/// Creates the runs' directories.
#[derive(Debug)]
pub(super) struct ScratchDirs {
    root: PathBuf,
    own: Mutex<Option<Own>>,
}

#[derive(Debug)]
struct Own {
    dir: TempDir,
    /// Held as long as the directory is in use; the kernel releases it when the process dies.
    _lock: File,
}

impl ScratchDirs {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, own: Mutex::new(None) }
    }

    /// Creates a directory for one run, mode 0700, which is removed when it is dropped.
    pub(super) fn scratch(&self) -> io::Result<TempDir> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        // Temporary directories may be cleaned up; then ours is created again.
        if own.as_ref().is_none_or(|own| !own.dir.path().exists()) {
            *own = Some(self.claim()?);
        }
        let parent = own.as_ref().map_or(self.root.as_path(), |own| own.dir.path());
        let scratch = tempfile::Builder::new().prefix("run-").permissions(private()).tempdir_in(parent)?;
        fs::create_dir(scratch.path().join("tmp"))?;
        Ok(scratch)
    }

    fn claim(&self) -> io::Result<Own> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.root)?;
        self.sweep();
        loop {
            let dir = tempfile::Builder::new().prefix(PREFIX).permissions(private()).tempdir_in(&self.root)?;
            let lock = File::open(dir.path())?;
            // Between the two lines above, another server may have removed it as a dead one's.
            if lock.try_lock().is_ok() && is_still(&lock, dir.path()) {
                return Ok(Own { dir, _lock: lock });
            }
        }
    }

    /// Removes the directories of dead servers.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
                continue;
            }
            if let Ok(dir) = File::open(entry.path())
                && dir.try_lock().is_ok()
                && let Err(error) = fs::remove_dir_all(entry.path())
            {
                tracing::warn!(path = %entry.path().display(), %error, "a dead server's helm directory could not be removed");
            }
        }
    }
}

fn private() -> fs::Permissions {
    fs::Permissions::from_mode(0o700)
}

fn is_still(open: &File, path: &Path) -> bool {
    match (open.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_directory_is_private_and_removed_afterwards() {
        let root = tempfile::tempdir().unwrap();
        let scratch_dirs = ScratchDirs::new(root.path().join("new"));
        let scratch = scratch_dirs.scratch().unwrap();
        let path = scratch.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        drop(scratch);
        assert!(!path.exists());
        drop(scratch_dirs);
        assert_eq!(fs::read_dir(root.path().join("new")).unwrap().count(), 0);
    }

    #[test]
    fn only_directories_of_dead_servers_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let living = ScratchDirs::new(root.path().to_owned());
        let theirs = living.scratch().unwrap();
        let dead = root.path().join("server-dead");
        let foreign = root.path().join("somebody-elses");
        fs::create_dir_all(dead.join("run-1")).unwrap();
        fs::create_dir(&foreign).unwrap();

        ScratchDirs::new(root.path().to_owned()).scratch().unwrap();

        assert!(theirs.path().exists() && foreign.exists() && !dead.exists());
    }

    #[test]
    fn removed_directory_is_recreated() {
        let root = tempfile::tempdir().unwrap();
        let scratch_dirs = ScratchDirs::new(root.path().join("scratch_dirs"));
        scratch_dirs.scratch().unwrap();
        fs::remove_dir_all(root.path().join("scratch_dirs")).unwrap();
        assert!(scratch_dirs.scratch().unwrap().path().exists());
    }
}
