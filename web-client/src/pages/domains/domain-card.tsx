import { Badge, Box, Group, Stack, Text } from '@mantine/core';
import { DomainOwnershipState, type StoreDomain } from '@/gen/storeplane/v1/domain_service_pb';
import type { Store } from '@/gen/storeplane/v1/store_pb';
import { Copy } from '@/ui/copy';
import { DateTime, Until } from '@/ui/time';
import { DeleteDomain, PrimaryDomain, VerifyDomain } from './domain-actions';
import { type Aspect, aspects } from './domain-text';
import { Records } from './records';

interface Props {
  store: Store;
  domain: StoreDomain;
  /** Another operation of the store runs. */
  isBusy: boolean;
  canEdit: boolean;
}

/** A domain: its aspects, and the records to create. */
export function DomainCard({ store, domain, isBusy, canEdit }: Props) {
  const isVerified = domain.ownership?.state === DomainOwnershipState.VERIFIED;
  const records = [...(isVerified ? [] : [domain.verificationRecord]), ...domain.addressRecords];
  return (
    <Stack component="li" gap="xs" data-domain={domain.domain}>
      <Group justify="space-between" gap="xs">
        <Group gap="xs">
          <Text className="mono wrap" fw={600}>
            {domain.domain}
          </Text>
          {domain.primary && <Badge variant="light">Primary</Badge>}
          {domain.removing && (
            <Badge variant="light" color="gray">
              Being removed
            </Badge>
          )}
        </Group>
        {canEdit && !domain.removing && (
          <Group gap="xs">
            <VerifyDomain store={store} domain={domain} />
            {domain.served && <PrimaryDomain store={store} domain={domain} isBusy={isBusy} />}
            <DeleteDomain store={store} domain={domain} />
          </Group>
        )}
      </Group>
      <Group component="dl" gap="lg" m={0} align="flex-start">
        {aspects(domain).map((aspect) => (
          <AspectText key={aspect.name} aspect={aspect} />
        ))}
      </Group>
      {domain.certificate?.expireTime && (
        <Text size="xs" className="dimmed">
          The certificate expires on <DateTime time={domain.certificate.expireTime} />
        </Text>
      )}
      {domain.expireTime && (
        <Text size="xs" className="dimmed">
          Without the TXT record or the file, the domain is removed <Until time={domain.expireTime} />
        </Text>
      )}
      {!domain.removing && <Records records={records.filter((record) => record !== undefined)} />}
      {!isVerified && domain.verificationFile && (
        <Group gap={4} wrap="nowrap">
          <Text size="xs" className="dimmed wrap">
            While the domain points to another web server, that server can prove it instead, with the value of the TXT
            record as a line of <span className="mono">{domain.verificationFile.url}</span>
          </Text>
          <Copy text={domain.verificationFile.url} what="URL of the file" />
        </Group>
      )}
    </Stack>
  );
}

function AspectText({ aspect: { name, text, color, message } }: { aspect: Aspect }) {
  return (
    <Box maw={340}>
      <Text component="dt" size="xs" className="dimmed">
        {name}
      </Text>
      <Box component="dd" m={0}>
        <span className="outcome">
          <Box component="span" className="dot" style={{ background: `var(--mantine-color-${color}-6)` }} />
          {text}
        </span>
        {message && (
          <Text size="xs" className="dimmed wrap">
            {message}
          </Text>
        )}
      </Box>
    </Box>
  );
}
