import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from 'playwright-core';
import { expect, onTestFinished } from 'vitest';
import { chromiumBinary, ROOT } from './env';

const SCREENSHOTS = join(ROOT, '.storeplane', 'screenshots');

let browser: Promise<Browser> | undefined;

interface Options {
  /** Signed in with this token from the start. */
  token?: string;
  width?: number;
  height?: number;
}

/** A browser window with its own storage. Records errors, and requests to other hosts. */
export class Window {
  readonly page: Page;
  readonly errors: string[];
  readonly #context: BrowserContext;

  private constructor(context: BrowserContext, page: Page, errors: string[]) {
    this.#context = context;
    this.page = page;
    this.errors = errors;
    page.on('pageerror', (error) => errors.push(String(error)));
    page.on('console', (message) => {
      // The browser also reports each request that fails.
      const text = message.text();
      if (message.type() === 'error' && !/net::ERR_|Failed to load resource/.test(text)) errors.push(text);
    });
    page.on('request', (request) => {
      if (new URL(request.url()).hostname !== '127.0.0.1') errors.push(`requested ${request.url()}`);
    });
  }

  static async open(url: string, { token, width = 1280, height = 860 }: Options = {}): Promise<Window> {
    browser ??= chromium.launch({ executablePath: chromiumBinary(), args: ['--no-sandbox'] });
    const context = await (await browser).newContext({
      viewport: { width, height },
      locale: 'en-GB',
      timezoneId: 'Europe/Berlin',
      colorScheme: 'light',
      // Dialogs appear at once: what is still fading in has no colours that could be measured.
      reducedMotion: 'reduce',
    });
    context.setDefaultTimeout(20_000);
    if (token) await signIn(context, new URL(url).origin, token);
    const window = new Window(context, await context.newPage(), []);
    onTestFinished(async ({ task }) => {
      if (task.result?.state === 'fail' && !window.page.isClosed()) {
        await window.screenshot(`failed ${task.name.replace(/\W+/g, '-').slice(0, 60)}`);
        console.error(
          task.result.errors?.map(({ message, diff }) => `${message}\n${diff ?? ''}`),
          window.errors,
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

  /** Another tab of the same window. */
  async openTab(url: string): Promise<Window> {
    const tab = new Window(this.#context, await this.#context.newPage(), this.errors);
    await tab.page.goto(url);
    return tab;
  }

  async setOffline(offline: boolean): Promise<void> {
    await this.#context.setOffline(offline);
  }

  async close(): Promise<void> {
    await this.#context.close();
  }

  /** Waits for an element that has a text. */
  async waitForText(locator: Locator, text: string | RegExp, timeout = 20_000): Promise<void> {
    await locator.filter({ hasText: text }).first().waitFor({ timeout });
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole('button', { name, exact: true });
  }

  dialog(): Locator {
    return this.page.getByRole('dialog');
  }

  /** Waits for the state on the store's page. */
  async waitForState(state: string, timeout = 90_000): Promise<void> {
    await this.page.locator(`h1 + [role=status] .state[data-state=${state}]`).waitFor({ timeout });
  }

  /** Waits for the event with a sequence on the store's page. */
  async waitForEvent(sequence: bigint): Promise<void> {
    await this.page.locator(`.timeline li[data-sequence="${sequence}"]`).waitFor();
  }

  /** Sequences of the events on the store's page, the newest first. */
  async sequences(): Promise<number[]> {
    const all = await this.page
      .locator('.timeline li')
      .evaluateAll((items) => items.map((item) => item.getAttribute('data-sequence')));
    return all.map(Number);
  }

  /** Deletes the store of this page, by its button and dialog. */
  async deleteStore(storeId: string): Promise<void> {
    await this.button('Delete').click();
    await this.dialog().getByLabel(/Type/).fill(storeId);
    await this.dialog().getByRole('button', { name: 'Delete store' }).click();
  }

  /** Asserts that there was no error, no violation of the Content-Security-Policy and no request to another host. */
  expectNoErrors(): void {
    expect(this.errors).toEqual([]);
  }

  /** Asserts that nothing is cut off at the side. */
  async expectNoOverflow(): Promise<void> {
    const overflow = await this.page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(overflow).toBeLessThanOrEqual(0);
  }

  /** Waits until nothing fades or moves any more, except what does so for ever. */
  async waitForStillness(): Promise<void> {
    await this.page.waitForFunction(() =>
      document
        .getAnimations()
        .every(
          ({ playState, effect }) =>
            playState !== 'running' || effect?.getTiming().iterations === Number.POSITIVE_INFINITY,
        ),
    );
  }

  /** Asserts that axe finds no violation of WCAG 2.2 AA. */
  async expectAccessible(): Promise<void> {
    await this.waitForStillness();
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

/** Creates a session, as a page of the server does: its cookie belongs to the window. */
async function signIn(context: BrowserContext, origin: string, token: string): Promise<void> {
  const response = await context.request.post(`${origin}/auth/session`, { headers: { origin }, data: { token } });
  expect(response.status()).toBe(200);
}
