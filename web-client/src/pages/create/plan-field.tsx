import { Radio, Stack } from '@mantine/core';
import type { Engine, Plan } from '@/gen/storeplane/v1/platform_pb';

interface Props {
  engine: Engine | undefined;
  value: string;
  error: string | undefined;
  disabled?: boolean;
  onChange: (plan: string) => void;
}

/** The engine's plans with their sizes. */
export function PlanField({ engine, value, error, disabled, onChange }: Props) {
  return (
    <Radio.Group
      label="Plan"
      name="plan"
      value={value || engine?.defaultPlan || engine?.plans[0]?.name || ''}
      onChange={onChange}
      error={error}
    >
      <Stack gap={6} mt={6} mih={24}>
        {engine?.plans.map((plan) => (
          <Radio key={plan.name} value={plan.name} label={plan.name} description={sizeOf(plan)} disabled={disabled} />
        ))}
      </Stack>
    </Radio.Group>
  );
}

export function sizeOf({ cpu, memory, storage, description }: Plan): string {
  const sizes = [cpu && `${cpu} CPU`, memory && `${memory} memory`, storage && `${storage} storage`];
  return [description, sizes.filter(Boolean).join(', ')].filter(Boolean).join(' · ');
}
