-- The charts of the servers' catalogues, so that a store whose version is no longer offered can still be handled.
CREATE TABLE charts (
    digest         text PRIMARY KEY,    -- sha256:… of the chart's files
    engine         text NOT NULL,       -- the engine that offered it first
    chart          text NOT NULL,
    version        text NOT NULL,
    app_version    text NOT NULL,
    schema_version text NOT NULL,       -- of the shop's database; '' if the chart declares none
    package        bytea NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    offered_at     timestamptz NOT NULL DEFAULT clock_timestamp()  -- when a server offered it last
);
-- What was installed, and what was backed up; '' where it was not recorded. Added without a rewrite of the tables.
ALTER TABLE stores ADD COLUMN chart_digest text NOT NULL DEFAULT '', ADD COLUMN schema_version text NOT NULL DEFAULT '';
ALTER TABLE backups ADD COLUMN chart_digest text NOT NULL DEFAULT '', ADD COLUMN schema_version text NOT NULL DEFAULT '';
