"""`backstop points export`: what comes out can be read in again, and is the same."""

import json
import os
import subprocess

import pytest

from conftest import binary
from test_undo import MADE, answer, destroy, door, points, site  # noqa: F401

TYPES = """
DROP SCHEMA IF EXISTS kinds CASCADE;
CREATE SCHEMA kinds AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TYPE kinds.mood AS ENUM ('sad', 'ok', 'it''s');
CREATE TYPE kinds.pair AS (a int, b text);
CREATE DOMAIN kinds.even AS int CHECK (VALUE % 2 = 0);
CREATE TABLE kinds.t (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    i2 smallint, i8 bigint, n numeric(30, 10), f4 real, f8 double precision, b boolean,
    t text, v varchar(20), c char(8), "Odd ""name, it's" text, ch "char",
    by bytea, d date, ti time, tz timetz, ts timestamp, tt timestamptz, iv interval,
    u uuid, j json, jb jsonb, x xml, ia int[], ta text[], ma kinds.mood[], m kinds.mood,
    p kinds.pair, pa kinds.pair[], e kinds.even, r int4range, mr int4multirange, ip inet,
    mc macaddr, bi bit(5), vb varbit, pt point, lo money, tv tsvector, nm name, re regclass,
    up text GENERATED ALWAYS AS (upper(t)) STORED);
INSERT INTO kinds.t (i2, i8, n, f4, f8, b, t, v, c, "Odd ""name, it's", ch, by, d, ti, tz, ts, tt,
    iv, u, j, jb, x, ia, ta, ma, m, p, pa, e, r, mr, ip, mc, bi, vb, pt, lo, tv, nm, re)
SELECT -g, g * 1000000007::bigint, g / 7.0, g / 3.0, sqrt(g), g % 2 = 0,
    E'line\\none "q" ''s'' \\\\ tab\\t, ' || g, 'v' || g, 'c' || g, 'odd', 'z',
    decode(lpad(to_hex(g), 8, '0'), 'hex'), '2020-01-01'::date + g, '10:00:00.123456',
    '10:00:00+02', '2020-02-29 12:00:00.000001', '1999-12-31 23:59:59.999999+05:30',
    '1 year -2 mons +3 days 04:05:06.789', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    E'{"b": 1,\\n "a": "\\\\n", "b": 2}', '{"k": [1, null, "x"]}', '<a href="x">1 &amp; 2</a>',
    ARRAY[[1, NULL], [g, 4]], ARRAY['a,b', '"q"', '', NULL, 'NULL', E'\\\\'], '{sad,it''s}', 'it''s',
    ('(' || g || ',"x, (y)")')::kinds.pair, ARRAY['(1,)'::kinds.pair, '(,"x''")'], 2 * g,
    '[1,5)', '{[1,3),[5,9)}', '10.0.0.0/8', '08:00:2b:01:02:03', B'10101', B'1', '(1.5,-2)', 12.34,
    'fat:1A cat:2', 'a name', 'kinds.t'
FROM generate_series(1, 250) g;
INSERT INTO kinds.t (t, v, c) VALUES ('', NULL, ''), (NULL, '', NULL), ('NULL', '\\N', ' ');
INSERT INTO kinds.t (f8, n, d, ts, r, t) VALUES ('NaN', 'NaN', 'infinity', '-infinity', 'empty', '\\.');
RESET ROLE;
ANALYZE kinds.t;
"""


@pytest.fixture
def kinds(door, pg):  # noqa: F811
    with pg.admin() as c:
        c.execute(TYPES)
    return door


def psql(pg, text, check=True):
    return subprocess.run(
        [pg.bin / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", pg.folder, "-p", str(pg.port),
         "-U", "postgres", "app"], input=text, text=True, check=check, capture_output=True)


def rows(pg, table="kinds.t", columns="every"):
    with pg.admin() as c:
        return c.execute(f"SELECT {columns}::text FROM {table} every ORDER BY 1").fetchall()


def export(gateway, point, *args, status=0):
    out = gateway.cli("points", "export", point, *args, check=False)
    assert out.returncode == status, out.stdout + out.stderr
    return out.stdout


