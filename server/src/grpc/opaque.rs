//! Page tokens and cursors for callers, sealed: they reveal nothing, cannot be forged, and are valid for one tenant,
//! one scope of its stores and one purpose only. Equal positions give equal texts.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use storeplane_core::access::Access;
use storeplane_core::error::{DomainError, PortError};
use storeplane_core::event::Cursor;
use storeplane_core::query::{PageStart, PageToken};

use crate::postgres::{EventHistory, ServerKey};

/// Maximum length of a sealed text, in bytes; ours have some hundreds.
const LENGTH_MAX: usize = 2000;
/// Bytes of a nonce.
const NONCE: usize = 24;

/// Creates [`Seal`]s with the key that all servers of one database share.
#[derive(Debug, Clone)]
pub struct Sealer(ServerKey, EventHistory);

impl Sealer {
    /// Uses this key, for cursors of this history.
    pub fn new(key: ServerKey, history: EventHistory) -> Self {
        Self(key, history)
    }

    /// The seal of what has this access.
    pub(super) async fn of(&self, access: &Access) -> Result<Seal, PortError> {
        Ok(Seal::new(&self.0.read().await?, self.1.read().await?, access))
    }
}

/// Seals and opens the texts of a tenant's callers that see the same stores.
#[derive(Clone)]
pub(super) struct Seal {
    cipher: Arc<XChaCha20Poly1305>,
    nonce_key: [u8; 32],
    /// [`Access::key`].
    owner: String,
    /// Of the events that cursors point to.
    history: i64,
}

impl Seal {
    fn new(key: &[u8; 32], history: i64, access: &Access) -> Self {
        let of = |purpose: &str| blake3::derive_key(purpose, key);
        let cipher = Arc::new(XChaCha20Poly1305::new(&of("storeplane cursors 2026-11 encryption").into()));
        Self { cipher, nonce_key: of("storeplane cursors 2026-11 nonces"), owner: access.key().into_owned(), history }
    }

    /// The token of the next page; empty if there is none.
    pub(super) fn page_token(&self, token: Option<&PageToken>) -> String {
        // A token consists of two texts and a UUID, which can always be serialized.
        token.and_then(|token| serde_json::to_vec(token).ok()).map(|json| self.seal("page", &json)).unwrap_or_default()
    }

    /// The position of a page token.
    pub(super) fn page_start(&self, token: &str) -> PageStart {
        if token.is_empty() {
            return PageStart::First;
        }
        let json = self.open("page", token);
        json.and_then(|json| serde_json::from_slice(&json).ok()).map_or(PageStart::Unreadable, PageStart::After)
    }

    /// A cursor for callers.
    pub(super) fn cursor(&self, cursor: Cursor) -> String {
        let mut bytes = [cursor.transaction.to_be_bytes(), cursor.row.to_be_bytes()].concat();
        if self.history != 0 {
            bytes.extend(self.history.to_be_bytes());
        }
        self.seal("cursor", &bytes)
    }

    /// The cursor that a caller sent; `None` if it sent none. One of another history is before every event, and has expired.
    pub(super) fn read_cursor(&self, text: &str) -> Result<Option<Cursor>, DomainError> {
        if text.is_empty() {
            return Ok(None);
        }
        let opened = self.open("cursor", text);
        let read = opened.as_deref().and_then(|bytes| {
            let (transaction, bytes) = bytes.split_first_chunk()?;
            let (row, history) = bytes.split_first_chunk()?;
            let history = if history.is_empty() { 0 } else { i64::from_be_bytes(history.try_into().ok()?) };
            let here = Cursor { transaction: u64::from_be_bytes(*transaction), row: i64::from_be_bytes(*row) };
            Some(if history == self.history { here } else { Cursor::default() })
        });
        read.map(Some).ok_or_else(|| DomainError::field("cursor", "must be the cursor of an earlier message"))
    }

    fn seal(&self, purpose: &str, plain: &[u8]) -> String {
        let context = self.context(purpose);
        let mut hash = blake3::Hasher::new_keyed(&self.nonce_key);
        hash.update(&(context.len() as u64).to_le_bytes()).update(&context).update(plain);
        let mut nonce = [0; NONCE];
        hash.finalize_xof().fill(&mut nonce);
        let payload = Payload { msg: plain, aad: &context };
        let mut sealed = nonce.to_vec();
        // Only a text of more than 256 GiB cannot be sealed.
        sealed.extend(self.cipher.encrypt(&XNonce::from(nonce), payload).unwrap_or_default());
        URL_SAFE_NO_PAD.encode(sealed)
    }

