//! The files of a Job's volume `transfer`.

use std::collections::BTreeMap;

use storeplane_core::backup::Part;

use crate::backups::{BackupKey, Backups};
use crate::secret::SecretText;

/// Names and contents.
type Files = BTreeMap<String, SecretText>;

/// What every part needs: the recipient that encrypts, and how to transfer it.
pub(in super::super) fn of_backup(key: &BackupKey, storage: &Backups) -> Files {
    let mut files = transfer(storage);
    files.insert("recipient".to_owned(), SecretText::new(key.recipient.clone()));
    files
}

/// Where a part's pieces go: one URL a line.
pub(in super::super) fn add_urls(files: &mut Files, part: &str, urls: &[String]) {
    let mut lines = urls.join("\n");
    lines.push('\n');
    files.insert(format!("{part}.urls"), SecretText::new(lines));
}

/// What every part of a restore needs: the identity that decrypts this one backup, and how to transfer it.
pub(in super::super) fn of_restore(identity: SecretText, storage: &Backups) -> Files {
    let mut files = transfer(storage);
    files.insert("identity".to_owned(), identity);
    files
}

/// The size of the pieces in which parts are transferred, in bytes, and the authorities of the storage's certificate, unless they are those
/// of the image.
fn transfer(storage: &Backups) -> Files {
    let mut files = BTreeMap::from([("part-size".to_owned(), SecretText::new(storage.part_bytes.to_string()))]);
    files.extend(storage.authorities.iter().map(|ca| ("ca.crt".to_owned(), SecretText::new(&**ca))));
    files
}

/// Where a part comes from, and what it must be.
pub(in super::super) fn add_download(files: &mut Files, part: &Part, url: String) {
    let Part { name, bytes, sha256, .. } = part;
    let about = [("url", url), ("bytes", bytes.to_string()), ("sha256", sha256.clone())];
    files.extend(about.map(|(kind, text)| (format!("{name}.{kind}"), SecretText::new(text))));
}
