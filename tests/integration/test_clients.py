"""Clients that know nothing of the gateway, through it and past it: the same answers.

`ann` may read, add rows and notify without asking; no ticket is ever opened for what is done here.
"""

import asyncio
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import threading
import time
import urllib.parse

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

import shaping
from conftest import ROOT
from place import a_place
from rawwire import Raw, query

RULES = [
    {"name": "work", "actors": ["ann"], "risk": ["SAFE", "HIGH"], "action": "allow",
     "kinds": ["INSERT", "COPY FROM STDIN", "SELECT", "SELECT FOR UPDATE", "NOTIFY",
               "LOCK TABLE"]},
    {"name": "benchmark", "actors": ["ann"], "risk": ["SAFE", "HIGH", "CRITICAL"],
     "action": "allow", "kinds": ["UPDATE"], "objects": ["public.pgbench_*"], "recovery": "none"},
]

SCHEMA = """
DROP SCHEMA IF EXISTS clients CASCADE;
CREATE SCHEMA clients AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TYPE clients.mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN clients.positive AS int CHECK (VALUE > 0);
CREATE TABLE clients.types (
    id int PRIMARY KEY, big bigint, exact numeric(30, 10), real8 float8, flag boolean, word text,
    bytes bytea, day date, at timestamptz, span interval, id2 uuid, doc jsonb, list int[],
    words text[], mood clients.mood, pos clients.positive, net inet, r int4range);
COMMENT ON TABLE clients.types IS 'one of each';
CREATE TABLE clients.parent (id int PRIMARY KEY, name text NOT NULL DEFAULT 'none');
CREATE TABLE clients.child (id serial PRIMARY KEY, parent int REFERENCES clients.parent,
                            n int CHECK (n > 0), twice int GENERATED ALWAYS AS (n * 2) STORED);
CREATE INDEX child_n ON clients.child (n) WHERE n > 10;
CREATE TABLE clients.parts (id int, v text) PARTITION BY RANGE (id);
CREATE TABLE clients.parts_1 PARTITION OF clients.parts FOR VALUES FROM (0) TO (100);
CREATE VIEW clients.happy AS SELECT id, word FROM clients.types WHERE mood = 'happy';
CREATE MATERIALIZED VIEW clients.moods AS SELECT mood, count(*) FROM clients.types GROUP BY 1;
CREATE SEQUENCE clients.numbers;
CREATE FUNCTION clients.twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE TABLE clients.inbox (id serial, v text);
CREATE TABLE clients.wide (n int, v text);
ALTER TABLE clients.wide ALTER v SET STORAGE EXTERNAL;  -- nobody waits for its compression
INSERT INTO clients.types
  SELECT n, n * 1000000000000, n / 7.0, n / 3.0::float8, n % 2 = 0, 'wörd ' || n,
         decode(md5(n::text), 'hex'), date '2000-01-01' + n, timestamptz '2020-01-01 UTC' + n * interval '1 h',
         n * interval '1 minute', md5(n::text)::uuid, jsonb_build_object('n', n, 'l', array[n, null]),
         array[n, n + 1, null], array['a', 'b "q"', null], (array['sad', 'ok', 'happy'])[1 + n % 3]::clients.mood,
         n, ('10.0.0.' || n % 255)::inet, int4range(n, n + 5)
  FROM generate_series(1, 2000) n;
INSERT INTO clients.types (id) VALUES (0);
INSERT INTO clients.parent SELECT n, 'p' || n FROM generate_series(1, 10) n;
INSERT INTO clients.child (parent, n) SELECT 1 + n % 10, n FROM generate_series(1, 100) n;
INSERT INTO clients.parts SELECT n, 'v' FROM generate_series(1, 50) n;
REFRESH MATERIALIZED VIEW clients.moods;
RESET ROLE;
"""


@pytest.fixture(scope="module")
def place(pg):
    with pg.admin() as c:
        c.execute(SCHEMA)
    with a_place(pg, RULES) as p:
        yield p


@pytest.fixture(autouse=True)
def no_ticket(place):
    yield
    assert place.operator.tickets() == []


