"""What can fail around a protected execution, as a table: storage, spool, state, helper, server, client.

In each row: the statement has not committed, its lock is gone within the budget, the operator is
told the cause, nothing is left behind, and the next statement is protected as ever.
"""

import contextlib
import re
import shutil
import sqlite3
import subprocess
import threading
import time

import psycopg
import pytest

from conftest import running, wait_until
from rawwire import Raw, query
from scene import COMMIT, ROWS, Scene, newest

BUDGET = 2.0  # seconds
SLACK = 1.0

STATEMENTS = {
    "DROP": "DROP TABLE crash.t",                            # locked, whole, with pg_dump
    "DELETE": "DELETE FROM crash.t",                         # locked, whole
    "UPDATE": "UPDATE crash.t SET v = 'x' WHERE id <= 100",  # rows, before COMMIT
}


class Locked(threading.Thread):
    """Watches how long somebody behind the gateway keeps others from writing crash.t."""

    def __init__(self, scene):
        super().__init__(daemon=True)
        self.scene, self.first, self.last, self.going = scene, None, None, True

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.going = False
        self.join()

    def run(self):
        while self.going:
            with contextlib.suppress(psycopg.Error), self.scene.pg.admin() as c:
                while self.going:
                    if c.execute(
                            "SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
                            " WHERE a.usename = 'app_trust' AND l.relation = to_regclass('crash.t')"
                            " AND l.granted AND l.mode IN ('ShareRowExclusiveLock',"
                            " 'AccessExclusiveLock')").fetchone() is not None:
                        self.last = time.monotonic()
                        self.first = self.first or self.last
                    time.sleep(0.01)
            time.sleep(0.05)

    def seconds(self):
        return self.last - self.first if self.first else 0.0


@pytest.fixture(scope="module")
def made(pg):
    scene = Scene(pg, recovery={"lock_budget": f"{BUDGET:.0f}s"})
    with running(scene.gateway):
        scene.begin()
        scene.works()  # every folder is there
        yield scene
    scene.close()


@pytest.fixture
def scene(made):
    made.begin()
    made.said = len(made.gateway.lines)
    yield made
    made.actors.clear()
    made.helpers.clear()


# --- the faults ------------------------------------------------------------------------------


@contextlib.contextmanager
def full(folder):
    """A file system of one page over it."""
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", folder],
                      capture_output=True).returncode != 0:
        pytest.skip("mount is not permitted here")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@contextlib.contextmanager
def storage_full(scene, run):
    with full(scene.storage()):
        yield run()


@contextlib.contextmanager
def spool_full(scene, run):
    with full(scene.gateway.folder / "spool"):
        yield run()


def stored(scene, run, change):
    """Changes what is in the store while it is being proven."""
    with scene.pg_restore.stopped() as reached:
        asking = run()
        reached()
        change()
    return asking


@contextlib.contextmanager
def storage_gone(scene, run):
    aside = scene.gateway.folder / "aside"
    try:
        yield stored(scene, run, lambda: scene.storage().rename(aside))
    finally:
        shutil.rmtree(scene.storage(), ignore_errors=True)
        aside.rename(scene.storage())


@contextlib.contextmanager
def storage_forgets(scene, run):
    """It has said that it has the object."""
    yield stored(scene, run, lambda: next((newest(scene) / "t").iterdir()).unlink())


@contextlib.contextmanager
def storage_forgets_the_end(scene, run):
    def cut():
        (path,) = (newest(scene) / "t").iterdir()
        path.write_bytes(path.read_bytes()[:-1])

    yield stored(scene, run, cut)


@contextlib.contextmanager
def proof_hangs(scene, run):
    with scene.pg_restore.stopped():
        yield run()


@contextlib.contextmanager
def definition_hangs(scene, run):
    with scene.pg_dump.stopped():
        yield run()


@contextlib.contextmanager
def copy_hangs(scene, run):
    stop = scene.helpers.stop_at(b") TO STDOUT")
    yield run()
    stop.cut()


@contextlib.contextmanager
def helper_killed(scene, run):
    stop = scene.helpers.stop_at(b") TO STDOUT", "answered")
    asking = run()
    stop.wait()
    scene.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'backstop/helper'")
    stop.cut()
    yield asking


