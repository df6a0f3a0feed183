//! Finds the helm binary.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// An executable file; equal to another one as long as it is the same file with the same contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binary {
    path: PathBuf,
    identity: (u64, u64, u64, i64, i64),
}

impl Binary {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn at(path: PathBuf) -> Result<Self, String> {
        let file = fs::metadata(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        if !file.is_file() || file.permissions().mode() & 0o111 == 0 {
            return Err(format!("{} is not an executable file", path.display()));
        }
        let identity = (file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec());
        Ok(Self { path, identity })
    }
}

/// Looks up a name in a search path; anything with a slash is already a path.
pub(super) fn find(name: &Path, search: &OsStr) -> Result<Binary, String> {
    if name.components().count() != 1 || name.is_absolute() {
        return Binary::at(std::path::absolute(name).map_err(|error| error.to_string())?);
    }
    std::env::split_paths(search)
        .filter(|folder| folder.is_absolute())
        .find_map(|folder| Binary::at(folder.join(name)).ok())
        .ok_or_else(|| format!("no {} on the server's PATH", name.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(folder: &Path, name: &str, mode: u32) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn first_executable_on_path_is_used() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        script(first.path(), "helm", 0o600);
        let wanted = script(second.path(), "helm", 0o700);
        let search = std::env::join_paths([first.path(), Path::new("relative"), second.path()]).unwrap();
        assert_eq!(find(Path::new("helm"), &search).unwrap().path(), wanted);
        assert_eq!(find(Path::new("helm9"), &search).unwrap_err(), "no helm9 on the server's PATH");
    }

    #[test]
    fn replaced_file_is_a_different_binary() {
        let folder = tempfile::tempdir().unwrap();
        let path = script(folder.path(), "helm", 0o700);
        let before = find(&path, OsStr::new("")).unwrap();
        assert_eq!(find(&path, OsStr::new("")).unwrap(), before);
        fs::write(&path, "#!/bin/sh\nexit 1\n").unwrap();
        assert_ne!(find(&path, OsStr::new("")).unwrap(), before);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(find(&path, OsStr::new("")).unwrap_err().ends_with("helm is not an executable file"));
    }
}
