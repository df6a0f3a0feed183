//! Why a store cannot have a domain.

/// Why a store cannot have a domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreDomainError {
    /// The store has it already.
    #[error("the store has the domain {name} already")]
    AlreadyExists {
        /// The domain.
        name: String,
    },
    /// The store has as many as it may.
    #[error("a store may have {max} domains; delete one that is not needed")]
    LimitExceeded {
        /// The limit.
        max: u32,
    },
    /// The engine's chart has no values for domains.
    #[error(
        "the chart of engine {engine} in version {version} does not support domains: its storeplane.yaml has no `domains: true`"
    )]
    Unsupported {
        /// The engine.
        engine: String,
        /// The version of its chart.
        version: String,
    },
}

impl StoreDomainError {
    /// The stable reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::AlreadyExists { .. } => "DOMAIN_ALREADY_EXISTS",
            Self::LimitExceeded { .. } => "DOMAIN_LIMIT_EXCEEDED",
            Self::Unsupported { .. } => "DOMAINS_UNSUPPORTED",
        }
    }
}
