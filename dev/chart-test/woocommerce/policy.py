"""Rules for all objects of the chart, with any combination of values files."""

import json
import re
import tempfile

import yaml

from harness import CHART, ENVIRONMENTS, OWN, PLANS, files, objects, pod_specs
from pods import number, restricted

HOSTILE = "Zoë \"q\" '{{ .Values.store }}' $(STORE_DB_PASSWORD) `id`; rm -rf / & <b>\nnext: [x] # %s \\n 店"


def hold(args):
    """A rollout of all workloads fits into the quota, with a cron run, a test, a backup, a restore and maintenance."""
    made = objects(*args)
    hard = next(o for o in made if o["kind"] == "ResourceQuota")["spec"]["hard"]
    need = dict.fromkeys(("requests.cpu", "requests.memory", "limits.cpu", "limits.memory", "requests.storage", "pods", "persistentvolumeclaims"), 0.0)
    for o in made:
        if o["kind"] == "PersistentVolumeClaim":
            need["persistentvolumeclaims"] += 1
            need["requests.storage"] += number(o["spec"]["resources"]["requests"]["storage"])
        for _, pod in pod_specs([o]):
            count = o.get("spec", {}).get("replicas", 1) + (o["kind"] == "Deployment")
            need["pods"] += count
            for kind in ("requests", "limits"):
                for r in ("cpu", "memory"):
                    running = sum(number(c["resources"][kind][r]) for c in pod["containers"])
                    first = max((number(c["resources"][kind][r]) for c in pod.get("initContainers", [])), default=0)
                    need[f"{kind}.{r}"] += count * max(running, first)
    short = [f"{k}: needs {need[k]:g}, has {hard[k]}" for k in need if need[k] > number(hard[k])]
    assert not short, "\n".join(short)


def no_hooks(args):
    """No hook but `helm test`."""
    hooks = [o["metadata"].get("annotations", {}).get("helm.sh/hook") for o in objects(*args)]
    assert set(hooks) == {None, "test"}, hooks


def no_delays(args):
    """No probe has an initial delay, the liveness probe does not reach the database, and nothing kills a database that recovers."""
    for where, pod in pod_specs(objects(*args)):
        for c in pod["containers"]:
            probes = {k: v for k, v in c.items() if k.endswith("Probe")}
            assert not any("initialDelaySeconds" in p for p in probes.values()), where
            assert "wp-json" not in json.dumps(probes.get("livenessProbe", {})) and "rest_route" not in json.dumps(probes.get("livenessProbe", {})), where
            if probes:
                assert probes["startupProbe"]["periodSeconds"] == 1, where
            if c["name"] == "mariadb":
                assert "livenessProbe" not in probes, where
                assert probes["startupProbe"]["failureThreshold"] >= 6 * 3600, f"{where}: a crash recovery may take hours"


def deployment(*args):
    return next(o for o in objects(*args) if o["kind"] == "Deployment")


