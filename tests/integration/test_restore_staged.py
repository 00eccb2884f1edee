"""A large table that was dropped is loaded beside and proven there, then put into its place."""

import contextlib
import json
import subprocess
import time

import pytest

from conftest import Gateway, binary, running
from operator_side import Operator

MADE = """
DROP SCHEMA IF EXISTS shop CASCADE;
CREATE SCHEMA shop AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE SEQUENCE shop.numbers;
CREATE TABLE shop.customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    no bigint DEFAULT nextval('shop.numbers'), name text NOT NULL, "When" timestamptz, words text[],
    note text, CONSTRAINT "an odd; name" UNIQUE (no, name));
ALTER SEQUENCE shop.numbers OWNED BY shop.customers.no;
CREATE TABLE shop.orders (id int PRIMARY KEY, customer bigint REFERENCES shop.customers);
INSERT INTO shop.customers (name, "When", words, note)
    SELECT 'c' || g, '2026-01-01', ARRAY['a' || g % 9, 'b' || g % 7], repeat(md5(g::text), 60)
    FROM generate_series(1, 5000) g;
INSERT INTO shop.orders SELECT g, g FROM generate_series(1, 10) g;
CREATE VIEW shop.v AS SELECT name FROM shop.customers;
CREATE INDEX customers_when ON shop.customers ("When" DESC, name) WITH (fillfactor = 70);
CREATE INDEX customers_words ON shop.customers USING gin (words);
CREATE INDEX customers_lower ON shop.customers (lower(name)) WHERE no > 7;
CREATE INDEX customers_a ON shop.customers (name);
COMMENT ON INDEX shop.customers_a IS 'by name';
COMMENT ON CONSTRAINT "an odd; name" ON shop.customers IS 'odd';
COMMENT ON TABLE shop.customers IS 'who buys';
COMMENT ON COLUMN shop.customers.name IS 'as they write it';
ALTER TABLE shop.customers CLUSTER ON customers_when;
GRANT SELECT ON shop.customers TO app_pw;
ALTER TABLE shop.customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON shop.customers FOR SELECT TO app_pw USING (id < 10);
ALTER DEFAULT PRIVILEGES FOR ROLE app_trust GRANT INSERT ON TABLES TO app_pw;
RESET ROLE;
"""

# Rows of each would run somebody's code, or be seen, before they are proven.
UNFIT = """
CREATE FUNCTION shop.fine(text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE TABLE shop.checked (id int PRIMARY KEY, t text CHECK (shop.fine(t)));
CREATE DOMAIN shop.word AS text CHECK (shop.fine(value));
CREATE TABLE shop.typed (id int PRIMARY KEY, t shop.word);
CREATE TABLE shop.fit (id int PRIMARY KEY, t text);
CREATE TABLE shop.parent (id int, t text);
CREATE TABLE shop.child (PRIMARY KEY (id)) INHERITS (shop.parent);
CREATE TABLE shop.parted (id int PRIMARY KEY, t text) PARTITION BY RANGE (id);
CREATE TABLE shop.part PARTITION OF shop.parted FOR VALUES FROM (0) TO (10000);
CREATE INDEX ON shop.part (id DESC);
"""
UNFIT_TABLES = ("checked", "typed", "child", "part")


@pytest.fixture(scope="module")
def door(pg):
    g = Gateway(pg)
    g.operator = Operator(g)
    with running(g, "bob") as g:
        yield g


@pytest.fixture
def shop(door, pg):
    with pg.admin() as c:
        c.execute(MADE)
    yield door
    with pg.admin() as c:
        c.execute("ALTER DEFAULT PRIVILEGES FOR ROLE app_trust REVOKE INSERT ON TABLES FROM app_pw")


def picture(pg):
    text = subprocess.run([pg.bin / "pg_dump", "-s", "-h", pg.folder, "-p", str(pg.port), "-U",
                           "postgres", "app"], check=True, capture_output=True, text=True).stdout
    lines = [x for x in text.splitlines() if not x.startswith(("\\restrict", "\\unrestrict"))]
    with pg.admin() as c:
        rows = [c.execute(f"SELECT md5(x::text) FROM shop.{t} x ORDER BY 1").fetchall()
                for t in ("customers", "orders")]
        rows += [c.execute(f"SELECT last_value FROM shop.{s}").fetchall()
                 for s in ("customers_id_seq", "numbers")]
    return lines, rows


def destroy(gateway, statement):
    with gateway.connect("bob", autocommit=True) as c:
        decider = gateway.operator.deciding("approve")
        c.execute(statement)
        decider.done()
    return json.loads(gateway.cli("points", "list", "--json").stdout)["points"][0]["point"]


