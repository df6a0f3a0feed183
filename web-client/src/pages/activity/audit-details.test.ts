import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { AuditEventSchema } from '@/gen/storeplane/v1/audit_pb';
import { details } from './audit-details';

test('details name the origin and each changed field, and leave out what is not known', () => {
  const event = create(AuditEventSchema, {
    sequence: 7n,
    credentialKind: 'token',
    credentialId: '0193a2b4',
    peer: '192.0.2.1',
    changes: '{"before":{"plan":"small","left":1},"after":{"plan":"large","quota":{"stores":5}}}',
  });
  expect(details(event)).toEqual([
    ['Record', '7'],
    ['Credential', 'token 0193a2b4'],
    ['Address', '192.0.2.1'],
    ['left', '1 → –'],
    ['plan', 'small → large'],
    ['quota', '{"stores":5}'],
  ]);
  expect(details(create(AuditEventSchema, { changes: 'nonsense' }))).toEqual([['Record', 'not in the chain']]);
});
