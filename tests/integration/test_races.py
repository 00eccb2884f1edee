"""Eight writers beside every statement that changes rows: what was acknowledged to them is in the
live table or in a point, always.

BACKSTOP_RACE_ROUNDS rounds of each (5); script/race does 20.
"""

import os

import psycopg
import pytest

from conftest import Gateway, note, running, wait_until
from race import FILL, TABLES, Round
from stored import Store

ROUNDS = int(os.environ.get("BACKSTOP_RACE_ROUNDS", "5"))

FK = "ALTER TABLE race.c ADD FOREIGN KEY (t) REFERENCES race.t "


class Statement:
    """
    What an agent runs.

    sql       or a function of a connection
    setup     what makes it that kind of statement; FK where c belongs to t
    """

    def __init__(self, sql, setup=""):
        self.sql, self.setup = sql, setup
        self.linked = "REFERENCES" in setup

    def prepare(self, pg):
        with pg.admin() as c:
            c.execute(TABLES + FILL + self.setup)

    def run(self, c):
        if callable(self.sql):
            self.sql(c)
        else:
            c.execute(self.sql)


STATEMENTS = {
    "DELETE of all": Statement("DELETE FROM race.t"),
    "DELETE of some": Statement("DELETE FROM race.t WHERE g IN (1, 2)"),
    "UPDATE of all": Statement("UPDATE race.t SET v = 'agent'"),
    "UPDATE of some": Statement("UPDATE race.t SET v = 'agent' WHERE g = 3"),
    "writing CTE": Statement("WITH gone AS (DELETE FROM race.c WHERE g < 5 RETURNING t) "
                             "DELETE FROM race.t WHERE id IN (SELECT t FROM gone)"),
    "cascade": Statement("DELETE FROM race.t WHERE g < 3", FK + "ON DELETE CASCADE"),
    "TRUNCATE": Statement("TRUNCATE race.t"),
    "TRUNCATE of two": Statement("TRUNCATE race.t, race.c"),
    "TRUNCATE CASCADE": Statement("TRUNCATE race.t CASCADE", FK),
    "DROP": Statement("DROP TABLE race.t"),
    "DROP CASCADE": Statement("DROP TABLE race.t CASCADE", FK),
}


class Site:
    def __init__(self, pg, gateway):
        self.pg, self.gateway = pg, gateway
        self.store = Store(gateway.folder / "points")

    def run(self, statement):
        """Runs it, again where others held its locks; how often."""
        for attempt in range(1, 21):
            with self.gateway.connect("bob", autocommit=True) as c:
                try:
                    statement.run(c)
                    return attempt
                except psycopg.Error as error:
                    if error.sqlstate != "ZB004":
                        raise
        raise AssertionError("it never got its locks")


@pytest.fixture(scope="module")
def site(pg):
    """Nobody is asked; what is not protected does not run all the same."""
    g = Gateway(pg, tls=False, policy={"rules": [
        {"name": "nobody is asked", "risk": ["SAFE", "HIGH", "CRITICAL"], "action": "allow"}]})
    with running(g, "bob") as g:
        yield Site(pg, g)


def kept(site, old):
    """The rows of the points that were made since, and whose statement has committed."""
    new = [p for p in site.store.points() if p.id not in old and p.complete()]
    wait_until(lambda: all(p.events() and p.events()[-1] != "armed" for p in new), 10)
    return [(table, row["id"], row["v"]) for p in new if p.committed() for table, row in p.rows()]


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_acknowledged_version_is_lost(site, name, request):
    statement = STATEMENTS[name]
    destroyed = acknowledged = attempts = 0
    for _ in range(ROUNDS):
        statement.prepare(site.pg)
        old = {p.id for p in site.store.points()}
        with Round(site.pg, statement.linked) as around:
            attempts += site.run(statement)
            around.more()
        gone, saved = around.destroyed(), set(kept(site, old))
        assert [x for x in gone if x not in saved] == []
        assert {v for _, _, v in saved} <= around.sent(), "a version that nobody has written"
        assert around.total("victim") == 0, "a writer was the victim of a deadlock"
        destroyed += len(gone)
        acknowledged += around.total("acknowledged")
    assert destroyed >= ROUNDS
    note(request, "races", f"{name:17} {acknowledged:7} acknowledged, {destroyed:5} destroyed and kept,"
                           f" 0 lost; {attempts} attempts in {ROUNDS} rounds")


# --- that it can fail ------------------------------------------------------------------------


def everything(c):
    return [("race.t", *row) for row in c.execute("SELECT id, v FROM race.t")]


def copy_then_drop(first, second):
    """Two statements in autocommit."""
    saved = everything(first)
    first.execute("DROP TABLE race.t")
    return saved


def helper_without_lock(first, second):
    first.execute("BEGIN")
    saved = everything(second)
    first.execute("DROP TABLE race.t")
    first.execute("COMMIT")
    return saved


def snapshot_before_lock(first, second):
    first.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    first.execute("SELECT 1")
    first.execute("LOCK TABLE race.t IN SHARE ROW EXCLUSIVE MODE")
    saved = everything(first)
    first.execute("DROP TABLE race.t")
    first.execute("COMMIT")
    return saved


def snapshot_before_statement(first, second):
    """Hold-commit with the helper's snapshot taken too early."""
    second.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    second.execute("SELECT 1")
    first.execute("BEGIN")
    first.execute("UPDATE race.t SET v = 'agent'")
    saved = everything(second)
    first.execute("COMMIT")
    return saved


def lock_then_copy(first, second):
    """The one that holds: what the others are measured by."""
    first.execute("BEGIN")
    first.execute("LOCK TABLE race.t IN SHARE ROW EXCLUSIVE MODE")
    saved = everything(second)
    first.execute("DROP TABLE race.t")
    first.execute("COMMIT")
    return saved


def lost(pg, design):
    """How many rows are in neither the table nor the copy."""
    Statement("").prepare(pg)
    with Round(pg) as around, pg.admin() as first, pg.admin() as second:
        try:
            saved = set(design(first, second))
        except psycopg.errors.DeadlockDetected:  # none of them has learnt to give up in time
            return 0
        around.more()
    gone = around.destroyed()
    assert gone
    return len([x for x in gone if x not in saved])


@pytest.mark.parametrize("design", [copy_then_drop, helper_without_lock, snapshot_before_lock,
                                    snapshot_before_statement])
def test_designs_that_lose_rows_are_seen_to_lose_them(pg, design):
    assert any(lost(pg, design) for _ in range(40))


def test_the_design_that_loses_none(pg):
    assert [lost(pg, lock_then_copy) for _ in range(ROUNDS)] == [0] * ROUNDS
