"""Statements that change some rows, sent by an agent and approved, and undone row by row."""

import contextlib
import json
import threading
import time

import psycopg
import pytest

from conftest import Gateway, running, wait_until
from operator_side import Operator

MADE = """
DROP SCHEMA IF EXISTS undo CASCADE;
CREATE SCHEMA undo AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE undo.t (id int PRIMARY KEY, v text, n numeric);
INSERT INTO undo.t SELECT g, 'v' || g, g FROM generate_series(1, 2000) g;
CREATE TABLE undo.ident (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text UNIQUE,
    up text GENERATED ALWAYS AS (upper(name)) STORED);
INSERT INTO undo.ident (name) SELECT 'n' || g FROM generate_series(1, 500) g;
CREATE TABLE undo.parent (id int PRIMARY KEY, boss int REFERENCES undo.parent);
CREATE TABLE undo.child (id int PRIMARY KEY, p int NOT NULL REFERENCES undo.parent
    ON DELETE CASCADE, j json);
CREATE INDEX ON undo.child (p);
INSERT INTO undo.parent SELECT g, CASE WHEN g > 1 THEN 1 END FROM generate_series(1, 300) g;
INSERT INTO undo.child SELECT g, g % 300 + 1, '{"a": 1}' FROM generate_series(1, 3000) g;
CREATE TABLE undo.parted (id int, r text, v int, PRIMARY KEY (id, r)) PARTITION BY LIST (r);
CREATE TABLE undo.parted_eu PARTITION OF undo.parted FOR VALUES IN ('eu');
CREATE TABLE undo.parted_us PARTITION OF undo.parted FOR VALUES IN ('us');
INSERT INTO undo.parted SELECT g, CASE WHEN g % 2 = 0 THEN 'eu' ELSE 'us' END, g
    FROM generate_series(1, 1000) g;
CREATE TABLE undo.nokey (a int, b text);
INSERT INTO undo.nokey SELECT g / 2, 'x' FROM generate_series(1, 1000) g;
CREATE FUNCTION undo.clean(below int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
    DELETE FROM undo.t WHERE id < below;
    GET DIAGNOSTICS n = ROW_COUNT;
    UPDATE undo.ident SET name = name || '!' WHERE id < below;
    INSERT INTO undo.t VALUES (100000, 'log', n);
    RETURN n;
END $$;
RESET ROLE;
ANALYZE undo.t, undo.ident, undo.parent, undo.child, undo.parted, undo.nokey;
"""
TABLES = ("t", "ident", "parent", "child", "parted", "nokey")


@pytest.fixture(scope="module")
def door(pg):
    """A gateway, an agent "bob" and an operator, who is asked about functions, too."""
    g = Gateway(pg, policy={"rules": [
        {"name": "somebody is asked", "risk": ["HIGH", "CRITICAL"], "action": "approve"}]})
    g.operator = Operator(g)
    with running(g, "bob") as g:
        yield g


@pytest.fixture
def site(door, pg):
    with pg.admin() as c:
        c.execute(MADE)
    return door


def picture(pg):
    """A hash of the rows of every table; of partitions, too, so a row's place counts."""
    with pg.admin() as c:
        return {t: c.execute(f"SELECT md5(string_agg(x, '|' ORDER BY x)) FROM (SELECT t.tableoid::"
                             f"regclass || t::text AS x FROM undo.{t} t) q").fetchone()[0]
                for t in TABLES}


def points(gateway):
    return [p["point"] for p in json.loads(
        gateway.cli("points", "list", "--json").stdout)["points"]]


def destroy(gateway, statement, *more):
    """The agent's statement, approved; the points that were made for it, newest first."""
    there = set(points(gateway))
    with gateway.connect("bob", autocommit=True) as c:
        decider = gateway.operator.deciding("approve")
        c.execute(statement, *more)
        decider.done()
    return [p for p in points(gateway) if p not in there]


@contextlib.contextmanager
def approving(operator):
    """Somebody who approves whatever comes."""
    end = threading.Event()

    def approve():
        while not end.wait(0.05):
            for ticket in operator.tickets():
                operator.decide(ticket["id"], "approve")

    thread = threading.Thread(target=approve)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def answer(gateway, *args, status=0):
    out = gateway.cli("restore", *args, "--json", check=False)
    assert out.returncode == status, out.stdout + out.stderr
    return json.loads(out.stdout)


