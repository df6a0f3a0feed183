//! The files of a chart: from a directory or a package, their digest, and packed again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use ring::digest::{Context, SHA256, digest};

/// Maximum number of files.
const FILES_MAX: usize = 2000;
/// Maximum total size of the files: helm itself takes charts of about 1 MB, packed.
const BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Maximum size of a package.
pub(super) const PACKAGE_MAX: u64 = 8 * 1024 * 1024;
/// Maximum depth of folders.
const DEPTH_MAX: usize = 16;
/// Maximum size of a package that is unpacked: its files, and what tar adds to them.
const UNPACKED_MAX: u64 = BYTES_MAX + 1024 * FILES_MAX as u64 * 4;

/// Why the files of a chart cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ChartFilesError {
    /// They cannot be read or written.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Too much.
    #[error("is too large: at most {FILES_MAX} files, 32 MiB, and 8 MiB as a package")]
    TooLarge,
    /// An entry that leads out of the package's folder, or is ambiguous.
    #[error("has an entry outside of its one folder: {0:?}")]
    Outside(String),
    /// An entry that is neither a file nor a directory.
    #[error("has an entry that is neither a file nor a directory: {0:?}")]
    Kind(String),
    /// An entry that occurs twice.
    #[error("has two entries {0:?}")]
    Twice(String),
    /// A stored package whose files have another digest than their row.
    #[error("does not have the digest with which it was stored")]
    Digest,
    /// A name that cannot be in a package.
    #[error("has a file whose name is not UTF-8")]
    Name,
}

/// The files of a chart by their paths below its folder, with `/` between folders.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChartFiles(BTreeMap<String, Vec<u8>>);

impl ChartFiles {
    /// Reads a directory. Symbolic links are followed, as helm does.
    pub fn read_dir(dir: &Path) -> Result<Self, ChartFilesError> {
        let mut files = Self::default();
        files.add_dir(dir, "", &mut 0)?;
        Ok(files)
    }

    fn add_dir(&mut self, dir: &Path, prefix: &str, bytes: &mut u64) -> Result<(), ChartFilesError> {
        if prefix.split('/').count() > DEPTH_MAX {
            return Err(ChartFilesError::TooLarge);
        }
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name().into_string().map_err(|_| ChartFilesError::Name)?;
            // Mounted ConfigMaps have folders such as `..data`, to whose files links lead.
            if name.starts_with("..") {
                continue;
            }
            let (path, relative) = (entry.path(), format!("{prefix}{name}"));
            let metadata = fs::metadata(&path)?;
            if metadata.is_dir() {
                self.add_dir(&path, &format!("{relative}/"), bytes)?;
            } else if metadata.is_file() {
                self.add(relative, &mut fs::File::open(&path)?, bytes)?;
            } else {
                return Err(ChartFilesError::Kind(relative));
            }
        }
        Ok(())
    }

    fn add(&mut self, path: String, content: &mut impl Read, bytes: &mut u64) -> Result<(), ChartFilesError> {
        let mut read = Vec::new();
        *bytes += u64::try_from(content.take(BYTES_MAX + 1 - *bytes).read_to_end(&mut read)?).unwrap_or(u64::MAX);
        if *bytes > BYTES_MAX || self.0.len() == FILES_MAX {
            return Err(ChartFilesError::TooLarge);
        }
        match self.0.insert(path.clone(), read) {
            Some(_) => Err(ChartFilesError::Twice(path)),
            None => Ok(()),
        }
    }

    /// Reads a package as `helm package` writes it: one folder with the chart.
    pub fn unpack(package: &[u8]) -> Result<Self, ChartFilesError> {
        if u64::try_from(package.len()).unwrap_or(u64::MAX) > PACKAGE_MAX {
            return Err(ChartFilesError::TooLarge);
        }
        let (mut files, mut bytes, mut folder) = (Self::default(), 0, None);
        let mut archive = tar::Archive::new(GzDecoder::new(package).take(UNPACKED_MAX));
        for (count, entry) in archive.entries()?.enumerate() {
            let mut entry = entry?;
            if count > 2 * FILES_MAX {
                return Err(ChartFilesError::TooLarge);
            }
            let kind = entry.header().entry_type();
            if kind == tar::EntryType::XGlobalHeader {
                continue;
            }
            let path = String::from_utf8(entry.path_bytes().into_owned()).map_err(|_| ChartFilesError::Name)?;
            let is_dir = kind.is_dir();
            if !is_dir && !kind.is_file() {
                return Err(ChartFilesError::Kind(path));
            }
            let Some((first, relative)) = split(path.strip_suffix('/').filter(|_| is_dir).unwrap_or(&path)) else {
                return Err(ChartFilesError::Outside(path));
            };
            let known = folder.get_or_insert_with(|| first.to_owned());
            if known != first || (relative.is_empty() && !is_dir) {
                return Err(ChartFilesError::Outside(path));
            }
            if !is_dir {
                files.add(relative.to_owned(), &mut entry, &mut bytes)?;
            }
        }
        Ok(files)
    }

    /// `sha256:` and the digest of all paths, lengths and contents. How the chart was packed makes no difference.
    pub fn digest(&self) -> String {
        let mut context = Context::new(&SHA256);
        for (path, content) in &self.0 {
            for part in [path.as_bytes(), content] {
                context.update(&(part.len() as u64).to_le_bytes());
                context.update(part);
            }
        }
        text(context.finish().as_ref())
    }

    /// The same package for the same files, in a folder of this name.
    pub fn pack(&self, folder: &str) -> Result<Vec<u8>, ChartFilesError> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        for (path, content) in &self.0 {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(0);
            builder.append_data(&mut header, format!("{folder}/{path}"), content.as_slice())?;
        }
        let package = builder.into_inner()?.finish()?;
        if u64::try_from(package.len()).unwrap_or(u64::MAX) > PACKAGE_MAX {
            return Err(ChartFilesError::TooLarge);
        }
        Ok(package)
    }

    /// Writes the files below an existing directory.
    pub fn write(&self, dir: &Path) -> Result<(), ChartFilesError> {
        for (path, content) in &self.0 {
            let path = dir.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(path, content)?;
        }
        Ok(())
    }
}

/// `sha256:` and the digest of these bytes.
pub(super) fn sha256(bytes: &[u8]) -> String {
    text(digest(&SHA256, bytes).as_ref())
}

fn text(digest: &[u8]) -> String {
    let mut text = "sha256:".to_owned();
    for byte in digest {
        // A String takes everything.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The first folder and the rest of a path without anything that leads elsewhere.
fn split(path: &str) -> Option<(&str, &str)> {
    let is_name = |name: &str| !matches!(name, "" | "." | "..") && !name.contains(['\\', '\0']);
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let good = path.split('/').all(is_name) && path.split('/').count() <= DEPTH_MAX;
    good.then_some((first, rest))
}

#[cfg(test)]
mod tests;
