import { DEFAULT_WINDOW_HOURS } from '@/api/queries';

/** How far back the charts go, in hours. */
export const WINDOWS = [
  { hours: 1, label: '1 h' },
  { hours: 24, label: '24 h' },
  { hours: 168, label: '7 d' },
  { hours: 720, label: '30 d' },
] as const;

export interface OverviewSearch {
  hours?: number;
}

export function overviewSearch({ hours }: Record<string, unknown>): OverviewSearch {
  const known = WINDOWS.find((window) => window.hours === hours && hours !== DEFAULT_WINDOW_HOURS);
  return { hours: known?.hours };
}
