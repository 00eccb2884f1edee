"""PostgreSQL's own regression SQL, judged before it runs and watched while it does.

psql runs the files against a gateway in shadow mode, which judges and lets everything run. Between
it and the server stands a relay, which looks up what was said of each text before it passes it on,
and asks an observer what the text then did. Called SAFE and something changed: a failure, but for
what EXPLAINED names. Only read and called something else: a false alarm, which is counted.
"""

import argparse
import collections
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "integration"), str(ROOT / "tests" / "regress")]

import psycopg  # noqa: E402

import observer  # noqa: E402
from conftest import Postgres  # noqa: E402
from judge import Judge  # noqa: E402
from door import ENDS, Relay  # noqa: E402

# Settings that a SAFE text may change: display, planner and time-outs, by PostgreSQL's own sorting
# of them; and a few by name (row_security never lifts a policy: off makes the query fail). What RISK.md lets be set to one value only is here with that value.
CATEGORIES = re.compile(r"Query Tuning|Resource Usage / (Memory|Asynchronous)|"
                        r"Client Connection Defaults / (Locale|Statement Behavior)")
PLAIN = {"application_name", "escape_string_warning", "quote_all_identifiers", "search_path",
         "gin_fuzzy_search_limit", "row_security", "client_connection_check_interval", "seed"}
NEVER = {"session_replication_role", "check_function_bodies", "default_table_access_method",
         "default_tablespace", "temp_tablespaces", "role", "session_authorization",
         "default_toast_compression", "createrole_self_grant", "event_triggers"}
PINNED = {"default_transaction_read_only": "on",
          "standard_conforming_strings": "on", "backslash_quote": "safe_encoding",
          "client_encoding": "UTF8"}

# pg_largeobject and its index, as a descriptor that lo_open has opened for writing locks them.
LARGE_OBJECTS = re.compile(r"locks: (relation/RowExclusiveLock/\d+/(2613|2683)(, )?)+")

# What is called SAFE and does change something, and why that is right.
EXPLAINED = [
    ("a large object is read that was opened for writing, which was not called SAFE: its lock",
     lambda c, why: c.calls() & {"loread", "lo_lseek", "lo_lseek64", "lo_tell", "lo_tell64", "lo_close"}
     and all(LARGE_OBJECTS.fullmatch(w) for w in why)),
    ("ends what was judged when it was done", lambda c, why: set(c.kinds) & ENDS),
    ("FETCH: locks rows as the query of its cursor says, which was not called SAFE at its DECLARE",
     lambda c, why: set(c.kinds) <= {"FETCH", "MOVE"} and c.fetches_unsafe),
    ("DISCARD: temporary objects and settings of the session itself",
     lambda c, why: set(c.kinds) & {"DISCARD", "DISCARD ALL"}),
    ("ON COMMIT DELETE ROWS: a temporary table of the session is emptied, nothing else is written",
     lambda c, why: c.kinds == ["SELECT"] and not c.calls() and c.wal == ["Transaction/COMMIT"]
     and why == ["committed a transaction id", "write-ahead log: Transaction/COMMIT"]),
]

# What psql and pg_regress set for the expected output; it decides what some texts mean.
PG_REGRESS = {"PGTZ": "PST8PDT", "PGDATESTYLE": "Postgres, MDY", "LC_MESSAGES": "C",
              "PGOPTIONS": "-c intervalstyle=postgres_verbose"}
DATABASE = ("bytea_output TO 'hex'", "lc_messages TO 'C'", "lc_monetary TO 'C'",
            "lc_numeric TO 'C'", "lc_time TO 'C'", "timezone_abbreviations TO 'Default'")
# Nothing but the tests shall change anything.
SERVER = ("autovacuum = off", "wal_level = 'logical'", "max_wal_size = '4GB'",
          "checkpoint_timeout = '1h'", "max_replication_slots = 10")


# The gateway ends a session that reads text in another way, and psql ends with it.
LEXING = re.compile(rb"^set standard_conforming_strings (?:=|to) off;$.*?"
                    rb"^(?:re)?set standard_conforming_strings.*?;$", re.MULTILINE | re.DOTALL | re.IGNORECASE)


