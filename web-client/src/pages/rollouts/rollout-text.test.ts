import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import {
  FailureBudgetSchema,
  RolloutCountsSchema,
  RolloutTargetSchema,
  RolloutWaveSchema,
} from '@/gen/storeplane/v1/rollout_service_pb';
import { StoreEnvironment } from '@/gen/storeplane/v1/store_pb';
import { budgetText, countsText, sizeText, targetText, titleOf } from './rollout-text';

test('a rollout without a name is called by its stores', () => {
  expect(titleOf({ displayName: 'July', filter: '*' })).toBe('July');
  expect(titleOf({ displayName: '', filter: '*' })).toBe('All stores');
  expect(titleOf({ displayName: '', filter: 'plan = small' })).toBe('plan = small');
});

test.each([
  [['engine_version'], 'Version 0.2.0'],
  [['plan', 'environment'], 'Plan large, environment production'],
  [['plugins'], 'Plugin faq 1.2'],
  [['deletion_protection', 'backup_policy.keep_days'], 'Deletion protection on, backup policy keep days'],
  [['labels.tier', 'labels.old'], 'Label tier = gold, no label old'],
])('the target %j is said in words', (paths, text) => {
  const store = {
    engineVersion: '0.2.0',
    plan: 'large',
    environment: StoreEnvironment.PRODUCTION,
    deletionProtection: true,
    plugins: [{ name: 'faq', version: '1.2' }],
    labels: { tier: 'gold' },
  };
  expect(targetText(create(RolloutTargetSchema, { store, updateMask: { paths } }))).toBe(text);
});

test('recorded settings, counts, sizes and budgets are said in words', () => {
  expect(targetText(create(RolloutTargetSchema, { reapply: true }))).toBe('Recorded settings applied again');
  expect(countsText(create(RolloutCountsSchema, { failed: 1, pending: 2, rolledBack: 3 }))).toBe(
    '1 failed, 3 rolled back, 2 pending',
  );
  expect(countsText(undefined)).toBe('No stores');
  expect(sizeText(create(RolloutWaveSchema, { size: { case: 'percent', value: 10 } }))).toBe(
    'up to 10 % of all stores',
  );
  expect(sizeText(create(RolloutWaveSchema, { size: { case: 'stores', value: 1 } }))).toBe('up to 1 store');
  expect(budgetText(create(FailureBudgetSchema, { percent: 2 }))).toBe(
    'None in the first wave, then at most 2 % of all stores',
  );
  expect(budgetText(create(FailureBudgetSchema, { stores: 3, percent: 0 }))).toBe(
    'None in the first wave, then at most 3 stores and 0 % of all stores',
  );
});
