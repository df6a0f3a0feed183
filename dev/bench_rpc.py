"""The benchmark's calls, over grpc-web and HTTP/1.1: without packages, and without a process per call."""

import http.client
import os
import struct

READY = 2
ENVIRONMENT, LABELS = 31, 38
"""Fields of a store."""
STAGING = 2


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out + bytes([number]))


def text(field, value):
    data = value if isinstance(value, bytes) else value.encode()
    return varint(field << 3 | 2) + varint(len(data)) + data


def number(field, value):
    return varint(field << 3) + varint(value)


def fields(message):
    """The fields of a message: {number: [values]}."""
    found, at = {}, 0

    def read():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        key = read()
        if key & 7 == 0:
            value = read()
        elif key & 7 == 2:
            size = read()
            value, at = message[at : at + size], at + size
        else:
            size = 8 if key & 7 == 1 else 4
            value, at = message[at : at + size], at + size
        found.setdefault(key >> 3, []).append(value)
    return found


class Client:
    """One connection."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)

    def call(self, method, message, service="StoreService"):
        """Messages of the response; an error ends the run."""
        headers = {
            "content-type": "application/grpc-web+proto",
            "x-grpc-web": "1",
            "authorization": f"Bearer {os.environ['STOREPLANE_TOKEN']}",
        }
        body = struct.pack(">BI", 0, len(message)) + message
        self.connection.request("POST", f"/storeplane.v1.{service}/{method}", body, headers)
        answer = self.connection.getresponse()
        status, messages, data = answer.headers.get("grpc-status"), [], answer.read()
        while data:
            flag, size = struct.unpack(">BI", data[:5])
            part, data = data[5 : 5 + size], data[5 + size :]
            if flag & 0x80:
                trailers = dict(line.split(":", 1) for line in part.decode().strip().splitlines())
                status = trailers.get("grpc-status", status).strip()
                if status != "0":
                    raise SystemExit(f"bench: {method}: {trailers}")
            else:
                messages.append(part)
        if answer.status != 200 or status != "0":
            raise SystemExit(f"bench: {method}: HTTP {answer.status}, grpc-status {status}, {answer.headers.get('grpc-message')}")
        return messages

    def create(self, store_id, labels=None, environment=0):
        store = text(4, f"Shop {store_id}") + text(7, "owner@example.com") + number(ENVIRONMENT, environment)
        for key, value in (labels or {}).items():
            store += text(LABELS, text(1, key) + text(2, value))
        self.call("CreateStore", text(1, store_id) + text(2, store))

    def settle(self, store_id):
        """Waits until no operation is in progress."""
        self.call("WatchStore", text(1, store_id) + number(4, 2))

    def get(self, store_id):
        return fields(self.call("GetStore", text(1, store_id))[0])

    def is_ready(self, store_id):
        return self.get(store_id).get(8) == [READY]

    def ready(self, store_id):
        store = self.get(store_id)
        if store.get(8) != [READY]:
            raise SystemExit(f"bench: {store_id} is not READY: {store.get(10)} {store.get(11)}")
