"""Measures for dev/bench: `stores`, `rollouts`, `calls`, `scale`, then `table`. Numbers go through STATE/numbers.json."""

import argparse
import concurrent.futures
import json
import os
import secrets
import statistics
import subprocess
import time
import uuid
from pathlib import Path

import bench_rollouts
from bench_helm import SAME_FLAGS, helm
from bench_rpc import Client

KEYS = {
    "store-db": ("database", "username", "password", "root-password"),
    "store-admin": ("username", "password"),
    "store-salts": [f"{k}_{s}" for k in ("AUTH", "SECURE_AUTH", "LOGGED_IN", "NONCE") for s in ("KEY", "SALT")],
}
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}


def seconds(action, *argv):
    began = time.monotonic()
    action(*argv)
    return time.monotonic() - began


def kubectl(*argv, text=None):
    subprocess.run(["kubectl", *argv], input=text, text=True, check=True, capture_output=True)


def prepare(name):
    """Creates what the control plane creates before it runs helm: namespace, labels, Secrets. Not included in the time of a bare install."""
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}
    made = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret, "namespace": name}, "stringData": {k: secrets.token_hex(16) for k in keys}}
        for secret, keys in KEYS.items()
    ]
    kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": [space, *made]}))


FLAGS = {"default": (), "same": SAME_FLAGS}


def install(options, name, *flags):
    """A bare `helm install` with the chart and values of a store."""
    chart = Path(options.charts) / "woocommerce"
    values = {
        "store": {"id": name.removeprefix("store-"), "uid": str(uuid.uuid4()), "tenant": "default", "displayName": name, "adminEmail": "owner@example.com"},
        "ingress": {"host": f"{name}.localhost"},
    }
    files = ("-f", str(chart / "values-local.yaml"), "-f", str(chart / "plans/small.yaml"), "-f", "-")
    helm(options, "install", name, str(chart), "--namespace", name, *files, *flags, values=json.dumps(values))


def memory(pid, name):
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def create_until_ready(port, store_id):
    client = Client(port)
    took = seconds(client.create, store_id)
    client.settle(store_id)
    return took


def at_once(count, parallel, action, names):
    """Seconds until the last of them is done."""
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
        results = list(pool.map(action, names))
    assert len(results) == count
    return time.monotonic() - began, results


def stores(options):
    time.sleep(3)
    got = {"bound": options.bound, "parallel": options.parallel, "samples": options.samples, "rss_idle": memory(options.pid, "VmRSS")}
    one = {"default": [], "same": [], "ours": []}
    for n in range(options.samples + 1):
        for kind, flags in FLAGS.items():
            name = f"store-{kind}-{n}"
            prepare(name)
            one[kind].append(seconds(install, options, name, *flags))
            time.sleep(1)
        began = time.monotonic()
        create_until_ready(options.port, f"one-{n}")
        one["ours"].append(time.monotonic() - began)
        Client(options.port).ready(f"one-{n}")
        time.sleep(1)
    # The first run of each has cold caches.
    got["one"] = {kind: statistics.median(times[1:]) for kind, times in one.items()}

    got["many"] = {}
    for kind, flags in FLAGS.items():
        names = [f"store-loop-{kind}-{n}" for n in range(options.parallel)]
        for name in names:
            prepare(name)
        time.sleep(3)
        got["many"][kind], _ = at_once(len(names), options.bound, lambda name: install(options, name, *flags), names)
        time.sleep(5)
    names = [f"many-{n}" for n in range(options.parallel)]
    got["many"]["ours"], results = at_once(len(names), len(names), lambda name: create_until_ready(options.port, name), names)
    for name in names:
        Client(options.port).ready(name)
    got["create_busy"] = sorted(results)
    time.sleep(3)
    got["rss_after"], got["rss_peak"] = memory(options.pid, "VmRSS"), memory(options.pid, "VmHWM")
    save(options, got)


def rollouts(options):
    """The rollouts alone are a run of their own, too: `BENCH_ONLY=rollouts`."""
    numbers = Path(options.state) / "numbers.json"
    got = json.loads(numbers.read_text()) if numbers.exists() else {}
    got["rollouts"] = bench_rollouts.measure(options)
    save(options, got)


