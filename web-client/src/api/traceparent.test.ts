import { createClient, createRouterTransport } from '@connectrpc/connect';
import { expect, test } from 'vitest';
import { StoreService } from '@/gen/storeplane/v1/store_service_pb';
import { tracing } from './clients';

test('every call begins a trace of its own', async () => {
  const seen: (string | null)[] = [];
  const transport = createRouterTransport(
    ({ service }) => {
      service(StoreService, {
        getStore: (_, context) => {
          seen.push(context.requestHeader.get('traceparent'));
          return {};
        },
      });
    },
    { transport: { interceptors: [tracing] } },
  );
  const stores = createClient(StoreService, transport);

  await stores.getStore({ storeId: 'tea' });
  await stores.getStore({ storeId: 'tea' });

  for (const header of seen) expect(header).toMatch(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-01$/);
  expect(new Set(seen).size).toBe(2);
});
