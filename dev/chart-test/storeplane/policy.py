"""Rules for all objects of the chart."""

import json
import re
import tempfile
import tomllib

import yaml

import score
from harness import CHART, ENVIRONMENTS, HELMS, HERE, NAMESPACE, ROOT, call, containers, files, objects, pod_specs
from pods import number, restricted

SERVER = "Deployment/storeplane"
SHOP = ROOT / "charts" / "woocommerce"


def pod_security(args):
    """Only the servers have a token: they use the API server."""
    restricted(args, with_token=(SERVER,), at_least=2)


def no_hooks(args):
    hooks = [o["metadata"]["name"] for o in objects(*args) if "helm.sh/hook" in o["metadata"].get("annotations", {})]
    assert not hooks, hooks


def selectors(args):
    """Every selector of pods selects pods of exactly one workload, and every workload has a policy and, with several pods, a budget."""
    made = objects(*args)
    pods = {f"{o['kind']}/{o['metadata']['name']}": o["spec"]["template"]["metadata"]["labels"] for o in made if o["kind"] in ("Deployment", "StatefulSet")}
    wanted = {"Service": lambda s: s["selector"], "PodDisruptionBudget": lambda s: s["selector"]["matchLabels"], "NetworkPolicy": lambda s: s["podSelector"]["matchLabels"]}
    selected = {}
    for o in made:
        if o["kind"] in wanted:
            labels = wanted[o["kind"]](o["spec"]).items()
            found = [name for name, own in pods.items() if labels <= own.items()]
            assert len(found) == 1, f"{o['kind']}/{o['metadata']['name']} selects {found}"
            selected.setdefault(o["kind"], set()).add(found[0])
    assert selected["NetworkPolicy"] == set(pods), selected
    several = {f"{o['kind']}/{o['metadata']['name']}" for o in made if o["kind"] == "Deployment" and o["spec"]["replicas"] > 1}
    assert several <= selected.get("PodDisruptionBudget", set()), selected


def ports(args):
    """Every named port that an object refers to exists in the pods."""
    made = objects(*args)
    named = {p["name"] for _, pod in pod_specs(made) for c in containers(pod) for p in c.get("ports", [])}
    used = {p["targetPort"] for o in made if o["kind"] == "Service" for p in o["spec"]["ports"]}
    for o in made:
        if o["kind"] == "NetworkPolicy":
            rules = o["spec"].get("ingress", []) + o["spec"].get("egress", [])
            used |= {p["port"] for rule in rules for p in rule.get("ports", []) if isinstance(p["port"], str)}
    for _, pod in pod_specs(made):
        used |= {probe["httpGet"]["port"] for c in containers(pod) for key, probe in c.items() if key.endswith("Probe") and "httpGet" in probe}
    assert used and used <= named, used - named


def mounts(args):
    """Every mounted volume exists, and every volume is mounted."""
    for where, pod in pod_specs(objects(*args)):
        mounted = {m["name"] for c in containers(pod) for m in c.get("volumeMounts", [])}
        claims = {"data"} if where.startswith("StatefulSet") else set()
        assert mounted == {v["name"] for v in pod.get("volumes", [])} | claims, where


def secrets_by_reference(args):
    """Only the generated Secret of embedded Postgres has secret data; everything else refers to Secrets."""
    made = objects(*args)
    assert [o["metadata"]["name"] for o in made if o["kind"] == "Secret"] in ([], ["storeplane-postgres"])
    for where, pod in pod_specs(made):
        for c in containers(pod):
            plain = [e["name"] for e in c["env"] if "value" in e and re.search(r"PASSWORD|TOKEN|SECRET|DATABASE_URL|HEADERS", e["name"])]
            assert not plain, f"{where}: {plain}"
    text = (CHART / "values.yaml").read_text()
    assert not re.search(r"(?im)^\s*\w*(password|token)\w*:", text), "a value is a secret"


def helm_fits(args):
    """A server's memory is enough for itself and at least one helm process."""
    for where, pod in pod_specs(objects(*args)):
        if where == SERVER:
            limits = next(c for c in pod["containers"] if c["name"] == "server")["resources"]["limits"]
            assert number(limits["memory"]) >= 2**30, limits


