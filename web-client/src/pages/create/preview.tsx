import { Text } from '@mantine/core';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import { Panel } from '@/ui/panel';

/** The store as the server would create it. */
export function Preview({ store }: { store: Store | undefined }) {
  return (
    <Panel title="Preview" mih={220}>
      {store ? (
        <dl className="facts">
          <dt>ID</dt>
          <dd className="mono">{store.storeId}</dd>
          <dt>Shop</dt>
          <dd>{store.shopUrl}</dd>
          {store.adminUrl && (
            <>
              <dt>Admin</dt>
              <dd>{store.adminUrl}</dd>
            </>
          )}
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
          The server validates your input as you type and shows here what it would create. Nothing is created until you
          submit the form.
        </Text>
      )}
    </Panel>
  );
}
