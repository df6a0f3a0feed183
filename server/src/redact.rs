//! Redaction of text from helm, Kubernetes or shops: the only place that decides what may be shown.
//!
//! Text enters through [`plain`], which removes colours and control characters (Postgres cannot store NUL), and leaves
//! through [`redact`], which masks given values and anything that looks like a secret; in doubt it masks. Mask first
//! and truncate afterwards: a truncated secret no longer looks like one. [`Unmasked`] enforces that order.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use storeplane_core::failure::{DETAIL_LINE_MAX, Failure, Reason, truncate};

/// Replaces masked text.
pub(crate) const MASK: &str = "***";

/// Names that announce a secret.
macro_rules! name {
    () => {
        r"[\w-]*(?:passw|passphrase|pass\b|pwd|secret|token|credential\b|salt|api[_-]?key|private[_-]?key|access[_-]?key|auth[_-]?key|nonce[_-]?key|logged[_-]in[_-]key)[\w-]*"
    };
}

type Replace = fn(&Captures<'_>) -> String;

/// Patterns of secrets, and their replacements.
static RULES: LazyLock<Vec<(Regex, Replace)>> = LazyLock::new(|| {
    let rules: [(&str, Replace); 9] = [
        // PEM blocks, also if their beginning or end is missing.
        (r"(?s)-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|\z)", whole),
        (r"(?m)(?:^[A-Za-z0-9+/=]+[ \r]*\n)*-----END [A-Z0-9 ]+-----", whole),
        (r#"(?i)(\bauthorization["']?\s*[:=]\s*["']?)(?:[a-z]+\s+)?["']?[^\s,;"']+"#, after_first),
        (r#"(?i)(\bbearer\s+["']?)[^\s,;"']{6,}|(\bbasic\s+["']?)[A-Za-z0-9+/=]{8,}"#, after_first),
        // Users and passwords in URLs.
        (r#"(?i)(\b[a-z][a-z0-9+.-]*://)(?:[^\s/:@"']*:[^\s]*@|[^\s/@"']+@)"#, user_info),
        // name=value, name: value, 'name' => 'value', --name value, IDENTIFIED BY 'value'.
        (
            concat!(
                r"(?i)(",
                name!(),
                r#"[\\"']*\]?\s*(?:=>|:=|[:=])\s*)(?:\\"[^"\\]*\\"|"(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;&"'\\:/=][^\s,;&"'\\]*)"#
            ),
            named,
        ),
        (
            concat!(
                r"(?i)(--",
                name!(),
                r#"\s+)(?:"[^"]*"|'[^']*'|[^\s,;"'-]\S*)|(\bidentified\s+by\s+)(?:"[^"]*"|'[^']*')"#
            ),
            after_first,
        ),
        // JSON Web Tokens, and long random words: hashes, keys, base64.
        (r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?", whole),
        (r"(sha256:)?[A-Za-z0-9+/_]{41,}={0,2}", random),
    ];
    rules.into_iter().filter_map(|(pattern, replace)| Some((Regex::new(pattern).ok()?, replace))).collect()
});

fn whole(_: &Captures<'_>) -> String {
    MASK.to_owned()
}

fn after_first(found: &Captures<'_>) -> String {
    let kept = found.get(1).or_else(|| found.get(2)).map_or("", |kept| kept.as_str());
    format!("{kept}{MASK}")
}

fn user_info(found: &Captures<'_>) -> String {
    format!("{}@", after_first(found))
}

/// Databases print `(using password: YES)`.
fn named(found: &Captures<'_>) -> String {
    let all = found.get(0).map_or("", |all| all.as_str());
    if all.ends_with(": YES)") || all.ends_with(": NO)") { all.to_owned() } else { after_first(found) }
}

/// An image digest is not a secret, and neither is a long path.
fn random(found: &Captures<'_>) -> String {
    let all = found.get(0).map_or("", |all| all.as_str());
    let has = |class: fn(&char) -> bool| all.chars().any(|c| class(&c));
    let mixed = has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase) && has(char::is_ascii_digit);
    let hexadecimal = all.chars().all(|c| c.is_ascii_hexdigit());
    if found.get(1).is_none() && (mixed || hexadecimal) { MASK.to_owned() } else { all.to_owned() }
}

/// The text without colours, control characters (except line ends) and bidirectional overrides.
pub(crate) fn plain(text: &str) -> String {
    static COLORS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("\x1b\\[[0-9;?]*[A-Za-z]").ok());
    let text = COLORS.as_ref().map_or(Cow::Borrowed(text), |colors| colors.replace_all(text, ""));
    let kept = text.chars().map(|c| if c == '\t' { ' ' } else { c });
    kept.filter(|c| *c == '\n' || !c.is_control() && !reorders(*c)).collect()
}

fn reorders(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The plain text with `hidden` values, and anything that looks like a secret, masked.
pub(crate) fn redact<'a>(text: &str, hidden: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = plain(text);
    let mut hidden: Vec<&str> = hidden.into_iter().filter(|value| !value.is_empty()).collect();
    // A value may be part of a longer one.
    hidden.sort_by_key(|value| std::cmp::Reverse(value.len()));
    for value in hidden {
        text = text.replace(value, MASK);
    }
    for (rule, replace) in RULES.iter() {
        if let Cow::Owned(masked) = rule.replace_all(&text, replace) {
            text = masked;
        }
    }
    text
}

/// A failure whose texts are neither masked nor truncated. The only way to a [`Failure`] masks first and truncates afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unmasked {
    /// The stable reason.
    pub(crate) reason: Reason,
    /// One sentence.
    pub(crate) message: String,
    /// What was observed, one entry per line.
    pub(crate) details: Vec<String>,
}

impl Unmasked {
    /// Without details.
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), details: Vec::new() }
    }

    /// Adds details.
    pub(crate) fn with_details<T: Into<String>>(mut self, details: impl IntoIterator<Item = T>) -> Self {
        self.details.extend(details.into_iter().map(Into::into));
        self
    }

    /// The failure without details, for when the values to mask are not known.
    pub(crate) fn without_details(mut self, why: &str) -> Self {
        self.details = vec![why.to_owned()];
        self
    }

    /// The failure for display. Details are masked as one text, because a PEM block has many lines.
    pub(crate) fn masked<'a>(&self, hidden: impl IntoIterator<Item = &'a str> + Clone) -> Failure {
        let message = redact(&self.message, hidden.clone()).replace('\n', " ");
        let details = redact(&self.details.join("\n"), hidden);
        let lines = details.lines().map(str::trim_end).filter(|line| !line.is_empty());
        Failure::new(self.reason, truncate(message, DETAIL_LINE_MAX)).with_details(lines)
    }
}

