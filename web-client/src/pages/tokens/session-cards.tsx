import { Group, Paper } from '@mantine/core';
import { ListCards } from '@/ui/list-cards';
import { Ago, Until } from '@/ui/time';
import { Browser, SessionAction, type SessionListProps, User } from './session-cells';

/** The sessions on a phone. */
export function SessionCards({ sessions, outdated, onDialog }: SessionListProps) {
  return (
    <ListCards label="Sessions" rows={sessions} outdated={outdated} height={180}>
      {(session) => (
        <Paper component="li" withBorder p="sm" key={session.sessionId}>
          <User session={session} />
          <dl className="pairs">
            <dt>Role</dt>
            <dd>{session.role}</dd>
            <dt>Browser</dt>
            <dd>
              <Browser session={session} />
            </dd>
            <dt>Signed in</dt>
            <dd>
              <Ago time={session.createTime} />
            </dd>
            <dt>Last used</dt>
            <dd>
              <Ago time={session.lastUseTime} />
            </dd>
            <dt>Ends</dt>
            <dd>
              <Until time={session.expireTime} />
            </dd>
          </dl>
          <Group justify="flex-end">
            <SessionAction session={session} onDialog={onDialog} />
          </Group>
        </Paper>
      )}
    </ListCards>
  );
}
