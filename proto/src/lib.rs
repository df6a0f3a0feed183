//! The API: messages, clients and servers of `storeplane.v1`, generated from the files in `storeplane/v1`.

/// `storeplane.v1`, generated. Its documentation comes from the proto files.
#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::clone_on_ref_ptr,
    clippy::allow_attributes_without_reason,
    unused_qualifications,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("storeplane.v1");
}

/// `grpc.health.v1`, generated.
#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::clone_on_ref_ptr,
    clippy::allow_attributes_without_reason,
    unused_qualifications,
    reason = "generated code"
)]
pub mod health {
    tonic::include_proto!("grpc.health.v1");
}

impl std::fmt::Debug for v1::StoreCredentials {
    /// Omits the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreCredentials").field("username", &self.username).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for v1::CreateTokenResponse {
    /// Omits the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreateTokenResponse").field("token", &self.token).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for v1::RotateTokenResponse {
    /// Omits the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RotateTokenResponse").field("token", &self.token).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for v1::Smtp {
    /// Omits the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Smtp").field("host", &self.host).field("username", &self.username).finish_non_exhaustive()
    }
}

/// The well-known types that the messages use.
pub use prost_types::{Duration, FieldMask, Timestamp};

/// The proto files as a `FileDescriptorSet` with comments, for server reflection and client generators. Includes `grpc.health.v1`.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/storeplane.bin"));
