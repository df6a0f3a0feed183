-- Tokens expire, show when they were last used, and keep their previous secret for a while after a rotation.
-- A server of the previous release ignores expiry, and does not accept a previous secret.

ALTER TABLE tokens
    ADD COLUMN expires_at          timestamptz, -- NULL: never
    ADD COLUMN last_used_at        timestamptz, -- at most once a minute
    ADD COLUMN rotated_at          timestamptz,
    ADD COLUMN previous_hash       bytea,       -- of the secret before the last rotation
    ADD COLUMN previous_expires_at timestamptz,
    ADD CHECK ((previous_hash IS NULL) = (previous_expires_at IS NULL));

CREATE UNIQUE INDEX tokens_previous_hash ON tokens (previous_hash) WHERE previous_hash IS NOT NULL;
CREATE INDEX tokens_by_time ON tokens (tenant, created_at, id);
