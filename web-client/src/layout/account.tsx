import {
  ActionIcon,
  Box,
  Group,
  Stack,
  Text,
  Tooltip,
  useComputedColorScheme,
  useMantineColorScheme,
} from '@mantine/core';
import { IconKeyboard, IconLogout, IconMoon, IconSun } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { useCaller } from '@/session/caller';
import { signOut } from '@/session/requests';
import { session } from '@/session/session';
import { showShortcuts } from './shortcuts';

/** Who is signed in, and this browser's settings. */
export function Account() {
  const { data } = useCaller();
  const { setColorScheme } = useMantineColorScheme();
  const leave = useMutation({ mutationFn: signOut, onSuccess: () => session.signedOut() });
  const scheme = useComputedColorScheme('light');
  const other = scheme === 'dark' ? 'light' : 'dark';
  return (
    <Stack gap="xs">
      {data?.simulated && (
        <Tooltip
          multiline
          w={240}
          label="The cluster's nodes are simulated: pods become ready without running, and no shop responds."
          position="right"
        >
          <Box className="simulated" tabIndex={0}>
            Simulated cluster
          </Box>
        </Tooltip>
      )}
      <Box mih={40}>
        {data?.caller && (
          <>
            <Text size="sm" fw={600} truncate>
              {data.caller.name}
            </Text>
            <Text size="xs" className="dimmed" truncate>
              {data.caller.role} · {data.caller.tenant}
            </Text>
          </>
        )}
      </Box>
      <Group gap={4}>
        <Tool label={`Switch to ${other}`} onClick={() => setColorScheme(other)}>
          {scheme === 'dark' ? <IconSun size={18} /> : <IconMoon size={18} />}
        </Tool>
        <Tool label="Keyboard shortcuts" onClick={showShortcuts}>
          <IconKeyboard size={18} />
        </Tool>
        <Tool label="Sign out" onClick={() => leave.mutate()}>
          <IconLogout size={18} />
        </Tool>
      </Group>
      {leave.error && (
        <Text size="xs" c="red" role="alert">
          You are still signed in: {leave.error.message}
        </Text>
      )}
    </Stack>
  );
}

function Tool({ label, onClick, children }: { label: string; onClick: () => void; children: React.ReactNode }) {
  return (
    <Tooltip label={label}>
      <ActionIcon variant="subtle" color="gray" size="lg" onClick={onClick} aria-label={label}>
        {children}
      </ActionIcon>
    </Tooltip>
  );
}
