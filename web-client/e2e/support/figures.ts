import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { ROOT } from './env';

/** Writes the figures of a file of tests to a file of their own, because files of tests run in parallel. */
export function record(name: string, figures: Record<string, number>) {
  writeFileSync(join(ROOT, '.storeplane', `dashboard-figures-${name}.json`), `${JSON.stringify(figures, null, 2)}\n`);
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