def answer(gateway, *args, status=0):
    out = gateway.cli("restore", *args, "--json", check=False)
    assert out.returncode == status, out.stdout + out.stderr
    return json.loads(out.stdout)


@contextlib.contextmanager
def copying_back(gateway, point):
    """The verb, running."""
    with subprocess.Popen([binary(), "restore", "copy-back", point, "--yes", "--json", "--config",
                           str(gateway.config)], stdout=subprocess.PIPE, text=True,
                          env=gateway.env) as process:
        try:
            yield process
        finally:
            process.kill()


def ask(pg, sql):
    with pg.admin() as c:
        return c.execute(sql).fetchone()[0]


def wait_for(pg, sql):
    """The answer, once there is one."""
    with pg.admin() as c:
        for _ in range(9000):
            row = c.execute(sql).fetchone()
            if row is not None:
                return row[0]
            time.sleep(0.003)
    raise AssertionError(sql)


def was_staged(pg, table):
    """Then some of its columns are of one transaction, and its place is of another."""
    return ask(pg, "SELECT bool_or(a.xmin <> c.xmin) FROM pg_class c JOIN pg_attribute a"
               f" ON a.attrelid = c.oid AND a.attnum > 0 WHERE c.oid = 'shop.{table}'::regclass")


def loading(point):
    return f"recovery_{point[-8:].lower()}_loading"


def exists(pg, schema):
    return ask(pg, f"SELECT count(*) FROM pg_namespace WHERE nspname = '{schema}'") != 0


STUCK = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'shop.orders'::regclass"


def test_it_comes_back_as_it_was(shop, pg):
    before = picture(pg)
    point = destroy(shop, "DROP TABLE shop.customers CASCADE")
    done = answer(shop, "copy-back", point, "--yes")
    assert done["definition"] == "identical", done
    assert picture(pg) == before
    assert was_staged(pg, "customers") and not exists(pg, loading(point))
    # Row versions that need no vacuum, as COPY FREEZE leaves them.
    assert ask(pg, "SELECT pg_relation_size('shop.customers', 'vm')") > 0
    with pg.admin() as c, pytest.raises(Exception, match="customers_pkey"):
        c.execute("INSERT INTO shop.customers (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'x')")


def test_indexes_go_where_they_were(shop, pg):
    """The sessions that build them would have them where the database's settings say."""
    with pg.admin() as c:
        c.autocommit = True
        c.execute("SET allow_in_place_tablespaces = on")
        c.execute("CREATE TABLESPACE fast LOCATION ''")
        c.execute("GRANT CREATE ON TABLESPACE fast TO app_trust")
        c.execute("CREATE INDEX customers_fast ON shop.customers (name DESC) TABLESPACE fast")
        c.execute("ALTER DATABASE app SET default_tablespace = fast")
    try:
        before = picture(pg)
        point = destroy(shop, "DROP TABLE shop.customers CASCADE")
        answer(shop, "copy-back", point, "--yes")
        assert picture(pg) == before and was_staged(pg, "customers")
    finally:
        with pg.admin() as c:
            c.autocommit = True
            c.execute("ALTER DATABASE app RESET default_tablespace")
            c.execute("DROP INDEX IF EXISTS shop.customers_fast")
            c.execute("DROP TABLESPACE fast")


@pytest.mark.parametrize("how", ["client", "server"])
def test_what_a_crash_leaves_is_hidden_and_goes(shop, pg, how):
    before = picture(pg)
    point = destroy(shop, "DROP TABLE shop.customers CASCADE")
    with pg.admin() as c, c.transaction():
        c.execute("LOCK TABLE shop.orders IN ROW EXCLUSIVE MODE")
        with copying_back(shop, point) as process:
            pid = wait_for(pg, STUCK)
            if how == "client":
                process.kill()
            ask(pg, f"SELECT pg_terminate_backend({pid}, 10000)")
            assert process.wait(30) != 0
    assert ask(pg, "SELECT to_regclass('shop.customers') IS NULL")
    assert exists(pg, loading(point))
    left = f"{loading(point)}.customers"
    assert ask(pg, f"SELECT obj_description('{left}'::regclass, 'pg_class')").endswith(point)
    assert not ask(pg, f"SELECT has_schema_privilege('app_pw', '{loading(point)}', 'USAGE')")
    # Whoever may read everything, but not past row security, sees none of its rows.
    assert ask(pg, "SELECT relacl IS NULL AND relrowsecurity AND NOT relforcerowsecurity"
               f" FROM pg_class WHERE oid = '{left}'::regclass")
    if how == "client":
        assert answer(shop, "copy-back", point, "--yes")["definition"] == "identical"
        assert picture(pg) == before and was_staged(pg, "customers")
    else:
        assert answer(shop, "discard", point, "--yes")["dropped"] == [left, loading(point)]
    assert not exists(pg, loading(point))


