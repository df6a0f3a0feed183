//! What a record's hash covers: the function `audit_content` of the schema, computed independently.

use ring::digest::{Context, SHA256};
use time::OffsetDateTime;

use crate::postgres::entity::audit_event::Model;

/// Names the format of the content.
const FORMAT: &str = "storeplane-audit-1,";
const NANOS_PER_MICRO: i128 = 1000;

/// The hash of a record, from the previous record's and its own content.
pub(super) fn hash(previous: &[u8], record: &Model) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    context.update(previous);
    context.update(content(record).as_bytes());
    context.finish().as_ref().to_vec()
}

/// Every field as its length in bytes, a colon and the text, or as `-` if it is absent, each with a comma behind it.
fn content(record: &Model) -> String {
    let mut text = FORMAT.to_owned();
    let mut field = |value: Option<&str>| {
        match value {
            Some(value) => {
                text.push_str(&value.len().to_string());
                text.push(':');
                text.push_str(value);
            }
            None => text.push('-'),
        }
        text.push(',');
    };
    field(Some(&record.tenant));
    field(record.sequence.map(|sequence| sequence.to_string()).as_deref());
    field(Some(&record.id.to_string()));
    field(Some(&micros(record.at)));
    field(Some(&record.actor));
    field(record.token.map(|token| token.to_string()).as_deref());
    field(Some(&record.credential_kind));
    field(Some(&record.credential));
    field(Some(&record.action));
    field(Some(&record.target));
    field(record.store.map(|store| store.to_string()).as_deref());
    field(record.operation.map(|operation| operation.to_string()).as_deref());
    field(Some(&record.outcome));
    field(Some(&record.reason));
    field(Some(&record.count.to_string()));
    field(Some(&micros(record.last_at)));
    field(Some(&record.request_id));
    field(Some(&record.peer));
    field(Some(&record.user_agent));
    field(Some(&record.trace_id));
    field(Some(&record.changes));
    text
}

fn micros(at: OffsetDateTime) -> String {
    at.unix_timestamp_nanos().div_euclid(NANOS_PER_MICRO).to_string()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn content_is_unambiguous_and_covers_every_field() {
        let at = OffsetDateTime::from_unix_timestamp_nanos(1_793_491_200_123_456_000).expect("in range");
        let record = Model {
            id: Uuid::nil(),
            at,
            tenant: "default".into(),
            actor: "é,1:x".into(),
            token: None,
            action: "CREATE_STORE".into(),
            target: String::new(),
            store: Some(Uuid::max()),
            operation: None,
            outcome: "ACCEPTED".into(),
            reason: String::new(),
            count: 1,
            last_at: at,
            refused_in: None,
            credential_kind: "token".into(),
            credential: "7".into(),
            request_id: "r".into(),
            peer: "192.0.2.1".into(),
            user_agent: "u".into(),
            trace_id: "t".into(),
            changes: "{}".into(),
            sequence: Some(3),
            hash: None,
        };
        insta::assert_snapshot!(content(&record), @"storeplane-audit-1,7:default,1:3,36:00000000-0000-0000-0000-000000000000,16:1793491200123456,6:é,1:x,-,5:token,1:7,12:CREATE_STORE,0:,36:ffffffff-ffff-ffff-ffff-ffffffffffff,-,8:ACCEPTED,0:,1:1,16:1793491200123456,1:r,9:192.0.2.1,1:u,1:t,2:{},");
        assert_ne!(hash(b"", &record), hash(b"x", &record), "the previous hash is covered");
    }
}
