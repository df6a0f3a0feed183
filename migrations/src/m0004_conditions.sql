-- Conditions of a store, and the time at which it entered its state.

ALTER TABLE stores
    ADD COLUMN state_changed_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN conditions jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(conditions) = 'array');

-- The best estimate for existing stores.
UPDATE stores SET state_changed_at = coalesce(deleted_at, updated_at);
