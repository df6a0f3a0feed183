//! Lists and ends the sessions of browsers of the caller's tenant.

use super::Service;
use crate::audit::Action;
use crate::error::PortError;
use crate::identity::Caller;
use crate::query::{Page, SessionQuery};
use crate::session::{RevokeSessions, Session};

impl Service {
    /// A page of sessions.
    pub async fn sessions(&self, query: &SessionQuery) -> Result<Page<Session>, PortError> {
        self.sessions.list(query).await
    }

    /// Ends one session, or all of one credential. Returns their number.
    pub async fn revoke_sessions(
        &self,
        caller: &Caller,
        session_id: &str,
        credential_id: &str,
    ) -> Result<u32, PortError> {
        let asked = if session_id.is_empty() { credential_id } else { session_id };
        let result = async {
            let command = RevokeSessions::check(session_id, credential_id)?;
            self.sessions.revoke(caller, &command).await
        };
        self.audited(caller, Action::RevokeSessions, asked, result.await).await
    }
}
