"""Columns that an agent drops or retypes through a gateway, and their way back: all rows and the
schema as before, but for the order of columns."""

import json
import subprocess
import threading
import time

import psycopg
import pytest

from conftest import Gateway, running
from operator_side import Operator

MADE = """
DROP SCHEMA IF EXISTS cols CASCADE;
DROP EXTENSION IF EXISTS hstore CASCADE;
CREATE SCHEMA cols AUTHORIZATION app_trust;
GRANT CREATE ON DATABASE app TO app_trust;
SET ROLE app_trust;
CREATE EXTENSION hstore SCHEMA cols;
CREATE TYPE cols.mood AS ENUM ('sad', 'ok');
CREATE TYPE cols.pair AS (a int, b text);
CREATE DOMAIN cols.posint AS int CHECK (VALUE > 0);
CREATE TABLE cols.users (id int PRIMARY KEY, name text DEFAULT 'x' NOT NULL, n numeric(10,4),
    m cols.mood, moods cols.mood[], p cols.pair, d cols.posint, j json, h cols.hstore, own serial,
    note text, twice int GENERATED ALWAYS AS (id * 2) STORED, CONSTRAINT n_small CHECK (n < 1000000),
    CHECK (twice IS NOT NULL),
    CONSTRAINT named CHECK (name <> ''));
COMMENT ON CONSTRAINT named ON cols.users IS 'a "check" that''s told of';
INSERT INTO cols.users (id, name, n, m, moods, p, d, j, h, note) SELECT g, 'n' || g, g / 7.0, 'ok',
    ARRAY['sad', NULL]::cols.mood[], ROW(g, 'p')::cols.pair, g, '{"a":1, "a":2}', 'k=>v', repeat('z', g)
    FROM generate_series(1, 200) g;
CREATE INDEX users_n ON cols.users (n);
CREATE UNIQUE INDEX users_twice ON cols.users (twice);
COMMENT ON INDEX cols.users_twice IS 'unique twice';
COMMENT ON COLUMN cols.users.twice IS 'the double';
GRANT SELECT (twice) ON cols.users TO app_pw;
CREATE INDEX users_part ON cols.users (id) WHERE name > 'n5';
CREATE VIEW cols.v AS SELECT id, n FROM cols.users;
CREATE TABLE cols.log (n int);
INSERT INTO cols.log VALUES (1);
CREATE FUNCTION cols.touch() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO cols.log VALUES (2); RETURN NEW; END';
CREATE TRIGGER touch BEFORE UPDATE ON cols.users FOR EACH ROW EXECUTE FUNCTION cols.touch();
GRANT SELECT (n) ON cols.users TO app_pw;
COMMENT ON COLUMN cols.users.n IS 'it''s n';
CREATE TABLE cols.nokey (a int, b text);
INSERT INTO cols.nokey SELECT g / 2, 'b' || g / 4 FROM generate_series(1, 40) g;
CREATE TABLE cols.parts (k int PRIMARY KEY, v text, w numeric(8,3) NOT NULL) PARTITION BY RANGE (k);
CREATE TABLE cols.parts1 PARTITION OF cols.parts FOR VALUES FROM (0) TO (50);
CREATE TABLE cols.parts2 PARTITION OF cols.parts FOR VALUES FROM (50) TO (100);
INSERT INTO cols.parts SELECT g, 'v' || g, g / 3.0 FROM generate_series(0, 99) g;
CREATE TABLE cols.including (id int, v text, PRIMARY KEY (id) INCLUDE (v));
INSERT INTO cols.including SELECT g, 'v' || g FROM generate_series(1, 20) g;
CREATE TABLE cols.base (id int PRIMARY KEY, a text);
CREATE TABLE cols.kid (x int, PRIMARY KEY (id)) INHERITS (cols.base);
INSERT INTO cols.base SELECT g, 'a' || g FROM generate_series(1, 20) g;
INSERT INTO cols.kid SELECT g, 'k' || g, g FROM generate_series(21, 30) g;
CREATE TABLE cols.sums (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED);
INSERT INTO cols.sums SELECT generate_series(1, 5);
CREATE FUNCTION cols.take(text) RETURNS text LANGUAGE plpgsql AS
    'BEGIN DELETE FROM cols.log; RETURN upper($1); END';
RESET ROLE;
"""
TABLES = ("users", "log", "nokey", "parts1", "parts2", "including", "base", "kid", "sums")

