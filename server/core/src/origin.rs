//! Where a request came from.

use std::net::IpAddr;

use crate::failure::truncate;

/// Maximum length of a user agent, in bytes.
const USER_AGENT_MAX: usize = 200;
/// Maximum length of a request id that a caller chose.
const REQUEST_ID_MAX: usize = 64;

/// Where a request came from, from its connection and its metadata. Only `peer` is evidence: callers choose the rest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The caller's address: that of the connection, or, behind trusted proxies, the one that they name. `None` for what
    /// has no connection.
    pub peer: Option<IpAddr>,
    /// The user agent; empty if there is none.
    pub user_agent: String,
    /// The id of the trace, 32 hexadecimal digits; empty if there is none.
    pub trace_id: String,
    /// Identifies the request in log and audit log.
    pub request_id: String,
}

impl Origin {
    /// A user agent as it is recorded: one line, without characters that change how the rest is displayed.
    pub fn user_agent(text: &str) -> String {
        truncate(text.trim().replace(is_deceptive, "\u{fffd}"), USER_AGENT_MAX)
    }

    /// The address as text; empty if there is none.
    pub fn peer_text(&self) -> String {
        self.peer.map(|peer| peer.to_string()).unwrap_or_default()
    }

    /// A request id chosen by a caller, if it can be recorded as it is.
    pub fn request_id(text: &str) -> Option<String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/=+".contains(&byte);
        let good = (1..=REQUEST_ID_MAX).contains(&text.len()) && text.bytes().all(allowed);
        good.then(|| text.to_owned())
    }
}

/// Control characters, and those that reorder or hide the text around them: bidirectional overrides and isolates, line and
/// paragraph separators, and characters without width.
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_agent_is_one_short_line_that_displays_as_it_is() {
        assert_eq!(Origin::user_agent(" grpcurl/1.9 grpc-go/1.57 "), "grpcurl/1.9 grpc-go/1.57");
        assert_eq!(Origin::user_agent("a\r\nb\u{1b}[2Jc\u{202e}d\u{2066}e\u{200b}"), "a��b�[2Jc�d�e�");
        let long = Origin::user_agent(&"é".repeat(USER_AGENT_MAX));
        assert!(long.len() <= USER_AGENT_MAX && long.starts_with("éé"), "{long}");
    }

    #[test]
    fn request_id_is_kept_only_if_it_is_harmless() {
        for good in ["a", "0b5c5f9e-1111-4222-8333-444455556666", "Root=1-67891233-abcdef012345678912345678"] {
            assert_eq!(Origin::request_id(good).as_deref(), Some(good));
        }
        for bad in ["", "a b", "a\nb", "é", "\u{202e}a", &"x".repeat(REQUEST_ID_MAX + 1)] {
            assert_eq!(Origin::request_id(bad), None, "{bad:?}");
        }
    }
}
