import { Alert, Radio, Stack } from '@mantine/core';
import { StoreEnvironment } from '@/gen/storeplane/v1/store_pb';
import { STAGING_LIMITS } from '@/ui/store-marks';

interface Props {
  value: StoreEnvironment;
  disabled: boolean;
  error: string | undefined;
  onChange: (environment: StoreEnvironment) => void;
}

/** What a copy is for. A copy for customers needs a warning: its data names those of the original. */
export function EnvironmentField({ value, disabled, error, onChange }: Props) {
  const isProduction = value === StoreEnvironment.PRODUCTION;
  return (
    <Stack gap="xs">
      <Radio.Group
        label="Environment"
        name="environment"
        value={StoreEnvironment[value]}
        error={error}
        onChange={(name) => onChange(StoreEnvironment[name as keyof typeof StoreEnvironment])}
      >
        <Stack gap={6} mt={6}>
          <Radio value="STAGING" label="Staging" description={STAGING_LIMITS} disabled={disabled} />
          <Radio value="PRODUCTION" label="Production" description="A shop for customers." disabled={disabled} />
        </Stack>
      </Radio.Group>
      {isProduction && (
        <Alert color="yellow" variant="outline" title="The copy acts like the original">
          It sends e-mails and webhooks, runs scheduled tasks and takes payments with the copied data. Customers may get
          e-mails twice and be charged twice.
        </Alert>
      )}
    </Stack>
  );
}
