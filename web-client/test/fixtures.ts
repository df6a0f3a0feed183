import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { StoreEventSchema } from '@/gen/storeplane/v1/event_pb';
import { StoreSchema, StoreState } from '@/gen/storeplane/v1/store_pb';

export const BEGIN = Date.UTC(2026, 10, 21, 10);

/** A store that is being created, with a test's own values. */
export function makeStore(part: MessageInitShape<typeof StoreSchema> = {}) {
  return create(StoreSchema, {
    storeId: 'tea',
    uid: 'uid-tea',
    displayName: 'Tea & Co',
    engine: 'woocommerce',
    plan: 'small',
    state: StoreState.PROVISIONING,
    operation: 'op-1',
    createTime: timestampFromMs(BEGIN),
    lastSequence: 1n,
    ...part,
  });
}

/** The n-th event of that store, n seconds after `BEGIN`. */
export function makeEvent(n: number, part: MessageInitShape<typeof StoreEventSchema>) {
  return create(StoreEventSchema, {
    storeId: 'tea',
    uid: 'uid-tea',
    sequence: BigInt(n),
    time: timestampFromMs(BEGIN + n * 1000),
    operationId: 'op-1',
    ...part,
  });
}
