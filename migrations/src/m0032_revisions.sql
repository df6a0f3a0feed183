-- A new kind of operation. NOT VALID: rows that exist satisfied the stricter constraint, so the table is not scanned under its lock.
ALTER TABLE operations DROP CONSTRAINT operations_kind_check;
ALTER TABLE operations ADD CONSTRAINT operations_kind_check
    CHECK (kind IN ('CREATE', 'RETRY', 'DELETE', 'ROTATE_CREDENTIALS', 'BACKUP', 'RESTORE', 'COPY', 'UPDATE')) NOT VALID;
-- What an UPDATE applies, and to what its undo returns.
ALTER TABLE operations ADD COLUMN settings_update jsonb;
-- The number of the newest revision; 0 if none is recorded. Added without a rewrite of the table.
ALTER TABLE stores ADD COLUMN revision integer NOT NULL DEFAULT 0;
-- Labels that callers set, values by name.
ALTER TABLE stores ADD COLUMN labels jsonb NOT NULL DEFAULT '{}';
-- With what a store was installed. The values contain no secret.
CREATE TABLE revisions (
    store uuid NOT NULL REFERENCES stores (uid) ON DELETE CASCADE,
    number integer NOT NULL,
    settings jsonb NOT NULL,
    chart_values jsonb NOT NULL,
    images jsonb NOT NULL,
    operation uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (store, number)
);
