-- Which history of events this database continues. `migrate` begins another one in a database that was restored: cursors from before then may
-- point to events that are not here.
CREATE TABLE event_history (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    database text NOT NULL DEFAULT '',  -- the database's identity, set by `migrate`: a dump brings along that of its origin
    history  bigint NOT NULL DEFAULT 0  -- in every cursor, if it is not 0; random after a restore
);
INSERT INTO event_history DEFAULT VALUES;
