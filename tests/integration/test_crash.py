"""kill -9, broken lines and ended backends at every step of a protected execution.

What is tested each time: nothing destructive is committed without a point that verifies, a point
says what happened, nothing stays open or locked, and agents can go on.
"""

import subprocess
import threading
import time

import pytest

from conftest import binary, wait_until
from scene import (COMMIT, DELETE, DROP, TRUNCATE, UPDATE, Blocker, made, newest, row_is_locked,
                   scene)

__all__ = ["made", "scene"]  # fixtures


# --- kill -9 ---------------------------------------------------------------------------------


def test_killed_while_held(scene):
    asking = scene.ask(DELETE)
    ticket = scene.operator.next_ticket()["id"]
    scene.kill()
    assert asking.done() == "lost"
    scene.gateway.start()
    assert scene.ticket_state(ticket) == "pending"
    scene.operator.decide(ticket, "approve")
    assert scene.ask(DELETE).done() is None
    scene.settle(committed=True)
    assert scene.ticket_state(ticket) == "done"


# Every step of DROP and DELETE is in test_kills.py.
@pytest.mark.parametrize("sql, needle, when, committed", [
    (TRUNCATE, b"TRUNCATE crash.t\0", "answered", False),
    (UPDATE, b"SET TRANSACTION READ ONLY", "answered", False),
    (TRUNCATE, COMMIT, "answered", True),
])
def test_killed_between_two_messages(scene, sql, needle, when, committed):
    stop = scene.actors.stop_at(needle, when)
    asking = scene.approved(sql)
    stop.wait()
    scene.kill()
    stop.cut()
    assert asking.done() == "lost"
    scene.gateway.start()
    scene.settle(committed=False if sql == UPDATE else committed)
    assert scene.ticket_state(asking.ticket) == "uncertain"


def test_killed_while_commit_is_on_its_way(scene):
    """COMMIT arrives after the next start has looked: closed by fact, without another start."""
    stop = scene.actors.stop_at(COMMIT)
    asking = scene.approved(DELETE)
    stop.wait()
    scene.kill()
    scene.gateway.start()
    assert [p["outcome"] for p in scene.new_points()] == ["armed"]
    stop.go()
    asking.done()
    scene.settle(committed=True)


def test_killed_while_it_waits_for_a_lock(scene):
    with Blocker(scene, "LOCK TABLE crash.t IN ROW EXCLUSIVE MODE"):
        stop = scene.actors.stop_at(b"LOCK TABLE", "sent")
        asking = scene.approved(DELETE)
        stop.wait()
        scene.kill()
        stop.go()
        assert asking.done() == "lost"
    scene.gateway.start()
    scene.settle(committed=False)


@pytest.mark.parametrize("program", ["pg_dump", "pg_restore"])  # copying; stored, not proven
def test_killed_during_the_capture(scene, program):
    with getattr(scene, program).stopped() as reached:
        asking = scene.approved(DROP)
        reached()
        scene.kill()
    assert asking.done() == "lost"
    scene.gateway.start()
    scene.settle(committed=False)


def test_a_copy_back_is_killed(scene):
    """Nothing has happened, and the next start removes what it had of the definition in plain text."""
    assert scene.approved(DROP).done() is None
    point = newest(scene).name
    with scene.pg_dump.stopped() as reached:
        command = subprocess.Popen([binary(), "restore", "copy-back", point, "--yes", "--config",
                                    str(scene.gateway.config)], env=scene.gateway.env)
        reached()
        command.kill()
        command.wait()
    wait_until(lambda: not scene.pg_dump.pids())
    assert scene.count() is None and list(scene.gateway.folder.glob("spool/*/saved"))
    scene.kill()
    scene.gateway.start()
    assert list(scene.gateway.folder.glob("spool/**/*saved*")) == []
    scene.settle(committed=True)


def test_killed_while_the_copy_runs(scene):
    stop = scene.helpers.stop_at(b") TO STDOUT", "answered")
    asking = scene.approved(DELETE)
    stop.wait()
    scene.kill()
    stop.go()
    assert asking.done() == "lost"
    scene.gateway.start()
    scene.settle(committed=False)


