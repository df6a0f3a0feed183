//! `[limits]`: how much a caller or an address may ask of one server.

use std::num::NonZeroU32;

use serde::Serialize;
use storeplane_core::quota::Limit;

use super::section::Section;

/// Largest limit.
const MAX: i64 = 1_000_000;
/// More than a dashboard or a script needs, and less than a hundredth of what a server answers.
const REQUESTS_PER_SECOND: i64 = 50;
/// A page of the dashboard makes some ten requests at once.
const BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(99);
/// A script that creates stores watches each of them: twice as many as a tenant has by default.
const STREAMS_PER_CALLER: i64 = 100;
/// Five such callers.
const STREAMS_PER_TENANT: i64 = 500;
/// A person mistypes a token a few times; a program with a wrong one needs no more.
const FAILED_AUTHENTICATIONS_PER_MINUTE: i64 = 60;

/// `[limits]`, of each server. Each is a number, or `unlimited`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Requests of one caller.
    pub requests_per_second: Limit,
    /// Requests of one caller at once, after a pause.
    pub request_burst: NonZeroU32,
    /// Open streams of one caller.
    pub streams_per_caller: Limit,
    /// Open streams of all callers in one tenant.
    pub streams_per_tenant: Limit,
    /// Failed authentications of one client address (an IPv6 /64 counts as one); then one per so much of a minute is possible.
    pub failed_authentications_per_minute: Limit,
}

pub(super) fn read(section: &mut Section) -> Limits {
    let rule = format!("must be 1 to {MAX}, or \"unlimited\"");
    let mut limit = |key, default| {
        let fits = |limit: &Limit| limit.number().is_none_or(|number| (1..=MAX).contains(&number));
        section.checked(key, Limit::AtMost(default), &rule, fits)
    };
    Limits {
        requests_per_second: limit("requests_per_second", REQUESTS_PER_SECOND),
        streams_per_caller: limit("streams_per_caller", STREAMS_PER_CALLER),
        streams_per_tenant: limit("streams_per_tenant", STREAMS_PER_TENANT),
        failed_authentications_per_minute: limit(
            "failed_authentications_per_minute",
            FAILED_AUTHENTICATIONS_PER_MINUTE,
        ),
        request_burst: section.take("request_burst", BURST),
    }
}
