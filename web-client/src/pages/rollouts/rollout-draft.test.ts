import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { EngineSchema } from '@/gen/storeplane/v1/platform_pb';
import { OnFailure } from '@/gen/storeplane/v1/rollout_service_pb';
import { StoreEnvironment } from '@/gen/storeplane/v1/store_pb';
import { EMPTY, planChoices, rolloutOf, versionChoices, wavesOf } from './rollout-draft';

const ENGINES = [
  create(EngineSchema, {
    name: 'woocommerce',
    plans: [{ name: 'small' }, { name: 'large' }],
    plugins: [{ name: 'faq', version: '1.2' }],
    versions: [
      { chartVersion: '0.2.0', appVersion: '11.1.0', securityRelease: true },
      { chartVersion: '0.1.0', appVersion: '11.0.1' },
    ],
  }),
  create(EngineSchema, {
    name: 'medusa',
    plans: [{ name: 'small' }],
    versions: [{ chartVersion: '0.1.0', appVersion: '2.0.0' }],
  }),
];

test('waves are read as a list; what is no size is sent as none, which the server refuses', () => {
  expect(wavesOf('1, 10%;100% 7')).toEqual([
    { size: { case: 'stores', value: 1 } },
    { size: { case: 'percent', value: 10 } },
    { size: { case: 'percent', value: 100 } },
    { size: { case: 'stores', value: 7 } },
  ]);
  expect(wavesOf('half, -1')).toEqual([{}, {}]);
  expect(wavesOf(' ')).toEqual([]);
});

test('the form begins with the defaults of the server', () => {
  expect(rolloutOf({ ...EMPTY, filter: ' * ' }, ENGINES)).toMatchObject({
    filter: '*',
    parallelism: 4,
    soak: { seconds: 600n },
    onFailure: OnFailure.PAUSE,
    target: { store: { engineVersion: '0.2.0' }, updateMask: { paths: ['engine_version'] } },
  });
  const { failureBudget, window } = rolloutOf(EMPTY, ENGINES);
  expect([failureBudget?.percent, failureBudget?.stores, window]).toEqual([2, undefined, undefined]);
});

test('only the chosen field is in the mask, and a number that is none is sent as one that the server refuses', () => {
  const draft = {
    ...EMPTY,
    waves: '5 %',
    parallelism: 'four',
    budgetPercent: '',
    budgetStores: '3',
    soakMinutes: 'x',
    windowStart: '22:00',
  };
  expect(rolloutOf({ ...draft, change: 'plan' }, ENGINES)).toMatchObject({
    target: { store: { plan: 'small', engineVersion: '' }, updateMask: { paths: ['plan'] } },
    waves: [{ size: { case: 'percent', value: 5 } }],
    parallelism: -1,
    failureBudget: { stores: 3 },
    soak: { seconds: -60n },
    window: { start: '22:00', end: '' },
  });
  expect(rolloutOf(draft, ENGINES).failureBudget?.percent).toBeUndefined();
  const environment = StoreEnvironment.PRODUCTION;
  expect(rolloutOf({ ...draft, change: 'environment', environment }, ENGINES).target).toMatchObject({
    store: { environment },
    updateMask: { paths: ['environment'] },
  });
  expect(rolloutOf({ ...draft, change: 'plugins' }, ENGINES).target).toMatchObject({
    store: { plugins: [{ name: 'faq', version: '1.2' }] },
    updateMask: { paths: ['plugins'] },
  });
  const { target } = rolloutOf({ ...draft, change: 'reapply' }, ENGINES);
  expect([target?.reapply, target?.store, target?.updateMask]).toEqual([true, undefined, undefined]);
});

test('each version and plan of the catalog can be chosen once', () => {
  expect(versionChoices(ENGINES)).toEqual([
    { value: '0.2.0', label: 'woocommerce 0.2.0 (11.1.0), security release' },
    { value: '0.1.0', label: 'woocommerce 0.1.0 (11.0.1)' },
  ]);
  expect(planChoices(ENGINES)).toEqual(['small', 'large']);
});
