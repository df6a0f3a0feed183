-- A new kind of operation. NOT VALID: rows that exist satisfied the stricter constraint, so the table is not scanned under its lock.
ALTER TABLE operations DROP CONSTRAINT operations_kind_check;
ALTER TABLE operations ADD CONSTRAINT operations_kind_check
    CHECK (kind IN ('CREATE', 'RETRY', 'DELETE', 'ROTATE_CREDENTIALS', 'BACKUP', 'RESTORE', 'COPY', 'UPDATE', 'ROLLBACK')) NOT VALID;
