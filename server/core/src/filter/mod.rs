//! List filters: a subset of AIP-160. `state = READY AND (engine = x OR plan != small) coffee`.
//!
//! - This file: [`Filter`], the same for every list. [`stores`], [`operations`], [`audit`], [`releases`]: the fields of each list.
//! - [`tokens`], then [`parser`]: from a text to a filter. [`value`]: the values that fields are compared with.
//!
//! To add a list: a file with its [`Fields`], and their translation to SQL in the server's `postgres/list` unless it is in memory.

mod audit;
mod backups;
mod operations;
mod parser;
mod releases;
mod stores;
mod tokens;
mod value;

pub use audit::{AuditField, AuditFilter};
pub use backups::{BackupField, BackupFilter};
pub use operations::{OperationField, OperationFilter};
pub use releases::{ReleaseField, ReleaseFilter, ReleaseText};
pub use stores::{StoreField, StoreFilter, StoreText, StoreTime};
pub use value::Pattern;

use crate::validate::Check;

/// Maximum length of a filter, in bytes.
const LENGTH_MAX: usize = 1000;

/// All errors of a filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct FilterError(pub Vec<String>);

/// How a field is compared. `a != b` is parsed as `NOT a = b`.
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

/// The fields that a list's filters can compare.
pub trait Fields: Sized {
    /// A valid example, for error texts.
    const EXAMPLE: &'static str;

    /// Parses one comparison; the error is the violated rule.
    fn compare(field: &str, comparison: Comparison, value: &str) -> Result<Self, String>;
}

/// A parsed filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter<F> {
    /// Matches everything.
    All,
    /// A comparison of a field.
    Field(F),
    /// A text that the searched fields contain, ignoring case.
    Text(String),
    /// Negation.
    Not(Box<Self>),
    /// All of these.
    And(Vec<Self>),
    /// Any of these.
    Or(Vec<Self>),
}

impl<F: Fields> Filter<F> {
    /// Parses a filter; an empty one matches everything.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.len() > LENGTH_MAX {
            return Err(FilterError(vec![format!("must be at most {LENGTH_MAX} bytes, has {}", text.len())]));
        }
        parser::parse(text)
    }

    /// Parses the field `filter` of a request, and records all of its errors.
    pub fn check(check: &mut Check, text: &str) -> Option<Self> {
        let read = Self::parse(text);
        read.map_err(|FilterError(problems)| problems.into_iter().for_each(|problem| check.fail("filter", problem)))
            .ok()
    }
}

impl<F> Filter<F> {
    /// True if one of its comparisons satisfies `test`.
    pub fn mentions(&self, test: &impl Fn(&F) -> bool) -> bool {
        match self {
            Self::Field(field) => test(field),
            Self::Not(inner) => inner.mentions(test),
            Self::And(parts) | Self::Or(parts) => parts.iter().any(|part| part.mentions(test)),
            Self::All | Self::Text(_) => false,
        }
    }

    /// Evaluates the filter, given the values of the fields and the searched text.
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