STATEMENTS = [
    "ALTER TABLE cols.users DROP COLUMN n CASCADE",
    "ALTER TABLE cols.users DROP COLUMN name",
    "ALTER TABLE cols.users DROP COLUMN note, DROP COLUMN j",
    "ALTER TABLE cols.users DROP COLUMN own",
    "ALTER TABLE cols.users DROP COLUMN twice",
    "ALTER TABLE cols.users ALTER COLUMN twice TYPE text",
    "ALTER TABLE cols.users DROP COLUMN id CASCADE",
    "ALTER TABLE cols.nokey DROP COLUMN b",
    "ALTER TABLE cols.including DROP COLUMN v",
    "ALTER TABLE cols.parts DROP COLUMN v, DROP COLUMN w",
    "ALTER TABLE cols.base DROP COLUMN a",
    "ALTER TABLE cols.users ALTER COLUMN note TYPE varchar(300) USING left(note, 3)",
    "ALTER TABLE cols.users ALTER COLUMN own TYPE bigint",
    "ALTER TABLE cols.users ALTER COLUMN name TYPE text USING 'gone'",
    "ALTER TABLE cols.parts ALTER COLUMN w TYPE int",
    "ALTER TABLE cols.users ALTER COLUMN m SET STATISTICS -1, DROP COLUMN name",
    "ALTER TABLE cols.nokey REPLICA IDENTITY DEFAULT, DROP COLUMN b",
    "ALTER TABLE cols.users SET LOGGED, ALTER COLUMN note TYPE varchar(3) USING left(note, 3)",
    "ALTER TABLE cols.parts ALTER COLUMN k SET NOT NULL, ALTER COLUMN w TYPE int, DROP COLUMN v",
    "DROP TYPE cols.mood CASCADE",
    "DROP TYPE cols.pair CASCADE",
    "DROP DOMAIN cols.posint CASCADE",
]
FROM_17 = "ALTER TABLE cols.sums ALTER twice SET EXPRESSION AS (id * 3), ALTER twice TYPE bigint"


@pytest.fixture(scope="module")
def door(pg):
    """A gateway, an agent "bob" and an operator."""
    g = Gateway(pg)
    g.operator = Operator(g)
    with running(g, "bob") as g:
        yield g


@pytest.fixture
def site(door, pg):
    with pg.admin() as c:
        c.execute(MADE)
    return door


def picture(pg):
    """The schema as pg_dump writes it, its lines sorted, and all rows with their columns by name."""
    text = subprocess.run([pg.bin / "pg_dump", "-s", "-h", pg.folder, "-p", str(pg.port), "-U",
                           "postgres", "-n", "cols", "app"], check=True, capture_output=True,
                          text=True).stdout
    lines = sorted(x.rstrip(",") for x in text.splitlines()
                   if not x.startswith(("\\restrict", "\\unrestrict")))
    with pg.admin() as c:
        rows = [c.execute(f"SELECT to_jsonb(x)::text FROM ONLY cols.{t} x ORDER BY 1").fetchall()
                for t in TABLES]
    return lines, rows


def destroy(gateway, statement):
    """The agent's statement, approved; the point that was made for it."""
    with gateway.connect("bob", autocommit=True) as c:
        decider = gateway.operator.deciding("approve")
        c.execute(statement)
        decider.done()
    return newest(gateway)


def newest(gateway):
    return json.loads(gateway.cli("points", "list", "--json").stdout)["points"][0]["point"]


def objects(gateway, point):
    return json.loads(gateway.cli("points", "show", point, "--json").stdout)["manifest"]["objects"]


def answer(gateway, *args, status=0):
    out = gateway.cli("restore", *args, "--json", check=False)
    assert out.returncode == status, out.stdout + out.stderr
    return json.loads(out.stdout)


def ask(pg, sql):
    with pg.admin() as c:
        return c.execute(sql).fetchone()[0]


