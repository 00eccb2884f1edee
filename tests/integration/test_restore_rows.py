"""Parts of what a point holds: conditions, conflicts and what is foreseen about them."""

import json
import re

import pytest

from test_undo import MADE, answer, destroy, door, picture, points, site  # noqa: F401


def rows(pg, sql):
    with pg.admin() as c:
        return c.execute(sql).fetchall()


def test_only_rows_of_a_condition_come_back(site, pg):
    before = picture(pg)
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 20")
    shown = answer(site, "preview", point, "--where", "id <= 3 OR v = 'v20'")
    [table] = shown["tables"]
    assert table["chosen"] == 4 and table["now"]["missing"] == 4 and table["rows"] == 20
    assert table["examples"]["missing"] == [{"id": 1}, {"id": 2}, {"id": 3}, {"id": 20}]
    assert "4 of 20" in site.cli("restore", "preview", point, "-w", "id <= 3 OR v = 'v20'").stdout
    found = answer(site, "diff", point, "--where", "t.id <= 3", status=1)["tables"][0]
    assert (found["saved_rows"], found["missing"]) == (3, 3)

    done = answer(site, "copy-back", point, "--yes", "--where", "id <= 3 -- few")
    assert done["tables"][0]["inserted"] == 3
    assert rows(pg, "SELECT id FROM undo.t WHERE id <= 20 ORDER BY 1") == [(1,), (2,), (3,)]
    assert answer(site, "diff", point, "--where", "id <= 3")["same"]
    # The rest, and it is as it was.
    done = answer(site, "copy-back", point, "--yes")
    assert done["tables"][0]["inserted"] == 17
    assert picture(pg) == before
    # What was asked for is in the record.
    log = json.loads(site.cli("points", "show", point, "--json").stdout)["events"]
    assert [e["details"].get("where") for e in log if e["state"] == "restored"] == [
        "id <= 3 -- few", None]


def test_a_condition_on_a_table_saved_whole(site, pg):
    [point] = destroy(site, "UPDATE undo.t SET n = 0")
    with pg.admin() as c:
        c.execute("UPDATE undo.t SET n = 5 WHERE id = 4; INSERT INTO undo.t VALUES (5000, 'new')")
    shown = answer(site, "preview", point, "--where", "id < 6")["tables"][0]
    assert shown["chosen"] == 5 and shown["now"]["conflicts"] == 1
    done = answer(site, "copy-back", point, "--yes", "--where", "id < 6")["tables"][0]
    assert (done["inserted"], done["updated"], done["skipped"]) == (0, 4, 1)
    assert rows(pg, "SELECT id, n FROM undo.t WHERE id < 8 ORDER BY 1") == [
        (1, 1), (2, 2), (3, 3), (4, 5), (5, 5), (6, 0), (7, 0)]
    done = answer(site, "copy-back", point, "--yes", "--where", "id = 4", "--conflict",
                  "overwrite")["tables"][0]
    assert (done["updated"], done["skipped"]) == (1, 0)
    assert rows(pg, "SELECT count(*) FROM undo.t WHERE n <> 0") == [(5,)]
    assert rows(pg, "SELECT v FROM undo.t WHERE id = 5000") == [("new",)]


def test_a_row_that_moved_and_was_not_chosen_is_nobodys(site, pg):
    """Comparison sees all saved rows, and the condition only chooses among what it found."""
    [point] = destroy(site, "UPDATE undo.parted SET r = 'eu' WHERE r = 'us' AND id < 20")
    done = answer(site, "copy-back", point, "--yes", "--table", "undo.parted", "--where",
                  "id < 4")["tables"][0]
    assert (done["inserted"], done["updated"], done["removed"]) == (2, 0, 0)
    assert rows(pg, "SELECT id, r FROM undo.parted WHERE id IN (1, 3, 5) ORDER BY 1, 2") == [
        (1, "eu"), (1, "us"), (3, "eu"), (3, "us"), (5, "eu")]


