-- When a store entered its state, and what else is known of it beside the state.

ALTER TABLE stores
    ADD COLUMN state_changed_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN conditions jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(conditions) = 'array');

-- The closest that is known of the stores that are there.
UPDATE stores SET state_changed_at = coalesce(deleted_at, updated_at);
