"""DROP ... IF EXISTS of nothing: what a rule for HIGH lets pass, and what it must never drop."""

import psycopg
import pytest

from conftest import running
from scene import Scene

POLICY = {"rules": [{"name": "drops of nothing", "kinds": ["DROP TABLE", "DROP VIEW", "DROP SCHEMA"],
                     "risk": ["HIGH"], "action": "allow"}]}


@pytest.fixture(scope="module")
def scene(pg):
    scene = Scene(pg, policy=POLICY, hold={"wait": "0s"})
    with running(scene.gateway):
        yield scene
    scene.close()


@pytest.fixture(autouse=True)
def begun(scene):
    scene.begin()


@pytest.mark.parametrize("sql", [
    "DROP TABLE IF EXISTS crash.nobody", "DROP TABLE IF EXISTS nobody, crash.neither CASCADE",
    "DROP VIEW IF EXISTS crash.nobody", "DROP SCHEMA IF EXISTS nowhere CASCADE"])
def test_nothing_is_dropped_without_asking(scene, sql):
    with scene.connect() as c:
        c.execute(sql)
        c.execute("BEGIN")
        c.execute(sql)
        c.execute("COMMIT")


@pytest.mark.parametrize("sql", [
    "DROP TABLE IF EXISTS crash.t CASCADE", "DROP TABLE IF EXISTS crash.nobody, crash.other",
    "DROP SCHEMA IF EXISTS crash CASCADE", "DROP TABLE IF EXISTS other",
    "DROP VIEW IF EXISTS crash.other", "DROP INDEX IF EXISTS crash.nobody"])
def test_what_may_be_there_is_asked_about(scene, sql):
    with scene.connect() as c, pytest.raises(psycopg.Error) as caught:
        c.execute(sql)
    assert caught.value.sqlstate in ("ZB001", "ZB004", "42501"), caught.value
    assert scene.count() is not None


def test_what_is_made_meanwhile_stays(scene):
    """The audit sees the table go that was not there when it was judged."""
    asking = None
    stop = scene.actors.stop_at(b"DROP TABLE IF EXISTS crash.late")
    try:
        asking = scene.ask("DROP TABLE IF EXISTS crash.late")
        stop.wait()
        with scene.pg.admin() as c:
            c.execute("CREATE TABLE crash.late AS SELECT generate_series(1, 100) AS id;"
                      " ALTER TABLE crash.late OWNER TO app_trust")
        stop.go()
        assert asking.done() == "ZB005"
    finally:
        stop.go()
    assert scene.query("SELECT count(*) FROM crash.late") == [(100,)]
