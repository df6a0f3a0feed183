"""Programs for the command line: `programs.py grpcurl PATH NAME` and `programs.py buf PATH PROTOCOL`."""

import base64
import json
import subprocess
import sys
import tempfile

from google.protobuf import json_format
from google.rpc import error_details_pb2

from report import ADDRESS, BAD, BAD_FIELDS, OPERATIONS, PATIENCE, STORES, TOKEN, TOO_LARGE, Report, equal, store_id, wanted


class Grpcurl:
    """grpcurl: gRPC, schema by reflection."""

    streams, lists, timeout = True, True, "-max-time"

    def __init__(self, path):
        self.path = path

    def command(self, rpc, options):
        return [self.path, "-plaintext", "-max-time", str(options.get("timeout", PATIENCE)), "-format-error",
                "-H", f"authorization: Bearer {TOKEN}", "-d", "@", ADDRESS, rpc]

    def services(self):
        return subprocess.run([self.path, "-plaintext", ADDRESS, "list"], capture_output=True, text=True, check=True).stdout.split()

    def details(self, error):
        status = json.loads(error[error.index("{"):])
        names = ["OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
                 "PERMISSION_DENIED", "RESOURCE_EXHAUSTED"]
        return names[status["code"]], status.get("details", [])


class Buf:
    """buf curl: gRPC, grpc-web or Connect, schema by reflection or from the files."""

    def __init__(self, path, protocol):
        self.path, self.protocol = path, protocol
        self.streams, self.lists = protocol != "connect", False

    def command(self, rpc, options):
        schema = ["--schema", "proto"] if self.protocol == "connect" else ["--reflect"]
        http2 = ["--http2-prior-knowledge"] if self.protocol == "grpc" else []
        return [self.path, "curl", *schema, *http2, "--protocol", self.protocol, "-H", f"authorization: Bearer {TOKEN}",
                "--data", "@-", f"http://{ADDRESS}/{rpc}"]

    def details(self, error):
        status = json.loads(error[error.index("{"):])
        return status["code"].upper(), [self.detail(detail["type"], detail["value"]) for detail in status.get("details", [])]

    def detail(self, kind, value):
        message = getattr(error_details_pb2, kind.rsplit(".", 1)[1])()
        message.ParseFromString(base64.b64decode(value + "=" * (-len(value) % 4)))
        return {"@type": kind, **json_format.MessageToDict(message)}


if sys.argv[1] == "grpcurl":
    client, name = Grpcurl(sys.argv[2]), sys.argv[3]
else:
    client, name = Buf(sys.argv[2], sys.argv[3]), f"buf-{sys.argv[3]}"
report, store = Report(name), store_id(name.replace(".", "-"))


def run(service, method, fields, **options):
    with tempfile.TemporaryFile("w+") as body:  # a pipe would be filled by a large request
        json.dump(fields, body)
        body.seek(0)
        command = client.command(f"{service}/{method}", options)
        return subprocess.run(command, stdin=body, capture_output=True, text=True, timeout=PATIENCE + 10)


def messages(service, method, fields, **options):
    done = run(service, method, fields, **options)
    if done.returncode:
        raise AssertionError(done.stderr)
    decoder, rest, found = json.JSONDecoder(), done.stdout.strip(), []
    while rest:
        message, end = decoder.raw_decode(rest)
        found.append(message)
        rest = rest[end:].lstrip()
    return found


def one(service, method, fields, **options):
    (message,) = messages(service, method, fields, **options)
    return message


def refused(code, method, fields, **options):
    done = run(STORES, method, fields, **options)
    assert done.returncode, f"{method} was not refused"
    got, details = client.details(done.stderr)
    equal(got, code)
    return details


def reason(details):
    return next(detail["reason"] for detail in details if detail["@type"].endswith("google.rpc.ErrorInfo"))


if client.lists:
    with report.case("lists services by reflection"):
        assert STORES in client.services(), client.services()
    with report.case("health by service name"):
        equal(one("grpc.health.v1.Health", "Check", {"service": STORES})["status"], "SERVING")
with report.case("validate_only changes nothing"):
    one(STORES, "CreateStore", {**wanted(store), "validate_only": True})
    equal(reason(refused("NOT_FOUND", "GetStore", {"store_id": store})), "STORE_NOT_FOUND")
with report.case("all violations of a request are readable"):
    details = refused("INVALID_ARGUMENT", "CreateStore", BAD)
    bad = next(detail for detail in details if detail["@type"].endswith("google.rpc.BadRequest"))
    equal([violation["field"] for violation in bad["fieldViolations"]], BAD_FIELDS)
with report.case("creates a store and waits until it is ready"):
    operation = one(STORES, "CreateStore", wanted(store))["operation"]
    ended = one(OPERATIONS, "WaitOperation", {"operation_id": operation, "timeout": f"{PATIENCE - 10}s"})
    equal(ended["state"], "OPERATION_STATE_SUCCEEDED")
if client.streams:
    with report.case("a watch replays and ends once the store has settled"):
        events = [each for each in messages(STORES, "WatchStore", {"store_id": store, "until": "WATCH_UNTIL_SETTLED"}) if "event" in each]
        equal([int(each["sequence"]) for each in events], list(range(1, len(events) + 1)))
if isinstance(client, Grpcurl):
    with report.case("a deadline ends a watch"):
        refused("DEADLINE_EXCEEDED", "WatchStore", {"store_id": store}, timeout=0.4)
with report.case("lists with a filter"):
    page = one(STORES, "ListStores", {"filter": f"state = STORE_STATE_READY AND store_id = {store}"})
    equal([found["storeId"] for found in page["stores"]], [store])
with report.case("a request that is too large is RESOURCE_EXHAUSTED"):
    equal(reason(refused("RESOURCE_EXHAUSTED", "ListStores", {"filter": "x" * TOO_LARGE})), "REQUEST_TOO_LARGE")
with report.case("deletes the store"):
    operation = one(STORES, "DeleteStore", {"store_id": store})["operation"]
    one(OPERATIONS, "WaitOperation", {"operation_id": operation, "timeout": f"{PATIENCE - 10}s"})
    equal(one(STORES, "GetStore", {"store_id": store})["state"], "STORE_STATE_DELETED")
report.end()
