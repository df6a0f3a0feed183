-- Refused requests that differ only in their time share one record per hour.

ALTER TABLE audit_events
    ADD COLUMN count bigint NOT NULL DEFAULT 1,
    ADD COLUMN last_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN refused_in timestamptz;      -- the hour of a refusal; NULL in older records and for accepted requests
UPDATE audit_events SET last_at = at;

CREATE UNIQUE INDEX audit_events_refused ON audit_events (token, refused_in, action, outcome, reason, target)
    WHERE refused_in IS NOT NULL;
