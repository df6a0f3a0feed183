//! `audit verify`, `audit export`, `audit key`, directly on the database.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use storeplane_core::audit::{AuditEvent, Outcome, PLATFORM, Verification};
use storeplane_core::ids::Tenant;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::{Failure, print};
use crate::app::signing_key;
use crate::checkpoint::{Checkpoint, PublicKey, hex};
use crate::config::Config;
use crate::postgres::{self, AuditLog, CheckpointError, VerifyError};
use crate::system::SystemClock;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Verifies the hash chains, and goes on to the next one after a fault. Fails if one is broken, or if a checkpoint cannot be used.
    Verify {
        #[command(flatten)]
        whose: Whose,
        /// A checkpoint, or a file with the log lines that contain checkpoints: each one that is found is verified for its tenant.
        #[arg(long, value_name = "TEXT OR FILE")]
        checkpoint: Option<String>,
        /// The public key that signed the checkpoints, if that is not the current one.
        #[arg(long, value_name = "KEY")]
        public_key: Option<PublicKey>,
    },
    /// Prints the records as JSON, one a line: first those that are in no chain, by time, then the others in the order of their chain.
    Export {
        #[command(flatten)]
        whose: Whose,
        /// Only records after this sequence in the chain.
        #[arg(long, default_value_t = 0, value_name = "SEQUENCE")]
        after: i64,
    },
    /// Prints the public key that verifies checkpoints.
    Key,
}

#[derive(Debug, Args)]
pub(super) struct Whose {
    /// Only this tenant's records [default: all tenants', and the platform's own].
    #[arg(long, conflicts_with = "platform")]
    tenant: Option<Tenant>,
    /// Only the platform's own records: failed authentications.
    #[arg(long)]
    platform: bool,
}

impl Whose {
    async fn tenants(self, audit: &AuditLog) -> Result<Vec<Tenant>, Failure> {
        match self {
            Self { platform: true, .. } => Ok(vec![Tenant::stored(PLATFORM.to_owned())]),
            Self { tenant: Some(tenant), .. } => Ok(vec![tenant]),
            Self { .. } => Ok(audit.tenants().await?),
        }
    }
}

pub(super) async fn run(command: Command, config: &Config) -> Result<(), Failure> {
    let database = postgres::connect(config.session_url()?.expose(), 2)?;
    let audit = AuditLog::new(database, signing_key(config)?, Arc::new(SystemClock))
        .keeping(config.retention.audit.map(Into::into));
    match command {
        Command::Verify { whose, checkpoint, public_key } => verify(&audit, whose, checkpoint, public_key).await,
        Command::Export { whose, after } => {
            for tenant in whose.tenants(&audit).await? {
                export(&audit, &tenant, after).await?;
            }
            Ok(())
        }
        Command::Key => print(&format!("{}\n", audit.public_key().await?)),
    }
}

async fn verify(
    audit: &AuditLog,
    whose: Whose,
    checkpoint: Option<String>,
    key: Option<PublicKey>,
) -> Result<(), Failure> {
    let signed = checkpoint.map(|given| checkpoints(&given)).transpose()?.unwrap_or_default();
    let all = whose.tenant.is_none() && !whose.platform;
    let mut tenants = whose.tenants(audit).await?;
    if all {
        // A chain that is gone altogether is known from its checkpoints only.
        tenants.extend(signed.iter().map(|signed| signed.tenant.clone()));
        tenants.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        tenants.dedup();
    }
    let key = match key {
        Some(key) => key,
        None => audit.public_key().await?,
    };
    let (mut broken, mut unusable) = (0, 0);
    for tenant in tenants {
        let not_checked = |problem: String| print(&format!("{}: NOT CHECKED against {problem}\n", name(&tenant)));
        let of_tenant = signed.iter().filter(|signed| signed.tenant == tenant);
        // One of another key, or a forged one, does not make the others useless.
        let (mut of_tenant, others): (Vec<_>, Vec<_>) =
            of_tenant.partition(|signed| signed.check(key, &tenant).is_ok());
        if let Some(fault) = others.first().and_then(|signed| signed.check(key, &tenant).err()) {
            unusable += 1;
            not_checked(format!("{} checkpoints: the first of them {fault}", others.len()))?;
        }
        let verified = match audit.verify(&tenant, of_tenant.iter().copied(), Some(key)).await {
            Err(CheckpointError::Verify(problem @ VerifyError::Expired { .. })) => {
                unusable += 1;
                not_checked(format!("checkpoints: {problem}"))?;
                of_tenant.clear();
                audit.verify(&tenant, [], Some(key)).await
            }
            verified => verified,
        };
        let verified = verified?;
        broken += u32::from(verified.broken.is_some());
        print(&summary(&tenant, &of_tenant, &verified))?;
    }
    match (broken, unusable) {
        (0, 0) => Ok(()),
        (0, _) => Err("some checkpoints cannot be used: see the chains marked NOT CHECKED".into()),
        _ => Err("the audit log is damaged: see the chains marked BROKEN".into()),
    }
}