    fn open(&self, purpose: &str, text: &str) -> Option<Vec<u8>> {
        let sealed =
            Some(text).filter(|text| text.len() <= LENGTH_MAX).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())?;
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: sealed, aad: &self.context(purpose) };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).ok()
    }

    fn context(&self, purpose: &str) -> Vec<u8> {
        format!("{purpose}\n{}", self.owner).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use storeplane_core::access::{Scope, Selection};
    use storeplane_core::ids::Tenant;
    use storeplane_core::query::After;
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;

    fn seal(tenant: &str) -> Seal {
        Seal::new(&[7; 32], 0, &Access::whole(tenant.parse().expect("a tenant")))
    }

    /// The seal of callers of the tenant `default` that see only stores whose ids start with this.
    fn limited(prefix: &str) -> Seal {
        let selection = Selection::new(Vec::new(), Some(prefix.parse().expect("a prefix"))).expect("a selection");
        Seal::new(&[7; 32], 0, &Access { tenant: Tenant::default(), scope: Scope::Only(selection) })
    }

    proptest! {
        #[test]
        fn cursor_round_trips(transaction: u64, row: i64) {
            let there = Cursor { transaction, row };
            prop_assert_eq!(seal("default").read_cursor(&seal("default").cursor(there)), Ok(Some(there)));
        }

    }

    mod fuzz {
        use storeplane_fuzz::{Outcome, check};

        use super::*;

        /// Arbitrary text, and sealed texts with one changed character.
        fn texts(sealed: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
            let changed = (sealed, any::<prop::sample::Index>(), "[A-Za-z0-9_-]");
            let changed = changed.prop_map(|(mut text, at, letter)| {
                let at = at.index(text.len());
                text.replace_range(at..=at, &letter);
                text
            });
            prop_oneof![any::<String>(), "[A-Za-z0-9_-]{0,120}", changed]
        }

        #[test]
        fn only_sealed_texts_are_read() {
            let sealed = (any::<u64>(), any::<i64>());
            let sealed = sealed.prop_map(|(transaction, row)| seal("default").cursor(Cursor { transaction, row }));
            check("cursor", &texts(sealed), |text| {
                let read = seal("default").read_cursor(&text);
                if let Ok(Some(cursor)) = &read {
                    // Nothing but what was sealed: the changed character was the same one.
                    prop_assert_eq!(&seal("default").cursor(*cursor), &text);
                }
                Ok(Outcome::of(&read))
            });
        }

        #[test]
        fn only_sealed_pages_are_read() {
            let sealed = (any::<String>(), any::<String>()).prop_map(|(text, query)| {
                let after = After { at: OffsetDateTime::UNIX_EPOCH, text, uid: Uuid::nil() };
                seal("default").page_token(Some(&PageToken { after, query }))
            });
            check("page token", &texts(sealed), |text| {
                let start = seal("default").page_start(&text);
                if let PageStart::After(token) = &start {
                    prop_assert_eq!(&seal("default").page_token(Some(token)), &text);
                }
                Ok(if matches!(start, PageStart::Unreadable) { Outcome::Refused } else { Outcome::Accepted })
            });
        }
    }

    #[test]
    fn sealed_token_is_bound_to_tenant_scope_key_and_purpose() {
        let cursor = Cursor { transaction: 700, row: 1 };
        let text = seal("default").cursor(cursor);
        assert_eq!(text, seal("default").cursor(cursor), "the same place is the same text");
        assert!(seal("other").read_cursor(&text).is_err());
        assert!(Seal::new(&[8; 32], 0, &Access::whole(Tenant::default())).read_cursor(&text).is_err());
        assert!(limited("shop-").read_cursor(&text).is_err(), "it is another caller's, who sees more");
        let narrow = limited("shop-").cursor(cursor);
        assert_eq!(limited("shop-").read_cursor(&narrow), Ok(Some(cursor)));
        assert!(limited("shop").read_cursor(&narrow).is_err() && seal("default").read_cursor(&narrow).is_err());
        assert_eq!(seal("default").page_start(&text), PageStart::Unreadable);
        let near = seal("default").cursor(Cursor { row: 2, ..cursor });
        let same = text.bytes().zip(near.bytes()).filter(|(a, b)| a == b).count();
        assert!(same < text.len() / 4, "{same} of {} characters are those of its neighbour", text.len());
    }

    #[test]
    fn cursor_of_another_history_is_before_every_event() {
        let cursor = Cursor { transaction: 700, row: 1 };
        let restored = |history| Seal::new(&[7; 32], history, &Access::whole(Tenant::default()));
        let text = restored(5).cursor(cursor);
        assert_eq!(restored(5).read_cursor(&text), Ok(Some(cursor)));
        assert_eq!(restored(-6).read_cursor(&text), Ok(Some(Cursor::default())));
        assert_eq!(restored(5).read_cursor(&seal("default").cursor(cursor)), Ok(Some(Cursor::default())));
        assert_eq!(seal("default").read_cursor(&text), Ok(Some(Cursor::default())));
    }

    #[test]
    fn foreign_tokens_are_rejected() {
        let seal = seal("default");
        assert_eq!(seal.read_cursor(""), Ok(None));
        for text in ["x", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA", "****", " ", &"A".repeat(75)] {
            assert!(seal.read_cursor(text).is_err(), "{text}");
            assert_eq!(seal.page_start(text), PageStart::Unreadable, "{text}");
        }
        assert_eq!(seal.page_start(&"A".repeat(100_000)), PageStart::Unreadable);
    }

    #[test]
    fn page_token_round_trips() {
        let after = After { at: OffsetDateTime::UNIX_EPOCH, text: "demo".into(), uid: Uuid::nil() };
        let token = PageToken { after, query: "0123456789abcdef".into() };
        let seal = seal("default");
        assert_eq!(seal.page_start(&seal.page_token(Some(&token))), PageStart::After(token));
        assert_eq!(seal.page_start(&seal.page_token(None)), PageStart::First);
    }
}
