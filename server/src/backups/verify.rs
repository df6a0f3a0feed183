//! Reads a backup back: what is stored, and whether its key decrypts all of it.

use std::io::{self, Read};

use age::x25519::Identity;
use age::{DecryptError, Decryptor};
use ring::digest::{Context, SHA256};
use storeplane_core::backup_storage::{ObjectReader, StorageError};
use tokio::sync::mpsc;

use crate::checkpoint::hex;
use crate::secret::SecretText;

/// Chunks that were read and not decrypted yet.
const CHUNKS: usize = 4;

/// An object that its key decrypts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Size of the object, in bytes.
    pub bytes: u64,
    /// SHA-256 of the object, in hexadecimal.
    pub sha256: String,
    /// Size of what is encrypted in it, in bytes.
    pub plaintext_bytes: u64,
}

/// Why an object is no usable backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// It is encrypted with another key.
    #[error("the backup's key does not decrypt it")]
    WrongKey,
    /// It is not what was encrypted.
    #[error("it is damaged: {0}")]
    Damaged(String),
}

/// Reads an object to its end and decrypts it, in constant memory.
pub async fn verify(mut object: Box<dyn ObjectReader>, identity: &SecretText) -> Result<Verified, VerifyError> {
    let identity: Identity = identity.expose().parse().map_err(|_| VerifyError::WrongKey)?;
    let (chunks, received) = mpsc::channel(CHUNKS);
    // On a thread of its own: decryption takes the processor.
    let decrypting = tokio::task::spawn_blocking(move || decrypt(Input::new(received), &identity));
    let read = async move {
        while let Some(chunk) = object.next().await? {
            if chunks.send(chunk).await.is_err() {
                break;
            }
        }
        Ok::<_, StorageError>(())
    };
    // An object that was not read to its end looks damaged: the error of the storage comes first.
    let read = read.await;
    let decrypted = decrypting.await;
    read?;
    decrypted.map_err(|error| VerifyError::Damaged(error.to_string()))?
}

fn decrypt(mut input: Input, identity: &Identity) -> Result<Verified, VerifyError> {
    let damaged = |error: io::Error| VerifyError::Damaged(error.to_string());
    let decryptor = Decryptor::new(&mut input).map_err(refused)?;
    let mut plaintext = decryptor.decrypt(std::iter::once(identity as _)).map_err(refused)?;
    let plaintext_bytes = io::copy(&mut plaintext, &mut io::sink()).map_err(damaged)?;
    // What follows the end of the encryption belongs to the object.
    io::copy(&mut input, &mut io::sink()).map_err(damaged)?;
    let sha256 = hex(input.digest.finish().as_ref());
    Ok(Verified { bytes: input.bytes, sha256, plaintext_bytes })
}

fn refused(error: DecryptError) -> VerifyError {
    match error {
        DecryptError::NoMatchingKeys => VerifyError::WrongKey,
        error => VerifyError::Damaged(error.to_string()),
    }
}

/// The chunks of an object, counted and hashed.
struct Input {
    chunks: mpsc::Receiver<Vec<u8>>,
    chunk: Vec<u8>,
    /// Bytes of the chunk that were given out.
    used: usize,
    bytes: u64,
    digest: Context,
}

impl Input {
    fn new(chunks: mpsc::Receiver<Vec<u8>>) -> Self {
        Self { chunks, chunk: Vec::new(), used: 0, bytes: 0, digest: Context::new(&SHA256) }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.used == self.chunk.len() {
            let Some(chunk) = self.chunks.blocking_recv() else { return Ok(0) };
            self.digest.update(&chunk);
            self.bytes += u64::try_from(chunk.len()).unwrap_or_default();
            (self.chunk, self.used) = (chunk, 0);
        }
        let read = self.chunk.get(self.used..).unwrap_or_default().read(buffer)?;
        self.used += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use age::secrecy::ExposeSecret as _;
    use async_trait::async_trait;

    use super::*;

    /// Changes an object.
    type Change = fn(&mut Vec<u8>);

    /// An object in pieces of a few bytes, which may end with an error.
    struct Chunks(Vec<Result<Vec<u8>, StorageError>>);

    #[async_trait]
    impl ObjectReader for Chunks {
        async fn next(&mut self) -> Result<Option<Vec<u8>>, StorageError> {
            if self.0.is_empty() { Ok(None) } else { self.0.remove(0).map(Some) }
        }
    }

    fn chunks(bytes: &[u8]) -> Vec<Result<Vec<u8>, StorageError>> {
        bytes.chunks(50_000).map(|chunk| Ok(chunk.to_vec())).collect()
    }

    fn encrypted(identity: &Identity, size: usize) -> Vec<u8> {
        let recipient = identity.to_public();
        let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as _)).expect("a recipient");
        let mut writer = encryptor.wrap_output(Vec::new()).expect("a header");
        writer.write_all(&vec![7; size]).expect("encrypted");
        writer.finish().expect("encrypted")
    }

    fn secret(identity: &Identity) -> SecretText {
        SecretText::new(identity.to_string().expose_secret())
    }

    #[tokio::test]
    async fn sizes_and_hash_are_those_of_the_whole_object() {
        let identity = Identity::generate();
        for size in [0, 1, 65_536, 200_000] {
            let object = encrypted(&identity, size);
            let digest = ring::digest::digest(&SHA256, &object);
            let found = verify(Box::new(Chunks(chunks(&object))), &secret(&identity)).await.expect("intact");
            assert_eq!(found.bytes, u64::try_from(object.len()).expect("small"));
            assert_eq!(found.plaintext_bytes, u64::try_from(size).expect("small"));
            assert_eq!(format!("{digest:?}").to_lowercase(), format!("sha256:{}", found.sha256));
        }
    }

    #[tokio::test]
    async fn every_damage_is_found() {
        let identity = Identity::generate();
        let object = encrypted(&identity, 200_000);
        let damage: [(&str, Change); 6] = [
            ("header", |it| it[30] ^= 1),
            ("middle", |it| it[100_000] ^= 1),
            ("last byte", |it| *it.last_mut().expect("bytes") ^= 1),
            ("cut", |it| it.truncate(it.len() - 1)),
            ("cut at a chunk", |it| it.truncate(it.len() - 200_000 % 65_536 - 16)),
            ("longer", |it| it.push(0)),
        ];
        for (what, change) in damage {
            let mut object = object.clone();
            change(&mut object);
            let found = verify(Box::new(Chunks(chunks(&object))), &secret(&identity)).await;
            assert!(matches!(found, Err(VerifyError::Damaged(_) | VerifyError::WrongKey)), "{what}: {found:?}");
        }
        let found = verify(Box::new(Chunks(chunks(b"no backup"))), &secret(&identity)).await;
        assert!(matches!(found, Err(VerifyError::Damaged(_))), "{found:?}");
    }

    #[tokio::test]
    async fn wrong_key_and_outage_are_told_apart_from_damage() {
        let (identity, other) = (Identity::generate(), Identity::generate());
        let object = encrypted(&identity, 500_000);
        let found = verify(Box::new(Chunks(chunks(&object))), &secret(&other)).await;
        assert_eq!(found, Err(VerifyError::WrongKey));
        let outage = StorageError::Unavailable("gone".to_owned());
        let mut cut = chunks(&object);
        cut.truncate(3);
        cut.push(Err(outage.clone()));
        assert_eq!(verify(Box::new(Chunks(cut)), &secret(&identity)).await, Err(VerifyError::Storage(outage)));
    }
}