@pytest.mark.parametrize("statement", [*STATEMENTS, FROM_17])
def test_columns_come_back(site, pg, statement):
    if statement == FROM_17 and int(pg.major) < 17:
        pytest.skip("SET EXPRESSION")
    before = picture(pg)
    point = destroy(site, statement)
    gone = picture(pg)
    assert gone != before
    shown = answer(site, "preview", point)
    assert shown["columns"]
    # Where the type is gone, too, nothing can be counted yet, and no number is told.
    untyped = "DROP TYPE" in statement
    assert all(("restored" in c) != untyped for c in shown["columns"] if c["way"] == "add"), shown
    assert not (untyped and any("saved value" in x for x in shown["conflicts"]))
    assert not answer(site, "diff", point, status=1)["same"]
    assert "ALTER TABLE" in answer(site, "copy-back", point, "--plan")["sql"] or "DROP" in statement
    assert picture(pg) == gone
    done = answer(site, "copy-back", point, "--yes")
    assert done["before"].startswith("RP-")
    assert picture(pg) == before
    assert answer(site, "diff", point)["same"]
    assert "before" not in answer(site, "copy-back", point, "--yes")  # nothing is left to do


def test_only_the_columns_are_kept(site):
    point = destroy(site, "ALTER TABLE cols.users DROP COLUMN n CASCADE")
    kept, = [o for o in objects(site, point) if o["name"] == "users"]
    assert [c["name"] for c in kept["columns"]] == ["id", "n"]
    assert kept["columns_only"]
    assert site.cli("points", "verify", point).returncode == 0


def test_the_way_back_can_be_undone(site, pg):
    """What a copy-back replaces is in its own point: retyped values, and the column it added."""
    retyped = destroy(site, "ALTER TABLE cols.users ALTER COLUMN note TYPE varchar(300) USING left(note, 3)")
    after = picture(pg)
    undo = answer(site, "copy-back", retyped, "--yes")["before"]
    before = picture(pg)
    assert before != after
    redo = answer(site, "copy-back", undo, "--yes")["before"]
    assert picture(pg) == after
    answer(site, "copy-back", redo, "--yes")
    assert picture(pg) == before

    dropped = destroy(site, "ALTER TABLE cols.users DROP COLUMN own")
    after = picture(pg)
    undo = answer(site, "copy-back", dropped, "--yes")["before"]
    assert picture(pg) == before
    assert any("added by the transaction" in x for x in answer(site, "preview", undo)["conflicts"])
    redo = answer(site, "copy-back", undo, "--yes", "--remove-inserted")["before"]
    assert picture(pg) == after
    answer(site, "copy-back", redo, "--yes")
    assert picture(pg) == before


def test_what_others_did_since(site, pg):
    point = destroy(site, "ALTER TABLE cols.users DROP COLUMN name")
    with pg.admin() as c:
        c.execute("DELETE FROM cols.users WHERE id <= 10")
        c.execute("INSERT INTO cols.users (id) VALUES (1001), (1002)")
        c.execute("UPDATE cols.users SET note = 'since' WHERE id = 20")
    shown, = answer(site, "preview", point)["columns"]
    assert (shown["restored"], shown["inserted_since"], shown["deleted_since"]) == (190, 2, 10)
    answer(site, "copy-back", point, "--yes")
    assert ask(pg, "SELECT count(*) FROM cols.users WHERE name = 'n' || id") == 190
    assert ask(pg, "SELECT count(*) FROM cols.users WHERE name = 'x'") == 2
    assert ask(pg, "SELECT note FROM cols.users WHERE id = 20") == "since"
    assert ask(pg, "SELECT count(*) FROM cols.users") == 192
    assert ask(pg, "SELECT count(*) FROM cols.log WHERE n = 2") == 1  # our own UPDATE: no trigger


