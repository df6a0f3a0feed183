-- The audit log as a hash chain by tenant, and what is known about each request.
--
-- A trigger appends every new record, so records of a server of the previous release are in the chain as well. Two kinds of
-- records are not: those from before this migration, and refusals that a server of the previous release counts (`refused_in`),
-- because it changes their rows. VerifyAuditLog counts them.

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
CREATE UNIQUE INDEX audit_events_chain ON audit_events (tenant, sequence) WHERE sequence IS NOT NULL;
CREATE INDEX audit_events_unchained ON audit_events (tenant) WHERE sequence IS NULL;
CREATE INDEX audit_events_by_peer ON audit_events (tenant, peer, at, id) WHERE peer <> '';

-- The end of each tenant's chain, and where it begins: after the last record that retention removed.
CREATE TABLE audit_chain_heads (
    tenant          text PRIMARY KEY,
    sequence        bigint NOT NULL,
    hash            bytea NOT NULL,
    anchor_sequence bigint NOT NULL DEFAULT 0,
    anchor_hash     bytea NOT NULL DEFAULT '\x'
) WITH (fillfactor = 50);

INSERT INTO audit_chain_heads (tenant, sequence, hash) SELECT DISTINCT tenant, 0, '\x'::bytea FROM audit_events;

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

-- Removes a tenant's oldest records up to that time, at most `batch`, and moves the start of its chain behind them. The serving
-- role may call it and may not delete: nothing younger than 30 days is removed, and never from the middle.
CREATE FUNCTION audit_remove(of_tenant text, until timestamptz, batch bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    oldest_kept timestamptz := least(until, clock_timestamp() - interval '30 days');
    last audit_events;
    first_kept bigint;
    removed bigint;
    unchained bigint;
BEGIN
    IF until IS NULL OR of_tenant IS NULL OR batch IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM FROM audit_chain_heads head WHERE head.tenant = of_tenant FOR NO KEY UPDATE;
    -- Up to the first record that is kept, whatever the clocks of the writers were.
    SELECT min(candidate.sequence) INTO first_kept FROM (
        SELECT sequence, at, last_at FROM audit_events
        WHERE tenant = of_tenant AND sequence IS NOT NULL ORDER BY sequence LIMIT batch + 1) candidate
    WHERE greatest(candidate.at, candidate.last_at) >= oldest_kept;
    SELECT * INTO last FROM (
        SELECT * FROM audit_events WHERE tenant = of_tenant AND sequence IS NOT NULL ORDER BY sequence LIMIT batch) old
    WHERE first_kept IS NULL OR old.sequence < first_kept ORDER BY old.sequence DESC LIMIT 1;
    DELETE FROM audit_events WHERE tenant = of_tenant AND sequence <= last.sequence;
    GET DIAGNOSTICS removed = ROW_COUNT;
    IF removed > 0 THEN
        UPDATE audit_chain_heads SET anchor_sequence = last.sequence, anchor_hash = last.hash WHERE tenant = of_tenant;
    END IF;
    DELETE FROM audit_events WHERE id IN (
        SELECT id FROM audit_events WHERE tenant = of_tenant AND sequence IS NULL AND greatest(at, last_at) < oldest_kept
        LIMIT batch - removed);
    GET DIAGNOSTICS unchained = ROW_COUNT;
    RETURN removed + unchained;
END $$;

-- Functions that run as their owner must not be led to other tables by their caller's search path.
DO $$
DECLARE
    path text := format('pg_catalog, %I, pg_temp', current_schema());
BEGIN
    EXECUTE 'ALTER FUNCTION audit_append() SET search_path = ' || path;
    EXECUTE 'ALTER FUNCTION audit_remove(text, timestamptz, bigint) SET search_path = ' || path;
END $$;
REVOKE ALL ON FUNCTION audit_remove(text, timestamptz, bigint) FROM PUBLIC;

-- The key that signs checkpoints, unless the configuration names a file.
INSERT INTO server_keys (name, key)
    SELECT 'audit', sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'))
    ON CONFLICT DO NOTHING;
