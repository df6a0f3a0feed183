import { span } from '@/format/time';
import { words } from '@/format/words';
import type { Operation } from '@/gen/storeplane/v1/operation_pb';
import {
  type Condition,
  ConditionStatus,
  type Store,
  StoreEnvironment,
  StoreState,
} from '@/gen/storeplane/v1/store_pb';
import { Copy } from '@/ui/copy';
import { Panel } from '@/ui/panel';
import { STAGING_LIMITS, UpgradeMark } from '@/ui/store-marks';
import { Ago, DateTime } from '@/ui/time';
import { LazySourceFact } from '../backups/lazy-backups';
import { mailSummary } from '../settings/mail-draft';
import { pluginsText } from '../settings/plugins';
import { ProtectionSwitch } from './protection-switch';
import { timeToReady } from './summary';

const STATUS: Record<ConditionStatus, string> = {
  [ConditionStatus.UNSPECIFIED]: 'Unknown',
  [ConditionStatus.TRUE]: 'Yes',
  [ConditionStatus.FALSE]: 'No',
  [ConditionStatus.UNKNOWN]: 'Unknown',
};

interface Props {
  store: Store;
  operations: Operation[];
  canEdit: boolean;
}

/** The store's properties. */
export function DetailsPanel({ store, operations, canEdit }: Props) {
  const isUpdatable = store.state !== StoreState.DELETING && store.state !== StoreState.DELETED;
  const seconds = timeToReady(store, operations);
  return (
    <Panel title="Details">
      <dl className="facts">
        <dt>Plan</dt>
        <dd>
          {store.plan}, {store.engine} {store.versions?.app}
        </dd>
        <dt>Version</dt>
        <dd>
          <span title={store.versions?.chartDigest || undefined}>{store.engineVersion || store.versions?.chart}</span>
          <UpgradeMark availableUpgrade={store.availableUpgrade} />
        </dd>
        {store.environment === StoreEnvironment.STAGING && (
          <>
            <dt>Environment</dt>
            <dd>Staging. {STAGING_LIMITS}</dd>
          </>
        )}
        {store.smtp && (
          <>
            <dt>Mail server</dt>
            <dd>{mailSummary(store.smtp)}</dd>
          </>
        )}
        {store.plugins.length > 0 && (
          <>
            <dt>Plugins</dt>
            <dd>{pluginsText(store.plugins)}</dd>
          </>
        )}
        <LazySourceFact store={store} />
        <dt>Namespace</dt>
        <dd>
          <span className="mono">{store.namespace}</span> <Copy text={store.namespace} what="namespace" />
        </dd>
        <dt>Created</dt>
        <dd>
          <Ago time={store.createTime} />
        </dd>
        {seconds !== undefined ? (
          <>
            <dt>Ready after</dt>
            <dd className="numbers">{span(seconds)}</dd>
          </>
        ) : (
          store.readyTime && (
            <>
              <dt>First ready</dt>
              <dd>
                <DateTime time={store.readyTime} />
              </dd>
            </>
          )
        )}
        {store.deleteTime && (
          <>
            <dt>Deleted</dt>
            <dd>
              <DateTime time={store.deleteTime} />
            </dd>
          </>
        )}
        {isUpdatable && (
          <>
            <dt>Deletion protection</dt>
            <dd>{canEdit ? <ProtectionSwitch store={store} /> : store.deletionProtection ? 'On' : 'Off'}</dd>
          </>
        )}
        {store.conditions.map((condition) => (
          <ConditionFact key={condition.type} condition={condition} />
        ))}
        {store.simulated && (
          <>
            <dt>Cluster</dt>
            <dd>Simulated: nothing runs behind these URLs</dd>
          </>
        )}
      </dl>
    </Panel>
  );
}

function ConditionFact({ condition }: { condition: Condition }) {
  const name = words(condition.type.replace(/(?<=[a-z])(?=[A-Z])/g, '_'));
  return (
    <>
      <dt>{name}</dt>
      <dd>
        {STATUS[condition.status]}
        {condition.message && `: ${condition.message}`}
      </dd>
    </>
  );
}
