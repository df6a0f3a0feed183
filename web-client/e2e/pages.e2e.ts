import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { StoreState } from '@/gen/storeplane/v1/store_pb';
import { record } from './support/figures';
import { seedStores } from './support/seed';
import { TestEnv } from './support/test-env';
import type { Window } from './support/window';

let env: TestEnv;
const ids = ['tea-co', 'bike-parts', 'north-coffee', longId()];
beforeAll(async () => {
  env = await TestEnv.start();
  await env.database.execute(seedStores(env.tenant, STORES));
  await Promise.all(ids.map((id) => env.create(id)));
  await env.create('bakery', 'unschedulable');
  for (const id of ids) await env.waitForState(id, StoreState.READY);
  for (const id of ids.slice(0, 2)) await env.backUp(id, 'before the sale');
});
afterAll(async () => {
  await env?.remove(...ids, 'bakery');
  await env?.stop();
});

/** The longest ID that there can be. */
function longId() {
  return 'the-shop-with-the-longest-possible-store';
}

/** What the charts show: deleted stores of the last day, a few of which had failed. */
const STORES = `
SELECT 'old-' || n AS store_id, 'Old shop ' || n AS display_name, 'DELETED' AS state, NULL AS failure, now() - at AS created_at,
    CASE WHEN n % 9 <> 1 THEN now() - at + (8 + n % 7) * interval '1 s' END AS ready_at, now() - at + interval '1 hour' AS deleted_at
  FROM generate_series(1, 90) n, LATERAL (SELECT (n * n % 1380 + 70) * interval '1 min') AS t(at)`;

const PAGES = [
  ['overview', '/', 'Overview'],
  ['stores', '/stores', 'Stores'],
  ['create', '/create', 'New store'],
  ['store', '/stores/tea-co', 'Shop tea-co'],
  ['store-long', `/stores/${longId()}`, `Shop ${longId()}`],
  ['backups', '/backups', 'Backups'],
  ['rollouts', '/rollouts', 'Rollouts'],
  ['activity', '/activity', 'Activity'],
  ['releases', '/releases', 'Releases'],
  ['tokens', '/tokens', 'Tokens'],
  ['sessions', '/tokens?view=sessions', 'Tokens'],
  ['tenants', '/tenants', 'Tenants'],
  ['not-found', '/nowhere', 'Page not found'],
] as const;

const VIEWS = [
  [1280, 860, 'light'],
  [1280, 860, 'dark'],
  [360, 780, 'light'],
] as const;

test.each(PAGES)(
  'page %s is accessible and not cut off, wide in light and dark, and at 360 px',
  async (name, path, heading) => {
    const window = await env.open(path, name === 'tenants' ? { token: env.token('platform_admin') } : {});
    const { page } = window;
    for (const [width, height, colorScheme] of VIEWS) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme });
      await page.locator(`html[data-mantine-color-scheme=${colorScheme}]`).waitFor();
      await page.getByRole('heading', { level: 1, name: heading }).waitFor();
      await page.locator('[aria-busy=true]').first().waitFor({ state: 'detached' });
      await window.expectAccessible();
      await window.expectNoOverflow();
      await expectNothingClipped(page);
      await window.screenshot(`${name}-${colorScheme}${width < 600 ? '-narrow' : ''}`);
    }
    window.expectNoErrors();
  },
);

