//! What may be shown of helm's output: text without control characters, secrets, values and our own folders.

use std::sync::LazyLock;

use regex::Regex;

/// What stands for something that is not shown.
pub(super) const MASK: &str = "***";

/// Names that speak of secrets.
macro_rules! names {
    () => {
        r"[\w.-]*(?:passw|pwd|passphrase|secret|token|api[_-]?key|private[_-]?key|access[_-]?key|auth|salt)[\w.-]*"
    };
}

/// Patterns of what could be a secret, and what is left of it. They rather hide too much.
static PATTERNS: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        (r"(?s)-----BEGIN [A-Z ]+-----.*?(-----END [A-Z ]+-----|\z)", MASK),
        // Authorization headers.
        (r"(?i)\b(bearer|basic)\s+[^\s,;]+", "$1 ***"),
        // Addresses with a user in front.
        (r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@]+@", "$1***@"),
        // name=value and name: value for names that speak of secrets, in quotes first.
        (concat!(r"(?i)\b(", names!(), r#"["']?\s*[:=]\s*)("(?:[^"\\]|\\.)*"|'[^']*')"#), "$1***"),
        (concat!(r"(?i)\b(", names!(), r#"(?:=|:\s)\s*)[^\s,;"']+"#), "$1***"),
        // JSON web tokens, and anything long without a pause: hashes, keys, base64.
        (r"\beyJ[\w-]+\.[\w-]+(\.[\w-]*)?", MASK),
        (r"[A-Za-z0-9+/_]{41,}={0,2}", MASK),
    ]
    .into_iter()
    .filter_map(|(pattern, left)| Some((Regex::new(pattern).ok()?, left)))
    .collect()
});

/// Masks what looks like a secret, and the texts of `hidden` wherever they stand.
pub(super) fn redact<'a>(text: &str, hidden: impl IntoIterator<Item = &'a str>) -> String {
    let mut clean: String = strip_colors(text).chars().filter(|c| *c == '\n' || !c.is_control()).collect();
    for value in hidden {
        clean = clean.replace(value, MASK);
    }
    for (pattern, left) in PATTERNS.iter() {
        clean = pattern.replace_all(&clean, *left).into_owned();
    }
    clean
}

fn strip_colors(text: &str) -> String {
    static COLORS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("\x1b\\[[0-9;?]*[A-Za-z]").ok());
    COLORS.as_ref().map_or_else(|| text.to_owned(), |colors| colors.replace_all(text, "").into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_patterns_are_valid() {
        assert_eq!(PATTERNS.len(), 7);
        assert_eq!(strip_colors("\x1b[1;31mred\x1b[0m"), "red");
    }

    #[test]
    fn secrets_are_masked() {
        for (text, shown) in [
            ("password=hunter2 next", "password=*** next"),
            ("MYSQL_ROOT_PASSWORD: hunter2", "MYSQL_ROOT_PASSWORD: ***"),
            (r#"{"password":"hun ter\"2","user":"x"}"#, r#"{"password":***,"user":"x"}"#),
            ("adminPassword = 'a b'", "adminPassword = ***"),
            ("Authorization: Bearer abc.def", "Authorization: *** ***"),
            ("sent bearer abc.def, ok", "sent bearer ***, ok"),
            ("x-api-key: 123", "x-api-key: ***"),
            ("AUTH_SALT=a8f!x", "AUTH_SALT=***"),
            ("https://user:pass@host/path", "https://***@host/path"),
            ("jwt eyJhbGciOi.eyJzdWIi.c2ln end", "jwt *** end"),
            ("data: c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2Vj== end", "data: *** end"),
            ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY----- end", "*** end"),
            ("cut -----BEGIN PRIVATE KEY-----\nMIIE", "cut ***"),
            ("bell\u{7} and\r return", "bell and return"),
        ] {
            assert_eq!(redact(text, []), shown);
        }
    }

    #[test]
    fn helms_own_words_are_not() {
        for text in [
            r#"secrets "sh.helm.release.v1.store-demo.v1" is forbidden: User "system:anonymous" cannot get resource"#,
            "Error: Kubernetes cluster unreachable: Get \"https://127.0.0.1:6443/version?timeout=32s\": dial tcp",
            "exceeded quota: small, requested: pods=1, used: pods=10, limited: pods=10",
            "Secret \"store-db\" not found in namespace store-demo, uid 01890000-0000-7000-8000-000000000000",
        ] {
            assert_eq!(redact(text, []), text);
        }
    }

    #[test]
    fn given_values_are_masked_wherever_they_stand() {
        assert_eq!(redact("at 'Ann’s Shop <b>' x", ["Ann’s Shop"]), "at '*** <b>' x");
    }
}