def load(options, *wanted, token=None, bare=True):
    """Responses per second and their latencies, of the server and of a bare tonic server with the same responses."""
    line = [options.calls, "--addr", f"127.0.0.1:{options.port}", *([] if bare else ["--without-bare"]), *wanted]
    environment = os.environ | ({"STOREPLANE_TOKEN": token} if token else {})
    return json.loads(subprocess.run(line, check=True, env=environment, capture_output=True, text=True).stdout)


def calls(options):
    got = json.loads((Path(options.state) / "numbers.json").read_text())
    client = Client(options.port)
    got["load"] = load(options, "list_all=ListStores")
    for n in range(20):
        client.create(f"warm-{n}")
    got["create"] = sorted(seconds(client.create, f"call-{n}") for n in range(300))
    several = [f"one-{n}" for n in range(options.samples)] + [f"call-{n}" for n in range(64)]
    filters = [f'create_time > "2020-01-01T00:00:{n:02}Z"' for n in range(16)]
    got["load"] |= load(
        options,
        "list=ListStores:50",
        "list_mixed=ListStores:50/" + "|50/".join(filters),
        "get=GetStore:one-1",
        "get_mixed=GetStore:" + "|".join(several),
    )
    got["rss_loaded"] = memory(options.pid, "VmRSS")
    save(options, got)


SCALE = {"hundred": 100, "thousands": 10_000}
"""Tenants, by the number of stores that `clone` creates for them."""

CLONE = """
INSERT INTO stores SELECT clone.* FROM stores s, generate_series(1, {count}) n, jsonb_populate_record(s, jsonb_build_object(
  'uid', gen_random_uuid(), 'tenant', '{tenant}', 'store_id', 's' || n, 'display_name', 'Shop ' || n, 'created_at', s.created_at + n * interval '1 s',
  'namespace', 'store-s' || n || '--{tenant}', 'release', 'store-s' || n, 'host', 'store-s' || n || '--{tenant}.localhost')) clone
WHERE s.store_id = 'one-1' AND s.tenant = 'default'"""


def scale(options):
    """Pages of a tenant with 100 stores and of one with 10,000, all copies of a row: alternating, the best of three runs each."""
    got = json.loads((Path(options.state) / "numbers.json").read_text())
    for tenant, count in SCALE.items():
        psql(options, CLONE.format(tenant=tenant, count=count))
    psql(options, "ANALYZE stores")
    runs = {tenant: [] for tenant in SCALE}
    for _ in range(3):
        for tenant in SCALE:
            token = os.environ[f"STOREPLANE_TOKEN_{tenant.upper()}"]
            runs[tenant].append(load(options, "page=ListStores:50", token=token, bare=False)["page"]["ours"])
    got["scale"] = {tenant: min(found, key=lambda run: run["p99"]) for tenant, found in runs.items()}
    save(options, got)


def psql(options, statement):
    subprocess.run([options.psql, "-q", "-v", "ON_ERROR_STOP=1", "-d", os.environ["DATABASE_URL"]], input=statement, text=True, check=True)


def save(options, got):
    (Path(options.state) / "numbers.json").write_text(json.dumps(got))


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def against(times, target):
    """Our time divided by bare helm's, with both sets of flags."""
    same, default = (times["ours"] / times[kind] for kind in ("same", "default"))
    return f"{same:.2f} × helm with the same flags (target {target}), {default:.2f} × with its defaults"


def rollout_row(got):
    return (
        f"rollout of {got['stores']} stores, {got['parallelism']} at a time / a loop of `helm upgrade` with the same flags",
        f"{got['ours']:.1f} / {got['bare']:.1f} s",
        f"{got['ours'] / got['bare']:.2f} × (target 1.15)",
    )


