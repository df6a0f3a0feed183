import { Button, Group, Text, Tooltip } from '@mantine/core';
import { operationKind } from '@/format/words';
import type { Operation } from '@/gen/storeplane/v1/operation_pb';
import type { Store, StoreRevision } from '@/gen/storeplane/v1/store_pb';
import { AnchorLink } from '@/ui/link';
import { Ago } from '@/ui/time';
import { operationAnchor } from '../store/operations-panel';
import { digestsOf, settingsOf } from './differences';

interface Props {
  store: Store;
  revision: StoreRevision;
  /** The operation that applied it; absent if it is too old to be listed. */
  operation: Operation | undefined;
  isCurrent: boolean;
  /** Why the store cannot be rolled back now. */
  refusal: string | undefined;
  /** Absent if there is nothing to compare it with. */
  onCompare: (() => void) | undefined;
  /** Absent for a store that is deleted. */
  onRollBack: (() => void) | undefined;
}

/** A revision with its settings and images, and what can be done with it. */
export function RevisionLine({ store, revision, operation, isCurrent, refusal, onCompare, onRollBack }: Props) {
  const { revision: number, images, createTime } = revision;
  return (
    <li data-revision={number}>
      <Group justify="space-between" align="flex-start" gap="xs">
        <Text size="sm" component="div">
          <b>Revision {number}</b> {isCurrent && <span className="tag">Current</span>} <Ago time={createTime} />, by
          operation <OperationLink store={store} operation={operation} operationId={revision.operationId} />
        </Text>
        {!isCurrent && (
          <Group gap="xs">
            {onCompare && (
              <Button size="xs" variant="default" aria-label={`Compare revision ${number}`} onClick={onCompare}>
                Compare
              </Button>
            )}
            {onRollBack && (
              <Tooltip label={refusal} disabled={!refusal} multiline maw={260}>
                <Button
                  size="xs"
                  variant="default"
                  aria-label={`Roll back to revision ${number}`}
                  data-disabled={refusal !== undefined || undefined}
                  aria-disabled={refusal !== undefined}
                  onClick={refusal ? (event) => event.preventDefault() : onRollBack}
                >
                  Roll back
                </Button>
              </Tooltip>
            )}
          </Group>
        )}
      </Group>
      <dl className="pairs">
        {[...settingsOf(revision)].map(([name, value]) => (
          <Pair key={name} name={name} value={value} />
        ))}
        {images.length > 0 && <Pair name="Images" value={images.join(', ')} />}
        {[...digestsOf(revision)].map(([name, value]) => (
          <Pair key={name} name={`Image digest of ${name}`} value={value} />
        ))}
      </dl>
    </li>
  );
}

function Pair({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd className="wrap">{value}</dd>
    </>
  );
}

interface OperationLinkProps {
  store: Store;
  operation: Operation | undefined;
  operationId: string;
}

/** Leads to the operation in the list of this page. */
function OperationLink({ store: { storeId, uid }, operation, operationId }: OperationLinkProps) {
  if (!operation) return <span className="operation-id wrap">{operationId}</span>;
  return (
    <AnchorLink
      to="/stores/$storeId"
      params={{ storeId }}
      search={{ uid }}
      hash={operationAnchor(operationId)}
      size="sm"
      underline="always"
      title={operationId}
    >
      {operationKind(operation.kind)}
    </AnchorLink>
  );
}
