import { Code } from '@connectrpc/connect';
import { useQuery } from '@tanstack/react-query';
import { useApi } from '@/api/api';
import { problem } from '@/api/problem';
import type { Store, StoreSource } from '@/gen/storeplane/v1/store_pb';
import { AnchorLink } from '@/ui/link';
import { DateTime } from '@/ui/time';

/** Where the store's data came from, in the list of its properties. The links also work once the source is gone. */
export function SourceFact({ store }: { store: Store }) {
  const { source, storeId } = store;
  if (!source) return null;
  return (
    <>
      <dt>{source.storeId === storeId ? 'Undeleted from' : 'Copied from'}</dt>
      <dd data-testid="source">
        <AnchorLink
          to="/stores/$storeId"
          params={{ storeId: source.storeId }}
          search={{ uid: source.storeUid }}
          size="sm"
        >
          {source.storeId}
        </AnchorLink>{' '}
        (<SourceBackup source={source} />)
      </dd>
    </>
  );
}

function SourceBackup({ source: { storeId, backupId } }: { source: StoreSource }) {
  const { queries } = useApi();
  const backup = useQuery({ ...queries.backup(backupId), enabled: backupId !== '' });
  if (backup.error && problem(backup.error).code === Code.NotFound) return 'from a backup that was deleted since';
  return (
    <AnchorLink to="/backups" search={{ store: storeId }} size="sm" title={backupId}>
      backup
      {backup.data?.createTime && (
        <>
          {' of '}
          <DateTime time={backup.data.createTime} />
        </>
      )}
    </AnchorLink>
  );
}
