import type { JsonValue } from '@bufbuild/protobuf';
import { StoreEnvironment, type StoreRevision } from '@/gen/storeplane/v1/store_pb';
import type { Change } from './change-list';
import { mailSummary } from './mail-draft';
import { pluginsText } from './plugins';
import { settingLabel, settingText } from './setting-fields';

/** What differs between two revisions, by kind. */
export interface Differences {
  settings: Change[];
  /** By the path of the value. */
  values: Change[];
  /** By repository, from tag to tag. */
  images: Change[];
  /** By container, from digest to digest, where both are recorded. */
  digests: Change[];
}

export function differencesOf(before: StoreRevision, after: StoreRevision): Differences {
  return {
    settings: compare(settingsOf(before), settingsOf(after)),
    values: compare(flatten(before.values ?? {}), flatten(after.values ?? {})),
    images: compare(imagesOf(before), imagesOf(after)),
    digests: compare(digestsOf(before), digestsOf(after)).filter(({ before, after }) => before && after),
  };
}

type Texts = ReadonlyMap<string, string>;

function compare(before: Texts, after: Texts): Change[] {
  const names = new Set([...before.keys(), ...after.keys()]);
  const all = [...names].map((name) => ({ name, before: before.get(name), after: after.get(name) }));
  return all.filter((change) => change.before !== change.after);
}

/** The settings of a revision as texts, in the order in which they are shown. */
export function settingsOf(revision: StoreRevision): Texts {
  const { displayName, adminEmail, plan, environment, versions, smtp, plugins } = revision;
  const fields: Record<string, string> = {
    display_name: displayName,
    admin_email: adminEmail,
    plan,
    chart_version: versions?.chart ?? '',
    environment: StoreEnvironment[environment] ?? '',
    app_version: versions?.app ?? '',
    ...(smtp && { smtp: mailSummary(smtp) }),
    ...(plugins.length > 0 && { plugins: pluginsText(plugins) }),
  };
  return new Map(Object.entries(fields).map(([field, value]) => [settingLabel(field), settingText(field, value)]));
}

/** A name that needs no quotes in a path. */
const PLAIN = /^[\w-]+$/;

/** Every value in a JSON value by its path, sorted: `php.memory` is `256M`, `hosts[0]` is `a.test`. Names with other characters are in `["…"]`. */
export function flatten(value: JsonValue): Texts {
  const found: [string, string][] = [];
  const add = (value: JsonValue, path: string) => {
    const isObject = typeof value === 'object' && value !== null;
    const entries = isObject ? Object.entries(value) : [];
    if (entries.length === 0) {
      found.push([path, typeof value === 'string' ? value : JSON.stringify(value)]);
      return;
    }
    for (const [name, part] of entries) add(part as JsonValue, step(path, name, Array.isArray(value)));
  };
  add(value, '');
  return new Map(found.filter(([path]) => path !== '').sort(([a], [b]) => (a < b ? -1 : 1)));
}

function step(path: string, name: string, isIndex: boolean): string {
  if (isIndex) return `${path}[${name}]`;
  if (!PLAIN.test(name)) return `${path}[${JSON.stringify(name)}]`;
  return path ? `${path}.${name}` : name;
}

/** The digests of the images that a revision's containers ran, by workload and container. */
export function digestsOf({ imageDigests }: StoreRevision): Texts {
  const byContainer = Map.groupBy(imageDigests, ({ workload, container }) => `${workload}, ${container}`);
  return new Map([...byContainer].map(([name, all]) => [name, all.map(({ digest }) => digest).join(', ')]));
}

/** Tags and digests of a revision's images by repository. */
function imagesOf({ images }: StoreRevision): Texts {
  const parts = images.map((image) => {
    const name = image.replace(/@.*/, '');
    // A registry may have a port.
    const end = name.lastIndexOf(':') > name.lastIndexOf('/') ? name.lastIndexOf(':') : name.length;
    return [name.slice(0, end), image.slice(end + 1) || 'no tag'] as const;
  });
  const byRepository = Map.groupBy(parts, ([repository]) => repository);
  return new Map(
    [...byRepository].map(([repository, all]) => [repository, [...new Set(all.map(([, tag]) => tag))].join(', ')]),
  );
}
