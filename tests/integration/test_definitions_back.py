"""The way back of definitions: what an agent did to them through a gateway, and `pg_dump` before and after."""

import json
import subprocess

import pytest

from conftest import Gateway, running
from operator_side import Operator

MADE = """
DROP SCHEMA IF EXISTS lab CASCADE;
DROP SCHEMA IF EXISTS spare CASCADE;
CREATE SCHEMA lab AUTHORIZATION app_trust;
CREATE SCHEMA spare AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TYPE lab.mood AS ENUM ('sad', 'ok');
CREATE TABLE lab.u (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a text DEFAULT 'x;', n int NOT NULL,
    m lab.mood, CONSTRAINT c CHECK (n > 0));
CREATE TABLE lab.o (id int PRIMARY KEY, u bigint CONSTRAINT o_u REFERENCES lab.u);
INSERT INTO lab.u (a, n) SELECT 'a' || g, g FROM generate_series(1, 20) g;
CREATE INDEX ui ON lab.u (a);
ALTER TABLE lab.u ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON lab.u FOR SELECT TO app_pw USING (n > 3);
CREATE FUNCTION lab.f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
CREATE TRIGGER t BEFORE INSERT ON lab.u FOR EACH ROW EXECUTE FUNCTION lab.f();
CREATE FUNCTION lab.one() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE TABLE lab."o.d" (n int DEFAULT lab.one(), m int CONSTRAINT "big on it" CHECK (m > lab.one()));
CREATE SEQUENCE lab.s;
CREATE TABLE lab.counted (n bigint DEFAULT nextval('lab.s'));
CREATE VIEW lab.v AS SELECT id, a FROM lab.u WHERE n > 1;
CREATE VIEW lab.vv AS SELECT id FROM lab.v;
CREATE RULE r AS ON INSERT TO lab.v DO INSTEAD NOTHING;
CREATE STATISTICS lab.st ON a, n FROM lab.u;
CREATE DOMAIN lab.d AS int CHECK (VALUE > 0);
CREATE TYPE lab.pair AS (x int, y int);
CREATE CAST (lab.pair AS text) WITH INOUT AS ASSIGNMENT;
CREATE TABLE lab.part (k int PRIMARY KEY) PARTITION BY LIST (k);
CREATE TABLE lab.part1 PARTITION OF lab.part FOR VALUES IN (1);
GRANT SELECT ON lab.u TO app_pw;
GRANT SELECT ON lab.v TO app_pw;
COMMENT ON TABLE lab.u IS 'it''s; a table';
COMMENT ON FUNCTION lab.f() IS 'f';
RESET ROLE;
"""

