"""Verdicts that are kept: a text that passed a hundred times passes no more once it means something else."""

import itertools

import psycopg
import pytest

from conftest import running, wait_until
from test_metrics import values
from test_policy import Ground

READ = "SELECT shout(v) FROM kept.t WHERE id = 1"
SCHEMA = """
DROP SCHEMA IF EXISTS kept, other CASCADE;
CREATE SCHEMA kept AUTHORIZATION app_trust;
CREATE SCHEMA other AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE kept.t (id int PRIMARY KEY, v text);
INSERT INTO kept.t VALUES (1, 'one');
CREATE FUNCTION public.shout(text) RETURNS text LANGUAGE sql AS 'SELECT upper($1)';
RESET ROLE;
"""
EVIL = "CREATE FUNCTION {}.shout(text) RETURNS text LANGUAGE plpgsql AS 'BEGIN DELETE FROM kept.t; RETURN $1; END'"
HIT, MISS = ('backstop_verdict_cache_total{outcome="%s"}' % x for x in ("hit", "miss"))


@pytest.fixture(scope="module")
def ground(pg):
    with pg.admin() as c:
        c.execute(SCHEMA)
    g = Ground(pg, policy={"rules": []}, extra={"hold": {"wait": "0s"}, "workers": 1})
    g.agent("eve")
    with running(g.gateway, "bob"):
        yield g
    with pg.admin() as c:
        c.execute("DROP SCHEMA kept, other CASCADE; DROP FUNCTION public.shout(text)")


def counted(ground, name):
    return values(ground.gateway)[name]


def is_read(c):
    try:
        return c.execute(READ).fetchone()[0] in ("ONE", "one")
    except psycopg.Error:
        return False


def warm(ground, c):
    """It passes, and by the end without being judged."""
    assert all(is_read(c) for _ in range(4))
    before = counted(ground, HIT)
    assert is_read(c)
    assert counted(ground, HIT) == before + 1
    assert counted(ground, "backstop_verdict_cache_bytes") > 0


@pytest.mark.parametrize("prepared", [False, True])
def test_a_text_that_comes_again_is_not_judged_again(ground, prepared):
    numbers = itertools.count(10 + prepared * 1000)
    with ground.connect() as c:
        c.prepare_threshold = 0 if prepared else None
        before = counted(ground, HIT), counted(ground, MISS)
        for _ in range(20):
            c.execute(f"SELECT 'again {prepared}'", prepare=prepared)
        assert counted(ground, HIT) - before[0] >= (0 if prepared else 18)  # a named one is kept with its name
        assert counted(ground, MISS) - before[1] <= 2
        for _ in range(20):  # never twice the same: nothing is kept
            c.execute(f"SELECT {next(numbers)}", prepare=False)
        assert counted(ground, MISS) - before[1] >= 20


def test_unnamed_statements_of_the_extended_protocol(ground):
    with ground.connect() as c:
        before = counted(ground, HIT)
        for n in range(20):
            assert c.execute("SELECT 'param', %s::text", (n,), prepare=False).fetchone() == ("param", str(n))
        assert counted(ground, HIT) - before >= 18


def test_another_actor_is_judged_for_himself(ground):
    ground.reload({"rules": [{"name": "not eve", "actors": ["eve"], "risk": ["SAFE"], "action": "block"}]})
    with ground.connect() as bob, ground.connect("eve") as eve:
        warm(ground, bob)
        assert not any(is_read(eve) for _ in range(4))
        assert is_read(bob)


def test_another_policy(ground):
    ground.reload({"rules": []})
    with ground.connect() as c:
        warm(ground, c)
        ground.reload({"rules": [{"name": "no reads", "risk": ["SAFE"], "action": "block"}]})
        assert not is_read(c)
        ground.reload({"rules": []})
        assert is_read(c)


def test_temporary_objects(ground):
    ground.reload({"rules": [{"name": "temporary", "kinds": ["CREATE TEMP TABLE"], "action": "allow"}]})
    with ground.connect() as c:
        warm(ground, c)
        before = counted(ground, HIT)
        c.execute("CREATE TEMP TABLE t (id int, v text)")
        c.execute("SELECT * FROM t")
        c.execute("SELECT * FROM t")
        c.execute("SELECT * FROM t")
        assert counted(ground, HIT) == before, "nothing is found while the session has names of its own"


def test_code_that_means_something_else(ground):
    with ground.connect() as c, ground.pg.admin() as a:
        warm(ground, c)
        a.execute(EVIL.format("other"))  # behind the gateway: it counts when the catalog was looked at
        wait_until(lambda: not is_read(c), seconds=40)
        assert a.execute("SELECT count(*) FROM kept.t").fetchone() == (1,)
        a.execute("DROP FUNCTION other.shout(text)")
        wait_until(lambda: is_read(c), seconds=40)
