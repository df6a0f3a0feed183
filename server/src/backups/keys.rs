//! The keys that encrypt backups, in the format of age (<https://age-encryption.org>).
//!
//! Each backup has an identity of its own. It is stored encrypted to the operator's first key; any of the operator's keys opens it. So
//! keys are rotated without touching backups, and a pod that restores learns the identity of one backup only.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use age::{DecryptError, Decryptor, Encryptor};
use storeplane_core::backup_storage::StorageError;

use super::volume::Volume;
use crate::secret::SecretText;

/// Begins a comment in the key file.
const COMMENT: char = '#';
/// Maximum length of an identity that is opened; ours have 74 bytes.
const IDENTITY_MAX: u64 = 1024;

/// Why the operator's keys are of no use. Contains no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("backups.key_file: {}: {error}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A line is no key.
    #[error("backups.key_file: {}: line {line} must be a comment (#) or AGE-SECRET-KEY-1…", file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line's number, from 1.
        line: usize,
    },
    /// There is no key in the file.
    #[error("backups.key_file: {} contains no AGE-SECRET-KEY-1… (storeplane-server backup-key makes one)", file.display())]
    Empty {
        /// The file.
        file: PathBuf,
    },
    /// The generated file is gone, and a new key would not open the backups.
    #[error("{} is missing, but the volume has backups that only its key opens: restore the file from a copy", file.display())]
    Lost {
        /// The file.
        file: PathBuf,
    },
    /// It is not known whether the volume has backups.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// None of the keys opens the backup's.
    #[error("no key in {} opens the key of this backup: add the one that was the first when it was made", file.display())]
    NoMatch {
        /// The file.
        file: PathBuf,
    },
    /// The backup's key is damaged.
    #[error("the key of this backup is damaged: {0}")]
    Damaged(String),
    /// Encryption failed.
    #[error("the key of this backup cannot be encrypted: {0}")]
    Encryption(String),
}

/// The key of one backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupKey {
    /// Its public half, `age1…`, which encrypts.
    pub recipient: String,
    /// Its private half, encrypted to the operator's first key, as armored text.
    pub wrapped: String,
    /// Its private half, `AGE-SECRET-KEY-1…`, which decrypts.
    pub identity: SecretText,
}

/// The operator's keys. The file is read for each use, so that a new one counts at once.
#[derive(Debug, Clone)]
pub struct OperatorKeys {
    file: PathBuf,
    /// Where the file is generated if it is missing.
    generated: Option<Volume>,
}

impl OperatorKeys {
    /// The keys in this file.
    pub fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), generated: None }
    }

    /// The keys in this file on a volume. It is generated on first use, unless the volume has backups.
    pub fn generated(file: &Path, volume: Volume) -> Self {
        Self { generated: Some(volume), ..Self::new(file) }
    }

    /// Makes the key of a new backup.
    pub async fn make(&self) -> Result<BackupKey, KeyError> {
        let operator = self.read().await?;
        let first = operator.first().ok_or_else(|| KeyError::Empty { file: self.file.clone() })?;
        let identity = Identity::generate();
        let secret = SecretText::new(identity.to_string().expose_secret());
        let wrapped =
            encrypt(&first.to_public(), secret.expose()).map_err(|error| KeyError::Encryption(error.to_string()))?;
        Ok(BackupKey { recipient: identity.to_public().to_string(), wrapped, identity: secret })
    }

    /// Opens the key of a backup: the identity in [`BackupKey::wrapped`].
    pub async fn open(&self, wrapped: &str) -> Result<SecretText, KeyError> {
        let operator = self.read().await?;
        let damaged = |error: &dyn std::fmt::Display| KeyError::Damaged(error.to_string());
        let decryptor = Decryptor::new(ArmoredReader::new(wrapped.as_bytes())).map_err(|error| damaged(&error))?;
        let reader = decryptor.decrypt(operator.iter().map(|identity| identity as _)).map_err(|error| match error {
            DecryptError::NoMatchingKeys => KeyError::NoMatch { file: self.file.clone() },
            error => damaged(&error),
        })?;
        let mut identity = String::new();
        reader.take(IDENTITY_MAX).read_to_string(&mut identity).map_err(|error| damaged(&error))?;
        identity.parse::<Identity>().map_err(|problem| damaged(&problem))?;
        Ok(SecretText::new(identity))
    }

    /// Checks that there is a usable key.
    pub async fn check(&self) -> Result<(), KeyError> {
        self.read().await.map(drop)
    }

    /// At least one key.
    async fn read(&self) -> Result<Vec<Identity>, KeyError> {
        let failed = |error| KeyError::File { file: self.file.clone(), error };
        let text = match (tokio::fs::read_to_string(&self.file).await, &self.generated) {
            (Err(error), Some(volume)) if error.kind() == std::io::ErrorKind::NotFound => {
                if !volume.is_empty().await? {
                    return Err(KeyError::Lost { file: self.file.clone() });
                }
                let file = self.file.clone();
                let generated = tokio::task::spawn_blocking(move || generate(&file)).await;
                generated.map_err(std::io::Error::other).and_then(|done| done).map_err(failed)?;
                tokio::fs::read_to_string(&self.file).await.map_err(failed)?
            }
            (read, _) => read.map_err(failed)?,
        };
        self.parse(&text)
    }

    fn parse(&self, text: &str) -> Result<Vec<Identity>, KeyError> {
        let lines = text.lines().map(str::trim).enumerate();
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with(COMMENT));
        let key = |(index, line): (usize, &str)| {
            line.parse().map_err(|_| KeyError::Line { file: self.file.clone(), line: index + 1 })
        };
        let keys = lines.map(key).collect::<Result<Vec<Identity>, _>>()?;
        if keys.is_empty() { Err(KeyError::Empty { file: self.file.clone() }) } else { Ok(keys) }
    }
}

/// A new key of the operator's, as the content of a key file.
pub fn new_operator_key() -> SecretText {
    let identity = Identity::generate();
    SecretText::new(format!(
        "# encrypts backups of storeplane; without it none can be restored\n# recipient: {}\n{}\n",
        identity.to_public(),
        identity.to_string().expose_secret()
    ))
}

/// Creates a key file that only its owner can read. One that another server creates at the same time is kept.
fn generate(file: &Path) -> std::io::Result<()> {
    let mut temporary = tempfile::NamedTempFile::new_in(file.parent().unwrap_or(file))?;
    temporary.write_all(new_operator_key().expose().as_bytes())?;
    temporary.as_file().sync_all()?;
    match temporary.persist_noclobber(file) {
        Ok(_) => {
            tracing::warn!(file = %file.display(), "generated the key that encrypts backups: keep a copy of it elsewhere");
            Ok(())
        }
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error.error),
    }
}

fn encrypt(recipient: &age::x25519::Recipient, text: &str) -> Result<String, Box<dyn std::error::Error>> {
    let armored = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
    let mut writer = Encryptor::with_recipients(std::iter::once(recipient as _))?.wrap_output(armored)?;
    writer.write_all(text.as_bytes())?;
    Ok(String::from_utf8(writer.finish()?.finish()?)?)
}

#[cfg(test)]
mod tests;
