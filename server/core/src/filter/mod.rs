//! Filters of lists: the part of AIP-160 that they need. `state = READY AND (engine = x OR plan != small) coffee`.
//!
//! - This file: [`Filter`], the same for every list. [`stores`], [`audit`]: the fields of each list.
//! - [`tokens`], then [`parser`]: from a text to a filter.
//!
//! To add a list: a file with its [`Fields`], and what they mean to the database in the server's `postgres/list`.

mod audit;
mod parser;
mod stores;
mod tokens;

pub use audit::{AuditField, AuditFilter};
pub use stores::{StoreField, StoreFilter};

use crate::validate::Check;

/// Longest filter, in bytes.
const LENGTH_MAX: usize = 1000;

/// Everything that keeps a filter from being read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct FilterError(pub Vec<String>);

/// How a field is compared. `a != b` is read as `NOT a = b`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

/// What one list's filters can compare.
pub trait Fields: Sized {
    /// A filter that makes sense, for the text of errors.
    const EXAMPLE: &'static str;

    /// Reads one comparison; the error is a rule, for people.
    fn compare(field: &str, comparison: Comparison, value: &str) -> Result<Self, String>;
}

/// A filter, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter<F> {
    /// Everything.
    All,
    /// A field compares so.
    Field(F),
    /// What people search contains the text, in upper or lower case.
    Text(String),
    /// Not this.
    Not(Box<Self>),
    /// All of these.
    And(Vec<Self>),
    /// One of these.
    Or(Vec<Self>),
}

impl<F: Fields> Filter<F> {
    /// Reads a filter; an empty one means everything.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.len() > LENGTH_MAX {
            return Err(FilterError(vec![format!("must be at most {LENGTH_MAX} bytes, has {}", text.len())]));
        }
        parser::parse(text)
    }

    /// Reads the field `filter` of a request, and notes everything that is wrong with it.
    pub fn check(check: &mut Check, text: &str) -> Option<Self> {
        let read = Self::parse(text);
        read.map_err(|FilterError(problems)| problems.into_iter().for_each(|problem| check.fail("filter", problem)))
            .ok()
    }
}

impl<F> Filter<F> {
    /// True if a field that it compares is such a one.
    pub fn mentions(&self, such: &impl Fn(&F) -> bool) -> bool {
        match self {
            Self::Field(field) => such(field),
            Self::Not(inner) => inner.mentions(such),
            Self::And(parts) | Self::Or(parts) => parts.iter().any(|part| part.mentions(such)),
            Self::All | Self::Text(_) => false,
        }
    }

    /// True if it holds, for what the fields and the searched text are.
    pub fn holds(&self, field: &impl Fn(&F) -> bool, contains: &impl Fn(&str) -> bool) -> bool {
        match self {
            Self::All => true,
            Self::Field(wanted) => field(wanted),
            Self::Text(text) => contains(&text.to_lowercase()),
            Self::Not(inner) => !inner.holds(field, contains),
            Self::And(parts) => parts.iter().all(|part| part.holds(field, contains)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(field, contains)),
        }
    }
}

/// The rule of a field that has no order.
fn only_equal(field: &str, comparison: Comparison) -> Result<(), String> {
    if comparison == Comparison::Equal { Ok(()) } else { Err(format!("{field} can be compared with = and != only")) }
}

/// The rule of a field that is one of some words.
fn one_of<T: Copy>(field: &str, all: &[T], text: impl Fn(T) -> &'static str, value: &str) -> Result<T, String> {
    let found = all.iter().copied().find(|each| text(*each) == value);
    let words = || all.iter().copied().map(&text).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| format!("{field} must be one of: {}", words()))
}

fn no_field(field: &str, fields: &str) -> String {
    format!("has no field \"{field}\"; the fields are {fields}")
}
