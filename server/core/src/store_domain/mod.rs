//! Custom domains of stores: who proved to own them, where they point, and the certificate. Each aspect has its own state, apart from the store's.
//!
//! A domain is claimed by adding it to a store. Its owner proves it with a TXT record or a file, and from then on no other store can have it. Any number of
//! stores may claim a name that nobody has proved to own: a claim blocks nothing.

pub mod command;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::host_name::HostName;
use crate::ids::StoreUid;
use crate::wire::wire_enum;

/// Begins the name of the record that proves ownership.
const CHALLENGE: &str = "_storeplane-challenge";
/// Begins its value.
const VERIFICATION: &str = "storeplane-verification=";
/// The path of the file that proves ownership.
const FILE: &str = "/.well-known/storeplane-verification.txt";
/// Begins the names of the Secrets with certificates.
const SECRET: &str = "tls-";
/// Length of the token in a verification record: 160 bits in letters and digits.
pub const TOKEN_LENGTH: usize = 32;
/// A domain that is not verified within this time is removed.
pub const CLAIM_LIFETIME: Duration = Duration::days(7);
/// Interval between checks of a domain that is settled.
const SETTLED: Duration = Duration::hours(1);
/// First interval between checks of one that is not. It doubles up to [`SETTLED`].
const UNSETTLED: Duration = Duration::minutes(1);

wire_enum! {
    /// Whether its owner has proved that it may be used here.
    pub enum OwnershipState {
        /// Neither record nor file was found yet.
        Pending = "PENDING",
        /// One of them was found. It may be removed since.
        Verified = "VERIFIED",
        /// The record has another value, or the domain cannot be used.
        Failed = "FAILED",
    }
}

wire_enum! {
    /// Where its address records point.
    pub enum DnsState {
        /// It was not checked, or could not be.
        Unknown = "UNKNOWN",
        /// To this platform.
        PointsHere = "POINTS_HERE",
        /// Somewhere else, or not only here.
        Elsewhere = "ELSEWHERE",
        /// It has no address records.
        Missing = "MISSING",
    }
}

wire_enum! {
    /// Its certificate in the cluster.
    pub enum CertificateState {
        /// There is none, and none was requested.
        None = "NONE",
        /// It was requested.
        Pending = "PENDING",
        /// It is there and valid.
        Ready = "READY",
        /// It could not be issued, or has expired.
        Failed = "FAILED",
    }
}

/// One aspect of a domain, as last observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aspect<S> {
    /// Its state.
    pub state: S,
    /// A stable `UPPER_SNAKE` code for a state that needs attention; otherwise empty.
    pub reason: String,
    /// What was observed, as a sentence; empty if nothing was.
    pub message: String,
    /// When the state last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// When it was last checked.
    #[serde(with = "time::serde::rfc3339::option")]
    pub checked_at: Option<OffsetDateTime>,
}

impl<S: Copy + PartialEq> Aspect<S> {
    fn new(state: S, at: OffsetDateTime) -> Self {
        Self { state, reason: String::new(), message: String::new(), since: at, checked_at: None }
    }

    /// Takes an observation over, and returns whether it says something new.
    fn observe(&mut self, seen: Seen<S>, now: OffsetDateTime) -> bool {
        let Seen { state, reason, message } = seen;
        let differs = (state, reason) != (self.state, self.reason.as_str());
        if state != self.state {
            self.since = now;
        }
        *self = Self { state, reason: reason.to_owned(), message, since: self.since, checked_at: Some(now) };
        differs
    }

    fn news(&self, aspect: &'static str, text: fn(S) -> &'static str) -> News {
        let (reason, message) = (self.reason.clone(), self.message.clone());
        News { aspect, state: text(self.state), reason, message }
    }
}

/// An observation of one aspect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen<S> {
    /// The state.
    pub state: S,
    /// A stable code, or empty.
    pub reason: &'static str,
    /// What was observed, as a sentence.
    pub message: String,
}

/// The certificate's aspect, with its expiry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenCertificate {
    /// The state.
    pub seen: Seen<CertificateState>,
    /// When it expires.
    pub expires_at: Option<OffsetDateTime>,
}

/// What a check found. An aspect that was not checked is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observation {
    /// Ownership.
    pub ownership: Option<Seen<OwnershipState>>,
    /// Address records.
    pub dns: Option<Seen<DnsState>>,
    /// The certificate.
    pub certificate: Option<SeenCertificate>,
}

/// An aspect of which a check has found something new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// `ownership`, `dns` or `certificate`.
    pub aspect: &'static str,
    /// Its state now.
    pub state: &'static str,
    /// A stable code, or empty.
    pub reason: String,
    /// What was observed, as a sentence.
    pub message: String,
}

/// A record to create in the DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsRecord {
    /// `TXT`, `CNAME`, `A` or `AAAA`.
    pub kind: &'static str,
    /// Its full name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A file on the web server of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerificationFile {
    /// Where it is read: also over HTTPS, at the same host name and path.
    pub url: String,
    /// One of its lines.
    pub line: String,
}

/// The aspects of a domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Ownership.
    pub ownership: Aspect<OwnershipState>,
    /// Address records.
    pub dns: Aspect<DnsState>,
    /// The certificate.
    pub certificate: Aspect<CertificateState>,
    /// When the certificate expires.
    #[serde(with = "time::serde::rfc3339::option", default)]
    pub certificate_expires_at: Option<OffsetDateTime>,
}

