import { type Operation, OperationKind } from '@/gen/storeplane/v1/operation_pb';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { driftOf } from '@/ui/store-marks';
import { operationOf, runningOperation } from './summary';

/** What a retry does to a store in its state. */
export interface RetryQuestion {
  /** The button on the page. */
  label: string;
  title: string;
  text: string;
  action: string;
  /** False where a click is enough. */
  mustConfirm: boolean;
  losesData: boolean;
}

/** What RetryStore would do now; undefined while it is not possible. */
export function retryQuestion(store: Store, operations: Operation[]): RetryQuestion | undefined {
  const { state, reason, readyTime } = store;
  const isSettled = state === StoreState.READY || state === StoreState.DEGRADED || state === StoreState.FAILED;
  if (!isSettled || runningOperation(store, operations)) return undefined;
  const operation = operationOf(store, operations);
  if (state === StoreState.FAILED && operation?.kind === OperationKind.DELETE) {
    return {
      label: 'Retry',
      title: 'Retry the deletion?',
      text: 'The deletion continues: the release and the namespace are removed with all data.',
      action: 'Retry the deletion',
      mustConfirm: false,
      losesData: false,
    };
  }
  if (reason === 'NAMESPACE_MISSING' && readyTime) {
    return {
      label: 'Retry',
      title: 'Create a new, empty shop?',
      text: "The namespace is gone. A retry creates a new, empty shop with the same ID. Orders and customers of the old one are lost: this can't be undone.",
      action: 'Create an empty shop',
      mustConfirm: true,
      losesData: true,
    };
  }
  const restart = 'The chart is applied again. Volumes and Secrets are kept; pods may restart.';
  const drifted = 'The store gets its recorded configuration again: changes made with helm or kubectl are undone.';
  if (state === StoreState.READY) {
    return {
      label: 'Reapply chart',
      title: 'Apply the chart again?',
      text: driftOf(store) ? `${drifted} ${restart}` : restart,
      action: 'Reapply chart',
      mustConfirm: true,
      losesData: false,
    };
  }
  const text = readyTime ? restart : 'The creation continues from what exists in the cluster.';
  return { label: 'Retry', title: 'Retry?', text, action: 'Retry', mustConfirm: false, losesData: false };
}
