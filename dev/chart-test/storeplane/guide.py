"""The values in docs/install.md and the examples render, for the server and for its stores."""

import re
import tempfile
import textwrap
from pathlib import Path

import yaml

from harness import CHART, HELMS, HERE, ROOT, call

GUIDE = ROOT / "docs" / "install.md"
SHOP = ROOT / "charts" / "woocommerce"
CLOUDNATIVE_PG = CHART / "examples" / "cloudnative-pg-values.yaml"


def values():
    """The guide's two values files, each with the files that its helm command names before it; and what can be added to the first."""
    text = GUIDE.read_text()
    managed = re.findall(r"```yaml\n(.*?)```", text, re.S)
    vps = re.findall(r"cat >values.yaml <<'EOF'\n(.*?)\n *EOF\n", text, re.S)
    assert len(managed) == 7 and len(vps) == 1, "the guide has other values now"
    return [([], textwrap.dedent(managed[0])), ([CLOUDNATIVE_PG], textwrap.dedent(vps[0]))], managed[1:]


def rendered():
    whole, additions = values()
    for before, text in whole:
        stores = yaml.safe_load(text)["stores"]
        with tempfile.TemporaryDirectory() as folder:
            own, shop = Path(folder) / "values.yaml", Path(folder) / "store-values.yaml"
            own.write_text(text)
            shop.write_text(yaml.safe_dump(stores["values"]))
            commands = [
                ["storeplane", CHART, *before, own],
                ["store-demo", SHOP, *[SHOP / name for name in stores.get("valuesFiles", [])], shop, HERE / "woocommerce" / "store.yaml"],
            ]
            for helm in HELMS.values():
                for release, chart, *files in commands:
                    code, out = call(helm, "template", release, chart, *[part for name in files for part in ("-f", name)])
                    assert code == 0, out
                hosts = [rule["host"] for o in yaml.safe_load_all(out) if o and o["kind"] == "Ingress" for rule in o["spec"]["rules"]]
                assert hosts, "the shop has no Ingress"
    with tempfile.TemporaryDirectory() as folder:
        own, addition = Path(folder) / "values.yaml", Path(folder) / "addition.yaml"
        own.write_text(whole[0][1])
        for text in additions:
            addition.write_text(text)
            for helm in HELMS.values():
                code, out = call(helm, "template", "storeplane", CHART, "-f", own, "-f", addition)
                assert code == 0, out


CHECKS = {"docs/install.md: its values render": rendered}