def test_values_changed_since_are_conflicts(site, pg):
    point = destroy(site, "ALTER TABLE cols.parts ALTER COLUMN w TYPE int")
    with pg.admin() as c:
        c.execute("UPDATE cols.parts SET w = 7777 WHERE k IN (3, 70)")
        c.execute("UPDATE cols.parts SET v = 'other' WHERE k = 4")
        c.execute("INSERT INTO cols.parts VALUES (-0, 'x', 5) ON CONFLICT DO NOTHING")
    column, = answer(site, "preview", point)["columns"]
    assert (column["restored"], column["conflicts"]) == (98, 2)
    refused = site.cli("restore", "copy-back", point, "--yes", "--conflict", "abort", check=False)
    assert refused.returncode != 0 and "2 rows" in refused.stderr
    answer(site, "copy-back", point, "--yes")
    assert ask(pg, "SELECT w::text FROM cols.parts WHERE k = 3") == "7777.000"
    assert ask(pg, "SELECT w::text FROM cols.parts WHERE k = 4") == "1.333"


def test_conflicts_can_be_overwritten(site, pg):
    before = picture(pg)
    point = destroy(site, "ALTER TABLE cols.parts ALTER COLUMN w TYPE int")
    with pg.admin() as c:
        c.execute("UPDATE cols.parts SET w = 7777 WHERE k IN (3, 70)")
    answer(site, "copy-back", point, "--yes", "--conflict", "overwrite")
    assert picture(pg) == before


def test_a_value_that_does_not_fit_is_refused(site, pg):
    point = destroy(site, "ALTER TABLE cols.users ALTER COLUMN own TYPE bigint")
    with pg.admin() as c:
        c.execute("INSERT INTO cols.users (id, own) VALUES (900, 5000000000)")
    refused = site.cli("restore", "copy-back", point, "--yes", check=False)
    assert refused.returncode != 0 and "cannot be turned back" in refused.stderr
    assert ask(pg, "SELECT pg_typeof(own)::text FROM cols.users WHERE id = 900") == "bigint"


def test_a_table_that_is_gone_is_said(site, pg):
    point = destroy(site, "ALTER TABLE cols.nokey DROP COLUMN b")
    with pg.admin() as c:
        c.execute("DROP TABLE cols.nokey")
    refused = site.cli("restore", "copy-back", point, "--yes", check=False)
    assert refused.returncode != 0 and "is gone" in refused.stderr
    assert answer(site, "run", point)["tables"][0]["rows"] == 40


def test_rows_that_a_using_function_deletes_are_not_covered(site, pg):
    """It keeps columns of one table; what its code does to others is kept by nothing of that."""
    before = picture(pg)
    with site.connect("bob", autocommit=True) as c:
        decider = site.operator.deciding("approve")
        try:
            c.execute("ALTER TABLE cols.users ALTER COLUMN name TYPE text USING cols.take(name)")
            decider.done()
        except psycopg.Error as error:
            assert error.sqlstate in ("ZB004", "ZB005"), error
            assert picture(pg) == before
            return
    point = newest(site)  # it ran: then its rows are in a point
    assert any(o["name"] == "log" for o in objects(site, point))


class Writers:
    """Insert and update until the column is gone; what was acknowledged."""

    def __init__(self, pg, n):
        self.pg, self.known, self.stop = pg, {}, False
        self.threads = [threading.Thread(target=self.write, args=(i,), daemon=True) for i in range(n)]
        for t in self.threads:
            t.start()

    def write(self, me):
        with self.pg.admin() as c:
            c.autocommit = True
            for i in range(100000):
                key = 10000 + me * 100000 + i
                try:
                    c.execute("INSERT INTO cols.users (id, name) VALUES (%s, %s)", (key, f"w{key}"))
                    self.known[key] = f"w{key}"
                    for n in range(20):
                        c.execute("UPDATE cols.users SET name = %s WHERE id = %s", (f"u{n}", key))
                        self.known[key] = f"u{n}"
                except psycopg.errors.UndefinedColumn:
                    return

    def done(self):
        for t in self.threads:
            t.join(30)
            assert not t.is_alive()


def test_no_acknowledged_value_is_lost(site, pg):
    with pg.admin() as c:  # a few rows more do not need another approval
        c.execute("INSERT INTO cols.users (id) SELECT generate_series(1000, 9999)")
    for _ in range(3):
        writers = Writers(pg, 3)
        time.sleep(0.3)
        point = destroy(site, "ALTER TABLE cols.users DROP COLUMN name CASCADE")
        writers.done()
        answer(site, "copy-back", point, "--yes")
        with pg.admin() as c:
            live = dict(c.execute("SELECT id, name FROM cols.users WHERE id >= 10000").fetchall())
            assert writers.known and {k: live.get(k) for k in writers.known} == writers.known
            c.execute("DELETE FROM cols.users WHERE id >= 10000")
            c.execute("CREATE INDEX IF NOT EXISTS users_part ON cols.users (id) WHERE name > 'n5'")


