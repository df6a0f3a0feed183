-- The roles auditor and platform_admin. A server of the previous release refuses tokens with a role that it does not know.

ALTER TABLE tokens
    DROP CONSTRAINT tokens_role_check,
    ADD CONSTRAINT tokens_role_check CHECK (role IN ('viewer', 'auditor', 'operator', 'admin', 'platform_admin'));
