import { stateName } from '@/format/words';
import { StoreState } from '@/gen/storeplane/v1/store_pb';

/** States that are filtered for together. */
export const GROUPS = {
  all: [],
  busy: [StoreState.PROVISIONING, StoreState.UPDATING, StoreState.DELETING],
  ready: [StoreState.READY],
  degraded: [StoreState.DEGRADED],
  failed: [StoreState.FAILED],
  deleted: [StoreState.DELETED],
} as const satisfies Record<string, readonly StoreState[]>;

export type Group = keyof typeof GROUPS;

/** What the list is limited to: stores in some states, those that run without a recent backup, or those that have drifted. */
export type Show = Group | 'overdue' | 'drifted';

export const SHOW_NAMES: Record<Show, string> = {
  all: 'All',
  busy: 'In progress',
  ready: 'Ready',
  degraded: 'Degraded',
  failed: 'Failed',
  deleted: 'Deleted',
  overdue: 'Without recent backup',
  drifted: 'Configuration drifted',
};

export const ORDERS = ['create_time desc', 'create_time', 'store_id', 'store_id desc'] as const;
export type Order = (typeof ORDERS)[number];
export const PAGE_SIZES = [50, 100, 250] as const;

/** The URL's part of the table. Defaults are left out. */
export interface StoresSearch {
  q?: string;
  show?: Show;
  engine?: string;
  order?: Order;
  size?: number;
  page?: string;
}

export function storesSearch(search: Record<string, unknown>): StoresSearch {
  const text = (value: unknown) => (value === undefined || value === '' ? undefined : String(value));
  const { show, order, size } = search;
  return {
    q: text(search.q),
    show: typeof show === 'string' && show in SHOW_NAMES && show !== 'all' ? (show as Show) : undefined,
    engine: text(search.engine),
    order: ORDERS.find((each) => each === order && each !== ORDERS[0]),
    size: PAGE_SIZES.find((each) => each === size && each !== PAGE_SIZES[0]),
    page: text(search.page),
  };
}

/** Fields that a search covers beside ID and name, which quoted text alone does. */
const SEARCHED = ['admin_email', 'host', 'namespace'] as const;

/** The filter of ListStores (AIP-160). */
export function filterOf({ q, show = 'all', engine }: Pick<StoresSearch, 'q' | 'show' | 'engine'>): string {
  const parts: string[] = [];
  const text = q?.trim();
  if (text) parts.push(`(${[quote(text), ...SEARCHED.map((field) => `${field}:${quote(text)}`)].join(' OR ')})`);
  if (engine) parts.push(`engine = ${quote(engine)}`);
  if (show === 'overdue') return [...parts, 'backup_overdue = true'].join(' AND ');
  if (show === 'drifted') return [...parts, 'drifted = true'].join(' AND ');
  const states = GROUPS[show].map((state) => `state = ${stateName(state)}`);
  if (states.length > 0) parts.push(states.length === 1 ? states.join() : `(${states.join(' OR ')})`);
  return parts.join(' AND ');
}

export function quote(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
