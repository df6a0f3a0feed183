//! The mail server of a store. Its password is not stored here: settings name the Secret that holds it, one for each password, so that a former
//! setting has its former password.

use serde::{Deserialize, Serialize};

use crate::wire::wire_enum;

wire_enum! {
    /// How the connection to a mail server is encrypted.
    #[derive(Default)]
    pub enum Encryption {
        /// Not at all.
        None = "NONE",
        /// From the command STARTTLS on. A server that does not offer it gets no mail.
        #[default]
        StartTls = "STARTTLS",
        /// From the beginning.
        Tls = "TLS",
    }
}

impl Encryption {
    /// The port of servers that are named without one.
    pub(crate) fn default_port(self) -> u16 {
        match self {
            Self::None => 25,
            Self::StartTls => 587,
            Self::Tls => 465,
        }
    }
}

/// A mail server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smtp {
    /// A host name, or an IPv4 address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub encryption: Encryption,
    /// The user name; empty if the shop sends without authentication.
    pub username: String,
    /// The sender's address; empty for the administrator's.
    pub from_address: String,
    /// The sender's name; empty for the shop's own setting.
    pub from_name: String,
    /// The Secret in the store's namespace with user name and password; empty if there is no user name.
    pub secret: String,
}

impl Smtp {
    /// With what the names of such Secrets begin.
    pub const SECRET_PREFIX: &'static str = "store-smtp-";

    /// True if it has a password.
    pub fn has_password(&self) -> bool {
        !self.secret.is_empty()
    }

    /// True if a password of this server may be sent to the other one.
    pub(crate) fn sends_password_like(&self, other: &Self) -> bool {
        let parts = |it: &Self| (it.host.clone(), it.port, it.encryption, it.username.clone());
        parts(self) == parts(other)
    }
}

/// Name and value of each setting, for events and previews.
pub fn texts(smtp: Option<&Smtp>) -> [(&'static str, String); 6] {
    let text = |text: fn(&Smtp) -> String| smtp.map(text).unwrap_or_default();
    [
        ("smtp.host", text(|it| it.host.clone())),
        ("smtp.port", text(|it| it.port.to_string())),
        ("smtp.encryption", text(|it| it.encryption.as_str().to_owned())),
        ("smtp.username", text(|it| it.username.clone())),
        ("smtp.from_address", text(|it| it.from_address.clone())),
        ("smtp.from_name", text(|it| it.from_name.clone())),
    ]
}

/// The password, as a change of it is shown; `None` if it is the same.
pub fn password_change(before: Option<&Smtp>, after: Option<&Smtp>) -> Option<(&'static str, &'static str)> {
    let secret = |smtp: Option<&Smtp>| smtp.map(|smtp| smtp.secret.clone()).unwrap_or_default();
    match (secret(before), secret(after)) {
        (before, after) if before == after => None,
        (before, _) if before.is_empty() => Some(("", "set")),
        (_, after) if after.is_empty() => Some(("set", "")),
        _ => Some(("set", "changed")),
    }
}