def test_200_000_rows_take_a_moment(site, pg):
    with pg.admin() as c:
        c.execute("SET ROLE app_trust")
        c.execute("CREATE TABLE cols.big (id int PRIMARY KEY, a text, b int)")
        c.execute("INSERT INTO cols.big SELECT g, md5(g::text), g FROM generate_series(1, 200000) g")
        c.execute("ANALYZE cols.big")
    point = destroy(site, "ALTER TABLE cols.big DROP COLUMN a")
    start = time.monotonic()
    answer(site, "copy-back", point, "--yes")
    print(f"200,000 values back in {time.monotonic() - start:.2f} s")
    assert ask(pg, "SELECT count(*) FROM cols.big WHERE a = md5(id::text)") == 200000


PAIRS = """
SET ROLE app_trust;
DROP TABLE IF EXISTS cols.pairs;
CREATE TABLE cols.pairs (a int, b int, c text);
INSERT INTO cols.pairs SELECT g % 3, g, CASE g % 3 WHEN 2 THEN 'one' ELSE 'c' || g END
    FROM generate_series(1, 30) g;
RESET ROLE;
"""
# Rows of one `a` differ in what goes only. What somebody does since, and whether it can be told.
ALIKE = {
    "constant": ("ALTER TABLE cols.pairs ALTER b TYPE text USING '7', DROP c", None),
    "constant, same type": ("ALTER TABLE cols.pairs ALTER b TYPE int USING 7, DROP c", None),
    "added again": ("ALTER TABLE cols.pairs DROP b, ADD b int, DROP c", None),
    "written anew": ("ALTER TABLE cols.pairs DROP b, ADD b int DEFAULT random() * 9, DROP c", None),
    "gone": ("ALTER TABLE cols.pairs DROP b, DROP c", None),
    "one deleted": ("ALTER TABLE cols.pairs DROP b, DROP c",
                    "DELETE FROM cols.pairs WHERE ctid = '(0,4)'"),
    "one moved": ("ALTER TABLE cols.pairs DROP b, DROP c",
                  "UPDATE cols.pairs SET a = a WHERE ctid = '(0,4)'"),
    "one exchanged": ("ALTER TABLE cols.pairs ALTER b TYPE text USING '7', DROP c",
                      "DELETE FROM cols.pairs WHERE ctid = '(0,4)'; INSERT INTO cols.pairs"
                      " VALUES (1, '7')"),
    "all alike": ("ALTER TABLE cols.pairs DROP c", "DELETE FROM cols.pairs WHERE a <> 2 OR b = 5"),
}


@pytest.mark.parametrize("case", ALIKE)
def test_values_of_rows_without_a_key(site, pg, case):
    statement, since = ALIKE[case]
    ask = "SELECT to_jsonb(p)::text FROM cols.pairs p ORDER BY 1"
    with pg.admin() as c:
        c.execute(PAIRS)
        before = c.execute(ask).fetchall()
        point = destroy(site, statement)
        if since is not None:
            c.execute(since)
        after = c.execute(ask).fetchall()
        if case == "all alike":  # whichever of them it was: their value is the same
            answer(site, "copy-back", point, "--yes")
            assert c.execute("SELECT count(*) FROM cols.pairs WHERE c = 'one'").fetchone() == (9,)
        elif since is None:
            answer(site, "copy-back", point, "--yes", "--conflict", "overwrite")
            assert c.execute(ask).fetchall() == before
            answer(site, "copy-back", point, "--yes")  # nothing is left
        else:
            error = answer(site, "copy-back", point, "--yes", "--conflict", "overwrite",
                           status=1)["error"]
            assert error["code"] == "CONFLICT" and "no key" in error["message"], error
            assert c.execute(ask).fetchall() == after