def store_rows(got):
    one, many, parallel = got["one"], got["many"], got["parallel"]
    bare = "bare `helm install`, default flags / the same flags as ours"
    rows = [
        (f"one store: {bare}, median", f"{one['default']:.2f} / {one['same']:.2f} s", ""),
        ("one store: CreateStore to READY, median", f"{one['ours']:.2f} s", against(one, 1.2)),
        (f"{parallel} stores, {got['bound']} at a time: {bare}", f"{many['default']:.1f} / {many['same']:.1f} s", ""),
        (f"{parallel} stores at once, CreateStore to the last READY", f"{many['ours']:.1f} s", against(many, 1.1)),
        rollout_row(got["rollouts"]),
        ("CreateStore answers, p50 / p99", f"{percentile(got['create'], 0.5) * 1e3:.1f} / {percentile(got['create'], 0.99) * 1e3:.1f} ms", f"{len(got['create'])} calls"),
        (f"the same, {parallel} at once, p50 / slowest", f"{percentile(got['create_busy'], 0.5) * 1e3:.0f} / {got['create_busy'][-1] * 1e3:.0f} ms", "while helm runs"),
    ]
    stores = got["samples"] + 1 + parallel + got["rollouts"]["stores"]
    calls = (
        (f"ListStores, all {stores} stores (50 a page), the same for all callers", "list_all", 0.3),
        (f"ListStores, pages of 50 of {stores + 320}, the same for all callers", "list", 0.3),
        (f"ListStores, pages of 50 of {stores + 320}, each caller another filter", "list_mixed", 0.3),
        ("GetStore, the same store for all callers", "get", 0.5),
        ("GetStore, different stores", "get_mixed", 0.5),
    )
    for name, key, target in calls:
        ours, bare = got["load"][key]["ours"], got["load"][key]["bare"]
        size = got["load"][key]["bytes"] / 1000
        ratio = f"{ours['rate'] / bare['rate']:.2f} × a bare tonic server with the same {size:.1f} kB (target {target})"
        rows.append((name, f"{ours['rate']:.0f}/s", f"p50 {ours['p50']:.1f} ms, p99 {ours['p99']:.1f} ms; {ratio}"))
    few, most = got["scale"]["hundred"], got["scale"]["thousands"]
    ratio = f"p99 {most['p99'] / few['p99']:.2f} × (target 1.5)"
    rows.append(("ListStores p99, a tenant with 100 / with 10,000 stores", f"{few['p99']:.1f} / {most['p99']:.1f} ms", ratio))
    rows.append(("server memory idle / after the stores / peak / after the calls", " / ".join(f"{got[k]:.0f}" for k in ("rss_idle", "rss_after", "rss_peak", "rss_loaded")) + " MB", "resident"))
    return rows


def watcher_rows(got):
    whole = f"{got['idle']} idle watchers and {got['busy']} busy ones, {got['events']} events, delivered {got['deliveries']} times"
    return [
        (whole, " → ".join(f"{got[k]:.0f}" for k in ("rss_before", "rss_idle", "rss_busy")) + " MB", "server memory: none, the idle, all"),
        ("commit to client, one store, p50 / p99", f"{got['one_p50']:.1f} / {got['one_p99']:.1f} ms", "WatchStore"),
        ("commit to client, all stores, p50 / p99", f"{got['all_p50']:.1f} / {got['all_p99']:.1f} ms", "WatchStores"),
    ]


def table(options):
    state, rows, samples = Path(options.state), [], ""
    if (state / "numbers.json").exists():
        got = json.loads((state / "numbers.json").read_text())
        if "one" in got:
            rows, samples = store_rows(got), f", {got['samples']} single samples"
        else:
            rows = [rollout_row(got["rollouts"])]
    if (state / "watchers.json").exists():
        rows += watcher_rows(json.loads((state / "watchers.json").read_text()))
    print(f"# storeplane bench\n\n{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, simulated nodes{samples}, load {os.getloadavg()[2]:.1f}\n")
    print("| | | |\n| --- | --- | --- |")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("phase", choices=("stores", "rollouts", "calls", "scale", "table"))
    for name in ("state", "helm", "calls", "charts", "psql"):
        parser.add_argument(f"--{name}")
    for name in ("port", "pid", "bound", "samples", "parallel", "rollout"):
        parser.add_argument(f"--{name}", type=int)
    chosen = parser.parse_args()
    {"stores": stores, "rollouts": rollouts, "calls": calls, "scale": scale, "table": table}[chosen.phase](chosen)