class Way:
    """One way to the database."""

    def __init__(self, name, place, **options):
        self.name, self.place, self.options = name, place, options

    def connect(self, **more):
        return psycopg.connect(**{**self.options, **more})

    def url(self):
        o = self.options
        quote = urllib.parse.quote
        return (f"postgresql://{quote(o['user'])}:{quote(o.get('password') or 'x', safe='')}"
                f"@{o['host']}:{o['port']}/{o['dbname']}")

    def run(self, *command, **more):
        """A PostgreSQL program, told where to connect as they all are: by its environment."""
        o = self.options
        env = {**os.environ, "PGHOST": o["host"], "PGPORT": str(o["port"]), "PGUSER": o["user"],
               "PGDATABASE": o["dbname"], "PGPASSWORD": o.get("password") or "",
               "PGSSLMODE": o.get("sslmode", "disable"), "PGAPPNAME": "test",
               "PGOPTIONS": "-c TimeZone=UTC"}
        return subprocess.run([str(self.place.pg.bin / command[0]), *command[1:]], env=env,
                              capture_output=True, timeout=120, **more)


def ways(place):
    g = place.gateway
    through = {"port": g.port, "user": "ann", "dbname": "app", "password": g.passwords["ann"]}
    yield Way("direct", place, host="127.0.0.1", port=place.pg.port, user="app_trust", dbname="app")
    yield Way("plain", place, host="127.0.0.1", sslmode="disable", **through)
    yield Way("tls", place, host="127.0.0.1", sslmode="require", **through)
    yield Way("socket", place, host=f"{g.folder}/socket", **through)


@pytest.fixture(params=["plain", "tls", "socket"])
def way(request, place):
    return next(w for w in ways(place) if w.name == request.param)


@pytest.fixture
def plain(place):
    return next(w for w in ways(place) if w.name == "plain")


@pytest.fixture
def direct(place):
    return next(w for w in ways(place) if w.name == "direct")


def same(direct, way, do, **options):
    """What `do` returns is the same both ways; returns it."""
    results = []
    for w in (direct, way):
        with w.connect(**options) as c:
            results.append(do(c))
    assert results[0] == results[1]
    return results[1]


# --- psql ------------------------------------------------------------------------------------

META = r"""
\d
\dt+ clients.*
\d clients.types
\d+ clients.child
\d+ clients.parts
\d+ clients.happy
\d+ clients.moods
\df clients.*
\df+ clients.*
\sf clients.twice
\sv clients.happy
\di+ clients.*
\ds clients.*
\dv clients.*
\dm clients.*
\dn+
\du
\l app
\dT+ clients.*
\dD clients.*
\dC int*
\do clients.*
\dp clients.*
\dx
\dy
\db
\dc pg_catalog.utf8*
\dRp
\dRs
\des
\dew
\det
\deu
\dF
\dFd
\dl
\dL
\dO pg_catalog.C
\drds
\dP+ clients.*
\dAc btree int4
\da pg_catalog.sum
\dd clients.*
\ddp
\z clients.types
"""


@pytest.mark.parametrize("meta", META.split("\n")[1:-1])
def test_what_psql_shows_of_the_catalog(direct, plain, meta):
    out = [w.run("psql", "-X", "-v", "ON_ERROR_STOP=1", "-c", meta) for w in (direct, plain)]
    assert out[0].returncode == out[1].returncode == 0, (out[0].stderr, out[1].stderr)
    assert out[0].stdout == out[1].stdout and out[0].stderr == out[1].stderr


