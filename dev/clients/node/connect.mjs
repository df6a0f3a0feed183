// connect-web (grpc-web and Connect, by fetch) and connect-node (gRPC over HTTP/2, grpc-web and Connect over HTTP/1.1).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import * as node from '@connectrpc/connect-node';
import * as web from '@connectrpc/connect-web';
import { authorization, address, badFields, burst, operations, patience, pause, Report, refused, storeId, stores, tooLarge } from './report.mjs';

const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(process.env.STOREPLANE_DESCRIPTORS)));
const baseUrl = `http://${address}`;
const interceptors = [(next) => (request) => {
  request.header.set('authorization', authorization);
  return next(request);
}];
const gzip = { sendCompression: node.compressionGzip, compressMinBytes: 0 };
const transports = {
  'connect-web-grpc-web': () => web.createGrpcWebTransport({ baseUrl, interceptors }),
  'connect-web-json': () => web.createConnectTransport({ baseUrl, interceptors }),
  'connect-node-grpc': () => node.createGrpcTransport({ baseUrl, interceptors, ...gzip }),
  'connect-node-grpc-web': () => node.createGrpcWebTransport({ baseUrl, interceptors, httpVersion: '1.1' }),
  'connect-node-proto': () => node.createConnectTransport({ baseUrl, interceptors, httpVersion: '1.1', useBinaryFormat: true, ...gzip }),
};

/** The error's details of a type, decoded. */
function detail(error, type) {
  return error.findDetails(registry.getMessage(`google.rpc.${type}`) ?? assert.fail(type))[0];
}

async function cases(name, transport, streams) {
  const report = new Report(name);
  const [api, work] = [stores, operations].map((service) => createClient(registry.getService(service), transport));
  const id = storeId(name);
  const wanted = { storeId: id, store: { displayName: 'Tee & Söhne', adminEmail: 'owner@example.com' } };
  const timeoutMs = patience;
  const collect = async (stream) => {
    const all = [];
    for await (const message of stream) all.push(message);
    return all;
  };
  const state = async () => registry.getEnum('storeplane.v1.StoreState').value[(await api.getStore({ storeId: id })).state].name;

  await report.case('validate_only changes nothing', async () => {
    await api.createStore({ ...wanted, validateOnly: true });
    const error = await refused(api.getStore({ storeId: id }));
    assert.equal(error.code, Code.NotFound);
    assert.equal(reason(error), 'STORE_NOT_FOUND');
  });
  await report.case('all violations of a request are readable', async () => {
    const error = await refused(api.createStore({ storeId: '-', store: { adminEmail: 'x' } }));
    assert.equal(error.code, Code.InvalidArgument);
    assert.deepEqual(detail(error, 'BadRequest').fieldViolations.map(({ field }) => field), badFields);
  });
  await report.case('creates a store and waits for its operation', async () => {
    const { operation } = await api.createStore(wanted);
    const ended = await work.waitOperation({ operationId: operation, timeout: { seconds: 80n } }, { timeoutMs });
    assert.ok(ended.endTime, 'the operation has not ended');
    assert.equal(await state(), 'STORE_STATE_READY');
  });
  await report.case('lists with a filter', async () => {
    const page = await api.listStores({ filter: `state = STORE_STATE_READY AND store_id = ${id}` });
    assert.deepEqual(page.stores.map(({ storeId }) => storeId), [id]);
  });
  await report.case('a request that is too large is RESOURCE_EXHAUSTED, and its connection is usable afterwards', async () => {
    for (let call = 0; call < 5; call += 1) {
      const error = await refused(api.listStores({ filter: tooLarge }));
      assert.equal(error.code, Code.ResourceExhausted);
      assert.equal(reason(error), 'REQUEST_TOO_LARGE');
      assert.equal(await state(), 'STORE_STATE_READY');
    }
  });
  if (streams) {
    await report.case('a watch replays and ends once the store has settled', async () => {
      const messages = await collect(api.watchStore({ storeId: id, until: 2 }, { timeoutMs }));
      const events = messages.filter(({ update }) => update.case === 'event').map(({ sequence }) => Number(sequence));
      assert.deepEqual(events, events.map((_, at) => at + 1));
    });
    await report.case('a deadline ends a watch', async () => {
      const error = await refused(collect(api.watchStore({ storeId: id }, { timeoutMs: 300 })));
      assert.equal(error.code, Code.DeadlineExceeded);
    });
    await report.case('a watch survives 25 calls cancelled at once, and sees the deletion', async () => {
      const watch = api.watchStore({ storeId: id, until: 3 }, { timeoutMs })[Symbol.asyncIterator]();
      await watch.next();
      for (const ms of [0, 50]) {
        const abort = new AbortController();
        const calls = Array.from({ length: burst }, () => collect(api.watchStores({ fromNow: true }, { signal: abort.signal })));
        await pause(ms);
        abort.abort();
        await Promise.allSettled(calls);
      }
      await api.deleteStore({ storeId: id });
      while (!(await watch.next()).done);
      assert.equal(await state(), 'STORE_STATE_DELETED');
    });
  } else {
    await report.case('a stream is refused with a hint', async () => {
      const error = await refused(collect(api.watchStore({ storeId: id })));
      assert.equal(error.code, Code.Unimplemented, String(error));
      assert.match(error.message, /grpc-web/);
    });
    await report.case('a deadline ends a call, and the store is deleted', async () => {
      const { operation } = await api.deleteStore({ storeId: id });
      const wait = (ms) => work.waitOperation({ operationId: operation, timeout: { seconds: 80n } }, { timeoutMs: ms });
      assert.equal((await refused(wait(20))).code, Code.DeadlineExceeded);
      await wait(patience);
      assert.equal(await state(), 'STORE_STATE_DELETED');
    });
  }
  return report;
}

function reason(error) {
  assert.ok(error instanceof ConnectError, String(error));
  return detail(error, 'ErrorInfo').reason;
}

const [name] = process.argv.slice(2);
const streams = name.includes('grpc');
(await cases(name, transports[name](), streams)).end();
