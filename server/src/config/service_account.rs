//! A `ServiceAccount`, written as `namespace/name`.

use serde::{Deserialize, Serialize};

/// A `ServiceAccount`, written as `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceAccount {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl TryFrom<String> for ServiceAccount {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let parts = text
            .split_once('/')
            .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty() && !name.contains('/'));
        let (namespace, name) = parts.ok_or("must be NAMESPACE/NAME")?;
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

impl From<ServiceAccount> for String {
    fn from(account: ServiceAccount) -> Self {
        format!("{}/{}", account.namespace, account.name)
    }
}
