"""Eight writers beside every statement that changes rows: what was acknowledged to them is in the
live table or in a point, always.

BACKSTOP_RACE_ROUNDS rounds of each (5); script/race does 20.
"""

import os

import psycopg
import pytest

from conftest import Gateway, note, running, wait_until
from race import FILL, INSERT, TABLES, Round
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
        # What a writer's DELETE would take along is not what this is about.
        self.linked = "REFERENCES" in setup or "ON race.t" in setup

    def prepare(self, pg):
        with pg.admin() as c:
            c.execute(TABLES + FILL + self.setup)

    def run(self, c):
        if callable(self.sql):
            self.sql(c)
        else:
            c.execute(self.sql)


def copy_in(c):
    with c.cursor().copy("COPY race.inbox FROM STDIN") as copy:
        copy.write("1\n2\n")


def transaction(c):
    """Several statements, with what others do between them; and a savepoint that does not count."""
    with c.transaction():
        c.execute("UPDATE race.t SET v = 'agent' WHERE g = 1")
        c.execute("SELECT pg_sleep(0.01)")
        c.execute("SAVEPOINT s")
        c.execute("DELETE FROM race.t WHERE g = 2")
        c.execute("ROLLBACK TO s")
        c.execute("DELETE FROM race.c WHERE g = 3")


