-- Snapshots of volumes that were made with a backup, and when they are compared with the cluster's next. Added without a rewrite of the table.
ALTER TABLE backups ADD COLUMN snapshots jsonb NOT NULL DEFAULT '[]', ADD COLUMN snapshots_due timestamptz;
-- Few rows: those of the last hours.
CREATE INDEX backups_snapshots_due ON backups (snapshots_due) WHERE snapshots_due IS NOT NULL;
CREATE INDEX backups_with_snapshots ON backups (store, created_at) WHERE snapshots <> '[]';
