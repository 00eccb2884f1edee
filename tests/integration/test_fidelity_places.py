"""Rows whose meaning depends on the database they are in: encodings, money, object identifiers, storage."""

import psycopg
import pytest

from fidelity import ground

ENCODINGS = {
    # name of the database: (encoding, what is in it)
    "latin": ("LATIN1", "CREATE TABLE public.\"größe\" (id int PRIMARY KEY, \"ä\" text, j json, b \"char\");"
              "INSERT INTO public.\"größe\" VALUES (1, 'é£ÿ', '{\"ü\": 1}', 'x'), (2, E'\\xe4', NULL, NULL)"),
    "ascii": ("SQL_ASCII", "CREATE TABLE public.\"größe\" (id int PRIMARY KEY, \"ä\" text, j json, b \"char\");"
              "INSERT INTO public.\"größe\" VALUES (1, E'\\xff\\xfe\\x80', '{\"ü\": 1}', E'\\377'), (2, 'é', NULL, NULL)"),
    "eucjp": ("EUC_JP", "CREATE TABLE public.\"größe\" (id int PRIMARY KEY, \"ä\" text, j json, b \"char\");"
              "INSERT INTO public.\"größe\" VALUES (1, '日本', '{\"語\": 1}', 'x'), (2, '', NULL, NULL)"),
}


@pytest.fixture(scope="module", params=ENCODINGS)
def place(pg, request):
    encoding, made = ENCODINGS[request.param]
    with pg.admin("postgres") as c:
        c.execute(f"CREATE DATABASE {request.param} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
    with ground(pg, request.param) as g:
        with g.admin() as c:
            c.execute("GRANT ALL ON SCHEMA public TO PUBLIC; CREATE EXTENSION IF NOT EXISTS plpgsql")
            c.execute(f"SET client_encoding = '{'SQL_ASCII' if encoding == 'SQL_ASCII' else 'UTF8'}'")
            c.execute("SET ROLE app_trust")
            c.pgconn.exec_(made.encode())
        yield g
    with pg.admin("postgres") as c:
        c.execute(f"DROP DATABASE {request.param} WITH (FORCE)")


def raw(g):
    """The bytes as they are stored."""
    with g.admin() as c:
        name = c.execute("SELECT oid::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
                         ).fetchall()
        assert len(name) == 1
        c.pgconn.exec_(b"SET client_encoding = 'SQL_ASCII'")
        got = c.pgconn.exec_(b"SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace ="
                             b" 'public'::regnamespace")
        table = got.get_value(0, 0)
        got = c.pgconn.exec_(b"SELECT string_agg(encode(textsend(t::text), 'hex'), ',' ORDER BY id) FROM " + table
                             + b" t")
        assert got.get_value(0, 0), got.error_message
        return table, got.get_value(0, 0)


@pytest.mark.parametrize("statement", [
    'DROP TABLE public."größe"', 'TRUNCATE public."größe"', 'DELETE FROM public."größe" WHERE id = 1',
    'UPDATE public."größe" SET "ä" = NULL, b = NULL'])
def test_encodings(place, statement):
    before = raw(place)
    for point in place.destroy(statement):
        place.copy_back(point)
    assert raw(place) == before


@pytest.fixture(scope="module")
def app(pg):
    with ground(pg) as g:
        g.run("DROP SCHEMA IF EXISTS here CASCADE; CREATE SCHEMA here AUTHORIZATION app_trust")
        yield g
        g.run("DROP SCHEMA here CASCADE")


def round_trip(g, statement, look):
    with g.admin() as c:
        before = c.execute(look).fetchall()
    for point in g.destroy(statement):
        g.copy_back(point)
    with g.admin() as c:
        assert c.execute(look).fetchall() == before


def test_money_of_another_country(app, pg):
    app.run("CREATE TABLE here.m (id int PRIMARY KEY, v money); INSERT INTO here.m VALUES (1, 1234.56), (2, -0.01);"
            "ALTER TABLE here.m OWNER TO app_trust; ALTER ROLE backstop SET lc_monetary = 'C.UTF-8'")
    try:
        for statement in ("DROP TABLE here.m", "DELETE FROM here.m WHERE id = 2", "UPDATE here.m SET v = 0"):
            round_trip(app, statement, "SELECT id, encode(cash_send(v), 'hex') FROM here.m ORDER BY id")
    finally:
        app.run("ALTER ROLE backstop RESET lc_monetary")


@pytest.mark.parametrize("method", ["pglz", "lz4"])
def test_compressed_and_large(app, pg, method):
    with pg.admin() as c:
        if method not in c.execute("SELECT enumvals FROM pg_settings WHERE name = 'default_toast_compression'"
                                   ).fetchone()[0]:
            pytest.skip("this server was built without it")
    app.run(f"DROP TABLE IF EXISTS here.c; CREATE TABLE here.c (id int PRIMARY KEY, b bytea, t text COMPRESSION {method});"
            "ALTER TABLE here.c OWNER TO app_trust;"
            "INSERT INTO here.c VALUES (1, decode(repeat('00ff', 20000000), 'hex'), repeat('x', 3000000)),"
            " (2, '', repeat('ab', 100000))")
    look = "SELECT id, md5(b), length(b), md5(t), pg_column_compression(t) FROM here.c ORDER BY id"
    round_trip(app, "DROP TABLE here.c", look)
    # Undone row by row a value keeps how the way there had compressed it: that is no part of it.
    round_trip(app, "UPDATE here.c SET b = NULL, t = NULL", look.replace("pg_column_compression(t)", "1"))


REFERENCES = """
CREATE TABLE here.{0} (id int PRIMARY KEY, c regclass, f regprocedure, t regtype, r regrole);
INSERT INTO here.{0} VALUES (1, 'here.m2', 'abs(int)', 'here.kind', 'app_clerk');
ALTER TABLE here.{0} OWNER TO app_trust
"""


def test_identifiers_go_back_where_they_mean_something(app, pg):
    app.run("CREATE TABLE IF NOT EXISTS here.m2 (n int); CREATE TYPE here.kind AS ENUM ('a');" + REFERENCES.format("o"))
    round_trip(app, "DELETE FROM here.o", "SELECT id, c::text, f::text, t::text, r::text FROM here.o")


def test_identifiers_are_not_taken_elsewhere(app, pg):
    """Their numbers would mean something else there, or nothing."""
    app.run("DROP TABLE IF EXISTS here.o2; CREATE TABLE IF NOT EXISTS here.m2 (n int);"
            "DO $$ BEGIN CREATE TYPE here.kind AS ENUM ('a'); EXCEPTION WHEN duplicate_object THEN END $$;"
            + REFERENCES.format("o2"))
    point, = app.destroy("DROP TABLE here.o2")
    with pg.admin("postgres") as c:
        c.execute("CREATE DATABASE elsewhere")
    there = psycopg.conninfo.make_conninfo(pg.conninfo("postgres"), dbname="elsewhere")
    try:
        out = app.gateway.cli("restore", "run", point, "--dsn", there, "--json", check=False)
        said = out.stdout + out.stderr
        if out.returncode == 0:
            with pg.admin("elsewhere") as c:
                schema = "recovery_" + point[-8:].lower()
                found = c.execute(f"SELECT c::text, f::text, t::text, r::text FROM {schema}.o2").fetchone()
            assert found == ("here.m2", "abs(integer)", "here.kind", "app_clerk"), found
        else:
            assert "regclass" in said or "reg" in said, said
    finally:
        with pg.admin("postgres") as c:
            c.execute("DROP DATABASE elsewhere WITH (FORCE)")
    app.copy_back(point)