def test_killed_while_the_statement_runs(scene):
    """The server does not notice until the statement ends; the point stays open no longer."""
    with row_is_locked(scene):
        asking = scene.approved(DELETE)
        wait_until(lambda: scene.waiting(asking.pid))
        scene.kill()
        assert asking.done() == "lost"
        scene.gateway.start()
        assert scene.query("SELECT 1 FROM pg_stat_activity WHERE pid = %s", asking.pid) == [(1,)]
        assert [p["outcome"] for p in scene.new_points()] == ["complete"]
    scene.settle(committed=False)


@pytest.mark.parametrize("needle, when, committed", [
    (DELETE.encode() + b"\0", "answered", False),
    (b"SELECT 'guarded'", "before", False),
    (COMMIT, "before", False),
    (COMMIT, "answered", True),
])
def test_killed_in_the_actors_own_transaction(scene, needle, when, committed):
    def run(c):
        c.execute(DELETE)
        c.execute("SELECT 'guarded'")
        c.commit()

    stop = scene.actors.stop_at(needle, when)
    asking = scene.approved(run, autocommit=False)
    stop.wait()
    scene.kill()
    stop.cut()
    assert asking.done() == "lost"
    scene.gateway.start()
    scene.settle(committed=committed)


# --- lines that break ------------------------------------------------------------------------


@pytest.mark.parametrize("when, committed", [("before", False), ("answered", True)])
@pytest.mark.parametrize("sql", [DELETE, TRUNCATE, DROP])
def test_server_lost_at_commit(scene, sql, when, committed):
    """It is not known to the client; the point knows, without another start."""
    stop = scene.actors.stop_at(COMMIT, when)
    asking = scene.approved(sql)
    stop.wait().cut()
    assert asking.done() == "08007"
    assert asking.error.diag.severity == "FATAL"
    scene.settle(committed=committed)
    assert scene.ticket_state(asking.ticket) == "uncertain"


@pytest.mark.parametrize("when, committed", [("before", False), ("answered", True)])
def test_server_lost_at_the_actors_own_commit(scene, when, committed):
    def run(c):
        c.execute(DELETE)
        c.commit()

    stop = scene.actors.stop_at(COMMIT, when)
    asking = scene.approved(run, autocommit=False)
    stop.wait().cut()
    assert asking.done() == "08007"
    scene.settle(committed=committed)


def test_server_lost_while_what_cannot_be_in_a_block_runs(scene):
    stop = scene.actors.stop_at(b"CREATE INDEX CONCURRENTLY", "answered")
    asking = scene.approved("CREATE INDEX CONCURRENTLY later ON crash.t (v)")
    stop.wait().cut()
    assert asking.done() == "08007"
    assert scene.query("SELECT to_regclass('crash.later') IS NULL") == [(False,)]
    scene.settle(committed=False)
    assert scene.ticket_state(asking.ticket) == "uncertain"


def test_database_gone_at_commit(scene):
    """Neither the line nor the helper answers for a while: the point is closed when they do."""
    stop = scene.actors.stop_at(COMMIT, "answered")
    asking = scene.approved(DELETE)
    stop.wait()
    scene.helpers.refuse = True
    stop.cut()
    assert asking.done() == "08007"
    wait_until(lambda: scene.ticket_state(asking.ticket) == "uncertain")
    assert [p["outcome"] for p in scene.new_points()] == ["armed"]
    scene.helpers.refuse = False
    scene.settle(committed=True)


