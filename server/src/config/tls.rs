//! `[tls]`: the files of the API's certificate.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::section::Section;

/// `[tls]`. The files are read when the server starts, and again when they change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tls {
    /// The certificate chain in PEM, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
    /// The authorities of clients' certificates, in PEM; default: clients need no certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
    /// Whether a client needs a certificate. Set exactly if `client_ca` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_auth: Option<ClientAuth>,
}

/// Whether a client needs a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// A connection without one is refused.
    Required,
    /// A connection without one is accepted; an invalid one is refused.
    Optional,
}

/// The section; absent without a certificate.
pub(super) fn read(section: &mut Section) -> Option<Tls> {
    // Before they are read: an invalid value is not missing.
    let [has_certificate, has_key, has_ca] = ["certificate", "key", "client_ca"].map(|key| section.has(key));
    let certificate: Option<PathBuf> = section.optional("certificate");
    let key: Option<PathBuf> = section.optional("key");
    let client_ca: Option<PathBuf> = section.optional("client_ca");
    let client_auth: Option<ClientAuth> = section.optional("client_auth");
    if client_auth.is_some() && !has_ca {
        section.fail("client_auth", "needs tls.client_ca");
    }
    let client_auth = client_ca.is_some().then(|| client_auth.unwrap_or(ClientAuth::Required));
    match (has_certificate, has_key) {
        (true, false) => section.fail("key", "is missing: tls.certificate needs it"),
        (false, true) => section.fail("certificate", "is missing: tls.key needs it"),
        (false, false) if has_ca => section.fail("client_ca", "needs tls.certificate and tls.key"),
        _ => {}
    }
    Some(Tls { certificate: certificate?, key: key?, client_ca, client_auth })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ConfigError, Overrides};

    fn parse(file: &str) -> Result<Config, ConfigError> {
        Config::parse(file, &Overrides::default())
    }

    #[test]
    fn combinations_of_keys_are_checked() {
        let pair = "certificate = 'a'\nkey = 'b'\n";
        for (file, problem) in [
            ("[tls]\ncertificate = 'a'".to_owned(), "tls.key"),
            ("[tls]\nkey = 'b'".to_owned(), "tls.certificate"),
            ("[tls]\nclient_ca = 'c'".to_owned(), "tls.client_ca"),
            (format!("[tls]\n{pair}client_auth = 'required'"), "tls.client_auth"),
            (format!("[tls]\n{pair}client_ca = 'c'\nclient_auth = 'maybe'"), "tls.client_auth"),
            (format!("insecure_plaintext = true\n[tls]\n{pair}"), "insecure_plaintext"),
            ("insecure_plaintext = 'perhaps'".to_owned(), "insecure_plaintext"),
        ] {
            let error = parse(&file).expect_err(&file).to_string();
            assert!(error.contains(problem), "{file}: {error}");
        }
        assert_eq!(parse("").expect("good").tls, None);
    }

    #[test]
    fn invalid_value_is_not_reported_as_missing() {
        for (file, key) in [
            ("certificate = 1\nkey = 'b'", "tls.certificate"),
            ("certificate = 'a'\nkey = 1", "tls.key"),
            ("certificate = 'a'\nkey = 'b'\nclient_ca = 1\nclient_auth = 'optional'", "tls.client_ca"),
        ] {
            let error = parse(&format!("[tls]\n{file}")).expect_err(file).to_string();
            assert!(error.contains(&format!("{key}: invalid type")), "{file}: {error}");
            assert_eq!(error.matches("tls.").count(), 1, "{file}: {error}");
        }
    }

    #[test]
    fn client_certificates_are_required_unless_optional() {
        for (line, expected) in [
            ("", None),
            ("client_ca = 'c'", Some(ClientAuth::Required)),
            ("client_ca = 'c'\nclient_auth = 'required'", Some(ClientAuth::Required)),
            ("client_ca = 'c'\nclient_auth = 'optional'", Some(ClientAuth::Optional)),
        ] {
            let config = parse(&format!("[tls]\ncertificate = 'a'\nkey = 'b'\n{line}")).expect("good");
            assert_eq!(config.tls.as_ref().and_then(|tls| tls.client_auth), expected, "{line}");
            let again = parse(&config.print().expect("TOML")).expect("what is printed can be read");
            assert_eq!(again.tls, config.tls, "{line}");
        }
    }

    #[test]
    fn flags_set_every_key() {
        let text = |text: &str| Some(text.to_owned());
        let over = Overrides {
            tls_certificate: text("a"),
            tls_key: text("b"),
            tls_client_ca: text("c"),
            tls_client_auth: text("optional"),
            health_listen: text("0.0.0.0:8081"),
            insecure_plaintext: text("false"),
            connections_max_per_address: text("7"),
            ..Overrides::default()
        };
        let config = Config::parse("insecure_plaintext = true", &over).expect("good");
        let expected = Tls {
            certificate: "a".into(),
            key: "b".into(),
            client_ca: Some("c".into()),
            client_auth: Some(ClientAuth::Optional),
        };
        assert_eq!((config.tls, config.connections.max_per_address), (Some(expected), 7));
        assert_eq!(config.health_listen.map(|address| address.port()), Some(8081));
    }
}
