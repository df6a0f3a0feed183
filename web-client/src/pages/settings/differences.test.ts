import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { StoreEnvironment, StoreRevisionSchema } from '@/gen/storeplane/v1/store_pb';
import { differencesOf, flatten } from './differences';

test('values are a flat list of paths', () => {
  const values = { b: { c: [1, { 'x.y/z': null }] }, a: '', none: {}, list: [], on: true };
  expect([...flatten(values)]).toEqual([
    ['a', ''],
    ['b.c[0]', '1'],
    ['b.c[1]["x.y/z"]', 'null'],
    ['list', '[]'],
    ['none', '{}'],
    ['on', 'true'],
  ]);
});

test('only what differs is listed: settings, values by path, and images by repository', () => {
  const shop = (digest: string) => ({ workload: 'Deployment store', container: 'shop', digest });
  const before = create(StoreRevisionSchema, {
    plan: 'small',
    adminEmail: 'ada@example.com',
    environment: StoreEnvironment.STAGING,
    versions: { chart: '0.1.0', app: '11.0.1' },
    values: { same: 1, changed: 'a', removed: true },
    images: ['registry:5000/shop:11.0.1', 'registry:5000/db@sha256:aa', 'registry:5000/old'],
    imageDigests: [shop('sha256:01'), { workload: 'StatefulSet store-db', container: 'db', digest: 'sha256:aa' }],
  });
  const after = create(StoreRevisionSchema, {
    plan: 'large',
    adminEmail: 'ada@example.com',
    environment: StoreEnvironment.PRODUCTION,
    versions: { chart: '0.2.0', app: '11.0.1' },
    values: { same: 1, changed: 'b', added: '' },
    images: ['registry:5000/shop:11.0.2', 'registry:5000/db@sha256:aa', 'proxy'],
    imageDigests: [shop('sha256:02'), shop('sha256:03')],
  });
  expect(differencesOf(before, after)).toEqual({
    settings: [
      { name: 'Plan', before: 'small', after: 'large' },
      { name: 'Chart version', before: '0.1.0', after: '0.2.0' },
      { name: 'Environment', before: 'Staging', after: 'Production' },
    ],
    values: [
      { name: 'changed', before: 'a', after: 'b' },
      { name: 'removed', before: 'true', after: undefined },
      { name: 'added', before: undefined, after: '' },
    ],
    images: [
      { name: 'registry:5000/shop', before: '11.0.1', after: '11.0.2' },
      { name: 'registry:5000/old', before: 'no tag', after: undefined },
      { name: 'proxy', before: undefined, after: 'no tag' },
    ],
    digests: [{ name: 'Deployment store, shop', before: 'sha256:01', after: 'sha256:02, sha256:03' }],
  });
  expect(differencesOf(after, after)).toEqual({ settings: [], values: [], images: [], digests: [] });
});