def one_shop(args):
    """More than one pod only with shared uploads; on a volume of one node a new pod starts beside the old one, which has the labels that it looks for."""
    made = {(o["kind"], o["metadata"]["name"]): o for o in objects(*args)}
    mode = made["PersistentVolumeClaim", "store-uploads"]["spec"]["accessModes"]
    shop = made["Deployment", "store"]["spec"]
    assert shop["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}, shop["strategy"]
    if mode == ["ReadWriteMany"]:
        return
    assert shop["replicas"] == 1, mode
    terms = shop["template"]["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert len(terms) == 1 and terms[0]["topologyKey"] == "kubernetes.io/hostname", terms
    selector, labels = terms[0]["labelSelector"], shop["template"]["metadata"]["labels"]
    # without this the scheduler would not let the first pod in, which finds no other
    assert selector["matchLabels"].items() <= labels.items(), labels
    assert selector["matchExpressions"] == [{"key": "storeplane.io/page", "operator": "NotIn", "values": ["true"]}], selector
    assert labels["storeplane.io/page"] == "false", labels


def maintenance():
    """Maintenance by the values changes no pod of the shop, and no pod of the shop is behind the Service then."""
    for environment in ENVIRONMENTS:
        shop = deployment(*files(environment))
        for mode, replicas in (("page", shop["spec"]["replicas"]), ("offline", 0)):
            made = {(o["kind"], o["metadata"]["name"]): o for o in objects(*files(environment), "--set", f"store.maintenance={mode}")}
            now = made["Deployment", "store"]["spec"]
            assert now["template"] == shop["spec"]["template"], f"{environment}, {mode}: pods would be replaced"
            assert now["replicas"] == replicas and made["CronJob", "store-cron"]["spec"]["suspend"] is True, f"{environment}, {mode}"
            selector = made["Service", "store"]["spec"]["selector"].items()
            assert not selector <= now["template"]["metadata"]["labels"].items(), f"{environment}, {mode}: customers reach the shop"
            assert selector <= made["PodTemplate", "store-maintenance"]["template"]["metadata"]["labels"].items(), f"{environment}, {mode}: customers do not reach the page"
            inner = made["Service", "store-shop"]["spec"]["selector"].items()
            assert inner <= now["template"]["metadata"]["labels"].items(), f"{environment}, {mode}: tests do not reach the shop"
            assert not inner <= made["PodTemplate", "store-maintenance"]["template"]["metadata"]["labels"].items(), f"{environment}, {mode}: tests reach the page"


def verbatim():
    """The display name reaches the shop unchanged, with both helms."""
    values = yaml.safe_load((OWN / "store.yaml").read_text())
    for name in (HOSTILE[:80], "店" * 80, "--help", "true", "1e3", "{}", "~", " lead and trail ", "%!s", "\t"):
        values["store"]["displayName"] = name
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
            json.dump(values, f)
            f.flush()
            for helm in ("3", "4"):
                made = objects(*files("local", "small"), "-f", f.name, "-s", "templates/config.yaml", helm=helm)
                got = next(o for o in made if o["kind"] == "ConfigMap")["data"]["STORE_NAME"]
                assert got == name, f"helm {helm}: {name!r} became {got!r}"


def no_secrets():
    """The chart has no password and creates no Secret."""
    for o in objects(*files("prod", "small")):
        assert o["kind"] != "Secret", o["metadata"]["name"]
    text = (CHART / "values.yaml").read_text()
    assert not re.search(r"(?i)^\s*\w*password\w*:", text, re.M), "a password has a value"


def pull_secrets():
    """All pods use the pull Secrets."""
    pods = list(pod_specs(objects(*files("prod", "small"), "--set", "imagePullSecrets={registry,mirror.example.com}")))
    assert len(pods) >= 4, "too few pods were found"
    for where, pod in pods:
        assert pod.get("imagePullSecrets") == [{"name": "registry"}, {"name": "mirror.example.com"}], where


def plan(environment, name):
    """The values' block `plan`, with later files before earlier ones."""
    paths = [CHART / "values.yaml", CHART / f"values-{environment}.yaml", CHART / "plans" / f"{name}.yaml"]
    found = {}
    for path in paths:
        found |= yaml.safe_load(path.read_text()).get("plan", {})
    return found


def plan_sizes():
    """What a plan says about its size is what the chart renders, and plans are in order of size."""
    for environment in ENVIRONMENTS:
        sizes = []
        for name in PLANS:
            said = plan(environment, name)
            made = objects(*files(environment, name))
            limits = [c["resources"]["limits"] for where, pod in pod_specs(made) if where in ("Deployment/store", "StatefulSet/store-db") for c in pod["containers"]]
            claims = [o["spec"]["resources"]["requests"]["storage"] for o in made if o["kind"] == "PersistentVolumeClaim"]
            for key, parts in {"cpu": [x["cpu"] for x in limits], "memory": [x["memory"] for x in limits], "storage": claims}.items():
                assert len(parts) == 2 and number(said[key]) == sum(map(number, parts)), f"{environment}, {name}: plan.{key} is {said[key]}, rendered {parts}"
            assert said["description"], name
            sizes.append([number(said[key]) for key in ("order", "cpu", "memory", "storage")])
        for smaller, larger in zip(sizes, sizes[1:]):
            assert all(a < b for a, b in zip(smaller, larger)), f"{environment}: {smaller} before {larger}"


def backup_contract(args):
    """The PodTemplates are as storeplane.yaml says: a container for each part, the volume `transfer`, and maintenance pods that the Service selects."""
    said = yaml.safe_load((CHART / "storeplane.yaml").read_text())["backup"]
    made = {(o["kind"], o["metadata"]["name"]): o for o in objects(*args)}
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
    selector = made["Service", "store"]["spec"]["selector"]
    assert selector.items() <= labels.items(), labels
    shop = next(c for c in made["Deployment", maintenance["deployment"]]["spec"]["template"]["spec"]["containers"])
    stand_in = made["PodTemplate", maintenance["template"]]["template"]["spec"]["containers"][0]
    assert stand_in["ports"] == shop["ports"], stand_in["ports"]
    assert ("CronJob", maintenance["cron_job"]) in made


CHECKS = {
    "Pod Security": restricted,
    "backups are as storeplane.yaml says": backup_contract,
    "quota holds a rollout": hold,
    "no hooks but helm test": no_hooks,
    "probes": no_delays,
    "one pod unless uploads are shared": one_shop,
}
ONCE = {"maintenance changes no pod": maintenance, "display name arrives as typed": verbatim, "no passwords": no_secrets, "plans say their sizes": plan_sizes, "pull Secrets": pull_secrets}
