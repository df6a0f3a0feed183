//! `token create`, `token list`, `token revoke`.

use std::fmt::Write;
use std::sync::Arc;

use clap::{Subcommand, ValueEnum};
use storeplane_core::identity::Role;
use storeplane_core::ids::{Tenant, TokenId};
use time::format_description::well_known::Rfc3339;

use super::{Failure, print};
use crate::config::Config;
use crate::postgres::{self, Tokens};
use crate::system::{RandomIds, SystemClock};

/// The actor in the audit log.
const ACTOR: &str = "command line";
/// Maximum length of a token's name, in characters.
const NAME_MAX: usize = 80;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Creates a token and prints only its secret, which cannot be shown again.
    Create {
        /// The tenant whose stores it can access.
        #[arg(long, default_value = "default")]
        tenant: Tenant,
        /// Its role.
        #[arg(long, value_enum)]
        role: RoleName,
        /// Its name: the actor in the audit log.
        #[arg(long, value_parser = name)]
        name: String,
    },
    /// Lists all tokens, without their secrets.
    List,
    /// Revokes a token.
    Revoke {
        /// The token's id, from `token list`.
        id: TokenId,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum RoleName {
    /// Reads stores, operations, events and audit records.
    Viewer,
    /// Reads the same and what is for auditors only; never credentials or logs.
    Auditor,
    /// Reads the same as a viewer; also changes stores and reads their logs and credentials.
    Operator,
    /// What operators and auditors may do, and token management.
    Admin,
    /// What an admin may do, in every tenant.
    PlatformAdmin,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Viewer => Self::Viewer,
            RoleName::Auditor => Self::Auditor,
            RoleName::Operator => Self::Operator,
            RoleName::Admin => Self::Admin,
            RoleName::PlatformAdmin => Self::PlatformAdmin,
        }
    }
}

fn name(text: &str) -> Result<String, String> {
    let good = !text.trim().is_empty() && text.chars().count() <= NAME_MAX && !text.chars().any(char::is_control);
    if good {
        Ok(text.to_owned())
    } else {
        Err(format!("must be 1 to {NAME_MAX} characters without control characters"))
    }
}

pub(super) async fn run(command: Command, config: &Config) -> Result<(), Failure> {
    let database = postgres::connect(config.session_url()?.expose(), 2)?;
    let tokens = Tokens::new(database, Arc::new(SystemClock), Arc::new(RandomIds));
    match command {
        Command::Create { tenant, role, name, .. } => {
            let (_, secret) = tokens.create(tenant, role.into(), &name, ACTOR).await?;
            print(&format!("{secret}\n"))
        }
        Command::List => {
            let mut table =
                format!("{:36}  {:15}  {:14}  {:20}  {:8}  NAME\n", "ID", "TENANT", "ROLE", "CREATED", "STATE");
            for token in tokens.list().await? {
                let state = if token.revoked_at.is_some() { "revoked" } else { "valid" };
                let created = token.created_at.replace_nanosecond(0)?.format(&Rfc3339)?;
                let (tenant, role) = (token.tenant.as_str(), token.role.as_str());
                writeln!(table, "{}  {tenant:15}  {role:14}  {created:20}  {state:8}  {}", token.id, token.name)?;
            }
            print(&table)
        }
        Command::Revoke { id } => {
            if tokens.revoke(id, ACTOR).await? {
                print("revoked\n")
            } else {
                Err(format!("there is no token {id} that is not revoked").into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_is_accepted_by_its_name() {
        let named = RoleName::value_variants().iter().map(|name| {
            let role = Role::from(*name);
            assert_eq!(name.to_possible_value().expect("not hidden").get_name(), role.as_str());
            role
        });
        assert_eq!(named.collect::<Vec<_>>(), Role::ALL);
    }
}
