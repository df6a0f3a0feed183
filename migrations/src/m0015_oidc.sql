-- Sessions of browsers, and one-time codes with which a browser signs in. A server of the previous release uses neither.

CREATE TABLE sessions (
    hash         bytea PRIMARY KEY,       -- BLAKE3 of the cookie's secret, which has 258 random bits
    owner        uuid NOT NULL,           -- the credential's key, by which sessions are counted
    token_hash   bytea,                   -- of the token's secret for which the session stands, ...
    issuer       text,                    -- ... or the identity provider's user, as it was at the sign-in
    subject      text,
    name         text,
    tenant       text,
    role         text,
    created_at   timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,    -- at most once a minute
    expires_at   timestamptz NOT NULL,    -- however much it is used
    CHECK (num_nonnulls(issuer, subject, name, tenant, role) = CASE WHEN token_hash IS NULL THEN 5 ELSE 0 END)
);

CREATE INDEX sessions_by_owner ON sessions (owner, created_at);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE sign_in_codes (
    hash       bytea PRIMARY KEY,         -- BLAKE3 of the code
    token_hash bytea NOT NULL,            -- of the token's secret with which it signs in
    expires_at timestamptz NOT NULL
);

CREATE INDEX sign_in_codes_by_expiry ON sign_in_codes (expires_at);
