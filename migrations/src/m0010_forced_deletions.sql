-- Deletions that give up on a cluster which does not answer, and how a store was before its operation was requested.

ALTER TABLE operations
    ADD COLUMN force boolean NOT NULL DEFAULT false,
    ADD COLUMN prior jsonb;
