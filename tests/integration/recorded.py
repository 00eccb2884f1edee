"""What a client really sends, as the gateway's own audit log has it.

A corpus file of tests/data/introspection holds entries; "-- next" begins one, "-- then" parts the
texts of one session that belong together (PREPARE and its EXECUTE, a cursor and its FETCH).
"""

import contextlib
import json
import pathlib
import re
import subprocess

import psycopg

from conftest import ROOT, Gateway, running, wait_until

CORPUS = ROOT / "tests" / "data" / "introspection"
DATABASE = "rich"

# Every statement runs whatever it is, so that one finding does not hide those after it.
LET_ALL = {"name": "all", "actors": ["ann"], "risk": ["SAFE", "HIGH", "CRITICAL"],
           "action": "allow", "recovery": "none"}


def make_database(pg):
    """The rich schema in a database of its own: its event trigger must not see other tests."""
    with pg.admin("postgres") as c:
        c.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        c.execute("DROP ROLE IF EXISTS rich_readers")
        c.execute(f"CREATE DATABASE {DATABASE}")
    done = subprocess.run(
        [str(pg.bin / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", str(pg.folder),
         "-p", str(pg.port), "-U", "postgres", "-d", DATABASE, "-f", CORPUS / "schema.sql"],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def drop_database(pg):
    with pg.admin(DATABASE) as c:
        c.execute("ALTER SUBSCRIPTION rich_sub DISABLE")
        c.execute("DROP SUBSCRIPTION rich_sub")
    with pg.admin("postgres") as c:
        c.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
        c.execute("DROP ROLE rich_readers")


def dsn(pg, user):
    """The same way as pg.conninfo, to the rich database."""
    return psycopg.conninfo.make_conninfo(pg.conninfo(user), dbname=DATABASE)


class Recorder:
    """A gateway before that database. `ann` may do all, `bob` what the defaults let pass: SAFE."""

    def __init__(self, pg):
        self.pg = pg
        self.gateway = Gateway(pg, tls=False, policy={"rules": [LET_ALL]}, extra={
            "databases": {DATABASE: {"upstream": dsn(pg, "app_trust"),
                                     "helper": dsn(pg, "backstop")}},
            "hold": {"wait": "0s"}, "audit_safe": "all"})
        self.gateway.databases = {DATABASE: None}

    def env(self, actor):
        """libpq's variables."""
        return {"PGHOST": "127.0.0.1", "PGPORT": str(self.gateway.port), "PGUSER": actor,
                "PGPASSWORD": self.gateway.passwords[actor], "PGDATABASE": DATABASE,
                "PGSSLMODE": "disable"}

    def url(self, actor, scheme="postgresql"):
        e = self.env(actor)
        return (f"{scheme}://{actor}:{e['PGPASSWORD']}@127.0.0.1:{e['PGPORT']}/{DATABASE}")

    def records(self):
        lines = []
        for path in sorted(pathlib.Path(self.gateway.folder, "audit").glob("audit-*.jsonl")):
            lines += [json.loads(line) for line in path.read_text().splitlines()]
        return lines

    @contextlib.contextmanager
    def recording(self):
        """Gives a list, which the end of the block fills with what was judged meanwhile."""
        before = len(self.records())
        found = []
        yield found
        # A session's last record follows all others of it.
        with contextlib.suppress(AssertionError):
            wait_until(lambda: self.idle(before), 10)
        found += [r for r in self.records()[before:] if r["kind"] == "judged"]

    def idle(self, before):
        new = self.records()[before:]
        opened = {r["session"] for r in new if r["kind"] == "session_open"}
        closed = {r["session"] for r in new if r["kind"] == "session_close"}
        return opened and opened <= closed


@contextlib.contextmanager
def a_recorder(pg):
    make_database(pg)
    recorder = Recorder(pg)
    try:
        with running(recorder.gateway, "ann", "bob"):
            yield recorder
    finally:
        drop_database(pg)


# --- a corpus --------------------------------------------------------------------------------

BOUND = re.compile(r"\s*(EXECUTE|FETCH|MOVE|CLOSE)\s+(?:[\w -]*\b(?:FROM|IN)\s+)?\"?([\w.]+)", re.I)
BINDS = re.compile(r"\s*(PREPARE|DECLARE)\s+\"?([\w.]+)", re.I)


def plain(text):
    """Without what differs from one recording to the next: OIDs, times, random names."""
    text = re.sub(r"\b(?!262144\b)(1[6-9]\d{3}|[2-9]\d{4}|\d{6,12})\b", "16384", text)
    text = re.sub(r"_django_curs_\d+_sync", "_django_curs_0_sync", text)
    text = re.sub(r"0001[0-9A-F]{4}-[0-9A-F]{8}-\d", "00010000-00000000-1", text)
    return text.strip("\n")


def entries(records):
    """Lists of texts, each once, in the order in which they were first sent."""
    found, binds = {}, {}
    for r in records:
        text = plain(r["statement"])
        bound, binding = BOUND.match(text), BINDS.match(text)
        if binding:
            binds[r["session"], binding[2].lower()] = text
        before = [binds[r["session"], bound[2].lower()]] if (
            bound and (r["session"], bound[2].lower()) in binds) else []
        key = tuple(re.sub(r"\d+", "0", t) for t in (*before, text))
        found.setdefault(key, [*before, text])
    # What was sent alone, and again as the first of several, is in the latter.
    with_more = {e[0] for e in found.values() if len(e) > 1}
    return [e for e in found.values() if len(e) > 1 or e[0] not in with_more]


def write(name, tools, texts):
    head = f"-- What {'; '.join(tools)} sent. Recorded by script/record-introspection.\n"
    body = "".join("-- next\n" + "\n-- then\n".join(e) + "\n" for e in texts)
    (CORPUS / f"{name}.sql").write_text(head + body)


def read(path):
    """The entries of a corpus file."""
    parts = re.split(r"^-- next\n", path.read_text(), flags=re.M)[1:]
    return [[t.rstrip("\n") for t in re.split(r"^-- then\n", p, flags=re.M)] for p in parts]


# Questions that are none: Alembic compares two defaults by asking the server to evaluate them.
WRITES = [re.compile(r"SELECT nextval\('rich\.numbers'\) = nextval\('rich\.numbers'::regclass\)")]


def is_write(text):
    return any(w.match(text) for w in WRITES)


def unsafe(records):
    """Those that were not SAFE, a line for each text."""
    found = {}
    for r in records:
        if r["risk"] != "SAFE" and not is_write(r["statement"]):
            found[plain(r["statement"])] = f"{r['risk']} {r.get('statement_kind')}"
    return found


def show_unsafe(what, records):
    found = unsafe(records)
    for text, risk in found.items():
        print(f"{what}: {risk}: {text[:600]}")
    return len(found)
