//! The calls for sessions of browsers, which require the role admin.

use storeplane_proto::v1;
use tonic::Response;

use crate::client::{Client, patiently};
use crate::error::Error;

impl Client {
    /// A page of sessions that have not ended, newest first.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for an invalid page token.
    pub async fn list_sessions(&self, request: v1::ListSessionsRequest) -> Result<v1::ListSessionsResponse, Error> {
        let call = || {
            let (mut sessions, request) = (self.sessions.clone(), request.clone());
            async move { sessions.list_sessions(request).await.map(Response::into_inner) }
        };
        patiently(call).await
    }

    /// Ends a session. Returns false if it had ended, or there is none.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for a malformed id, `PERMISSION_DENIED` above the caller's role.
    pub async fn revoke_session(&self, session_id: &str) -> Result<bool, Error> {
        let session_id = session_id.to_owned();
        let request = v1::RevokeSessionsRequest { session_id, ..v1::RevokeSessionsRequest::default() };
        self.revoke_sessions(request).await.map(|ended| ended > 0)
    }

    /// Ends all sessions of one user or token, by the `credential_id` of a session or an audit record. Returns their number.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for an empty id, `PERMISSION_DENIED` above the caller's role.
    pub async fn revoke_sessions_of(&self, credential_id: &str) -> Result<i32, Error> {
        let credential_id = credential_id.to_owned();
        self.revoke_sessions(v1::RevokeSessionsRequest { credential_id, ..v1::RevokeSessionsRequest::default() }).await
    }

    async fn revoke_sessions(&self, request: v1::RevokeSessionsRequest) -> Result<i32, Error> {
        let call = || {
            let (mut sessions, request) = (self.sessions.clone(), request.clone());
            async move { sessions.revoke_sessions(request).await.map(|response| response.into_inner().revoked_count) }
        };
        patiently(call).await
    }
}
