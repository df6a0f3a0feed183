//! What is secret, in which forms it is searched, and where it may be.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Of each form this many characters are searched: enough to be unique.
const SEARCHED: usize = 30;

/// Where a known value may be, and why. Name and place are prefixes.
const ALLOWED: [(&str, &str, &str); 3] = [
    (
        "database password",
        "environment of the server",
        "the configuration; helm and supervisors get another environment",
    ),
    ("cursor key", "table server_keys", "the servers of a database share it"),
    ("default audit key", "table server_keys", "used unless a file with another key is configured"),
];

/// A value that must not be found.
pub(super) struct Secret {
    pub(super) name: String,
    value: Vec<u8>,
}

impl Secret {
    pub(super) fn new(name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        let secret = Self { name: name.into(), value: value.into() };
        assert!(secret.value.len() >= 12, "{} is too short to be searched", secret.name);
        secret
    }

    /// The value as it may be written. The hash is one that nobody has a reason to keep: anyone could check a guess with it.
    pub(super) fn forms(&self) -> Vec<(&'static str, String)> {
        let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        let hash = ring::digest::digest(&ring::digest::SHA256, &self.value);
        let url: String = url::form_urlencoded::byte_serialize(&self.value).collect();
        let decimal: Vec<_> = self.value.iter().map(ToString::to_string).collect();
        // Within a longer base64 text it may begin at one of three places of a group.
        let within =
            |before: usize| STANDARD_NO_PAD.encode([&vec![0; before], self.value.as_slice()].concat())[4..].to_owned();
        let mut forms = vec![
            ("base64", STANDARD_NO_PAD.encode(&self.value)),
            ("base64 after one byte", within(1)),
            ("base64 after two bytes", within(2)),
            ("decimal bytes", decimal.join(", ")),
            ("base64 for URLs", URL_SAFE_NO_PAD.encode(&self.value)),
            ("hexadecimal", hex(&self.value)),
            ("URL encoding", url.clone()),
            ("percent encoding", url.replace('+', "%20")),
            ("SHA-256", hex(hash.as_ref())),
        ];
        forms.extend(String::from_utf8(self.value.clone()).ok().map(|text| ("plain", text)));
        for (_, form) in &mut forms {
            if form.len() > SEARCHED {
                form.truncate(SEARCHED);
            }
        }
        forms
    }

    fn may_be_in(&self, place: &str) -> bool {
        ALLOWED.iter().any(|(name, allowed, _)| self.name.starts_with(name) && place.starts_with(allowed))
    }
}

/// Everything that was written somewhere, by the place's name.
pub(super) type Places = Vec<(String, String)>;

/// What was found where it must not be.
pub(super) fn leaks(secrets: &[Secret], places: &Places) -> Vec<String> {
    let mut found = Vec::new();
    for secret in secrets {
        let forms = secret.forms();
        for (place, text) in places.iter().filter(|(place, _)| !secret.may_be_in(place)) {
            for (form, value) in &forms {
                if let Some(at) = text.find(value.as_str()) {
                    found.push(format!("{} ({form}) is in {place}: {}", secret.name, around(text, at)));
                }
            }
        }
    }
    found
}

/// The text before a position, which shows who wrote it.
fn around(text: &str, at: usize) -> String {
    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
    text[line..at].chars().take(400).collect()
}
