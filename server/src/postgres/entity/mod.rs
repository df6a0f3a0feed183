//! The tables as sea-orm entities. The parent's `rows` converts them to the domain's types.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::struct_excessive_bools,
    reason = "columns are described in the migration; the derive makes its types pub"
)]

pub(super) mod audit_event;
pub(super) mod backup;
pub(super) mod event;
pub(super) mod operation;
pub(super) mod request;
pub(super) mod revision;
pub(super) mod rollout;
pub(super) mod store;
pub(super) mod tenant;
pub(super) mod token;
