//! No sessions: their list and end are tested with Postgres.

use super::*;
use crate::ports::Sessions;
use crate::query::SessionQuery;
use crate::session::{RevokeSessions, Session};

#[async_trait::async_trait]
impl Sessions for Memory {
    async fn list(&self, _: &SessionQuery) -> Result<Page<Session>, PortError> {
        Ok(Page { items: Vec::new(), more: false })
    }

    async fn revoke(&self, _: &Caller, _: &RevokeSessions) -> Result<u32, PortError> {
        Ok(0)
    }
}
