//! Signed checkpoints of the audit log: a line of text that proves how far a tenant's chain had grown. Kept where nobody who can
//! write to the database can change it (the log), it shows that records were cut off or that the chain was written anew.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use storeplane_core::ids::Tenant;
use time::OffsetDateTime;

/// Begins every checkpoint.
const PREFIX: &str = "storeplane-checkpoint-2";
/// Begins those of earlier releases, which do not sign the start of the chain.
const PREFIX_1: &str = "storeplane-checkpoint-1";
/// Stands for records that are kept forever.
const FOREVER: &str = "-";
/// Bytes of a hash, and of a public key.
const BYTES: usize = 32;

/// Signs checkpoints. `Debug` omits it.
#[derive(Clone)]
pub struct SigningKey(Arc<Ed25519KeyPair>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

/// A public key that verifies checkpoints, written in base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; BYTES]);

/// Why a text is no usable checkpoint, key or file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointFault {
    /// It is not a checkpoint.
    #[error(
        "must be a checkpoint such as {PREFIX}:TENANT:SEQUENCE:HASH:START:START_HASH:OLDEST:KEPT:TIME:KEY:SIGNATURE"
    )]
    Malformed,
    /// Another key signed it.
    #[error("is signed with another key than the expected one, which is {expected}")]
    OtherKey {
        /// The expected one.
        expected: PublicKey,
    },
    /// The signature does not match the content.
    #[error("has an invalid signature")]
    Forged,
    /// It is for another tenant.
    #[error("belongs to another tenant's audit log")]
    OtherTenant,
    /// The key cannot be used.
    #[error("must be an Ed25519 private key in PEM (openssl genpkey -algorithm ed25519)")]
    Key,
}

impl SigningKey {
    /// From 32 random bytes.
    pub fn from_seed(seed: &[u8; BYTES]) -> Result<Self, CheckpointFault> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(|pair| Self(Arc::new(pair))).map_err(|_| CheckpointFault::Key)
    }

    /// From a PEM file (PKCS #8).
    pub fn from_file(file: &Path) -> Result<Self, CheckpointFault> {
        let der = PrivatePkcs8KeyDer::from_pem_file(file).map_err(|_| CheckpointFault::Key)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
        pair.map(|pair| Self(Arc::new(pair))).map_err(|_| CheckpointFault::Key)
    }

    /// Its public key.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; BYTES];
        bytes.iter_mut().zip(self.0.public_key().as_ref()).for_each(|(to, from)| *to = *from);
        PublicKey(bytes)
    }

    /// Signs a tenant's chain: its end, and its start unless it is `None`, as before release 2 of the format.
    pub fn sign(
        &self,
        tenant: &Tenant,
        (sequence, hash): (i64, &[u8]),
        start: Option<ChainStart>,
        at: OffsetDateTime,
    ) -> Checkpoint {
        let (tenant, hash, at) = (tenant.clone(), hash.to_vec(), at.unix_timestamp());
        let mut signed = Checkpoint { tenant, sequence, hash, start, at, key: self.public(), signature: Vec::new() };
        signed.signature = self.0.sign(signed.content().as_bytes()).as_ref().to_vec();
        signed
    }
}

/// Where a chain begins, and what may be removed there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainStart {
    /// Sequence of the last record that retention removed; 0 if there is none.
    pub sequence: i64,
    /// Its hash; empty if there is none.
    pub hash: Vec<u8>,
    /// Time of the record after it, in seconds since 1970; that of the signature if there is none.
    pub oldest: i64,
    /// How long records are kept, in seconds; `None` for forever.
    pub kept: Option<i64>,
}

/// A signed statement: at this time a tenant's chain ended with this record, and began there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The tenant; empty for the platform's own records.
    pub tenant: Tenant,
    /// The record's sequence.
    pub sequence: i64,
    /// The record's hash.
    pub hash: Vec<u8>,
    /// The start; `None` in checkpoints of earlier releases.
    pub start: Option<ChainStart>,
    /// When it was signed, in seconds since 1970.
    pub at: i64,
    key: PublicKey,
    signature: Vec<u8>,
}

impl Checkpoint {
    /// Reads a checkpoint, or the log line that contains one.
    pub fn read(text: &str) -> Result<Self, CheckpointFault> {
        let start = text.find(PREFIX).or_else(|| text.find(PREFIX_1)).ok_or(CheckpointFault::Malformed)?;
        let rest = text.get(start..).unwrap_or_default();
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || ":-_".contains(c))).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default().parse()
    }

    /// Checks that this key signed it for this tenant.
    pub fn check(&self, key: PublicKey, tenant: &Tenant) -> Result<(), CheckpointFault> {
        if self.key != key {
            return Err(CheckpointFault::OtherKey { expected: key });
        }
        let public = UnparsedPublicKey::new(&ED25519, key.0);
        public.verify(self.content().as_bytes(), &self.signature).map_err(|_| CheckpointFault::Forged)?;
        if self.tenant == *tenant { Ok(()) } else { Err(CheckpointFault::OtherTenant) }
    }

    fn content(&self) -> String {
        let Self { tenant, sequence, hash, start, at, key, .. } = self;
        let end = format!("{}:{sequence}:{}", tenant.as_str(), hex(hash));
        let Some(ChainStart { sequence, hash, oldest, kept }) = start else {
            return format!("{PREFIX_1}:{end}:{at}:{key}");
        };
        let kept = kept.map_or_else(|| FOREVER.to_owned(), |seconds| seconds.to_string());
        format!("{PREFIX}:{end}:{sequence}:{}:{oldest}:{kept}:{at}:{key}", hex(hash))
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.content(), URL_SAFE_NO_PAD.encode(&self.signature))
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointFault;

    fn from_str(text: &str) -> Result<Self, CheckpointFault> {
        let read = || {
            let mut parts = text.split(':');
            let prefix = parts.next()?;
            let (tenant, sequence, hash) = (parts.next()?, parts.next()?.parse().ok()?, unhex(parts.next()?)?);
            let start = match prefix {
                PREFIX => Some(start(&mut parts)?),
                PREFIX_1 => None,
                _ => return None,
            };
            let (at, key, signature) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?);
            let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
            let complete = parts.next().is_none() && hash.len() == BYTES && sequence > 0;
            let tenant = Tenant::stored(tenant.to_owned());
            complete.then_some(Self { tenant, sequence, hash, start, at, key, signature })
        };
        read().ok_or(CheckpointFault::Malformed)
    }
}

