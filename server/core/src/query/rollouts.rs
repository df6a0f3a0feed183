//! Pages of rollouts and of their stores.

use time::OffsetDateTime;

use super::{After, PageStart, PageToken, Paged, fingerprint, page_after, page_limit};
use crate::error::DomainError;
use crate::ids::{RolloutId, Tenant};
use crate::rollout::{Member, MemberState, Rollout};
use crate::validate::Check;

/// Maximum page size of rollouts: each has up to 10,000 stores, which are counted.
const ROLLOUTS_PAGE_MAX: u32 = 100;

/// A page of a tenant's rollouts, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutQuery {
    /// The tenant.
    pub tenant: Tenant,
    /// The page size.
    pub limit: u32,
    /// The last row of the previous page.
    pub after: Option<After>,
    fingerprint: String,
}

impl RolloutQuery {
    /// Validates the fields of `ListRollouts`.
    pub fn check(tenant: &Tenant, page_size: i32, token: PageStart) -> Result<Self, DomainError> {
        let mut check = Check::default();
        let limit = page_limit(&mut check, page_size).min(ROLLOUTS_PAGE_MAX);
        let fingerprint = fingerprint(&["rollouts", tenant.as_str()]);
        let after = page_after(&mut check, token, &fingerprint);
        check.finish(Some(Self { tenant: tenant.clone(), limit, after, fingerprint }))
    }
}

impl Paged for RolloutQuery {
    type Item = Rollout;

    fn token_after(&self, last: &Rollout) -> PageToken {
        let after = After { at: last.created_at, text: String::new(), uid: last.id.0 };
        PageToken { after, query: self.fingerprint.clone() }
    }
}

/// A page of the stores of a rollout, in the order in which they are changed.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberQuery {
    /// The rollout.
    pub rollout: RolloutId,
    /// Only those in this state.
    pub state: Option<MemberState>,
    /// The page size.
    pub limit: u32,
    /// Only those after this position.
    pub after: Option<u32>,
    fingerprint: String,
}

impl MemberQuery {
    /// Validates the fields of `ListRolloutStores`.
    pub fn check(
        rollout_id: &str,
        state: Option<MemberState>,
        page_size: i32,
        token: PageStart,
    ) -> Result<Self, DomainError> {
        let mut check = Check::default();
        let rollout = check.required("rollout_id", rollout_id);
        let limit = page_limit(&mut check, page_size);
        let fingerprint = fingerprint(&["rollout_stores", rollout_id, state.map_or("", MemberState::as_str)]);
        let after = page_after(&mut check, token, &fingerprint).and_then(|after| after.text.parse().ok());
        check.finish(rollout.map(|rollout| Self { rollout, state, limit, after, fingerprint }))
    }
}

impl Paged for MemberQuery {
    type Item = Member;

    fn token_after(&self, last: &Member) -> PageToken {
        let text = last.position.to_string();
        let after = After { at: OffsetDateTime::UNIX_EPOCH, text, uid: self.rollout.0 };
        PageToken { after, query: self.fingerprint.clone() }
    }
}
