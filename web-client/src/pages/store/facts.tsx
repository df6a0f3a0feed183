import { Anchor } from '@mantine/core';
import { IconExternalLink } from '@tabler/icons-react';
import { date, span } from '@/format/time';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { Copy } from '@/ui/copy';
import { Panel } from '@/ui/panel';
import { Ago } from '@/ui/time';

/** What the store is, and where. */
export function Facts({ store }: { store: Store }) {
  const [created, ready] = [date(store.createTime), date(store.readyTime)];
  const isThere = store.state === StoreState.READY || store.state === StoreState.DEGRADED;
  return (
    <Panel title="About it">
      <dl className="facts">
        <dt>Shop</dt>
        <dd>{isThere ? <Outside href={store.shopUrl} /> : store.shopUrl}</dd>
        <dt>Administration</dt>
        <dd>{isThere ? <Outside href={store.adminUrl} /> : store.adminUrl}</dd>
        <dt>Administrator</dt>
        <dd>{store.adminEmail}</dd>
        <dt>Plan</dt>
        <dd>
          {store.plan}, {store.engine} {store.versions?.app}
        </dd>
        <dt>Chart</dt>
        <dd>{store.versions?.chart}</dd>
        <dt>Namespace</dt>
        <dd>
          <span className="mono">{store.namespace}</span> <Copy text={store.namespace} what="namespace" />
        </dd>
        <dt>Created</dt>
        <dd>
          <Ago time={store.createTime} />
        </dd>
        {created && ready && (
          <>
            <dt>Ready after</dt>
            <dd className="numbers">{span((ready.getTime() - created.getTime()) / 1000)}</dd>
          </>
        )}
        {store.simulated && (
          <>
            <dt>Cluster</dt>
            <dd>simulated: nothing runs behind these addresses</dd>
          </>
        )}
      </dl>
    </Panel>
  );
}

function Outside({ href }: { href: string }) {
  return (
    <Anchor href={href} target="_blank" rel="noreferrer" size="sm">
      {href} <IconExternalLink size={13} aria-label="(opens a new tab)" />
    </Anchor>
  );
}
