import { Button, Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useApi } from '@/api/api';
import type { Operation } from '@/gen/storeplane/v1/operation_pb';
import { type Store, type StoreRevision, StoreState } from '@/gen/storeplane/v1/store_pb';
import { Empty } from '@/ui/empty';
import { Panel } from '@/ui/panel';
import { QueryProblem } from '@/ui/query-problem';
import { CompareDialog } from './compare-dialog';
import { rollBackRefusal } from './refusal';
import { RevisionLine } from './revision-line';
import { RollBackDialog } from './roll-back-dialog';

/** Revisions shown at first. */
const SHOWN = 5;

export interface RevisionsPanelProps {
  store: Store;
  operations: Operation[];
  /** The operation that is running, if any. */
  running: Operation | undefined;
  canEdit: boolean;
}

/** What was asked for last; its dialog opens again with another number. */
interface Question {
  number: number;
  dialog: 'compare' | 'roll-back';
  revision: StoreRevision;
}

/** With what the store was installed: its revisions, the newest first. */
export function RevisionsPanel({ store, operations, running, canEdit }: RevisionsPanelProps) {
  const { queries } = useApi();
  const list = useQuery(queries.revisions(store));
  const [shown, setShown] = useState(SHOWN);
  const [question, setQuestion] = useState<Question>();
  const revisions = list.data?.revisions ?? [];
  const current = revisions.find(({ revision }) => revision === store.revision);
  const refusal = rollBackRefusal(store, running, canEdit);
  const ask = (dialog: Question['dialog'], revision: StoreRevision) =>
    setQuestion({ number: (question?.number ?? 0) + 1, dialog, revision });
  return (
    <Panel title="Revisions" mih={140}>
      <QueryProblem title="The revisions couldn't be loaded" query={list} />
      {list.isSuccess && revisions.length === 0 && (
        <Empty title="No revisions yet">Each time the chart is applied, what it was given is recorded here.</Empty>
      )}
      <Stack component="ul" gap="md" className="plain" aria-label="List of revisions" aria-busy={list.isPending}>
        {revisions.slice(0, shown).map((revision) => (
          <RevisionLine
            key={revision.revision}
            store={store}
            revision={revision}
            operation={operations.find(({ operationId }) => operationId === revision.operationId)}
            isCurrent={revision === current}
            refusal={refusal}
            onCompare={current && (() => ask('compare', revision))}
            onRollBack={store.state === StoreState.DELETED ? undefined : () => ask('roll-back', revision)}
          />
        ))}
      </Stack>
      {revisions.length > shown && (
        <Button size="xs" variant="default" mt="md" onClick={() => setShown(revisions.length)}>
          Show all {revisions.length}
        </Button>
      )}
      {question?.dialog === 'compare' && (
        <CompareDialog
          key={question.number}
          revisions={revisions}
          initial={question.revision.revision}
          current={store.revision}
        />
      )}
      {question?.dialog === 'roll-back' && (
        <RollBackDialog key={question.number} store={store} revision={question.revision} />
      )}
    </Panel>
  );
}
