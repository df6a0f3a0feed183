//! `token create`, `token code`, `token list`, `token revoke`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use clap::{Subcommand, ValueEnum};
use storeplane_core::audit::COMMAND_LINE;
use storeplane_core::identity::Role;
use storeplane_core::ids::{Tenant, TokenId};
use storeplane_core::ports::{Clock as _, Tokens as _};
use storeplane_core::token::{Author, CreateTokenInput, Lifetimes, Token, TokenState};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Failure, print};
use crate::config::{Config, RetentionPeriod};
use crate::postgres::{self, Tokens, Verified};
use crate::system::{RandomIds, SystemClock};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Creates a token. Standard output is only its secret, which cannot be shown again; standard error says when it expires.
    Create {
        /// The tenant whose stores it can access.
        #[arg(long, default_value = "default")]
        tenant: Tenant,
        /// Its role.
        #[arg(long, value_enum)]
        role: RoleName,
        /// Its name: the actor in the audit log. Unique among the tenant's valid tokens.
        #[arg(long)]
        name: String,
        /// Limits it to the stores with these ids, separated by commas; with --store-id-prefix, to those that match either. Only for viewers and
        /// operators [default: all stores of the tenant].
        #[arg(long, value_name = "ID", value_delimiter = ',')]
        store_ids: Vec<String>,
        /// Limits it to the stores whose ids start with this, for example shop-.
        #[arg(long, value_name = "PREFIX")]
        store_id_prefix: Option<String>,
        /// After what time it expires, for example 30d or 12h [default: `tokens.lifetime`, 90d].
        #[arg(long, value_name = "PERIOD", conflicts_with = "no_expiry")]
        expires: Option<RetentionPeriod>,
        /// Creates a token that never expires. It works until it is revoked.
        #[arg(long)]
        no_expiry: bool,
    },
    /// Prints a one-time code that signs a browser in as a token: open `https://…/#code=CODE` within ten minutes.
    Code {
        /// The token's id, from `token list`. Without it, the token whose secret is in `STOREPLANE_TOKEN`.
        id: Option<TokenId>,
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
    /// Reads stores, operations and events.
    Viewer,
    /// Reads the same and the audit log; never credentials or logs.
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

pub(super) async fn run(command: Command, config: &Config) -> Result<(), Failure> {
    let database = postgres::connect(config.session_url()?.expose(), 2)?;
    let tokens = Tokens::new(database, Arc::new(SystemClock), Arc::new(RandomIds));
    let author = Author::system(COMMAND_LINE);
    match command {
        Command::Create { tenant, role, name, store_ids, store_id_prefix, expires, no_expiry } => {
            let ttl = expires.map(|period| std::time::Duration::from(period).try_into()).transpose()?;
            let role = Role::from(role).as_str().to_owned();
            // An unset shell variable would otherwise create a token for all stores.
            if store_id_prefix.as_deref() == Some("") {
                return Err("--store-id-prefix must not be empty".into());
            }
            let store_id_prefix = store_id_prefix.unwrap_or_default();
            let input = CreateTokenInput { name, role, ttl, store_ids, store_id_prefix, ..CreateTokenInput::default() };
            let mut wanted = input.check(Lifetimes::from(config.tokens))?;
            if no_expiry {
                wanted.lifetime = None;
            }
            let issued = tokens.create(&tenant, wanted, &author).await?;
            // If standard error is closed, the secret is still printed.
            let _ = writeln!(std::io::stderr(), "{}", expiry(&issued.token)?);
            print(&format!("{}\n", issued.secret))
        }
        Command::Code { id } => print(&format!("{}\n", code(&tokens, id, &author).await?)),
        Command::List => print(&table(&tokens.all().await?, SystemClock.now())?),
        Command::Revoke { id } => {
            if !tokens.revoke_any(id, &author).await? {
                return Err(format!("there is no token {id} that is not revoked").into());
            }
            print("revoked\n")
        }
    }
}

async fn code(tokens: &Tokens, id: Option<TokenId>, author: &Author) -> Result<String, Failure> {
    if let Some(id) = id {
        let code = tokens.code_of_token(id, author).await?;
        return code.ok_or_else(|| format!("there is no token {id} that is not revoked").into());
    }
    let secret = std::env::var("STOREPLANE_TOKEN").map_err(|_| "name a token's id, or set STOREPLANE_TOKEN")?;
    let code = match tokens.verify(secret.trim()).await? {
        Verified::Caller(caller) => tokens.code_of(&caller).await?,
        Verified::Expired | Verified::Unknown => None,
    };
    code.ok_or_else(|| "the token in STOREPLANE_TOKEN is unknown, was revoked or has expired".into())
}

fn expiry(token: &Token) -> Result<String, Failure> {
    Ok(match token.expires_at {
        Some(end) => format!("token {} expires at {}", token.id, time(Some(end))?),
        None => format!("token {} never expires; revoke it when it is no longer needed", token.id),
    })
}

fn table(tokens: &[Token], now: OffsetDateTime) -> Result<String, Failure> {
    let mut table = format!(
        "{:36}  {:15}  {:14}  {:20}  {:20}  {:20}  {:8}  {:20}  NAME\n",
        "ID", "TENANT", "ROLE", "CREATED", "EXPIRES", "LAST USED", "STATE", "STORES"
    );
    for token in tokens {
        let state = match token.state(now) {
            TokenState::Valid => "valid",
            TokenState::Expired => "expired",
            TokenState::Revoked => "revoked",
        };
        let stores = token.scope.selection().map_or_else(|| "all".to_owned(), ToString::to_string);
        let (created, expires) = (time(Some(token.created_at))?, time(token.expires_at)?);
        let (used, tenant, role) = (time(token.last_used_at)?, token.tenant.as_str(), token.role.as_str());
        writeln!(
            table,
            "{}  {tenant:15}  {role:14}  {created:20}  {expires:20}  {used:20}  {state:8}  {stores:20}  {}",
            token.id, token.name
        )?;
    }
    Ok(table)
}

/// A time to the second; `never` if there is none.
fn time(at: Option<OffsetDateTime>) -> Result<String, Failure> {
    Ok(at
        .map(|at| at.replace_nanosecond(0))
        .transpose()?
        .map_or_else(|| Ok("never".to_owned()), |at| at.format(&Rfc3339))?)
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
