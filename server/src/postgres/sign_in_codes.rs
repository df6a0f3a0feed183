//! One-time codes: whoever has one can sign a browser in as a token, once, within minutes. They are made to be shown in
//! links, where a token must not be.

use std::time::Duration;

use sea_orm::{ConnectionTrait as _, DbBackend, Statement, Value};
use storeplane_core::error::PortError;
use storeplane_core::identity::{Caller, Proof};
use storeplane_core::ids::TokenId;

use super::error::port_error;
use super::token_auth::{Tokens, Verified};
use super::token_lookup::{Hash, LENGTH, has_form, hash};

/// Prefix of every code.
const PREFIX: &str = "spc_";
/// How long a code works.
pub const CODE_LIFETIME: Duration = Duration::from_mins(10);

/// $4 is the token's id: its current secret is meant. Otherwise $2 is the hash of a secret.
const CREATE: &str = "
INSERT INTO sign_in_codes (hash, token_hash, expires_at)
SELECT $1, coalesce($2, tokens.hash), clock_timestamp() + make_interval(secs => $3)
FROM (SELECT 1) AS one LEFT JOIN tokens ON tokens.id = $4 AND tokens.revoked_at IS NULL
WHERE coalesce($2, tokens.hash) IS NOT NULL";

const READ: &str = "SELECT token_hash FROM sign_in_codes WHERE hash = $1 AND expires_at > clock_timestamp()";
const TAKE: &str = "DELETE FROM sign_in_codes WHERE hash = $1 AND expires_at > clock_timestamp() RETURNING token_hash";

impl Tokens {
    /// A code that signs in as the caller, who authenticated with a token's secret; `None` for others.
    pub async fn code_of(&self, caller: &Caller) -> Result<Option<String>, PortError> {
        let Proof::Secret(secret) = caller.proof else { return Ok(None) };
        self.create_code(Some(secret.0.to_vec()), None).await
    }

    /// A code that signs in as a token; `None` if there is no such token, or it was revoked.
    pub async fn code_of_token(&self, id: TokenId) -> Result<Option<String>, PortError> {
        self.create_code(None, Some(id)).await
    }

    async fn create_code(&self, secret: Option<Vec<u8>>, id: Option<TokenId>) -> Result<Option<String>, PortError> {
        let code = format!("{PREFIX}{}", self.ids.random_text(LENGTH));
        let values: [Value; 4] =
            [hash(&code).to_vec().into(), secret.into(), CODE_LIFETIME.as_secs_f64().into(), id.map(|id| id.0).into()];
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, CREATE, values);
        let created = self.database.execute_raw(statement).await.map_err(port_error)?;
        Ok((created.rows_affected() == 1).then_some(code))
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
