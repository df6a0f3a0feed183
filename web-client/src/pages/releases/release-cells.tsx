import { Text } from '@mantine/core';
import { words } from '@/format/words';
import { type Release, ReleaseOwnership } from '@/gen/storeplane/v1/platform_pb';
import { useCaller } from '@/session/caller';
import { AnchorLink } from '@/ui/link';

const COLORS: Record<ReleaseOwnership, string> = {
  [ReleaseOwnership.UNSPECIFIED]: 'gray',
  [ReleaseOwnership.STORE]: 'teal',
  [ReleaseOwnership.ORPHAN]: 'yellow',
  [ReleaseOwnership.FOREIGN]: 'gray',
};

/** Identifies a release in the cluster. */
export function releaseKey({ namespace, name }: Release): string {
  return `${namespace}/${name}`;
}

/** To whom the release belongs: the store with a link, if it is one of the caller's tenant. */
export function Owner({ release: { ownership, storeId, storeUid, tenant } }: { release: Release }) {
  const own = useCaller().data?.caller?.tenant;
  const isLinked = ownership === ReleaseOwnership.STORE && tenant === own;
  return (
    <>
      <span className="outcome">
        <span className="dot" style={{ background: `var(--mantine-color-${COLORS[ownership]}-6)` }} />
        {words(ReleaseOwnership[ownership] ?? 'unknown')}
      </span>
      {isLinked ? (
        <AnchorLink
          to="/stores/$storeId"
          params={{ storeId }}
          search={{ uid: storeUid }}
          size="sm"
          className="mono"
          truncate
          display="block"
        >
          {storeId}
        </AnchorLink>
      ) : (
        storeId && (
          <Text size="xs" className="dimmed mono" truncate title={`${storeId} (${tenant})`}>
            {tenant === own ? storeId : `${storeId} (${tenant})`}
          </Text>
        )
      )}
    </>
  );
}

/** Namespace and name; they are equal for most stores. */
export function ReleaseName({ release: { namespace, name } }: { release: Release }) {
  return (
    <>
      <Text size="sm" className="mono" truncate title={namespace}>
        {namespace}
      </Text>
      {name !== namespace && (
        <Text size="xs" className="dimmed mono" truncate title={name}>
          {name}
        </Text>
      )}
    </>
  );
}

export function status({ status }: Release): string {
  return words(status.replaceAll('-', ' '));
}

export function chart({ chart, chartVersion }: Release): string {
  return `${chart} ${chartVersion}`.trim() || '–';
}