SCRIPT = r"""
\timing off
\pset null '(null)'
SELECT * FROM clients.types ORDER BY id LIMIT 20;
TABLE clients.parent ORDER BY id;
VALUES (1, 'a'), (2, 'b');
SELECT 1 \; SELECT 2;
BEGIN; SELECT count(*) FROM clients.child; COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT sum(n) FROM clients.child;
SAVEPOINT a;
SELECT 1/0;
ROLLBACK TO a;
SELECT 'still here';
COMMIT;
\set AUTOCOMMIT off
SELECT 1;
ROLLBACK;
\set AUTOCOMMIT on
\set ON_ERROR_ROLLBACK on
BEGIN;
SELECT nothing;
SELECT 'rolled back to a savepoint';
COMMIT;
\set FETCH_COUNT 7
SELECT id, word FROM clients.types ORDER BY id LIMIT 30;
\unset FETCH_COUNT
SELECT mood, flag, count(*) FROM clients.types GROUP BY 1, 2 ORDER BY 1, 2 \crosstabview
SELECT 'SELECT ' || n FROM generate_series(1, 3) n \gexec
SELECT id AS x FROM clients.parent ORDER BY 1 LIMIT 1 \gset
\echo :x
SELECT 1 AS a, 'x'::text AS b \gdesc
PREPARE p (int) AS SELECT word FROM clients.types WHERE id = $1;
EXECUTE p(5);
EXECUTE p(6);
DEALLOCATE p;
BEGIN;
DECLARE k SCROLL CURSOR FOR SELECT id FROM clients.types ORDER BY id;
FETCH 3 FROM k;
FETCH LAST FROM k;
FETCH BACKWARD 2 FROM k;
MOVE ABSOLUTE 10 IN k;
FETCH k;
CLOSE k;
COMMIT;
EXPLAIN (COSTS off) SELECT * FROM clients.types WHERE id = 1;
SHOW TimeZone;
SET TimeZone = 'Europe/Berlin';
SELECT at FROM clients.types WHERE id = 3;
SELEC 1;
SELECT * FROM clients.nothing;
SELECT 'ünïcode ☃', E'tab\there', $$dollar ' quoted$$;
INSERT INTO clients.inbox (v) VALUES ('from psql') RETURNING v;
COPY (SELECT id, word FROM clients.types ORDER BY id LIMIT 3) TO STDOUT;
\copy (SELECT id, words FROM clients.types ORDER BY id LIMIT 3) TO STDOUT CSV HEADER
COPY clients.inbox (v) FROM STDIN;
one
two
\.
COPY clients.child (parent, n) FROM STDIN;
1	not a number
\.
SELECT count(*) > 2 FROM clients.inbox;
\errverbose
"""


def test_a_script_in_psql(direct, way):
    out = [w.run("psql", "-X", "-a", "-f", "-", input=SCRIPT.encode()) for w in (direct, way)]
    assert out[0].stdout.decode().splitlines() == out[1].stdout.decode().splitlines()
    # The gateway itself says that a text cannot be parsed or a table is not there, with a hint and without the line.
    errors = [re.sub(r"\nHINT:  The gateway.*|\nLINE 1: SELECT \* FROM cl.*\n.*", "", o.stderr.decode())
              for o in out]
    assert errors[0] == errors[1]


def test_psql_in_one_transaction_and_with_several_commands(direct, way):
    for args in (["-1", "-c", "SELECT 1", "-c", "SELECT 2"],
                 ["-c", "SELECT 1; SELECT 2; SELECT 3"], ["-1", "-At", "-c", "SELECT 1/0"],
                 ["-l", "-At", "-d", "app"]):
        out = [w.run("psql", "-X", *args) for w in (direct, way)]
        assert [o.returncode for o in out] == [out[0].returncode] * 2
        assert out[0].stdout == out[1].stdout and out[0].stderr == out[1].stderr


def test_copy_to_and_from_a_file_of_psql(direct, way, tmp_path):
    files = [tmp_path / w.name for w in (direct, way)]
    for w, file in zip((direct, way), files):
        done = w.run("psql", "-X", "-c", rf"\copy clients.types TO '{file}' (FORMAT binary)")
        assert done.returncode == 0, done.stderr
    assert files[0].read_bytes() == files[1].read_bytes()
    lines = tmp_path / "lines"
    lines.write_text("".join(f"{n}\tline {n}\n" for n in range(10_000)))
    done = way.run("psql", "-X", "-c", rf"\copy clients.wide FROM '{lines}'")
    assert done.returncode == 0 and done.stdout == b"COPY 10000\n", done.stderr


