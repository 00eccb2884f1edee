"""Every type's values, out of a table and back: exactly the same bits, by table and by rows."""

import json
import os

import psycopg
import pytest

from conftest import wait_until
from fidelity import Broken, Refused, ground, server
from typevalues import EXTENSIONS, OWN, UNREADABLE, values_of

MAJORS = os.environ.get("BACKSTOP_MAJORS", "15 18").split()

BUILT_IN = """
SELECT t.typname, t.typarray <> 0 FROM pg_type t WHERE t.typtype IN ('b', 'r', 'm')
 AND t.typnamespace = 'pg_catalog'::regnamespace AND t.oid < 16384
 AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid) ORDER BY t.oid
"""


def literal(text):
    return psycopg.sql.Literal(text).as_string(None)


class Types:
    """Schema `ty`: a table for each type, of its values and of arrays of them."""

    def __init__(self, g):
        self.g = g
        self.types = {}  # table: type
        g.run("DROP SCHEMA IF EXISTS ty CASCADE; CREATE SCHEMA ty AUTHORIZATION app_trust")
        with g.admin() as c:
            c.execute("SET TimeZone = 'UTC'")
            for name, array in c.execute(BUILT_IN).fetchall():
                if name not in UNREADABLE:
                    values = values_of(name)
                    assert values, f"no values are known for the type {name} of PostgreSQL {g.pg.major}"
                    self.add(c, f'pg_catalog."{name}"', values, array)
            for made, name, values in OWN:
                if name == "numeric(7,-2)" and int(g.pg.major) < 15:
                    continue
                if made:
                    c.execute(made)
                self.add(c, name, values)
            have = {x for x, in c.execute("SELECT name FROM pg_available_extensions")}
            for extension, types in EXTENSIONS.items():
                if extension in have:
                    c.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
                    for name, values in types:
                        if c.execute("SELECT to_regtype(%s)", (name,)).fetchone()[0]:
                            self.add(c, name, values)

    def add(self, c, type_, values, array=True):
        table = f"ty.t{len(self.types)}"
        self.types[table] = type_
        arrays = f", a {type_}[], aa {type_}[]" if array else ""
        c.execute(f"CREATE TABLE {table} (id int PRIMARY KEY, v {type_}{arrays});"
                  f"ALTER TABLE {table} OWNER TO app_trust")
        for n, value in enumerate(values):
            v = f"{literal(value)}::{type_}"
            if array:
                c.execute(f"INSERT INTO {table} VALUES ({n}, {v}, ARRAY[{v}]::{type_}[], NULL)")
            else:
                c.execute(f"INSERT INTO {table} VALUES ({n}, {v})")
        if array:
            one = literal(values[-1])
            listed = ",".join(f"{literal(x)}::{type_}" for x in values)
            c.execute(
                f"INSERT INTO {table} SELECT 100, {literal(values[0])}::{type_}, a, NULL FROM"
                f" (SELECT ARRAY[{listed}]::{type_}[] AS a) x;"
                f"INSERT INTO {table} SELECT 101, {one}::{type_}, '{{}}', array_fill({one}::{type_}, ARRAY[2,3],"
                f" ARRAY[-2,5])")
        if "positive" not in type_:
            c.execute(f"INSERT INTO {table} (id) VALUES (102)")
            if array:
                c.execute(f"INSERT INTO {table} SELECT 103, NULL, array_prepend(NULL, a), aa FROM {table}"
                          f" WHERE id = 100")

    def images(self, tables):
        """Each value's own bits, where the type can send them, and its text; an error where it is gone."""
        found = {}
        with self.g.admin() as c:
            c.execute("SET TimeZone = 'UTC'; SET extra_float_digits = 3; SET search_path = ''")
            for table in tables:
                for how in ("binary", "text"):
                    try:
                        with c.cursor().copy(f"COPY (SELECT * FROM {table} ORDER BY id) TO STDOUT"
                                             f" (FORMAT {how})") as x:
                            found[table, how] = b"".join(bytes(b) for b in x)
                    except psycopg.errors.UndefinedFunction:
                        found[table, how] = None
                    except psycopg.errors.UndefinedTable:
                        found[table, how] = "gone"
        return found


@pytest.fixture(scope="module", params=MAJORS)
def types(request):
    with server(request.param) as pg, ground(pg) as g:
        yield Types(g)


def round_trip(types, tables, statement, bad):
    """All tables at once; where that fails, by halves, to know which."""
    before = types.images(tables)
    why = "other values"
    try:
        for point in types.g.destroy(statement(tables)):
            types.g.restore(point, "--conflict", "overwrite")
        if types.images(tables) == before:
            return
    except (Broken, Refused) as error:
        why = error
    if len(tables) == 1:
        bad.append(f"{types.types[tables[0]]}: {why}")
    types.__init__(types.g)
    half = len(tables) // 2
    for part in (tables[:half], tables[half:]) if half else ():
        round_trip(types, part, statement, bad)


def drop(tables):
    return "DROP TABLE " + ", ".join(tables)


def truncate(tables):
    return "TRUNCATE " + ", ".join(tables)


def update(tables):
    """The values of one row into all others: two kinds of statement, by how many there are."""
    each = [f"UPDATE {t} SET v = (SELECT v FROM {t} WHERE id = 0)" for t in tables]
    if len(each) == 1:
        return each[0]
    return "WITH " + ", ".join(f"w{n} AS ({x} RETURNING 1)" for n, x in enumerate(each)) + " SELECT 1"


def delete(tables):
    each = [f"DELETE FROM {t} WHERE id <> 100" for t in tables]
    if len(each) == 1:
        return each[0]
    return "WITH " + ", ".join(f"w{n} AS ({x} RETURNING 1)" for n, x in enumerate(each)) + " SELECT 1"


@pytest.mark.parametrize("statement", [drop, truncate, update, delete], ids=lambda f: f.__name__)
def test_each_type(types, statement):
    bad, tables = [], list(types.types)
    for at in range(0, len(tables), 40):
        round_trip(types, tables[at:at + 40], statement, bad)
    assert not bad, "\n".join(bad)


@pytest.mark.parametrize("type_", sorted(UNREADABLE))
def test_what_nobody_can_write_is_refused(types, type_):
    with types.g.admin() as c:
        c.execute("DROP TABLE IF EXISTS ty.stats, ty.odd; CREATE TABLE ty.stats (a int, b int);"
                  "CREATE STATISTICS ty.st ON a, b FROM ty.stats; INSERT INTO ty.stats SELECT n % 5, n % 5 FROM"
                  " generate_series(1, 1000) n; ANALYZE ty.stats;"
                  f"CREATE TABLE ty.odd AS {UNREADABLE[type_]}; ALTER TABLE ty.odd OWNER TO app_trust")
    for statement in ("DROP TABLE ty.odd", "DELETE FROM ty.odd"):
        with pytest.raises(Refused) as refused:
            types.g.destroy(statement)
        assert refused.value.sqlstate == "ZB004"
        ticket = json.loads(refused.value.detail)["ticket"]
        wait_until(lambda: f"of type {type_}" in json.dumps(
            types.g.operator.ask("GET", f"/v1/tickets/{ticket}")))
    with types.g.admin() as c:
        c.execute("SELECT FROM ty.odd")
