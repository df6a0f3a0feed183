-- A new kind of operation. NOT VALID: rows that exist satisfied the stricter constraint, so the table is not scanned under its lock.
ALTER TABLE operations DROP CONSTRAINT operations_kind_check;
ALTER TABLE operations ADD CONSTRAINT operations_kind_check
    CHECK (kind IN ('CREATE', 'RETRY', 'DELETE', 'ROTATE_CREDENTIALS', 'BACKUP', 'RESTORE')) NOT VALID;
-- The backup that a restore reads, and whether it leaves out the backup of the present data. Added without a rewrite of the table.
ALTER TABLE operations ADD COLUMN restores uuid;
ALTER TABLE operations ADD COLUMN skips_backup boolean NOT NULL DEFAULT false;
-- Backups that an operation makes, or made without noting its end.
CREATE INDEX backups_creating ON backups (created_at) WHERE state = 'CREATING';
