-- Tokens that are limited to some stores of their tenant. Their roles have texts that a server of the previous release does not know: it
-- refuses such a token, also in a browser's session. For all other tokens it goes on as before.

ALTER TABLE tokens
    ADD COLUMN store_ids       text[],          -- NULL: none
    ADD COLUMN store_id_prefix text,            -- NULL: none
    DROP CONSTRAINT tokens_role_check,
    ADD CONSTRAINT tokens_role_check CHECK (role IN (
        'viewer', 'auditor', 'operator', 'admin', 'platform_admin', 'scoped_viewer', 'scoped_operator')),
    ADD CONSTRAINT tokens_scope_check CHECK (
        (role LIKE 'scoped\_%') = (coalesce(cardinality(store_ids), 0) > 0 OR coalesce(store_id_prefix, '') <> ''));

-- For reads of those stores. In the order of bytes, so that they serve a prefix in databases of any collation.
CREATE INDEX stores_in_scope ON stores (tenant, store_id text_pattern_ops);
CREATE INDEX operations_in_scope ON operations (tenant, store_id text_pattern_ops, created_at, id);
CREATE INDEX events_in_scope ON events (tenant, store_id text_pattern_ops, transaction, number);
