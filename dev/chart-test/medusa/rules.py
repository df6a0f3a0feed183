"""Rules for the objects of this chart."""

import json
import re

import yaml

from harness import CHART, ENVIRONMENTS, files, objects, pod_specs
from pods import number


def named(*args):
    return {(o["kind"], o["metadata"]["name"]): o for o in objects(*args)}


def probes(args):
    """No probe has an initial delay, the liveness probe does not reach the database, and nothing kills a database that recovers."""
    for where, pod in pod_specs(objects(*args)):
        for c in pod["containers"]:
            found = {k: v for k, v in c.items() if k.endswith("Probe")}
            assert not any("initialDelaySeconds" in p for p in found.values()), where
            assert "ready" not in json.dumps(found.get("livenessProbe", {})), where
            if found:
                assert found["startupProbe"]["periodSeconds"] == 1, where
            if c["name"] == "postgres":
                assert "livenessProbe" not in found, where
                assert found["startupProbe"]["failureThreshold"] >= 6 * 3600, f"{where}: a crash recovery may take hours"


def connections(args):
    """The database takes the connections of all pods during a rollout, and of ten others."""
    made = named(*args)
    spec = made["Deployment", "store"]["spec"]
    pool = int(made["ConfigMap", "store"]["data"]["STORE_DB_POOL"])
    arguments = made["StatefulSet", "store-db"]["spec"]["template"]["spec"]["containers"][0]["args"]
    most = next(int(a.split("=")[1]) for a in arguments if a.startswith("max_connections="))
    assert (spec["replicas"] + spec["strategy"]["rollingUpdate"]["maxSurge"]) * (pool + 1) + 10 <= most, f"{pool} for each pod, {most} in all"


def heap(args):
    """Node takes half of a pod's memory for its heap, and Medusa needs 200 MB of it: after 384 MB there is nothing to spare for requests."""
    made = named(*args)
    limit = made["Deployment", "store"]["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]
    assert number(limit) >= number("768Mi"), limit


def backup_contract(args):
    """The PodTemplates are as storeplane.yaml says: a container for each part, the volume `transfer`, and maintenance pods that the Service selects."""
    said = yaml.safe_load((CHART / "storeplane.yaml").read_text())["backup"]
    made = named(*args)
    for name in (said["create"], said["restore"]):
        pod = made["PodTemplate", name]["template"]["spec"]
        volumes = {v["name"]: v for v in pod["volumes"]}
        assert [c["name"] for c in pod["containers"]] == said["parts"], name
        assert "secret" in volumes["transfer"] and "emptyDir" in volumes["spool"] and "emptyDir" in volumes["shared"], name
        assert pod["restartPolicy"] == "Never", name
        for c in pod["containers"]:
            assert c["args"] == [f"{name.removeprefix('store-')}-{c['name']}"], c["args"]
            assert number(c["resources"]["limits"]["memory"]) <= number("128Mi"), c["resources"]
    maintenance = said["maintenance"]
    labels = made["PodTemplate", maintenance["template"]]["template"]["metadata"]["labels"]
    assert made["Service", "store"]["spec"]["selector"].items() <= labels.items(), labels
    shop = made["Deployment", maintenance["deployment"]]["spec"]["template"]["spec"]["containers"][0]
    stand_in = made["PodTemplate", maintenance["template"]]["template"]["spec"]["containers"][0]
    assert stand_in["ports"] == shop["ports"], stand_in["ports"]
    claims = {name for kind, name in made if kind == "PersistentVolumeClaim"}
    assert claims == {volume["claim"] for volume in said["volumes"]}, claims


def maintenance():
    """Maintenance by the values changes no pod of the shop, and no pod of the shop is behind the Service then."""
    for environment in ENVIRONMENTS:
        shop = named(*files(environment))["Deployment", "store"]
        for mode, replicas in (("page", shop["spec"]["replicas"]), ("offline", 0)):
            made = named(*files(environment), "--set", f"store.maintenance={mode}")
            now = made["Deployment", "store"]["spec"]
            assert now["template"] == shop["spec"]["template"], f"{environment}, {mode}: pods would be replaced"
            assert now["replicas"] == replicas, f"{environment}, {mode}"
            page = made["PodTemplate", "store-maintenance"]["template"]["metadata"]["labels"].items()
            own = now["template"]["metadata"]["labels"].items()
            customers, tests = (made["Service", name]["spec"]["selector"].items() for name in ("store", "store-shop"))
            assert customers <= page and not customers <= own, f"{environment}, {mode}: the Service"
            assert tests <= own and not tests <= page, f"{environment}, {mode}: the Service of tests"


def verification():
    """Each step of `verify` uses only values that an earlier one captured, and the last one empties the cart."""
    verify = yaml.safe_load((CHART / "storeplane.yaml").read_text())["verify"]
    known, names = set(), set()
    for step in verify["steps"]:
        if "try" in step:
            assert step["try"]["of"] in known, step["name"]
            known.add(step["try"]["as"])
        used = set(re.findall(r"\$\{(\w+)\}", json.dumps({k: v for k, v in step.items() if k in ("get", "post", "delete", "body")})))
        assert used <= known, f"{step['name']}: {used - known} is captured by no earlier step"
        assert len({"get", "post", "delete"} & step.keys()) == 1 and step["name"] not in names, step["name"]
        known |= step.get("capture", {}).keys()
        names.add(step["name"])
    assert set(re.findall(r"\$\{(\w+)\}", json.dumps(verify["headers"]))) <= known
    assert verify["payment_methods"] in known
    assert "delete" in verify["steps"][-1], "the cart keeps its product"


def copies():
    """How a shop is reached does not depend on its software."""
    for name in ("gateway.yaml", "ingress.yaml"):
        ours, theirs = (CHART.parent / chart / "templates" / name for chart in (CHART.name, "woocommerce"))
        assert ours.read_text() == theirs.read_text(), f"{ours} differs from {theirs}"


CHECKS = {
    "backups are as storeplane.yaml says": backup_contract,
    "probes": probes,
    "connections of a rollout": connections,
    "memory for the heap": heap,
}
ONCE = {"templates that are copies are equal": copies, "maintenance changes no pod": maintenance, "verification is complete": verification}
