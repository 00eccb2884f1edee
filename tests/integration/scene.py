"""A gateway whose lines, storage and helpers can be made to fail, and what must hold afterwards."""

import contextlib
import json
import os
import pathlib
import resource
import signal
import socket
import threading

import psycopg
import pytest

from conftest import Gateway, running, wait_until
from operator_side import Operator
from relay import Relay

ROWS = 400
SCHEMA = f"""
DROP SCHEMA IF EXISTS crash CASCADE;
CREATE SCHEMA crash AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE crash.t (id int PRIMARY KEY, v text);
CREATE TABLE crash.other (id int PRIMARY KEY);
INSERT INTO crash.t SELECT n, md5(n::text) FROM generate_series(1, {ROWS}) n;
INSERT INTO crash.other SELECT generate_series(1, 1000);
RESET ROLE;
"""
TRUNCATE, DROP = "TRUNCATE crash.t", "DROP TABLE crash.t"
DELETE, UPDATE = "DELETE FROM crash.t", "UPDATE crash.t SET v = 'x'"
COMMIT = b"COMMIT\0"
CLOSED = {"committed", "rolled_back", "not_used", "abandoned"}

# Stands for pg_dump or pg_restore: waits while NAME.stop exists, fails while NAME.fail exists.
PROGRAM = """#!/bin/sh
[ "$1" = --version ] && exec {real} "$@"
if [ -e {here}/{name}.stop ]; then : > {here}/{name}.reached; fi
while [ -e {here}/{name}.stop ]; do sleep 0.02; done
if [ -e {here}/{name}.fail ]; then echo "out of order" >&2; exit 1; fi
exec {real} "$@"
"""


class Program:
    """pg_dump or pg_restore as this gateway has it."""

    def __init__(self, here, name, real):
        self.here, self.name = here, name
        path = here / name
        path.write_text(PROGRAM.format(real=real, here=here, name=name))
        path.chmod(0o755)

    def file(self, what):
        return self.here / f"{self.name}.{what}"

    @contextlib.contextmanager
    def stopped(self):
        """Whoever runs it waits until the end of the block; gives a function that awaits one."""
        self.file("stop").touch()
        try:
            yield lambda: wait_until(self.file("reached").exists, 20, 0.005)
        finally:
            self.file("stop").unlink()
            self.file("reached").unlink(missing_ok=True)

    @contextlib.contextmanager
    def failing(self):
        self.file("fail").touch()
        try:
            yield
        finally:
            self.file("fail").unlink()

    def older(self):
        """One of an older version; too old for any server here."""
        (self.here / self.name).write_text('#!/bin/sh\necho "pg_dump (PostgreSQL) 9.6.24"\n')

    def pids(self):
        """Processes that still run it."""
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if str(self.here / self.name).encode() in path.read_bytes():
                    found.append(int(path.parent.name))
        return found


class Asking(threading.Thread):
    """One statement on a connection of its own; done() says how it ended."""

    def __init__(self, scene, run, **more):
        super().__init__(daemon=True)
        self.connection = scene.connect(**more)
        self.pid = self.connection.info.backend_pid
        self.held = threading.Event()
        self.connection.add_notice_handler(
            lambda notice: self.held.set() if "held" in notice.message_primary else None)
        self.act = run if callable(run) else lambda c: c.execute(run)
        self.error = None
        self.start()

    def run(self):
        try:
            self.act(self.connection)
        except psycopg.Error as error:
            self.error = error

    def done(self, seconds=20):
        """None where it succeeded; the SQLSTATE; or "lost" where only the connection ended."""
        self.join(seconds)
        assert not self.is_alive(), "the client waits for ever"
        self.connection.close()
        return None if self.error is None else self.error.sqlstate or "lost"

    def hang_up(self):
        """Only the socket: libpq is in the hands of another thread."""
        with socket.socket(fileno=os.dup(self.connection.fileno())) as s:
            s.shutdown(socket.SHUT_RDWR)


