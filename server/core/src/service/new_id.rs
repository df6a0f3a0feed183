//! Ids for stores that are created without one.

use crate::access::Scope;
use crate::error::{DomainError, PortError};
use crate::ids::{STORE_ID_MAX, StoreId, StoreIdPrefix};

/// Random characters at the end: 36^5, sixty million.
pub(super) const SUFFIX: usize = 5;
/// Maximum length of the part that is taken from the name, if the caller may use any id.
const NAME_MAX: usize = 28;

/// An id from the letters and digits of a store's name and `random`, which has [`SUFFIX`] of them. It is in the scope: it starts with the
/// scope's prefix.
pub(super) fn new_id(display_name: &str, scope: &Scope, random: &str) -> Result<StoreId, PortError> {
    let words = slug(display_name);
    let Some(selection) = scope.selection() else {
        let words = shortened(&words, NAME_MAX);
        let beginning = if words.starts_with(|c: char| c.is_ascii_lowercase()) { words } else { "shop" };
        return parse(&format!("{beginning}-{random}"));
    };
    let rule = "must be set: no id can be generated within the scope of the token";
    let prefix = selection.prefix().map(StoreIdPrefix::as_str);
    let prefix = prefix.filter(|prefix| prefix.len() + SUFFIX <= STORE_ID_MAX);
    let prefix = prefix.ok_or_else(|| DomainError::field("store_id", rule))?;
    let beginning = format!("{}-{words}", prefix.trim_end_matches('-'));
    let named = format!("{}-{random}", shortened(&beginning, STORE_ID_MAX - 1 - SUFFIX));
    if named.starts_with(prefix) { parse(&named) } else { parse(&format!("{prefix}{random}")) }
}

/// Lower-case letters and digits, with a hyphen between words.
fn slug(name: &str) -> String {
    let name = name.to_lowercase();
    let words: Vec<_> = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.join("-")
}

/// At most this many of its bytes, which are ASCII, without hyphens at the ends.
fn shortened(text: &str, max: usize) -> &str {
    text.get(..max).unwrap_or(text).trim_matches('-')
}

fn parse(id: &str) -> Result<StoreId, PortError> {
    id.parse().map_err(|error| PortError::Internal(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Selection;

    fn id(name: &str, scope: &Scope) -> String {
        new_id(name, scope, "x1y2z").unwrap_or_else(|error| panic!("{name}: {error}")).to_string()
    }

    fn prefix(text: &str) -> Scope {
        Selection::new(Vec::new(), Some(text.parse().expect("a prefix"))).map_or(Scope::All, Scope::Only)
    }

    #[test]
    fn id_is_made_of_the_name_and_random_characters() {
        for (name, expected) in [
            ("Tea & House", "tea-house-x1y2z"),
            ("茶", "shop-x1y2z"),
            ("24 hours", "shop-x1y2z"),
            ("--", "shop-x1y2z"),
            ("abcdefghijklmnopqrstuvwxyz a b c", "abcdefghijklmnopqrstuvwxyz-a-x1y2z"),
        ] {
            assert_eq!(id(name, &Scope::All), expected);
        }
    }

    #[test]
    fn id_starts_with_the_prefix_of_the_scope() {
        for (beginning, name, expected) in [
            ("shop-", "Tea & House", "shop-tea-house-x1y2z"),
            ("shop", "Tea", "shop-tea-x1y2z"),
            ("shop-", "24 hours", "shop-24-hours-x1y2z"),
            ("shop-", "茶", "shop-x1y2z"),
        ] {
            assert_eq!(id(name, &prefix(beginning)), expected);
        }
        let letters = |length: usize| "a".repeat(length);
        let all = (1..=35).map(letters).chain((1..=34).map(|length| format!("{}-", letters(length))));
        for beginning in all {
            let id = id("A very long name of a shop that sells tea", &prefix(&beginning));
            assert!(id.starts_with(&beginning) && id.len() <= 40, "{beginning}: {id}");
        }
    }

    #[test]
    fn without_a_prefix_the_id_must_be_named() {
        let ids = Selection::new(vec!["tea".parse().expect("an id")], None).map_or(Scope::All, Scope::Only);
        for scope in [ids, prefix(&"a".repeat(36))] {
            match new_id("Tea", &scope, "x1y2z") {
                Err(PortError::Refused(DomainError::Invalid(violations))) => {
                    assert_eq!(violations[0].field, "store_id");
                }
                other => panic!("{scope:?}: {other:?}"),
            }
        }
    }
}
