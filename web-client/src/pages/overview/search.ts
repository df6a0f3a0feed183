import { DEFAULT_WINDOW_HOURS } from '@/api/queries';

/** The time windows of the charts. */
export const WINDOWS = [
  { hours: 1, label: '1 h', text: 'Last hour' },
  { hours: 24, label: '24 h', text: 'Last 24 hours' },
  { hours: 168, label: '7 d', text: 'Last 7 days' },
  { hours: 720, label: '30 d', text: 'Last 30 days' },
] as const;

export interface OverviewSearch {
  hours?: number;
}

export function overviewSearch({ hours }: Record<string, unknown>): OverviewSearch {
  const known = WINDOWS.find((window) => window.hours === hours && hours !== DEFAULT_WINDOW_HOURS);
  return { hours: known?.hours };
}
