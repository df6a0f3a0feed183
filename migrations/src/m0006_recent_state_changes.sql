-- GetOverview shows the last state changes only: an index of those replaces the one of all events.

CREATE INDEX events_state_changes ON events (tenant, number) WHERE kind = 'STATE_CHANGED';
DROP INDEX events_by_tenant;