fn name(tenant: &Tenant) -> &str {
    if tenant.as_str() == PLATFORM { "(platform)" } else { tenant.as_str() }
}

/// The checkpoints in a text, or in the file that it names. An older one counts too: a newer one may have been signed after the chain was
/// rewritten.
fn checkpoints(given: &str) -> Result<Vec<Checkpoint>, Failure> {
    let text = if Path::new(given).is_file() { std::fs::read_to_string(given)? } else { given.to_owned() };
    let found: Vec<_> = text.lines().filter_map(|line| Checkpoint::read(line).ok()).collect();
    if found.is_empty() { Err("--checkpoint contains no checkpoint".into()) } else { Ok(found) }
}

fn summary(tenant: &Tenant, checkpoints: &[&Checkpoint], verified: &Verification) -> String {
    let Verification { verified: count, first_sequence, head_sequence, head_hash, broken, unchained, .. } = verified;
    let name = name(tenant);
    let mut text = match broken {
        None => format!("{name}: intact"),
        Some(link) => {
            let record = link.record.map(|id| format!(" (record {id})")).unwrap_or_default();
            format!("{name}: BROKEN at sequence {}{record}: {}", link.sequence, link.fault.message())
        }
    };
    let head = hex(head_hash);
    let _ = write!(text, "; {count} records verified from {first_sequence}, head {head_sequence} {head}");
    if let Some(last) = checkpoints.iter().map(|signed| signed.sequence).max() {
        let _ = write!(text, "; checked against {} checkpoints, the last one at {last}", checkpoints.len());
    }
    if *unchained > 0 {
        let _ = write!(text, "; {unchained} records are not in the chain");
    }
    text.push('\n');
    text
}

/// From the start also those that are in no chain: they are older, or counted by an older server.
async fn export(audit: &AuditLog, tenant: &Tenant, mut after: i64) -> Result<(), Failure> {
    if after == 0 {
        export_unchained(audit, tenant).await?;
    }
    loop {
        let page = audit.export(tenant, after).await?;
        let Some(last) = page.last().and_then(|event| event.sequence) else { return Ok(()) };
        print(&lines(&page))?;
        after = last;
    }
}

async fn export_unchained(audit: &AuditLog, tenant: &Tenant) -> Result<(), Failure> {
    let mut last: Option<(OffsetDateTime, Uuid)> = None;
    loop {
        let page = audit.export_unchained(tenant, last).await?;
        let Some(end) = page.last() else { return Ok(()) };
        last = Some((end.at, end.id));
        print(&lines(&page))?;
    }
}

fn lines(page: &[AuditEvent]) -> String {
    page.iter().fold(String::new(), |mut lines, event| {
        let _ = writeln!(lines, "{}", line(event));
        lines
    })
}

fn line(event: &AuditEvent) -> Value {
    let time = |at: OffsetDateTime| at.format(&Rfc3339).unwrap_or_default();
    json!({
        "tenant": event.tenant,
        "sequence": event.sequence,
        "hash": hex(&event.hash),
        "audit_event_id": event.id,
        "time": time(event.at),
        "actor": event.actor,
        "credential_kind": event.credential.0,
        "credential_id": event.credential.1,
        "action": event.action,
        "target": event.target,
        "store_uid": event.store.map(|uid| uid.0),
        "operation_id": event.operation.map(|id| id.0),
        "outcome": event.outcome.map(Outcome::as_str),
        "reason": event.reason,
        "count": event.count,
        "last_time": time(event.last_at),
        "request_id": event.request_id,
        "peer": event.peer,
        "user_agent": event.user_agent,
        "trace_id": event.trace_id,
        "changes": serde_json::from_str::<Value>(&event.changes).unwrap_or(Value::Null),
    })
}
