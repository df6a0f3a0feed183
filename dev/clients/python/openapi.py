"""Checks /openapi.json against the OpenAPI 3.1 schema, then calls every method as documented and checks the responses."""

import json
import secrets
import urllib.error
import urllib.request

import jsonschema
from openapi_spec_validator import OpenAPIV31SpecValidator

from report import ADDRESS, OPERATIONS, PATIENCE, STORES, TENANTS, TOKEN, TOKENS, Report, equal, store_id, wanted

report, store = Report("openapi"), store_id("openapi")
document = {}


def http(path, body=None, token=TOKEN, **headers):
    """Status and JSON of a response."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}", **headers}
    request = urllib.request.Request(f"http://{ADDRESS}{path}", None if body is None else json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def strict(schema):
    """The same schema without additional fields: everything that the server sends must be documented."""
    if isinstance(schema, dict):
        closed = {"additionalProperties": False} if "properties" in schema else {}
        return {**{key: strict(value) for key, value in schema.items()}, **closed}
    return [strict(item) for item in schema] if isinstance(schema, list) else schema


def resolve(node):
    while "$ref" in node:
        path = node["$ref"].removeprefix("#/").split("/")
        node = document
        for name in path:
            node = node[name]
    return node


def call(path, body, **options):
    """Calls an operation as documented, and checks the response against the documented schema of its status."""
    operation = document["paths"][path]["post"]
    status, answer = http(path, body, **options)
    documented = operation["responses"].get(str(status)) or operation["responses"]["default"]
    schema = resolve(documented)["content"]["application/json"]["schema"]
    whole = {"$ref": schema["$ref"], "components": strict(document["components"])}
    jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker()).validate(answer)
    return status, answer


def new_token(name):
    """The id of a new token."""
    status, created = call(f"/{TOKENS}/CreateToken", {"name": name, "role": "viewer"})
    equal((status, len(created["secret"]) > 50), (200, True))
    return created["token"]["tokenId"]


def new_tenant():
    """The id of a new tenant."""
    status, created = call(f"/{TENANTS}/CreateTenant", {"tenantId": f"t{secrets.token_hex(6)}"})
    equal(status, 200)
    return created["tenantId"]


with report.case("the document is valid OpenAPI 3.1"):
    status, document = http("/openapi.json")
    equal(status, 200)
    OpenAPIV31SpecValidator(document).validate()
with report.case("creates a store by JSON and waits until it is ready"):
    status, created = call(f"/{STORES}/CreateStore", wanted(store))
    equal((status, created["storeId"]), (200, store))
    status, ended = call(f"/{OPERATIONS}/WaitOperation", {"operationId": created["operation"], "timeout": f"{PATIENCE - 10}s"})
    equal((status, ended["state"]), (200, "OPERATION_STATE_SUCCEEDED"))
for path, item in sorted(document.get("paths", {}).items()):
    with report.case(f"{path} answers as documented"):
        content = item["post"]["requestBody"]["content"]["application/json"]
        jsonschema.Draft202012Validator({**content["schema"], "components": document["components"]}).validate(content["example"])
        # The example's ids do not exist: the request is valid, and may end with NOT_FOUND.
        status, answer = call(path, content["example"])
        assert status in (200, 400, 404), (status, answer)
        assert answer.get("code") not in ("unimplemented", "internal", "unknown"), answer
        existing = {"storeId": store, "operationId": created["operation"]}
        if "tokenId" in content["example"]:
            existing["tokenId"] = new_token(f"{store} {path.rpartition('/')[2]}")
        if "tenantId" in content["example"]:
            existing["tenantId"] = new_tenant()
        body = {name: existing.get(name, value) for name, value in content["example"].items()}
        if not path.endswith(("CreateStore", "DeleteStore", "RetryStore", "RotateStoreCredentials", "RestoreStore", "RollbackStore", "CopyStore", "UndeleteStore", "CreateBackup", "GetBackup", "DeleteBackup", "CreateRollout", "GetRollout", "ListRolloutStores", "PauseRollout", "ResumeRollout", "AbortRollout", "CreateTenant", "CreateToken")):
            status, answer = call(path, body)
            equal((status, answer if status != 200 else ""), (200, ""))
        status, answer = call(path, {"nonsense": 1})
        equal((status, answer["code"]), (400, "invalid_argument"))
        status, answer = call(path, body, token="nobody")
        equal((status, answer["code"]), (401, "unauthenticated"))
with report.case("deletes the stores"):
    # The example of UpdateStore protected this one.
    status, answer = call(f"/{STORES}/DeleteStore", {"storeId": store})
    equal((status, answer.get("code")), (400, "failed_precondition"))
    off = {"storeId": store, "store": {"deletionProtection": False}, "updateMask": "deletionProtection"}
    status, _ = call(f"/{STORES}/UpdateStore", off)
    equal(status, 200)
    for each in (store, "tea"):
        status, _ = call(f"/{STORES}/DeleteStore", {"storeId": each})
        equal(status, 200)
report.end()