/** Asserts that badges, buttons and filters are inside the viewport, also in containers that hide what overflows. */
async function expectNothingClipped(page: Page): Promise<void> {
  const clipped = await page.evaluate(() =>
    [...document.querySelectorAll('main :is(.state, button, time, li, section, .timeline-filter)')]
      .filter((element) => element.getClientRects().length > 0)
      .filter((element) => element.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
      .map((element) => element.outerHTML.slice(0, 120)),
  );
  expect(clipped).toEqual([]);
}

test('times of other days do not overlap their text, and name the day with its year', async () => {
  const window = await env.open('/stores?show=deleted&q=old-5');
  const { page } = window;
  await page.getByRole('link', { name: 'Old shop 5', exact: true }).click();
  await window.waitForText(page.locator('.timeline li'), /old-5/);
  await window.waitForText(page.locator('.day'), String(new Date().getFullYear()));
  const gaps = await page.locator('.timeline li').evaluateAll((items) =>
    items.map((item) => {
      const right = item.querySelector('time')?.getBoundingClientRect().right ?? Number.NaN;
      return (item.querySelector('.wrap')?.getBoundingClientRect().left ?? Number.NaN) - right;
    }),
  );
  for (const gap of gaps) expect(gap).toBeGreaterThan(0);
  expect(gaps.length).toBeGreaterThan(0);
  await window.waitForText(page.getByTestId('notice'), 'This store was deleted');
});

test('the keyboard reaches every page, focus is visible, and forced colours show what is selected', async () => {
  const window = await env.open('/');
  const { page } = window;
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
  const waitForPath = (path: string) => page.waitForURL((url) => url.pathname === path);
  for (const [keys, path] of [
    ['gs', '/stores'],
    ['gb', '/backups'],
    ['gl', '/rollouts'],
    ['ga', '/activity'],
    ['gr', '/releases'],
    ['gt', '/tokens'],
    ['go', '/'],
    ['n', '/create'],
  ] as const) {
    await page.locator('body').click({ position: { x: 5, y: 5 } });
    for (const key of keys) await page.keyboard.press(key);
    await waitForPath(path);
  }
  await page.goBack();
  await waitForPath('/');
  await page.waitForFunction(() => document.activeElement?.tagName === 'H1');
  await page.getByTestId('count-ready').waitFor();
  await page.getByTestId('count-ready').focus();
  await page.keyboard.press('Tab');
  expect(await outline(page, ':focus')).not.toBe('none');
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor();
  await window.expectAccessible();
  await page.keyboard.press('Escape');
  await window.dialog().waitFor({ state: 'hidden' });
  await page.keyboard.press('/');
  await waitForPath('/stores');
  await page.waitForFunction(() => document.activeElement?.getAttribute('aria-label') === 'Search stores');
  await page.emulateMedia({ forcedColors: 'active' });
  expect(await outline(page, '.toggle[aria-pressed=true]')).toBe('solid');
  expect(await outline(page, '.toggle[aria-pressed=false]')).toBe('none');
  window.expectNoErrors();
});

function outline(page: Page, selector: string): Promise<string> {
  return page
    .locator(selector)
    .first()
    .evaluate((element) => getComputedStyle(element).outlineStyle);
}

test('a page loads quickly, does not shift, and shows events within a second', async () => {
  const window = await env.open('/stores');
  const { page } = window;
  await page.reload();
  await page.getByTestId('total').filter({ hasText: '5 stores' }).waitFor();
  const firstContentfulPaintMs = await page.evaluate(
    () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1,
  );
  const layoutShift = await page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        let sum = 0;
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) sum += (entry as PerformanceEntry & { value: number }).value;
        }).observe({ type: 'layout-shift', buffered: true });
        setTimeout(() => resolve(sum), 500);
      }),
  );
  const storesKb = await transferredKb(page, false);
  await page.goto(env.server.url);
  await page.locator('.chart svg').first().waitFor();
  const sizes = {
    storesKb,
    overviewKb: await transferredKb(page, false),
    overviewWithChartsKb: await transferredKb(page, true),
  };
  const delays: number[] = [];
  for (const id of ['one', 'two']) delays.push(...(await eventToPixel(window, `measured-${id}`)));
  const sorted = delays.toSorted((a, b) => a - b);
  const quantile = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? -1;
  const figures = {
    firstContentfulPaintMs,
    layoutShift,
    events: sorted.length,
    eventToPixelP50: quantile(0.5),
    eventToPixelP99: quantile(0.99),
    ...sizes,
  };
  record('pages', figures);
  expect(sorted.length).toBeGreaterThan(7);
  expect(figures.overviewKb).toBeLessThan(260);
  expect(layoutShift).toBeLessThan(0.1);
  expect(figures.eventToPixelP50).toBeLessThan(1000);
});

/** Milliseconds from each event's time to the frame that shows it, while a store is created and deleted. Server and browser share a clock. */
async function eventToPixel(window: Window, id: string): Promise<number[]> {
  const { page } = window;
  await page.goto(`${env.server.url}/stores`);
  await page.getByTestId('total').filter({ hasText: 'stores' }).waitFor();
  await env.create(id);
  await page.getByRole('link', { name: `Shop ${id}`, exact: true }).click();
  await page.locator('.timeline li').first().waitFor();
  await page.evaluate(() => {
    const delays: number[] = [];
    Object.assign(globalThis, { delays });
    const list = document.querySelector('.timeline');
    new MutationObserver((changes) => {
      for (const time of changes
        .flatMap(({ addedNodes }) => [...addedNodes])
        .map((node) => (node as Element).querySelector('time'))) {
        const at = Date.parse(time?.dateTime ?? '');
        requestAnimationFrame(() => setTimeout(() => delays.push(Date.now() - at)));
      }
    }).observe(list as Element, { childList: true });
  });
  await window.waitForState('READY');
  await env.remove(id);
  await window.waitForState('DELETED');
  await page.waitForTimeout(300);
  return page.evaluate(() => Reflect.get(globalThis, 'delays') as number[]);
}

/** Compressed kilobytes of scripts and styles of a page; charts, backups, administration, settings and rollouts are loaded after it. */
async function transferredKb(page: Page, charts: boolean): Promise<number> {
  const bytes = await page.evaluate(() =>
    performance
      .getEntriesByType('resource')
      .map((entry) => entry as PerformanceResourceTiming)
      .filter(({ name }) => name.includes('/assets/'))
      .map(({ name, encodedBodySize }) => [name, encodedBodySize] as const),
  );
  const counted = bytes.filter(
    ([name]) => charts || !/\/(charts|backups|administration|settings|rollouts)-/.test(name),
  );
  return Math.round(counted.reduce((sum, [, size]) => sum + size, 0) / 100) / 10;
}