impl From<Failure> for Unmasked {
    fn from(failure: Failure) -> Self {
        Self { reason: failure.reason, message: failure.message, details: failure.details }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rules_are_valid() {
        assert_eq!(RULES.len(), 9);
    }

    #[test]
    fn secrets_are_masked() {
        for (text, shown) in [
            ("password=hunter2 next", "password=*** next"),
            ("MYSQL_ROOT_PASSWORD: hunter2", "MYSQL_ROOT_PASSWORD: ***"),
            ("DB_PASSWORD:hunter2", "DB_PASSWORD:***"),
            (r#"{"password":"hun ter\"2","user":"x"}"#, r#"{"password":***,"user":"x"}"#),
            (r#"{\"root-password\":\"x1\",\"user\":\"wp\"}"#, r#"{\"root-password\":***,\"user\":\"wp\"}"#),
            ("adminPassword = 'a b'", "adminPassword = ***"),
            ("'SECURE_AUTH_SALT' => 'abc def'", "'SECURE_AUTH_SALT' => ***"),
            ("define('NONCE_KEY', x); NONCE_KEY=a8f!x", "define('NONCE_KEY', x); NONCE_KEY=***"),
            ("wp_api_token = \"abc\"", "wp_api_token = ***"),
            ("GET /x?token=abc&y=1", "GET /x?token=***&y=1"),
            ("mysql --password hunter2 -h db", "mysql --password *** -h db"),
            ("CREATE USER wp IDENTIFIED BY 'hunter 2'", "CREATE USER wp IDENTIFIED BY ***"),
            ("Authorization: Bearer abc.def", "Authorization: ***"),
            ("Authorization: Bearer 'abc.def'", "Authorization: ***'"),
            ("sent bearer abc.def, ok", "sent bearer ***, ok"),
            ("x-api-key: 123", "x-api-key: ***"),
            ("https://user:pass@host/path", "https://***@host/path"),
            ("mysql://wp:p@ss/w0rd@store-db:3306/wp", "mysql://***@store-db:3306/wp"),
            ("mysql://wp:p'ss\"w0rd@store-db:3306/wp", "mysql://***@store-db:3306/wp"),
            ("jwt eyJhbGciOi.eyJzdWIi.c2ln end", "jwt *** end"),
            ("data: c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2Vj== end", "data: *** end"),
            ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY----- end", "*** end"),
            ("cut -----BEGIN PRIVATE KEY-----\nMIIE", "cut ***"),
            ("log:\nMIIE\nab==\n-----END PRIVATE KEY-----\nmore", "log:\n***\nmore"),
            ("\x1b[1;31mbell\u{7}\0 and\r\ttab\x1b[0m \u{202e}", "bell and tab "),
        ] {
            assert_eq!(redact(text, []), shown);
        }
    }

    #[test]
    fn ordinary_texts_are_unchanged() {
        for text in [
            r#"secrets "sh.helm.release.v1.store-demo.v1" is forbidden: User "system:anonymous" cannot get resource"#,
            "Error: Kubernetes cluster unreachable: Get \"https://127.0.0.1:6443/version?timeout=32s\": dial tcp",
            "exceeded quota: small, requested: pods=1, used: pods=10, limited: pods=10",
            "Secret \"store-db\" not found in namespace store-demo, uid 01890000-0000-7000-8000-000000000000",
            "Access denied for user 'wp'@'10.0.0.1' (using password: YES)",
            "GET http://store:80/wp-json/wc/store/v1/products 503",
            "no basic auth credentials",
            "execution error at (woocommerce/templates/secrets.yaml:3:4): a name is missing",
            "shop@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            "/var/www/html/wordpress/wordpress/includes/functions.php",
            "stopped by the operator",
        ] {
            assert_eq!(redact(text, []), text);
        }
    }

    #[test]
    fn given_values_are_masked_longest_first() {
        assert_eq!(redact("at 'Ann’s Shop <b>' x", ["Ann’s Shop", ""]), "at '*** <b>' x");
        assert_eq!(redact("c0rrect-horse said c0rrect", ["c0rrect", "c0rrect-horse"]), "*** said ***");
    }

    #[test]
    fn failure_is_masked_before_truncation() {
        let secret = "c0rrect-horse-battery";
        let long = format!("{}{secret}", "x".repeat(DETAIL_LINE_MAX - 8));
        let pem = ["-----BEGIN EC PRIVATE KEY-----", "MHcCAQEE", "-----END EC PRIVATE KEY-----", "bye"];
        let failure = Unmasked::new(Reason::CrashLoop, long.clone()).with_details([long.as_str()]).with_details(pem);
        let shown = failure.masked([secret]);
        assert!(!format!("{shown:?}").contains("c0rr"), "{shown:?}");
        assert_eq!(shown.details.get(1..), Some(&["***".to_owned(), "bye".to_owned()][..]));
    }

    mod fuzz {
        use proptest::prelude::*;
        use storeplane_fuzz::{Outcome, check};

        use super::super::{plain, redact};

        /// A secret, and a line of a log around it, which may announce it.
        fn lines() -> impl Strategy<Value = (bool, String, String)> {
            let announced = prop::sample::select(vec![
                "password=",
                "DB_PASSWORD: ",
                "--password ",
                "\"token\": ",
                "Authorization: Bearer ",
                "api_key=",
                "AUTH_SALT => ",
                "https://user:",
                "IDENTIFIED BY ",
                "",
            ]);
            let secret = "[a-z]{4}[0-9]{4}[A-Z]{4}";
            (announced, secret, "\\PC{0,30}", "\\PC{0,30}", any::<bool>()).prop_map(
                |(name, secret, before, after, quoted)| {
                    let quote = if quoted || name == "IDENTIFIED BY " { "'" } else { "" };
                    let end = if name.starts_with("https") { "@host/" } else { " " };
                    let line = format!("{before} {name}{quote}{secret}{quote}{end}{after}");
                    (!name.is_empty(), secret, line)
                },
            )
        }

        #[test]
        fn announced_and_known_secrets_are_masked_in_any_line() {
            check("log line", &lines(), |(announced, secret, line)| {
                let known = redact(&line, [secret.as_str()]);
                prop_assert!(!known.contains(&secret), "{known}");
                prop_assert!(known.len() <= 4 * line.len() + 16, "{} bytes became {}", line.len(), known.len());
                prop_assert_eq!(plain(&known), known.clone(), "nothing is left that a terminal obeys");
                let masked = !redact(&line, []).contains(&secret);
                prop_assert!(masked || !announced, "{line}");
                Ok(if masked { Outcome::Refused } else { Outcome::Accepted })
            });
        }

        #[test]
        fn arbitrary_text_becomes_plain() {
            check("terminal text", &any::<String>(), |text| {
                let clean = redact(&text, []);
                prop_assert!(!clean.chars().any(|c| c != '\n' && c.is_control()), "{clean:?}");
                Ok(if clean == text { Outcome::Accepted } else { Outcome::Refused })
            });
        }
    }
}
