-- Events are read by tenant, so that one tenant's events do not move another's cursors.
CREATE INDEX events_by_tenant_in_order ON events (tenant, transaction, number);

-- Position up to which a tenant's events were removed; `event_floor` has it for all tenants.
CREATE TABLE event_floors (
    tenant      text PRIMARY KEY,
    transaction xid8 NOT NULL,
    number      bigint NOT NULL
);
INSERT INTO event_floors (tenant, transaction, number)
    SELECT DISTINCT stores.tenant, floor.transaction, floor.number FROM stores, event_floor floor WHERE floor.number > 0;

-- Keys that all servers of this database share. `cursor` seals cursors and page tokens; two random UUIDs have 244 random bits.
CREATE TABLE server_keys (
    name text PRIMARY KEY,
    key  bytea NOT NULL CHECK (octet_length(key) = 32)
);
INSERT INTO server_keys (name, key)
    VALUES ('cursor', decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

-- For the orders of ListStores.
CREATE INDEX stores_by_update ON stores (tenant, updated_at, uid);
CREATE INDEX stores_by_name ON stores (tenant, display_name, uid);
