import { Alert, Button, Text } from '@mantine/core';
import { useApi } from '@/api/api';
import { DOMAINS, storeKeys } from '@/api/queries';
import { DomainOwnershipState, type StoreDomain } from '@/gen/storeplane/v1/domain_service_pb';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { ConfirmDialog } from '@/ui/confirm-dialog';
import { RequestProblem } from '@/ui/request-problem';
import { useDialogRequest } from '@/ui/use-dialog-request';
import { primaryRisk } from './domain-text';

interface Props {
  store: Store;
  domain: StoreDomain;
}

/** Checks a domain now. */
export function VerifyDomain({ store: { storeId, uid }, domain: { domain } }: Props) {
  const { clients } = useApi();
  const check = useDialogRequest([DOMAINS, ...storeKeys(storeId)], (_, signal) =>
    clients.domains.verifyDomain({ storeId, storeUid: uid, domain }, { signal }),
  );
  return (
    <>
      <Button size="xs" variant="default" loading={check.isPending} aria-label={`Check ${domain}`} onClick={check.send}>
        Check now
      </Button>
      <RequestProblem title="The domain was not checked" error={check.error} />
    </>
  );
}

/** Puts a domain into the shop's URL, or the platform's host name again. */
export function PrimaryDomain({ store, domain, isBusy }: Props & { isBusy: boolean }) {
  const { clients } = useApi();
  const { storeId, uid } = store;
  const wanted = domain.primary ? '' : domain.domain;
  const risk = domain.primary ? undefined : primaryRisk(domain);
  const isRunning = store.state === StoreState.READY || store.state === StoreState.DEGRADED;
  const change = useDialogRequest([DOMAINS, ...storeKeys(storeId)], (requestId, signal) =>
    clients.stores.updateStore(
      {
        storeId,
        uid,
        requestId,
        store: { primaryDomain: wanted },
        updateMask: { paths: ['primary_domain'] },
      },
      { signal },
    ),
  );
  const action = domain.primary ? 'Stop using as primary' : 'Make primary';
  return (
    <>
      <Button
        size="xs"
        variant="default"
        disabled={isBusy || !isRunning}
        aria-label={`${action}: ${domain.domain}`}
        onClick={change.open}
      >
        {action}
      </Button>
      <ConfirmDialog
        {...change.dialog}
        title={`Use ${wanted || store.host} as the shop's address?`}
        action="Change address"
      >
        {risk && (
          <Alert color="yellow" variant="outline">
            {risk}
          </Alert>
        )}
        <Text size="sm">
          The shop's URL changes, in its content too, and its other host names redirect to it. Its pods restart.
        </Text>
        <RequestProblem title="The address was not changed" error={change.error} />
      </ConfirmDialog>
    </>
  );
}

/** Removes a domain; the primary one only after it was typed. */
export function DeleteDomain({ store: { storeId, uid, host }, domain }: Props) {
  const { clients } = useApi();
  const name = domain.domain;
  const removal = useDialogRequest([DOMAINS, ...storeKeys(storeId)], (requestId, signal) =>
    clients.domains.deleteDomain({ storeId, storeUid: uid, domain: name, requestId }, { signal }),
  );
  const isVerified = domain.ownership?.state === DomainOwnershipState.VERIFIED;
  return (
    <>
      <Button size="xs" variant="default" color="red" aria-label={`Remove ${name}`} onClick={removal.open}>
        Remove
      </Button>
      <ConfirmDialog
        {...removal.dialog}
        title={`Remove ${name}?`}
        action="Remove domain"
        color="red"
        phrase={domain.primary ? name : undefined}
      >
        <Text size="sm">
          {isVerified
            ? 'The shop no longer answers to it, and another store can have it. Its pods restart.'
            : 'Its verification record is no longer valid.'}
        </Text>
        {domain.primary && <Text size="sm">The shop's URL is https://{host}/ again.</Text>}
        <RequestProblem title="The domain was not removed" error={removal.error} />
      </ConfirmDialog>
    </>
  );
}
