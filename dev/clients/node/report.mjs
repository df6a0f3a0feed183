// Shared by the Node clients: reporting of cases, and their requests.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';

export const address = process.env.STOREPLANE_ADDR;
export const authorization = `Bearer ${process.env.STOREPLANE_TOKEN}`;
export const stores = 'storeplane.v1.StoreService';
export const operations = 'storeplane.v1.OperationService';
/** Above the limit of a request. */
export const tooLarge = 'x'.repeat(5 * 1024 * 1024);
/** Calls that are cancelled at once: more than the 20 reset streams that HTTP/2 servers tolerate by default. */
export const burst = 25;
/** How long an operation may take on a busy machine, in milliseconds. */
export const patience = 90_000;
export const badFields = ['store_id', 'store.display_name', 'store.admin_email'];

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));
export const storeId = (client) => `${client}-${randomUUID().slice(0, 8)}`;

export class Report {
  passed = 0;
  failed = 0;

  constructor(client) {
    this.client = client;
  }

  async case(name, run) {
    const began = performance.now();
    try {
      await run();
      this.passed += 1;
      console.log(`ok    ${this.client}: ${name} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
    } catch (error) {
      this.failed += 1;
      const place = String(error.stack).split('\n').find((line) => line.includes('.mjs:'))?.trim() ?? '';
      console.log(`FAIL  ${this.client}: ${name}: ${String(error.message).slice(0, 600)} ${place}`);
    }
  }

  end() {
    console.log(`${this.passed} passed, ${this.failed} failed`);
    process.exit(this.failed ? 1 : 0);
  }
}

/** The error with which a promise fails. */
export async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  assert.fail('the call was not refused');
}
