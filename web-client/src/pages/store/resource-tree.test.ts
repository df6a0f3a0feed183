import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { StoreResourceSchema } from '@/gen/storeplane/v1/store_service_pb';
import { resourceTree } from './resource-tree';

const resource = (kind: string, name: string, owner = '') => create(StoreResourceSchema, { kind, name, owner });

test('pods are listed under their controller, other objects by kind and name', () => {
  const tree = resourceTree([
    resource('Pod', 'store-7d4b9', 'Deployment/store'),
    resource('Pod', 'cron-29', 'Job/cron'),
    resource('Service', 'store'),
    resource('Gateway', 'web'),
    resource('Deployment', 'store'),
    resource('Pod', 'database-0', 'StatefulSet/database'),
    resource('StatefulSet', 'database'),
  ]);
  expect(
    tree.map(({ resource, children }) => [resource.kind, resource.name, children.map(({ name }) => name)]),
  ).toEqual([
    ['StatefulSet', 'database', ['database-0']],
    ['Deployment', 'store', ['store-7d4b9']],
    ['Service', 'store', []],
    ['Pod', 'cron-29', []],
    ['Gateway', 'web', []],
  ]);
});
