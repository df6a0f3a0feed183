//! The server address and credentials that every example needs.

use clap::Args;
use storeplane_client::Client;

#[derive(Args)]
pub(crate) struct Access {
    /// The server's address.
    #[arg(long, env = "STOREPLANE_ADDR")]
    addr: String,
    /// A token; prefer the environment variable.
    #[arg(long, env = "STOREPLANE_TOKEN", hide_env_values = true, allow_hyphen_values = true)]
    token: String,
    /// Certificate authority (PEM file) to verify the server with; default: the system's authorities.
    #[arg(long, env = "STOREPLANE_CA")]
    ca: Option<std::path::PathBuf>,
    /// Client certificate (PEM file), for a server that asks for one.
    #[arg(long, env = "STOREPLANE_CERTIFICATE", requires = "key")]
    certificate: Option<std::path::PathBuf>,
    /// The client certificate's key (PEM file).
    #[arg(long, env = "STOREPLANE_KEY", requires = "certificate")]
    key: Option<std::path::PathBuf>,
    /// Send the token unencrypted to another machine: something else encrypts the connection.
    #[arg(long)]
    insecure_plaintext: bool,
}

impl Access {
    pub(crate) fn client(&self) -> Result<Client, Box<dyn std::error::Error>> {
        let connect = Client::to(&self.addr).token(&self.token);
        let connect = match &self.ca {
            Some(file) => connect.authority(std::fs::read(file)?),
            None => connect,
        };
        let connect = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => connect.identity(std::fs::read(certificate)?, std::fs::read(key)?),
            _ => connect,
        };
        let connect = if self.insecure_plaintext { connect.insecure_plaintext() } else { connect };
        Ok(connect.client()?)
    }
}

/// The state as displayed.
pub(crate) fn state(store: &storeplane_client::v1::Store) -> &'static str {
    store.state().as_str_name().trim_start_matches("STORE_STATE_")
}
