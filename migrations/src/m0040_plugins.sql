-- A store's plugins: version, image and path by name.
ALTER TABLE stores ADD COLUMN plugins jsonb NOT NULL DEFAULT '{}';