def test_control_c_in_psql(plain):
    o = plain.options
    psql = subprocess.Popen(
        ["psql", "-X", "-c", "SELECT 'begins'", "-c", "SELECT pg_sleep(60)"],
        env={**os.environ, "PGHOST": o["host"], "PGPORT": str(o["port"]), "PGUSER": o["user"],
             "PGDATABASE": o["dbname"], "PGPASSWORD": o["password"]},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(0.7)
    began = time.monotonic()
    psql.send_signal(signal.SIGINT)
    _, error = psql.communicate(timeout=20)
    assert time.monotonic() - began < 5
    assert b"canceling statement due to user request" in error


# --- psycopg ---------------------------------------------------------------------------------


def test_all_types_in_text_and_binary(direct, way):
    for binary in (False, True):
        rows = same(direct, way, lambda c: c.execute(
            "SELECT * FROM clients.types ORDER BY id", binary=binary).fetchall())
        assert len(rows) == 2001


def test_parameters_of_every_type(direct, way):
    def do(c):
        row = c.execute("SELECT * FROM clients.types WHERE id = 77").fetchone()
        out = []
        for binary in (False, True):
            for value in map(lambda v: Jsonb(v) if isinstance(v, dict) else v, row):
                out.append(c.execute("SELECT %s", (value,), binary=binary).fetchone())
        return out

    assert len(same(direct, way, do)) == 36


def test_the_default_transaction_mode(way, direct):
    """BEGIN before the first statement, and COMMIT by itself."""
    with way.connect() as c:
        assert c.execute("SELECT count(*) FROM clients.parent").fetchone() == (10,)
        assert c.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS
        c.execute("INSERT INTO clients.inbox (v) VALUES (%s)", ("lost",))
        c.rollback()
        c.execute("INSERT INTO clients.inbox (v) VALUES (%s)", (f"kept {way.name}",))
        with pytest.raises(psycopg.errors.UniqueViolation):
            with c.transaction():
                c.execute("INSERT INTO clients.parent VALUES (1)")
        with c.transaction():
            with pytest.raises(ZeroDivisionError), c.transaction():
                c.execute("INSERT INTO clients.inbox (v) VALUES ('lost')")
                raise ZeroDivisionError
        c.commit()
    with direct.connect() as c:
        assert c.execute("SELECT count(*) FROM clients.inbox WHERE v = 'lost'").fetchone() == (0,)
        assert c.execute("SELECT count(*) FROM clients.inbox WHERE v = %s",
                         (f"kept {way.name}",)).fetchone() == (1,)


@pytest.mark.parametrize("level", list(psycopg.IsolationLevel), ids=lambda x: x.name)
def test_isolation_levels(direct, way, level):
    def do(c):
        c.isolation_level = level
        c.read_only = True
        return (c.execute("SHOW transaction_isolation").fetchone(),
                c.execute("SHOW transaction_read_only").fetchone())

    assert same(direct, way, do)[1] == ("on",)


def test_prepared_statements(direct, way):
    def do(c):
        out = []
        for n in range(30):
            out += c.execute("SELECT word FROM clients.types WHERE id = %s", (n,)).fetchall()
            out += c.execute("SELECT %s::text", (str(n),), prepare=True).fetchall()
        out.append(c.execute("SELECT count(*) FROM pg_prepared_statements").fetchone())
        c.prepared_max = 0
        c.execute("DEALLOCATE ALL")
        return out

    same(direct, way, do, autocommit=True)


def test_server_side_cursors(direct, way):
    def do(c):
        out = []
        with c.cursor("plain") as cursor:
            cursor.execute("SELECT id FROM clients.types WHERE id > %s ORDER BY id", (5,))
            out += cursor.fetchmany(10)
            cursor.itersize = 300
            out += list(cursor)
        with c.cursor("scrolls", scrollable=True, withhold=True) as cursor:
            cursor.execute("SELECT id FROM clients.types ORDER BY id")
            c.commit()
            cursor.scroll(1000)
            out.append(cursor.fetchone())
            cursor.scroll(-500)
            out.append(cursor.fetchone())
            cursor.scroll(3, mode="absolute")
            out.append(cursor.fetchone())
        with c.cursor("binary", row_factory=dict_row) as cursor:
            cursor.execute("SELECT * FROM clients.types WHERE id < 5", binary=True)
            out += cursor.fetchall()
        return out

    assert len(same(direct, way, do)) > 2000


def test_streams_and_executemany(direct, way):
    def do(c):
        with c.cursor() as cursor:
            out = list(cursor.stream("SELECT id, word FROM clients.types ORDER BY id"))
        with c.cursor() as cursor:
            cursor.executemany("SELECT %s::int * 2", [(n,) for n in range(50)], returning=True)
            while True:
                out.append(cursor.fetchone())
                if not cursor.nextset():
                    break
        with psycopg.ClientCursor(c) as cursor:
            out += cursor.execute("SELECT %s, %s; SELECT %s", (1, "o'k\\", None)).fetchall()
        return out

    same(direct, way, do)


def test_pipeline_mode(direct, way):
    def do(c):
        out = []
        with c.pipeline() as p:
            cursors = [c.execute("SELECT %s::int, word FROM clients.types WHERE id = %s", (n, n))
                       for n in range(200)]
            p.sync()
            out += [x.fetchone() for x in cursors]
            with pytest.raises(psycopg.errors.DivisionByZero):
                c.execute("SELECT 1/%s", (0,))
                p.sync()
            p.sync()
            out.append(c.execute("SELECT 'goes on'").fetchone())
        out.append(c.execute("SELECT 'after'").fetchone())
        return out

    same(direct, way, do, autocommit=True)


def test_ten_thousand_statements_in_a_pipeline(plain):
    with plain.connect(autocommit=True) as c, c.pipeline():
        cursors = [c.execute("SELECT %s::int", (n,)) for n in range(10_000)]
        assert [x.fetchone()[0] for x in cursors] == list(range(10_000))


ERRORS = ["SELECT 1/0", "SELECT nothing", "SELECT 'x'::int", "SELECT pg_sleep(10)",
          "INSERT INTO clients.parent VALUES (1)", "INSERT INTO clients.child (id, parent, n) VALUES (-1, 99, 1)",
          "INSERT INTO clients.child (id, n) VALUES (7, 0)", "INSERT INTO clients.types (id, pos) VALUES (-1, -1)",
          "SELECT * FROM clients.types WHERE id = 'a'", "ROLLBACK TO nowhere"]


def test_errors_are_the_servers_own(direct, way):
    def do(c):
        c.execute("SET statement_timeout = '300ms'")
        out = []
        for text in ERRORS:
            for params in (None, ()):
                with pytest.raises(psycopg.Error) as caught:
                    c.execute(text, params)
                d = caught.value.diag
                out.append((d.severity, d.sqlstate, d.message_primary, d.message_detail,
                            d.message_hint, d.statement_position, d.constraint_name, d.table_name))
        return out

    same(direct, way, do, autocommit=True)


def test_asynchronous(way):
    async def do():
        async with await psycopg.AsyncConnection.connect(**way.options, autocommit=True) as c:
            cursors = await asyncio.gather(*(c.execute("SELECT %s::int", (n,)) for n in range(50)))
            return [(await x.fetchone())[0] for x in cursors]

    assert asyncio.run(do()) == list(range(50))


def test_cancel(way):
    with way.connect(autocommit=True) as c:
        for cancel in (c.cancel, c.cancel_safe):
            timer = threading.Timer(0.4, cancel)
            timer.start()
            began = time.monotonic()
            with pytest.raises(psycopg.errors.QueryCanceled):
                c.execute("SELECT pg_sleep(60)")
            assert time.monotonic() - began < 5
            timer.join()
        assert c.execute("SELECT 1").fetchone() == (1,)


def test_notifications_reach_an_idle_listener(way):
    with way.connect(autocommit=True) as listener, way.connect(autocommit=True) as speaker:
        listener.execute("LISTEN news")
        speaker.execute("NOTIFY news, 'now'")
        speaker.execute("SELECT pg_notify('news', %s)", ("then",))
        got = [n.payload for n in listener.notifies(timeout=5, stop_after=2)]
        assert got == ["now", "then"]
        listener.execute("UNLISTEN *")
        assert listener.execute("SELECT 1").fetchone() == (1,)


def test_notices_arrive(direct, way):
    def do(c):
        notices = []
        c.add_notice_handler(lambda d: notices.append((d.severity, d.sqlstate, d.message_primary)))
        c.execute("ROLLBACK")
        c.execute("SET client_min_messages = debug1")
        return notices

    assert same(direct, way, do, autocommit=True)[0][1] == "25P01"


# --- COPY ------------------------------------------------------------------------------------


def copied(c, statement):
    """Size and digest of what a COPY TO STDOUT sends."""
    digest, n = hashlib.sha256(), 0
    with c.cursor() as cursor, cursor.copy(statement) as copy:
        for piece in copy:
            digest.update(piece)
            n += len(piece)
    return n, digest.hexdigest()


MILLION = "SELECT n, md5(n::text) FROM generate_series(1, 1000000) n"


def test_a_million_rows_out_and_in(direct, plain):
    for form in ("text", "binary"):
        n, _ = same(direct, plain,
                    lambda c: copied(c, f"COPY ({MILLION}) TO STDOUT (FORMAT {form})"))
        assert n > 30_000_000
    with direct.connect(autocommit=True) as c:
        c.execute("TRUNCATE clients.wide")
    rows = "".join(f"{n}\t{n:032x}\n" for n in range(1_000_000)).encode()
    with plain.connect() as c:
        with c.cursor().copy("COPY clients.wide FROM STDIN") as copy:
            for at in range(0, len(rows), 1 << 20):
                copy.write(rows[at:at + (1 << 20)])
    with direct.connect() as c:
        assert c.execute("SELECT count(*), sum(n), max(v) FROM clients.wide").fetchone() == (
            1_000_000, 499999500000, f"{999999:032x}")


@pytest.mark.parametrize("secure", [False, True])
def test_a_reader_in_bursts_gets_every_byte(place, secure):
    """The client's side drains in one go, in the very turn in which the server's was stopped."""
    with Raw(place.gateway.port, timeout=20) as raw:
        if secure:
            raw.tls()
        raw.login("ann", place.gateway.passwords["ann"])
        raw.send(query("SELECT repeat('x', 8000) FROM generate_series(1, 40000)"))
        got, tail = 0, b""
        while tail != b"Z\0\0\0\x05I":
            time.sleep(random.choice([0, 0, 0.0005, 0.002, 0.005]))
            for _ in range(random.choice([1, 20, 200])):
                piece = raw.socket.recv(1 << 16)  # times out where the gateway has stopped for good
                got, tail = got + len(piece), (tail + piece)[-6:]
                if tail == b"Z\0\0\0\x05I":
                    break
        assert got > 320_000_000


def test_copy_in_by_rows_in_text_and_binary(way, direct):
    with direct.connect(autocommit=True) as c:
        c.execute("TRUNCATE clients.wide")
    rows = [(n, random.choice(["x", "tab\t", "line\n", "back\\slash", "", None, "☃"]))
            for n in range(3000)]
    with way.connect(autocommit=True) as c:
        for form in ("text", "binary"):
            with c.cursor().copy(f"COPY clients.wide FROM STDIN (FORMAT {form})") as copy:
                copy.set_types(["int4", "text"])
                for row in rows:
                    copy.write_row(row)
    with direct.connect() as c:
        got = c.execute("SELECT n, v FROM clients.wide ORDER BY n").fetchall()
    assert got == sorted((r for r in rows for _ in range(2)), key=lambda r: r[0])


def test_a_copy_that_fails(direct, way):
    def do(c):
        out = []

        def attempt(statement, *data, error=None):
            with pytest.raises(psycopg.Error if error is None else type(error)) as caught:
                with c.cursor().copy(statement) as copy:
                    for piece in data:
                        copy.write(piece)
                    if error is not None:
                        raise error
            out.append((type(caught.value).__name__, getattr(caught.value, "sqlstate", None),
                        c.execute("SELECT count(*) FROM clients.wide").fetchone()))

        attempt("COPY clients.wide FROM STDIN", b"not a number\tx\n")
        attempt("COPY clients.wide FROM STDIN", b"1\tx\n", b"2\tx\ttoo many\n", b"3\tx\n" * 100_000)
        attempt("COPY clients.wide FROM STDIN (FORMAT binary)", b"not binary at all")
        attempt("COPY clients.wide FROM STDIN", b"1\tx\n", error=ZeroDivisionError())
        attempt("COPY clients.nothing FROM STDIN", b"1\n")
        attempt("COPY (SELECT 1/0) TO STDOUT")
        return out

    assert len(same(direct, way, do, autocommit=True)) == 6


# --- big -------------------------------------------------------------------------------------


def test_a_row_of_100_megabytes_both_ways(direct, plain):
    size = 100 << 20
    with direct.connect(autocommit=True) as c:
        c.execute("TRUNCATE clients.wide")
    big = random.Random(7).randbytes(size // 2).hex()
    with plain.connect(autocommit=True) as c:
        c.execute("INSERT INTO clients.wide VALUES (%s, %s)", (1, big))
        assert c.execute("SELECT v FROM clients.wide WHERE n = %b", (1,)).fetchone()[0] == big
        with c.cursor().copy("COPY clients.wide (v) TO STDOUT") as copy:
            assert sum(len(piece) for piece in copy) == size + 1
        assert c.execute("SELECT 1").fetchone() == (1,)
    with direct.connect(autocommit=True) as c:
        assert c.execute("SELECT length(v), md5(v) FROM clients.wide").fetchone() == (
            size, hashlib.md5(big.encode()).hexdigest())
        c.execute("TRUNCATE clients.wide")


def test_many_columns_and_long_names(direct, way):
    columns = sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(n, sql.Identifier(f"column {n} " + "x" * 40))
        for n in range(1600))

    def do(c):
        cursor = c.execute(sql.SQL("SELECT {}").format(columns))
        return [d.name for d in cursor.description], cursor.fetchone()

    same(direct, way, do)


# --- node-postgres ---------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["plain", "tls"])
def test_node_postgres(direct, place, packages, mode):
    way = next(w for w in ways(place) if w.name == mode)
    outs = []
    for w in (direct, way):
        done = subprocess.run(
            ["node", str(ROOT / "tests/integration/node/client.js"), w.url(), w.name],
            cwd=packages, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        outs.append(json.loads(done.stdout))
    assert outs[0] == outs[1]
    assert outs[1]["batches"] == [700, 700, 601, 0]


# --- pgbench ---------------------------------------------------------------------------------

OWN_SCRIPT = r"""
\set n random(1, 100000)
BEGIN;
INSERT INTO public.pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, :n, 1, now());
SELECT abalance FROM public.pgbench_accounts WHERE aid = :n;
END;
"""


@pytest.fixture(scope="module")
def bench(place):
    direct = next(ways(place))
    done = direct.run("pgbench", "-i", "-q", "-s", "1")
    assert done.returncode == 0, done.stderr
    yield
    direct.run("pgbench", "-i", "-I", "d")


@pytest.mark.parametrize("protocol", ["simple", "extended", "prepared"])
@pytest.mark.parametrize("mode", ["plain", "tls"])
@pytest.mark.parametrize("script", ["select only", "own", "TPC-B"])
def test_pgbench(place, bench, tmp_path, protocol, mode, script):
    way = next(w for w in ways(place) if w.name == mode)
    own = tmp_path / "own.sql"
    own.write_text(OWN_SCRIPT)
    args = {"select only": ["-S"], "own": ["-f", str(own)], "TPC-B": []}[script]
    each = 15 if shaping.HOW else 150  # the relays make some 15 ms of each round trip
    done = way.run("pgbench", "-n", "-M", protocol, "-c", "4", "-j", "2", "-t", str(each), *args)
    out = done.stdout.decode()
    assert done.returncode == 0, done.stderr
    assert f"transactions actually processed: {4 * each}/{4 * each}" in out
    assert "failed transactions: 0 (0.000%)" in out


# --- pg_dump ---------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [["-n", "clients", "--enable-row-security"],
                                  ["-n", "clients", "--enable-row-security", "-s"],
                                  ["-n", "clients", "--enable-row-security", "-a", "--inserts"]],
                         ids=str)
def test_pg_dump(direct, plain, args):
    out = [w.run("pg_dump", *args) for w in (direct, plain)]
    assert out[0].returncode == out[1].returncode == 0, out[1].stderr
    texts = ["\n".join(line for line in o.stdout.decode().splitlines()
                       if not line.startswith(("\\restrict", "\\unrestrict"))) for o in out]
    assert texts[0] == texts[1] and len(texts[1]) > 5000