@pytest.mark.parametrize("when", ["rows go in", "rows are in"])
def test_a_client_that_dies_on_the_way_leaves_nothing_in_place(shop, pg, when):
    before = picture(pg)
    point = destroy(shop, "DROP TABLE shop.customers CASCADE")
    with pg.admin() as c, copying_back(shop, point) as process:
        wait_for(pg, "SELECT 1 FROM pg_stat_progress_copy WHERE command = 'COPY FROM'")
        with c.transaction():
            c.execute("LOCK TABLE pg_catalog.pg_default_acl")
            if when == "rows are in":
                wait_for(pg, f"SELECT 1 FROM pg_namespace WHERE nspname = '{loading(point)}'")
            process.kill()
            process.wait()
    wait_for(pg, "SELECT 1 WHERE NOT EXISTS (SELECT FROM pg_stat_activity"
             " WHERE application_name = 'backstop/restore')")
    assert ask(pg, "SELECT to_regclass('shop.customers') IS NULL")
    assert answer(shop, "copy-back", point, "--yes")["definition"] == "identical"
    assert picture(pg) == before
    assert was_staged(pg, "customers") and not exists(pg, loading(point))


@pytest.mark.parametrize("change", ["UPDATE {} SET name = 'x' WHERE id = 7",
                                    "ALTER TABLE {} ALTER note SET DEFAULT 'x'"])
def test_what_was_changed_before_the_proof_is_not_given_back(shop, pg, change):
    before = picture(pg)
    point = destroy(shop, "DROP TABLE shop.customers CASCADE")
    with pg.admin() as c, copying_back(shop, point) as process:
        wait_for(pg, "SELECT 1 FROM pg_stat_progress_copy WHERE command = 'COPY FROM'")
        with c.transaction():
            # The transaction that follows waits for it, before it locks the table.
            c.execute("LOCK TABLE pg_catalog.pg_default_acl")
            wait_for(pg, f"SELECT 1 FROM pg_namespace WHERE nspname = '{loading(point)}'")
            with pg.admin() as other:
                other.execute(change.format(f"{loading(point)}.customers"))
        assert process.wait(60) == 0, process.stdout.read()
    assert picture(pg) == before
    assert not was_staged(pg, "customers") and not exists(pg, loading(point))


def test_what_runs_the_code_of_users_is_loaded_in_the_transaction(shop, pg):
    with pg.admin() as c:
        c.execute("SET ROLE app_trust;" + UNFIT)
        for table in (*UNFIT_TABLES, "fit"):
            c.execute(f"INSERT INTO shop.{table} SELECT g, repeat(md5(g::text), 60)"
                      " FROM generate_series(1, 5000) g")
    names = ", ".join(f"shop.{t}" for t in (*UNFIT_TABLES, "fit"))
    point = destroy(shop, f"DROP TABLE {names}")
    answer(shop, "copy-back", point, "--yes")
    for table in UNFIT_TABLES:
        assert ask(pg, f"SELECT count(*) FROM shop.{table}") == 5000
        assert not was_staged(pg, table), table
    assert was_staged(pg, "fit")


@pytest.mark.parametrize("obstacle", ["event trigger", "schema", "name"])
def test_where_it_cannot_be_done_it_is_done_as_before(shop, pg, obstacle):
    point = destroy(shop, "DROP TABLE shop.customers CASCADE")
    with pg.admin() as c:
        c.execute({"event trigger":
                   "CREATE FUNCTION shop.seen() RETURNS event_trigger LANGUAGE plpgsql"
                   " AS 'BEGIN END'; CREATE EVENT TRIGGER seen ON ddl_command_end"
                   " EXECUTE FUNCTION shop.seen()",
                   "schema": f"CREATE SCHEMA {loading(point)}",
                   "name": "CREATE TABLE shop.customers_when ()"}[obstacle])
    try:
        if obstacle == "name":
            found = answer(shop, "copy-back", point, "--yes", status=1)
            assert found["error"]["code"] == "CONFLICT"
            assert not exists(pg, loading(point))
        else:
            answer(shop, "copy-back", point, "--yes")
            assert not was_staged(pg, "customers")
    finally:
        with pg.admin() as c:
            c.execute(f"DROP SCHEMA IF EXISTS {loading(point)}")
            c.execute("DROP EVENT TRIGGER IF EXISTS seen")
