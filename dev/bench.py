"""Measures for dev/bench: `stores`, `calls`, then `table`. Numbers go through STATE/numbers.json."""

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
    """What the control plane makes before helm runs: namespace, labels, Secrets. Not a part of a bare install's time."""
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}
    made = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret, "namespace": name}, "stringData": {k: secrets.token_hex(16) for k in keys}}
        for secret, keys in KEYS.items()
    ]
    kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": [space, *made]}))


def install(options, name):
    """A bare `helm install` with the chart and values of a store."""
    chart = Path(options.charts) / "woocommerce"
    values = {
        "store": {"id": name.removeprefix("store-"), "uid": str(uuid.uuid4()), "tenant": "default", "displayName": name, "adminEmail": "owner@example.com"},
        "ingress": {"host": f"{name}.localhost"},
    }
    argv = [options.helm, "install", name, str(chart), "--namespace", name, "-f", str(chart / "values-local.yaml"), "-f", str(chart / "plans/small.yaml"), "-f", "-"]
    home = Path(options.state) / "helm"
    homes = {f"HELM_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "KUBECONFIG": os.environ["KUBECONFIG"], **homes}
    ran = subprocess.run(argv, input=json.dumps(values), text=True, env=environment, capture_output=True)
    if ran.returncode:
        raise SystemExit(f"bench: helm install failed: {ran.stderr.strip()}")


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
    bare, ours = [], []
    for n in range(options.samples + 1):
        name = f"store-bare-{n}"
        prepare(name)
        bare.append(seconds(install, options, name))
        time.sleep(1)
        began = time.monotonic()
        create_until_ready(options.port, f"one-{n}")
        ours.append(time.monotonic() - began)
        Client(options.port).ready(f"one-{n}")
        time.sleep(1)
    # The first of each finds cold caches.
    got["bare_one"], got["ours_one"] = sorted(bare[1:]), sorted(ours[1:])

    names = [f"store-loop-{n}" for n in range(options.parallel)]
    for name in names:
        prepare(name)
    time.sleep(3)
    got["bare_many"], _ = at_once(len(names), options.bound, lambda name: install(options, name), names)
    time.sleep(5)
    names = [f"many-{n}" for n in range(options.parallel)]
    got["ours_many"], results = at_once(len(names), len(names), lambda name: create_until_ready(options.port, name), names)
    for name in names:
        Client(options.port).ready(name)
    got["create_busy"] = sorted(results)
    time.sleep(3)
    got["rss_after"], got["rss_peak"] = memory(options.pid, "VmRSS"), memory(options.pid, "VmHWM")
    save(options, got)


def load(options, *wanted):
    """Answers a second and their times, of the server and of a bare tonic server with the same answers."""
    line = [options.calls, "--addr", f"127.0.0.1:{options.port}", *wanted]
    return json.loads(subprocess.run(line, check=True, capture_output=True, text=True).stdout)


def calls(options):
    got = json.loads((Path(options.state) / "numbers.json").read_text())
    client = Client(options.port)
    got["load"] = load(options, "list_all=ListStores")
    for n in range(20):
        client.create(f"warm-{n}")
    got["create"] = sorted(seconds(client.create, f"call-{n}") for n in range(300))
    got["load"] |= load(options, "list=ListStores:50", "list_small=ListStores:10", "get=GetStore:one-1")
    got["rss_loaded"] = memory(options.pid, "VmRSS")
    save(options, got)


def save(options, got):
    (Path(options.state) / "numbers.json").write_text(json.dumps(got))


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def store_rows(got):
    bare, ours = statistics.median(got["bare_one"]), statistics.median(got["ours_one"])
    rows = [
        ("one store: bare `helm install`, median", f"{bare:.2f} s", ""),
        ("one store: CreateStore to READY, median", f"{ours:.2f} s", f"{ours / bare:.2f} × bare (target 2)"),
        (f"{got['parallel']} stores: bare loop, {got['bound']} at a time", f"{got['bare_many']:.1f} s", ""),
        (f"{got['parallel']} stores at once, CreateStore to the last READY", f"{got['ours_many']:.1f} s", f"{got['ours_many'] / got['bare_many']:.2f} × the loop (target 1.3)"),
        ("CreateStore answers, p50 / p99", f"{percentile(got['create'], 0.5) * 1e3:.1f} / {percentile(got['create'], 0.99) * 1e3:.1f} ms", f"{len(got['create'])} calls"),
        (f"the same, {got['parallel']} at once, p50 / slowest", f"{percentile(got['create_busy'], 0.5) * 1e3:.0f} / {got['create_busy'][-1] * 1e3:.0f} ms", "while helm runs"),
    ]
    everything = got["samples"] + 1 + got["parallel"]
    for name, key in ((f"ListStores, all {everything} stores", "list_all"), (f"ListStores, pages of 50 of {everything + 320}", "list"), (f"ListStores, pages of 10 of {everything + 320}", "list_small"), ("GetStore", "get")):
        ours, bare = got["load"][key]["ours"], got["load"][key]["bare"]
        rows.append((name, f"{ours['rate']:.0f}/s", f"p50 {ours['p50']:.1f} ms, p99 {ours['p99']:.1f} ms; {ours['rate'] / bare['rate']:.2f} × a bare tonic server with the same {got['load'][key]['bytes'] / 1000:.1f} kB"))
    rows.append(("server memory idle / after the stores / peak / after the calls", " / ".join(f"{got[k]:.0f}" for k in ("rss_idle", "rss_after", "rss_peak", "rss_loaded")) + " MB", "resident"))
    return rows


def watcher_rows(got):
    whole = f"{got['idle']} idle watchers and {got['busy']} busy ones, {got['events']} events, told {got['told']} times"
    return [
        (whole, " → ".join(f"{got[k]:.0f}" for k in ("rss_before", "rss_idle", "rss_busy")) + " MB", "server memory: none, the idle, all"),
        ("commit to client, one store, p50 / p99", f"{got['one_p50']:.1f} / {got['one_p99']:.1f} ms", "WatchStore"),
        ("commit to client, all stores, p50 / p99", f"{got['all_p50']:.1f} / {got['all_p99']:.1f} ms", "WatchStores"),
    ]


def table(options):
    state, rows, samples = Path(options.state), [], ""
    if (state / "numbers.json").exists():
        got = json.loads((state / "numbers.json").read_text())
        rows, samples = store_rows(got), f", {got['samples']} single samples"
    rows += watcher_rows(json.loads((state / "watchers.json").read_text()))
    print(f"# storeplane bench\n\n{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, simulated nodes{samples}, load {os.getloadavg()[2]:.1f}\n")
    print("| | | |\n| --- | --- | --- |")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("phase", choices=("stores", "calls", "table"))
    for name in ("state", "helm", "calls", "charts"):
        parser.add_argument(f"--{name}")
    for name in ("port", "pid", "bound", "samples", "parallel"):
        parser.add_argument(f"--{name}", type=int)
    chosen = parser.parse_args()
    {"stores": stores, "calls": calls, "table": table}[chosen.phase](chosen)
