//! Sessions of browsers, as administrators see them.

use time::OffsetDateTime;

use crate::error::DomainError;
use crate::identity::{Credential, Role};
use crate::ids::SessionId;
use crate::validate::Check;

/// Maximum length of a credential's id: an issuer and a subject, in bytes.
const CREDENTIAL_MAX: usize = 2000;

/// A session that has not ended. Without the secret of its cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The id.
    pub id: SessionId,
    /// The actor in the audit log.
    pub name: String,
    /// The role.
    pub role: Role,
    /// What its user authenticated with.
    pub credential: Credential,
    /// When it was begun.
    pub created_at: OffsetDateTime,
    /// When it was last used, to about a minute.
    pub last_used_at: OffsetDateTime,
    /// When it ends if it is not used again.
    pub expires_at: OffsetDateTime,
    /// The address from which it was begun; empty if that is not known.
    pub peer: String,
    /// The user agent that began it.
    pub user_agent: String,
}

/// Which sessions are ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevokeSessions {
    /// One.
    One(SessionId),
    /// All with this [`Credential::id`].
    OfCredential(String),
}

impl RevokeSessions {
    /// Validates the fields of RevokeSessions.
    pub fn check(session_id: &str, credential_id: &str) -> Result<Self, DomainError> {
        let mut check = Check::default();
        let wanted = match (session_id, credential_id) {
            ("", "") => {
                check.fail("session_id", "must be set, or credential_id");
                None
            }
            (_, "") => check.required("session_id", session_id).map(Self::One),
            ("", credential) => {
                if credential.len() > CREDENTIAL_MAX {
                    check.fail("credential_id", format!("must have at most {CREDENTIAL_MAX} bytes"));
                }
                Some(Self::OfCredential(credential.to_owned()))
            }
            _ => {
                check.fail("credential_id", "must not be set together with session_id");
                None
            }
        };
        check.finish(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_field_is_accepted() {
        let id = uuid::Uuid::from_u128(7);
        assert_eq!(RevokeSessions::check(&id.to_string(), ""), Ok(RevokeSessions::One(SessionId(id))));
        let user = "https://id.example.com#7";
        assert_eq!(RevokeSessions::check("", user), Ok(RevokeSessions::OfCredential(user.into())));
        for (session, credential) in [("", ""), ("x", ""), (&*id.to_string(), user), ("", &*"x".repeat(3000))] {
            assert!(RevokeSessions::check(session, credential).is_err(), "{session:?} {credential:?}");
        }
    }
}
