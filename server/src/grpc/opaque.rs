//! Page tokens and cursors as callers see them: base64url, and nothing to rely on inside.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use storeplane_core::error::DomainError;
use storeplane_core::event::Cursor;
use storeplane_core::query::{PageStart, PageToken};

/// Longest page token that is looked at, in bytes; ours have about 200.
const PAGE_TOKEN_MAX: usize = 2000;

/// The token of the next page; empty if there is none.
pub(super) fn page_token(token: Option<&PageToken>) -> String {
    // A token is two texts and a UUID: there is no such value that is not JSON.
    token.and_then(|token| serde_json::to_vec(token).ok()).map(|json| URL_SAFE_NO_PAD.encode(json)).unwrap_or_default()
}

/// Where the page of this token starts.
pub(super) fn page_start(token: &str) -> PageStart {
    if token.is_empty() {
        return PageStart::First;
    }
    let json = Some(token).filter(|token| token.len() <= PAGE_TOKEN_MAX).and_then(|t| URL_SAFE_NO_PAD.decode(t).ok());
    json.and_then(|json| serde_json::from_slice(&json).ok()).map_or(PageStart::Unreadable, PageStart::After)
}

/// A cursor for callers.
pub(super) fn cursor(cursor: Cursor) -> String {
    let mut bytes = [0; 16];
    let (transaction, row) = bytes.split_at_mut(8);
    transaction.copy_from_slice(&cursor.transaction.to_be_bytes());
    row.copy_from_slice(&cursor.row.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The cursor that a caller sent; `None` if it sent none.
pub(super) fn read_cursor(text: &str) -> Result<Option<Cursor>, DomainError> {
    if text.is_empty() {
        return Ok(None);
    }
    let mut bytes = [0; 16];
    let read = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).is_ok_and(|length| length == bytes.len());
    let number = u128::from_be_bytes(bytes).to_be_bytes();
    let (transaction, row) = number.split_at(8);
    match (read, transaction.try_into(), row.try_into()) {
        (true, Ok(transaction), Ok(row)) => {
            Ok(Some(Cursor { transaction: u64::from_be_bytes(transaction), row: i64::from_be_bytes(row) }))
        }
        _ => Err(DomainError::field("cursor", "must be the cursor of an earlier message")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use storeplane_core::query::After;
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_went(transaction: u64, row: i64) {
            let there = Cursor { transaction, row };
            prop_assert_eq!(read_cursor(&cursor(there)), Ok(Some(there)));
        }

        #[test]
        fn no_text_breaks_anything(text: String) {
            let _ = read_cursor(&text);
            let _ = page_start(&text);
        }
    }

    #[test]
    fn what_is_none_of_ours_is_refused() {
        assert_eq!(read_cursor(""), Ok(None));
        for text in ["x", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA", "****", " "] {
            assert!(read_cursor(text).is_err(), "{text}");
            assert_eq!(page_start(text), PageStart::Unreadable, "{text}");
        }
        assert_eq!(page_start(&"A".repeat(100_000)), PageStart::Unreadable);
    }

    #[test]
    fn a_page_token_comes_back_as_it_went() {
        let after = After { at: OffsetDateTime::UNIX_EPOCH, id: "demo".into(), uid: Uuid::nil() };
        let token = PageToken { after, query: "0123456789abcdef".into() };
        assert_eq!(page_start(&page_token(Some(&token))), PageStart::After(token));
        assert_eq!(page_start(&page_token(None)), PageStart::First);
    }
}
