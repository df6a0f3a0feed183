import { Text } from '@mantine/core';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import { Panel } from '@/ui/panel';

/** The store as the server says that it would be. */
export function Preview({ store }: { store: Store | undefined }) {
  return (
    <Panel title="What will be made" mih={220}>
      {store ? (
        <dl className="facts">
          <dt>Shop</dt>
          <dd>{store.shopUrl}</dd>
          <dt>Administration</dt>
          <dd>{store.adminUrl}</dd>
          <dt>Namespace</dt>
          <dd className="mono">{store.namespace}</dd>
          <dt>Software</dt>
          <dd>
            {store.engine} {store.versions?.app}, chart {store.versions?.chart}
          </dd>
          <dt>Plan</dt>
          <dd>{store.plan}</dd>
        </dl>
      ) : (
        <Text size="sm" className="dimmed">
          The server checks while you type, and says here what it would make: one namespace with the shop, its database
          and its passwords. Nothing happens before you create it.
        </Text>
      )}
    </Panel>
  );
}
