//! Stores logins at mail servers in the cluster, before the settings that name them are stored in the database.

use super::Service;
use crate::command::{StoreCommand, StoreUpdate};
use crate::error::{DomainError, PortError};
use crate::identity::Caller;
use crate::secret::SecretText;
use crate::smtp::Smtp;
use crate::store::Store;
use crate::transition::Decision;
use crate::transition::preview::Preview;

/// A new login, and the name of its Secret.
pub(super) struct NewLogin {
    secret: String,
    username: String,
    password: SecretText,
}

impl Service {
    /// Names the Secret of a new password.
    pub(super) fn name_login(&self, wanted: &mut StoreUpdate) -> Option<NewLogin> {
        let change = wanted.smtp.as_mut()?;
        let (username, password) = change.login()?;
        let secret = format!("{}{}", Smtp::SECRET_PREFIX, self.ids.uuid().simple());
        let login = NewLogin { secret, username: username.to_owned(), password: password.clone() };
        change.name_secret(login.secret.clone());
        Some(login)
    }

    /// Changes a store whose new settings name the Secret of this login. A refused change leaves no Secret; if it remains unknown whether the change
    /// was stored, an unused one is removed by a later update.
    pub(super) async fn change_with_login(
        &self,
        caller: &Caller,
        command: StoreCommand,
        transition: &Decision<'_>,
        login: NewLogin,
    ) -> Result<(Store, Option<Preview>), PortError> {
        let NewLogin { secret, username, password } = &login;
        let snapshot = self.snapshot(caller, &command.target).await?;
        let before = snapshot.store.clone();
        if let Err(refusal) = transition(snapshot) {
            // It is not decided again, or a change that is accepted now would name a Secret that does not exist. The same request may have
            // been accepted before.
            let refuse = |_| Err(refusal.clone());
            return self.change_or_preview(caller, command, (&refuse, None), false).await;
        }
        if !self.credentials.store_smtp_login(&before, secret, username, password).await? {
            let rule = "cannot be stored: the store has no namespace; RetryStore creates it";
            return Err(DomainError::field("store.smtp.password", rule).into());
        }
        let result = self.change_or_preview(caller, command, (transition, None), false).await;
        let is_unused = match &result {
            Ok((store, _)) => store.spec.smtp.as_ref().is_none_or(|smtp| smtp.secret != *secret),
            Err(error) => matches!(error, PortError::Refused(_)),
        };
        if is_unused {
            self.credentials.forget_smtp_login(&before, secret).await;
        }
        result
    }
}
