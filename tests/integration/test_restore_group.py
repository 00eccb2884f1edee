"""All points of one transaction, given back together."""

import subprocess
import time

import psycopg
import pytest

from conftest import binary
from test_undo import (  # noqa: F401
    MADE, answer, approving, door, picture, points, site, told, wait_until)

EXTRA = """
SET ROLE app_trust;
CREATE TABLE undo.shop (id int PRIMARY KEY);
CREATE TABLE undo.sale (id int PRIMARY KEY, shop int REFERENCES undo.shop);
INSERT INTO undo.shop SELECT generate_series(1, 20);
INSERT INTO undo.sale SELECT g, g % 20 + 1 FROM generate_series(1, 100) g;
RESET ROLE;
ANALYZE undo.shop, undo.sale;
"""


def look(pg):
    with pg.admin() as c:
        there = c.execute("SELECT relname FROM pg_class WHERE relname IN ('shop', 'sale')").fetchall()
        rows = [c.execute(f"SELECT x::text FROM undo.{t} x ORDER BY 1").fetchall()
                for t, in sorted(there)]
    return picture(pg), rows


def transaction(gateway, *statements):
    """Statements of one transaction, each approved; its points that count, newest first."""
    there = set(points(gateway))
    with approving(gateway.operator), gateway.connect("bob") as c:
        for _ in range(15):
            try:
                for statement in statements:
                    c.execute(statement)
                c.commit()
                break
            except psycopg.Error as error:
                assert error.sqlstate == "ZB001", error
                c.rollback()
                time.sleep(0.4)
        else:
            raise AssertionError("it was never let through")
    made = [p for p in points(gateway) if p not in there]
    shown = wait_until(lambda: told(gateway, made))
    return [p for p in made if shown[p]["outcome"] == "committed"]


@pytest.fixture
def shop(site, pg):  # noqa: F811
    with pg.admin() as c:
        c.execute(EXTRA)
    return site


CASES = {
    "emptied and changed": ["DELETE FROM undo.sale", "UPDATE undo.t SET v = 'x' WHERE id < 5",
                            "DELETE FROM undo.shop"],
    "truncated together": ["TRUNCATE undo.sale", "DELETE FROM undo.shop WHERE id < 4",
                           "DELETE FROM undo.shop"],
    "emptied and dropped": ["DELETE FROM undo.t WHERE id < 3", "UPDATE undo.nokey SET b = 'y'",
                            "DROP TABLE undo.sale"],
    "rows and new ones": ["UPDATE undo.t SET n = -1 WHERE id BETWEEN 5 AND 9",
                          "INSERT INTO undo.t VALUES (7000, 'new'), (7001, 'new')",
                          "UPDATE undo.t SET n = -2 WHERE id BETWEEN 8 AND 12",
                          "UPDATE undo.t SET id = 9000 WHERE id = 40"],
}


@pytest.mark.parametrize("case", CASES)
def test_a_transaction_is_given_back(shop, pg, case):
    before = look(pg)
    made = transaction(shop, *CASES[case])
    assert look(pg) != before and made
    if len(made) > 1:
        assert "--group" in shop.cli("restore", "preview", made[0]).stdout
    # From whichever of them it is asked.
    done = answer(shop, "copy-back", made[-1], "--group", "--remove-inserted", "--yes")
    assert done["done"] and {p["point"] for p in done["points"]} == set(made)
    assert "apart" not in done and look(pg) == before
    # And nothing is left to do.
    again = answer(shop, "copy-back", made[0], "--group", "--remove-inserted", "--yes")
    assert not any(t["inserted"] + t["updated"] + t["removed"]
                   for p in again["points"] for t in p["tables"])