def test_chosen_rows_are_loaded_beside(site, pg):
    [point] = destroy(site, "DROP TABLE undo.t")
    done = answer(site, "run", point, "--table", "undo.t", "--where", "id % 500 = 0")
    [table] = done["tables"]
    assert table["rows"] == 4
    into = f'{table["into_schema"]}.{table["into_name"]}'
    assert rows(pg, f"SELECT id, v FROM {into} ORDER BY 1") == [
        (500, "v500"), (1000, "v1000"), (1500, "v1500"), (2000, "v2000")]
    answer(site, "discard", point, "--yes")
    shown = answer(site, "preview", point, "--where", "id < 8", "--table", "undo.t")["tables"]
    assert [t["chosen"] for t in shown] == [7]
    # A table that is made again is made whole.
    error = answer(site, "copy-back", point, "--yes", "--where", "id < 8", status=65)["error"]
    assert "all its rows" in error["message"]
    assert rows(pg, "SELECT to_regclass('undo.t')") == [(None,)]


@pytest.mark.parametrize("condition", [
    "id = 1; DROP TABLE undo.t", "id = 1) OR (true", "true ORDER BY id",
    "EXISTS (DELETE FROM undo.t)", "id IN (SELECT id FROM undo.t)", "nextval('undo.s') = 1",
    "undo.clean(3) > 0", "pg_terminate_backend(1)", "id", "no_such = 1", "undo.other.id = 1", "what = 'm'",
    "count(*) > 1", "generate_series(1, 3) = id", "v::int > 3", "$1", "CURRENT OF c", "saved = 1"])
def test_what_is_no_condition_is_refused(site, pg, condition):
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    before = picture(pg)
    for verb in (["copy-back", "--yes"], ["diff"], ["preview"], ["run"]):
        error = answer(site, verb[0], point, *verb[1:], "--where", condition, status=64)["error"]
        assert error["code"] == "USAGE", error
    assert picture(pg) == before


def test_a_condition_is_about_one_table(site, pg):
    made = destroy(site, "WITH gone AS (DELETE FROM undo.t WHERE id < 4 RETURNING *)"
                         " UPDATE undo.ident SET name = gone.v FROM gone WHERE ident.id = gone.id")
    [point] = made
    error = answer(site, "copy-back", point, "--yes", "--where", "id = 1", status=64)["error"]
    assert "--table" in error["hint"]
    error = answer(site, "copy-back", point, "--yes", "--where", "id = 1", "--table", "undo.t",
                   "--remove-inserted", status=64)["error"]
    assert "inserted" in error["message"]
    done = answer(site, "copy-back", point, "--yes", "--where", "id = 1", "--table", "undo.t")
    assert done["tables"][0]["inserted"] == 1


def test_a_condition_cannot_write(site, pg):
    """The server refuses what the text does not show: an operator that somebody has made."""
    with pg.admin() as c:
        c.execute("""CREATE TABLE undo.seen (id int);
            CREATE FUNCTION undo.note(int, int) RETURNS bool LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO undo.seen VALUES ($1); RETURN true; END $$;
            CREATE OPERATOR undo.=== (leftarg = int, rightarg = int, function = undo.note);
            GRANT ALL ON undo.seen TO app_trust""")
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    error = answer(site, "copy-back", point, "--yes", "--where", "id OPERATOR(undo.===) 3",
                   status=64)["error"]
    assert "read-only" in error["message"]
    assert rows(pg, "SELECT count(*) FROM undo.seen") == [(0,)]
    assert rows(pg, "SELECT count(*) FROM undo.t") == [(1995,)]


def test_the_plan_shows_the_condition(site, pg):
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 5")
    plan = site.cli("restore", "copy-back", point, "--plan", "--where", "id = 3").stdout
    assert "id = 3" in plan and "backstop chosen" in plan


