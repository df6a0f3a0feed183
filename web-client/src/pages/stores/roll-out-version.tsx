import type { Store } from '@/gen/storeplane/v1/store_pb';
import { AnchorLink } from '@/ui/link';

/** Offers a rollout of the version that is available for a shown store, to all that match the filter: those that have it are skipped. */
export function RollOutVersion({ stores, filter }: { stores: readonly Store[]; filter: string }) {
  const upgrade = stores.find(({ availableUpgrade }) => availableUpgrade)?.availableUpgrade;
  if (!upgrade) return null;
  const { engineVersion: version } = upgrade;
  return (
    <AnchorLink to="/rollouts" search={{ filter: filter || '*', version }} size="sm">
      Roll out {version}
    </AnchorLink>
  );
}
