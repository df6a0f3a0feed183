import { Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import { rescueFocus } from './page-title';

interface Props {
  opened: boolean;
  title: string;
  children: ReactNode;
  /** What must be typed before the action is enabled. */
  phrase?: string;
  action: string;
  dismiss?: string;
  /** What `dismiss` does, if it does not close the dialog. */
  onDismiss?: () => void;
  /** True while there is nothing to confirm. */
  disabled?: boolean;
  color?: string;
  /** True while the action runs. The dialog then closes by `onAbort` only. */
  pending: boolean;
  onConfirm: () => void;
  /** Closes the dialog; nothing was sent, or everything has ended. */
  onClose: () => void;
  /** Stops what runs. The caller closes the dialog once it really has stopped. */
  onAbort: () => void;
  /** Shown in place of the question until `onClose`; then only the result's own button closes the dialog. */
  result?: ReactNode;
}

/** Asks for confirmation before something is changed. While the action runs, the dialog stays open, and Stop aborts it. */
export function ConfirmDialog(props: Props) {
  const {
    opened,
    title,
    children,
    phrase,
    action,
    dismiss = 'Cancel',
    onDismiss,
    disabled = false,
    color,
    pending,
    onConfirm,
    onClose,
    onAbort,
    result,
  } = props;
  // What was shown last stays while the dialog fades out, except a result: it may be a secret.
  const hadResult = useRef(false);
  if (opened) hadResult.current = result !== undefined;
  const [typed, setTyped] = useState('');
  // Text typed into one dialog must not confirm the next.
  // biome-ignore lint/correctness/useExhaustiveDependencies: both begin a new question
  useEffect(() => setTyped(''), [opened, phrase]);
  const isTyped = phrase === undefined || typed.trim().toLowerCase() === phrase.toLowerCase();
  const isConfirmed = isTyped && !disabled;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (isConfirmed && !pending) onConfirm();
  };
  return (
    <Modal
      opened={opened}
      onClose={pending ? onAbort : onClose}
      title={title}
      closeOnClickOutside={!pending && result === undefined}
      closeOnEscape={result === undefined}
      withCloseButton={result === undefined}
      closeButtonProps={{ 'aria-label': 'Close' }}
      onExitTransitionEnd={rescueFocus}
    >
      {hadResult.current ? (
        result
      ) : (
        <form onSubmit={submit}>
          <Stack>
            {children}
            {phrase !== undefined && (
              <TextInput
                label={
                  <>
                    Type <b>{phrase}</b> to confirm
                  </>
                }
                autoComplete="off"
                spellCheck={false}
                data-autofocus
                disabled={pending}
                value={typed}
                onChange={(event) => setTyped(event.currentTarget.value)}
              />
            )}
            {pending && (
              <Text size="sm" role="status" className="dimmed">
                Sending the request…
              </Text>
            )}
            <Group justify="flex-end">
              <Button
                variant="default"
                onClick={pending ? onAbort : (onDismiss ?? onClose)}
                data-autofocus={phrase === undefined || undefined}
              >
                {pending ? 'Stop' : dismiss}
              </Button>
              <Button type="submit" color={color} disabled={!isConfirmed} loading={pending}>
                {action}
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </Modal>
  );
}
