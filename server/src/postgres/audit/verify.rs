//! Walks a tenant's chain in pages and finds its first broken link.

use std::collections::HashMap;

use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, DbBackend, EntityTrait as _, QueryFilter as _, QueryOrder as _,
};
use sea_orm::{QuerySelect as _, Statement};
use storeplane_core::audit::{BrokenLink, ChainFault, Verification};
use storeplane_core::error::PortError;
use storeplane_core::ids::Tenant;
use time::OffsetDateTime;
use uuid::Uuid;

use super::content;
use crate::checkpoint::Checkpoint;
use crate::postgres::entity::audit_event::{Column, Entity, Model};
use crate::postgres::error::{broken, port_error};
use crate::postgres::pool::Pool;

/// Records read at a time: with the longest texts some megabytes.
const PAGE: u64 = 500;
/// Retention removes no younger record: `audit_remove` in the schema says so.
pub(super) const KEPT_AT_LEAST: time::Duration = time::Duration::days(30);
/// Postgres' clock decides what is removed, and this server's whether that was possible.
const CLOCK_SKEW: time::Duration = time::Duration::HOUR;
/// How far records outside of the chain are counted.
const UNCHAINED_MAX: i64 = 100_000;

const HEAD: &str = "SELECT sequence, hash, anchor_sequence, anchor_hash FROM audit_chain_heads WHERE tenant = $1";
const UNCHAINED: &str =
    "SELECT count(*) FROM (SELECT FROM audit_events WHERE tenant = $1 AND sequence IS NULL LIMIT $2) counted";

/// Why a chain cannot be verified against a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Postgres' error.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The records up to the checkpoint's were removed by retention.
    #[error("the records up to {sequence} were removed by retention")]
    Expired {
        /// The checkpoint's sequence.
        sequence: i64,
    },
}

/// A place in a chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Link {
    pub(super) sequence: i64,
    pub(super) hash: Vec<u8>,
}

/// The end of a chain, and the last record that retention removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Head {
    pub(super) last: Link,
    pub(super) anchor: Link,
}

/// What a chain is verified against.
pub(super) struct Evidence<'a> {
    /// Checkpoints of the tenant with valid signatures.
    pub(super) signed: &'a [&'a Checkpoint],
    /// How long records are kept, according to the configuration; `None` for forever.
    pub(super) kept: Option<time::Duration>,
    pub(super) now: OffsetDateTime,
}

/// The head of a tenant's chain.
pub(super) async fn head(database: &Pool, tenant: &Tenant) -> Result<Head, PortError> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, HEAD, [tenant.as_str().into()]);
    let Some(row) = database.query_one_raw(statement).await.map_err(port_error)? else { return Ok(Head::default()) };
    let link = |sequence, hash| {
        Ok::<_, sea_orm::DbErr>(Link { sequence: row.try_get_by_index(sequence)?, hash: row.try_get_by_index(hash)? })
    };
    Ok(Head { last: link(0, 1).map_err(port_error)?, anchor: link(2, 3).map_err(port_error)? })
}

/// Verifies a tenant's chain up to its current head, and that it contains what each checkpoint signs.
pub(super) async fn verify(
    database: &Pool,
    tenant: &Tenant,
    evidence: &Evidence<'_>,
) -> Result<Verification, VerifyError> {
    let signed = evidence.signed;
    let mut head = head(database, tenant).await?;
    let removed = evidence.check_start(&head)?;
    let mut walk = Walk::from(&head, signed);
    walk.broken = walk.broken.or(removed);
    while walk.broken.is_none() && walk.at.sequence < head.last.sequence {
        let page = page(database, tenant, walk.at.sequence, head.last.sequence).await?;
        let start = walk.at.sequence;
        walk.records(&page);
        if page.is_empty() || walk.broken.is_some() {
            let now = self::head(database, tenant).await?;
            if now.anchor.sequence > start {
                // Retention removed the records meanwhile.
                let removed = evidence.check_start(&now)?;
                head = Head { last: head.last, anchor: now.anchor };
                walk = Walk::from(&head, signed);
                walk.broken = walk.broken.or(removed);
                continue;
            }
            if walk.broken.is_none() {
                walk.broken = Some(fault(start + 1, None, ChainFault::CutOff));
            }
        }
    }
    walk.end(&head);
    if walk.broken.is_none() && newest(database, tenant).await? > self::head(database, tenant).await?.last.sequence {
        // The head was set back, or removed.
        walk.broken = Some(fault(head.last.sequence + 1, None, ChainFault::Changed));
    }
    let limit = [tenant.as_str().into(), UNCHAINED_MAX.into()];
    let unchained = Statement::from_sql_and_values(DbBackend::Postgres, UNCHAINED, limit);
    let row = database.query_one_raw(unchained).await.map_err(port_error)?.ok_or_else(|| broken("no count"))?;
    let unchained: i64 = row.try_get_by_index(0).map_err(port_error)?;
    Ok(Verification {
        verified: walk.verified,
        first_sequence: head.anchor.sequence + 1,
        head_sequence: head.last.sequence,
        head_hash: head.last.hash,
        broken: walk.broken,
        unchained: unchained.unsigned_abs(),
        last_checkpoint: None,
    })
}

