import { Group, Modal, Stack, Switch, Text } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useEffectEvent, useRef, useState } from 'react';
import { useCanEdit, useIsAdmin, useIsPlatformAdmin } from '@/session/caller';
import { areShortcutsOn, onShowShortcuts, SEARCH_FIELD, SHORTCUTS, switchShortcuts } from './shortcuts';

/** Time within which the second key of a sequence must follow. */
const SECOND_KEY_MS = 1000;

/** Handles keyboard shortcuts, and lists them. */
export function Keyboard() {
  const [opened, setOpened] = useState(false);
  const [on, setOn] = useState(areShortcutsOn);
  const navigate = useNavigate();
  const canEdit = useCanEdit();
  const isAdmin = useIsAdmin();
  const isPlatformAdmin = useIsPlatformAdmin();
  const before = useRef({ key: '', at: 0 });

  const press = useEffectEvent((event: KeyboardEvent) => {
    if (!on || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector('[role="dialog"]')) return;
    const after = Date.now() - before.current.at < SECOND_KEY_MS ? before.current.key : '';
    before.current = { key: event.key, at: Date.now() };
    const act = action(`${after === 'g' ? 'g ' : ''}${event.key}`);
    if (!act) return;
    event.preventDefault();
    before.current.key = '';
    act();
  });

  const action = (keys: string): (() => void) | undefined => {
    switch (keys) {
      case '/':
        return () => void search();
      case 'n':
        return canEdit ? () => void navigate({ to: '/create' }) : undefined;
      case 'g o':
        return () => void navigate({ to: '/' });
      case 'g s':
        return () => void navigate({ to: '/stores' });
      case 'g b':
        return () => void navigate({ to: '/backups' });
      case 'g l':
        return () => void navigate({ to: '/rollouts' });
      case 'g a':
        return () => void navigate({ to: '/activity' });
      case 'g r':
        return canEdit ? () => void navigate({ to: '/releases' }) : undefined;
      case 'g t':
        return isAdmin ? () => void navigate({ to: '/tokens' }) : undefined;
      case 'g n':
        return isPlatformAdmin ? () => void navigate({ to: '/tenants' }) : undefined;
      case '?':
        return () => setOpened(true);
      default:
        return undefined;
    }
  };

  const search = async () => {
    if (!focusSearch()) {
      await navigate({ to: '/stores' });
      requestAnimationFrame(focusSearch);
    }
  };

  useEffect(() => {
    const listener = (event: KeyboardEvent) => press(event);
    window.addEventListener('keydown', listener);
    return () => window.removeEventListener('keydown', listener);
  }, []);
  useEffect(() => onShowShortcuts(() => setOpened(true)), []);

  return (
    <Modal
      opened={opened}
      onClose={() => setOpened(false)}
      title="Keyboard shortcuts"
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      <Stack gap="sm">
        {SHORTCUTS.map(({ keys, text }) => (
          <Group key={text} justify="space-between">
            <Text size="sm">{text}</Text>
            <Group gap={4}>
              {keys.map((key) => (
                <kbd className="key" key={key}>
                  {key}
                </kbd>
              ))}
            </Group>
          </Group>
        ))}
        <Switch
          mt="sm"
          label="Enable shortcuts"
          checked={on}
          onChange={(event) => {
            setOn(event.currentTarget.checked);
            switchShortcuts(event.currentTarget.checked);
          }}
        />
      </Stack>
    </Modal>
  );
}

function focusSearch(): boolean {
  const field = document.querySelector<HTMLInputElement>(`[${SEARCH_FIELD}]`);
  field?.focus();
  field?.select();
  return field !== null;
}

/** True where keys are input. A checkbox only takes the space bar. */
function isTyping(target: EventTarget | null): boolean {
  if (target instanceof HTMLInputElement) return target.type !== 'checkbox';
  return target instanceof HTMLElement && (target.isContentEditable || /^(TEXTAREA|SELECT)$/.test(target.tagName));
}