def test_points_of_rows_of_one_table(shop, pg):
    """What one of them changed must not count as inserted for another."""
    with pg.admin() as c:
        c.execute("""SET ROLE app_trust;
            CREATE TABLE undo.large (id int PRIMARY KEY, v text, n int);
            INSERT INTO undo.large SELECT g, 'a row like any other ' || g, g
                FROM generate_series(1, 100000) g;
            RESET ROLE; ANALYZE undo.large""")

        def rows():
            return c.execute("SELECT md5(string_agg(t::text, '|' ORDER BY id)) FROM undo.large t"
                             ).fetchone()

        before = rows()
        made = transaction(shop, "UPDATE undo.large SET n = -1 WHERE id BETWEEN 5 AND 9",
                           "UPDATE undo.t SET v = 'x'",
                           "UPDATE undo.large SET n = -2 WHERE id BETWEEN 20 AND 25",
                           "INSERT INTO undo.large VALUES (200000, 'new', 1)")
        modes = [answer(shop, "preview", p)["mode"] for p in made]
        assert "rows" in modes or modes.count("rows-before") > 1, modes
        assert answer(shop, "copy-back", made[0], "--group", "--remove-inserted", "--yes")["done"]
        assert rows() == before


def test_what_is_not_done_is_told(shop, pg):
    made = transaction(shop, "DELETE FROM undo.sale", "DELETE FROM undo.shop")
    assert len(made) > 1
    with pg.admin() as c:
        c.execute("ALTER TABLE undo.sale RENAME shop TO other")
    error = answer(shop, "copy-back", made[0], "--group", "--yes", status=1)["error"]
    assert error["points"] == len(made) and error["done"] == 0
    with pg.admin() as c:
        assert c.execute("SELECT count(*) FROM undo.shop").fetchone() == (0,)
        assert c.execute("SELECT count(*) FROM undo.sale").fetchone() == (0,)
    text = shop.cli("restore", "copy-back", made[0], "--group", "--yes", check=False).stdout
    assert "not done" in text and "shop" in text


def test_it_is_about_all_of_them(shop, pg):
    [made] = transaction(shop, "DELETE FROM undo.sale WHERE id = 1")
    for more in (["--table", "undo.sale"], ["--where", "true"], ["--plan"]):
        answer(shop, "copy-back", made, "--group", "--yes", *more, status=64)
    done = answer(shop, "copy-back", made, "--group", "--yes")
    assert len(done["points"]) == 1 and done["points"][0]["tables"][0]["inserted"] == 1


TWO = ["UPDATE undo.ident SET name = name || '!' WHERE id < 5",
       "UPDATE undo.t SET v = 'x' WHERE id < 5"]


@pytest.mark.parametrize("between, more", [
    ("CREATE UNIQUE INDEX ON undo.t (v) WHERE v <> 'x'; INSERT INTO undo.t VALUES (8000, 'v3')", []),
    ("UPDATE undo.t SET v = 'other' WHERE id = 3", ["--conflict", "abort"]),
    ("ALTER TABLE undo.t ALTER v TYPE varchar(90)", []),
], ids=["unique", "conflict", "columns"])
def test_all_of_it_or_nothing(shop, pg, between, more):
    """The newer point can go back, the older cannot: neither does."""
    made = transaction(shop, *TWO)
    assert [[t["name"] for t in answer(shop, "preview", p)["tables"]] for p in made] == [
        ["ident"], ["t"]]
    with pg.admin() as c:
        c.execute(between)
    now = look(pg)
    there = points(shop)
    error = answer(shop, "copy-back", made[0], "--group", "--yes", *more, status=1)["error"]
    assert (error["points"], error["done"]) == (2, 0)
    assert look(pg) == now
    # What was kept for it meanwhile is nobody's undo.
    assert all(answer(shop, "preview", p)["outcome"] == "rolled_back"
               for p in points(shop) if p not in there)


