// Time from CreateStore to READY, including VERIFY, for one store and for five at once: medians, and the time per step.

import { call, kubectl, watch } from './calls.mjs';

const times = Number(process.argv[2]);
const AT_ONCE = 5;
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const seconds = (from, to) => (Date.parse(to) - Date.parse(from)) / 1000;
const show = (values) => `${median(values).toFixed(1)} s (${values.map((value) => value.toFixed(1)).join(', ')})`;

async function make(name) {
  const created = await call('CreateStore', { store_id: name, store: { engine: process.env.ENGINE, display_name: name, admin_email: 'owner@example.com' } });
  const events = await watch(name, created.uid, 'SETTLED', 300);
  const store = await call('GetStore', { store_id: name });
  if (store.state !== 'STORE_STATE_READY') throw new Error(`${name} is ${store.state}: ${store.reason} ${store.message}`);
  return { name, store, events, took: seconds(store.createTime, store.readyTime) };
}
async function remove({ name, store }) {
  await call('DeleteStore', { store_id: name });
  await watch(name, store.uid, 'DELETED', 300);
}
function steps({ store, events }) {
  let last = store.createTime;
  for (const event of events) {
    const text = `${event.type.padEnd(18)} ${event.step ?? ''} ${event.message}`;
    console.log(`    +${seconds(last, event.time).toFixed(2).padStart(5)}  ${seconds(store.createTime, event.time).toFixed(2).padStart(6)}  ${text}`);
    last = event.time;
  }
}

const stamp = Date.now().toString(36);
const alone = [];
for (let run = 0; run < times; run++) {
  const made = await make(`one-${stamp}-${run}`);
  alone.push(made.took);
  console.log(`one store: ${made.took.toFixed(1)} s`);
  if (run === times - 1) {
    steps(made);
    // After an idle minute: the pods' working set, as reported by the kubelet.
    await new Promise((resolve) => setTimeout(resolve, 60_000));
    for (const line of await memory(made.store.namespace)) console.log(`  ${line}`);
  }
  await remove(made);
}
const together = [];
for (let run = 0; run < times; run++) {
  const made = await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => make(`five-${stamp}-${run}-${index}`)));
  together.push(Math.max(...made.map(({ store }) => seconds(made[0].store.createTime, store.readyTime))));
  console.log(`${AT_ONCE} at once: ${made.map(({ took }) => took.toFixed(1)).join(', ')} s`);
  if (run === times - 1) steps(made.at(-1));
  await Promise.all(made.map(remove));
}
console.log(`CreateStore to READY, VERIFY included, median of ${times}`);
console.log(`  one store     ${show(alone)}`);
console.log(`  ${AT_ONCE} at once     ${show(together)}`);

async function memory(namespace) {
  const nodes = (await kubectl('get', 'nodes', '--output', 'jsonpath={.items[*].metadata.name}')).split(' ');
  const found = [];
  for (const node of nodes) {
    const metrics = await kubectl('get', '--raw', `/api/v1/nodes/${node}/proxy/metrics/resource`);
    const line = new RegExp(`^pod_memory_working_set_bytes{namespace="${namespace}",pod="([^"]+)"} (\\S+)`, 'gm');
    for (const [, pod, bytes] of metrics.matchAll(line)) found.push({ pod, mebibytes: Number(bytes) / 2 ** 20 });
  }
  const total = found.reduce((sum, { mebibytes }) => sum + mebibytes, 0);
  return [...found, { pod: 'together', mebibytes: total }].map(({ pod, mebibytes }) => `${pod}: ${mebibytes.toFixed(0)} MiB after an idle minute (working set)`);
}
