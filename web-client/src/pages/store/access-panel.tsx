import { Anchor, Button, Text } from '@mantine/core';
import { IconExternalLink, IconKey } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { useApi } from '@/api/api';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { Copy } from '@/ui/copy';
import { Panel } from '@/ui/panel';
import { ProblemAlert } from '@/ui/problem-alert';
import { RotateAction } from './rotate-action';

/** How long a password stays on the screen. */
const SHOWN_S = 30;

/** Where the shop is, and how its administrator signs in. The password is read on request, shown briefly, and not kept. */
export function AccessPanel({ store, canEdit, isBusy }: { store: Store; canEdit: boolean; isBusy: boolean }) {
  const isOnline = store.state === StoreState.READY || store.state === StoreState.DEGRADED;
  const credentials = useCredentials(store);
  const { data, secondsLeft, hide, request } = credentials;
  const button = useRef<HTMLButtonElement>(null);
  const isShown = data !== undefined;
  const wasShown = useRef(isShown);
  // The button that was pressed is replaced by the other one.
  useEffect(() => {
    if (wasShown.current !== isShown) button.current?.focus();
    wasShown.current = isShown;
  }, [isShown]);
  return (
    <Panel
      title="Access"
      aside={
        data && (
          <Button size="compact-sm" variant="subtle" color="gray" onClick={hide} ref={button}>
            Hide ({secondsLeft} s)
          </Button>
        )
      }
    >
      <dl className="facts" data-testid="access">
        <Address name="Shop" url={store.shopUrl} isOnline={isOnline} />
        {store.adminUrl && <Address name="Admin" url={store.adminUrl} isOnline={isOnline} />}
        <Fact name="Email" copy={store.adminEmail}>
          {store.adminEmail}
        </Fact>
        {data && (
          <>
            <Fact name="User" copy={data.username}>
              <span className="mono">{data.username}</span>
            </Fact>
            <Fact name="Password" copy={data.password}>
              <span className="mono">{data.password}</span>
            </Fact>
          </>
        )}
      </dl>
      {canEdit && !data && store.state !== StoreState.DELETED && (
        <>
          <Button
            mt="sm"
            size="xs"
            variant="default"
            leftSection={<IconKey size={16} aria-hidden />}
            disabled={!isOnline && store.state !== StoreState.FAILED}
            loading={request.isPending}
            onClick={() => request.mutate()}
            ref={button}
          >
            Show admin credentials
          </Button>
          <RotateAction store={store} isBusy={isBusy} />
          <Text size="xs" className="dimmed" mt={6}>
            {isOnline || store.state === StoreState.FAILED
              ? 'Viewing is audited.'
              : 'Available once the store is ready.'}
          </Text>
        </>
      )}
      {request.error && <ProblemAlert title="The credentials couldn't be read" error={request.error} />}
    </Panel>
  );
}

function useCredentials({ storeId, uid }: Store) {
  const { clients } = useApi();
  const [secondsLeft, setSecondsLeft] = useState(0);
  const request = useMutation({
    gcTime: 0,
    mutationFn: () => clients.stores.getStoreCredentials({ storeId, uid }),
    onSuccess: () => setSecondsLeft(SHOWN_S),
  });
  const { reset } = request;
  useEffect(() => {
    if (secondsLeft <= 0) return;
    const timer = setTimeout(() => {
      setSecondsLeft(secondsLeft - 1);
      if (secondsLeft === 1) reset();
    }, 1000);
    return () => clearTimeout(timer);
  }, [secondsLeft, reset]);
  const hide = () => {
    setSecondsLeft(0);
    reset();
  };
  return { data: request.data, secondsLeft, hide, request };
}

function Address({ name, url, isOnline }: { name: string; url: string; isOnline: boolean }) {
  return (
    <Fact name={name} copy={url}>
      {isOnline ? (
        <Anchor href={url} target="_blank" rel="noreferrer" size="sm">
          {url} <IconExternalLink size={13} aria-label="(opens a new tab)" />
        </Anchor>
      ) : (
        url
      )}
    </Fact>
  );
}

function Fact({ name, copy, children }: { name: string; copy: string; children: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>
        {children} <Copy text={copy} what={name} />
      </dd>
    </>
  );
}
