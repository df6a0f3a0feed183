/** Longest store id. */
const LONGEST = 40;

/** The id that a name suggests: a DNS label without two hyphens in a row, or nothing if the name has no such letters. */
export function slug(name: string): string {
  return name
    .normalize('NFKD')
    .replace(/ß/g, 'ss')
    .toLowerCase()
    .replace(/[\u0300-\u036f'’]/g, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, LONGEST)
    .replace(/-+$/, '');
}
