/** The shortcuts. Several keys are pressed one after the other. */
export const SHORTCUTS = [
  { keys: ['/'], text: 'Search stores' },
  { keys: ['n'], text: 'New store' },
  { keys: ['g', 'o'], text: 'Go to Overview' },
  { keys: ['g', 's'], text: 'Go to Stores' },
  { keys: ['g', 'b'], text: 'Go to Backups' },
  { keys: ['g', 'l'], text: 'Go to Rollouts' },
  { keys: ['g', 'a'], text: 'Go to Activity' },
  { keys: ['g', 'r'], text: 'Go to Releases' },
  { keys: ['g', 't'], text: 'Go to Tokens' },
  { keys: ['g', 'n'], text: 'Go to Tenants' },
  { keys: ['?'], text: 'Show shortcuts' },
] as const;

/** Marks the field that `/` focuses. */
export const SEARCH_FIELD = 'data-search-field';

const SHOW = 'storeplane:shortcuts';
const OFF = 'storeplane.shortcuts.off';

export function showShortcuts(): void {
  window.dispatchEvent(new Event(SHOW));
}

export function onShowShortcuts(listener: () => void): () => void {
  window.addEventListener(SHOW, listener);
  return () => window.removeEventListener(SHOW, listener);
}

/** Single-key shortcuts must be possible to turn off, for speech input for example (WCAG 2.1.4). */
export function areShortcutsOn(): boolean {
  return window.localStorage.getItem(OFF) === null;
}

export function switchShortcuts(on: boolean): void {
  if (on) window.localStorage.removeItem(OFF);
  else window.localStorage.setItem(OFF, 'yes');
}
