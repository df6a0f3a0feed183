-- Refused requests that are the same in all but their time are one record an hour.

ALTER TABLE audit_events
    ADD COLUMN count bigint NOT NULL DEFAULT 1,
    ADD COLUMN last_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN refused_in timestamptz;      -- the hour of a refusal; older records, and accepted requests, have none
UPDATE audit_events SET last_at = at;

CREATE UNIQUE INDEX audit_events_refused ON audit_events (token, refused_in, action, outcome, reason, target)
    WHERE refused_in IS NOT NULL;
