"""kill -9 of the gateway at every step of a protected execution: the matrix.

DESIGN 8, in each cell: where rows are gone, a point holds them, verifies, and says committed; where
there is no such point, nothing is gone. And after the next start nothing is open, locked or left.
"""

import contextlib
import time

import pytest

import s3servers
from conftest import note, running, wait_until
from s3double import Fault
from scene import ROWS, Scene
from stored import S3Store, Store
from test_storage_gateway import Far, clean_environment

__all__ = ["clean_environment"]  # a fixture

# A step: whose line, what is sent there, and how often it has been sent before.
STEPS = {
    "begin": ("actors", b"BEGIN READ WRITE\0"),
    "first reading": ("actors", b"pg_stat_get_xact_tuples_inserted"),
    "lock timeout": ("actors", b"set_config('lock_timeout', '9"),
    "lock": ("actors", b"LOCK TABLE"),
    "snapshot": ("helpers", b"REPEATABLE READ READ ONLY"),
    "copy": ("helpers", b") TO STDOUT"),
    "definition": ("helpers", b"SET TRANSACTION SNAPSHOT"),
    "proof": ("pg_restore", None),
    "savepoint": ("actors", b"SAVEPOINT backstop\0"),
    "look around": ("helpers", b"(SELECT * FROM pg_catalog.pg_locks)"),
    "statement": ("actors", None),
    "constraints": ("actors", b"SET CONSTRAINTS ALL IMMEDIATE"),
    "read only": ("actors", b"SET TRANSACTION READ ONLY"),
    "second reading": ("actors", b"pg_stat_get_xact_tuples_inserted", 1),
    "transaction id": ("actors", b"pg_current_xact_id_if_assigned"),
    "audit": ("helpers", b"l.transactionid"),
    "rows' snapshot": ("helpers", b"REPEATABLE READ READ ONLY"),
    "rows' copy": ("helpers", b") TO STDOUT"),
    "commit": ("actors", b"COMMIT\0"),
    # in S3
    "intent": ("PUT", "intent.json"),
    "object": ("PUT", "/t/"),
    "object read back": ("GET", "/t/"),
    "manifest": ("PUT", "manifest.json"),
    "armed": ("PUT", "-armed.json"),
    "committed": ("PUT", "-committed.json"),
}
STORED = ["intent", "object", "object read back", "manifest", "armed", "committed"]
COMMITTED = {"committed"}  # the client knows by then
LOCKED = ["begin", "first reading", "lock timeout", "lock", "snapshot", "copy"]
CLOSING = ["constraints", "read only", "second reading", "transaction id", "audit"]
KEPT = [*CLOSING, "rows' snapshot", "rows' copy", "commit"]


def own_transaction(c):
    """Begun by the client, and more than the gated statement in it."""
    with c.transaction():
        c.execute("UPDATE crash.t SET v = 'x' WHERE id <= 10")
        c.execute("SELECT count(*) FROM crash.t")


# How it is kept, what is run, and the steps it goes through.
STATEMENTS = {
    "whole, DROP": ("DROP TABLE crash.t", [*LOCKED, "definition", "proof", "savepoint",
                                           "look around", "statement", *CLOSING, "commit"]),
    "whole, DELETE": ("DELETE FROM crash.t",
                      [*LOCKED, "look around", "statement", *CLOSING, "commit"]),
    "rows, UPDATE": ("UPDATE crash.t SET v = 'x' WHERE id <= 100",
                     ["begin", "first reading", "statement", *KEPT]),
    "rows, MERGE": ("MERGE INTO crash.t USING generate_series(1, 5) n ON id = n"
                    " WHEN MATCHED THEN DELETE", ["statement", *KEPT]),
    "rows, own": (own_transaction, ["statement", *KEPT]),
    "rows, before": ("DELETE FROM crash.t WHERE id = 7",
                     ["snapshot", "copy", "statement", *CLOSING, "commit"],
                     "INSERT INTO crash.t SELECT n, 'far' FROM generate_series(1001, 100000) n;"
                     "ANALYZE crash.t"),  # to find one row costs less than to look at all
}
ANSWERED = {"begin", "lock", "copy", "savepoint", "statement", "read only", "rows' copy", "commit",
            "intent", "object", "manifest", "armed", "committed"}
CELLS = [(name, step, when) for name, (_, steps, *_) in STATEMENTS.items() for step in steps
         for when in ("before", "answered") if when == "before" or step in ANSWERED]
