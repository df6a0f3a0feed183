"""README.md of a chart, generated from values.yaml, the values files and README.md.in."""

import json
import re

import yaml

from harness import CHART, PLANS


def entries():
    """Every documented value: its path, default and line."""
    path, doc, values = [], None, yaml.safe_load((CHART / "values.yaml").read_text())
    for line in (CHART / "values.yaml").read_text().splitlines():
        if found := re.match(r"\s*# -- (.*)", line):
            doc = found[1]
        elif found := re.match(r"( *)([\w.-]+):", line):
            path = path[: len(found[1]) // 2] + [found[2]]
            if doc:
                default = values
                for key in path:
                    default = default[key]
                yield ".".join(path), default, doc
                doc = None


def cell(value):
    return value if isinstance(value, str) and value else json.dumps(value)


def differences(base, names):
    """A table of the values in values files, one column each; a missing value is the one of `base`."""
    columns = {n: yaml.safe_load((CHART / n).read_text()) or {} for n in names}

    def leaves(tree, path=()):
        for k, v in tree.items():
            if isinstance(v, dict):
                yield from leaves(v, path + (k,))
            else:
                yield path + (k,)

    def get(tree, path):
        for k in path:
            tree = tree.get(k) if isinstance(tree, dict) else None
        return tree

    rows = sorted({p for tree in columns.values() for p in leaves(tree)})
    default = yaml.safe_load((CHART / base).read_text())
    lines = ["| value | " + " | ".join(f"`{n}`" for n in names) + " |", "| --- |" + " --- |" * len(names)]
    for p in rows:
        got = [get(t, p) if get(t, p) is not None else get(default, p) for t in columns.values()]
        if len({json.dumps(g) for g in got}) > 1:
            lines.append(f"| `{'.'.join(p)}` | " + " | ".join(f"`{cell(g)}`" for g in got) + " |")
    return "\n".join(lines)


def text():
    table = ["| value | default | |", "| --- | --- | --- |"]
    table += [f"| `{name}` | `{cell(default)}` | {doc} |" for name, default, doc in entries()]
    parts = {
        "VALUES": "\n".join(table),
        "ENVIRONMENTS": differences("values.yaml", ["values-local.yaml", "values-prod.yaml"]),
    }
    if PLANS:
        parts["PLANS"] = differences("values.yaml", [f"plans/{p}.yaml" for p in PLANS])
    page = (CHART / "README.md.in").read_text()
    for name, part in parts.items():
        page = page.replace(f"@{name}@", part)
    return page


def check(update):
    path = CHART / "README.md"
    if update:
        path.write_text(text())
    leaves = {name for name, _, _ in entries()}
    assert len(leaves) > 60, "values.yaml lost its comments"
    assert path.read_text() == text(), "README.md is stale: `dev/chart-test/run --update`"
