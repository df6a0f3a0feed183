import { useState } from 'react';
import { useApi } from '@/api/api';
import { violationOf, violationsOf } from '@/api/problem';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { changedSettings, type EditDraft, requestOf, shownOf } from './edit-draft';
import { SETTINGS } from './setting-fields';
import { goesLive, UpdateSummary } from './update-summary';
import { useStoreChange } from './use-store-change';

const pathOf = (field: string) => `store.${field}`;
/** Fields of the request that the form shows. */
const FIELDS = SETTINGS.flatMap(({ field, parts = [] }) => [
  pathOf(field),
  ...parts.map((part) => pathOf(`${field}.${part}`)),
]);

/** Edits a store's settings: a form, then what the server would do with it, which is applied after a confirmation. */
export function EditDialog({ store }: { store: Store }) {
  const { clients } = useApi();
  const [draft, setDraft] = useState<EditDraft>({});
  const change = useStoreChange(store, (options, signal) =>
    clients.stores.updateStore({ ...requestOf(draft, store), ...options }, { signal }),
  );
  const { preview, error, isPending, discard } = change;
  const title = `Edit ${store.storeId}`;
  if (preview) {
    return (
      <ConfirmDialog
        {...change.dialog}
        title={title}
        phrase={goesLive(preview) ? store.storeId : undefined}
        action="Apply changes"
        dismiss="Back"
        onDismiss={discard}
      >
        <UpdateSummary preview={preview} />
        <RequestProblem title="The changes were not applied" error={error} />
      </ConfirmDialog>
    );
  }
  const violations = violationsOf(error);
  return (
    <ConfirmDialog
      {...change.dialog}
      title={title}
      action="Preview changes"
      disabled={changedSettings(draft, store).length === 0}
    >
      {SETTINGS.map((setting) => (
        <setting.Input
          key={setting.field}
          label={setting.label}
          store={store}
          value={shownOf(setting, draft, store)}
          error={violationOf(violations, pathOf(setting.field))}
          errorOf={(part) => violationOf(violations, pathOf(`${setting.field}.${part}`))}
          disabled={isPending}
          onChange={(value) => {
            discard();
            setDraft({ ...draft, [setting.field]: value });
          }}
        />
      ))}
      <RequestProblem title="The changes can't be applied" error={error} fields={FIELDS} />
    </ConfirmDialog>
  );
}
