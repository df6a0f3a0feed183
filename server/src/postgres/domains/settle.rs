//! What follows from the state of domains: the shop is told to which it answers, and rows that are not needed are removed.

use sea_orm::{
    ActiveModelTrait as _, ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, IntoActiveModel, QueryFilter,
    Statement,
};
use storeplane_core::audit::WORKER;
use storeplane_core::error::PortError;
use storeplane_core::host_name::HostName;
use storeplane_core::identity::Caller;
use storeplane_core::ids::OperationId;
use storeplane_core::store::{State, Store};
use storeplane_core::store_domain::{StoreDomain, backoff};
use storeplane_core::transition::request::Request;
use storeplane_core::transition::{Snapshot, domains, update};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{Column, Entity, Model, PgDomains, lock, read};
use crate::postgres::error::port_error;
use crate::postgres::pool::Transaction;
use crate::postgres::{apply, rows};

/// Takes the domains that are due, and makes them due again in a minute, in case this server stops meanwhile.
const DUE: &str = "
UPDATE store_domains d SET due_at = $1 + interval '1 minute' FROM stores s
WHERE d.id IN (SELECT id FROM store_domains WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED) AND s.uid = d.store
RETURNING d.id";
/// Interval at which a domain is looked at while its shop is about to be told of it.
const LOOK: Duration = Duration::seconds(3);

impl PgDomains {
    /// Domains that are due, and their stores, at most `limit`.
    pub async fn due(&self, limit: u64) -> Result<Vec<(Store, StoreDomain)>, PortError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = [self.clock.now().into(), limit.into()];
        let taken = Statement::from_sql_and_values(DbBackend::Postgres, DUE, values);
        let mut due = Vec::new();
        for row in self.database.query_all_raw(taken).await.map_err(port_error)? {
            let id: Uuid = row.try_get_by_index(0).map_err(port_error)?;
            let Some(row) = Entity::find_by_id(id).one(&self.database).await.map_err(port_error)? else { continue };
            let store = crate::postgres::entity::store::Entity::find_by_id(row.store);
            let store = store.one(&self.database).await.map_err(port_error)?;
            let Some(store) = store else { continue };
            match read(row) {
                Ok(domain) => due.push((rows::store(store), domain)),
                // Most likely a newer server wrote it; the others are checked.
                Err(error) => tracing::warn!(%id, ?error, "a domain cannot be read"),
            }
        }
        Ok(due)
    }

    /// Takes the next step towards what is wanted of a domain, and says when to look again.
    pub async fn settle(&self, id: Uuid) -> Result<(), PortError> {
        let (transaction, now) = (self.database.begin().await.map_err(port_error)?, self.clock.now());
        let Some((store, row)) = lock(&transaction, id).await? else { return Ok(()) };
        let domain = read(row.clone())?;
        let serves = serves(&store.store, &row);
        let idle = !store.operation.state.is_active();
        let expired = domain.expires_at().is_some_and(|at| at <= now);
        if expired || (domain.removing && !serves && idle) {
            Entity::delete_by_id(id).exec(&transaction).await.map_err(port_error)?;
            if expired {
                let change = domains::expired(store.clone(), &domain, WORKER);
                Box::pin(apply::update(&transaction, &store, change, now)).await?;
            }
        } else if domain.is_verified() && (serves == domain.removing || !idle) {
            self.start_update(&transaction, (store, row), now).await?;
        } else {
            let mut changed = row.into_active_model();
            changed.attempts = sea_orm::Set(0);
            changed.due_at = sea_orm::Set(next_check(&domain, now));
            changed.update(&transaction).await.map_err(port_error)?;
        }
        self.commit(transaction).await
    }

    /// Starts the update that adds the store's domains or removes them, unless another operation is active or the last one failed and its
    /// pause is not over. One update is for all domains of a store, so they share its attempts.
    async fn start_update(
        &self,
        transaction: &Transaction,
        (store, row): (Snapshot, Model),
        now: OffsetDateTime,
    ) -> Result<(), PortError> {
        let verified = verified_of(transaction, row.store).await?;
        let waiting: Vec<_> = verified.iter().filter(|other| serves(&store.store, other) == other.removing).collect();
        let attempts = waiting.iter().map(|other| other.attempts).max().unwrap_or_default();
        let mut changed = row.into_active_model();
        let is_active = store.operation.state.is_active();
        let pause = if attempts == 0 { Duration::ZERO } else { backoff(attempts - 1) };
        let may_begin_at = store.operation.ended_at.unwrap_or(now) + pause;
        let runs = matches!(store.store.state, State::Ready | State::Degraded);
        let may_begin = runs && !is_active && may_begin_at <= now;
        changed.due_at = sea_orm::Set(match (is_active || may_begin, runs) {
            (true, _) => now + LOOK,
            (false, true) => may_begin_at,
            (false, false) => now + Duration::MINUTE,
        });
        if may_begin {
            let caller = Caller::server(WORKER, store.store.tenant.clone());
            let (operation, audit) = (OperationId(self.ids.uuid()), self.ids.uuid());
            let request = Request { caller: &caller, now, operation, audit, trace: None };
            let wanted = verified.iter().filter(|other| !other.removing).map(|other| HostName::stored(&*other.name));
            let change = update::apply_domains(store.clone(), wanted.collect(), &request);
            if let Some(change) = change.map_err(PortError::from)? {
                Box::pin(apply::update(transaction, &store, change, now)).await?;
                let started = Entity::update_many().col_expr(Column::Attempts, attempts.saturating_add(1).into());
                let waiting = waiting.iter().map(|other| other.id);
                started.filter(Column::Id.is_in(waiting)).exec(transaction).await.map_err(port_error)?;
            }
        }
        changed.update(transaction).await.map(drop).map_err(port_error)
    }
}

fn next_check(domain: &StoreDomain, now: OffsetDateTime) -> OffsetDateTime {
    let due = domain.last_check().map_or(now, |at| at + domain.next_check());
    due.max(now + LOOK)
}

fn serves(store: &Store, domain: &Model) -> bool {
    store.spec.domains.names.iter().any(|name| name.as_str() == domain.name)
}

/// The domains of a store that their owner has proved.
async fn verified_of(connection: &impl ConnectionTrait, store: Uuid) -> Result<Vec<Model>, PortError> {
    let verified = Entity::find().filter(Column::Store.eq(store)).filter(Column::Verified.eq(true));
    verified.all(connection).await.map_err(port_error)
}
