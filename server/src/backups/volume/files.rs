//! The files of a volume, with blocking calls.
//!
//! - `objects/<key>`: an object. One that was put is a file; one that was uploaded is a directory with the parts `_00001`, `_00002`, …,
//!   so completing an upload copies nothing. No object has such a name: a segment of a key begins with a letter or a digit.
//! - `uploads/<key>/_<upload>/`: the parts of an open upload.
//! - `trash/`: what is being removed. It leaves its place in one step, so nobody sees a half-removed object.
//! - `lock`: held while one object takes the place of another.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use storeplane_core::backup_storage::{ObjectKey, ObjectPrefix, StorageError};
use storeplane_core::ports::Ids as _;
use time::{Duration, OffsetDateTime};

use crate::system::RandomIds;

/// Characters of an upload's id, and of a name in the trash.
pub(super) const ID_LENGTH: usize = 20;
/// Digits of a part's number in its name.
const NUMBER_LENGTH: usize = 5;
/// Maximum number of entries that one search for old uploads looks at.
const SEARCH_MAX: usize = 100_000;
/// Bytes that a check writes.
const CHECK_BYTES: usize = 4096;
/// What is in the trash for longer was left by a server that died.
const TRASH_MAX: Duration = Duration::HOUR;

/// The directory of a volume.
#[derive(Debug, Clone)]
pub(super) struct Files {
    root: PathBuf,
}

/// A file that is a part of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// An I/O error as one of the storage. What is missing is an outage: the volume may not be mounted.
pub(super) fn fault(what: impl std::fmt::Display, error: &io::Error) -> StorageError {
    let text = format!("{what}: {error}");
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => StorageError::Full(text),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => StorageError::Denied(text),
        ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::InvalidInput => StorageError::Invalid(text),
        _ => StorageError::Unavailable(text),
    }
}

/// The name of a part's file.
pub(super) fn part_name(number: u16) -> String {
    format!("_{number:0NUMBER_LENGTH$}")
}

impl Files {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn object(&self, key: &ObjectKey) -> PathBuf {
        self.folder("objects").join(key.as_str())
    }

    /// The directory of an open upload; `None` if this is no upload's id.
    pub(super) fn upload(&self, key: &ObjectKey, id: &str) -> Option<PathBuf> {
        let is_id = id.len() == ID_LENGTH && id.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
        is_id.then(|| self.folder("uploads").join(key.as_str()).join(format!("_{id}")))
    }

