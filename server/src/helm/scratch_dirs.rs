//! A directory for each server, which holds unpacked charts, or helm's discovery cache (shared by its runs) and a directory for each run. It is
//! locked while the server lives, so that the next one can tell which were left behind by `kill -9`, also on shared volumes.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use tempfile::TempDir;

const PREFIX: &str = "server-";

/// The directories of a run.
#[derive(Debug)]
pub(super) struct Scratch {
    /// The server's, which its runs share.
    pub(super) server: PathBuf,
    /// The run's own, mode 0700, which is removed when this is dropped.
    pub(super) run: TempDir,
}

/// Creates the runs' directories.
#[derive(Debug)]
pub(crate) struct ScratchDirs {
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
    /// Directories below `root`, which several servers may share.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, own: Mutex::new(None) }
    }

    /// The server's directory, mode 0700, which is removed when this is dropped. It is created if it does not exist: temporary directories
    /// may be cleaned up.
    pub(crate) fn server_dir(&self) -> io::Result<PathBuf> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match own.as_ref().map(|own| own.dir.path()).filter(|dir| dir.exists()) {
            Some(dir) => dir.to_owned(),
            None => own.insert(self.claim()?).dir.path().to_owned(),
        })
    }

    /// Creates the directory of one run.
    pub(super) fn scratch(&self) -> io::Result<Scratch> {
        let server = self.server_dir()?;
        let run = tempfile::Builder::new().prefix("run-").permissions(private()).tempdir_in(&server)?;
        fs::create_dir(run.path().join("tmp"))?;
        Ok(Scratch { server, run })
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
        let path = scratch.run.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        drop(scratch);
        assert!(!path.exists());
        drop(scratch_dirs);
        assert_eq!(fs::read_dir(root.path().join("new")).unwrap().count(), 0);
    }

    #[test]
    fn runs_share_the_directory_of_their_server_only() {
        let root = tempfile::tempdir().unwrap();
        let [server, other] = [(); 2].map(|()| ScratchDirs::new(root.path().to_owned()));
        let (one, two, theirs) = (server.scratch().unwrap(), server.scratch().unwrap(), other.scratch().unwrap());
        assert_eq!(one.server, two.server);
        assert_ne!(one.server, theirs.server);
        assert_ne!(one.run.path(), two.run.path());
        for scratch in [one, two, theirs] {
            assert_eq!(scratch.run.path().parent(), Some(&*scratch.server));
        }
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

        assert!(theirs.run.path().exists() && foreign.exists() && !dead.exists());
    }

    #[test]
    fn removed_directory_is_recreated() {
        let root = tempfile::tempdir().unwrap();
        let scratch_dirs = ScratchDirs::new(root.path().join("scratch_dirs"));
        scratch_dirs.scratch().unwrap();
        fs::remove_dir_all(root.path().join("scratch_dirs")).unwrap();
        assert!(scratch_dirs.scratch().unwrap().run.path().exists());
    }
}
