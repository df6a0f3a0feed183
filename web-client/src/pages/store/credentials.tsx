import { Button, Text } from '@mantine/core';
import { IconKey } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useApi } from '@/api/api';
import { type Store, StoreState } from '@/gen/storeplane/v1/store_pb';
import { Copy } from '@/ui/copy';
import { Panel } from '@/ui/panel';
import { ProblemAlert } from '@/ui/problem-alert';

/** How long a password stays on the screen. */
const SHOWN_S = 30;

/** The administrator's login: asked for at that moment, shown for half a minute, kept nowhere. */
export function Credentials({ store }: { store: Store }) {
  const { clients } = useApi();
  const [left, setLeft] = useState(0);
  const reading = useMutation({
    gcTime: 0,
    mutationFn: () => clients.stores.getStoreCredentials({ storeId: store.storeId, uid: store.uid }),
    onSuccess: () => setLeft(SHOWN_S),
  });
  const { reset } = reading;
  useEffect(() => {
    if (left <= 0) return;
    const timer = setTimeout(() => {
      setLeft(left - 1);
      if (left === 1) reset();
    }, 1000);
    return () => clearTimeout(timer);
  }, [left, reset]);

  const isThere =
    store.state === StoreState.READY || store.state === StoreState.DEGRADED || store.state === StoreState.FAILED;
  const hide = () => {
    setLeft(0);
    reset();
  };
  return (
    <Panel
      title="Login"
      mih={128}
      aside={
        reading.data && (
          <Button size="compact-sm" variant="subtle" color="gray" onClick={hide}>
            Hide ({left} s)
          </Button>
        )
      }
    >
      {reading.data ? (
        <dl className="facts" data-testid="login">
          <dt>User</dt>
          <dd>
            <span className="mono">{reading.data.username}</span> <Copy text={reading.data.username} what="user name" />
          </dd>
          <dt>Password</dt>
          <dd>
            <span className="mono">{reading.data.password}</span> <Copy text={reading.data.password} what="password" />
          </dd>
        </dl>
      ) : (
        <>
          <Button
            variant="default"
            leftSection={<IconKey size={16} aria-hidden />}
            disabled={!isThere}
            loading={reading.isPending}
            onClick={() => reading.mutate()}
          >
            Show the login
          </Button>
          <Text size="xs" className="dimmed" mt="xs">
            {isThere ? 'Read from the cluster; the audit log notes who looked.' : 'It is there once the store is.'}
          </Text>
        </>
      )}
      {reading.error && <ProblemAlert title="The login could not be read" error={reading.error} />}
    </Panel>
  );
}
