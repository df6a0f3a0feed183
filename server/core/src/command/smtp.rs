//! UpdateStore of the mail server: as received, and after validation.

use std::net::Ipv4Addr;

use crate::secret::SecretText;
use crate::smtp::{Encryption, Smtp};
use crate::validate::Check;

/// Maximum length of a user name and of a password, in bytes.
const LOGIN_MAX: usize = 255;
/// Maximum length of the sender's name, in characters.
const FROM_NAME_MAX: usize = 80;
/// Maximum lengths of a host name and of its labels, in bytes (RFC 1035).
const HOST_MAX: usize = 253;
const LABEL_MAX: usize = 63;

/// A mail server as received.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SmtpInput {
    /// Its host name.
    pub host: String,
    /// Its port; 0 for the usual one.
    pub port: i32,
    /// The encryption; `None` if the value is unknown.
    pub encryption: Option<Encryption>,
    /// The user name.
    pub username: String,
    /// The password; empty to keep it.
    pub password: SecretText,
    /// The sender's address.
    pub from_address: String,
    /// The sender's name.
    pub from_name: String,
}

/// A wanted change of the mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SmtpChange {
    /// To that of the engine's values.
    Remove,
    /// To this one. Without a password, the store's is kept.
    Set(Smtp, Option<SecretText>),
}

impl SmtpInput {
    /// Validates it and reports all violations. `None` or an empty message removes the mail server.
    pub fn check(input: Option<&Self>, check: &mut Check) -> SmtpChange {
        match input {
            Some(input) if input.is_set() => input.check_server(check),
            _ => SmtpChange::Remove,
        }
    }

    fn is_set(&self) -> bool {
        // An unspecified encryption is the default one.
        *self != Self { encryption: Some(Encryption::default()), ..Self::default() }
    }

    fn check_server(&self, check: &mut Check) -> SmtpChange {
        if !is_host(&self.host) {
            check.fail(
                "store.smtp.host",
                "must be a host name in lower case such as smtp.example.com, or an IPv4 address that is not loopback, link-local or multicast",
            );
        }
        let encryption = self.encryption.unwrap_or_else(|| {
            check.fail("store.smtp.encryption", "must be NONE, STARTTLS or TLS");
            Encryption::default()
        });
        let port = match u16::try_from(self.port) {
            Ok(0) => encryption.default_port(),
            Ok(port) => port,
            Err(_) => {
                check.fail("store.smtp.port", "must be 1 to 65535, or 0 for 587, with TLS 465, with NONE 25");
                0
            }
        };
        for (field, text) in [("username", self.username.as_str()), ("password", self.password.expose())] {
            if text.len() > LOGIN_MAX || text.chars().any(char::is_control) {
                let rule = format!("must be at most {LOGIN_MAX} bytes without control characters");
                check.fail(&format!("store.smtp.{field}"), rule);
            }
        }
        if self.username.is_empty() && !self.password.is_empty() {
            check.fail("store.smtp.username", "must be given with a password");
        }
        if !self.from_address.is_empty() {
            check.email("store.smtp.from_address", &self.from_address);
        }
        check.text("store.smtp.from_name", &self.from_name, FROM_NAME_MAX);
        let smtp = Smtp {
            host: self.host.clone(),
            port,
            encryption,
            username: self.username.clone(),
            from_address: self.from_address.clone(),
            from_name: self.from_name.clone(),
            secret: String::new(),
        };
        SmtpChange::Set(smtp, Some(self.password.clone()).filter(|password| !password.is_empty()))
    }
}

impl SmtpChange {
    /// User name and password, if there is a new password.
    pub fn login(&self) -> Option<(&str, &SecretText)> {
        match self {
            Self::Set(smtp, Some(password)) => Some((&smtp.username, password)),
            Self::Set(_, None) | Self::Remove => None,
        }
    }

    /// With the name of the Secret that gets the new password.
    pub fn name_secret(&mut self, name: String) {
        if let Self::Set(smtp, Some(_)) = self {
            smtp.secret = name;
        }
    }

    /// The store's mail server after the change. A password is kept only for the server that it was given for, so that nobody can send it elsewhere.
    pub fn apply(&self, check: &mut Check, before: Option<&Smtp>) -> Option<Smtp> {
        let Self::Set(smtp, password) = self else { return None };
        let mut smtp = smtp.clone();
        if password.is_none() && !smtp.username.is_empty() {
            match before.filter(|before| before.has_password() && before.sends_password_like(&smtp)) {
                Some(before) => smtp.secret.clone_from(&before.secret),
                None => check.fail(
                    "store.smtp.password",
                    "must be given with a username, unless host, port, encryption and username are unchanged",
                ),
            }
        }
        Some(smtp)
    }

    /// For the fingerprint of a request. A hash of the password could be guessed, so that it is left out.
    pub(crate) fn field(&self) -> String {
        match self {
            Self::Remove => "smtp=".to_owned(),
            Self::Set(smtp, password) => {
                let smtp = Smtp { secret: String::new(), ..smtp.clone() };
                format!("smtp={} password={}", serde_json::json!(smtp), password.is_some())
            }
        }
    }
}

/// A name with a dot, or an IPv4 address that a mail server can have. Where a shop may connect to is decided by its network policy.
fn is_host(text: &str) -> bool {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        let is_impossible = address.is_loopback()
            || address.is_link_local()
            || address.is_multicast()
            || address.is_unspecified()
            || address.is_broadcast();
        return !is_impossible;
    }
    let label = |label: &str| {
        let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=LABEL_MAX).contains(&label.len())
            && label.bytes().all(is_inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= HOST_MAX
        && text.contains('.')
        && text.split('.').all(label)
        && last != "localhost"
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
