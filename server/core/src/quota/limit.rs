//! A limit: a number, or `unlimited`.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A limit that may be absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// At most this many; 0 means none.
    AtMost(i64),
    /// No limit.
    Unlimited,
}

/// The text of [`Limit::Unlimited`].
pub const UNLIMITED: &str = "unlimited";

impl Limit {
    /// The number, if there is a limit.
    pub fn number(self) -> Option<i64> {
        match self {
            Self::AtMost(number) => Some(number),
            Self::Unlimited => None,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(number) => number.fmt(f),
            Self::Unlimited => f.write_str(UNLIMITED),
        }
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::AtMost(number) => serializer.serialize_i64(*number),
            Self::Unlimited => serializer.serialize_str(UNLIMITED),
        }
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LimitVisitor)
    }
}

struct LimitVisitor;

impl Visitor<'_> for LimitVisitor {
    type Value = Limit;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number of at least 0, or \"{UNLIMITED}\"")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Limit, E> {
        if number < 0 {
            return Err(E::invalid_value(serde::de::Unexpected::Signed(number), &self));
        }
        Ok(Limit::AtMost(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Limit, E> {
        let number = i64::try_from(number);
        number.map(Limit::AtMost).map_err(|_| E::custom("is too large"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Limit, E> {
        if text == UNLIMITED {
            return Ok(Limit::Unlimited);
        }
        Err(E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}
