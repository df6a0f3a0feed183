//! The files of a Job's volume `transfer`.

use std::collections::BTreeMap;

use storeplane_core::backup::Part;

use crate::backups::BackupKey;
use crate::secret::SecretText;

/// Names and contents.
type Files = BTreeMap<String, SecretText>;

/// What every part needs: the recipient that encrypts, and the size of the pieces in which it is uploaded, in bytes.
pub(in super::super) fn of_backup(key: &BackupKey, part_size: u64) -> Files {
    let files = [("recipient", key.recipient.clone()), ("part-size", part_size.to_string())];
    files.into_iter().map(|(name, text)| (name.to_owned(), SecretText::new(text))).collect()
}

/// Where a part's pieces go: one URL a line.
pub(in super::super) fn add_urls(files: &mut Files, part: &str, urls: &[String]) {
    let mut lines = urls.join("\n");
    lines.push('\n');
    files.insert(format!("{part}.urls"), SecretText::new(lines));
}

/// What every part of a restore needs: the identity that decrypts this one backup, and the size of the pieces in which it is downloaded, in
/// bytes.
pub(in super::super) fn of_restore(identity: SecretText, part_size: u64) -> Files {
    BTreeMap::from([
        ("identity".to_owned(), identity),
        ("part-size".to_owned(), SecretText::new(part_size.to_string())),
    ])
}

/// Where a part comes from, and what it must be.
pub(in super::super) fn add_download(files: &mut Files, part: &Part, url: String) {
    let Part { name, bytes, sha256, .. } = part;
    let about = [("url", url), ("bytes", bytes.to_string()), ("sha256", sha256.clone())];
    files.extend(about.map(|(kind, text)| (format!("{name}.{kind}"), SecretText::new(text))));
}
