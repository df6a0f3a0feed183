"""The images' programs, without Medusa and PostgreSQL: both run in real pods only (dev/acceptance)."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

from harness import CHART
from images import stand_in

IMAGES = CHART.parent.parent / "images"
OWN = IMAGES / "medusa"
APP = OWN / "app" / "storeplane"
DATABASE = IMAGES / "medusa-db"
ROOT = Path("rootfs", "usr", "local")
PASSWORD = "it's-the-shops-own"


def copies():
    """transfer.sh is the same in all images, and the programs for uploads differ from those of the other engine in names alone."""
    common = (IMAGES / "store-db" / "transfer.sh").read_bytes()
    for copy in (OWN / ROOT / "share" / "storeplane" / "transfer.sh", DATABASE / "transfer.sh"):
        assert copy.read_bytes() == common, f"copy images/store-db/transfer.sh to {copy}"
    names = {"WooCommerce": "Medusa", "/var/www/html/wp-content/uploads": "/srv/uploads", "nginx serves no hidden files": "hidden files are not served"}
    for name in ("bin/backup-uploads", "bin/restore-uploads", "share/storeplane/uploads.sh"):
        text = (IMAGES / "store" / ROOT / name).read_text()
        for theirs, ours in names.items():
            text = text.replace(theirs, ours)
        assert (OWN / ROOT / name).read_text() == text, f"{name} differs from that of images/store"


def passwords():
    """PostgreSQL gets the password on its standard input: it is in no file, in no argument and not in its environment."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir()
        (data / "PG_VERSION").write_text("17\n")
        script = """case $1 in
--version) echo 'postgres (PostgreSQL) 17.6 (Debian 17.6-1)' ;;
--single) { echo "single $*"; cat; } >&3 ;;
*) { echo "ENVIRONMENT $*"; env; echo FILES; grep -rl "shops-[o]wn" "$TMPDIR"; } >&3; exit 0 ;;
esac"""
        env = stand_in(folder, "postgres", script) | {"PGDATA": str(data), "POSTGRES_DB": "store_a", "POSTGRES_USER": 'sh"op', "POSTGRES_PASSWORD": PASSWORD}
        read, write = os.pipe()
        command = f'exec 3>&{write}; exec bash "{DATABASE / "docker-entrypoint.sh"}"'
        done = subprocess.run(["bash", "-c", command], env=env, capture_output=True, text=True, check=False, timeout=20, pass_fds=[write])
        os.close(write)
        said = os.fdopen(read).read()
    assert done.returncode == 0, done.stderr
    statements, _, rest = said.partition("ENVIRONMENT")
    assert "ALTER ROLE \"sh\"\"op\" LOGIN CREATEDB PASSWORD 'it''s-the-shops-own';" in statements, said
    assert 'CREATE DATABASE "store_a" OWNER "sh""op";' in statements, said
    environment, _, written = rest.partition("FILES")
    assert PASSWORD not in environment and "config_file=" in environment, "the password is in PostgreSQL's environment"
    assert not written.strip(), f"the password is in {written}"


