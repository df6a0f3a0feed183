import { NativeSelect } from '@mantine/core';
import type { Engine, EngineVersion } from '@/gen/storeplane/v1/platform_pb';

interface Props {
  engine: Engine | undefined;
  value: string;
  error: string | undefined;
  disabled?: boolean;
  onChange: (version: string) => void;
}

/** The engine's versions, if there is a choice. */
export function VersionField({ engine, value, error, disabled, onChange }: Props) {
  const versions = engine?.versions ?? [];
  if (versions.length < 2) return null;
  const chosen = versions.find((version) => (value ? version.chartVersion === value : version.default));
  return (
    <NativeSelect
      label="Version"
      name="engineVersion"
      description={chosen?.notes}
      value={chosen?.chartVersion ?? ''}
      error={error}
      disabled={disabled}
      onChange={(event) => onChange(event.currentTarget.value)}
      data={versions.map((version) => ({ value: version.chartVersion, label: labelOf(version) }))}
    />
  );
}

function labelOf({ chartVersion, appVersion, default: isDefault, securityRelease }: EngineVersion): string {
  const marks = [`${chartVersion} (${appVersion})`, isDefault && 'default', securityRelease && 'security release'];
  return marks.filter(Boolean).join(', ');
}