FORESEEN = """
DROP SCHEMA IF EXISTS fore CASCADE;
CREATE SCHEMA fore AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE fore.p (id int PRIMARY KEY, boss int REFERENCES fore.p);
CREATE TABLE fore.t (id int PRIMARY KEY, p int REFERENCES fore.p, code text UNIQUE, n int, m int);
CREATE TABLE fore.kid (id int PRIMARY KEY, t int REFERENCES fore.t);
INSERT INTO fore.p SELECT g, CASE WHEN g > 5 THEN 5 END FROM generate_series(1, 10) g;
INSERT INTO fore.t SELECT g, g % 10 + 1, 'c' || g, g, NULL FROM generate_series(1, 200) g;
RESET ROLE;
ANALYZE fore.p, fore.t;
"""


@pytest.fixture
def fore(door, pg):  # noqa: F811
    with pg.admin() as c:
        c.execute(FORESEEN)
    return door


def foreseen(table):
    return {(f["kind"], f["name"]): f["rows"] for f in table["foreseen"]}


def copy_back_fails(gateway, point, *more):
    error = answer(gateway, "copy-back", point, "--yes", *more, status=1)["error"]
    assert error["sqlstate"].startswith("23"), error


# What others do after the agent's DELETE, and what then stands against its undo.
AGAINST = {
    "orphans": ("DELETE FROM fore.t WHERE p = 3; DELETE FROM fore.p WHERE id = 3",
                {("orphans", "t_p_fkey"): 1}),
    "taken": ("INSERT INTO fore.t VALUES (1000, 1, 'c2'), (1001, 1, 'c3'), (1002, 1, 'other')",
              {("taken", "t_code_key"): 2}),
    "not null": ("UPDATE fore.t SET m = 1; ALTER TABLE fore.t ALTER m SET NOT NULL",
                 {("not null", "m"): 10}),
    "new column": ("ALTER TABLE fore.t ADD x int; UPDATE fore.t SET x = 1;"
                   " ALTER TABLE fore.t ALTER x SET NOT NULL", {("not null", "x"): 10}),
    "check": ("ALTER TABLE fore.t ADD CONSTRAINT big CHECK (n > 4)", {("check", "big"): 4}),
    "not yet valid": ("ALTER TABLE fore.t ADD CONSTRAINT big CHECK (n > 100) NOT VALID",
                      {("check", "big"): 10}),
    "nothing": ("ALTER TABLE fore.t ADD x int NOT NULL DEFAULT 1, ADD CONSTRAINT ok CHECK (n > 0)",
                {}),
}


@pytest.mark.parametrize("what", AGAINST)
def test_what_stands_against_rows_is_counted_before(fore, pg, what):
    [point] = destroy(fore, "DELETE FROM fore.t WHERE id <= 10")
    sql, want = AGAINST[what]
    with pg.admin() as c:
        c.execute(sql)
    [table] = answer(fore, "preview", point)["tables"]
    assert foreseen(table) == want
    text = fore.cli("restore", "preview", point).stdout
    for (_kind, name), n in want.items():
        assert f"fore.t: {n} row" in text and name in text
    # The same about the rows beside.
    done = answer(fore, "run", point)["tables"][0]
    broken = {(f["kind"], f["name"]): f["rows"] for f in done["validation"]["broken"]}
    assert broken == {k: n for k, n in want.items() if k[0] != "taken"}
    answer(fore, "discard", point, "--yes")
    # And it is so.
    if want:
        copy_back_fails(fore, point)
    else:
        assert answer(fore, "copy-back", point, "--yes")["tables"][0]["inserted"] == 10


def test_parents_that_come_back_along_are_no_orphans(fore, pg):
    with pg.admin() as c:
        c.execute("ALTER TABLE fore.t DROP CONSTRAINT t_p_fkey, ADD CONSTRAINT t_p_fkey FOREIGN KEY"
                  " (p) REFERENCES fore.p ON DELETE CASCADE")
    [point] = destroy(fore, "DELETE FROM fore.p WHERE id IN (9, 10)")
    tables = answer(fore, "preview", point)["tables"]
    assert {t["name"] for t in tables} == {"p", "t"} and not any(map(foreseen, tables))
    # One of them alone would be.
    [table] = answer(fore, "preview", point, "--table", "fore.t")["tables"]
    assert foreseen(table) == {("orphans", "t_p_fkey"): 40}
    assert answer(fore, "run", point, "--table", "fore.t")["tables"][0]["validation"]["broken"]
    answer(fore, "discard", point, "--yes")
    answer(fore, "copy-back", point, "--yes")


