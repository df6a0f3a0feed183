//! The outcome of verifying a tenant's hash chain.

use uuid::Uuid;

use crate::wire::wire_enum;

wire_enum! {
    /// What is wrong with a chain.
    pub enum ChainFault {
        /// A record is missing, and later ones exist.
        Missing = "MISSING",
        /// A record's content is not what its hash says.
        Changed = "CHANGED",
        /// Records at the end are missing.
        CutOff = "CUT_OFF",
        /// The record is not the one that the checkpoint signs: the chain was rewritten.
        NotAsSigned = "NOT_AS_SIGNED",
    }
}

impl ChainFault {
    /// One sentence for people.
    pub fn message(self) -> &'static str {
        match self {
            Self::Missing => "a record is missing, although later ones exist",
            Self::Changed => {
                "the record, or one that was rewritten before it, does not have the content that was hashed"
            }
            Self::CutOff => "records at the end are missing",
            Self::NotAsSigned => "the record is not the one that the checkpoint signs: the chain was rewritten",
        }
    }
}

/// The first place where a chain is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenLink {
    /// The sequence.
    pub sequence: i64,
    /// The record there, if there is one.
    pub record: Option<Uuid>,
    /// What is wrong.
    pub fault: ChainFault,
}

/// The outcome of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verification {
    /// Number of records whose place and content were verified.
    pub verified: u64,
    /// Sequence of the first record that is kept; retention removed the ones before it.
    pub first_sequence: i64,
    /// Sequence of the last record.
    pub head_sequence: i64,
    /// Its hash.
    pub head_hash: Vec<u8>,
    /// The first fault; `None` if the chain is intact.
    pub broken: Option<BrokenLink>,
    /// Number of records that are not in the chain, counted up to 100,000: those of before the chain, and refusals that a server of a previous release
    /// counted.
    pub unchained: u64,
    /// The last signed checkpoint, if there is one.
    pub last_checkpoint: Option<String>,
}
