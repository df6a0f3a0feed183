-- GetOverview shows only the last state changes: an index of those replaces the one of all events.

CREATE INDEX events_state_changes ON events (tenant, number) WHERE kind = 'STATE_CHANGED';
DROP INDEX events_by_tenant;
