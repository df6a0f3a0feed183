-- A new kind of operation. NOT VALID: rows that exist satisfied the stricter constraint, so the table is not scanned under its lock.
ALTER TABLE operations DROP CONSTRAINT operations_kind_check;
ALTER TABLE operations ADD CONSTRAINT operations_kind_check
    CHECK (kind IN ('CREATE', 'RETRY', 'DELETE', 'ROTATE_CREDENTIALS', 'BACKUP', 'RESTORE', 'COPY')) NOT VALID;
-- What a shop is for, and where its data came from. Added without a rewrite of the table.
ALTER TABLE stores ADD COLUMN environment text NOT NULL DEFAULT 'PRODUCTION';
-- Not references: stores and backups are removed after a time.
ALTER TABLE stores ADD COLUMN source_store uuid;
ALTER TABLE stores ADD COLUMN source_store_id text;
ALTER TABLE stores ADD COLUMN source_backup uuid;
-- True once the data is that of the backup.
ALTER TABLE stores ADD COLUMN source_restored boolean NOT NULL DEFAULT false;
-- The last test restore of a backup, and when it began.
ALTER TABLE backups ADD COLUMN restore_test jsonb;
ALTER TABLE backups ADD COLUMN tested_at timestamptz;
CREATE INDEX backups_tested ON backups (store, tested_at) WHERE tested_at IS NOT NULL;
CREATE INDEX backups_tested_by_tenant ON backups (tenant, tested_at) WHERE tested_at IS NOT NULL;
CREATE INDEX backups_in_test ON backups (tested_at) WHERE restore_test ->> 'state' = 'RUNNING';