def test_values_that_change_hands_are_not_taken(fore, pg):
    [point] = destroy(fore, "UPDATE fore.t SET code = 'x' || (3 - id) WHERE id IN (1, 2)")
    with pg.admin() as c:
        c.execute("UPDATE fore.t SET code = 'c1' WHERE id = 150")
    [table] = answer(fore, "preview", point)["tables"]
    assert foreseen(table) == {("taken", "t_code_key"): 1}
    copy_back_fails(fore, point)


def test_a_check_cannot_write(fore, pg):
    [point] = destroy(fore, "DELETE FROM fore.t WHERE id <= 10")
    with pg.admin() as c:
        c.execute("""CREATE TABLE fore.seen (id int); GRANT ALL ON fore.seen TO app_trust;
            CREATE FUNCTION fore.note(int) RETURNS bool LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO fore.seen VALUES ($1); RETURN true; END $$;
            ALTER TABLE fore.t ADD CONSTRAINT noted CHECK (fore.note(id)) NOT VALID""")
    [table] = answer(fore, "preview", point)["tables"]
    [f] = table["foreseen"]
    assert f["name"] == "noted" and "rows" not in f and "read-only" in f["error"]
    with pg.admin() as c:
        assert c.execute("SELECT count(*) FROM fore.seen").fetchone() == (0,)


def test_a_table_that_is_gone_has_no_constraints_to_hold(fore, pg):
    point = destroy(fore, "DROP TABLE fore.t CASCADE")[0]
    tables = {t["name"]: t for t in answer(fore, "run", point)["tables"]}
    assert tables["t"]["validation"]["constraints"].startswith("not looked at")
    assert tables["t"]["validation"]["row_hash"] == "equal" and tables["t"]["primary_key"]


# A whole table is gone, and something else of its name is there; or it is full of others' rows.
AGAIN = {
    "made anew": ("DROP TABLE undo.t",
                  "CREATE TABLE undo.t (id int PRIMARY KEY, v text, n numeric, extra int DEFAULT 7)"),
    "refilled": ("TRUNCATE undo.t", "SELECT"),
}


@pytest.mark.parametrize("how", ["skip", "overwrite", "abort"])
@pytest.mark.parametrize("again", AGAIN)
def test_a_whole_table_that_others_have_filled(site, pg, again, how):
    statement, remade = AGAIN[again]
    point = destroy(site, statement)[0]
    with pg.admin() as c:
        c.execute(f"SET ROLE app_trust; {remade}; INSERT INTO undo.t (id, v, n) VALUES"
                  " (1, 'v1', 1), (2, 'theirs', 2), (9000, 'theirs', 9); RESET ROLE")
    shown = answer(site, "preview", point, "--table", "undo.t")
    [table] = shown["tables"]
    assert {k: table["now"][k] for k in ("missing", "by_statement", "conflicts", "made")} == {
        "missing": 1998, "by_statement": 0, "conflicts": 1, "made": 0}
    assert table["examples"]["conflict_rows"] == [
        {"saved": {"id": 2, "v": "v2", "n": 2}, "live": {"id": 2, "v": "theirs", "n": 2}}]
    if how == "abort":
        error = answer(site, "copy-back", point, "--yes", "--conflict", how, status=1)["error"]
        assert error["code"] == "CONFLICT" and rows(pg, "SELECT count(*) FROM undo.t") == [(3,)]
        return
    done = answer(site, "copy-back", point, "--yes", "--conflict", how)
    [table] = [t for t in done["tables"] if t["name"] == "t"]
    assert (table["inserted"], table["updated"], table["skipped"], table["extra"]) == (
        1998, how == "overwrite", how == "skip", 1)
    assert rows(pg, "SELECT id, v FROM undo.t WHERE id IN (2, 3, 9000) ORDER BY 1") == [
        (2, "v2" if how == "overwrite" else "theirs"), (3, "v3"), (9000, "theirs")]
    # What was there is in a point of its own.
    assert answer(site, "preview", done["before"])["tables"][0]["rows"] == 3


