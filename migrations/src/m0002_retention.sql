-- Retention: indexes for expired rows, and the position up to which events were removed.

-- Events up to this position in the global order may be removed: an earlier cursor has expired.
CREATE TABLE event_floor (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    transaction xid8 NOT NULL,
    number      bigint NOT NULL
);
INSERT INTO event_floor (transaction, number) VALUES ('0', 0);

CREATE INDEX events_by_time ON events (at, store, sequence);
CREATE INDEX operations_by_end ON operations (ended_at) WHERE ended_at IS NOT NULL;