def prepare(pg):
    """A server that does nothing by itself, and a database as pg_regress makes it; its conninfo."""
    with pg.admin("postgres") as c:
        for setting in SERVER:
            c.execute("ALTER SYSTEM SET " + setting)
    pg.restart()
    with pg.admin("postgres") as c:
        c.execute("CREATE DATABASE regression TEMPLATE template0")
        for setting in DATABASE:
            c.execute("ALTER DATABASE regression SET " + setting)
    return psycopg.conninfo.make_conninfo("", host=str(pg.folder), port=pg.port, user="postgres",
                                          dbname="regression")


class Run:
    """The files, one after the other, in one database."""

    def __init__(self, pg, sources):
        self.pg, self.sources = pg, sources
        dsn = prepare(pg)
        self.lock, self.gone = threading.Lock(), threading.Condition()
        self.relays = []
        self.file, self.cases, self.look_at_wal = None, [], []
        self.build = pathlib.Path(tempfile.mkdtemp(prefix="bs-regress-"))
        self.build.chmod(0o755)
        for name in ("results", "testtablespace"):
            (self.build / name).mkdir()
            if os.geteuid() == 0:
                shutil.chown(self.build / name, "postgres", "postgres")
        self.observer = observer.Observer(dsn, [pg.data, self.build / "results"])
        self.door = self.build / "door"
        self.door.mkdir()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.door / f".s.PGSQL.{pg.port}"))
        self.listener.listen(8)
        threading.Thread(target=self._accept, daemon=True).start()
        self.judge = Judge(pg, psycopg.conninfo.make_conninfo(dsn, host=str(self.door)), dsn)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self.pg.folder / f".s.PGSQL.{self.pg.port}"))
                relay = Relay(self, client, server)
                with self.gone:
                    self.relays.append(relay)
                relay.start()

    def left(self, relay):
        with self.gone:
            self.relays.remove(relay)
            self.gone.notify_all()

    def alone(self, relay):
        """psql has one connection at a time: one before has ended, with all that it does at its end."""
        with self.gone:
            if not self.gone.wait_for(lambda: self.relays[0] is relay, timeout=20):
                raise RuntimeError("a session before has not ended")

    def one(self, name, seconds=900):
        """Runs a file; psql's output."""
        self.file = name
        env = {**os.environ, **PG_REGRESS, **self.judge.env(), "PGDATABASE": "regression", "PGSSLMODE": "disable",
               "PGGSSENCMODE": "disable", "PGAPPNAME": f"pg_regress/{name}",
               "PG_ABS_SRCDIR": str(self.sources), "PG_ABS_BUILDDIR": str(self.build),
               "PG_LIBDIR": str(self.build), "PG_DLSUFFIX": ".so"}
        text = LEXING.sub(b"", (self.sources / "sql" / f"{name}.sql").read_bytes())
        out = subprocess.run(["psql", "-X", "-a", "-q", "-v", "HIDE_TABLEAM=on",
                              "-v", "HIDE_TOAST_COMPRESSION=on"],
                             env=env, input=text, timeout=seconds, cwd=self.build,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._settle_wal()
        return out.stdout

    def _settle_wal(self):
        """Records can be read once they are on disk."""
        if self.look_at_wal:
            with self.pg.admin("regression") as c:
                c.execute("SELECT pg_logical_emit_message(false, 'regress', ''), pg_switch_wal()")
        for case, begin, end in self.look_at_wal:
            case.wal = self.observer.wal_between(begin, end)
        self.look_at_wal = []

    def categories(self):
        with self.pg.admin("regression") as c:
            return dict(c.execute("SELECT name, category FROM pg_settings").fetchall())

    def close(self):
        self.judge.close()
        self.listener.close()
        self.observer.monitor.close()
        shutil.rmtree(self.build, ignore_errors=True)


def changed_by(case, categories):
    """What a text changed that no SAFE one may, as words."""
    why = list(case.changed)
    for name, value in case.settings.items():
        plain = name in PLAIN or name not in NEVER and CATEGORIES.search(categories.get(name, ""))
        if case.failed is None and PINNED.get(name, value if plain else None) != value:
            why.append(f"setting {name} = {value}")
    if case.wal and case.failed is None:
        why.append("write-ahead log: " + ", ".join(case.wal))
    return why


def report(run, categories):
    """The whole of it, for JSON."""
    failures, explained = [], collections.Counter()
    for case in run.cases:
        why = changed_by(case, categories) if case.safe else []
        excuse = next((text for text, holds in EXPLAINED if why and holds(case, why)), None)
        if excuse:
            explained[excuse] += 1
        elif why:
            failures.append({**case.json(), "why": why})
    harmless = [c for c in run.cases if c.harmless]
    reads = [c for c in harmless if not c.opaque]
    alarms = [c for c in reads if not c.safe]
    clean = [c for c in reads if not c.after]
    groups = collections.Counter()
    for case in alarms:
        groups.update({shape_of(r) for r in case.reasons()} or {"no reason"})
    return {"texts": len(run.cases),
            "safe": sum(c.safe for c in run.cases), "failures": failures, "explained": explained,
            "reads": len(reads), "alarms": len(alarms), "opaque": len(harmless) - len(reads),
            "clean": len(clean), "clean_alarms": sum(not c.safe for c in clean),
            "opaque_reads": [c.json() for c in harmless if c.opaque],
            "false_alarms": [c.json() for c in alarms], "groups": groups.most_common()}


def shape_of(reason):
    """A reason without the names in it, to count alike ones."""
    text = re.sub(r'"[^"]*"', '"..."', reason["text"])
    text = re.sub(r"\b[\w$]+\.[\w$]+(\(\))?", "...", text)
    return f"{reason['code']}: {text}"


def schedule(sources):
    """The files in the order in which PostgreSQL itself runs them."""
    lines = (sources / "parallel_schedule").read_text().splitlines()
    return [name for line in lines if line.startswith("test:") for name in line[5:].split()]


def share(answer, of="reads", alarms="alarms"):
    return 100 * answer[alarms] / max(answer[of], 1)


def tell(answer):
    for f in answer["failures"]:
        print(f"FAILED {f['file']}: {f['why']}\n    {f['sql'][:300]}")
    for text, n in answer["groups"][:40]:
        print(f"{n:6} {text}")
    for text, n in answer["explained"].items():
        print(f"{n:6} called SAFE and changed something, explained: {text}")
    print(f"{answer['texts']} texts, {answer['safe']} called SAFE, {len(answer['failures'])} of them"
          f" changed something; {answer['reads']} reads, {answer['alarms']} not called SAFE"
          f" ({share(answer):.1f} %), and {answer['opaque']} that call code which nobody can read;"
          f" where no such code ran in the session before: {answer['clean']} reads,"
          f" {answer['clean_alarms']} not called SAFE ({share(answer, 'clean', 'clean_alarms'):.1f} %)")


def arguments():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--sources", type=pathlib.Path, required=True, help="src/test/regress")
    args.add_argument("--json", type=pathlib.Path, help="the whole of it, for programs")
    args.add_argument("--keep", type=pathlib.Path, help="a folder for psql's output")
    args.add_argument("files", nargs="*", help="test_setup goes first; default: the whole schedule")
    return args.parse_args()


def run_files(run, names, keep=None):
    for name in names:
        started, had = time.monotonic(), len(run.cases)
        try:
            output = run.one(name)
        except subprocess.TimeoutExpired as e:
            output = e.stdout or b""
            print(f"{name}: out of time", file=sys.stderr)
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{name}.out").write_bytes(output)
        print(f"{name}: {len(run.cases) - had} texts,"
              f" {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)


def main():
    args = arguments()
    sources = args.sources.resolve()
    names = args.files or schedule(sources)
    if "test_setup" not in names and (sources / "sql" / "test_setup.sql").exists():
        names.insert(0, "test_setup")
    pg = Postgres()
    try:
        run = Run(pg, sources)
        with contextlib.suppress(KeyboardInterrupt):  # what has run by then is reported
            run_files(run, names, args.keep)
        answer = report(run, run.categories())
        run.close()
    finally:
        pg.stop()
    if args.json:
        args.json.write_text(json.dumps(answer, indent=1))
    tell(answer)
    return 1 if answer["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