fn start<'a>(parts: &mut impl Iterator<Item = &'a str>) -> Option<ChainStart> {
    let (sequence, hash) = (parts.next()?.parse().ok()?, unhex(parts.next()?)?);
    let (oldest, kept) = (parts.next()?.parse().ok()?, parts.next()?);
    let kept = if kept == FOREVER { None } else { Some(kept.parse().ok()?) };
    let complete = sequence >= 0 && hash.len() == if sequence == 0 { 0 } else { BYTES };
    complete.then_some(ChainStart { sequence, hash, oldest, kept })
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for PublicKey {
    type Err = CheckpointFault;

    fn from_str(text: &str) -> Result<Self, CheckpointFault> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(CheckpointFault::Malformed)
    }
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |text, byte| text + &format!("{byte:02x}"))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c.to_digit(16)?).ok()).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte * 16 + digit)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; BYTES]).expect("a key")
    }

    #[test]
    fn checkpoint_is_read_from_its_log_line_and_verified() {
        let (other, key, tenant) = (key(8).public(), key(7), Tenant::default());
        let none = ChainStart { sequence: 0, hash: Vec::new(), oldest: 7, kept: None };
        let later = ChainStart { sequence: 9, hash: vec![0xcd; BYTES], oldest: 7, kept: Some(86_400) };
        for start in [None, Some(none), Some(later)] {
            let signed = key.sign(&tenant, (42, &[0xab; BYTES]), start, OffsetDateTime::UNIX_EPOCH);
            let line = format!("{{\"message\":\"AUDIT_CHECKPOINT\",\"checkpoint\":\"{signed}\",\"x\":1}}");
            let read = Checkpoint::read(&line).expect("readable");
            assert_eq!(read, signed);
            assert_eq!(read.check(key.public(), &tenant), Ok(()));
        }
        let read = key.sign(&tenant, (42, &[0xab; BYTES]), None, OffsetDateTime::UNIX_EPOCH);
        assert_eq!(read.check(key.public(), &tenant), Ok(()));
        assert_eq!(read.check(other, &tenant), Err(CheckpointFault::OtherKey { expected: other }));
        assert_eq!(read.check(key.public(), &"acme".parse().expect("a tenant")), Err(CheckpointFault::OtherTenant));
        assert_eq!(key.public().to_string().parse(), Ok(key.public()));
    }

    #[test]
    fn changed_checkpoint_is_forged_and_anything_else_is_malformed() {
        let (key, tenant) = (key(7), Tenant::default());
        let start = ChainStart { sequence: 9, hash: vec![0xcd; BYTES], oldest: 7, kept: Some(86_400) };
        let text = key.sign(&tenant, (42, &[0xab; BYTES]), Some(start), OffsetDateTime::UNIX_EPOCH).to_string();
        for (from, to) in [
            (":42:", ":41:"),
            (":default:", ":acme:"),
            ("abab", "abac"),
            (":9:", ":8:"),
            ("cdcd", "cdce"),
            (":7:", ":6:"),
            (":86400:", ":-:"),
            (":0:", ":9:"),
        ] {
            let forged = Checkpoint::read(&text.replacen(from, to, 1)).expect("readable");
            assert_eq!(forged.check(key.public(), &forged.tenant), Err(CheckpointFault::Forged), "{from}");
        }
        for bad in [
            "",
            "x",
            PREFIX,
            "storeplane-checkpoint-1:a:1",
            &text.replace(":42:", ":0:"),
            &text.replace(":9:", ":0:"),
            &text.replace(PREFIX, PREFIX_1),
            &text.replace(PREFIX, "storeplane-checkpoint-3"),
            &format!("{text}:x"),
        ] {
            assert_eq!(Checkpoint::read(bad), Err(CheckpointFault::Malformed), "{bad}");
        }
    }

    #[test]
    fn key_is_read_from_a_pem_file() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n-----END PRIVATE KEY-----\n";
        std::fs::write(file.path(), pem).expect("written");
        assert_eq!(SigningKey::from_file(file.path()).expect("a key").public(), key(7).public());
        std::fs::write(file.path(), "nonsense").expect("written");
        assert_eq!(SigningKey::from_file(file.path()).err(), Some(CheckpointFault::Key));
    }
}
