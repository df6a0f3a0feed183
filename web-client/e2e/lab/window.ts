import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from 'playwright-core';
import { expect, onTestFinished } from 'vitest';
import { chromiumBinary, ROOT } from './env';

const SCREENSHOTS = join(ROOT, '.storeplane', 'screenshots');

let browser: Promise<Browser> | undefined;

interface Options {
  width?: number;
  height?: number;
}

/** A browser window of somebody's own: nothing is shared with other windows. Remembers whatever went wrong in it. */
export class Window {
  readonly page: Page;
  readonly troubles: string[] = [];
  readonly #context: BrowserContext;

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.page = page;
    page.on('pageerror', (error) => this.troubles.push(String(error)));
    page.on('console', (message) => {
      // A server that is away is told of by the browser as well.
      const text = message.text();
      if (message.type() === 'error' && !/net::ERR_|Failed to load resource/.test(text)) this.troubles.push(text);
    });
    page.on('request', (request) => {
      if (new URL(request.url()).hostname !== '127.0.0.1') this.troubles.push(`asked ${request.url()}`);
    });
  }

  static async open(url: string, { width = 1280, height = 860 }: Options = {}): Promise<Window> {
    browser ??= chromium.launch({ executablePath: chromiumBinary(), args: ['--no-sandbox'] });
    const context = await (await browser).newContext({
      viewport: { width, height },
      locale: 'en-GB',
      timezoneId: 'Europe/Berlin',
      colorScheme: 'light',
    });
    context.setDefaultTimeout(20_000);
    const window = new Window(context, await context.newPage());
    onTestFinished(async ({ task }) => {
      // What it looked like tells more than what was waited for.
      if (task.result?.state === 'fail' && !window.page.isClosed()) {
        await window.screenshot(`failed ${task.name.replace(/\W+/g, '-').slice(0, 60)}`);
        console.error(
          task.result.errors?.map(({ message, diff }) => `${message}\n${diff ?? ''}`),
          window.troubles,
        );
      }
      await window.close();
    });
    await window.page.goto(url);
    return window;
  }

  static async closeAll(): Promise<void> {
    const open = await browser;
    browser = undefined;
    await open?.close();
  }

  async close(): Promise<void> {
    await this.#context.close();
  }

  /** Waits for a text of an element. */
  async sees(locator: Locator, text: string | RegExp, timeout = 20_000): Promise<void> {
    await locator.filter({ hasText: text }).first().waitFor({ timeout });
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole('button', { name });
  }

  /** The state that the store's page shows. */
  get state(): Locator {
    return this.page.locator('h1 + [role=status] .state');
  }

  async untilState(state: string, timeout = 90_000): Promise<void> {
    await this.page.locator(`h1 + [role=status] .state[data-state=${state}]`).waitFor({ timeout });
  }

  /** Sequences of the events on the store's page, the newest first. */
  async sequences(): Promise<number[]> {
    const all = await this.page
      .getByTestId('timeline')
      .locator('li')
      .evaluateAll((items) => items.map((item) => item.getAttribute('data-sequence')));
    return all.map(Number);
  }

  /** Asserts that nothing went wrong: no error, no refusal by the policy, no request to elsewhere. */
  isSound(): void {
    expect(this.troubles).toEqual([]);
  }

  /** Asserts that axe finds nothing against WCAG 2.2 AA. */
  async isAccessible(): Promise<void> {
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const { violations } = await new AxeBuilder({ page: this.page }).withTags(tags).analyze();
    const found = violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join(' | ')}`,
    );
    expect(found).toEqual([]);
  }

  async screenshot(name: string): Promise<void> {
    mkdirSync(SCREENSHOTS, { recursive: true });
    await this.page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), animations: 'disabled' });
  }
}