@pytest.mark.parametrize("change", [
    "ALTER TABLE undo.t DROP COLUMN n", "ALTER TABLE undo.t ALTER n TYPE text",
    "ALTER TABLE undo.t RENAME v TO w", "ALTER TABLE undo.t RENAME TO was; CREATE VIEW undo.t AS"
    " SELECT * FROM undo.was"])
def test_a_table_that_does_not_fit_any_more_is_refused(site, pg, change):
    point = destroy(site, "TRUNCATE undo.t")[0]
    with pg.admin() as c:
        c.execute(change)
    assert any("refuse" in x for x in answer(site, "preview", point)["conflicts"])
    error = answer(site, "copy-back", point, "--yes", "--table", "undo.t", status=1)["error"]
    assert error["code"] == "CONFLICT", error


MOVED = {
    "columns that changed names": (
        "DELETE FROM undo.pair WHERE id < 3", "ALTER TABLE undo.pair RENAME a TO c; ALTER TABLE"
        " undo.pair RENAME b TO a; ALTER TABLE undo.pair RENAME c TO b", "is called"),
    "a new column of an old name": (
        "UPDATE undo.pair SET a = 'x' WHERE id < 3", "ALTER TABLE undo.pair RENAME a TO was;"
        " ALTER TABLE undo.pair ADD a text", "is called"),
    "partitions": (
        "DELETE FROM undo.pairs WHERE id < 3", "ALTER TABLE undo.pairs RENAME a TO was;"
        " ALTER TABLE undo.pairs ADD a text", "is called"),
    "a column that has another name": (
        "TRUNCATE undo.pair", "ALTER TABLE undo.pair RENAME a TO was", "is called"),
    "a generated column": (
        "DELETE FROM undo.pair WHERE id < 3", "ALTER TABLE undo.pair DROP b CASCADE; ALTER TABLE undo.pair"
        " ADD b text GENERATED ALWAYS AS (a || '!') STORED", "is generated"),
    "a table in its place": (
        "DELETE FROM undo.pair WHERE id < 3", "ALTER TABLE undo.pair RENAME TO was; CREATE TABLE"
        " undo.pair (LIKE undo.was INCLUDING ALL)", "is another table"),
    "a table in its place, saved whole": (
        "TRUNCATE undo.pair", "ALTER TABLE undo.pair SET SCHEMA public; CREATE TABLE undo.pair"
        " (LIKE public.pair INCLUDING ALL)", "is another table"),
    "a partition in its place": (
        "DELETE FROM undo.pairs WHERE id < 3", "ALTER TABLE undo.pairs DETACH PARTITION undo.pairs_1;"
        " ALTER TABLE undo.pairs_1 RENAME TO was; CREATE TABLE undo.pairs_1 PARTITION OF undo.pairs"
        " DEFAULT", "is another table"),
}


def pair(pg):
    with pg.admin() as c:
        c.execute("SET ROLE app_trust; CREATE TABLE undo.pair (id int PRIMARY KEY, a text, b text,"
                  " g text GENERATED ALWAYS AS (a || b) STORED);"
                  "CREATE TABLE undo.pairs (id int PRIMARY KEY, a text, b text)"
                  " PARTITION BY RANGE (id);"
                  "CREATE TABLE undo.pairs_1 (b text, id int NOT NULL, a text);"
                  "ALTER TABLE undo.pairs ATTACH PARTITION undo.pairs_1 DEFAULT;"
                  "INSERT INTO undo.pair SELECT g, 'a', 'b' FROM generate_series(1, 2000) g;"
                  "INSERT INTO undo.pairs SELECT g, 'a', 'b' FROM generate_series(1, 2000) g;"
                  "RESET ROLE; ANALYZE undo.pair, undo.pairs")


