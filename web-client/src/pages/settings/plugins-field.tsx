import { Checkbox, Fieldset, Group, NativeSelect, Stack, Text } from '@mantine/core';
import type { Engine } from '@/gen/storeplane/v1/platform_pb';
import { offeredPlugins, parsePlugins, pluginsText } from './plugins';
import type { InputProps } from './setting-fields';

/** The plugins of those that the engine offers, each with its version. */
export function PluginsField({ engine, ...props }: InputProps & { engine: Engine | undefined }) {
  const { store, label, value, error, disabled, onChange } = props;
  const chosen = parsePlugins(value);
  return (
    <Fieldset legend={label}>
      <Stack gap="xs">
        {offeredPlugins(engine, store.plugins).map(({ name, description, versions }) => {
          const choice = chosen.find((plugin) => plugin.name === name);
          const others = chosen.filter((plugin) => plugin.name !== name);
          const initial = store.plugins.find((plugin) => plugin.name === name)?.version ?? '';
          const set = (version: string) => onChange(pluginsText([...others, { name, version }]));
          return (
            <Group key={name} justify="space-between" align="flex-start">
              <Checkbox
                label={name}
                description={description}
                checked={choice !== undefined}
                disabled={disabled}
                onChange={(event) => (event.currentTarget.checked ? set(initial) : onChange(pluginsText(others)))}
              />
              {choice && (
                <NativeSelect
                  size="xs"
                  aria-label={`Version of ${name}`}
                  data={versions}
                  value={choice.version}
                  disabled={disabled}
                  onChange={(event) => set(event.currentTarget.value)}
                />
              )}
            </Group>
          );
        })}
        {error && (
          <Text size="xs" c="red">
            {error}
          </Text>
        )}
      </Stack>
    </Fieldset>
  );
}