STATEMENTS = [
    "DROP INDEX lab.ui",
    "DROP VIEW lab.v CASCADE",
    "DROP TRIGGER t ON lab.u",
    "DROP POLICY p ON lab.u",
    "DROP RULE r ON lab.v",
    "DROP STATISTICS lab.st",
    "DROP DOMAIN lab.d",
    "DROP CAST (lab.pair AS text)",
    "DROP FUNCTION lab.f() CASCADE",
    "DROP FUNCTION lab.one() CASCADE",
    "DROP SEQUENCE lab.s CASCADE",
    "ALTER TABLE lab.u DROP CONSTRAINT c",
    "ALTER TABLE lab.o DROP CONSTRAINT o_u",
    "CREATE OR REPLACE FUNCTION lab.f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$",
    "CREATE OR REPLACE VIEW lab.v AS SELECT id, a FROM lab.u WHERE n > 100",
    "ALTER TABLE lab.u DISABLE TRIGGER t",
    "ALTER TABLE lab.u DISABLE ROW LEVEL SECURITY",
    "ALTER POLICY p ON lab.u USING (true)",
    "ALTER TABLE lab.u ALTER a SET DEFAULT 'y'",
    "ALTER TABLE lab.u ALTER n DROP NOT NULL",
    "ALTER TABLE lab.u SET (fillfactor = 50)",
    "ALTER TABLE lab.o SET UNLOGGED",
    "ALTER TABLE lab.part DETACH PARTITION lab.part1",
    "GRANT ALL ON lab.u TO app_pw WITH GRANT OPTION",
    "REVOKE ALL ON lab.u FROM app_pw",
    "GRANT CREATE ON SCHEMA lab TO app_pw",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA lab GRANT SELECT ON TABLES TO app_pw",
    "COMMENT ON TABLE lab.u IS 'other'",
    "ALTER FUNCTION lab.f() RENAME TO g",
    "ALTER TABLE lab.u RENAME TO people",
    "ALTER TABLE lab.u RENAME COLUMN a TO b",
    "ALTER TABLE lab.u SET SCHEMA spare",
    "ALTER TYPE lab.mood RENAME VALUE 'sad' TO 'blue'",
    "ALTER TYPE lab.pair RENAME ATTRIBUTE x TO z",
    "ALTER TYPE lab.pair ADD ATTRIBUTE z int",
    "ALTER TYPE lab.pair DROP ATTRIBUTE y",
    "ALTER TYPE lab.pair DROP ATTRIBUTE x",
    'ALTER TYPE lab.pair DROP ATTRIBUTE x, ADD ATTRIBUTE "X y" text COLLATE "C", ALTER ATTRIBUTE y TYPE bigint',
    "ALTER TYPE lab.pair ALTER ATTRIBUTE x TYPE numeric(5,2)",
    "DO $$BEGIN ALTER TABLE lab.u RENAME COLUMN a TO b; END$$",
]


@pytest.fixture(scope="module")
def door(pg):
    g = Gateway(pg, policy={"rules": [{"name": "all", "risk": ["HIGH", "CRITICAL"], "action": "approve"}]})
    g.operator = Operator(g)
    with running(g, "bob") as g:
        yield g


def picture(pg):
    text = subprocess.run([pg.bin / "pg_dump", "-s", "-h", pg.folder, "-p", str(pg.port), "-U",
                           "postgres", "app"], check=True, capture_output=True, text=True).stdout
    return [x for x in text.splitlines() if not x.startswith(("\\restrict", "\\unrestrict"))]


def newest(gateway):
    return json.loads(gateway.cli("points", "list", "--json").stdout)["points"][0]["point"]


def changed(gateway, statement):
    """The agent's statement, approved; the point that was made for it."""
    with gateway.connect("bob", autocommit=True) as c:
        decider = gateway.operator.deciding("approve")
        c.execute(statement)
        decider.done()
    return newest(gateway)


def answer(gateway, pg, *args, status=0):
    out = gateway.cli("restore", *args, "--dsn", pg.conninfo("postgres"), "--json", check=False)
    assert out.returncode == status, out.stdout + out.stderr
    return json.loads(out.stdout)


@pytest.mark.parametrize("statement", STATEMENTS)
def test_comes_back_as_it_was(door, pg, statement):
    with pg.admin() as c:
        c.execute(MADE)
    before = picture(pg)
    point = changed(door, statement)
    assert picture(pg) != before
    found = answer(door, pg, "diff", point, status=1)
    assert found["definitions"] and not found["same"]
    done = answer(door, pg, "copy-back", point, "--yes")
    assert picture(pg) == before, done
    assert done["definition"] == "identical", done


def test_work_of_others_stays(door, pg):
    with pg.admin() as c:
        c.execute(MADE)
    point = changed(door, "GRANT ALL ON lab.u TO app_pw")
    with pg.admin() as c:
        c.execute("COMMENT ON TABLE lab.u IS 'by others'; DROP INDEX lab.ui;"
                  "CREATE OR REPLACE VIEW lab.v AS SELECT id, a FROM lab.u WHERE n > 7")
    expected = [x for x in picture(pg) if "GRANT" not in x]
    answer(door, pg, "copy-back", point, "--yes")
    assert [x for x in picture(pg) if "GRANT" not in x] == expected
    with pg.admin() as c:
        assert not c.execute("SELECT has_table_privilege('app_pw', 'lab.u', 'DELETE')").fetchone()[0]


