import { Text } from '@mantine/core';
import { type Condition, ConditionStatus, type Store, StoreEnvironment } from '@/gen/storeplane/v1/store_pb';

/** What a staging shop does not do. */
export const STAGING_LIMITS =
  'Sends no e-mails and no webhooks, takes no real payments, runs no scheduled tasks, and asks search engines not to index it.';

/** Marks a store that is not for customers. */
export function EnvironmentBadge({ environment }: Pick<Store, 'environment'>) {
  if (environment !== StoreEnvironment.STAGING) return null;
  return (
    <span className="tag" title={STAGING_LIMITS} data-environment="STAGING">
      Staging
    </span>
  );
}

/** Marks a store for which there is a newer version. */
export function UpgradeMark({ availableUpgrade: upgrade }: Pick<Store, 'availableUpgrade'>) {
  if (!upgrade) return null;
  return (
    <Text size="xs" className={upgrade.securityRelease ? 'warning' : 'dimmed'} data-testid="upgrade">
      {upgrade.securityRelease ? 'Security update' : 'Update available'}: {upgrade.engineVersion}
    </Text>
  );
}

/** The condition of a store whose configuration differs from what is recorded of it; undefined if it does not. */
export function driftOf({ conditions }: Pick<Store, 'conditions'>): Condition | undefined {
  return conditions.find(({ type, status }) => type === 'ConfigurationDrifted' && status === ConditionStatus.TRUE);
}

/** Marks a store whose configuration has drifted. */
export function DriftMark({ conditions }: Pick<Store, 'conditions'>) {
  const condition = driftOf({ conditions });
  if (!condition) return null;
  return (
    <Text size="xs" className="warning" title={condition.message} data-testid="drifted">
      Configuration drifted
    </Text>
  );
}

/** Marks a store whose last complete backup is too old, or that has none. */
export function BackupMark({ conditions }: Pick<Store, 'conditions'>) {
  const condition = conditions.find(({ type }) => type === 'BackedUp');
  if (condition?.status !== ConditionStatus.FALSE) return null;
  return (
    <Text size="xs" className="warning" title={condition.message} data-testid="backup-overdue">
      No recent backup
    </Text>
  );
}