# What is done, what the operator reads of it, and to which statements.
FAULTS = {
    "storage full": (storage_full, "No space left on device", STATEMENTS),
    "storage gone": (storage_gone, "No such file|is missing", ["DROP"]),
    "storage forgets": (storage_forgets, "is missing", ["DROP"]),
    "storage forgets the end": (storage_forgets_the_end, "copybin.zst", ["DROP"]),
    "spool full": (spool_full, "spool has .* bytes left", STATEMENTS),
    "proof hangs": (proof_hangs, "time allowed|was stopped|was over", ["DROP"]),
    "definition hangs": (definition_hangs, "time allowed|was stopped|was over", ["DROP"]),
    "copy hangs": (copy_hangs, "time allowed|was stopped|was over|cannot copy", ["DELETE", "UPDATE"]),
    "helper killed": (helper_killed, "helper", STATEMENTS),
}


def nothing_is_left(scene, asking):
    wait_until(lambda: not scene.locks(), 5)
    wait_until(lambda: not scene.operator.tickets("running"), 5)
    assert scene.ticket_state(asking.ticket) == "failed"
    wait_until(lambda: not any(scene.gateway.folder.glob("spool/*")), 5)
    assert scene.pg_dump.pids() == scene.pg_restore.pids() == []


@pytest.mark.parametrize("fault, kind", [(fault, kind) for fault in FAULTS
                                         for kind in FAULTS[fault][2]])
def test_no_point_no_effect(scene, fault, kind):
    act, cause, _ = FAULTS[fault]
    with Locked(scene) as locked:
        with act(scene, lambda: scene.approved(STATEMENTS[kind])) as asking:
            assert asking.done() == "ZB004"
            assert locked.seconds() < BUDGET + SLACK
            wait_until(lambda: not scene.locks(), 3)
    assert scene.count() == ROWS and scene.query("SELECT FROM crash.t WHERE v = 'x'") == []
    told = [line for line in scene.gateway.lines[scene.said:] if "no recovery point" in line]
    assert len(told) == 1 and re.search(cause, told[0]), told
    nothing_is_left(scene, asking)
    assert not any("committed" in scene.events(p) for p in scene.new_points()
                   if p["outcome"] != "incomplete")
    scene.works()


# --- the state -------------------------------------------------------------------------------


@contextlib.contextmanager
def state_locked(scene):
    """By somebody who does not let go."""
    c = sqlite3.connect(scene.gateway.folder / "state.db", isolation_level=None)
    c.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        c.execute("ROLLBACK")
        c.close()


def test_the_state_is_locked_before_anything_is_recorded(scene):
    with state_locked(scene):
        asking = scene.ask(STATEMENTS["DELETE"])
        assert asking.done(30) == "58030"
        assert scene.locks() == []
    assert scene.count() == ROWS
    assert scene.operator.tickets() == []
    scene.works()


def test_the_state_is_locked_when_all_is_over(scene):
    """It has committed, and the client knows: the point says so whatever the ticket can."""
    stop = scene.actors.stop_at(COMMIT, "answered")
    asking = scene.approved("DELETE FROM crash.t")
    stop.wait()
    with state_locked(scene):
        stop.go()
        assert asking.done(30) is None
        assert scene.count() == 0
        wait_until(lambda: [p["outcome"] for p in scene.new_points()] == ["committed"], 5)
    wait_until(lambda: scene.ticket_state(asking.ticket) == "done", 15)
    scene.settle(committed=True)


def test_the_state_is_locked_for_long_when_all_is_over(scene):
    """Longer than anybody waits for it: the ticket is ended when the state can take it."""
    stop = scene.actors.stop_at(COMMIT, "answered")
    asking = scene.approved("DELETE FROM crash.t")
    stop.wait()
    with state_locked(scene):
        stop.go()
        assert asking.done(30) is None
        wait_until(lambda: "could not be finished yet" in scene.gateway.log(), 45)
    wait_until(lambda: scene.ticket_state(asking.ticket) == "done", 20)
    scene.settle(committed=True)


# --- the server ------------------------------------------------------------------------------


