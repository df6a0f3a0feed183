import { Box, Button, Group, Stack, Text, UnstyledButton } from '@mantine/core';
import { IconChevronDown, IconChevronRight } from '@tabler/icons-react';
import { memo, useId, useState } from 'react';
import { count, reasonTitle } from '@/format/words';
import { type RolloutStore, RolloutStoreState, type RolloutWave } from '@/gen/storeplane/v1/rollout_service_pb';
import { AnchorLink } from '@/ui/link';
import { Panel } from '@/ui/panel';
import { CountsBar, storeColor } from './rollout-cells';
import { countsText, sizeText, storeState } from './rollout-text';
import { countsOf, type StoreGroup } from './wave-groups';

/** Up to this size a wave shows all its stores at once. */
const SMALL = 10;
/** How many stores of a group are shown, and how many more at each request. */
const PAGE = 50;
/** Groups that are open from the start. */
const OPEN: readonly RolloutStoreState[] = [RolloutStoreState.FAILED, RolloutStoreState.RUNNING];

interface Props {
  /** From 1. */
  number: number;
  wave: RolloutWave;
  /** True while it is being changed or observed. */
  isCurrent: boolean;
  groups: readonly StoreGroup[];
}

/** A wave with its stores by state: failed ones first. */
export function WavePanel({ number, wave, isCurrent, groups }: Props) {
  const counts = countsOf(groups, wave.storeCount);
  return (
    <Panel
      title={`Wave ${number}`}
      data-wave={number}
      aside={
        <Group gap="sm">
          {isCurrent && <span className="tag">Current</span>}
          <Text size="sm" className="dimmed">
            {count(wave.storeCount, 'store')}
            {sizeText(wave) && `, ${sizeText(wave)}`}
          </Text>
        </Group>
      }
    >
      <CountsBar counts={counts} label={`Wave ${number}`} />
      <Text size="xs" className="dimmed numbers wrap" mt={4} mb="xs">
        {countsText(counts)}
      </Text>
      <Stack gap={4}>
        {groups.map((group) => (
          <StoresOf
            key={group.state}
            group={group}
            wave={number}
            startsOpen={wave.storeCount <= SMALL || OPEN.includes(group.state)}
          />
        ))}
      </Stack>
    </Panel>
  );
}

/** The stores of one state, which can be shown and hidden. */
function StoresOf({ group, wave, startsOpen }: { group: StoreGroup; wave: number; startsOpen: boolean }) {
  const { state, stores } = group;
  const [isOpen, setIsOpen] = useState(startsOpen);
  const [shown, setShown] = useState(PAGE);
  const id = useId();
  const Icon = isOpen ? IconChevronDown : IconChevronRight;
  const more = Math.min(PAGE, stores.length - shown);
  const name = storeState(state);
  return (
    <div data-group={RolloutStoreState[state]}>
      <UnstyledButton
        className="group"
        aria-expanded={isOpen}
        aria-controls={isOpen ? id : undefined}
        onClick={() => setIsOpen(!isOpen)}
      >
        <Icon size={16} aria-hidden />
        <Box className="dot" style={{ background: storeColor(state) }} />
        {name} <span className="numbers">{stores.length.toLocaleString()}</span>
        <span className="visually-hidden">in wave {wave}</span>
      </UnstyledButton>
      {isOpen && (
        <div id={id} className="group-content">
          <ul className="plain rollout-stores" aria-label={`${name} in wave ${wave}`}>
            {stores.slice(0, shown).map((store) => (
              <StoreItem key={store.storeUid} store={store} />
            ))}
          </ul>
          {more > 0 && (
            <Button size="xs" variant="default" mt="xs" onClick={() => setShown(shown + PAGE)}>
              Show {more} more of {(stores.length - shown).toLocaleString()}
            </Button>
          )}
        </div>
      )}
    </div>
  );
}

/** A store with a link, and why it failed or was skipped. */
const StoreItem = memo(function StoreItem({ store: { storeId, storeUid, reason, message } }: { store: RolloutStore }) {
  return (
    <li data-rollout-store={storeId} data-explained={reason !== '' || undefined}>
      <AnchorLink
        to="/stores/$storeId"
        params={{ storeId }}
        search={{ uid: storeUid }}
        size="sm"
        className="mono"
        truncate
        display="block"
        title={storeId}
      >
        {storeId}
      </AnchorLink>
      {reason && (
        <Text size="xs" className="dimmed wrap">
          <b title={reason}>{reasonTitle(reason)}</b>
          {message && `: ${message}`}
        </Text>
      )}
    </li>
  );
});