impl Evidence<'_> {
    /// Whether records that checkpoints sign, or that followed the start that they sign, were removed at the start of the chain: by retention,
    /// if they may be that old; otherwise the link is broken.
    fn check_start(&self, head: &Head) -> Result<Option<BrokenLink>, VerifyError> {
        let starts = || self.signed.iter().filter_map(|signed| signed.start.as_ref());
        let moved = starts().filter(|start| start.sequence < head.anchor.sequence);
        let too_young = moved.filter(|start| self.may_not_be_removed(start.oldest));
        let first = too_young.map(|start| start.sequence + 1).min();
        let gone = || self.signed.iter().filter(|signed| signed.sequence < head.anchor.sequence);
        let young = gone().filter(|signed| self.may_not_be_removed(signed.at));
        if let Some(sequence) = young.map(|signed| signed.sequence).chain(first).min() {
            return Ok(Some(fault(sequence, None, ChainFault::Missing)));
        }
        match gone().map(|signed| signed.sequence).max() {
            Some(sequence) if gone().count() == self.signed.len() => Err(VerifyError::Expired { sequence }),
            _ => Ok(None),
        }
    }

    /// True if a record of this time is younger than what may be removed, according to the shortest of the periods that were signed and the
    /// configured one: an operator may have changed it.
    fn may_not_be_removed(&self, at: i64) -> bool {
        let signed = self.signed.iter().filter_map(|signed| match &signed.start {
            Some(start) => start.kept.map(time::Duration::seconds),
            None => Some(KEPT_AT_LEAST),
        });
        let Some(kept) = signed.chain(self.kept).min() else { return true };
        at > self.now.saturating_sub(kept.max(KEPT_AT_LEAST)).saturating_add(CLOCK_SKEW).unix_timestamp()
    }
}

async fn newest(database: &Pool, tenant: &Tenant) -> Result<i64, PortError> {
    let sql = "SELECT coalesce(max(sequence), 0) FROM audit_events WHERE tenant = $1 AND sequence IS NOT NULL";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [tenant.as_str().into()]);
    let row = database.query_one_raw(statement).await.map_err(port_error)?.ok_or_else(|| broken("no sequence"))?;
    row.try_get_by_index(0).map_err(port_error)
}

/// The records of a chain after `after`, in order.
pub(super) async fn page(database: &Pool, tenant: &Tenant, after: i64, upto: i64) -> Result<Vec<Model>, PortError> {
    let records = Entity::find().filter(Column::Tenant.eq(tenant.as_str()));
    let records = records.filter(Column::Sequence.gt(after)).filter(Column::Sequence.lte(upto));
    records.order_by_asc(Column::Sequence).limit(PAGE).all(database).await.map_err(port_error)
}

/// The records outside of a chain after that one, by time.
pub(super) async fn unchained_page(
    database: &Pool,
    tenant: &Tenant,
    after: Option<(OffsetDateTime, Uuid)>,
) -> Result<Vec<Model>, PortError> {
    let mut records = Entity::find().filter(Column::Tenant.eq(tenant.as_str())).filter(Column::Sequence.is_null());
    if let Some((at, id)) = after {
        let same = Condition::all().add(Column::At.eq(at)).add(Column::Id.gt(id));
        records = records.filter(Condition::any().add(Column::At.gt(at)).add(same));
    }
    let records = records.order_by_asc(Column::At).order_by_asc(Column::Id).limit(PAGE);
    records.all(database).await.map_err(port_error)
}

struct Walk<'a> {
    at: Link,
    verified: u64,
    /// The hashes that checkpoints sign, by sequence.
    signed: HashMap<i64, Vec<&'a [u8]>>,
    broken: Option<BrokenLink>,
}

impl<'a> Walk<'a> {
    fn from(head: &Head, checkpoints: &[&'a Checkpoint]) -> Self {
        let mut signed: HashMap<i64, Vec<&[u8]>> = HashMap::new();
        for checkpoint in checkpoints {
            signed.entry(checkpoint.sequence).or_default().push(&checkpoint.hash);
            if let Some(start) = &checkpoint.start {
                signed.entry(start.sequence).or_default().push(&start.hash);
            }
        }
        let mut walk = Self { at: head.anchor.clone(), verified: 0, signed, broken: None };
        walk.compare(None);
        walk
    }

    fn records(&mut self, page: &[Model]) {
        for record in page {
            let next = self.at.sequence + 1;
            if record.sequence != Some(next) {
                self.broken = Some(fault(next, None, ChainFault::Missing));
                return;
            }
            let hash = content::hash(&self.at.hash, record);
            if record.hash.as_ref() != Some(&hash) {
                self.broken = Some(fault(next, Some(record), ChainFault::Changed));
                return;
            }
            self.at = Link { sequence: next, hash };
            self.compare(Some(record));
            if self.broken.is_some() {
                return;
            }
            self.verified += 1;
        }
    }

    /// Compares the current place with the checkpoints of this place.
    fn compare(&mut self, record: Option<&Model>) {
        let signed = self.signed.get(&self.at.sequence);
        if signed.is_some_and(|hashes| hashes.iter().any(|hash| *hash != self.at.hash)) {
            self.broken = Some(fault(self.at.sequence, record, ChainFault::NotAsSigned));
        }
    }

    /// The chain must end with its head, and not before a checkpoint.
    fn end(&mut self, head: &Head) {
        let short = self.signed.keys().any(|sequence| *sequence > self.at.sequence);
        if self.broken.is_some() {
            return;
        }
        if self.at.sequence == head.last.sequence && self.at.hash != head.last.hash {
            self.broken = Some(fault(self.at.sequence, None, ChainFault::Changed));
        } else if self.at.sequence < head.last.sequence || short {
            self.broken = Some(fault(self.at.sequence + 1, None, ChainFault::CutOff));
        }
    }
}

fn fault(sequence: i64, record: Option<&Model>, fault: ChainFault) -> BrokenLink {
    BrokenLink { sequence, record: record.map(|record| record.id), fault }
}
