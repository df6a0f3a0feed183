import { useMediaQuery } from '@mantine/hooks';

/** True below 480 px, where tables become cards. */
export function useIsNarrow(): boolean {
  return useMediaQuery('(max-width: 29.99em)', false, { getInitialValueInEffect: false });
}