    /// Creates the directories, except the root: if that is missing, the volume is not mounted.
    fn prepare(&self) -> io::Result<()> {
        for name in ["objects", "uploads", "trash"] {
            match fs::create_dir(self.folder(name)) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Begins an upload, and returns its id.
    pub(super) fn begin(&self, key: &ObjectKey) -> Result<String, StorageError> {
        let id = RandomIds.random_text(ID_LENGTH);
        let Some(folder) = self.upload(key, &id) else { return Err(StorageError::Invalid(format!("{key}: no id"))) };
        self.prepare().and_then(|()| fs::create_dir_all(folder)).map_err(|error| fault(key, &error))?;
        Ok(id)
    }

    /// Makes the object of an upload's parts.
    pub(super) fn complete(&self, key: &ObjectKey, id: &str) -> Result<(), StorageError> {
        let failed = |error: io::Error| fault(key, &error);
        let missing = || StorageError::NotFound(format!("upload {id} of {key}"));
        let (from, to) = (self.upload(key, id).ok_or_else(missing)?, self.object(key));
        self.prepare().map_err(failed)?;
        let _lock = self.lock().map_err(failed)?;
        let parts = match parts(&from) {
            // Its parts are the object already, if this was done before.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return if to.is_dir() { Ok(()) } else { Err(missing()) };
            }
            parts => parts.map_err(failed)?,
        };
        if parts.is_empty() {
            return Err(StorageError::Invalid(format!("{key}: no part was uploaded")));
        }
        if let Some((expected, _)) = (1..).zip(&parts).find(|(expected, (number, _))| expected != number) {
            return Err(StorageError::Invalid(format!("{key}: part {expected} is missing")));
        }
        self.replace(&to, |to| fs::rename(&from, to)).map_err(failed)?;
        // Parts that were not complete when the upload was: no other name begins like this.
        for entry in fs::read_dir(&to).into_iter().flatten().flatten() {
            if !entry.file_name().to_string_lossy().starts_with('_') {
                let _ = fs::remove_file(entry.path());
            }
        }
        self.prune(&from, "uploads");
        Ok(())
    }

    /// The size of the parts of an open upload.
    pub(super) fn uploaded(&self, key: &ObjectKey, id: &str) -> Result<u64, StorageError> {
        let missing = || StorageError::NotFound(format!("upload {id} of {key}"));
        match parts(&self.upload(key, id).ok_or_else(missing)?) {
            Ok(parts) => Ok(parts.iter().map(|(_, piece)| piece.bytes).sum()),
            Err(error) if error.kind() == ErrorKind::NotFound && self.root.is_dir() => Err(missing()),
            Err(error) => Err(fault(key, &error)),
        }
    }

    /// Stores a file as an object.
    pub(super) fn put(&self, key: &ObjectKey, content: &[u8]) -> Result<(), StorageError> {
        let write = || {
            self.prepare()?;
            let mut file = tempfile::NamedTempFile::new_in(self.folder("trash"))?;
            file.write_all(content)?;
            file.as_file().sync_all()?;
            let _lock = self.lock()?;
            self.replace(&self.object(key), |to| file.persist(to).map(drop).map_err(|error| error.error))
        };
        write().map_err(|error| fault(key, &error))
    }

    /// Moves something to this place, and removes what is there.
    fn replace(&self, to: &Path, place: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
        let folder = to.parent().unwrap_or(to);
        fs::create_dir_all(folder)?;
        let old = self.discard(to)?;
        place(to)?;
        // With the directories above, which may be new.
        folder.ancestors().take_while(|above| above.starts_with(&self.root)).try_for_each(sync)?;
        old.map_or(Ok(()), |old| remove(&old))
    }

    /// The files of an object, in order.
    pub(super) fn open(&self, key: &ObjectKey) -> Result<Vec<Piece>, StorageError> {
        let path = self.object(key);
        let read = || -> io::Result<_> {
            let found = fs::metadata(&path)?;
            if found.is_dir() {
                let parts = parts(&path)?;
                // A directory without parts holds other objects.
                return if parts.is_empty() { Err(ErrorKind::NotFound.into()) } else { Ok(parts) };
            }
            Ok(vec![(1, Piece { path: path.clone(), bytes: found.len() })])
        };
        match read() {
            Ok(parts) => Ok(parts.into_iter().map(|(_, piece)| piece).collect()),
            Err(error) if error.kind() == ErrorKind::NotFound && self.root.is_dir() => {
                Err(StorageError::NotFound(key.to_string()))
            }
            Err(error) => Err(fault(key, &error)),
        }
    }

    /// Removes objects and open uploads.
    pub(super) fn delete(&self, prefix: &ObjectPrefix) -> Result<(), StorageError> {
        let failed = |error: io::Error| fault(prefix, &error);
        self.prepare().map_err(failed)?;
        // Uploads first: one that is completed meanwhile would leave an object.
        for name in ["uploads", "objects"] {
            let path = self.folder(name).join(prefix.as_str());
            if let Some(old) = self.discard(&path).map_err(failed)? {
                remove(&old).map_err(failed)?;
            }
            self.prune(&path, name);
        }
        Ok(())
    }

    /// Locks the volume, writes a file and removes it.
    pub(super) fn check(&self) -> Result<(), StorageError> {
        let write = || {
            self.prepare()?;
            let _lock = self.lock()?;
            let mut file = tempfile::NamedTempFile::new_in(self.folder("trash"))?;
            file.write_all(&[0; CHECK_BYTES])?;
            file.as_file().sync_all()?;
            file.close()
        };
        write().map_err(|error| fault(self.root.display(), &error))
    }

    /// True if there is no object yet.
    pub(super) fn is_empty(&self) -> io::Result<bool> {
        self.prepare()?;
        Ok(fs::read_dir(self.folder("objects"))?.next().is_none())
    }

    /// Removes uploads that nothing was added to since `uploads_before`, and what is left in the trash. Returns the number of uploads.
    pub(super) fn remove_old(&self, now: OffsetDateTime, uploads_before: OffsetDateTime) -> io::Result<usize> {
        self.prepare()?;
        for entry in fs::read_dir(self.folder("trash"))?.flatten() {
            if changed(&entry.path()).is_ok_and(|at| at < now - TRASH_MAX) {
                remove(&entry.path())?;
            }
        }
        let (mut folders, mut seen, mut removed) = (vec![self.folder("uploads")], 0, 0);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                seen += 1;
                if seen > SEARCH_MAX {
                    return Ok(removed);
                }
                let path = entry.path();
                if !entry.file_name().to_string_lossy().starts_with('_') {
                    folders.push(path);
                } else if changed(&path).is_ok_and(|at| at < uploads_before)
                    && let Some(old) = self.discard(&path)?
                {
                    remove(&old)?;
                    self.prune(&path, "uploads");
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }

    /// Moves a file or directory into the trash, and returns where it is now; `None` if it does not exist.
    fn discard(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        let old = self.folder("trash").join(RandomIds.random_text(ID_LENGTH));
        match fs::rename(path, &old) {
            Ok(()) => Ok(Some(old)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes the directories above a path that have become empty.
    fn prune(&self, path: &Path, name: &str) {
        let top = self.folder(name);
        for folder in path.ancestors().skip(1).take_while(|folder| *folder != top && folder.starts_with(&top)) {
            if fs::remove_dir(folder).is_err() {
                return;
            }
        }
    }

    /// Waits until no server replaces an object. Released when it is dropped.
    fn lock(&self) -> io::Result<File> {
        let file = File::create(self.folder("lock"))?;
        file.lock()?;
        Ok(file)
    }
}

/// The parts in a directory, by number.
fn parts(folder: &Path) -> io::Result<Vec<(u16, Piece)>> {
    let mut parts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let number = entry.file_name().to_str().and_then(|name| name.strip_prefix('_')).map(str::to_owned);
        let number = number.filter(|number| number.len() == NUMBER_LENGTH).and_then(|number| number.parse().ok());
        if let Some(number) = number {
            parts.push((number, Piece { path: entry.path(), bytes: entry.metadata()?.len() }));
        }
    }
    parts.sort_by_key(|(number, _)| *number);
    Ok(parts)
}

fn changed(path: &Path) -> io::Result<OffsetDateTime> {
    fs::metadata(path)?.modified().map(OffsetDateTime::from)
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Makes the names in a directory durable.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
