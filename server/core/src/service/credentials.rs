//! Reads shops' logins.

use super::Service;
use crate::audit::Action;
use crate::command::StoreRef;
use crate::error::{DomainError, PortError};
use crate::identity::Caller;
use crate::ports::AdminLogin;
use crate::store::{State, Store};

impl Service {
    /// Returns the administrator's login of a store, read from the cluster. The audit record is stored before the caller gets
    /// the answer.
    pub async fn credentials(&self, caller: &Caller, wanted: StoreRef) -> Result<(Store, AdminLogin), PortError> {
        let asked = wanted.id.to_string();
        let result = self.read_credentials(caller, wanted).await;
        let (store, login) = self.audited(caller, Action::ReadCredentials, &asked, result).await?;
        let mut record = self.request(caller, None).record(Action::ReadCredentials, &asked);
        record.store = Some(store.uid);
        self.stores.record(record).await?;
        Ok((store, login))
    }

    async fn read_credentials(&self, caller: &Caller, wanted: StoreRef) -> Result<(Store, AdminLogin), PortError> {
        let found = self.stores.find(&caller.access, &wanted).await?;
        let store = found.ok_or_else(|| DomainError::NotFound { kind: "store", name: wanted.id.to_string() })?;
        let state = store.state;
        let missing = || PortError::from(DomainError::CredentialsNotThere { state });
        if !matches!(state, State::Ready | State::Degraded | State::Failed) {
            return Err(missing());
        }
        let engine = self.catalog.installed_or_default(&store.spec.engine, &store.versions);
        let secret = engine.and_then(|engine| engine.credentials.as_ref()).ok_or_else(missing)?;
        let login = self.credentials.admin(&store, secret).await?.ok_or_else(missing)?;
        Ok((store, login))
    }
}