def test_the_keeper_does_not_overrule_a_statement_that_ends_meanwhile(scene):
    """It has listed a point as unarmed; before it asks whether the backend lives, all is over."""
    stop = scene.actors.stop_at(b"SET CONSTRAINTS")
    asking = scene.approved(UPDATE)
    stop.wait()
    events = newest(scene) / "events"
    events.touch()  # this point cannot be closed: the keeper looks at all that are open
    stop.go()
    assert asking.done() == "ZB005"

    stop = scene.actors.stop_at(b"SET CONSTRAINTS")
    asking = scene.approved(DELETE)
    stop.wait()
    look = scene.helpers.stop_at(b"a.backend_start::pg_catalog.text = COALESCE").wait()
    stop.go()
    assert asking.done() is None
    wait_until(lambda: scene.new_points()[0]["outcome"] == "committed")
    wait_until(lambda: scene.query("SELECT FROM pg_stat_activity WHERE pid = %s", asking.pid) == [])
    look.go()
    events.unlink()
    scene.settle(committed=True)


# --- backends that are terminated ------------------------------------------------------------


def terminate(scene, pid):
    assert scene.query("SELECT pg_terminate_backend(%s)", pid) == [(True,)]


def test_backend_terminated_while_held(scene):
    asking = scene.ask(DELETE)
    ticket = scene.operator.next_ticket()["id"]
    terminate(scene, asking.pid)
    assert asking.done() in ("57P01", "08006")
    scene.operator.decide(ticket, "deny")
    scene.settle(committed=False)


@pytest.mark.parametrize("sql, needle, when", [
    (TRUNCATE, b"LOCK TABLE", "answered"),
    (DROP, b"SAVEPOINT backstop\0", "answered"),
    (DELETE, b"SET CONSTRAINTS", "answered"),
    (DELETE, COMMIT, "before"),
])
def test_backend_terminated_between_two_messages(scene, sql, needle, when):
    stop = scene.actors.stop_at(needle, when)
    asking = scene.approved(sql)
    stop.wait()
    terminate(scene, asking.pid)
    stop.go()
    assert asking.done() in ("57P01", "08006", "08007")
    scene.settle(committed=False)


def test_backend_terminated_during_the_capture(scene):
    with scene.pg_dump.stopped() as reached:
        asking = scene.approved(DROP)
        reached()
        terminate(scene, asking.pid)
        assert asking.done() in ("57P01", "08006")
    scene.settle(committed=False)


def test_backend_terminated_while_the_statement_runs(scene):
    with row_is_locked(scene):
        asking = scene.approved(DELETE)
        wait_until(lambda: scene.waiting(asking.pid))
        terminate(scene, asking.pid)
        assert asking.done() in ("57P01", "08006")
    scene.settle(committed=False)
    assert scene.ticket_state(asking.ticket) == "failed"


# --- clients that hang up --------------------------------------------------------------------


def test_hang_up_during_the_capture(scene):
    with scene.pg_dump.stopped() as reached:
        asking = scene.approved(DROP)
        reached()
        asking.hang_up()
        wait_until(lambda: not scene.locks(), 3)
    wait_until(lambda: scene.pg_dump.pids() == [], 3)
    scene.settle(committed=False)


def test_hang_up_while_the_statement_runs(scene):
    """The server is told, too: the locks do not wait for the end of the statement."""
    with row_is_locked(scene):
        asking = scene.approved(DELETE)
        wait_until(lambda: scene.waiting(asking.pid))
        asking.hang_up()
        wait_until(lambda: not scene.locks(), 3)
    scene.settle(committed=False)


def test_hang_up_at_commit(scene):
    stop = scene.actors.stop_at(COMMIT, "answered")
    asking = scene.approved(DELETE)
    stop.wait()
    asking.hang_up()
    time.sleep(0.2)
    stop.go()
    scene.settle(committed=True)
    assert scene.ticket_state(asking.ticket) == "done"


def test_stopped_at_commit(scene):
    """A clean stop waits for the answer, tells the client, and then does not wait for it."""
    stop = scene.actors.stop_at(COMMIT, "answered")
    asking = scene.approved(DELETE)
    stop.wait()
    timer = threading.Timer(0.5, stop.go)
    timer.start()
    began = time.monotonic()
    assert scene.gateway.stop() == 0
    assert time.monotonic() - began < 5
    assert asking.done() is None
    scene.gateway.start()
    scene.settle(committed=True)
    assert scene.ticket_state(asking.ticket) == "done"
