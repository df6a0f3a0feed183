/**
 * SQL that inserts stores with their creation and its last event. `rows` selects store_id, display_name, state, failure,
 * created_at, ready_at and deleted_at.
 */
export function seedStores(tenant: string, rows: string): string {
  return `
INSERT INTO stores (uid, store_id, tenant, display_name, engine, plan, admin_email, cleanup_policy, namespace, release, host, state,
    failure, chart_version, app_version, simulated, secure, operation, last_sequence, fence, created_at, ready_at, updated_at,
    deleted_at, state_changed_at)
  SELECT gen_random_uuid(), store_id, '${tenant}', display_name, 'woocommerce', 'small', 'owner@example.com', 'KEEP', 'store-' || store_id,
    'store-' || store_id, store_id || '.test', state, failure::jsonb, '1', '11.0.1', true, false, gen_random_uuid(), 1, 0, created_at,
    ready_at, now(), deleted_at, coalesce(deleted_at, ready_at, created_at)
  FROM (${rows}) AS rows;
INSERT INTO operations (id, store, store_id, tenant, kind, state, undoing, cancel_requested, failure, claims, priority, requested_by,
    fence, writes, created_at, started_at, ended_at)
  SELECT operation, uid, store_id, tenant, 'CREATE', CASE WHEN ready_at IS NULL THEN 'FAILED' ELSE 'SUCCEEDED' END, false, false, failure,
    1, 0, 'import', 1, 1, created_at, created_at, created_at + interval '20 s'
  FROM stores;
INSERT INTO events (store, sequence, store_id, tenant, at, kind, operation, step, message, details)
  SELECT uid, 1, store_id, tenant, created_at + interval '20 s', 'STATE_CHANGED', operation, '',
    'Store ' || store_id || ' is ' || lower(state), jsonb_build_object('state', state)
  FROM stores;`;
}
