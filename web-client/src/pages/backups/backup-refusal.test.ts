import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { OperationKind, OperationSchema } from '@/gen/storeplane/v1/operation_pb';
import { StoreState } from '@/gen/storeplane/v1/store_pb';
import { copyRefusal, createRefusal, restoreRefusal } from './backup-refusal';

const running = (kind: OperationKind) => create(OperationSchema, { kind });

test('a store whose shop runs and that has no operation in progress can be backed up, restored and copied', () => {
  for (const state of [StoreState.READY, StoreState.DEGRADED]) {
    expect(createRefusal({ state }, undefined, true)).toBeUndefined();
    expect(restoreRefusal({ state }, undefined, true)).toBeUndefined();
    expect(copyRefusal({ state }, undefined, true)).toBeUndefined();
  }
});

test.each([
  ['the role', StoreState.READY, undefined, false, /Your role/],
  ['the state', StoreState.FAILED, undefined, true, /ready or degraded/],
  ['a creation', StoreState.PROVISIONING, OperationKind.CREATE, true, /ready or degraded/],
  ['a backup', StoreState.READY, OperationKind.BACKUP, true, /A backup is in progress/],
  ['a restore', StoreState.UPDATING, OperationKind.RESTORE, true, /A restore is in progress/],
  ['an update', StoreState.UPDATING, OperationKind.UPDATE, true, /An update is in progress/],
  ['another operation', StoreState.READY, OperationKind.RETRY, true, /Another operation/],
] as const)('%s does not allow it', (_, state, kind, canEdit, reason) => {
  for (const refusal of [createRefusal, restoreRefusal, copyRefusal]) {
    expect(refusal({ state }, kind && running(kind), canEdit)).toMatch(reason);
  }
});