def undo(gateway, point, *more):
    """Copies a point back, whatever it holds; what was done by table."""
    done = answer(gateway, "copy-back", point, "--yes", "--remove-inserted", *more)
    return {t["name"]: (t["inserted"], t["updated"], t["removed"]) for t in done["tables"]}


STATEMENTS = {
    "delete": ("DELETE FROM undo.t WHERE id % 100 = 0", {"t": (20, 0, 0)}),
    "update": ("UPDATE undo.t SET v = 'x', n = -n WHERE id <= 10", {"t": (0, 10, 0)}),
    "generated": ("UPDATE undo.ident SET name = name || '!' WHERE id < 6", {"ident": (0, 5, 0)}),
    "identity": ("DELETE FROM undo.ident WHERE id < 6", {"ident": (5, 0, 0)}),
    "merge": ("MERGE INTO undo.t USING (SELECT generate_series(1999, 2003) AS id) m ON t.id = m.id"
              " WHEN MATCHED AND t.id = 1999 THEN DELETE WHEN MATCHED THEN UPDATE SET v = 'm'"
              " WHEN NOT MATCHED THEN INSERT VALUES (m.id, 'new')", {"t": (1, 1, 3)}),
    "on conflict": ("INSERT INTO undo.t SELECT g, 'c' FROM generate_series(1995, 2004) g"
                    " ON CONFLICT (id) DO UPDATE SET v = excluded.v", {"t": (0, 6, 4)}),
    "writing cte": ("WITH gone AS (DELETE FROM undo.t WHERE id < 4 RETURNING *)"
                    " UPDATE undo.ident SET name = gone.v FROM gone WHERE ident.id = gone.id",
                    {"t": (3, 0, 0), "ident": (0, 3, 0)}),
    "cascade": ("DELETE FROM undo.parent WHERE id > 298", {"parent": (2, 0, 0),
                                                           "child": (20, 0, 0)}),
    "function": ("SELECT undo.clean(5)", {"t": (4, 0, 1), "ident": (0, 4, 0)}),
    "block": ("DO $$ BEGIN PERFORM undo.clean(3); DELETE FROM undo.nokey WHERE a = 7; END $$",
              {"t": (2, 0, 1), "ident": (0, 2, 0), "nokey": (2, 0, 0)}),
    "move": ("UPDATE undo.parted SET r = 'eu' WHERE r = 'us' AND id < 20",
             {"parted": (10, 0, 10)}),
    "partitions": ("DELETE FROM undo.parted WHERE id <= 4", {"parted": (4, 0, 0)}),
    "insert": ("INSERT INTO undo.t VALUES (5000, 'a'), (5001, 'b')", {"t": (0, 0, 2)}),
    "insert without a key": ("INSERT INTO undo.nokey SELECT 3, 'x'", {"nokey": (0, 0, 1)}),
    "insert into partitions": ("INSERT INTO undo.parted VALUES (5000, 'eu', 1), (5001, 'us', 1)",
                               {"parted": (0, 0, 2)}),
    "insert with its children": ("WITH p AS (INSERT INTO undo.parent VALUES (5000, 5000) RETURNING id)"
                                 " INSERT INTO undo.child VALUES (5000, 5000)",
                                 {"parent": (0, 0, 1), "child": (0, 0, 1)}),
    # So much that the table is copied whole.
    "update of all": ("UPDATE undo.t SET n = 0", {"t": (0, 2000, 0)}),
    "replaced": ("DELETE FROM undo.nokey; INSERT INTO undo.nokey VALUES (1, 'new')",
                 {"nokey": (1000, 0, 1)}),
    "no key": ("DELETE FROM undo.nokey WHERE a = 3", {"nokey": (2, 0, 0)}),
    "no key, changed": ("UPDATE undo.nokey SET b = 'y' WHERE a = 3", {"nokey": (2, 0, 2)}),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_is_undone(site, pg, name):
    statement, want = STATEMENTS[name]
    before = picture(pg)
    made = destroy(site, statement)
    assert picture(pg) != before
    done = {}
    for point in made:
        done.update(undo(site, point))
    assert done == want
    assert picture(pg) == before


def test_a_load_is_undone(site, pg):
    """What COPY has put in goes out again, and nothing of what others put in since."""
    before = picture(pg)
    there = set(points(site))
    with site.connect("bob", autocommit=True) as c:
        decider = site.operator.deciding("approve")
        with c.cursor().copy("COPY undo.t (id, v) FROM STDIN") as copy:
            for n in range(6000, 6100):
                copy.write_row([n, "loaded"])
        decider.done()
    made = [p for p in points(site) if p not in there]
    with pg.admin() as c:
        c.execute("INSERT INTO undo.t VALUES (7000, 'theirs'); UPDATE undo.t SET v = 'theirs too'"
                  " WHERE id = 6050")
    shown = [t for p in made for t in answer(site, "preview", p)["tables"]]
    assert [(t["name"], t["rows"], t["inserted"], t["now"]["made"]) for t in shown] == [
        ("t", 0, 100, 99)]
    done = {}
    for point in made:
        assert answer(site, "copy-back", point, "--yes")["tables"] in (
            [], [{**t, "removed": 0} for t in answer(site, "copy-back", point, "--yes")["tables"]])
        done.update(undo(site, point))
    assert done == {"t": (0, 0, 99)}
    with pg.admin() as c:
        assert c.execute("SELECT id FROM undo.t WHERE id > 2000 ORDER BY 1").fetchall() == [
            (6050,), (7000,)]
        c.execute("DELETE FROM undo.t WHERE id > 2000")
    assert picture(pg) == before


def test_an_undo_that_only_inserts_is_undone(site, pg):
    [point] = destroy(site, "DELETE FROM undo.t WHERE id < 4")
    after = picture(pg)
    done = answer(site, "copy-back", point, "--yes")
    assert picture(pg) != after
    assert undo(site, done["before"]) == {"t": (0, 0, 3)}
    assert picture(pg) == after


def test_a_transaction_in_one_text_is_undone(site, pg):
    before = picture(pg)
    made = destroy(site, "BEGIN; DELETE FROM undo.t WHERE id < 4; UPDATE undo.t SET v = 'x' WHERE "
                         "id = 5; UPDATE undo.t SET v = 'y' WHERE id IN (5, 6); COMMIT")
    done = [undo(site, point) for point in made]
    assert {"t": (3, 2, 0)} in done
    assert picture(pg) == before


def test_sequences_go_back_when_told(site, pg):
    def last():
        with pg.admin() as c:
            return c.execute("SELECT last_value, is_called FROM undo.ident_id_seq").fetchone()

    before, then = picture(pg), last()
    [point] = destroy(site, "DO $$ BEGIN DELETE FROM undo.ident WHERE id = 7; PERFORM setval("
                            "'undo.ident_id_seq', 9000); INSERT INTO undo.ident (name) VALUES "
                            "('later'); END $$")
    assert last() == (9001, True)
    [sequence] = answer(site, "preview", point)["sequences"]
    assert (sequence["name"], sequence["saved"], sequence["live"]) == ("ident_id_seq", 500, 9001)
    assert "500 before the statement, 9001 now" in site.cli("restore", "preview", point).stdout
    # Row 9001 is there, and the sequence would come to it again.
    done = answer(site, "copy-back", point, "--yes", "--set-sequences")
    assert done["sequences"] == 0 and done["sequences_left"] == ["undo.ident_id_seq"]
    assert last() == (9001, True)
    done = answer(site, "copy-back", point, "--yes", "--set-sequences", "--remove-inserted")
    assert done["sequences"] == 1 and last() == then
    assert picture(pg) == before


def test_few_rows_of_a_large_table(site, pg):
    """Found by the statement's own condition before it runs, where that is cheaper."""
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
        for statement, want in (
                ("UPDATE undo.large SET n = -1 WHERE id BETWEEN 5 AND 9", (0, 5, 0)),
                ("DELETE FROM undo.large WHERE id IN (1, 99)", (2, 0, 0)),
                ("UPDATE undo.large SET id = id + 1000000 WHERE id = 77", (1, 0, 1))):
            [point] = destroy(site, statement)
            assert answer(site, "preview", point)["mode"] in ("rows", "rows-before")
            assert undo(site, point) == {"large": want}
            assert rows() == before


def told(site, made):
    """Previews, once it is written down of all of them how they ended."""
    shown = {p: answer(site, "preview", p) for p in made}
    return None if any(s["outcome"] in ("none", "armed") for s in shown.values()) else shown


def test_several_points_of_one_transaction(site, pg):
    before = picture(pg)
    there = set(points(site))
    with approving(site.operator), site.connect("bob") as c:
        for _ in range(5):  # a statement within the transaction may have to come again
            try:
                c.execute("UPDATE undo.t SET n = -1 WHERE id BETWEEN 5 AND 9")
                c.execute("UPDATE undo.t SET n = -2 WHERE id BETWEEN 8 AND 12")
                c.commit()
                break
            except psycopg.Error as error:
                assert error.sqlstate == "ZB001"
                c.rollback()
                time.sleep(0.5)
        else:
            raise AssertionError("it was never let through")
    made = [p for p in points(site) if p not in there]
    shown = wait_until(lambda: told(site, made))
    made = [p for p in made if shown[p]["outcome"] == "committed"]
    assert made
    for p in made:
        assert sorted(shown[p]["same_transaction"]) == sorted(set(made) - {p})
    # In whichever order; nothing that another of them holds is taken for inserted.
    for p in reversed(made):
        if shown[p]["mode"] == "rows-before" and len(made) > 1:
            out = answer(site, "copy-back", p, "--yes", "--remove-inserted", status=1)
            assert out["error"]["code"] == "CONFLICT"
        answer(site, "copy-back", p, "--yes")
    assert picture(pg) == before


def test_what_others_changed_since_stays(site, pg):
    before = picture(pg)
    [point] = destroy(site, "UPDATE undo.t SET v = 'x' WHERE id BETWEEN %s AND %s", (1, 5))
    with pg.admin() as c:
        c.execute("UPDATE undo.t SET v = 'theirs' WHERE id = 1")
        c.execute("DELETE FROM undo.t WHERE id = 2")
        c.execute("UPDATE undo.t SET v = 'v3' WHERE id = 3")
        c.execute("INSERT INTO undo.t VALUES (99999, 'theirs')")
    shown = answer(site, "preview", point)
    [table] = shown["tables"]
    assert shown["mode"].startswith("rows") and table["partial"] and table["rows"] == 5
    now = {k: table["now"][k] for k in ("missing", "by_statement", "conflicts", "equal", "made")}
    assert now == {"missing": 1, "by_statement": 2, "conflicts": 1, "equal": 1, "made": 0}
    assert any("changed since, by others" in x for x in shown["conflicts"])

    found = answer(site, "diff", point, status=1)["tables"][0]
    assert found["by_key"] and found["extra"] == 0
    assert found["examples"].pop("conflict_rows") == [
        {"saved": {"id": 1, "v": "v1", "n": 1}, "live": {"id": 1, "v": "theirs", "n": 1}}]
    assert found["examples"] == {"missing": [{"id": 2}], "by_statement": [{"id": 4}, {"id": 5}],
                                 "conflicts": [{"id": 1}], "equal": [{"id": 3}], "made": [],
                                 "changed": [{"id": 1}, {"id": 4}, {"id": 5}]}
    assert found["columns"] == {"v": 3}
    text = site.cli("restore", "diff", point, check=False).stdout
    assert '"live" : {"id":1,"v":"theirs","n":1}' in text
    assert "BY STATEMENT" in text and 'changed since by others: {"id": 1}' in text

    answer(site, "copy-back", point, "--yes", "--conflict", "abort", status=1)
    done = answer(site, "copy-back", point, "--yes")["tables"][0]
    assert (done["inserted"], done["updated"], done["skipped"]) == (1, 2, 1)
    with pg.admin() as c:
        assert c.execute("SELECT v FROM undo.t WHERE id = 1").fetchone()[0] == "theirs"
        c.execute("DELETE FROM undo.t WHERE id = 99999")
    text = site.cli("restore", "copy-back", point, "--yes", "--conflict", "overwrite").stdout
    assert "undo.t: 0 rows put back, 1 of others overwritten\n" in text
    assert picture(pg) == before


def test_of_a_whole_table_too(site, pg):
    """A point of the whole table knows what the statement wrote just as well."""
    before = picture(pg)
    [point] = destroy(site, "UPDATE undo.t SET v = 'x'")
    with pg.admin() as c:
        c.execute("UPDATE undo.t SET v = 'theirs' WHERE id = 1")
        c.execute("INSERT INTO undo.t VALUES (99999, 'theirs')")
    assert answer(site, "preview", point)["mode"] == "whole"
    found = answer(site, "diff", point, status=1)["tables"][0]
    assert [found[k] for k in ("changed", "by_statement", "conflicts", "extra", "made")] == [
        2000, 1999, 1, 1, 0]
    answer(site, "copy-back", point, "--yes", "--conflict", "abort", status=1)
    done = answer(site, "copy-back", point, "--yes", "--remove-inserted")["tables"][0]
    assert (done["inserted"], done["updated"], done["skipped"], done["removed"]) == (0, 1999, 1, 0)
    with pg.admin() as c:
        assert c.execute("SELECT id FROM undo.t WHERE v = 'theirs' ORDER BY 1").fetchall() == [
            (1,), (99999,)]
        c.execute("DELETE FROM undo.t WHERE id = 99999")
    answer(site, "copy-back", point, "--yes", "--conflict", "overwrite")
    assert picture(pg) == before


def test_an_undo_is_undone(site, pg):
    before = picture(pg)
    [point] = destroy(site, "DELETE FROM undo.t WHERE id IN (1, 2); "
                            "UPDATE undo.t SET v = 'x' WHERE id = 3")[:1]
    after = picture(pg)
    done = answer(site, "copy-back", point, "--yes")
    assert picture(pg) == before
    undo(site, done["before"])
    with pg.admin() as c:
        assert c.execute("SELECT v FROM undo.t WHERE id = 3").fetchone()[0] == "x"
    assert after["ident"] == picture(pg)["ident"]


def test_rows_can_be_looked_at_beside(site, pg):
    before = picture(pg)
    [point] = destroy(site, "DELETE FROM undo.ident WHERE id < 4")
    [table] = answer(site, "run", point)["tables"]
    with pg.admin() as c:
        rows = c.execute(f"SELECT name FROM {table['into_schema']}.{table['into_name']}"
                         " ORDER BY id").fetchall()
    assert rows == [("n1",), ("n2",), ("n3",)]
    plan = answer(site, "copy-back", point, "--plan", "--remove-inserted")["sql"]
    assert "INSERT INTO" in plan and "DELETE FROM ONLY" in plan
    answer(site, "discard", point, "--yes")
    undo(site, point)
    assert picture(pg) == before


# Without a key: what is done about it, with and without --remove-inserted; what others do in between.
KEYLESS = {
    "few": "UPDATE undo.nokey SET b = 'y' WHERE a = 3",
    "all": "UPDATE undo.nokey SET b = 'y'",
    "values that others have": "UPDATE undo.nokey SET a = 4 WHERE a = 3",
    "to what it was": "UPDATE undo.nokey SET b = 'x' WHERE a = 3",
    "one of two equal rows": "UPDATE undo.nokey SET b = 'y' WHERE ctid IN (SELECT min(ctid) FROM"
                             " undo.nokey WHERE a IN (3, 4) GROUP BY a)",
    "one of two equal rows goes": "DELETE FROM undo.nokey WHERE ctid IN (SELECT min(ctid) FROM"
                                  " undo.nokey WHERE a IN (3, 4) GROUP BY a)",
    "changed and gone": "DO $$ BEGIN UPDATE undo.nokey SET b = 'y' WHERE a = 3;"
                        " DELETE FROM undo.nokey WHERE a = 5; END $$",
    "changed twice": "DO $$ BEGIN UPDATE undo.nokey SET b = 'y' WHERE a = 3;"
                     " UPDATE undo.nokey SET b = 'z' WHERE a = 3; END $$",
}


@pytest.mark.parametrize("more", [[], ["--remove-inserted"]], ids=["", "remove"])
@pytest.mark.parametrize("case", KEYLESS)
def test_rows_without_a_key_are_not_doubled(site, pg, case, more):
    before = picture(pg)
    [point] = destroy(site, KEYLESS[case])
    with pg.admin() as c:
        c.execute("INSERT INTO undo.nokey VALUES (9000, 'theirs'), (9000, 'theirs')")
    if case != "changed twice":
        for _ in range(2):  # once more changes nothing
            answer(site, "copy-back", point, "--yes", *more)
        with pg.admin() as c:
            assert c.execute("DELETE FROM undo.nokey WHERE a = 9000").rowcount == 2
        assert picture(pg) == before
        return
    # More was written than is there: somebody else's rows could be what has become of it.
    error = answer(site, "copy-back", point, "--yes", *more, status=1)["error"]
    assert error["code"] == "CONFLICT" and "no key" in error["message"], error
    with pg.admin() as c:
        c.execute("DELETE FROM undo.nokey WHERE a = 9000")
    answer(site, "copy-back", point, "--yes", *more)
    assert picture(pg) == before


@pytest.mark.parametrize("case", ["few", "all"])
def test_rows_without_a_key_that_others_have_changed(site, pg, case):
    [point] = destroy(site, KEYLESS[case])
    with pg.admin() as c:
        c.execute("UPDATE undo.nokey SET b = 'theirs' WHERE a = 3 AND ctid IN"
                  " (SELECT min(ctid) FROM undo.nokey WHERE a = 3)")
    after = picture(pg)
    for more in ([], ["--remove-inserted"], ["--conflict", "overwrite"]):
        error = answer(site, "copy-back", point, "--yes", *more, status=1)["error"]
        assert error["code"] == "CONFLICT" and "no key" in error["message"], error
        assert "restore run" in error["hint"]
    assert picture(pg) == after


def test_rows_without_a_key_inserted_along(site, pg):
    before = picture(pg)
    [point] = destroy(site, "DO $$ BEGIN UPDATE undo.nokey SET b = 'y' WHERE a = 3;"
                            " INSERT INTO undo.nokey VALUES (3, 'new'); END $$")
    after = picture(pg)
    error = answer(site, "copy-back", point, "--yes", status=1)["error"]
    assert error["code"] == "CONFLICT" and "--remove-inserted" in error["hint"], error
    assert picture(pg) == after
    assert undo(site, point) == {"nokey": (2, 0, 3)}
    assert picture(pg) == before


def test_an_undo_of_rows_without_a_key_is_undone(site, pg):
    [point] = destroy(site, KEYLESS["one of two equal rows"])
    after = picture(pg)
    done = answer(site, "copy-back", point, "--yes")
    assert picture(pg) != after
    undo(site, done["before"])
    assert picture(pg) == after


def test_a_unique_key_is_one_for_whole_tables_too(site, pg):
    with pg.admin() as c:
        c.execute("ALTER TABLE undo.t DROP CONSTRAINT t_pkey, ALTER id SET NOT NULL,"
                  " ADD UNIQUE (id)")
    [point] = destroy(site, "UPDATE undo.t SET v = 'x'")
    with pg.admin() as c:
        c.execute("UPDATE undo.t SET v = 'theirs' WHERE id = 1")
    done = answer(site, "copy-back", point, "--yes")["tables"][0]
    assert (done["inserted"], done["updated"], done["skipped"]) == (0, 1999, 1)


@pytest.mark.parametrize("statement, left", [("TRUNCATE undo.bare", 0), ("DELETE FROM undo.bare", 0),
                                             ("DELETE FROM undo.bare WHERE ctid < '(0,4)'", 4)])
def test_rows_without_columns(site, pg, statement, left):
    """There is nothing about them but how many they are."""
    ask = "SELECT count(*) FROM undo.bare"
    with pg.admin() as c:
        c.execute("SET ROLE app_trust; CREATE TABLE undo.bare ();"
                  + "INSERT INTO undo.bare DEFAULT VALUES;" * 7)
        [point] = destroy(site, statement)
        assert c.execute(ask).fetchone() == (left,)
        assert answer(site, "diff", point, status=1)["tables"][0]["missing"] == 7 - left
        for _ in range(2):
            answer(site, "copy-back", point, "--yes")
            assert c.execute(ask).fetchone() == (7,)
        c.execute("TRUNCATE undo.bare")
        plan = answer(site, "copy-back", point, "--plan")["sql"]
        assert 'INSERT INTO "undo"."bare" OVERRIDING SYSTEM VALUE' in plan
        [table] = answer(site, "run", point)["tables"]
        assert table["rows"] == 7 - left
        answer(site, "discard", point, "--yes")


def test_rows_and_columns_of_one_table(site, pg):
    """The error says the two commands that give both back."""
    before = picture(pg)
    with pg.admin() as c:
        c.execute('ALTER TABLE undo.t RENAME n TO "n 1"')
    point = destroy(site, 'DELETE FROM undo.t WHERE id < 4; ALTER TABLE undo.t DROP COLUMN "n 1"')[0]
    error = answer(site, "copy-back", point, "--yes", status=1)["error"]
    sql, then = error["hint"].split("; ")
    assert sql == 'ALTER TABLE "undo"."t" ADD COLUMN "n 1" numeric', error
    assert then == "then the same again with --conflict overwrite"
    with pg.admin() as c:
        c.execute(sql)
    answer(site, "copy-back", point, "--yes", "--conflict", "overwrite")
    assert picture(pg) == before
