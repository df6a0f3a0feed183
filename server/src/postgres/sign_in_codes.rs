//! One-time codes: whoever has one can sign a browser in as a token, once, within minutes. They are made to be shown in
//! links, where a token must not be.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectionTrait as _, DbBackend, EntityTrait as _, Statement, Value};
use storeplane_core::audit::{Action, AuditRecord};
use storeplane_core::error::PortError;
use storeplane_core::identity::{Caller, Credential, Proof};
use storeplane_core::ids::{Tenant, TokenId};
use storeplane_core::token::Author;

use super::audit;
use super::entity::token;
use super::error::port_error;
use super::pool::Transaction;
use super::token_auth::{Tokens, Verified};
use super::token_lookup::{Hash, LENGTH, has_form, hash};

/// Prefix of every code.
const PREFIX: &str = "spc_";
/// How long a code works.
pub const CODE_LIFETIME: Duration = Duration::from_mins(10);

const CREATE: &str = "INSERT INTO sign_in_codes (hash, token_hash, expires_at)
VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))";

const READ: &str = "SELECT token_hash FROM sign_in_codes WHERE hash = $1 AND expires_at > clock_timestamp()";
const TAKE: &str = "DELETE FROM sign_in_codes WHERE hash = $1 AND expires_at > clock_timestamp() RETURNING token_hash";

impl Tokens {
    /// A code that signs in as the caller, who authenticated with a token's secret; `None` for others.
    pub async fn code_of(&self, caller: &Caller) -> Result<Option<String>, PortError> {
        let (Proof::Secret(secret), Credential::Token(id)) = (caller.proof, &caller.credential) else {
            return Ok(None);
        };
        let transaction = self.database.begin().await.map_err(port_error)?;
        self.create_code(transaction, (*id, caller.tenant()), &secret.0, &caller.into()).await.map(Some)
    }

    /// A code that signs in as a token; `None` if there is no such token, or it was revoked.
    pub async fn code_of_token(&self, id: TokenId, author: &Author) -> Result<Option<String>, PortError> {
        let transaction = self.database.begin().await.map_err(port_error)?;
        let found = token::Entity::find_by_id(id.0).one(&transaction).await.map_err(port_error)?;
        let Some(row) = found.filter(|row| row.revoked_at.is_none()) else { return Ok(None) };
        let tenant = Tenant::stored(row.tenant);
        self.create_code(transaction, (id, &tenant), &row.hash, author).await.map(Some)
    }

    async fn create_code(
        &self,
        transaction: Transaction,
        (token, tenant): (TokenId, &Tenant),
        secret: &[u8],
        author: &Author,
    ) -> Result<String, PortError> {
        let code = format!("{PREFIX}{}", self.ids.random_text(LENGTH));
        let values: [Value; 3] =
            [hash(&code).to_vec().into(), secret.to_vec().into(), CODE_LIFETIME.as_secs_f64().into()];
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, CREATE, values);
        transaction.execute_raw(statement).await.map_err(port_error)?;
        let (id, now, action) = (self.ids.uuid(), self.clock.now(), Action::CreateSignInCode);
        let record = AuditRecord {
            credential: author.credential.clone(),
            origin: Arc::clone(&author.origin),
            ..AuditRecord::new(id, now, tenant.clone(), &author.name, action, token.to_string())
        };
        audit::append(&transaction, record).await?;
        transaction.commit().await.map_err(port_error)?;
        Ok(code)
    }

    /// As whom a code signs in. It can still be used afterwards.
    pub async fn read_code(&self, code: &str) -> Result<Verified, PortError> {
        self.by_code(READ, code).await
    }

    /// The same, once.
    pub async fn take_code(&self, code: &str) -> Result<Verified, PortError> {
        self.by_code(TAKE, code).await
    }

    async fn by_code(&self, sql: &str, code: &str) -> Result<Verified, PortError> {
        if !has_form(PREFIX, code) {
            return Ok(Verified::Unknown);
        }
        let values: [Value; 1] = [hash(code).to_vec().into()];
        let row = self.database.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await;
        let Some(row) = row.map_err(port_error)? else { return Ok(Verified::Unknown) };
        let secret: Vec<u8> = row.try_get("", "token_hash").map_err(port_error)?;
        match Hash::try_from(secret) {
            Ok(secret) => self.verify_hash(secret).await,
            Err(_) => Ok(Verified::Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    mod fuzz {
        use proptest::prelude::*;
        use storeplane_fuzz::{Outcome, check};

        use super::super::{LENGTH, PREFIX, has_form, hash};

        /// Whatever has another form never reaches Postgres.
        #[test]
        fn codes_have_one_form() {
            let texts = prop_oneof![any::<String>(), "spc_[a-z0-9]{48,52}", "sp[ct]_[a-zA-Z0-9]{50}"];
            check("one-time code", &texts, |code| {
                let expected = code.len() == PREFIX.len() + LENGTH
                    && code.starts_with(PREFIX)
                    && code.chars().skip(PREFIX.len()).all(|c| matches!(c, 'a'..='z' | '0'..='9'));
                prop_assert_eq!(has_form(PREFIX, &code), expected, "{}", code);
                prop_assert!(!has_form("spt_", &code) || code.starts_with("spt_"), "a token is no code");
                prop_assert_ne!(hash(&code), hash(&format!("{code} ")));
                Ok(if expected { Outcome::Accepted } else { Outcome::Refused })
            });
        }
    }
}