def test_sql_is_loaded_by_psql(kinds, pg):
    before = rows(pg)
    [point] = destroy(kinds, "DELETE FROM kinds.t")
    text = export(kinds, point, "--format", "sql")
    assert text.count("INSERT INTO") == 3
    assert rows(pg) == []
    # Whatever the settings are there.
    with pg.admin() as c:
        c.execute("ALTER DATABASE app SET datestyle = 'SQL, DMY'; ALTER DATABASE app SET intervalstyle"
                  " = 'iso_8601'; ALTER DATABASE app SET standard_conforming_strings = off")
    try:
        psql(pg, text)
    finally:
        with pg.admin() as c:
            c.execute("ALTER DATABASE app RESET ALL")
    assert rows(pg) == before
    # As a whole or not at all.
    assert psql(pg, text, check=False).returncode != 0
    assert rows(pg) == before


def test_csv_is_loaded_by_copy(kinds, pg):
    before = rows(pg)
    [point] = destroy(kinds, "DELETE FROM kinds.t")
    text = export(kinds, point, "--format", "csv", "--table", "kinds.t")
    with pg.admin() as c:
        c.execute("CREATE TABLE kinds.again (LIKE kinds.t)")
        with c.cursor().copy("COPY kinds.again FROM STDIN (FORMAT csv, HEADER)") as copy:
            copy.write(text)
    assert rows(pg, "kinds.again") == before


def test_json_lines_are_what_to_jsonb_says(kinds, pg):
    before = rows(pg, columns="to_jsonb(every)")
    [point] = destroy(kinds, "DELETE FROM kinds.t")
    text = export(kinds, point, "--format", "jsonl")
    lines = text.splitlines()
    assert len(lines) == 254 and list(json.loads(lines[0]))[:3] == ["id", "i2", "i8"]
    with pg.admin() as c:
        c.execute("CREATE TABLE kinds.json (j jsonb)")
        with c.cursor().copy("COPY kinds.json FROM STDIN") as copy:
            for line in lines:
                copy.write_row([line])
        again = c.execute("SELECT j::text FROM kinds.json ORDER BY 1").fetchall()
    assert again == before


def test_a_condition_and_a_file(site, pg, tmp_path):  # noqa: F811
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 20")
    file = tmp_path / "rows.csv"
    said = json.loads(export(site, point, "--format", "csv", "--where", "id < 3", "-o", str(file),
                             "--json"))
    assert said["rows"] == 2
    assert file.read_text() == "id,v,n\n1,v1,1\n2,v2,2\n"
    assert os.stat(file).st_mode & 0o777 == 0o600
    # Never over something.
    export(site, point, "--format", "csv", "-o", str(file), status=1)
    assert file.read_text().startswith("id,v,n\n")
    # What fails leaves nothing behind.
    other = tmp_path / "other"
    export(site, point, "--format", "csv", "--where", "1 / (id - 20) = 0", "-o", str(other),
           status=64)
    assert not other.exists()
    with open("/dev/full", "w") as full:
        out = subprocess.run([binary(), "points", "export", point, "--format", "csv", "--config",
                              str(site.config)], env=site.env, stdout=full,
                             stderr=subprocess.PIPE, text=True)
    assert out.returncode == 74 and "standard output" in out.stderr


def test_several_tables(site, pg):  # noqa: F811
    [point] = destroy(site, "DELETE FROM undo.parent WHERE id > 298")
    for format in ("csv", "jsonl"):
        export(site, point, "--format", format, status=64)
    text = export(site, point, "--format", "sql")
    assert text.count("INSERT INTO") == 2 and "COMMIT;" in text
    psql(pg, text)
    assert answer(site, "diff", point)["same"]


def test_partitions_come_as_one(site, pg):  # noqa: F811
    [point] = destroy(site, "DELETE FROM undo.parted WHERE id <= 4")
    text = export(site, point, "--format", "csv", "--table", "undo.parted")
    assert sorted(text.splitlines()) == ["1,us,1", "2,eu,2", "3,us,3", "4,eu,4", "id,r,v"]


def test_it_is_recorded(site, pg):  # noqa: F811
    [point] = destroy(site, "DELETE FROM undo.t WHERE id <= 2")
    export(site, point, "--format", "jsonl", "--where", "id = 1")
    log = [json.loads(x) for x in site.cli("audit", "tail", "--json", "-n", "10").stdout.splitlines()]
    done = [r for r in log if r.get("action") == "export" and r["point"] == point]
    assert [r["outcome"] for r in done] == ["started", "done"]
    assert "id = 1" in json.dumps(done[0])


@pytest.mark.parametrize("args", [[], ["--format", "xml"], ["--format", "csv", "--json"]])
def test_a_wrong_command_line(site, args):  # noqa: F811
    out = site.cli("points", "export", "RP-X", *args, check=False)
    assert out.returncode == 64