FAR_CELLS = [(name, step, when) for name in ("whole, DELETE", "rows, UPDATE")
             for step in ["statement", *STORED, "commit"]
             for when in ("before", "answered") if when == "before" or step in ANSWERED]


@pytest.fixture(scope="module")
def near(pg):
    scene = Scene(pg)
    scene.store = Store(scene.storage())
    with running(scene.gateway):
        yield scene
    scene.close()


@pytest.fixture(scope="module")
def far(pg, clean_environment, tmp_path_factory):
    with s3servers.double() as server:
        scene = Far(pg, server, tmp_path_factory.mktemp("keys"))
        scene.store = S3Store(server.double, "prod/")
        with running(scene.gateway):
            yield scene
        scene.close()


@contextlib.contextmanager
def stopped(scene, sql, step, when):
    """Whoever gets there waits; gives what awaits that, and goes on into nothing at the end."""
    where, *what = STEPS[step]
    if where in ("PUT", "GET"):
        double = scene.server.double
        double.log.clear()
        double.faults.append(Fault(where, what[0], "hang" if when == "before" else "hang late"))
        yield lambda: wait_until(lambda: double.asked(where, what[0]), 20, 0.01)
        double.faults.clear()
        return
    if where == "pg_restore":
        with scene.pg_restore.stopped() as reached:
            yield reached
        return
    statement = b"SET v = 'x' WHERE id <= 10\0" if callable(sql) else sql.encode() + b"\0"
    stop = getattr(scene, where).stop_at(what[0] or statement, when, *what[1:])
    yield stop.wait
    stop.cut()


def rows(scene):
    if scene.count() is None:
        return {}
    return dict(scene.query("SELECT id, v FROM crash.t"))


def closed(points):
    """What a restart must come to, one way or the other."""
    return all(not p.complete() or p.events() and p.events()[-1] != "armed" for p in points)


def killed(scene, name, step, when, request):
    sql, _, *setup = STATEMENTS[name]
    scene.begin()
    for more in setup:
        with scene.pg.admin() as c:
            c.execute(more)
    old, before = {p.id for p in scene.store.points()}, rows(scene)
    with stopped(scene, sql, step, when) as reached:
        asking = scene.approved(sql)
        reached()
        if STEPS[step][0] == "PUT" and when == "answered":
            time.sleep(0.1)  # it is stored now, and nobody has been told
        scene.kill()
    scene.actors.clear()
    scene.helpers.clear()
    done_before = step in COMMITTED or (step == "commit" and when == "answered")
    assert asking.done() == (None if step in COMMITTED else "lost")
    scene.gateway.start()

    wait_until(lambda: not scene.locks(), 10)
    wait_until(lambda: not scene.operator.tickets("running"), 10)
    new = [p for p in scene.store.points() if p.id not in old]
    wait_until(lambda: closed(new), 15, 0.1)
    assert scene.ticket_state(asking.ticket) == "uncertain"
    wait_until(lambda: not any(scene.gateway.folder.glob("spool/*")), 5)

    left = rows(scene)
    gone = {key: v for key, v in before.items() if left.get(key) != v}
    done = [p for p in new if p.complete() and p.committed()]
    what = ", ".join(f"{p.events()[-1]} ({p.manifest()['capture']['mode']})" if p.complete() else
                     "not complete" for p in new) or "none"
    assert bool(gone) == bool(done) == done_before
    for point in (p for p in new if p.complete()):
        assert scene.gateway.cli("points", "verify", point.id, check=False).returncode == 0
    for point in done:
        saved = {row["id"]: row["v"] for table, row in point.rows() if table == "crash.t"}
        assert gone.items() <= saved.items()
    assert len(before) >= ROWS
    with scene.connect() as c:
        assert c.execute("SELECT 1").fetchone() == (1,)
    note(request, "killed at every step",
         f"{'S3' if scene.store.__class__ is S3Store else 'file':4} {name:13} "
         f"{list(STEPS).index(step) + 1:2}. {step:15} {when:8}  "
         f"{'committed' if gone else 'not committed':13}  point: {what}")


@pytest.mark.parametrize("name, step, when", CELLS)
def test_killed(near, name, step, when, request):
    killed(near, name, step, when, request)


@pytest.mark.parametrize("name, step, when", FAR_CELLS)
def test_killed_with_its_points_in_s3(far, name, step, when, request):
    killed(far, name, step, when, request)
