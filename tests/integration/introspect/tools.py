"""The tools whose questions are recorded: how each is run, and in which file of the corpus it is."""

import os
import pathlib
import re
import subprocess
import sys
import urllib.parse

from conftest import ROOT

import psql_runs

HERE = pathlib.Path(__file__).parent
NODE = HERE.parent / "node"
NEWER = ROOT / ".cache" / "clients"  # what script/record-introspection unpacks


def version_of(command):
    out = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=30).stdout
    return re.search(r"\(PostgreSQL\) (\d+)", out)[1]


def postgres_programs(pg):
    """{major: function from a program's name to its command}"""
    found = {version_of([pg.bin / "psql"]): lambda name: [str(pg.bin / name)]}
    for root in sorted(NEWER.glob("*/")):
        loader = next(root.glob("usr/lib*/ld-linux-*.so.*"), None)
        binaries = next(root.glob("usr/lib/postgresql/*/bin"), None)
        libraries = [str(p) for p in root.glob("usr/lib/*-linux-gnu")]
        if loader and binaries:
            def of(name, loader=loader, binaries=binaries, libraries=libraries):
                return [str(loader), "--library-path", ":".join(libraries), str(binaries / name)]
            found[version_of(of("psql"))] = of
    return found


class Run:
    """One run of one tool: a command, or a function that is given the environment."""

    def __init__(self, corpus, what, command=None, stdin=None, call=None, cwd=None):
        self.corpus, self.what, self.cwd = corpus, what, cwd
        self.command, self.stdin, self.call = command, stdin, call

    def run(self, env):
        env = {**os.environ, **env, "PSQL_EDITOR": "true", "PSQL_HISTORY": "/dev/null"}
        if self.call:
            self.call(env)
            return
        done = subprocess.run(self.command, env=env, input=self.stdin, capture_output=True,
                              text=True, timeout=300, cwd=self.cwd)
        assert done.returncode == 0, f"{self.what}\n{done.stderr[-3000:]}"


# Twice a whole dump, by COPY and by INSERT, and what its options ask in other words.
PG_DUMP = [[], ["-s"], ["-a", "--inserts"], ["-Fc", "-b", "-f", "{tmp}/fc"],
           ["-n", "rich", "--enable-row-security", "--column-inserts", "--quote-all-identifiers"],
           ["-t", "rich.orders", "-x", "-O", "--lock-wait-timeout=1000"],
           ["-C", "--clean", "--if-exists", "--serializable-deferrable", "--no-subscriptions"],
           ["-Fd", "-j", "2", "-f", "{tmp}/fd"]]


def psql(programs, quick):
    for major, of in programs.items():
        yield Run(f"psql-{major}", f"psql {major}", of("psql") + ["-X"], psql_runs.script(int(major), quick))
        yield Run(f"psql-{major}-completion", f"TAB in psql {major}",
                  call=lambda env, of=of: psql_runs.complete(of("psql"), env, quick))


def dumps(programs, tmp):
    for major, of in programs.items():
        for n, args in enumerate(PG_DUMP):
            (tmp / f"{major}-{n}").mkdir()
            yield Run(f"pg_dump-{major}", f"pg_dump {major} {' '.join(args)}", of("pg_dump") + [
                a.format(tmp=tmp / f"{major}-{n}") for a in args])
    of = next(iter(programs.values()))
    yield Run("pg_dumpall", "pg_dumpall -g", of("pg_dumpall") + ["-g", "--no-role-passwords", "-l", "rich"])
    yield Run("pg_dumpall", "oid2name", of("oid2name") + ["-S", "-x", "-i", "-d", "rich"])


def python(url, quick):
    def script(name, *args):
        return [sys.executable, str(HERE / name), *args]

    for driver in ("psycopg", "psycopg2", "asyncpg"):
        yield Run("sqlalchemy", f"SQLAlchemy with {driver}",
                  script("sqlalchemy_reads.py", url(f"postgresql+{driver}")))
    yield Run("sqlalchemy", "SQLAlchemy in autocommit",
              script("sqlalchemy_reads.py", url("postgresql+psycopg"), "AUTOCOMMIT"))
    yield Run("alembic", "Alembic", script("alembic_reads.py", url("postgresql+psycopg"), *["reads"] * quick))
    yield Run("django", "Django", script("django_reads.py"))
    yield Run("drivers", "psycopg, psycopg2, asyncpg", script("drivers_reads.py", url("postgresql")))


def node(url, packages, tmp):
    for name in ("pg", "knex", "typeorm"):
        yield Run(name, name, ["node", str(NODE / "introspect.js"), name, url("postgresql")], cwd=packages)
    yield Run("drizzle", "drizzle-kit pull", [
        "env", f"BS_URL={url('postgresql')}", f"BS_OUT={tmp}/drizzle", "node",
        "node_modules/drizzle-kit/bin.cjs", "pull", f"--config={NODE / 'drizzle.config.js'}"], cwd=packages)


def runs(recorder, actor, packages, tmp, quick=False):
    """All of them; `quick`: one version of each, and less of what psql can do."""
    def url(scheme):
        e = recorder.env(actor)
        password = urllib.parse.quote(e["PGPASSWORD"], safe="")
        return f"{scheme}://{actor}:{password}@127.0.0.1:{e['PGPORT']}/{e['PGDATABASE']}"

    programs = postgres_programs(recorder.pg)
    if quick:
        programs = dict([next(iter(programs.items()))])
    yield from psql(programs, quick)
    yield from dumps(programs, tmp)
    yield from python(url, quick)
    yield from node(url, packages, tmp)
