"""grpcio, its blocking API."""

import time

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from grpcio_messages import METADATA, Method, reflected, sync_details
from report import ADDRESS, BAD, BAD_FIELDS, BURST, OPERATIONS, PATIENCE, STORES, TOO_LARGE, Report, equal, store_id, wanted

report = Report("grpcio")
channel = grpc.insecure_channel(ADDRESS)
store = store_id("grpcio")
services, pool = reflected(channel)


def start(service, name, fields, **options):
    method = Method(pool, service, name)
    options.setdefault("timeout", PATIENCE)
    return method.on(channel)(method.message(fields), metadata=METADATA, **options)


def begin(name, fields):
    method = Method(pool, STORES, name)
    call = method.on(channel)
    return (call if method.streams else call.future)(method.message(fields), metadata=METADATA)


def refused(code, name, fields, **options):
    try:
        answer = start(STORES, name, fields, **options)
        list(answer) if hasattr(answer, "cancel") else answer
    except grpc.RpcError as error:
        equal(error.code(), code)
        return sync_details(error)
    raise AssertionError(f"{name} was not refused")


def state_of(message):
    return message.DESCRIPTOR.fields_by_name["state"].enum_type.values_by_number[message.state].name


with report.case("lists services by reflection (v1alpha)"):
    assert STORES in services and "grpc.health.v1.Health" in services, services
with report.case("health by service name"):
    health = health_pb2_grpc.HealthStub(channel)
    equal(health.Check(health_pb2.HealthCheckRequest(service=STORES), timeout=10).status, health_pb2.HealthCheckResponse.SERVING)
    unknown = next(iter(health.Watch(health_pb2.HealthCheckRequest(service="none"), timeout=10)))
    equal(unknown.status, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
with report.case("validate_only changes nothing"):
    start(STORES, "CreateStore", {**wanted(store), "validate_only": True})
    equal(refused(grpc.StatusCode.NOT_FOUND, "GetStore", {"store_id": store})[0], "STORE_NOT_FOUND")
with report.case("all violations of a request are readable"):
    equal(refused(grpc.StatusCode.INVALID_ARGUMENT, "CreateStore", BAD)[1], BAD_FIELDS)
with report.case("creates a store and watches it until it has settled"):
    start(STORES, "CreateStore", wanted(store))
    messages = list(start(STORES, "WatchStore", {"store_id": store, "until": "WATCH_UNTIL_SETTLED"}))
    sequences = [message.sequence for message in messages if message.HasField("event")]
    equal(sequences, list(range(1, len(sequences) + 1)))
    equal(state_of(start(STORES, "GetStore", {"store_id": store})), "STORE_STATE_READY")
with report.case("lists with a filter"):
    page = start(STORES, "ListStores", {"filter": f"state = STORE_STATE_READY AND store_id = {store}"})
    equal([found.store_id for found in page.stores], [store])
with report.case("waits for an operation"):
    operation = start(STORES, "GetStore", {"store_id": store}).operation
    ended = start(OPERATIONS, "WaitOperation", {"operation_id": operation, "timeout": "10s"})
    equal(state_of(ended), "OPERATION_STATE_SUCCEEDED")
with report.case("gzip in both directions"):
    page = start(STORES, "ListStores", {"filter": f"store_id = {store}"}, compression=grpc.Compression.Gzip)
    equal(len(page.stores), 1)
with report.case("a request that is too large is RESOURCE_EXHAUSTED"):
    equal(refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "ListStores", {"filter": "x" * TOO_LARGE})[0], "REQUEST_TOO_LARGE")
with report.case("a deadline ends a watch"):
    refused(grpc.StatusCode.DEADLINE_EXCEEDED, "WatchStore", {"store_id": store}, timeout=0.3)
with report.case("a watch survives 25 calls cancelled at once, and sees the deletion"):
    watch = start(STORES, "WatchStore", {"store_id": store, "until": "WATCH_UNTIL_DELETED"})
    next(watch)
    for pause in (0, 0.05):
        calls = [begin("WatchStores", {"from_now": True}) for _ in range(BURST)]
        time.sleep(pause)
        for call in calls:
            call.cancel()
    start(STORES, "DeleteStore", {"store_id": store})
    assert list(watch)
    equal(state_of(start(STORES, "GetStore", {"store_id": store})), "STORE_STATE_DELETED")
report.end()