@pytest.mark.parametrize("case", CASES)
def test_the_undo_is_undone(shop, pg, case):
    before = look(pg)
    made = transaction(shop, *CASES[case])
    after = look(pg)
    there = set(points(shop))
    assert answer(shop, "copy-back", made[0], "--group", "--remove-inserted", "--yes")["done"]
    assert look(pg) == before
    if "dropped" in case:
        return  # a transaction for each
    kept = [p for p in points(shop) if p not in there
            and answer(shop, "preview", p)["outcome"] == "committed"]
    done = answer(shop, "copy-back", kept[-1], "--group", "--remove-inserted", "--yes")
    assert {p["point"] for p in done["points"]} == set(kept)
    assert look(pg) == after
    # And that, too.
    again = [p for p in points(shop) if p not in there and p not in kept
             and answer(shop, "preview", p)["outcome"] == "committed"]
    assert answer(shop, "copy-back", again[0], "--group", "--remove-inserted", "--yes")["done"]
    assert look(pg) == before


def test_killed_in_the_middle(shop, pg):
    made = transaction(shop, *TWO)
    now = look(pg)
    waiting = ("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'backstop/restore'"
               " AND wait_event_type = 'Lock' AND backend_xid IS NOT NULL")
    with pg.admin() as c, pg.admin() as other:
        with other.transaction():
            other.execute("UPDATE undo.t SET n = n WHERE id = 300")
            p = subprocess.Popen([binary(), "restore", "copy-back", made[0], "--group", "--yes",
                                  "--config", str(shop.config)], env=shop.env,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            # The rows of the first are written by now.
            wait_until(lambda: c.execute(waiting).fetchone() == (1,))
            p.kill()
            p.wait()
        wait_until(lambda: c.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name"
                                     " = 'backstop/restore'").fetchone() == (0,))
    assert look(pg) == now
    done = answer(shop, "copy-back", made[0], "--group", "--yes")
    assert [[(t["name"], t["updated"]) for t in p["tables"]] for p in done["points"]] == [
        [("ident", 4)], [("t", 4)]]


def test_rows_that_only_a_trigger_changes(shop, pg):
    """The point has them, but nothing was to be done about them: so nobody has kept them."""
    [made] = transaction(shop, "TRUNCATE undo.sale, undo.shop")
    with pg.admin() as c:
        c.execute("""INSERT INTO undo.shop SELECT generate_series(1, 20);
            CREATE FUNCTION undo.touch() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN UPDATE undo.shop SET id = id; RETURN NULL; END';
            CREATE TRIGGER touch AFTER INSERT ON undo.sale EXECUTE FUNCTION undo.touch()""")
    now = look(pg)
    error = answer(shop, "copy-back", made, "--yes", status=69)["error"]
    assert error["code"] == "UNCOVERED" and "shop" in error["message"]
    assert look(pg) == now
    assert answer(shop, "copy-back", made, "--yes", "--no-triggers")["tables"]


def test_one_waits_for_another(shop, pg):
    """The newer point's rows refer to the older one's."""
    with pg.admin() as c:
        c.execute("""SET ROLE app_trust;
            CREATE TABLE undo.owner (id int PRIMARY KEY, v text);
            CREATE TABLE undo.pet (id int PRIMARY KEY, name text, owner int REFERENCES undo.owner);
            INSERT INTO undo.owner SELECT g, 'v' || g FROM generate_series(1, 2000) g;
            INSERT INTO undo.pet SELECT g, 'n' || g, g FROM generate_series(1, 500) g;
            RESET ROLE; ANALYZE undo.owner, undo.pet""")
        made = transaction(shop, "UPDATE undo.pet SET name = name || '!', owner = NULL"
                           " WHERE owner < 4", "DELETE FROM undo.owner WHERE id < 4")
        assert [[t["name"] for t in answer(shop, "preview", p)["tables"]] for p in made] == [
            ["pet"], ["owner"]]
        assert answer(shop, "copy-back", made[0], "--group", "--yes")["done"]
        assert c.execute("SELECT count(*) FROM undo.pet WHERE owner < 4 AND name !~ '!'"
                         ).fetchone() == (3,)
