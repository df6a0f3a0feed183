import { screen, within } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { expect, test, vi } from 'vitest';
import { AuditChainFault } from '@/gen/storeplane/v1/audit_pb';
import { RENDERED, renderApp } from '../../../test/render-app';

const EVENT = {
  auditEventId: '1',
  actor: 'ada',
  action: 'CREATE_STORE',
  target: 'tea',
  peer: '192.0.2.1',
  sequence: 3n,
};

test('records show their address and can be filtered by it', async () => {
  const filters: string[] = [];
  renderApp({
    path: '/activity',
    audit: {
      listAuditEvents: ({ filter }) => {
        filters.push(filter);
        return { auditEvents: [EVENT] };
      },
    },
  });
  const list = within(await screen.findByLabelText('Audit log', undefined, RENDERED));
  await list.findByText('192.0.2.1', undefined, RENDERED);
  await userEvent.type(screen.getByLabelText('Address'), '192.0.2.1');
  await vi.waitFor(() => expect(filters.at(-1)).toBe('peer = "192.0.2.1"'), RENDERED);
});

test('the chain is verified on request, and a broken one names its first record', async () => {
  let isBroken = false;
  const asked: string[] = [];
  renderApp({
    path: '/activity',
    role: 'auditor',
    audit: {
      listAuditEvents: () => ({ auditEvents: [EVENT] }),
      verifyAuditLog: ({ checkpoint }) => {
        asked.push(checkpoint);
        const brokenLink = { sequence: 2n, fault: AuditChainFault.MISSING, message: 'a record is missing' };
        return isBroken ? { verifiedCount: 1n, headSequence: 3n, brokenLink } : { verifiedCount: 3n, headSequence: 3n };
      },
    },
  });
  await userEvent.click(await screen.findByRole('button', { name: 'Verify' }, RENDERED));
  await screen.findByText('The audit log is intact', undefined, RENDERED);
  isBroken = true;
  await userEvent.click(screen.getByRole('button', { name: 'With a checkpoint…' }));
  await userEvent.type(await screen.findByLabelText('Checkpoint'), ' storeplane-checkpoint-1:x ');
  await userEvent.click(screen.getByRole('button', { name: 'Verify' }));
  await screen.findByText('The audit log is broken at record 2', undefined, RENDERED);
  screen.getByText(/A record is missing\./);
  expect(asked).toEqual(['', 'storeplane-checkpoint-1:x']);
});

test.each(['viewer', 'operator'])(
  'the role %s is told who reads the audit log, and does not ask for it',
  async (role) => {
    const listAuditEvents = vi.fn(() => ({ auditEvents: [EVENT] }));
    renderApp({ path: '/activity', role, audit: { listAuditEvents } });
    await screen.findByText('The audit log is for auditors and admins', undefined, RENDERED);
    expect(screen.queryByRole('button', { name: 'Verify' })).toBeNull();
    expect(listAuditEvents).not.toHaveBeenCalled();
  },
);
