import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { ROOT } from './env';

const FILE = join(ROOT, '.storeplane', 'dashboard-figures.json');

/** Adds figures to the file with all of them. */
export function record(figures: Record<string, number>) {
  const kept = existsSync(FILE) ? JSON.parse(readFileSync(FILE, 'utf8')) : {};
  writeFileSync(FILE, `${JSON.stringify({ ...kept, ...figures }, null, 2)}\n`);
  console.log(figures);
}

/** Records how long the browser takes from each input to the next frame, in ms (Event Timing: 16 ms and more). */
export async function watchInteractions(page: Page): Promise<() => Promise<number[]>> {
  await page.evaluate(() => {
    const slow: number[] = [];
    Object.assign(window, { slow });
    const options = { type: 'event', durationThreshold: 16 };
    new PerformanceObserver((list) => slow.push(...list.getEntries().map((entry) => entry.duration))).observe(options);
  });
  return async () => {
    await page.waitForTimeout(300);
    return page.evaluate(() => (window as unknown as { slow: number[] }).slow);
  };
}
