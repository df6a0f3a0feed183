import { expect, test } from 'vitest';
import { slug } from './slug';

test('a name suggests a valid ID', () => {
  const names = [
    'Tea & Co',
    'Café Zoë',
    'Straße 7',
    "Cook's  -- Corner!",
    '24 hours',
    'コーヒー',
    'x'.repeat(60),
    'Shop 1-',
    `${'a'.repeat(39)} b`,
  ];
  expect(names.map(slug)).toEqual([
    'tea-co',
    'cafe-zoe',
    'strasse-7',
    'cooks-corner',
    'hours',
    '',
    'x'.repeat(40),
    'shop-1',
    'a'.repeat(39),
  ]);
  for (const id of names.map(slug).filter(Boolean)) expect(id).toMatch(/^[a-z]([a-z0-9]|-(?!-))*[a-z0-9]$/);
});
