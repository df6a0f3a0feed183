/** In this order: a browser also names those that it resembles. */
const BROWSERS = [
  ['Edg', 'Edge'],
  ['OPR', 'Opera'],
  ['Firefox', 'Firefox'],
  ['Chrome', 'Chrome'],
  ['Safari', 'Safari'],
];
const SYSTEMS = [
  ['Windows', 'Windows'],
  ['iPhone', 'iOS'],
  ['iPad', 'iPadOS'],
  ['Android', 'Android'],
  ['Mac OS X', 'macOS'],
  ['Linux', 'Linux'],
];

/** A user agent in short: `Firefox on Linux`. */
export function browserName(userAgent: string): string {
  const find = (all: string[][], end: string) => all.find(([mark]) => userAgent.includes(`${mark}${end}`))?.[1];
  const [browser, system] = [find(BROWSERS, '/'), find(SYSTEMS, '')];
  if (browser && system) return `${browser} on ${system}`;
  return browser ?? system ?? (userAgent || 'Unknown');
}
