"""The images' entry points for backups, with a storage in this process and stand-ins for age and zstd. Real databases and pods are not part of these tests."""

import contextlib
import hashlib
import http.server
import os
import re
import subprocess
import tempfile
import threading
from pathlib import Path

from images import IMAGES, stand_in

ROOT = IMAGES / "store" / "rootfs" / "usr" / "local"
COPIES = (IMAGES / "store-db" / "transfer.sh", ROOT / "share" / "storeplane" / "transfer.sh")
PIECE = 4096
# It "encrypts" by writing the recipient in front, and "decrypts" only with the same text as the identity.
AGE = """case $1 in
-R) cat "$2" - ;;
-d) size=$(stat -c %s "$3"); [ "$(head -c "$size")" = "$(cat "$3")" ] || { echo "age: error: no identity matched" >&2; exit 1; }; cat ;;
esac"""
ZSTD = "case $* in *-d*) gzip -dc ;; *) gzip -nc ;; esac"


class Storage(http.server.ThreadingHTTPServer):
    """PUT and GET with Range. `answers`: statuses that the next requests get instead; the last one stays."""

    def __init__(self):
        self.objects, self.answers, self.requests = {}, [], 0
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, content=b""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def planned(self):
        self.server.requests += 1
        answers = self.server.answers
        if answers:
            self.answer(answers.pop(0) if len(answers) > 1 else answers[0])
            return True
        return False

    def do_PUT(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.planned():
            self.server.objects[self.path.split("?")[0]] = content
            self.answer(200)

    def do_GET(self):
        if not self.planned():
            content = self.server.objects[self.path.split("?")[0]]
            first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
            self.answer(206 if first < len(content) else 416, content[first : last + 1])

    def log_message(self, *_):
        pass


class Part:
    """The part `uploads` in a folder of its own: the volume, the Secret of a Job, and what its container would leave."""

    def __init__(self, folder, storage):
        self.folder, self.storage = Path(folder), storage
        for name in ("transfer", "spool", "shared", "uploads", "bin"):
            (self.folder / name).mkdir()
        for name, script in {"age": AGE, "zstd": ZSTD}.items():
            stand_in(self.folder / "bin", name, script)
        # the certificates' place is Debian's; arguments are kept to look for secrets
        curl = subprocess.run(["bash", "-c", "command -v curl"], capture_output=True, text=True, check=True).stdout.strip()
        stand_in(self.folder / "bin", "curl", f'echo "$*" >>"{folder}/arguments"; args=(); while [ $# != 0 ]; do [ "$1" = --cacert ] && shift || args+=("$1"); shift; done; exec {curl} "${{args[@]}}"')
        for name in ("backup-uploads", "restore-uploads"):
            text = (ROOT / "bin" / name).read_text().replace("/usr/local/share/storeplane", str(ROOT / "share" / "storeplane"))
            (self.folder / name).write_text(text)
        self.secret(recipient="key\n", identity="key\n", **{"part-size": str(PIECE), "uploads.urls": self.url("part", 1, 2, 3, 4, 5, 6)})

    def url(self, *names):
        kind, *numbers = names
        return "".join(f"http://127.0.0.1:{self.storage.server_port}/{kind}/{n}?signature=s3cr3t\n" for n in numbers)

    def secret(self, **files):
        for name, content in files.items():
            (self.folder / "transfer" / name).write_text(content)

    def run(self, name, retry_seconds=6):
        """Exit code and termination message. `retry_seconds`: for how long a request is tried again; 6 is enough for two more attempts, also on a busy machine."""
        self.path("message").write_text("")
        env = os.environ | {
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}", "STORE_TERMINATION_LOG": str(self.path("message")), "STORE_RETRY_SECONDS": str(retry_seconds),
            **{f"STORE_{n.upper()}": str(self.path(n)) for n in ("transfer", "spool", "shared", "uploads")},
        }
        done = subprocess.run(["bash", self.path(name)], env=env, capture_output=True, text=True, check=False, timeout=60)
        self.log = done.stderr
        return done.returncode, self.path("message").read_text().strip()

    def path(self, name):
        return self.folder / name

    def write(self, **files):
        for name, content in files.items():
            self.path(f"uploads/{name}").write_bytes(content)

    def files(self):
        return {str(p.relative_to(self.path("uploads"))): p.read_bytes() for p in self.path("uploads").rglob("*") if p.is_file()}

    def backed_up(self, **files):
        """A backup of these files, ready to be restored over others."""
        self.write(**files)
        code, message = self.run("backup-uploads")
        assert code == 0, self.log
        found = b"".join(content for _, content in sorted(self.storage.objects.items()))
        self.storage.objects = {"/object/1": found}
        self.secret(**{"uploads.url": self.url("object", 1), "uploads.bytes": str(len(found)), "uploads.sha256": hashlib.sha256(found).hexdigest()})
        for name in files:
            self.path(f"uploads/{name}").unlink()
        self.write(old=b"before")
        self.path("shared/database.exchanged").touch()
        return message, found


@contextlib.contextmanager
def part():
    with tempfile.TemporaryDirectory() as folder, Storage() as storage:
        yield Part(folder, storage)
        storage.shutdown()


CONTENT = {"a": os.urandom(3 * PIECE), "b": b"text"}


def copies():
    """Both images have the same transfer.sh."""
    assert COPIES[0].read_bytes() == COPIES[1].read_bytes(), "copy images/store-db/transfer.sh to images/store"


