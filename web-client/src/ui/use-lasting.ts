import { useEffect, useState } from 'react';

/** Shorter interruptions are not reported. */
const DELAY_MS = 1500;

/** True once something has been the case for a while. */
export function useLasting(is: boolean): boolean {
  const [lasts, setLasts] = useState(false);
  useEffect(() => {
    if (!is) return setLasts(false);
    const timer = setTimeout(() => setLasts(true), DELAY_MS);
    return () => clearTimeout(timer);
  }, [is]);
  return lasts;
}
