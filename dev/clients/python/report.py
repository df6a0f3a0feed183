"""Shared by the Python clients: reporting of cases, and their requests."""

import contextlib
import os
import sys
import time
import traceback
import uuid

ADDRESS = os.environ["STOREPLANE_ADDR"]
TOKEN = os.environ["STOREPLANE_TOKEN"]
STORES = "storeplane.v1.StoreService"
OPERATIONS = "storeplane.v1.OperationService"
TOKENS = "storeplane.v1.TokenService"
TENANTS = "storeplane.v1.TenantService"
# Above the limit of a request.
TOO_LARGE = 5 * 1024 * 1024
# Calls that are cancelled at once: more than the 20 reset streams that HTTP/2 servers tolerate by default.
BURST = 25
# How long an operation may take on a busy machine, in seconds.
PATIENCE = 90


def store_id(client):
    return f"{client}-{uuid.uuid4().hex[:8]}"


def wanted(store):
    return {"store_id": store, "store": {"display_name": "Tee & Söhne", "admin_email": "owner@example.com"}}


BAD = {"store_id": "-", "store": {"display_name": "", "admin_email": "x"}}
BAD_FIELDS = ["store_id", "store.display_name", "store.admin_email"]


class Report:
    """Prints a line for each case, and counts the results."""

    def __init__(self, client):
        self.client, self.passed, self.failed = client, 0, 0

    @contextlib.contextmanager
    def case(self, name):
        began = time.monotonic()
        try:
            yield
        except Exception as error:  # a failed case does not keep the others from running
            self.failed += 1
            place = traceback.extract_tb(error.__traceback__)[-1].lineno
            print(f"FAIL  {self.client}: {name}: {type(error).__name__} (line {place}): {str(error)[:600]}", flush=True)
        else:
            self.passed += 1
            print(f"ok    {self.client}: {name} ({time.monotonic() - began:.1f} s)", flush=True)

    def end(self):
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        sys.exit(1 if self.failed else 0)


def equal(got, expected):
    if got != expected:
        raise AssertionError(f"got {got!r}, expected {expected!r}")
