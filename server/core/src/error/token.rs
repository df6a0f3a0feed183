//! Why a token cannot be created or rotated.

use crate::ids::TokenId;

/// Why a token cannot be created or rotated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The name is that of a valid token.
    #[error("a valid token of this tenant has the name \"{name}\"; names differ not only in case")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// A repeated request would have to show a secret again.
    #[error(
        "this request was executed before, for token {token}; its secret was returned then and is not stored. Rotate the token for a new one"
    )]
    SecretAlreadyShown {
        /// The token.
        token: TokenId,
    },
    /// Only a valid token is rotated.
    #[error("token {token} is {state} and cannot be rotated")]
    NotValid {
        /// The token.
        token: TokenId,
        /// Its state.
        state: &'static str,
    },
}

impl TokenError {
    /// The stable reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NameTaken { .. } => "TOKEN_NAME_TAKEN",
            Self::SecretAlreadyShown { .. } => "SECRET_ALREADY_SHOWN",
            Self::NotValid { .. } => "TOKEN_NOT_VALID",
        }
    }
}
