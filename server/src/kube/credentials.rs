//! The domain's port [`Credentials`]: the administrator's login, read on request and not stored, and logins at mail servers, which are written.

use async_trait::async_trait;
use k8s_openapi::ByteString;
use storeplane_core::engine::AdminSecret;
use storeplane_core::error::PortError;
use storeplane_core::ports::{AdminLogin, Credentials};
use storeplane_core::store::Store;

use super::cluster::Cluster;
use super::error::ClusterError;
use super::smtp_login;
use crate::secret::SecretText;

#[async_trait]
impl Credentials for Cluster {
    async fn admin(&self, store: &Store, secret: &AdminSecret) -> Result<Option<AdminLogin>, PortError> {
        self.login(store, secret).await.map_err(ClusterError::into_port)
    }

    async fn store_smtp_login(
        &self,
        store: &Store,
        secret: &str,
        username: &str,
        password: &SecretText,
    ) -> Result<bool, PortError> {
        let login = smtp_login::login_secret(secret, username, password);
        self.create_smtp_login(store, &login).await.map_err(ClusterError::into_port)
    }

    async fn forget_smtp_login(&self, store: &Store, secret: &str) {
        if let Err(error) = self.remove_smtp_login(&store.placement.namespace, secret).await {
            tracing::warn!(store = %store.id, secret, %error, "an unused secret is left until a later update");
        }
    }
}

impl Cluster {
    /// A namespace with that name may not belong to this store: nothing is read there.
    async fn login(&self, store: &Store, secret: &AdminSecret) -> Result<Option<AdminLogin>, ClusterError> {
        let namespace = &store.placement.namespace;
        if !self.is_store_namespace(namespace, store.uid).await? {
            return Ok(None);
        }
        let Some(mut entries) = self.secret_entries(namespace, &secret.secret).await? else { return Ok(None) };
        let mut text = |key: &str| entries.remove(key).and_then(|ByteString(bytes)| String::from_utf8(bytes).ok());
        let (username, password) = (text(&secret.username), text(&secret.password));
        Ok(username.zip(password).map(|(username, password)| AdminLogin { username, password }))
    }
}
