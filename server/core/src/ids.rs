//! Typed identifiers: each is validated once, where it enters.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Maximum length of a store id: with the prefix `store-` and the suffix `--<tenant>`, a namespace is still a DNS label (63).
pub const STORE_ID_MAX: usize = 40;
/// The tenant of the stores of test restores, which no caller can name.
pub const RESTORE_TEST_TENANT: &str = "restore-tests";
/// Maximum length of a tenant name; see [`STORE_ID_MAX`].
pub const TENANT_MAX: usize = 15;

/// The rule that an identifier violates, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IdError(pub String);

fn check_label(text: &str, max: usize) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError("must not be empty".into()));
    }
    if text.len() > max {
        return Err(IdError(format!("must be at most {max} characters, has {}", text.chars().count())));
    }
    let bytes = text.as_bytes();
    let alphabet = bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
    let starts = bytes.first().is_some_and(u8::is_ascii_lowercase);
    let ends = bytes.last().is_some_and(|b| *b != b'-');
    if !(alphabet && starts && ends) {
        return Err(IdError(
            "must match [a-z]([-a-z0-9]*[a-z0-9])?: lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen".into(),
        ));
    }
    if text.contains("--") {
        return Err(IdError("must not contain two hyphens in a row".into()));
    }
    Ok(())
}

/// A tenant's id is a label, and not that of the stores of test restores.
fn check_tenant(text: &str, max: usize) -> Result<(), IdError> {
    check_label(text, max)?;
    if text == RESTORE_TEST_TENANT {
        return Err(IdError("is reserved for test restores".into()));
    }
    Ok(())
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $check:ident, $max:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// An identifier from the database, not validated: a newer server may allow more.
            pub fn stored(text: String) -> Self {
                Self(text)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                $check(text, $max)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

label!(
    /// A store's id, unique among a tenant's stores that are not deleted: a DNS label of at most 40 characters without `--`.
    StoreId,
    check_label,
    STORE_ID_MAX
);
label!(
    /// A tenant: the owner of stores. Comes from the caller's credentials; only a platform administrator may name another one. At most
    /// 15 characters.
    Tenant,
    check_tenant,
    TENANT_MAX
);

/// The beginning of store ids: 1 to 40 characters with which a valid id can begin.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StoreIdPrefix(String);

impl StoreIdPrefix {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if the id starts with it.
    pub fn matches(&self, id: &StoreId) -> bool {
        id.as_str().starts_with(&self.0)
    }

    /// The first text, in the order of bytes, that is after all texts that start with it.
    pub fn upper_bound(&self) -> String {
        let mut end = self.0.clone();
        // At most `z` (ASCII), so a successor exists.
        let next = end.pop().map(|last| char::from(u8::try_from(last).unwrap_or_default().saturating_add(1)));
        end.extend(next);
        end
    }
}

impl FromStr for StoreIdPrefix {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        // A hyphen cannot end an id, but a prefix.
        let longer = if text.ends_with('-') { format!("{text}a") } else { text.to_owned() };
        check_label(&longer, STORE_ID_MAX)
            .map_err(|rule| IdError(format!("must be a valid prefix of store ids: {rule}")))?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for StoreIdPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Default for Tenant {
    fn default() -> Self {
        Self("default".into())
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Uuid::parse_str(text).map(Self).map_err(|_| IdError("must be a UUID".into()))
            }
        }
    };
}

uuid_id!(
    /// The unique id of a store, never reused. UUID v7.
    StoreUid
);
uuid_id!(
    /// The id of an operation. UUID v7.
    OperationId
);
uuid_id!(
    /// The caller's key that makes a mutation safe to repeat (AIP-155).
    RequestId
);
uuid_id!(
    /// The id of an API token. UUID v7; not the secret.
    TokenId
);
uuid_id!(
    /// The id of a backup. UUID v7.
    BackupId
);
uuid_id!(
    /// The id of a rollout. UUID v7.
    RolloutId
);
uuid_id!(
    /// The id of a browser's session; not the secret.
    SessionId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_id_is_a_dns_label_of_at_most_40_characters() {
        for good in ["a", "demo", "my-shop-2", &"a".repeat(40)] {
            assert!(good.parse::<StoreId>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "A",
            "1shop",
            "-a",
            "a-",
            "a--b",
            "sh op",
            "a;rm -rf",
            "--help",
            "ö",
            "a\n",
            "$(id)",
            "a.b",
            &"a".repeat(41),
        ] {
            assert!(bad.parse::<StoreId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn prefix_is_the_beginning_of_a_store_id() {
        for good in ["a", "shop", "shop-", "a9", &"a".repeat(40), &format!("{}-", "a".repeat(38))] {
            let prefix: StoreIdPrefix = good.parse().unwrap_or_else(|error| panic!("{good}: {error}"));
            let id = StoreId::stored(format!("{good}z"));
            let (start, end) = (prefix.as_str().to_owned(), prefix.upper_bound());
            assert!(prefix.matches(&id) && start.as_str() <= id.as_str() && id.as_str() < end.as_str(), "{good}");
            assert!(!end.starts_with(good) && end.len() == good.len(), "{good}: {end}");
        }
        for bad in
            ["", "-", "9", "A", "a--", "a--b", "a_", "a%", "ö", "a.", &"a".repeat(41), &format!("{}-", "a".repeat(39))]
        {
            assert!(bad.parse::<StoreIdPrefix>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tenant_has_at_most_15_characters() {
        assert!("a23456789012345".parse::<Tenant>().is_ok());
        assert!("a234567890123456".parse::<Tenant>().is_err());
        assert!(RESTORE_TEST_TENANT.parse::<Tenant>().is_err() && RESTORE_TEST_TENANT.parse::<StoreId>().is_ok());
    }

    mod fuzz {
        use proptest::prelude::*;
        use storeplane_fuzz::{Outcome, check};

        use super::super::{STORE_ID_MAX, StoreId, TENANT_MAX, Tenant};

        /// The rule, in other words than the parser's.
        fn is_label(text: &str, max: usize) -> bool {
            let plain = |c: char| matches!(c, 'a'..='z' | '0'..='9');
            let parts = text.split('-').all(|part| !part.is_empty() && part.chars().all(plain));
            parts && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.len() <= max
        }

        #[test]
        fn ids_are_labels_and_nothing_else() {
            let texts = prop_oneof![
                any::<String>(),
                "[a-z][a-z0-9-]{0,45}",
                "[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,8}){0,4}[-_A-Z.]?"
            ];
            check("id", &texts, |text| {
                let (id, tenant) = (text.parse::<StoreId>(), text.parse::<Tenant>());
                prop_assert_eq!(id.is_ok(), is_label(&text, STORE_ID_MAX));
                prop_assert_eq!(tenant.is_ok(), is_label(&text, TENANT_MAX));
                if let Ok(id) = &id {
                    prop_assert_eq!(id.as_str(), text.as_str());
                }
                Ok(Outcome::of(&id))
            });
        }
    }
}
