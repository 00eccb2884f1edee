"""PostgreSQL's own regression suite, run directly and through the gateway: psql must print the same.

Each way has a fresh server of its own and takes the files in the order of PostgreSQL's schedule, one after
the other. The gateway lets everything run and records it (shadow mode). What differs is shown, but for what
ALLOWED names with its reason; README.md has them one by one.
"""

import argparse
import difflib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "integration"), str(ROOT / "tests" / "regress")]

from conftest import Gateway, Postgres  # noqa: E402
from regress import LEXING, PG_REGRESS, prepare, schedule  # noqa: E402

ACTOR = "regress"
OPTIONS = ["psql", "-X", "-a", "-q", "-v", "HIDE_TABLEAM=on", "-v", "HIDE_TOAST_COMPRESSION=on"]

# Functions by number (FunctionCall) are refused in shadow mode, too, but for what reads (docs/policies): psql's
# commands that use them are put as the refusal's hint says, so that all that follows from them is compared.
IN_SQL = [
    (re.compile(rb"^\\lo_unlink (\S+)$", re.MULTILINE), rb"SELECT lo_unlink(\1);"),
    (re.compile(rb"^\\lo_import :(\w+)$", re.MULTILINE), rb"""SELECT lo_import(:'\1') AS "LASTOID" \\gset"""),
]

# File, what the lines that differ look like, and why.
ALLOWED = []


class Way:
    """One server, and where psql finds it."""

    def __init__(self, name, sources):
        self.name, self.sources = name, sources
        self.pg = Postgres()
        dsn = prepare(self.pg)
        self.build = pathlib.Path(tempfile.mkdtemp(prefix="bs-regress-"))
        self.build.chmod(0o755)
        for folder in ("results", "testtablespace"):
            (self.build / folder).mkdir()
            if os.geteuid() == 0:
                shutil.chown(self.build / folder, "postgres", "postgres")
        self.gateway = None
        self.where = {"PGHOST": str(self.pg.folder), "PGPORT": str(self.pg.port), "PGUSER": "postgres"}
        if name == "gateway":
            self.gateway = Gateway(self.pg, {"regression": dsn}, tls=False, policy={"mode": "shadow"},
                                   extra={"audit_safe": "all", "databases": {"regression": {
                                       "upstream": dsn, "helper": dsn.replace("user=postgres", "user=backstop")}}})
            self.gateway.folder.chmod(0o755)
            self.gateway.add_agent(ACTOR)
            self.gateway.start()
            self.where = {"PGHOST": "127.0.0.1", "PGPORT": str(self.gateway.port), "PGUSER": ACTOR,
                          "PGPASSWORD": self.gateway.passwords[ACTOR]}

    def one(self, name, seconds=900):
        env = {**os.environ, **PG_REGRESS, **self.where, "PGDATABASE": "regression", "PGSSLMODE": "disable",
               "PGGSSENCMODE": "disable", "PGAPPNAME": f"pg_regress/{name}",
               "PG_ABS_SRCDIR": str(self.sources), "PG_ABS_BUILDDIR": str(self.build),
               "PG_LIBDIR": str(self.build), "PG_DLSUFFIX": ".so"}
        text = LEXING.sub(b"", (self.sources / "sql" / f"{name}.sql").read_bytes())
        for command, statement in IN_SQL:
            text = command.sub(statement, text)
        try:
            done = subprocess.run(OPTIONS, env=env, input=text, timeout=seconds, cwd=self.build,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            output = done.stdout
        except subprocess.TimeoutExpired as e:
            output = (e.stdout or b"") + b"\nOUT OF TIME\n"
        return output.replace(str(self.build).encode(), b"BUILD").decode(errors="replace")

    def close(self):
        if self.gateway:
            self.gateway.stop()
            self.gateway.remove()
        self.pg.stop()
        shutil.rmtree(self.build, ignore_errors=True)


def differences(name, direct, through):
    """The lines of a diff that nothing explains, and the reasons of the others."""
    lines = [line for line in difflib.unified_diff(direct.splitlines(), through.splitlines(), lineterm="", n=0)
             if not line.startswith(("---", "+++", "@@"))]
    left, reasons = [], set()
    for line in lines:
        why = next((reason for file, form, reason in ALLOWED
                    if re.fullmatch(file, name) and re.search(form, line[1:])), None)
        if why is None:
            left.append(line)
        else:
            reasons.add(why)
    return left, reasons


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--sources", type=pathlib.Path, required=True, help="src/test/regress")
    args.add_argument("--keep", type=pathlib.Path, help="a folder for psql's output of both ways")
    args.add_argument("files", nargs="*", help="test_setup goes first; default: the whole schedule")
    args = args.parse_args()
    sources = args.sources.resolve()
    names = args.files or schedule(sources)
    if "test_setup" not in names and (sources / "sql" / "test_setup.sql").exists():
        names.insert(0, "test_setup")
    ways, bad, explained = [], 0, 0
    try:
        for way in ("direct", "gateway"):
            ways.append(Way(way, sources))
        for name in names:
            outputs = [way.one(name) for way in ways]
            for way, output in zip(ways, outputs):
                if args.keep:
                    (args.keep / way.name).mkdir(parents=True, exist_ok=True)
                    (args.keep / way.name / f"{name}.out").write_text(output)
            left, reasons = differences(name, *outputs)
            bad += bool(left)
            explained += bool(reasons) and not left
            print(f"{name}: {'DIFFERS' if left else 'same but explained' if reasons else 'same'}", flush=True)
            for line in left[:40]:
                print(f"    {line[:200]}", flush=True)
            for reason in sorted(reasons):
                print(f"    {reason}", flush=True)
    finally:
        for way in ways:
            way.close()
    print(f"{len(names)} files: {len(names) - bad - explained} the same, {explained} explained, {bad} differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
