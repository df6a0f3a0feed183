import { create } from '@bufbuild/protobuf';
import { CleanupPolicy, StoreSchema } from '@/gen/storeplane/v1/store_pb';
import { slug } from './slug';

/** What is typed into the form. `storeId` is null until somebody chooses another one than the name suggests. */
export interface Draft {
  displayName: string;
  storeId: string | null;
  engine: string;
  plan: string;
  adminEmail: string;
  removeOnFailure: boolean;
}

export const EMPTY: Draft = {
  displayName: '',
  storeId: null,
  engine: '',
  plan: '',
  adminEmail: '',
  removeOnFailure: false,
};

export function idOf(draft: Draft): string {
  return draft.storeId ?? slug(draft.displayName);
}

/** The request that the draft stands for. */
export function requestOf(draft: Draft) {
  const { displayName, engine, plan, adminEmail } = draft;
  return {
    storeId: idOf(draft),
    store: create(StoreSchema, { displayName: displayName.trim(), engine, plan, adminEmail: adminEmail.trim() }),
    cleanupPolicy: draft.removeOnFailure ? CleanupPolicy.DELETE_RESOURCES : CleanupPolicy.KEEP,
  };
}

/** The form's fields, by the path that the server calls them. */
export const FIELDS = {
  'store.display_name': 'displayName',
  store_id: 'storeId',
  'store.engine': 'engine',
  'store.plan': 'plan',
  'store.admin_email': 'adminEmail',
} as const;

export type Field = (typeof FIELDS)[keyof typeof FIELDS];

/** The server's violations, by field of the form. Those of other fields stand above the form. */
export function byField(violations: Map<string, string>): Partial<Record<Field, string>> {
  const known: Record<string, Field | undefined> = FIELDS;
  const entries = [...violations].flatMap(([path, text]) => {
    const field = known[path];
    return field ? [[field, text.charAt(0).toUpperCase() + text.slice(1)] as const] : [];
  });
  return Object.fromEntries(entries);
}
