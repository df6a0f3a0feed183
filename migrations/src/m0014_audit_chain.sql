-- The audit log as a hash chain by tenant, and what is known about each request.
--
-- A trigger appends every new record, so records of a server of the previous release are in the chain as well. Two kinds of
-- records are not: those from before this migration, and refusals that a server of the previous release counts (`refused_in`),
-- because it changes their rows. VerifyAuditLog counts them.
--
-- Under the lock of the table nothing depends on its size: m0021_audit_indexes builds the indexes, and adds the heads of tenants with records.

ALTER TABLE audit_events
    ADD COLUMN credential_kind text NOT NULL DEFAULT '',
    ADD COLUMN credential      text NOT NULL DEFAULT '',
    ADD COLUMN request_id      text NOT NULL DEFAULT '',
    ADD COLUMN peer            text NOT NULL DEFAULT '',
    ADD COLUMN user_agent      text NOT NULL DEFAULT '',
    ADD COLUMN trace_id        text NOT NULL DEFAULT '',
    ADD COLUMN changes         text NOT NULL DEFAULT '',  -- JSON: {"before": {…}, "after": {…}}
    ADD COLUMN sequence        bigint,                    -- in the tenant's chain: 1, 2, 3, … without gaps
    ADD COLUMN hash            bytea;                     -- SHA-256 of the previous record's hash and this content

-- The end of each tenant's chain, and where it begins: after the last record that retention removed.
CREATE TABLE audit_chain_heads (
    tenant          text PRIMARY KEY,
    sequence        bigint NOT NULL,
    hash            bytea NOT NULL,
    anchor_sequence bigint NOT NULL DEFAULT 0,
    anchor_hash     bytea NOT NULL DEFAULT '\x'
) WITH (fillfactor = 50);

-- The last signed checkpoint of each tenant. The evidence is the log to which it was written; this row only avoids repetitions.
CREATE TABLE audit_checkpoints (
    tenant     text PRIMARY KEY,
    sequence   bigint NOT NULL,
    checkpoint text NOT NULL,
    at         timestamptz NOT NULL
);

-- Refusals that are counted and not recorded one by one: those that differ from a record only in their time. At the end of their
-- hour a record with their number is appended.
CREATE TABLE audit_refusal_counts (
    tenant    text NOT NULL,
    principal text NOT NULL,
    hour      timestamptz NOT NULL,
    action    text NOT NULL,
    outcome   text NOT NULL,
    reason    text NOT NULL,
    target    text NOT NULL,
    peer      text NOT NULL,
    record    uuid NOT NULL,          -- the record of the first one
    count     bigint NOT NULL,        -- of those after it
    first_at  timestamptz NOT NULL,   -- of those
    last_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant, principal, hour, action, outcome, reason, target, peer)
);
CREATE INDEX audit_refusal_counts_by_hour ON audit_refusal_counts (hour);
CREATE INDEX audit_refusal_counts_by_record ON audit_refusal_counts (record);

-- One field of a record's content: its length in bytes, a colon and the text, or `-` if it is absent.
CREATE FUNCTION audit_field(value text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN coalesce(octet_length(value)::text || ':' || value, '-') || ',';

-- What the hash of a record covers: server/src/postgres/audit/content.rs computes the same.
CREATE FUNCTION audit_content(record audit_events) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
    'storeplane-audit-1,' || audit_field(record.tenant) || audit_field(record.sequence::text)
    || audit_field(record.id::text) || audit_field((extract(epoch FROM record.at) * 1000000)::bigint::text)
    || audit_field(record.actor) || audit_field(record.token::text) || audit_field(record.credential_kind)
    || audit_field(record.credential) || audit_field(record.action) || audit_field(record.target)
    || audit_field(record.store::text) || audit_field(record.operation::text) || audit_field(record.outcome)
    || audit_field(record.reason) || audit_field(record.count::text)
    || audit_field((extract(epoch FROM record.last_at) * 1000000)::bigint::text) || audit_field(record.request_id)
    || audit_field(record.peer) || audit_field(record.user_agent) || audit_field(record.trace_id)
    || audit_field(record.changes);

-- Appends a record to its tenant's chain, whose head stays locked until the transaction ends.
CREATE FUNCTION audit_append() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    previous bytea;
BEGIN
    IF NEW.refused_in IS NOT NULL THEN
        NEW.sequence := NULL;
        NEW.hash := NULL;
        RETURN NEW;
    END IF;
    SELECT head.sequence + 1, head.hash INTO NEW.sequence, previous
        FROM audit_chain_heads head WHERE head.tenant = NEW.tenant FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        INSERT INTO audit_chain_heads (tenant, sequence, hash) VALUES (NEW.tenant, 0, '') ON CONFLICT DO NOTHING;
        SELECT head.sequence + 1, head.hash INTO NEW.sequence, previous
            FROM audit_chain_heads head WHERE head.tenant = NEW.tenant FOR NO KEY UPDATE;
    END IF;
    NEW.hash := sha256(previous || convert_to(audit_content(NEW), 'UTF8'));
    UPDATE audit_chain_heads SET sequence = NEW.sequence, hash = NEW.hash WHERE tenant = NEW.tenant;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_append BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION audit_append();

-- A function that runs as its owner must not be led to other tables by its caller's search path.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION audit_append() SET search_path = pg_catalog, %I, pg_temp', current_schema());
END $$;

-- The key that signs checkpoints, unless the configuration names a file.
INSERT INTO server_keys (name, key)
    SELECT 'audit', sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'))
    ON CONFLICT DO NOTHING;