def image_settings(args):
    """Every variable that the server's image sets is unset: it would override the file."""
    image = set(re.findall(r"^(?:ENV)?\s+(STOREPLANE_\w+)=", (ROOT / "images/server/Dockerfile").read_text(), re.M))
    for where, pod in pod_specs(objects(*args)):
        for c in containers(pod) if where == SERVER else []:
            # The chart has a file of its own.
            unset = {e["name"] for e in c["env"] if e.get("value") == "" or e["name"] == "STOREPLANE_CONFIG" and e["value"].startswith("/etc/storeplane/")}
            assert image and image <= unset, f"{c['name']}: {image - unset}"


def configuration():
    """`config` arrives in the server's file as it was written, whatever its texts and numbers are."""
    texts = ["", "it's", 'a "b" \\ c', "{{ .Values }} $HOME `id` <b>&", "line\nbreak\ttab", "店 🛒", "true", "1e3", "\x01", "[a]", "# no comment"]
    wanted = {
        "allowed_origins": texts,
        "quotas": {"stores": 1000000},
        "worker": {"max_operations": 3, "lease_seconds": 15},
        "kubernetes": {"namespace_labels": {f"example.com/l{i}": text for i, text in enumerate(texts)}, "copied_secrets": [{"namespace": "a", "name": text, "use": "none"} for text in texts]},
        "engines": {"woocommerce": {"values": ["a.yaml"]}, "other-engine": {"chart": "/charts/other"}},
        "a b": {"x.y": {"z": False}},
        "empty": {},
        "none": [],
    }
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as f:
        json.dump({"config": wanted}, f, ensure_ascii=False)
        f.flush()
        for helm in ("3", "4"):
            made = objects(*files("local"), "-f", f.name, "-s", "templates/configmap.yaml", helm=helm)
            got = tomllib.loads(made[0]["data"]["storeplane.toml"])
            for key, value in wanted.items():
                # the chart adds what it knows of its permissions
                mine = {k: got[key].get(k) for k in value} if key == "kubernetes" else got[key]
                assert mine == value, f"helm {helm}: {key}: {mine!r}"
            assert got["listen"] == "0.0.0.0:8080" and got["shutdown_seconds"] == 15, got


def stores_reach_backups():
    """The shop's chart accepts the values that every store gets, and lets its Jobs of backups reach the storage: on a volume, the servers' pods."""
    for environment in ENVIRONMENTS:
        made = objects(*files(environment))
        text = next(o["data"]["store-values.yaml"] for o in made if o["kind"] == "ConfigMap" and "storeplane.toml" in o["data"])
        server = next(o for o in made if o["kind"] == "Deployment")["spec"]["template"]
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
            f.write(text)
            f.flush()
            for helm in HELMS.values():
                code, out = call(helm, "template", "store-demo", SHOP, "-f", SHOP / "values-prod.yaml", "-f", f.name, "-f", HERE / "woocommerce" / "store.yaml", "-s", "templates/backup.yaml")
                assert code == 0, out
                egress = next(o["spec"]["egress"] for o in yaml.safe_load_all(out) if o["kind"] == "NetworkPolicy")
                assert yaml.safe_load(text)["backup"]["egress"] == egress[2:], egress
        if environment == "local":
            peer, port = egress[2]["to"][0], egress[2]["ports"][0]["port"]
            assert peer["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}, peer
            assert peer["podSelector"]["matchLabels"].items() <= server["metadata"]["labels"].items(), peer
            assert {"name": "backups", "containerPort": port} in server["spec"]["containers"][0]["ports"], port


def embedded_score():
    """Imported images are not pulled; nothing else is critical in values-local either."""
    score.nothing_critical("local", "container-image-pull-policy")


CHECKS = {
    "Pod Security": pod_security,
    "no hooks": no_hooks,
    "selectors select one workload": selectors,
    "named ports exist": ports,
    "volumes are mounted": mounts,
    "no secret in an object": secrets_by_reference,
    "memory for helm": helm_fits,
    "the image's settings are unset": image_settings,
}
ONCE = {
    "the server's file says what `config` says": configuration,
    "stores reach the storage of backups": stores_reach_backups,
    "kube-score: values-local, with embedded Postgres": embedded_score,
}
