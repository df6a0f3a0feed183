-- A new kind of operation. NOT VALID: rows that exist satisfied the stricter constraint, so the table is not scanned under its lock.
ALTER TABLE operations DROP CONSTRAINT operations_kind_check;
ALTER TABLE operations ADD CONSTRAINT operations_kind_check
    CHECK (kind IN ('CREATE', 'RETRY', 'DELETE', 'ROTATE_CREDENTIALS', 'BACKUP')) NOT VALID;

-- Backups of stores. Their content is in the storage of backups; the row outlives the store and the operation.
CREATE TABLE backups (
    id           uuid PRIMARY KEY,
    store        uuid NOT NULL REFERENCES stores (uid),
    store_id     text NOT NULL,
    tenant       text NOT NULL,
    state        text NOT NULL CHECK (state IN ('CREATING', 'COMPLETE', 'FAILED', 'DELETING')),
    trigger      text NOT NULL,
    description  text NOT NULL,
    requested_by text NOT NULL,
    -- The operation that makes it. Not a reference: operations are removed after a time.
    operation    uuid NOT NULL UNIQUE,
    engine       text NOT NULL,
    chart_version text NOT NULL,
    app_version  text NOT NULL,
    simulated    boolean NOT NULL,
    -- The run of the Job: its number, the encrypted key, the uploads.
    attempt      jsonb,
    -- Name, sizes and SHA-256 of each stored part.
    parts        jsonb NOT NULL,
    failure      jsonb,
    created_at   timestamptz NOT NULL,
    completed_at timestamptz
);
CREATE INDEX backups_by_tenant ON backups (tenant, created_at, id);
CREATE INDEX backups_in_scope ON backups (tenant, store_id text_pattern_ops, created_at, id);
CREATE INDEX backups_by_store ON backups (store, created_at);
-- Those with objects to remove.
CREATE INDEX backups_to_remove ON backups (created_at) WHERE state = 'DELETING' OR (state = 'FAILED' AND attempt IS NOT NULL);
