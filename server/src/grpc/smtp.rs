//! Mail servers of stores as messages. The password only comes in.

use storeplane_core::command::SmtpInput;
use storeplane_core::secret::SecretText;
use storeplane_core::smtp::{Encryption, Smtp};
use storeplane_proto::v1;

/// A mail server as received.
pub(super) fn input(smtp: v1::Smtp) -> SmtpInput {
    let v1::Smtp { host, port, encryption, username, from_address, from_name, password, password_set: _ } = smtp;
    let encryption = match v1::SmtpEncryption::try_from(encryption) {
        Ok(v1::SmtpEncryption::Unspecified | v1::SmtpEncryption::Starttls) => Some(Encryption::StartTls),
        Ok(v1::SmtpEncryption::None) => Some(Encryption::None),
        Ok(v1::SmtpEncryption::Tls) => Some(Encryption::Tls),
        Err(_) => None,
    };
    let password = SecretText::new(password);
    SmtpInput { host, port, encryption, username, password, from_address, from_name }
}

/// A mail server message.
pub(super) fn message(smtp: Smtp) -> v1::Smtp {
    v1::Smtp {
        password: String::new(),
        password_set: smtp.has_password(),
        port: smtp.port.into(),
        encryption: match smtp.encryption {
            Encryption::None => v1::SmtpEncryption::None,
            Encryption::StartTls => v1::SmtpEncryption::Starttls,
            Encryption::Tls => v1::SmtpEncryption::Tls,
        }
        .into(),
        host: smtp.host,
        username: smtp.username,
        from_address: smtp.from_address,
        from_name: smtp.from_name,
    }
}