def other_version():
    """A data directory of another version is left as it is, and the message says what to do."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "PG_VERSION").write_text("16\n")
        env = stand_in(folder, "postgres", "echo 'postgres (PostgreSQL) 17.6'") | {"PGDATA": folder}
        done = subprocess.run(["bash", DATABASE / "docker-entrypoint.sh"], env=env, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 1 and "is of PostgreSQL 16, this is 17" in done.stderr, done.stderr


def readiness():
    """The database is ready if it answers and its volume takes a megabyte; if not, the output says why."""
    script = (CHART / "files" / "database-ready.sh").read_text()

    def probe(answer, folder, size=None):
        env = stand_in(folder, "pg_isready", answer)
        (Path(folder) / "data").mkdir()
        text = script.replace("/var/lib/postgresql/data", f"{folder}/data")
        limit = f"trap '' XFSZ; ulimit -f {size}; " if size is not None else ""
        done = subprocess.run(["sh", "-c", limit + text], env=env, capture_output=True, text=True, check=False, timeout=20)
        assert not list((Path(folder) / "data").iterdir()), "the probe left a file"
        return done.returncode, done.stdout

    for answer, size, code, says in (("exit 0", None, 0, ""), ("exit 1", None, 1, "PostgreSQL does not answer"), ("exit 0", 64, 1, "cannot write to its volume")):
        with tempfile.TemporaryDirectory() as folder:
            done, out = probe(answer, folder, size)
            assert done == code and says in out, out


def node(script):
    """Runs a program that prints JSON. Only modules of the image that need no package."""
    done = subprocess.run(["node", "-e", script], cwd=APP, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def sign_ins():
    """Ten sign-ins at once, then one more every two seconds, for each address; a flood of addresses is forgotten, oldest first."""
    found = node("""const { SignInLimit } = require('./sign-in-limit');
        const limit = new SignInLimit(), at = (seconds, address = 'a') => limit.allows(address, seconds * 1000);
        const burst = Array.from({ length: 12 }, () => at(0)).filter(Boolean).length;
        const later = [at(1), at(2), at(2), at(0, 'b')];
        for (let i = 0; i < 20000; i++) at(2, `x${i}`);
        console.log(JSON.stringify({ burst, later, forgotten: at(2) }))""")
    assert found == {"burst": 10, "later": [False, True, False, True], "forgotten": True}, found


def customers_address():
    """Sign-ins are counted for the address that the proxy appended, not for what the customer wrote before it."""
    found = node("""const { clientAddress } = require('./sign-in-limit');
        const of = (header) => clientAddress({ headers: header ? { 'x-forwarded-for': header } : {}, socket: { remoteAddress: 'peer' } });
        console.log(JSON.stringify([of('1.2.3.4, 5.6.7.8'), of('5.6.7.8'), of('')]))""")
    assert found == ["5.6.7.8", "5.6.7.8", "peer"], found


def redirects():
    """GET and HEAD requests to the shop's other host names are redirected, with path and query; others, and requests to no host name of the shop, are answered."""
    found = node("""const { createServer, request } = require('node:http');
        const { hostRedirect } = require('./host-redirect');
        const url = 'https://shop.example.com', redirect = hostRedirect(url, 'store-a.example.org a.example.com'), without = hostRedirect(url, '');
        const asked = [['GET', '/store/products?a=1&b=%20', 'a.example.com'], ['HEAD', '/app', 'STORE-A.example.org:8080'], ['GET', '//example.net', 'a.example.com.'],
          ['POST', '/', 'a.example.com'], ['OPTIONS', '/', 'a.example.com'], ['GET', 'http://example.net/', 'a.example.com'], ['GET', '/', 'shop.example.com'], ['GET', '/', '10.0.0.1:8080'],
          ['GET', '/', 'store', { 'x-forwarded-host': 'a.example.com' }]];
        let plain = 0;
        without({ method: 'GET', url: '/', headers: {} }, {}, () => plain++);
        const server = createServer((ask, answer) => redirect(ask, answer, () => answer.end())).listen(0, '127.0.0.1', async () => {
          const said = [];
          for (const [method, path, host, headers] of asked) {
            said.push(await new Promise((done, fail) => request({ port: server.address().port, method, path, headers: { ...headers, host } },
              ({ statusCode, headers: { location, 'cache-control': age } }) => done(location ? [statusCode, location, age] : statusCode)).on('error', fail).end()));
          }
          console.log(JSON.stringify({ said, plain }));
          process.exit();
        });""")
    there = [f"https://shop.example.com{path}" for path in ("/store/products?a=1&b=%20", "/app", "//example.net")]
    assert found == {"said": [[308, url, "max-age=300"] for url in there] + [200] * 6, "plain": 1}, found


def database_url():
    """The database's URL has any password, and TLS is as the values say."""
    found = node("""const { databaseUrl, databaseDriverOptions } = require('./database-settings');
        const of = (more) => ({ STORE_DB_HOST: 'fd00::1', STORE_DB_NAME: 'a b', STORE_DB_USER: 'u', STORE_DB_PASSWORD: 'p@:/?#', ...more });
        const wrong = (() => { try { databaseDriverOptions(of({ STORE_DB_TLS: 'maybe' })) } catch (error) { return error.message } })();
        console.log(JSON.stringify([databaseUrl(of()), databaseDriverOptions(of({ STORE_DB_TLS: 'verify' })).connection, wrong]))""")
    assert found[0] == "postgres://u:p%40%3A%2F%3F%23@[fd00::1]:5432/a%20b" and found[1] == {"ssl": {"rejectUnauthorized": True}}, found
    assert "must be none, require or verify" in found[2], found


def inline():
    """The shop page works under its own Content-Security-Policy: no script, style or event handler stands in a page."""
    pages = list((OWN / "app" / "shop").glob("*.html"))
    assert len(pages) == 5, pages
    for page in pages:
        text = page.read_text()
        assert "<style" not in text and "style=" not in text and not [tag for tag in text.split("<script")[1:] if not tag.startswith(' type="module" src="/assets/')], page.name
        assert " on" not in text.replace(" on ", ""), f"{page.name} has an event handler"
        assert '<html lang="en">' in text and "<h1>" in text and 'role="status"' in text, page.name


CHECKS = {
    "programs that are copies are equal": copies,
    "the database's password is in no file": passwords,
    "a data directory of another version is refused": other_version,
    "a database that cannot write is not ready": readiness,
    "sign-ins are limited": sign_ins,
    "sign-ins are counted by the customer's address": customers_address,
    "other host names are redirected": redirects,
    "the database's URL": database_url,
    "nothing inline in the shop page": inline,
}
