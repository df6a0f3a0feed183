//! Pages as messages, limited by size as well as by rows: gRPC clients accept 4 MiB by default.

use prost::Message;
use storeplane_core::query::{Page, PageToken, Paged};

/// Maximum size of a page's rows, in bytes.
const BYTES_MAX: usize = 3_500_000;
/// Bytes before a row in a message: its tag and length.
const ROW_OVERHEAD: usize = 6;

/// The messages of a page's rows, as many as fit and at least one, and the position of the next page.
pub(super) fn fill<Q: Paged, M: Message>(
    query: &Q,
    page: Page<Q::Item>,
    convert: impl Fn(Q::Item) -> M,
) -> (Vec<M>, Option<PageToken>) {
    let next = query.next(&page);
    let (mut messages, mut size, mut last) = (Vec::with_capacity(page.items.len()), 0, None);
    for item in page.items {
        let token = query.token_after(&item);
        let message = convert(item);
        size += message.encoded_len() + ROW_OVERHEAD;
        if size > BYTES_MAX && last.is_some() {
            return (messages, last);
        }
        messages.push(message);
        last = Some(token);
    }
    (messages, next)
}

#[cfg(test)]
mod tests {
    use storeplane_core::query::After;
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;

    struct Numbers;

    impl Paged for Numbers {
        type Item = (usize, usize);

        fn token_after(&self, (number, _): &(usize, usize)) -> PageToken {
            let after = After { at: OffsetDateTime::UNIX_EPOCH, text: number.to_string(), uid: Uuid::nil() };
            PageToken { after, query: String::new() }
        }
    }

    /// Rows of these lengths: the number on the page, and the row before the next page.
    fn filled(lengths: &[usize], more: bool) -> (usize, Option<String>) {
        let page = Page { items: lengths.iter().copied().enumerate().collect(), more };
        let (messages, next) = fill(&Numbers, page, |(_, length)| "x".repeat(length));
        (messages.len(), next.map(|token| token.after.text))
    }

    #[test]
    fn page_ends_before_row_that_exceeds_the_limit() {
        assert_eq!(filled(&[10, 10], false), (2, None));
        assert_eq!(filled(&[10, 10], true), (2, Some("1".into())));
        assert_eq!(filled(&[2_000_000, 1_000_000, 1_000_000], false), (2, Some("1".into())));
        assert_eq!(filled(&[5_000_000, 1], false), (1, Some("0".into())), "a row that never fits is a page");
        assert_eq!(filled(&[], false), (0, None));
    }
}
