-- Indexes for GetOverview and ListAuditEvents, so that neither scans whole tables.

CREATE INDEX stores_by_state ON stores (tenant, state) WHERE state <> 'DELETED';
CREATE INDEX stores_by_ready ON stores (tenant, ready_at) INCLUDE (created_at) WHERE ready_at IS NOT NULL;
CREATE INDEX stores_by_deletion ON stores (tenant, deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX operations_active ON operations (tenant, created_at, id) WHERE state IN ('PENDING', 'RUNNING');
CREATE INDEX operations_failed ON operations (tenant, ended_at) WHERE state = 'FAILED';
CREATE INDEX events_by_tenant ON events (tenant, number);
CREATE INDEX audit_events_by_target ON audit_events (tenant, target, at, id);
CREATE INDEX audit_events_by_store ON audit_events (store, at, id) WHERE store IS NOT NULL;
CREATE INDEX audit_events_by_actor ON audit_events (tenant, actor, at, id);
