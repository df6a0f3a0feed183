import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { TenantQuotasSchema } from '@/gen/storeplane/v1/tenant_service_pb';
import { draftOf, quotasOf } from './quota-draft';

test('quotas survive the form', () => {
  const quotas = {
    stores: -1n,
    plans: ['large', 'small'],
    cpu: '20',
    memory: '',
    storage: 'unlimited',
    creations: 0n,
    backups: 7n,
  };
  const draft = draftOf(create(TenantQuotasSchema, quotas));
  expect(draft.stores).toBe('unlimited');
  expect(draft.deletions).toBe('');
  expect(create(TenantQuotasSchema, quotasOf(draft))).toEqual(create(TenantQuotasSchema, quotas));
});

test('what is not a number is refused by the server and not sent as another one', () => {
  expect(quotasOf({ ...draftOf(undefined), stores: 'ten', creations: ' 7 ' })).toMatchObject({
    stores: -2n,
    creations: 7n,
  });
});
