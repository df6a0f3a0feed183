-- Tenants as rows, with their quotas. A server of the previous release ignores the table: it enforces no suspension and no quota.

CREATE TABLE tenants (
    name         text PRIMARY KEY,
    uid          uuid NOT NULL UNIQUE,
    display_name text NOT NULL,
    state        text NOT NULL DEFAULT 'ACTIVE' CHECK (state IN ('ACTIVE', 'SUSPENDED', 'DELETED')),
    quotas       jsonb NOT NULL DEFAULT '{}', -- what was set for this tenant; the server's defaults apply for everything else
    revision     bigint NOT NULL DEFAULT 1,   -- incremented with each change
    created_at   timestamptz NOT NULL,
    created_by   text NOT NULL,
    updated_at   timestamptz NOT NULL,
    suspended_at timestamptz
);

-- The tenants so far. Servers add a tenant with its first token or store.
INSERT INTO tenants (name, uid, display_name, created_at, created_by, updated_at)
SELECT tenant, gen_random_uuid(), tenant, now(), 'system', now()
FROM (SELECT tenant FROM tokens UNION SELECT tenant FROM stores UNION SELECT 'default') AS known;