def test_what_others_have_changed_again_is_theirs(door, pg):
    """As with rows: shown, left as it is, and overwritten only where that is asked for."""
    with pg.admin() as c:
        c.execute(MADE)
    before = picture(pg)
    point = changed(door, "ALTER POLICY p ON lab.u USING (true);"
                          " COMMENT ON TABLE lab.u IS 'other'; ALTER TABLE lab.u ALTER a SET DEFAULT 'y';"
                          " ALTER TABLE lab.u ALTER n SET DEFAULT 3")
    with pg.admin() as c:
        c.execute("ALTER POLICY p ON lab.u USING (n > 77);"
                  "COMMENT ON TABLE lab.u IS 'theirs'; ALTER TABLE lab.u ALTER a SET DEFAULT 'theirs'")
    theirs = {"lab.u p": "POLICY", "lab.TABLE u": "COMMENT"}
    answer(door, pg, "copy-back", point, "--yes", "--conflict", "abort", status=1)
    done = answer(door, pg, "copy-back", point, "--yes", status=1)
    table, = [x for x in done["definitions"] if x["type"] == "TABLE"]
    assert "default of a was changed since by others" in table["why"]
    assert {x["name"]: x["type"] for x in done["definitions"] if x["by"] == "others"} == theirs, done
    assert all(x["given"] == (x["name"] not in theirs) for x in done["definitions"]), done
    lines = picture(pg)
    assert "COMMENT ON TABLE lab.u IS 'theirs';" in lines and any("n > 77" in x for x in lines)
    assert any("DEFAULT 'theirs'" in x for x in lines)
    assert not any("DEFAULT 3" in x for x in lines)
    answer(door, pg, "copy-back", point, "--yes", "--conflict", "overwrite")
    assert picture(pg) == before


def test_what_has_no_way_back_is_told(door, pg):
    with pg.admin() as c:
        c.execute(MADE)
    point = changed(door, "ALTER TABLE lab.u ALTER a SET DEFAULT 'y'")
    with pg.admin() as c:
        c.execute("ALTER TABLE lab.u ADD COLUMN more int")
    done = answer(door, pg, "copy-back", point, "--yes", status=1)
    told = [x for x in done["definitions"] if x["name"] == "lab.u"][0]
    assert "more" in told["why"] and "CREATE TABLE lab.u" in told["sql"]


@pytest.mark.parametrize("since", ["CREATE TABLE lab.box (v lab.pair)", "CREATE TABLE lab.typed OF lab.pair",
                                   "CREATE VIEW lab.one AS SELECT (NULL::lab.pair).z"])
def test_attributes_that_are_used_since_are_told(door, pg, since):
    """Values that tables store by now would go with an attribute."""
    with pg.admin() as c:
        c.execute(MADE)
    point = changed(door, "ALTER TYPE lab.pair ADD ATTRIBUTE z int")
    with pg.admin() as c:
        c.execute(since)
    before = picture(pg)
    done = answer(door, pg, "copy-back", point, "--yes", status=1)
    told = [x for x in done["definitions"] if x["name"] == "lab.pair"][0]
    assert told["why"] and "CREATE TYPE lab.pair" in told["sql"], done
    assert picture(pg) == before


def test_the_plan_is_sql_and_does_nothing(door, pg):
    with pg.admin() as c:
        c.execute(MADE)
    point = changed(door, "ALTER TABLE lab.u ALTER a SET DEFAULT 'y'")
    before = picture(pg)
    sql = answer(door, pg, "copy-back", point, "--plan")["sql"]
    assert "ALTER TABLE ONLY lab.u ALTER COLUMN a SET DEFAULT 'x;'" in sql
    assert picture(pg) == before
    done = answer(door, pg, "copy-back", point, "--yes")
    after = picture(pg)
    answer(door, pg, "copy-back", done["before"], "--yes")
    assert picture(pg) == before != after
