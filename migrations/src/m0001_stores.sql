-- Stores, their operations and events, the audit log, and tokens.

CREATE TABLE stores (
    uid            uuid PRIMARY KEY,
    store_id       text NOT NULL,
    tenant         text NOT NULL,
    display_name   text NOT NULL,
    engine         text NOT NULL,
    plan           text NOT NULL,
    admin_email    text NOT NULL,
    cleanup_policy text NOT NULL CHECK (cleanup_policy IN ('KEEP', 'DELETE_RESOURCES')),
    namespace      text NOT NULL,
    release        text NOT NULL,
    host           text NOT NULL,
    state          text NOT NULL
        CHECK (state IN ('PROVISIONING', 'READY', 'UPDATING', 'DEGRADED', 'FAILED', 'DELETING', 'DELETED')),
    step           text,
    failure        jsonb,
    chart_version  text NOT NULL,
    app_version    text NOT NULL,
    simulated      boolean NOT NULL,
    secure         boolean NOT NULL,
    operation      uuid NOT NULL,           -- the active one, otherwise the last
    last_sequence  bigint NOT NULL,         -- of this store's events: 1, 2, 3, … without gaps
    fence          bigint NOT NULL,         -- incremented with each claim of any of its operations
    created_at     timestamptz NOT NULL,
    ready_at       timestamptz,
    updated_at     timestamptz NOT NULL,
    deleted_at     timestamptz
);
-- The id, namespace and host of a deleted store can be reused; its row is kept.
CREATE UNIQUE INDEX stores_live_id ON stores (tenant, store_id) WHERE state <> 'DELETED';
CREATE UNIQUE INDEX stores_live_host ON stores (host) WHERE state <> 'DELETED';
CREATE UNIQUE INDEX stores_live_namespace ON stores (namespace) WHERE state <> 'DELETED';
CREATE INDEX stores_by_time ON stores (tenant, created_at, uid);
CREATE INDEX stores_by_id ON stores (tenant, store_id, uid);

CREATE TABLE operations (
    id               uuid PRIMARY KEY,
    store            uuid NOT NULL REFERENCES stores,
    store_id         text NOT NULL,
    tenant           text NOT NULL,
    kind             text NOT NULL CHECK (kind IN ('CREATE', 'RETRY', 'DELETE')),
    state            text NOT NULL CHECK (state IN ('PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED')),
    step             text,
    reached          text,
    undoing          boolean NOT NULL,
    cancel_requested boolean NOT NULL,
    failure          jsonb,
    claims           integer NOT NULL,
    priority         integer NOT NULL,
    requested_by     text NOT NULL,
    trace            text,
    fence            bigint NOT NULL,       -- of the claim that may write; 0 before the first
    writes           bigint NOT NULL,       -- count of fenced writes: detects a repeated write
    lease_owner      uuid,                  -- the worker that holds it
    lease_expires_at timestamptz,           -- by Postgres' clock; kept after the operation's end until the worker released it
    created_at       timestamptz NOT NULL,
    started_at       timestamptz,
    ended_at         timestamptz
);
CREATE UNIQUE INDEX operations_one_active ON operations (store) WHERE state IN ('PENDING', 'RUNNING');
CREATE INDEX operations_waiting ON operations (priority DESC, created_at) WHERE state IN ('PENDING', 'RUNNING');
CREATE INDEX operations_leased ON operations (store) WHERE lease_expires_at IS NOT NULL;
CREATE INDEX operations_by_time ON operations (tenant, created_at, id);
CREATE INDEX operations_by_store ON operations (store, created_at);

CREATE TABLE events (
    store       uuid NOT NULL REFERENCES stores,
    sequence    bigint NOT NULL,
    -- Global order: by transaction, then by number. A row is delivered once no older transaction is running, so
    -- that none can commit behind a cursor.
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    number      bigint GENERATED ALWAYS AS IDENTITY,
    store_id    text NOT NULL,
    tenant      text NOT NULL,
    at          timestamptz NOT NULL,
    kind        text NOT NULL,
    operation   uuid,
    step        text NOT NULL,
    message     text NOT NULL,
    details     jsonb NOT NULL,
    PRIMARY KEY (store, sequence)
);
CREATE INDEX events_in_order ON events (transaction, number);

CREATE TABLE audit_events (
    id        uuid PRIMARY KEY,
    at        timestamptz NOT NULL,
    tenant    text NOT NULL,
    actor     text NOT NULL,
    token     uuid,
    action    text NOT NULL,
    target    text NOT NULL,
    store     uuid,
    operation uuid,
    outcome   text NOT NULL CHECK (outcome IN ('ACCEPTED', 'REJECTED', 'DENIED')),
    reason    text NOT NULL
);
CREATE INDEX audit_events_by_time ON audit_events (tenant, at, id);

CREATE TABLE tokens (
    id         uuid PRIMARY KEY,
    hash       bytea NOT NULL UNIQUE,       -- BLAKE3 of the secret, which has 256 random bits
    name       text NOT NULL,
    tenant     text NOT NULL,
    role       text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    revoked_at timestamptz,
    revoked_by text
);

-- Request ids of the last 24 hours, so that a repeated request starts nothing.
CREATE TABLE requests (
    tenant      text NOT NULL,
    request     uuid NOT NULL,
    fingerprint bytea NOT NULL,
    store       uuid NOT NULL,
    operation   uuid NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (tenant, request)
);
CREATE INDEX requests_by_time ON requests (at);
