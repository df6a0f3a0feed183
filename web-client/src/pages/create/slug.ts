/** Longest store ID. */
const LONGEST = 40;

/** The ID that a name suggests: a DNS label without `--`, or nothing if the name has no Latin letters. */
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
