"""A rollout next to a bare loop of `helm upgrade`: the same stores, charts, flags and parallelism; each run changes all pods."""

import concurrent.futures
import json
import statistics
import subprocess
import time
from pathlib import Path

from bench_helm import SAME_FLAGS, helm
from bench_rpc import STAGING, Client, fields, number, text

COMPLETED = 4
FLAGS = (*SAME_FLAGS, "--reset-values", "--history-max=10")
"""The flags with which the server upgrades."""
PARALLELISM = 6
ATTEMPTS = 3
"""Of a `helm upgrade` that the namespace's quota refuses, as in the server: the API server's cache may still have the smaller quota."""
WARM_UP = ("standard", "small")
"""The plans to which the bare loop changes up to `WARMED` stores, not counted: the first upgrade of a cluster finds cold caches."""
WARMED = 60
ORDER = (("ours", "standard"), ("bare", "small"), ("bare", "standard"), ("ours", "small"))
"""Who changes the stores to which plan. The order cancels what drifts, such as the growing history that helm reads."""


def kubectl(*argv):
    return subprocess.run(["kubectl", *argv], check=True, capture_output=True, text=True).stdout


def release(store_id):
    return f"store-{store_id}", "--namespace", f"store-{store_id}"


def in_parallel(action, names):
    with concurrent.futures.ThreadPoolExecutor(PARALLELISM) as pool:
        return list(pool.map(action, names))


def bare(options, names, plan):
    """Seconds of the loop; helm does not wait for pods."""
    chart = Path(options.charts) / "woocommerce"

    def upgrade(store_id):
        files = ("-f", str(Path(options.state) / "values" / store_id), "-f", str(chart / f"plans/{plan}.yaml"))
        for attempt in range(ATTEMPTS):
            try:
                return helm(options, "upgrade", *release(store_id), str(chart), *files, *FLAGS)
            except SystemExit as failed:
                if "exceeded quota" not in str(failed) or attempt == ATTEMPTS - 1:
                    raise

    began = time.monotonic()
    in_parallel(upgrade, names)
    return time.monotonic() - began


def ours(options, names, plan):
    """Seconds until the rollout is COMPLETED: until the pods of all stores run, and their shops were tested, as far as nodes are simulated."""
    target = text(1, text(6, plan)) + text(2, text(1, "plan"))
    one_wave, no_soak = text(5, number(2, 100)), text(8, b"")
    rolls_back = number(10, 2)  # otherwise it would be paused and never end
    rollout = text(3, 'labels.bench = "rollout"') + text(4, target) + one_wave + number(6, PARALLELISM) + no_soak + rolls_back
    client = Client(options.port)
    began = time.monotonic()
    made = fields(client.call("CreateRollout", text(1, rollout), "RolloutService")[0])
    client.call("WatchRollout", text(1, made[1][0]), "RolloutService")
    took = time.monotonic() - began
    done = fields(client.call("GetRollout", text(1, made[1][0]), "RolloutService")[0])
    counts = fields(done[16][0])
    if done[11] != [COMPLETED] or counts[4] != [len(names)]:
        raise SystemExit(f"bench: the rollout is {done[11]} with {counts}")
    return took


def settle(options, names):
    """Waits until no workload changes, because what a run has left would take time of the next one, and all stores are READY, because a rollout skips others."""
    client = Client(options.port)
    while True:
        found = json.loads(kubectl("get", "deployments,statefulsets", "-A", "-o", "json"))["items"]
        own = [it for it in found if it["metadata"]["namespace"].removeprefix("store-") in names]
        if own and all(is_rolled_out(it) for it in own) and all(client.is_ready(name) for name in names):
            return time.sleep(3)
        time.sleep(1)


def is_rolled_out(workload):
    status, wanted = workload["status"], workload["spec"]["replicas"]
    observed = status.get("observedGeneration") == workload["metadata"]["generation"]
    return observed and wanted == status.get("updatedReplicas", 0) == status.get("readyReplicas", 0) == status.get("replicas", 0)


def create(options, names):
    """The stores of the rollout, READY. They are STAGING, and so run no scheduled tasks: the pods of these would use the processors in bursts."""

    def one(store_id):
        client = Client(options.port)
        client.create(store_id, {"bench": "rollout"}, STAGING)
        client.settle(store_id)
        client.ready(store_id)

    in_parallel(one, names)


def measure(options):
    names = [f"rollout-{n}" for n in range(options.rollout)]
    create(options, names)
    (Path(options.state) / "values").mkdir()

    def keep(store_id):
        values = helm(options, "get", "values", *release(store_id), "-o", "json")
        (Path(options.state) / "values" / store_id).write_text(values)

    in_parallel(keep, names)
    for plan in WARM_UP:
        settle(options, set(names))
        bare(options, names[:WARMED], plan)
    times = {"ours": [], "bare": []}
    for who, plan in ORDER:
        settle(options, set(names))
        times[who].append({"ours": ours, "bare": bare}[who](options, names, plan))
        print(f"rollout: {who} {times[who][-1]:.1f} s", flush=True)
    means = {who: statistics.mean(taken) for who, taken in times.items()}
    return {"stores": len(names), "parallelism": PARALLELISM, **means}
