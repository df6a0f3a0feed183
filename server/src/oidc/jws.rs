//! A signed JSON Web Token (RFC 7519) in the compact form of RFC 7515: its parts, and its signature.
//!
//! A token's header only selects among what the configuration allows and the provider published: a key in the header
//! (`jwk`, `jku`, `x5c`, `x5u`) is never read. Signatures are verified by `ring`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::JwtError;
use crate::config::Algorithm;

/// Maximum length of a token, in bytes; with many groups they have some thousands.
pub(crate) const LENGTH_MAX: usize = 8 * 1024;
/// Maximum number of keys of a provider; further ones are ignored.
const KEYS_MAX: usize = 100;
/// Types of tokens for callers. Others (`logout+jwt`, …) are signed with the same keys, for other purposes.
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

/// True if a text has the form of a signed token.
pub(crate) fn is_jwt(text: &str) -> bool {
    let part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    text.starts_with("ey") && text.split('.').count() == 3 && text.split('.').take(2).all(part)
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    /// Extensions that a reader must understand. None are.
    crit: Option<Value>,
}

/// A token whose signature has not been verified yet.
#[derive(Debug)]
pub(super) struct Unverified<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: String,
    signed: &'a str,
    claims: &'a str,
    signature: Vec<u8>,
}

impl<'a> Unverified<'a> {
    /// Reads the header. Only these algorithms are accepted.
    pub(super) fn parse(token: &'a str, allowed: &[Algorithm]) -> Result<Self, JwtError> {
        if token.len() > LENGTH_MAX {
            return Err(JwtError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(JwtError::Malformed)?;
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| JwtError::Malformed)?;
        let algorithm = Algorithm::parse(&header.alg).ok_or(JwtError::Algorithm)?;
        if !allowed.contains(&algorithm) {
            return Err(JwtError::Algorithm);
        }
        let typ = header.typ.map(|typ| typ.to_ascii_lowercase());
        if header.crit.is_some() || typ.is_some_and(|typ| !TYPES.contains(&typ.as_str())) {
            return Err(JwtError::Type);
        }
        let key_id = header.kid.filter(|kid| !kid.is_empty()).ok_or(JwtError::KeyId)?;
        Ok(Self { algorithm, key_id, signed, claims, signature: decode(signature)? })
    }

    /// The claims, if the signature is this key's.
    pub(super) fn verify(&self, key: &Key) -> Result<Map<String, Value>, JwtError> {
        if !key.verifies(self.algorithm, self.signed.as_bytes(), &self.signature) {
            return Err(JwtError::Signature);
        }
        serde_json::from_slice(&decode(self.claims)?).map_err(|_| JwtError::Malformed)
    }
}

fn decode(text: &str) -> Result<Vec<u8>, JwtError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| JwtError::Malformed)
}

/// The keys of a provider (RFC 7517).
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<Key>);

#[derive(Debug)]
pub(super) struct Key {
    id: String,
    algorithm: Option<String>,
    public: PublicKey,
}

#[derive(Debug)]
enum PublicKey {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    r#use: Option<String>,
    alg: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Keys {
    /// Reads a JWK set. Keys of unknown kinds, for encryption or without an id are ignored.
    pub(super) fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let Set { keys } = serde_json::from_slice(json)?;
        Ok(Self(keys.into_iter().filter_map(key).take(KEYS_MAX).collect()))
    }

    /// The key with this id that can verify this algorithm's signatures.
    pub(super) fn find(&self, id: &str, algorithm: Algorithm) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id && key.fits(algorithm))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn key(jwk: Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(jwk).ok()?;
    let for_signatures = jwk.r#use.as_deref().is_none_or(|usage| usage == "sig")
        && jwk.key_ops.is_none_or(|operations| operations.iter().any(|it| it == "verify"));
    let bytes = |text: Option<&String>| decode(text?).ok().filter(|bytes| !bytes.is_empty());
    let point = |length: usize| {
        let (x, y) = (bytes(jwk.x.as_ref())?, bytes(jwk.y.as_ref())?);
        // Uncompressed form, as ring reads it.
        (x.len() == length && y.len() == length).then(|| [&[4], &*x, &*y].concat())
    };
    let public = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => {
            let trimmed = |bytes: Vec<u8>| bytes.into_iter().skip_while(|byte| *byte == 0).collect();
            PublicKey::Rsa { n: trimmed(bytes(jwk.n.as_ref())?), e: trimmed(bytes(jwk.e.as_ref())?) }
        }
        ("EC", Some("P-256")) => PublicKey::P256(point(32)?),
        ("EC", Some("P-384")) => PublicKey::P384(point(48)?),
        ("OKP", Some("Ed25519")) => PublicKey::Ed25519(bytes(jwk.x.as_ref())?),
        _ => return None,
    };
    for_signatures.then_some(Key { id: jwk.kid.filter(|kid| !kid.is_empty())?, algorithm: jwk.alg, public })
}

impl Key {
    /// True if this key is of the algorithm's kind, and not for another one.
    fn fits(&self, algorithm: Algorithm) -> bool {
        // RFC 9864 names EdDSA by its curve.
        let same = |alg: &String| algorithm.as_str() == alg || (algorithm == Algorithm::EdDSA && alg == "Ed25519");
        let kind = match &self.public {
            PublicKey::Rsa { .. } => rsa(algorithm).is_some(),
            PublicKey::P256(_) => algorithm == Algorithm::ES256,
            PublicKey::P384(_) => algorithm == Algorithm::ES384,
            PublicKey::Ed25519(_) => algorithm == Algorithm::EdDSA,
        };
        kind && self.algorithm.as_ref().is_none_or(same)
    }

    fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.fits(algorithm) {
            return false;
        }
        let verified = match &self.public {
            PublicKey::Rsa { n, e } => {
                let Some(parameters) = rsa(algorithm) else { return false };
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            PublicKey::P256(point) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            PublicKey::P384(point) => {
                UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point).verify(message, signature)
            }
            PublicKey::Ed25519(key) => UnparsedPublicKey::new(&signature::ED25519, key).verify(message, signature),
        };
        verified.is_ok()
    }
}

/// How RSA verifies this algorithm's signatures, with keys of at least 2,048 bits.
fn rsa(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::RS256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::ES256 | Algorithm::ES384 | Algorithm::EdDSA => None,
    }
}

#[cfg(test)]
mod tests;
