import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

test('every component of Mantine that is used has its styles', () => {
  const src = join(process.cwd(), 'src');
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.tsx'));
  const imports = files.flatMap((name) =>
    [...readFileSync(join(src, name), 'utf8').matchAll(/import \{([^}]*)\} from '@mantine\/core'/g)].map(
      ([, list]) => list ?? '',
    ),
  );
  const used = new Set(
    imports
      .join(',')
      .split(',')
      .map((name) => name.trim()),
  );
  const isStyled = (name: string) =>
    existsSync(join(process.cwd(), 'node_modules/@mantine/core/styles', `${name}.css`));
  const styled = readFileSync(join(src, 'mantine.css'), 'utf8');
  const missing = [...used].filter((name) => isStyled(name) && !styled.includes(`/${name}.css`));
  expect(missing).toEqual([]);
  expect(used.size).toBeGreaterThan(20);
});