def restart(pg):
    """At once, as when it has crashed."""
    pg._run("pg_ctl", "-D", pg.data, "-l", pg.log, "-m", "immediate", "-w", "-t", "60", "restart")


@pytest.mark.parametrize("sql, line, needle, when, committed", [
    ("DELETE FROM crash.t", "actors", b"LOCK TABLE", "answered", False),
    ("DELETE FROM crash.t", "helpers", b") TO STDOUT", "answered", False),
    ("DROP TABLE crash.t", "actors", b"DROP TABLE crash.t\0", "answered", False),
    ("DROP TABLE crash.t", "actors", COMMIT, "answered", True),
])
def test_the_server_crashes(scene, sql, line, needle, when, committed):
    stop = getattr(scene, line).stop_at(needle, when)
    asking = scene.approved(sql)
    stop.wait()
    restart(scene.pg)
    stop.cut()
    assert asking.done() in ("08007", "08006", "57P01", "ZB004", "lost")
    scene.settle(committed=committed)


def test_the_server_crashes_when_commit_did_not_reach_it(scene):
    """It may have forgotten the transaction's number; nobody says that it has committed."""
    stop = scene.actors.stop_at(COMMIT)
    asking = scene.approved("DELETE FROM crash.t")
    stop.wait()
    restart(scene.pg)
    stop.cut()
    assert asking.done() == "08007"
    wait_until(lambda: [p["outcome"] for p in scene.new_points()] != ["armed"], 15)
    assert scene.new_points()[0]["outcome"] in ("rolled_back", "not_used", "unknown")
    assert scene.count() == ROWS
    wait_until(lambda: scene.ticket_state(asking.ticket) == "uncertain", 5)
    scene.works()


# --- the client ------------------------------------------------------------------------------


def test_a_client_that_does_not_read_its_rows(scene):
    """More than all buffers hold: the server cannot go on, and its clocks do not look then."""
    with scene.pg.admin() as c:
        c.execute("INSERT INTO crash.t SELECT n, 'wide' FROM generate_series(1001, 11000) n")
    rows = scene.count()
    with Raw(scene.gateway.port, timeout=30) as raw, Locked(scene) as locked:
        raw.login("bob", scene.gateway.passwords["bob"])
        raw.send(query("DELETE FROM crash.t RETURNING repeat('x', 10000)"))
        ticket = scene.approve()
        wait_until(lambda: locked.first, 5)
        began = time.monotonic()
        with scene.pg.admin() as writer:
            writer.execute("INSERT INTO crash.t VALUES (0)")
        assert time.monotonic() - began < BUDGET + SLACK
        assert locked.seconds() < BUDGET + SLACK
        seen = raw.until()
        assert seen[-1] is None and b"C" not in [m[0] for m in seen[:-1]]  # nothing says it was done
    assert scene.count() == rows + 1
    wait_until(lambda: scene.ticket_state(ticket) == "failed", 5)
    scene.settle(rows + 1, committed=False)


def test_a_transaction_id_that_is_given_again(pg):
    """The server crashed before it had written anything of it; another gets its number."""
    scene = Scene(pg)
    with pg.admin() as c:
        c.execute("ALTER SYSTEM SET wal_writer_delay = 10000")
        c.execute("SELECT pg_reload_conf()")
    try:
        with running(scene.gateway):
            scene.begin()
            scene.works()
            with pg.admin() as c:
                c.execute("CHECKPOINT")
            stop = scene.actors.stop_at(COMMIT)
            asking = scene.approved("DELETE FROM crash.t")
            stop.wait()
            scene.helpers.refuse = True
            restart(pg)
            stop.cut()
            assert asking.done() == "08007"
            for n in range(30):
                scene.query("INSERT INTO crash.other VALUES (%s) RETURNING 1", -n)
            scene.helpers.refuse = False
            def outcome():
                return [p["outcome"] for p in scene.new_points() for t in p["tables"] if t["name"] == "t"]

            wait_until(lambda: outcome() not in ([], ["armed"]), 15)
            assert scene.count() == ROWS and outcome() != ["committed"]
    finally:
        with pg.admin() as c:
            c.execute("ALTER SYSTEM RESET wal_writer_delay")
            c.execute("SELECT pg_reload_conf()")
        scene.close()
