"""kill -9 of the gateway at every step of a protected execution: the matrix.

DESIGN 8, in each cell: where rows are gone, a point holds them, verifies, and says committed; where
there is no such point, nothing is gone. And after the next start nothing is open, locked or left.
"""

import contextlib

import pytest

from conftest import note, running, wait_until
from scene import ROWS, Scene
from stored import Store

# A step: where the gateway is stopped, and whether what it sent arrives, or is answered, too.
STEPS = {
    "begin": ("actors", b"BEGIN READ WRITE\0"),
    "first reading": ("actors", b"pg_stat_get_xact_tuples_inserted"),
    "lock timeout": ("actors", b"set_config('lock_timeout', '9"),
    "lock": ("actors", b"LOCK TABLE"),
    "helper": ("helpers", b"application_name\0backstop/helper"),
    "snapshot": ("helpers", b"REPEATABLE READ READ ONLY"),
    "copy": ("helpers", b"COPY (SELECT"),
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
    "commit": ("actors", b"COMMIT\0"),
}
PROTECTED = ["begin", "first reading", "helper", "lock timeout", "lock", "snapshot", "copy"]
DEFINED = ["definition", "proof"]
CLOSING = ["constraints", "read only", "second reading", "transaction id", "audit", "commit"]
UPGRADED = [*PROTECTED, *DEFINED, "savepoint", "look around", "statement", *CLOSING]

# How it is kept, the statement, and the steps it goes through.
STATEMENTS = {
    "whole, DROP": ("DROP TABLE crash.t", UPGRADED),
    "whole, DELETE": ("DELETE FROM crash.t", [*PROTECTED, "look around", "statement", *CLOSING]),
}
ANSWERED = {"begin", "lock", "copy", "savepoint", "statement", "read only", "commit"}
CELLS = [(name, step, when) for name, (_, steps) in STATEMENTS.items() for step in steps
         for when in ("before", "answered") if when == "before" or step in ANSWERED]


@pytest.fixture(scope="module")
def made(pg):
    scene = Scene(pg)
    with running(scene.gateway):
        yield scene
    scene.close()


@pytest.fixture
def scene(made):
    made.begin()
    yield made
    made.actors.clear()
    made.helpers.clear()


@contextlib.contextmanager
def stopped(scene, sql, step, when):
    """Whoever gets there waits; gives what awaits that, and goes on into nothing at the end."""
    where, *what = STEPS[step]
    if where == "pg_restore":
        with scene.pg_restore.stopped() as reached:
            yield reached
        return
    stop = getattr(scene, where).stop_at(what[0] or sql.encode() + b"\0", when, *what[1:])
    yield stop.wait
    stop.cut()


def rows(scene):
    if scene.count() is None:
        return {}
    return dict(scene.query("SELECT id, v FROM crash.t"))


def closed(points):
    """What a restart must come to, one way or the other."""
    return all(not p.complete() or p.events() and p.events()[-1] != "armed" for p in points)


@pytest.mark.parametrize("name, step, when", CELLS)
def test_killed(scene, name, step, when, request):
    sql = STATEMENTS[name][0]
    store = Store(scene.storage())
    old, before = {p.id for p in store.points()}, rows(scene)
    with stopped(scene, sql, step, when) as reached:
        asking = scene.approved(sql)
        reached()
        scene.kill()
    assert asking.done() == "lost"
    scene.gateway.start()

    wait_until(lambda: not scene.locks(), 10)
    wait_until(lambda: not scene.operator.tickets("running"), 10)
    new = [p for p in store.points() if p.id not in old]
    wait_until(lambda: closed(new), 15, 0.1)
    assert scene.ticket_state(asking.ticket) == "uncertain"
    assert not any(scene.gateway.folder.glob("spool/*"))

    left = rows(scene)
    gone = {key: v for key, v in before.items() if left.get(key) != v}
    done = [p for p in new if p.complete() and p.committed()]
    what = ", ".join(p.events()[-1] if p.complete() else "not complete" for p in new) or "none"
    assert bool(gone) == bool(done) == (step == "commit" and when == "answered")
    for point in (p for p in new if p.complete()):
        assert scene.gateway.cli("points", "verify", point.id, check=False).returncode == 0
    for point in done:
        saved = {row["id"]: row["v"] for table, row in point.rows() if table == "crash.t"}
        assert gone.items() <= saved.items()
    assert len(before) == ROWS
    with scene.connect() as c:
        assert c.execute("SELECT 1").fetchone() == (1,)
    note(request, "killed at every step",
         f"{name:14} {UPGRADED.index(step) + 1:2}. {step:14} {when:8}  "
         f"{'committed' if gone else 'not committed':13}  point: {what}")
