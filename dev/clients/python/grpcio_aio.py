"""grpcio, its asyncio API."""

import asyncio

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from grpcio_messages import METADATA, Method, aio_details, reflected
from report import ADDRESS, BAD, BAD_FIELDS, BURST, OPERATIONS, PATIENCE, STORES, TOO_LARGE, Report, equal, store_id, wanted

report = Report("grpcio-aio")
store = store_id("aio")


async def main():
    services, pool = reflected(grpc.insecure_channel(ADDRESS))
    channel = grpc.aio.insecure_channel(ADDRESS)

    def start(service, name, fields, **options):
        method = Method(pool, service, name)
        options.setdefault("timeout", PATIENCE)
        return method.on(channel)(method.message(fields), metadata=METADATA, **options)

    async def drain(call):
        return [message async for message in call]

    async def refused(code, name, fields, **options):
        call = start(STORES, name, fields, **options)
        try:
            await (drain(call) if hasattr(call, "__aiter__") else call)
        except grpc.aio.AioRpcError as error:
            equal(error.code(), code)
            return await aio_details(call)
        raise AssertionError(f"{name} was not refused")

    async def state():
        message = await start(STORES, "GetStore", {"store_id": store})
        return message.DESCRIPTOR.fields_by_name["state"].enum_type.values_by_number[message.state].name

    with report.case("lists services by reflection (v1alpha)"):
        assert STORES in services, services
    with report.case("health by service name"):
        health = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(service=STORES), timeout=10)
        equal(answer.status, health_pb2.HealthCheckResponse.SERVING)
    with report.case("validate_only changes nothing"):
        await start(STORES, "CreateStore", {**wanted(store), "validate_only": True})
        equal((await refused(grpc.StatusCode.NOT_FOUND, "GetStore", {"store_id": store}))[0], "STORE_NOT_FOUND")
    with report.case("all violations of a request are readable"):
        equal((await refused(grpc.StatusCode.INVALID_ARGUMENT, "CreateStore", BAD))[1], BAD_FIELDS)
    with report.case("creates a store and watches it until it has settled"):
        await start(STORES, "CreateStore", wanted(store))
        messages = await drain(start(STORES, "WatchStore", {"store_id": store, "until": "WATCH_UNTIL_SETTLED"}))
        sequences = [message.sequence for message in messages if message.HasField("event")]
        equal(sequences, list(range(1, len(sequences) + 1)))
        equal(await state(), "STORE_STATE_READY")
    with report.case("lists with a filter"):
        page = await start(STORES, "ListStores", {"filter": f"state = STORE_STATE_READY AND store_id = {store}"})
        equal([found.store_id for found in page.stores], [store])
    with report.case("waits for an operation"):
        operation = (await start(STORES, "GetStore", {"store_id": store})).operation
        ended = await start(OPERATIONS, "WaitOperation", {"operation_id": operation, "timeout": "10s"})
        equal(ended.operation_id, operation)
        assert ended.HasField("end_time"), ended
    with report.case("gzip in both directions"):
        page = await start(STORES, "ListStores", {"filter": f"store_id = {store}"}, compression=grpc.Compression.Gzip)
        equal(len(page.stores), 1)
    with report.case("a request that is too large is RESOURCE_EXHAUSTED"):
        large = {"filter": "x" * TOO_LARGE}
        equal((await refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "ListStores", large))[0], "REQUEST_TOO_LARGE")
    with report.case("a deadline ends a watch"):
        # Only the code: client and server both keep the deadline, and either may be first to end the call.
        call = start(STORES, "WatchStore", {"store_id": store}, timeout=0.3)
        try:
            await drain(call)
        except grpc.aio.AioRpcError as error:
            equal(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
        else:
            raise AssertionError("the watch ended in order")
    with report.case("a watch survives 25 calls cancelled at once, and sees the deletion"):
        watch = start(STORES, "WatchStore", {"store_id": store, "until": "WATCH_UNTIL_DELETED"})
        messages = aiter(watch)
        await anext(messages)
        for pause in (0, 0.05):
            calls = [start(STORES, "WatchStores", {"from_now": True}) for _ in range(BURST)]
            await asyncio.sleep(pause)
            for call in calls:
                call.cancel()
        await start(STORES, "DeleteStore", {"store_id": store})
        assert [message async for message in messages]
        equal(await state(), "STORE_STATE_DELETED")


asyncio.run(main())
report.end()
