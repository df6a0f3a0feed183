"""The images' entry points, run with stand-ins for MariaDB and PHP. What they start is tested in real pods: dev/acceptance."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

import yaml

from harness import CHART

IMAGES = CHART.parent.parent / "images"
DATABASE = IMAGES / "store-db" / "docker-entrypoint.sh"
STORE = IMAGES / "store" / "rootfs" / "usr" / "local" / "bin" / "store"
PASSWORDS = {"MARIADB_PASSWORD": "it's-the-shops-own", "MARIADB_ROOT_PASSWORD": "only-for-root-here"}


def stand_in(folder, name, script):
    path = Path(folder) / name
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}", "TMPDIR": str(folder)}


def start_database(folder, tc_log=None):
    """Runs the database's entry point over an existing data directory. The stand-in for MariaDB prints its environment and reads its init file."""
    data = Path(folder) / "data"
    (data / "mysql").mkdir(parents=True)
    if tc_log is not None:
        (data / "tc.log").write_bytes(tc_log)
    env = stand_in(folder, "mariadbd", 'for a; do case $a in --init-file=*) cat "${a#*=}" ;; esac; done; echo ENVIRONMENT; env; echo FILES; grep -rlE "shops-[o]wn|only-for-[r]oot" "$TMPDIR" /run/mysqld 2>/dev/null')
    env |= PASSWORDS | {"MARIADB_DATABASE": "store_a", "MARIADB_USER": "shop"}
    done = subprocess.run(["bash", DATABASE, f"--datadir={data}"], env=env, capture_output=True, text=True, check=False, timeout=20)
    return data, done


def tc_log():
    """An empty transaction coordinator log is removed, one with content is kept."""
    for content, kept in ((b"", False), (bytes(24576), False), (b"\xfe\x23\x05\x74" + bytes(24572), True), (bytes(5) + b"x", True)):
        with tempfile.TemporaryDirectory() as folder:
            data, done = start_database(folder, content)
            assert done.stdout, done.stderr
            assert (data / "tc.log").exists() == kept, f"{content[:8]!r}: {done.stderr}"
            assert ("removing" in done.stderr) != kept, done.stderr


def passwords():
    """MariaDB gets the passwords, but they are in no file, in no argument and not in its environment."""
    with tempfile.TemporaryDirectory() as folder:
        _, done = start_database(folder)
    statements, _, rest = done.stdout.partition("ENVIRONMENT")
    assert "ALTER USER IF EXISTS 'root'@'localhost' IDENTIFIED BY 'only-for-root-here'" in statements, done.stderr
    assert "CREATE USER IF NOT EXISTS 'shop'@'%' IDENTIFIED BY 'it\\'s-the-shops-own'" in statements, statements
    for database in ("store\\_a", "store\\_a\\_restore", "store\\_a\\_replaced"):
        assert f"GRANT ALL ON `{database}`.* TO 'shop'@'%'" in statements, statements
    environment, _, written = rest.partition("FILES")
    for password in PASSWORDS.values():
        assert password not in environment, "a password is in MariaDB's environment"
    assert not written.strip(), f"passwords are in {written}"


def state(pid):
    """S: the process waits."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def ends_on_sigterm():
    """SIGTERM ends bootstrap, cron and check, and PHP with them. The shell gets it: as process 1, PHP would ignore it."""
    for command in ("bootstrap", "cron", "check"):
        with tempfile.TemporaryDirectory() as folder:
            env = stand_in(folder, "php", f"echo $$ >{folder}/pid; exec sleep 60")
            child = subprocess.Popen(["bash", STORE, command, "http://store/"], env=env)
            pid = Path(folder) / "pid"
            # Before the shell waits for PHP, SIGTERM ends the shell alone, which ends PHP only in a container.
            while not (pid.exists() and pid.read_text().strip() and state(child.pid) == "S"):
                time.sleep(0.01)
            child.terminate()
            code = child.wait(30)  # PHP would sleep for 60 s
            assert code == 143, f"{command}: exit code {code}"
            assert not Path(f"/proc/{pid.read_text().strip()}").exists(), f"{command}: PHP still runs"


def exit_code():
    """The exit code of PHP is that of the container."""
    with tempfile.TemporaryDirectory() as folder:
        env = stand_in(folder, "php", "exit 7")
        assert subprocess.run(["bash", STORE, "bootstrap"], env=env, check=False, timeout=20).returncode == 7


def readiness():
    """The database is ready if it answers and its volume takes a megabyte; if not, the output says why."""
    script = (CHART / "files" / "database-ready.sh").read_text()

    def probe(admin, folder, size=None):
        env = stand_in(folder, "mariadb-admin", admin)
        (Path(folder) / "data").mkdir()
        text = script.replace("/var/lib/mysql/data", f"{folder}/data")
        assert text != script
        limit = f"trap '' XFSZ; ulimit -f {size}; " if size is not None else ""
        done = subprocess.run(["sh", "-c", limit + text], env=env, capture_output=True, text=True, check=False, timeout=20)
        assert not list((Path(folder) / "data").iterdir()), "the probe left a file"
        return done.returncode, done.stdout

    with tempfile.TemporaryDirectory() as folder:
        assert probe("exit 0", folder) == (0, "")
    with tempfile.TemporaryDirectory() as folder:
        code, out = probe("exit 1", folder)
        assert code == 1 and "MariaDB does not answer" in out, out
    with tempfile.TemporaryDirectory() as folder:
        code, out = probe("exit 0", folder, 64)
        assert code == 1 and "cannot write to its volume" in out and "File too large" in out, out


def pinned():
    """`make up` imports the images that the charts ask for into k3s once, and pins them every time."""
    script = '''set -euo pipefail
    . dev/lib/parts.sh
    docker() { echo "docker $*" >>"$log"; [ "$1" != save ] || echo image; }
    compose() { echo "$*" >>"$log"; case $* in *"images ls"*) echo docker.io/storeplane/store-db:11.8-r2 ;; *import*) cat >/dev/null ;; esac; }
    images_into_k3s'''
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        env = os.environ | {"log": str(log)}
        done = subprocess.run(["bash", "-c", script], env=env, cwd=IMAGES.parent, capture_output=True, text=True, check=False, timeout=20)
        assert done.returncode == 0, done.stderr
        said = log.read_text()
    values = yaml.safe_load((CHART / "values.yaml").read_text())["images"]
    for image in (values["store"], values["database"]):
        name = f"docker.io/{image['repository']}:{image['tag']}"
        assert f"exec -T k3s ctr -n k8s.io images label {name} io.cri-containerd.pinned=pinned" in said, said
    images = said.count("docker image inspect")
    assert images >= 2 and said.count("images import -") == images - 1, said


CHECKS = {
    "`make up` pins imported images": pinned,
    "an empty tc.log does not stop the database": tc_log,
    "the database's passwords are in no file": passwords,
    "SIGTERM ends bootstrap and cron": ends_on_sigterm,
    "the container's exit code is PHP's": exit_code,
    "a database that cannot write is not ready": readiness,
}
