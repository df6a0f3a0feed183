-- The custom domains to which a store's shop answers, and the primary one. Added without a rewrite of the table.
ALTER TABLE stores ADD COLUMN domains jsonb NOT NULL DEFAULT '{}';
-- The custom domains of stores, also those that nobody has proved to own.
CREATE TABLE store_domains (
    id         uuid PRIMARY KEY,
    store      uuid NOT NULL REFERENCES stores (uid) ON DELETE CASCADE,
    name       text NOT NULL,
    token      text NOT NULL,              -- in the verification record
    verified   boolean NOT NULL,
    removing   boolean NOT NULL,           -- kept until the shop no longer answers to it
    status     jsonb NOT NULL,             -- ownership, DNS and certificate as last observed
    checks     integer NOT NULL,           -- since something last changed
    attempts   integer NOT NULL DEFAULT 0, -- updates that were started to tell the shop of it
    created_at timestamptz NOT NULL,
    due_at     timestamptz NOT NULL,       -- when it is checked next
    UNIQUE (store, name)
);
-- A name belongs to one store of all tenants. Claims that are not verified block nobody.
CREATE UNIQUE INDEX store_domains_verified ON store_domains (name) WHERE verified;
CREATE INDEX store_domains_due ON store_domains (due_at);
-- The domains of a store are free once it is deleted, whichever server deletes it.
CREATE FUNCTION release_store_domains() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM store_domains WHERE store = NEW.uid;
    RETURN NULL;
END $$;
CREATE TRIGGER release_store_domains AFTER UPDATE OF state ON stores
    FOR EACH ROW WHEN (NEW.state = 'DELETED' AND OLD.state <> 'DELETED') EXECUTE FUNCTION release_store_domains();