class Scene:
    def __init__(self, pg, **extra):
        self.pg = pg
        server = pg.folder / f".s.PGSQL.{pg.port}"
        self.actors, self.helpers = Relay(server), Relay(server)
        self.gateway = Gateway(pg, tls=False, extra={
            "databases": {"app": {
                "upstream": self.through(self.actors, "app_trust"),
                "helper": self.through(self.helpers, "backstop")}},
            **extra})
        tools = self.gateway.folder / "tools"
        tools.mkdir()
        self.pg_dump = Program(tools, "pg_dump", pg.bin / "pg_dump")
        self.pg_restore = Program(tools, "pg_restore", pg.bin / "pg_restore")
        config = json.loads(self.gateway.config.read_text())
        with pg.admin() as c:
            major = c.info.server_version // 10000
        config["recovery"] = {**config.get("recovery", {}),
                              "pg_dump": {str(major): str(tools / "pg_dump")}}
        self.gateway.config.write_text(json.dumps(config))
        self.operator = Operator(self.gateway)
        self.gateway.add_agent("bob")

    def through(self, relay, user):
        return psycopg.conninfo.make_conninfo("", host="127.0.0.1", port=relay.port, user=user,
                                              dbname="app", sslmode="disable")

    # --- acting ---

    def connect(self, **more):
        return self.gateway.connect("bob", **{"autocommit": True, **more})

    def ask(self, run, **more):
        return Asking(self, run, **more)

    def approve(self):
        ticket = self.operator.next_ticket()
        self.operator.decide(ticket["id"], "approve")
        return ticket["id"]

    def approved(self, run, **more):
        """Asks, approves, and goes on while it runs."""
        asking = self.ask(run, **more)
        asking.ticket = self.approve()
        return asking

    def kill(self):
        self.gateway.process.send_signal(signal.SIGKILL)
        self.gateway.process.wait()

    @contextlib.contextmanager
    def file_limit(self, size):
        """The gateway cannot make any file longer than that."""
        pid = self.gateway.process.pid
        soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            if self.gateway.process.poll() is None:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))

    # --- looking ---

    def query(self, sql, *params):
        with self.pg.admin() as c:
            return c.execute(sql, params).fetchall()

    def count(self):
        """Rows of crash.t; None where it is gone."""
        if self.query("SELECT to_regclass('crash.t')") == [(None,)]:
            return None
        return self.query("SELECT count(*) FROM crash.t")[0][0]

    def server_log(self):
        """What the server has said since the test began."""
        return self.pg.log.read_text()[self.log_at:]

    def points(self):
        return json.loads(self.gateway.cli("points", "list", "--json").stdout)["points"]

    def new_points(self):
        return [p for p in self.points() if p["point"] not in self.old]

    def events(self, point):
        shown = json.loads(self.gateway.cli("points", "show", point["point"], "--json").stdout)
        return [e["state"] for e in shown["events"]]

    def verifies(self, point):
        return self.gateway.cli("points", "verify", point["point"], check=False).returncode == 0

    def ticket_state(self, ticket):
        status, answer = self.operator.ask("GET", f"/v1/tickets/{ticket}")
        assert status == 200, answer
        return answer["state"]

    def audit(self):
        lines = []
        for path in sorted((self.gateway.folder / "audit").glob("audit-*.jsonl")):
            lines += [json.loads(line) for line in path.read_text().splitlines()]
        return lines

    def storage(self):
        return self.gateway.folder / "points"

    def waiting(self, pid):
        """Is that backend waiting for a lock?"""
        return self.query("SELECT 1 FROM pg_stat_activity WHERE pid = %s"
                          " AND wait_event_type = 'Lock'", pid) != []

    def locks(self):
        """What is still locked, or runs, for the gateway."""
        return self.query(
            "SELECT a.pid, a.state, l.relation::regclass::text, l.mode FROM pg_stat_activity a"
            " LEFT JOIN pg_locks l ON l.pid = a.pid AND l.locktype = 'relation'"
            " WHERE a.usename IN ('app_trust', 'backstop') AND a.datname = 'app'"
            " AND (a.state <> 'idle' OR l.pid IS NOT NULL)")

    # --- before and after each test ---

    def begin(self):
        with self.pg.admin() as c:
            c.execute(SCHEMA)
        self.old = {p["point"] for p in self.points()}
        self.log_at = len(self.pg.log.read_text())
        if self.gateway.process is None or self.gateway.process.poll() is not None:
            self.gateway.start()

    def settle(self, rows=ROWS, committed=None):
        """
        Nothing may be open, and what the points say must be what happened.

        rows       how many crash.t had
        committed  whether the statement must have taken effect; None: either
        """
        wait_until(lambda: not self.locks(), 5)
        wait_until(lambda: not self.operator.tickets("running"), 5)
        wait_until(lambda: all(p["outcome"] in CLOSED for p in self.new_points()
                               if p["outcome"] != "incomplete"), 15, 0.2)
        happened = self.count() != rows
        assert committed in (None, happened), "committed" if happened else "not committed"
        points = [p for p in self.new_points() if p["outcome"] not in ("incomplete", "abandoned")]
        done = [p for p in points if p["outcome"] == "committed"]
        assert len(done) == happened, points
        for point in points:
            assert self.verifies(point), point
        for point in done:
            held = {(t["schema"], t["name"]): t["rows"] for t in point["tables"]}
            assert held[("crash", "t")] == rows - (self.count() or 0), point
        assert list(self.gateway.folder.glob("spool/*")) == []
        self.works()
        audit = self.gateway.cli("audit", "verify", check=False)
        assert audit.returncode == 0, audit.stdout + audit.stderr
        return done[0] if done else None

    def works(self):
        """An agent reads, and gets an approved statement protected, as ever."""
        assert self.operator.tickets() == []
        with self.connect() as c:
            assert c.execute("SELECT 1").fetchone() == (1,)
        assert self.approved("DELETE FROM crash.other WHERE id <= 3").done() is None
        assert self.query("SELECT count(*) FROM crash.other") == [(997,)]

    def close(self):
        self.actors.close()
        self.helpers.close()