def round_trip():
    """A restore brings back what was backed up, piece by piece, and removes what was there; no secret is an argument of a process."""
    with part() as p:
        message, found = p.backed_up(**CONTENT)
        parts, source = -(-len(found) // PIECE), re.search(r'"source_bytes":(\d+)', message)[1]
        assert message == f'{{"bytes":{len(found)},"sha256":"{hashlib.sha256(found).hexdigest()}","source_bytes":{source},"parts":{parts}}}', message
        assert parts > 3, "the content is too small for this check"
        assert p.run("restore-uploads") == (0, f'{{"source_bytes":{source}}}'), p.log
        assert p.files() == CONTENT, p.files().keys()
        assert "s3cr3t" not in p.path("arguments").read_text() + p.log


def answers():
    """The exit code says what the storage answered; only passing answers are tried again."""
    cases = {(403,): 11, (400,): 11, (404,): 13, (410,): 13, (413,): 12, (507,): 12, (503,): 10, (429,): 10, (503, 429, 200): 0}
    for statuses, expected in cases.items():
        with part() as p:
            p.write(a=b"x")
            p.storage.answers = list(statuses)
            code, message = p.run("backup-uploads", 60 if expected == 0 else 6)
            assert code == expected and message, f"{statuses}: exit code {code}: {message}"
            assert (p.storage.requests > 1) == (expected in (0, 10)), f"{statuses}: {p.storage.requests} requests"


def unreachable():
    """A storage that refuses connections is tried again, then reported."""
    with part() as p:
        p.write(a=b"x")
        p.secret(**{"uploads.urls": "http://127.0.0.1:1/part\n"})
        code, message = p.run("backup-uploads")
        assert code == 10 and "does not answer" in message and "trying again" in p.log, message


def own_authority():
    """With the operator's authority curl trusts that one, otherwise the public ones."""
    with part() as p:
        p.write(a=b"x")
        for authority in ("/etc/ssl/certs/ca-certificates.crt", str(p.path("transfer/ca.crt"))):
            p.path("arguments").write_text("")
            assert p.run("backup-uploads")[0] == 0, p.log
            used = set(re.findall(r"--cacert (\S+)", p.path("arguments").read_text()))
            assert used == {authority}, used
            p.secret(**{"ca.crt": "a certificate"})


def too_large():
    """A backup that needs more URLs than there are ends with a code of its own."""
    with part() as p:
        p.write(**CONTENT)
        p.secret(**{"uploads.urls": p.url("part", 1)})
        assert p.run("backup-uploads")[0] == 22, p.log


def refused():
    """Nothing is changed by an object that is damaged, incomplete, of another engine, or encrypted with another key."""
    def damaged(p, found):
        p.storage.objects["/object/1"] = found[:PIECE] + b"?" + found[PIECE + 1 :]

    def short(p, found):
        p.storage.objects["/object/1"] = found[:-10]

    def other_sum(p, found):
        p.secret(**{"uploads.sha256": "0" * 64})

    def other_key(p, found):
        p.secret(identity="other\n")

    def other_engine(p, found):
        label = b"storeplane: uploads"
        content = subprocess.run(["gzip", "-dc"], input=found[4:], capture_output=True, check=True).stdout.replace(label, b"another: uploads   ")
        content = b"key\n" + subprocess.run(["gzip", "-nc"], input=content, capture_output=True, check=True).stdout
        p.storage.objects["/object/1"] = content
        p.secret(**{"uploads.bytes": str(len(content)), "uploads.sha256": hashlib.sha256(content).hexdigest()})

    def other_part_failed(p, found):
        p.path("shared/database.exchanged").unlink()
        p.path("shared/database.failed").write_text("32\nthe import failed\n")

    for change, expected in {damaged: 30, short: 31, other_sum: 31, other_key: 30, other_engine: 34, other_part_failed: 32}.items():
        with part() as p:
            _, found = p.backed_up(**CONTENT)
            change(p, found)
            code, message = p.run("restore-uploads")
            assert code == expected and message, f"{change.__name__}: exit code {code}: {message}"
            assert p.files() == {"old": b"before"}, f"{change.__name__}: {p.files().keys()}"


def killed():
    """A restore that was killed between its renames puts back what was there before it begins again."""
    for folder, moved in ((".storeplane-replacing", {}), (".storeplane-replaced", {"new": b"of the backup"})):
        with part() as p:
            p.backed_up(**CONTENT)
            p.path(f"uploads/{folder}").mkdir()
            p.path("uploads/old").rename(p.path(f"uploads/{folder}/old"))
            p.write(**moved)
            p.path("uploads/.storeplane-restored").mkdir()
            p.secret(identity="other\n")
            assert p.run("restore-uploads")[0] == 30, p.log
            assert p.files() == {"old": b"before"}, p.files().keys()


def outside():
    """Links that lead out of the uploads are left out, others are kept."""
    with part() as p:
        p.path("uploads/out").symlink_to("/etc/passwd")
        p.path("uploads/in").symlink_to("a")
        p.backed_up(**CONTENT)
        for name in ("in", "out"):
            p.path(f"uploads/{name}").unlink()
        assert p.run("restore-uploads")[0] == 0, p.log
        assert p.path("uploads/in").is_symlink() and not p.path("uploads/out").is_symlink(), p.log


CHECKS = {
    "both copies of transfer.sh are equal": copies,
    "a restore brings back what was backed up": round_trip,
    "exit codes say what the storage answered": answers,
    "an unreachable storage is tried again": unreachable,
    "a storage may have an authority of its own": own_authority,
    "a backup that is too large ends": too_large,
    "a refused restore changes nothing": refused,
    "a killed restore puts back what was there": killed,
    "restored links stay within the uploads": outside,
}
