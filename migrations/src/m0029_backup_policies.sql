-- What was set for a store of when it is backed up; NULL: as for its plan. Added without a rewrite of the table.
ALTER TABLE stores ADD COLUMN backup_every text, ADD COLUMN backup_keep_days integer, ADD COLUMN backup_keep_weekly integer;
