-- Tokens that are limited to some stores of their tenant. Their roles have texts that a server of the previous release does not know: it
-- refuses such a token, also in a browser's session. For all other tokens it goes on as before.
-- The indexes: m0022_scope_indexes.

ALTER TABLE tokens
    ADD COLUMN store_ids       text[],          -- NULL: none
    ADD COLUMN store_id_prefix text,            -- NULL: none
    DROP CONSTRAINT tokens_role_check,
    ADD CONSTRAINT tokens_role_check CHECK (role IN (
        'viewer', 'auditor', 'operator', 'admin', 'platform_admin', 'scoped_viewer', 'scoped_operator')),
    ADD CONSTRAINT tokens_scope_check CHECK (
        (role LIKE 'scoped\_%') = (coalesce(cardinality(store_ids), 0) > 0 OR coalesce(store_id_prefix, '') <> ''));
