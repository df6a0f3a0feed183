//! Labels of a store: its owner's own names and values, for filters. They do not reach the cluster.

use std::collections::BTreeMap;

use crate::validate::Check;

/// Maximum number of labels of a store.
pub const LABELS_MAX: usize = 64;
/// Maximum length of a name or a value, in characters.
pub const LABEL_LENGTH_MAX: usize = 63;
/// The rule of names.
const NAME_RULE: &str = "must have names of 1 to 63 lower-case letters, digits, `-` and `_` that begin with a letter";

/// Values by name.
pub type Labels = BTreeMap<String, String>;

/// Validates the labels of a request, and records all violations.
pub fn check(check: &mut Check, labels: &Labels) {
    if labels.len() > LABELS_MAX {
        check.fail("store.labels", format!("must have at most {LABELS_MAX} labels, has {}", labels.len()));
    }
    if !labels.keys().all(|name| is_name(name)) {
        check.fail("store.labels", NAME_RULE);
    }
    for (name, value) in labels.iter().filter(|(name, _)| is_name(name)) {
        let field = format!("store.labels.{name}");
        if value.is_empty() {
            check.fail(&field, "must not be empty");
        }
        check.text(&field, value, LABEL_LENGTH_MAX);
    }
}

/// True for a possible name of a label.
pub fn is_name(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.len() <= LABEL_LENGTH_MAX
        && text.bytes().all(is_inner)
}

/// As `name=value`, in the order of the names.
pub fn texts(labels: &Labels) -> impl Iterator<Item = String> {
    labels.iter().map(|(name, value)| format!("{name}={value}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::DomainError;

    fn fields(labels: &[(&str, &str)]) -> Vec<String> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut violations = Check::default();
        check(&mut violations, &labels);
        match violations.finish(Some(())) {
            Ok(()) => Vec::new(),
            Err(DomainError::Invalid(found)) => found.into_iter().map(|violation| violation.field).collect(),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_and_values_are_checked_together() {
        assert_eq!(fields(&[("env", "prod"), ("cost-center_2", "Tee & Käse")]), Vec::<String>::new());
        assert_eq!(fields(&[("Env", "a"), ("", "b"), ("7", "c")]), ["store.labels"]);
        assert_eq!(fields(&[(&"a".repeat(64), "x")]), ["store.labels"]);
        let long = "x".repeat(64);
        assert_eq!(
            fields(&[("a", ""), ("b", "x\ny"), ("c", &long)]),
            ["a", "b", "c"].map(|it| format!("store.labels.{it}"))
        );
        let many: Vec<_> = (0..65).map(|number| format!("n{number}")).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), "x")).collect();
        assert_eq!(fields(&many), ["store.labels"]);
    }
}
