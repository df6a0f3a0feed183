import { create } from '@bufbuild/protobuf';
import { type Store, StoreSchema } from '@/gen/storeplane/v1/store_pb';
import { SETTINGS, type Setting } from './setting-fields';

/** The dialog's input: by field, what somebody changed. What is absent is still as the store has it. */
export type EditDraft = Readonly<Record<string, string>>;

export function shownOf(setting: Setting, draft: EditDraft, store: Store): string {
  return draft[setting.field] ?? setting.read(store);
}

/** The settings whose value differs from the store's. */
export function changedSettings(draft: EditDraft, store: Store): Setting[] {
  return SETTINGS.filter((setting) => shownOf(setting, draft, store).trim() !== setting.read(store));
}

/** The request for a draft. Its mask names only what changes. */
export function requestOf(draft: EditDraft, store: Store) {
  const changed = changedSettings(draft, store);
  const parts = changed.map((setting) => setting.write(shownOf(setting, draft, store)));
  return {
    storeId: store.storeId,
    uid: store.uid,
    store: create(StoreSchema, Object.assign({}, ...parts)),
    updateMask: { paths: changed.map(({ field }) => field) },
  };
}
