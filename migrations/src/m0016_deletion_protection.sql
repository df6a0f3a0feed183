-- DeleteStore is refused while it is set. Added without a rewrite of the table.
ALTER TABLE stores ADD COLUMN deletion_protection boolean NOT NULL DEFAULT false;
