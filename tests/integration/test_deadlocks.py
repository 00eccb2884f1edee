"""Who gives way where a statement that is kept without locking its tables meets others' row locks.

Its locks are taken as it runs, so nobody can look around before. The server ends whoever looks for
the deadlock first: with the deadlock_timeout that the guide gives the agents' role, that is us.
"""

import threading
import time

import pytest

from conftest import running, wait_until
from scene import Blocker, Scene


@pytest.fixture(scope="module")
def made(pg):
    """Nobody is asked: this is about what runs."""
    scene = Scene(pg, policy={"rules": [{"name": "all", "action": "allow",
                                         "risk": ["SAFE", "HIGH", "CRITICAL"]}]})
    with pg.admin() as c:
        c.execute("ALTER ROLE app_trust SET deadlock_timeout = '100ms'")
    try:
        with running(scene.gateway):
            yield scene
    finally:
        with pg.admin() as c:
            c.execute("ALTER ROLE app_trust RESET deadlock_timeout")
    scene.close()


@pytest.fixture
def scene(made):
    made.begin()
    return made


STATEMENT = ("DO $$BEGIN UPDATE crash.t SET v = 'x' WHERE id = 1; PERFORM pg_sleep(0.5);"
             " UPDATE crash.t SET v = 'x' WHERE id = 2; END$$")


def own(c):
    """In a transaction of the agent's own, between two statements."""
    with c.transaction():
        c.execute("UPDATE crash.t SET v = 'x' WHERE id = 1")
        time.sleep(0.5)
        c.execute("UPDATE crash.t SET v = 'x' WHERE id = 2")


@pytest.mark.parametrize("run", [STATEMENT, own], ids=["statement", "own"])
def test_whoever_waits_for_us_first_is_not_the_victim(scene, run):
    """It holds row 2 and waits for row 1; its own look for a deadlock comes before ours."""
    with Blocker(scene, "UPDATE crash.t SET v = 'mine' WHERE id = 2") as other:
        asking = scene.ask(run)
        failed = []

        def wait():
            try:
                other.connection.execute("UPDATE crash.t SET v = 'mine' WHERE id = 1")
                other.connection.commit()
            except Exception as error:
                failed.append(error)

        # It has changed row 1.
        wait_until(lambda: scene.query("SELECT FROM pg_stat_activity WHERE pid = %s AND backend_xid"
                                       " IS NOT NULL", asking.pid), 5, 0.01)
        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        code = asking.done()
        thread.join(10)
        assert not thread.is_alive() and failed == [] and code in ("ZB004", "40P01", "55P03")
    assert scene.query("SELECT v FROM crash.t WHERE id <= 2") == [("mine",)] * 2
