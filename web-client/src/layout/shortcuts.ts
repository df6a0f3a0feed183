/** What the keys do. Letters after another are typed one after the other. */
export const SHORTCUTS = [
  { keys: ['/'], text: 'Search stores' },
  { keys: ['n'], text: 'New store' },
  { keys: ['g', 'o'], text: 'Go to the overview' },
  { keys: ['g', 's'], text: 'Go to the stores' },
  { keys: ['g', 'a'], text: 'Go to the activity' },
  { keys: ['?'], text: 'Show these shortcuts' },
] as const;

/** Marks the field that `/` goes to. */
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

/** Whoever dictates or types with aids may want no single keys to do things (WCAG 2.1.4). */
export function areShortcutsOn(): boolean {
  return window.localStorage.getItem(OFF) === null;
}

export function switchShortcuts(on: boolean): void {
  if (on) window.localStorage.removeItem(OFF);
  else window.localStorage.setItem(OFF, 'yes');
}
