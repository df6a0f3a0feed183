import { create } from '@bufbuild/protobuf';
import { CleanupPolicy, StoreSchema } from '@/gen/storeplane/v1/store_pb';
import { slug } from './slug';

/** The form's input. `storeId` is null until somebody types one; the name suggests it until then. */
export interface Draft {
  displayName: string;
  storeId: string | null;
  engine: string;
  /** Empty: the default version. */
  engineVersion: string;
  plan: string;
  adminEmail: string;
  removeOnFailure: boolean;
  deletionProtection: boolean;
}

export const EMPTY: Draft = {
  displayName: '',
  storeId: null,
  engine: '',
  engineVersion: '',
  plan: '',
  adminEmail: '',
  removeOnFailure: false,
  deletionProtection: false,
};

export function idOf(draft: Draft): string {
  return draft.storeId ?? slug(draft.displayName);
}

/** The request for a draft. `generatedId` is used where the draft has no ID: the preview and the creation then agree. */
export function requestOf(draft: Draft, generatedId = '') {
  const { displayName, engine, engineVersion, plan, adminEmail, deletionProtection } = draft;
  return {
    storeId: idOf(draft) || generatedId,
    store: create(StoreSchema, {
      displayName: displayName.trim(),
      engine,
      engineVersion,
      plan,
      adminEmail: adminEmail.trim(),
      deletionProtection,
    }),
    cleanupPolicy: draft.removeOnFailure ? CleanupPolicy.DELETE_RESOURCES : CleanupPolicy.KEEP,
  };
}

/** The form's fields, by their path in the request. */
export const FIELDS = {
  'store.display_name': 'displayName',
  store_id: 'storeId',
  'store.engine': 'engine',
  'store.engine_version': 'engineVersion',
  'store.plan': 'plan',
  'store.admin_email': 'adminEmail',
} as const;

export type Field = (typeof FIELDS)[keyof typeof FIELDS];

/** The server's violations by field of the form. Others are shown above the buttons. */
export function byField(violations: Map<string, string>): Partial<Record<Field, string>> {
  const known: Record<string, Field | undefined> = FIELDS;
  const entries = [...violations].flatMap(([path, text]) => {
    const field = known[path];
    return field ? [[field, text.charAt(0).toUpperCase() + text.slice(1)] as const] : [];
  });
  return Object.fromEntries(entries);
}