# --- for tests -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(pg):
    """A gateway for all tests of this file: that it goes on after each of them is tested, too."""
    scene = Scene(pg)
    with running(scene.gateway):
        yield scene
    scene.close()


@pytest.fixture(scope="module")
def hasty(pg):
    """One whose clocks are short."""
    scene = Scene(pg, hold={"wait": "20s", "notice": "1s", "decide": "3s", "redeem": "2s"},
                  recovery={"lock_budget": "2s"})
    with running(scene.gateway):
        yield scene
    scene.close()


@pytest.fixture
def scene(made):
    made.begin()
    yield made
    made.actors.clear()
    made.helpers.clear()
    made.helpers.refuse = False


@pytest.fixture
def impatient(hasty):
    hasty.begin()
    yield hasty


class Blocker:
    """A transaction of somebody else, past the gateway."""

    def __init__(self, scene, *statements):
        self.connection = psycopg.connect(host=str(scene.pg.folder), port=scene.pg.port,
                                          user="postgres", dbname="app")
        self.pid = self.connection.info.backend_pid
        for statement in statements:
            self.connection.execute(statement)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        self.connection.close()


def row_is_locked(scene):
    """DELETE and UPDATE wait for it after their capture; the capture's lock does not."""
    return Blocker(scene, "SELECT FROM crash.t WHERE id = 1 FOR UPDATE")


def newest(scene):
    """The folder of the point that is being made."""
    return max(scene.storage().glob("v1/*/*/rp/*/*/*/RP-*"), key=lambda p: p.name)
