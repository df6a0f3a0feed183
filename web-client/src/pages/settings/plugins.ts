import type { Engine } from '@/gen/storeplane/v1/platform_pb';
import type { Plugin } from '@/gen/storeplane/v1/store_pb';

/** A plugin and its version; empty for the newest. */
export type PluginChoice = Pick<Plugin, 'name' | 'version'>;

/** Plugins as one line, as previews have them: `faq 1.2, gift-cards 2.0.1`. */
export function pluginsText(plugins: readonly PluginChoice[]): string {
  const sorted = plugins.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return sorted.map(({ name, version }) => `${name} ${version}`.trim()).join(', ');
}

export function parsePlugins(text: string): PluginChoice[] {
  const parts = text.split(', ').filter((part) => part !== '');
  return parts.map((part) => {
    const [name = '', version = ''] = part.split(' ');
    return { name, version };
  });
}

/** A plugin that can be chosen. */
export interface OfferedChoice {
  name: string;
  description: string;
  versions: { value: string; label: string }[];
}

/** What the engine offers, and what the store has, by name. */
export function offeredPlugins(engine: Engine | undefined, present: readonly PluginChoice[]): OfferedChoice[] {
  const offered = engine?.plugins ?? [];
  const names = [...new Set([...offered, ...present].map(({ name }) => name))].sort();
  return names.map((name) => {
    const offers = offered.filter((plugin) => plugin.name === name);
    const kept = present.filter(
      (plugin) => plugin.name === name && offers.every(({ version }) => version !== plugin.version),
    );
    return {
      name,
      description: offers.find(({ description }) => description)?.description ?? '',
      versions: [
        ...(offers.length > 0 ? [{ value: '', label: 'Newest' }] : []),
        ...offers.map(({ version }) => ({ value: version, label: version })),
        ...kept.map(({ version }) => ({ value: version, label: `${version} (no longer offered)` })),
      ],
    };
  });
}
