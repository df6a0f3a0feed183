import { Alert, Text, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useEffect } from 'react';
import { useApi } from '@/api/api';
import { violationOf, violationsOf } from '@/api/problem';
import { type Store, StoreEnvironment } from '@/gen/storeplane/v1/store_pb';
import { EnvironmentField } from '@/ui/environment-field';
import { PlanField } from '../create/plan-field';
import { BackupTime } from './backup-time';
import { type CopyDraft, type CopyOrigin, requestOf, shownOf } from './copy-draft';
import { FailedRestoreTest } from './restore-test';

/** Pause in typing after which the server validates. */
const TYPING_MS = 300;

interface Props {
  origin: CopyOrigin;
  /** The store that is copied; absent until it is loaded. */
  source: Store | undefined;
  draft: CopyDraft;
  generatedId: string;
  /** Why the request failed. */
  error: unknown;
  disabled: boolean;
  onChange: (part: Partial<CopyDraft>) => void;
  onGeneratedId: (id: string) => void;
}

/** The copy's properties. The server validates them after each pause in typing. */
export function CopyForm(props: Props) {
  const { origin, source, draft, generatedId, error, disabled, onChange, onGeneratedId } = props;
  const { queries } = useApi();
  const engines = useQuery(queries.engines()).data?.engines;
  const [settled] = useDebouncedValue(draft, TYPING_MS);
  const check = useQuery({
    ...queries.checkCopy(requestOf(origin, settled, generatedId)),
    placeholderData: keepPreviousData,
  });
  const preview = check.isPlaceholderData ? undefined : check.data;
  // The server generates an ID where there is none; the first one is kept.
  const newId = generatedId === '' && settled.storeId.trim() === '' ? preview?.storeId : undefined;
  useEffect(() => {
    if (newId) onGeneratedId(newId);
  }, [newId, onGeneratedId]);
  const violations = violationsOf(error ?? (settled === draft ? check.error : undefined));
  const shown = shownOf(draft, source);
  return (
    <>
      <Text size="sm" className="wrap">
        <Origin {...origin} />, and an ID, a URL and credentials of its own.
      </Text>
      {origin.backup && <FailedRestoreTest backup={origin.backup} />}
      <TextInput
        label="Name"
        autoComplete="off"
        data-autofocus
        disabled={disabled}
        value={shown.displayName}
        error={violationOf(violations, 'store.display_name')}
        onChange={(event) => onChange({ displayName: event.currentTarget.value })}
      />
      <TextInput
        label="ID"
        description="Optional. Lowercase letters, digits and hyphens, at most 40 characters. Used in URLs and the namespace. Can't be changed later."
        placeholder={generatedId}
        autoComplete="off"
        spellCheck={false}
        styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
        disabled={disabled}
        value={draft.storeId}
        error={violationOf(violations, 'store_id')}
        onChange={(event) => onChange({ storeId: event.currentTarget.value })}
      />
      <TextInput
        label="Admin email"
        autoComplete="off"
        inputMode="email"
        disabled={disabled}
        value={shown.adminEmail}
        error={violationOf(violations, 'store.admin_email')}
        onChange={(event) => onChange({ adminEmail: event.currentTarget.value })}
      />
      <PlanField
        engine={source && engines?.find(({ name }) => name === source.engine)}
        value={shown.plan}
        error={violationOf(violations, 'store.plan')}
        onChange={(plan) => onChange({ plan })}
      />
      <EnvironmentField
        value={draft.environment}
        disabled={disabled}
        error={violationOf(violations, 'store.environment')}
        onChange={(environment) => onChange({ environment })}
      />
      {draft.environment === StoreEnvironment.PRODUCTION && (
        <Alert color="yellow" variant="outline" title="The copy acts like the original">
          It sends e-mails and webhooks, runs scheduled tasks and takes payments with the copied data. Customers may get
          e-mails twice and be charged twice.
        </Alert>
      )}
      <Text size="sm" className="dimmed wrap" mih={20}>
        {preview && `Shop: ${preview.shopUrl}`}
      </Text>
    </>
  );
}

/** Which data the copy gets: the begin of a sentence. */
function Origin({ storeId, backup }: CopyOrigin) {
  if (!backup)
    return `${storeId} is backed up first and keeps selling. The copy is a new store with the data of that backup`;
  return (
    <>
      The copy is a new store with the data of {storeId} of <BackupTime backup={backup} />
    </>
  );
}
