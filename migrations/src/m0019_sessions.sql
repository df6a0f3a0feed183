-- What administrators see of sessions, and by which they end them. A server of the previous release stores no address and no user agent.

ALTER TABLE sessions
    ADD COLUMN id         uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN peer       text NOT NULL DEFAULT '',
    ADD COLUMN user_agent text NOT NULL DEFAULT '';
CREATE UNIQUE INDEX sessions_by_id ON sessions (id);
CREATE INDEX sessions_by_tenant ON sessions (tenant, created_at, id) WHERE tenant IS NOT NULL;