STATEMENTS = {
    "DELETE of all": Statement("DELETE FROM race.t"),
    "DELETE of some": Statement("DELETE FROM race.t WHERE g IN (1, 2)"),
    "UPDATE of all": Statement("UPDATE race.t SET v = 'agent'"),
    "UPDATE of some": Statement("UPDATE race.t SET v = 'agent' WHERE g = 3"),
    "writing CTE": Statement("WITH gone AS (DELETE FROM race.c WHERE g < 5 RETURNING t) "
                             "DELETE FROM race.t WHERE id IN (SELECT t FROM gone)"),
    "cascade": Statement("DELETE FROM race.t WHERE g < 3", FK + "ON DELETE CASCADE"),
    "by key": Statement("DELETE FROM race.t WHERE id BETWEEN 2000001 AND 3000005"),
    "one row of many": Statement("DELETE FROM race.t WHERE id = 3000001",  # kept before it runs
                                 "INSERT INTO race.t SELECT -n, 99, 'far' FROM generate_series(1, 100000) n;"
                                 "ANALYZE race.t"),
    "SET NULL": Statement("DELETE FROM race.t WHERE g < 3", FK + "ON DELETE SET NULL"),
    "parents": Statement("UPDATE race.t SET v = 'agent' WHERE g < 3", FK),  # under others' KEY SHARE
    "key update": Statement("UPDATE race.t SET id = -id WHERE g < 3", FK + "ON UPDATE CASCADE"),
    "volatile": Statement("DELETE FROM race.t WHERE random() < 0.2"),
    "MERGE": Statement("MERGE INTO race.t USING race.c ON t.id = c.id "
                       "WHEN MATCHED AND c.g < 3 THEN DELETE "
                       "WHEN MATCHED THEN UPDATE SET v = 'agent'"),
    "upsert": Statement("INSERT INTO race.t (id, g, v) SELECT id, g, 'agent' FROM race.t WHERE g < 4 "
                        "ON CONFLICT (id) DO UPDATE SET v = excluded.v"),
    "function": Statement("SELECT race.purge()", """CREATE FUNCTION race.purge() RETURNS void
        LANGUAGE plpgsql AS $$BEGIN DELETE FROM race.t WHERE g = 1; UPDATE race.c SET v = 'agent'
        WHERE g = 1; END$$"""),
    "DO": Statement("DO $$BEGIN UPDATE race.t SET v = 'agent' WHERE g < 3; BEGIN DELETE FROM race.c "
                    "WHERE g < 3; PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN NULL; END; END$$"),
    "procedure": Statement("CALL race.clean()", """CREATE PROCEDURE race.clean()
        LANGUAGE sql AS $$DELETE FROM race.t WHERE g = 2$$"""),
    "view": Statement("UPDATE race.few SET v = 'agent'",
                      "CREATE VIEW race.few AS SELECT * FROM race.t WHERE g < 3"),
    "INSTEAD OF": Statement("DELETE FROM race.both WHERE g < 3", """CREATE VIEW race.both AS
        SELECT t.id, t.g FROM race.t JOIN race.c USING (id);
        CREATE FUNCTION race.instead() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
        DELETE FROM race.t WHERE id = OLD.id; DELETE FROM race.c WHERE id = OLD.id; RETURN OLD; END$$;
        CREATE TRIGGER i INSTEAD OF DELETE ON race.both FOR EACH ROW EXECUTE FUNCTION race.instead()"""),
    "rule": Statement("UPDATE race.r SET n = 2", """CREATE TABLE race.r (n int);
        INSERT INTO race.r VALUES (1); CREATE RULE also AS ON UPDATE TO race.r DO ALSO
        DELETE FROM race.t WHERE g < 3"""),
    "trigger": Statement("DELETE FROM race.t WHERE g < 3", """CREATE FUNCTION race.follow()
        RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN UPDATE race.c SET v = 'agent' WHERE id = OLD.id; RETURN OLD; END$$;
        CREATE TRIGGER f BEFORE DELETE ON race.t FOR EACH ROW WHEN (pg_trigger_depth() = 0)
        EXECUTE FUNCTION race.follow()"""),
    "COPY": Statement(copy_in, """CREATE TABLE race.inbox (id int);
        CREATE FUNCTION race.arrive() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN UPDATE race.t SET v = 'agent' WHERE g = NEW.id; RETURN NEW; END$$;
        CREATE TRIGGER a AFTER INSERT ON race.inbox FOR EACH ROW EXECUTE FUNCTION race.arrive()"""),
    "transaction": Statement(transaction),
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
        """Runs it, again where others had its locks, or it had to give way; how often."""
        for attempt in range(1, 21):
            with self.gateway.connect("bob", autocommit=True) as c:
                try:
                    statement.run(c)
                    return attempt
                except psycopg.Error as error:
                    if error.sqlstate not in ("ZB004", "40P01"):
                        raise
        raise AssertionError("it never got its locks")


@pytest.fixture(scope="module")
def site(pg):
    """Nobody is asked; what is not protected does not run all the same."""
    g = Gateway(pg, tls=False, policy={"rules": [
        {"name": "nobody is asked", "risk": ["SAFE", "HIGH", "CRITICAL"], "action": "allow"}]})
    with pg.admin() as c:
        c.execute("ALTER ROLE app_trust SET deadlock_timeout = '100ms'")  # as in the guide
    try:
        with running(g, "bob") as g:
            yield Site(pg, g)
    finally:
        with pg.admin() as c:
            c.execute("ALTER ROLE app_trust RESET deadlock_timeout")


def kept(site, old):
    """What points made since hold, where their statement has committed; and how it was kept."""
    new = [p for p in site.store.points() if p.id not in old and p.complete()]
    wait_until(lambda: all(p.events() and p.events()[-1] != "armed" for p in new), 10)
    done = [p for p in new if p.committed()]
    return ([(table, row["id"], row["v"]) for p in done for table, row in p.rows() if table in INSERT],
            {p.manifest()["capture"]["mode"] for p in done})


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_acknowledged_version_is_lost(site, name, request):
    statement = STATEMENTS[name]
    destroyed = acknowledged = attempts = victims = 0
    modes = set()
    for _ in range(ROUNDS):
        statement.prepare(site.pg)
        old = {p.id for p in site.store.points()}
        with Round(site.pg, statement.linked) as around:
            attempts += site.run(statement)
            around.more()
        gone, (saved, how) = around.destroyed(), kept(site, old)
        modes |= how
        assert [x for x in gone if x not in set(saved)] == []
        assert {v for _, _, v in saved} <= around.sent(), "a version that nobody has written"
        victims += around.total("victim")  # test_deadlocks.py is about them
        destroyed += len(gone)
        acknowledged += around.total("acknowledged")
    assert destroyed > 0
    note(request, "races", f"{name:17} {acknowledged:7} acknowledged, {destroyed:5} destroyed and kept,"
                           f" 0 lost; {attempts} attempts in {ROUNDS} rounds;"
                           f" {' and '.join(sorted(modes))}; {victims} victims")


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
