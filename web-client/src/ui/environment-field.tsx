import { Radio, Stack } from '@mantine/core';
import { StoreEnvironment } from '@/gen/storeplane/v1/store_pb';
import { STAGING_LIMITS } from './store-marks';

interface Props {
  value: StoreEnvironment;
  disabled: boolean;
  error: string | undefined;
  onChange: (environment: StoreEnvironment) => void;
}

/** What a store is for. */
export function EnvironmentField({ value, disabled, error, onChange }: Props) {
  return (
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
  );
}
