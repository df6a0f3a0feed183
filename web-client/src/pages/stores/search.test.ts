import { expect, test } from 'vitest';
import { auditFilter } from '../activity/search';
import { filterOf, storesSearch } from './search';

test('a search becomes an AIP-160 filter with quoted text', () => {
  expect(filterOf({})).toBe('');
  expect(filterOf({ q: ' tea "& co\\ ', show: 'busy', engine: 'woocommerce' })).toBe(
    '("tea \\"& co\\\\" OR admin_email:"tea \\"& co\\\\" OR host:"tea \\"& co\\\\" OR namespace:"tea \\"& co\\\\") AND engine = "woocommerce" AND (state = PROVISIONING OR state = UPDATING OR state = DELETING)',
  );
  expect(filterOf({ show: 'failed' })).toBe('state = FAILED');
  expect(filterOf({ engine: 'x', show: 'overdue' })).toBe('engine = "x" AND backup_overdue = true');
  expect(filterOf({ engine: 'x', show: 'drifted' })).toBe('engine = "x" AND drifted = true');
});

test('invalid search parameters fall back to the defaults', () => {
  expect(storesSearch({ q: 12, show: 'everything', order: 'price', size: 7, page: '' })).toEqual({ q: '12' });
  expect(storesSearch({ show: 'overdue' })).toMatchObject({ show: 'overdue' });
  expect(storesSearch({ show: 'failed', order: 'store_id', size: 250 })).toMatchObject({
    show: 'failed',
    order: 'store_id',
    size: 250,
  });
});

test('audit days are whole days in the time zone of the viewer', () => {
  const filter = auditFilter({ from: '2026-11-01', to: '2026-11-01' });
  const [from, to] = [...filter.matchAll(/"([^"]+)"/g)].map(([, time]) => new Date(time ?? '').getTime());
  expect((to ?? 0) - (from ?? 0)).toBe(86_400_000);
  expect(auditFilter({ actor: 'make up', outcome: 'DENIED', action: 'CREATE_STORE', target: 'tea' })).toBe(
    'actor = "make up" AND target = "tea" AND action = CREATE_STORE AND outcome = DENIED',
  );
});
