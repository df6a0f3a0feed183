-- How long audit records are kept at least, whatever the serving role asks for. Only the owner of the schema may change it: `migrate` sets it
-- to `retention.audit`. Until then: 30 days, as before.

CREATE TABLE audit_settings (
    one          boolean PRIMARY KEY DEFAULT true CHECK (one),
    kept_seconds bigint CHECK (kept_seconds >= 2592000)  -- NULL: forever
);
INSERT INTO audit_settings (kept_seconds) VALUES (2592000);

-- Removes a tenant's oldest records up to that time, at most `batch`, and moves the start of its chain behind them. The serving
-- role may call it and may not delete: nothing younger than the setting is removed, and never from the middle. Earlier builds of
-- m0014_audit_chain have one that always keeps 30 days.
CREATE OR REPLACE FUNCTION audit_remove(of_tenant text, until timestamptz, batch bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    kept interval;
    oldest_kept timestamptz;
    last audit_events;
    first_kept bigint;
    removed bigint;
    unchained bigint;
BEGIN
    SELECT make_interval(secs => greatest(kept_seconds, 2592000)) INTO kept
        FROM audit_settings WHERE kept_seconds IS NOT NULL;
    IF NOT FOUND OR until IS NULL OR of_tenant IS NULL OR batch IS NULL THEN
        RETURN 0;
    END IF;
    oldest_kept := least(until, clock_timestamp() - kept);
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

REVOKE ALL ON FUNCTION audit_remove(text, timestamptz, bigint) FROM PUBLIC;

-- A function that runs as its owner must not be led to other tables by its caller's search path.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION audit_remove(text, timestamptz, bigint) SET search_path = pg_catalog, %I, pg_temp', current_schema());
END $$;
