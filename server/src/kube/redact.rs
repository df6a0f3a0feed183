//! Masking what may be secret in text that comes out of a store: log lines, probe answers, termination messages.
//!
//! Two nets: the very values of the store's Secrets, and whatever looks like `password=...`.

use storeplane_core::failure::Failure;

use super::cluster::Cluster;
use crate::secret::SecretText;

const MASK: &str = "***";
/// A shorter value would mask ordinary words ("shop", "admin").
const SHORTEST: usize = 8;
/// A name that ends in one of these has a secret for a value. Lower case, without `-` and `_`.
const TELLING: [&str; 10] =
    ["password", "passwd", "pass", "pwd", "secret", "token", "salt", "apikey", "authkey", "credential"];
/// What databases say about a password instead of saying it: `(using password: YES)`.
const NOT_SECRET: [&str; 2] = ["YES)", "NO)"];

impl Cluster {
    /// The failure with the secrets of a namespace masked; without its details when those cannot be read.
    pub(crate) async fn masked(&self, namespace: &str, failure: Failure) -> Failure {
        Masks::default().failure(self, namespace, failure).await
    }
}

/// What to mask in one namespace. The values are read once, when there is something to mask.
#[derive(Debug, Default)]
pub(super) struct Masks {
    values: Option<Vec<SecretText>>,
}

impl Masks {
    /// The failure with secrets masked; without its details when the secrets cannot be read.
    pub(super) async fn failure(&mut self, cluster: &Cluster, namespace: &str, mut failure: Failure) -> Failure {
        if self.values.is_none() {
            self.values = cluster.secret_texts(namespace).await.ok();
        }
        let values = self.values.as_deref().unwrap_or_default();
        failure.message = mask(&failure.message, values);
        if self.values.is_none() {
            failure.details = vec!["Details are left out: the secrets to mask in them could not be read.".into()];
        }
        failure.details.iter_mut().for_each(|line| *line = mask(line, values));
        failure
    }
}

fn mask(text: &str, values: &[SecretText]) -> String {
    let mut text = text.to_owned();
    for value in values.iter().map(SecretText::expose).filter(|value| value.len() >= SHORTEST) {
        text = text.replace(value, MASK);
    }
    mask_urls(&mask_named(&text))
}

/// `DB_PASSWORD: x`, `"pwd" = 'x'`, `--password x`, `IDENTIFIED BY 'x'`, `Bearer x`.
fn mask_named(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((name, after)) = next_name(rest) {
        let end = rest.len() - after.len();
        out.push_str(rest.get(..end).unwrap_or_default());
        rest = after;
        let Some(start) = value_start(name, rest) else { continue };
        let length = value_length(rest.get(start..).unwrap_or_default());
        let value = rest.get(start..start + length).unwrap_or_default();
        if !value.is_empty() && !NOT_SECRET.contains(&value) {
            out.push_str(rest.get(..start).unwrap_or_default());
            out.push_str(MASK);
            rest = rest.get(start + length..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

/// The next word of letters, digits, `-` and `_`, and what follows it.
fn next_name(text: &str) -> Option<(&str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let start = text.find(is_part)?;
    let from = text.get(start..)?;
    let end = from.find(|c| !is_part(c)).unwrap_or(from.len());
    Some((from.get(..end)?, from.get(end..)?))
}

/// Where the secret begins in what follows the name, if the name announces one.
fn value_start(name: &str, after: &str) -> Option<usize> {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let telling = TELLING.iter().any(|word| plain.ends_with(word));
    let value = after.trim_start_matches(['"', '\'', '\\', ']']).trim_start();
    let announced = value.starts_with('=') || value.starts_with(':');
    let value = match plain.as_str() {
        "bearer" | "basic" => after,
        "by" => after.trim_start().strip_prefix(['\'', '"']).map(|_| after)?,
        _ if telling && announced => value.trim_start_matches(['=', ':', '>']),
        _ if telling && name.starts_with("--") => after,
        _ => return None,
    };
    let value = value.trim_start().trim_start_matches(['"', '\'', '\\']);
    Some(after.len() - value.len())
}

fn value_length(value: &str) -> usize {
    value.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ';' | '\\' | '&')).unwrap_or(value.len())
}

/// `scheme://user:secret@host`.
fn mask_urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'')).unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        match authority.rsplit_once('@').map(|(user, host)| (user.split_once(':'), host)) {
            Some((Some((user, _)), host)) => {
                out.extend([user, ":", MASK, "@", host]);
            }
            _ => out.push_str(authority),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_password_is_masked() {
        for (line, masked) in [
            ("DB_PASSWORD=hunter2 next", "DB_PASSWORD=*** next"),
            ("password: 'hunter 2'", "password: '*** 2'"),
            (r#"{"root-password":"x1","user":"wp"}"#, r#"{"root-password":"***","user":"wp"}"#),
            ("'SECURE_AUTH_SALT' => 'abc def'", "'SECURE_AUTH_SALT' => '*** def'"),
            ("mysql --password hunter2 -h db", "mysql --password *** -h db"),
            ("CREATE USER wp IDENTIFIED BY 'hunter2'", "CREATE USER wp IDENTIFIED BY '***'"),
            ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
            ("mysql://wp:hunter2@store-db:3306/wp", "mysql://wp:***@store-db:3306/wp"),
            ("wp_api_token = \"abc\"", "wp_api_token = \"***\""),
        ] {
            assert_eq!(mask(line, &[]), masked);
        }
    }

    #[test]
    fn ordinary_lines_stay_as_they_are() {
        for line in [
            "Access denied for user 'wp'@'10.0.0.1' (using password: YES)",
            "GET http://store:80/wp-json/wc/store/v1/products 503",
            "exceeded quota: store, requested: limits.memory=2Gi, used: limits.memory=0, limited: limits.memory=1Gi",
            "secret \"store-db\" not found",
            "stopped by the operator",
        ] {
            assert_eq!(mask(line, &[]), line);
        }
    }

    #[test]
    fn the_stores_own_secrets_are_masked_wherever_they_stand() {
        let values = [SecretText::new("c0rrect-horse"), SecretText::new("wp")];
        assert_eq!(mask("wp said c0rrect-horse!", &values), "wp said ***!");
    }
}
