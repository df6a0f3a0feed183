//! Which tenants are suspended, for every call: cached, so that a tenant costs a statement every five seconds at most.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use storeplane_core::error::{DomainError, PortError, TenantError};
use storeplane_core::identity::{Caller, Role};
use storeplane_core::ids::Tenant;
use storeplane_core::tenant::TenantState;

use super::error::port_error;
use super::pool::Pool;

/// How long a state is cached: a tenant that was suspended acts at most this long as before.
const TRUSTED: Duration = Duration::from_secs(5);
/// Maximum number of cached tenants; others are looked up for each call.
const CACHED_MAX: usize = 10_000;

const FIND: &str = "SELECT state FROM tenants WHERE name = $1";

type Cache = HashMap<Tenant, (Instant, TenantState)>;

/// The states of tenants.
#[derive(Clone)]
pub struct TenantStates {
    database: Pool,
    cache: Arc<Mutex<Cache>>,
}

impl std::fmt::Debug for TenantStates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantStates").finish_non_exhaustive()
    }
}

impl TenantStates {
    /// Uses this pool.
    pub fn new(database: Pool) -> Self {
        Self { database, cache: Arc::default() }
    }

    /// The same states and cache, through another pool.
    #[must_use]
    pub fn on(&self, database: Pool) -> Self {
        Self { database, ..self.clone() }
    }

    /// Returns an error if the caller's tenant may do nothing. Platform administrators may always act.
    pub async fn admit(&self, caller: &Caller) -> Result<(), PortError> {
        if caller.role.allows(Role::PlatformAdmin) {
            return Ok(());
        }
        let tenant = caller.tenant().clone();
        let refusal = match self.of(&tenant).await? {
            TenantState::Active => return Ok(()),
            TenantState::Suspended => TenantError::Suspended { tenant },
            TenantState::Deleted => TenantError::Deleted { tenant },
        };
        Err(DomainError::from(refusal).into())
    }

    async fn of(&self, tenant: &Tenant) -> Result<TenantState, PortError> {
        let known = self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).copied();
        if let Some((_, state)) = known.filter(|(since, _)| since.elapsed() < TRUSTED) {
            return Ok(state);
        }
        let asked = Instant::now();
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, FIND, [tenant.as_str().into()]);
        let row = self.database.query_one_raw(statement).await.map_err(port_error)?;
        let text: Option<String> = row.map(|row| row.try_get("", "state")).transpose().map_err(port_error)?;
        // A tenant without a row has the defaults; a state that only a newer server knows permits nothing.
        let state =
            text.map_or(TenantState::Active, |text| TenantState::parse(&text).unwrap_or(TenantState::Suspended));
        self.remember(tenant, asked, state);
        Ok(state)
    }

    fn remember(&self, tenant: &Tenant, asked: Instant, state: TenantState) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHED_MAX {
            cache.retain(|_, (since, _)| since.elapsed() < TRUSTED);
        }
        if cache.len() < CACHED_MAX || cache.contains_key(tenant) {
            cache.insert(tenant.clone(), (asked, state));
        }
    }
}
