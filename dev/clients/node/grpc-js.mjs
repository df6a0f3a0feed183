// @grpc/grpc-js with @grpc/proto-loader.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import { GrpcReflection } from 'grpc-js-reflection-client';
import { authorization, address, badFields, burst, patience, pause, Report, refused, storeId, stores, tooLarge } from './report.mjs';

const options = { enums: String, longs: Number, keepCase: true, oneofs: true };
const types = loader.loadFileDescriptorSetFromBuffer(readFileSync(process.env.STOREPLANE_DESCRIPTORS), options);
const { storeplane: { v1 }, grpc: { health: { v1: health } } } = grpc.loadPackageDefinition(types);
const credentials = grpc.credentials.createInsecure();
const metadata = new grpc.Metadata();
metadata.set('authorization', authorization);
const settings = { 'grpc.max_send_message_length': -1, 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip };
const [api, operations] = [v1.StoreService, v1.OperationService].map((Service) => new Service(address, credentials, settings));
const report = new Report('grpc-js');
const id = storeId('grpc-js');

const call = (client, method, request, ms = patience) =>
  new Promise((done, failed) => {
    client[method](request, metadata, { deadline: Date.now() + ms }, (error, answer) => (error ? failed(error) : done(answer)));
  });
const collect = (stream) =>
  new Promise((done, failed) => {
    const all = [];
    stream.on('data', (message) => all.push(message)).on('error', failed).on('end', () => done(all));
  });
/** The error's details of a type, decoded. */
function detail(error, type) {
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  const { details } = types['google.rpc.Status'].deserialize(bytes);
  const any = details.find(({ type_url }) => type_url === `type.googleapis.com/google.rpc.${type}`);
  return types[`google.rpc.${type}`].deserialize(any.value);
}
const state = async () => (await call(api, 'GetStore', { store_id: id })).state;
const wanted = { store_id: id, store: { display_name: 'Tee & Söhne', admin_email: 'owner@example.com' } };

await report.case('lists services by reflection', async () => {
  const listed = await new GrpcReflection(address, credentials).listServices();
  assert.ok(listed.includes(stores), String(listed));
});
await report.case('health by service name', async () => {
  const client = new health.Health(address, credentials);
  assert.equal((await call(client, 'Check', { service: stores })).status, 'SERVING');
  assert.equal((await refused(call(client, 'Check', { service: 'none' }))).code, grpc.status.NOT_FOUND);
});
await report.case('validate_only changes nothing', async () => {
  await call(api, 'CreateStore', { ...wanted, validate_only: true });
  const error = await refused(call(api, 'GetStore', { store_id: id }));
  assert.equal(error.code, grpc.status.NOT_FOUND);
  assert.equal(detail(error, 'ErrorInfo').reason, 'STORE_NOT_FOUND');
});
await report.case('all violations of a request are readable', async () => {
  const error = await refused(call(api, 'CreateStore', { store_id: '-', store: { admin_email: 'x' } }));
  assert.equal(error.code, grpc.status.INVALID_ARGUMENT);
  assert.deepEqual(detail(error, 'BadRequest').field_violations.map(({ field }) => field), badFields);
});
await report.case('creates a store and watches it until it has settled', async () => {
  await call(api, 'CreateStore', wanted);
  const messages = await collect(api.WatchStore({ store_id: id, until: 'WATCH_UNTIL_SETTLED' }, metadata, { deadline: Date.now() + patience }));
  const events = messages.filter(({ update }) => update === 'event').map(({ sequence }) => sequence);
  assert.deepEqual(events, events.map((_, at) => at + 1));
  assert.equal(await state(), 'STORE_STATE_READY');
});
await report.case('lists with a filter (request with gzip)', async () => {
  const page = await call(api, 'ListStores', { filter: `state = STORE_STATE_READY AND store_id = ${id}` });
  assert.deepEqual(page.stores.map(({ store_id }) => store_id), [id]);
});
await report.case('waits for an operation', async () => {
  const { operation } = await call(api, 'GetStore', { store_id: id });
  const ended = await call(operations, 'WaitOperation', { operation_id: operation, timeout: { seconds: 10 } });
  assert.equal(ended.state, 'OPERATION_STATE_SUCCEEDED');
});
await report.case('a request that is too large is RESOURCE_EXHAUSTED', async () => {
  const error = await refused(call(api, 'ListStores', { filter: tooLarge }));
  assert.equal(error.code, grpc.status.RESOURCE_EXHAUSTED);
});
await report.case('a deadline ends a watch', async () => {
  const error = await refused(collect(api.WatchStore({ store_id: id }, metadata, { deadline: Date.now() + 300 })));
  assert.equal(error.code, grpc.status.DEADLINE_EXCEEDED);
});
await report.case('a watch survives 25 calls cancelled at once, and sees the deletion', async () => {
  const watch = collect(api.WatchStore({ store_id: id, until: 'WATCH_UNTIL_DELETED' }, metadata));
  await pause(100);
  for (const ms of [0, 50]) {
    const calls = Array.from({ length: burst }, () => api.WatchStores({ from_now: true }, metadata));
    const ends = calls.map((each) => collect(each).catch(() => {}));
    await pause(ms);
    for (const each of calls) each.cancel();
    await Promise.all(ends);
  }
  await call(api, 'DeleteStore', { store_id: id });
  assert.ok((await watch).length > 2);
  assert.equal(await state(), 'STORE_STATE_DELETED');
});
report.end();