@pytest.mark.parametrize("what", MOVED)
def test_values_do_not_go_where_they_have_not_been(site, pg, what):
    statement, change, says = MOVED[what]
    pair(pg)
    point = destroy(site, statement)[0]
    with pg.admin() as c:
        c.execute(f"SET ROLE app_trust; {change}")
    table = statement.split("undo.")[1].split()[0]
    there = rows(pg, f"SELECT * FROM undo.{table} ORDER BY id")
    assert any(says in x and "refuse" in x for x in answer(site, "preview", point)["conflicts"])
    for more in ((), ("--plan",)):
        error = answer(site, "copy-back", point, "--yes", *more, status=1)["error"]
        assert error["code"] == "CONFLICT" and says in error["message"], error
        assert error["hint"].startswith("restore run"), error
    assert rows(pg, f"SELECT * FROM undo.{table} ORDER BY id") == there
    answer(site, "run", point)
    answer(site, "discard", point, "--yes")
    with pg.admin() as c:
        c.execute("DROP TABLE IF EXISTS public.pair")


@pytest.mark.parametrize("statement", ["DELETE FROM undo.pair WHERE id < 3", "TRUNCATE undo.pair"])
def test_what_was_generated_goes_back_into_an_ordinary_column(site, pg, statement):
    pair(pg)
    before = rows(pg, "SELECT * FROM undo.pair ORDER BY id")
    point = destroy(site, statement)[0]
    with pg.admin() as c:
        c.execute("ALTER TABLE undo.pair ALTER g DROP EXPRESSION")
    answer(site, "copy-back", point, "--yes")
    assert rows(pg, "SELECT * FROM undo.pair ORDER BY id") == before


NOT_BESIDE = {
    "a name of its own": ('"backstop:row" text, g int GENERATED ALWAYS AS (id) STORED',
                          ["DELETE FROM undo.odd WHERE id < 3", "DROP TABLE undo.odd"],
                          'has a column "backstop:row"'),
    "1600 columns": (", ".join(f"c{i} bool" for i in range(1599)),
                     ["DELETE FROM undo.odd WHERE id < 3", "ALTER TABLE undo.odd DROP COLUMN c7"],
                     "has (had )?1600 columns"),
}


@pytest.mark.parametrize("what", NOT_BESIDE)
def test_rows_that_cannot_be_loaded_beside_live_ones(site, pg, what):
    columns, statements, says = NOT_BESIDE[what]
    with pg.admin() as c:
        c.execute(f"SET ROLE app_trust; CREATE TABLE undo.odd (id int PRIMARY KEY, {columns});"
                  "INSERT INTO undo.odd SELECT generate_series(1, 9); RESET ROLE; ANALYZE undo.odd")
    for statement in statements:
        point = destroy(site, statement)[0]
        there = answer(site, "preview", point)["conflicts"]
        assert any(re.search(f"undo.odd {says}.*will refuse", x) for x in there), there
        assert not any("the database said" in x for x in there), there
        for more in ((), ("--plan",)):
            error = answer(site, "copy-back", point, "--yes", *more, status=1)["error"]
            assert error["code"] == "CONFLICT" and "undo.odd has" in error["message"], error
            assert error["hint"].startswith("restore run"), error
        answer(site, "run", point)
        answer(site, "discard", point, "--yes")


def test_partitions_that_others_have_filled(site, pg):
    point = destroy(site, "TRUNCATE undo.parted")[0]
    with pg.admin() as c:
        c.execute("INSERT INTO undo.parted VALUES (1, 'us', 77), (2, 'eu', 2), (9000, 'eu', 1)")
    done = answer(site, "copy-back", point, "--yes")
    assert {t["name"]: (t["inserted"], t["updated"], t["skipped"], t["extra"])
            for t in done["tables"]} == {"parted_eu": (499, 0, 0, 1), "parted_us": (499, 0, 1, 0)}
    answer(site, "copy-back", point, "--yes", "--conflict", "overwrite")
    assert rows(pg, "SELECT count(*), sum(v) FROM undo.parted WHERE id < 9000") == [(1000, 500500)]
