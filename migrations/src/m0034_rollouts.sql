-- Changes of many stores, wave after wave.
CREATE TABLE rollouts (
    id           uuid PRIMARY KEY,
    tenant       text NOT NULL,
    display_name text NOT NULL,
    filter       text NOT NULL,
    target       jsonb NOT NULL,
    waves        jsonb NOT NULL,
    parallelism  integer NOT NULL,
    budget       jsonb NOT NULL,
    soak_seconds bigint NOT NULL,
    time_window  jsonb,
    on_failure   text NOT NULL,
    state        text NOT NULL,
    reason       text NOT NULL DEFAULT '',
    message      text NOT NULL DEFAULT '',
    wave         integer NOT NULL,
    observed     integer NOT NULL,  -- the last wave whose shops were tested
    soak_until   timestamptz,
    forgiven     integer NOT NULL,  -- failures before it was resumed
    created_by   text NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    ended_at     timestamptz,
    version      bigint NOT NULL    -- increases with each change of the row or of its stores
);
CREATE INDEX rollouts_by_time ON rollouts (tenant, created_at DESC, id DESC);
CREATE INDEX rollouts_open ON rollouts (tenant) WHERE ended_at IS NULL;
CREATE INDEX rollouts_ended ON rollouts (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE rollout_stores (
    rollout       uuid NOT NULL REFERENCES rollouts (id) ON DELETE CASCADE,
    store         uuid NOT NULL REFERENCES stores (uid) ON DELETE CASCADE,
    store_id      text NOT NULL,
    position      integer NOT NULL,
    wave          integer NOT NULL,
    state         text NOT NULL,
    exclusive     boolean NOT NULL,  -- no other rollout may have the store
    changed       boolean NOT NULL DEFAULT false,  -- the rollout's change of it succeeded
    returns       boolean NOT NULL DEFAULT false,  -- its operation returns it to its former revision
    kept          boolean NOT NULL DEFAULT false,  -- it could not be returned
    operation     uuid,
    from_revision integer,
    reason        text NOT NULL DEFAULT '',
    message       text NOT NULL DEFAULT '',
    not_before    timestamptz,       -- it had another operation: when it is tried again
    busy_since    timestamptz,
    started_at    timestamptz,
    ended_at      timestamptz,
    version       bigint NOT NULL,   -- that of the rollout when it changed last
    PRIMARY KEY (rollout, store)
);
CREATE UNIQUE INDEX rollout_stores_exclusive ON rollout_stores (store) WHERE exclusive;
CREATE INDEX rollout_stores_running ON rollout_stores (rollout) WHERE state = 'RUNNING';
CREATE INDEX rollout_stores_by_position ON rollout_stores (rollout, position);
CREATE INDEX rollout_stores_by_wave ON rollout_stores (rollout, state, wave, position);
CREATE INDEX rollout_stores_by_version ON rollout_stores (rollout, version);
CREATE INDEX rollout_stores_of_store ON rollout_stores (store);
