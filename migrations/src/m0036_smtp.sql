-- A store's mail server, without its password: that is in a Secret, which this names.
ALTER TABLE stores ADD COLUMN smtp jsonb;
