//! Filters of lists: the part of AIP-160 that they need. `state = READY AND (engine = x OR plan != small) coffee`.
//!
//! - This file: [`Filter`], the same for every list. [`stores`], [`operations`], [`audit`]: the fields of each list.
//! - [`tokens`], then [`parser`]: from a text to a filter. [`value`]: what fields are compared with.
//!
//! To add a list: a file with its [`Fields`], and what they mean to the database in the server's `postgres/list`.

mod audit;
mod operations;
mod parser;
mod stores;
mod tokens;
mod value;

pub use audit::{AuditField, AuditFilter};
pub use operations::{OperationField, OperationFilter};
pub use stores::{StoreField, StoreFilter, StoreText, StoreTime};
pub use value::Pattern;

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
    /// `:`
    Has,
}

impl Comparison {
    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::Has => ":",
        }
    }
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

fn no_field(field: &str, fields: &str) -> String {
    format!("has no field \"{field}\"; the fields are {fields}")
}
