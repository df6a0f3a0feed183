-- For ListOperations by store id.

CREATE INDEX operations_by_store_id ON operations (tenant, store_id, created_at, id);