/// A domain of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreDomain {
    /// Its row.
    pub id: Uuid,
    /// The store.
    pub store: StoreUid,
    /// The host name.
    pub name: HostName,
    /// The secret part of the verification record and file, which is public once one of them exists.
    pub token: String,
    /// Its aspects.
    pub status: Status,
    /// Its removal was requested. It stays with its store until the shop no longer answers to it.
    pub removing: bool,
    /// The number of checks since something last changed.
    pub checks: i32,
    /// When it was added.
    pub created_at: OffsetDateTime,
}

/// The record with which its owner proves a name.
pub fn verification_record(name: &HostName, token: &str) -> DnsRecord {
    DnsRecord { kind: "TXT", name: format!("{CHALLENGE}.{name}"), value: format!("{VERIFICATION}{token}") }
}

/// The file with which its owner can prove a name instead.
pub fn verification_file(name: &HostName, token: &str) -> VerificationFile {
    VerificationFile { url: format!("http://{name}{FILE}"), line: format!("{VERIFICATION}{token}") }
}

/// The Secret in the store's namespace with the certificate of a name.
pub fn secret_name(name: &HostName) -> String {
    format!("{SECRET}{name}")
}

impl StoreDomain {
    /// A domain that was just added.
    pub fn new(id: Uuid, store: StoreUid, name: HostName, token: String, now: OffsetDateTime) -> Self {
        let status = Status {
            ownership: Aspect::new(OwnershipState::Pending, now),
            dns: Aspect::new(DnsState::Unknown, now),
            certificate: Aspect::new(CertificateState::None, now),
            certificate_expires_at: None,
        };
        Self { id, store, name, token, status, removing: false, checks: 0, created_at: now }
    }

    /// True once its owner has proved it.
    pub fn is_verified(&self) -> bool {
        self.status.ownership.state == OwnershipState::Verified
    }

    /// True if the store's shop is to answer to it.
    pub fn is_wanted(&self) -> bool {
        self.is_verified() && !self.removing
    }

    /// When it is removed unless it is verified before; `None` if it is.
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        (!self.is_verified()).then_some(self.created_at + CLAIM_LIFETIME)
    }

    /// Takes an observation over, and returns the aspects that say something new. Ownership that was proved stays.
    pub fn observe(&mut self, observation: Observation, now: OffsetDateTime) -> Vec<News> {
        let (status, mut news) = (&mut self.status, Vec::new());
        let verified = status.ownership.state == OwnershipState::Verified;
        if let Some(seen) = observation.ownership.filter(|_| !verified)
            && status.ownership.observe(seen, now)
        {
            news.push(status.ownership.news("ownership", OwnershipState::as_str));
        }
        if let Some(seen) = observation.dns
            && status.dns.observe(seen, now)
        {
            news.push(status.dns.news("dns", DnsState::as_str));
        }
        if let Some(SeenCertificate { seen, expires_at }) = observation.certificate {
            status.certificate_expires_at = expires_at;
            if status.certificate.observe(seen, now) {
                news.push(status.certificate.news("certificate", CertificateState::as_str));
            }
        }
        self.checks = if news.is_empty() { self.checks.saturating_add(1) } else { 0 };
        news
    }

    /// When it was last checked.
    pub fn last_check(&self) -> Option<OffsetDateTime> {
        self.status.ownership.checked_at.max(self.status.dns.checked_at)
    }

    /// The time until its next check.
    pub fn next_check(&self) -> Duration {
        let Status { dns, certificate, .. } = &self.status;
        let settled = dns.state == DnsState::PointsHere
            && matches!(certificate.state, CertificateState::Ready | CertificateState::None);
        if self.is_verified() && settled { SETTLED } else { backoff(self.checks) }
    }
}

/// The pause after that many checks, or attempts, that changed nothing.
pub fn backoff(times: i32) -> Duration {
    (UNSETTLED * 2_i32.pow(times.clamp(0, 6).cast_unsigned())).min(SETTLED)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn domain() -> StoreDomain {
        StoreDomain::new(Uuid::nil(), StoreUid(Uuid::nil()), HostName::stored("shop.example.com"), "t".into(), NOW)
    }

    fn owned(state: OwnershipState, reason: &'static str) -> Observation {
        let ownership = Some(Seen { state, reason, message: format!("{state:?}") });
        Observation { ownership, ..Observation::default() }
    }

    #[test]
    fn ownership_that_was_proved_stays() {
        let mut domain = domain();
        assert!(domain.expires_at().is_some());
        let news = domain.observe(owned(OwnershipState::Verified, ""), NOW);
        assert_eq!((news.len(), news[0].aspect, news[0].state), (1, "ownership", "VERIFIED"));
        assert_eq!(domain.observe(owned(OwnershipState::Pending, "TXT_MISSING"), NOW), []);
        assert!(domain.is_verified() && domain.expires_at().is_none());
    }

    #[test]
    fn repeated_observation_is_no_news_and_delays_the_next_check() {
        let (mut domain, mut pauses) = (domain(), Vec::new());
        for _ in 0..8 {
            domain.observe(owned(OwnershipState::Pending, "TXT_MISSING"), NOW);
            pauses.push(domain.next_check().whole_minutes());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        let news = domain.observe(owned(OwnershipState::Failed, "TXT_MISMATCH"), NOW + Duration::DAY);
        assert_eq!((news.len(), domain.next_check()), (1, UNSETTLED));
        assert_eq!(domain.status.ownership.since, NOW + Duration::DAY);
    }
}
