import { Alert, Button, Group, Stack, Textarea } from '@mantine/core';
import { IconShieldCheck } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { useApi } from '@/api/api';
import { sentence } from '@/format/words';
import type { VerifyAuditLogResponse } from '@/gen/storeplane/v1/audit_pb';
import { ProblemAlert } from '@/ui/problem-alert';

/** Verifies the hash chain of the audit log, on request against a checkpoint from the server's log. */
export function VerifyLog() {
  const { clients } = useApi();
  const [isOpen, setIsOpen] = useState(false);
  const [checkpoint, setCheckpoint] = useState('');
  const verify = useMutation({
    mutationFn: () => clients.audit.verifyAuditLog({ checkpoint: isOpen ? checkpoint.trim() : '' }),
  });
  return (
    <Stack gap="xs">
      <Group gap="xs">
        <Button
          variant="default"
          leftSection={<IconShieldCheck size={16} aria-hidden />}
          loading={verify.isPending}
          onClick={() => verify.mutate()}
        >
          Verify
        </Button>
        <Button variant="subtle" aria-expanded={isOpen} onClick={() => setIsOpen(!isOpen)}>
          With a checkpoint…
        </Button>
      </Group>
      {isOpen && (
        <Textarea
          label="Checkpoint"
          description="A line AUDIT_CHECKPOINT of the server's log. It shows whether records were cut off at the end."
          rows={2}
          value={checkpoint}
          onChange={(event) => setCheckpoint(event.currentTarget.value)}
        />
      )}
      {verify.error && (
        <ProblemAlert title="The audit log couldn't be verified" error={verify.error} onRetry={() => verify.mutate()} />
      )}
      {verify.data && <Verified result={verify.data} />}
    </Stack>
  );
}

function Verified({ result }: { result: VerifyAuditLogResponse }) {
  const { brokenLink, verifiedCount, headSequence, unchainedCount } = result;
  const outside = unchainedCount > 0n ? ` ${unchainedCount} older records are not in the chain.` : '';
  if (brokenLink) {
    return (
      <Alert color="red" title={`The audit log is broken at record ${brokenLink.sequence}`} role="alert">
        {sentence(brokenLink.message)} {`${verifiedCount} records before it are as they were written.`}
        {outside}
      </Alert>
    );
  }
  return (
    <Alert color="teal" title="The audit log is intact" role="status">
      {`${verifiedCount} records up to record ${headSequence} are as they were written.`}
      {outside}
    </Alert>
  );
}
