"""No statement answers with more rows than the policy says: counted as they stream, whatever the protocol."""

import asyncio
import json
import struct
import threading
import time

import asyncpg
import psycopg
import pytest

from conftest import Gateway, running, wait_until
from operator_side import Operator
from rawwire import FLUSH, SYNC, Raw, bind, close, describe, execute, parse, query, report
from scene import Scene

CAP = 100
SCHEMA = """
DROP SCHEMA IF EXISTS cap CASCADE;
CREATE SCHEMA cap AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE cap.t (id int PRIMARY KEY, v text);
INSERT INTO cap.t SELECT n, repeat('x', 100) FROM generate_series(1, 200000) n;
CREATE TABLE cap.log (id int);
ANALYZE cap.t;
RESET ROLE;
"""
POLICY = {"result_rows": CAP, "rules": [
    {"name": "writes", "actors": ["alice"], "action": "allow", "risk": ["SAFE", "HIGH", "CRITICAL"]}]}
BIG = "SELECT id FROM cap.t"
FIT = f"SELECT id FROM cap.t ORDER BY id LIMIT {CAP}"


class Ground:
    def __init__(self, pg):
        self.pg = pg
        self.gateway = Gateway(pg, policy=POLICY, extra={"hold": {"wait": "0s"}})
        self.gateway.add_agent("alice")
        self.gateway.add_agent("bob")
        self.operator = Operator(self.gateway)

    def connect(self, actor="alice", **more):
        return self.gateway.connect(actor, **{"autocommit": True, **more})

    def raw(self, actor="alice"):
        r = Raw(self.gateway.port, timeout=30)
        assert r.login(actor, self.gateway.passwords[actor])[-1] == (b"Z", b"I")
        return r


@pytest.fixture(scope="module")
def made(pg):
    with pg.admin() as c:
        c.execute(SCHEMA)
    ground = Ground(pg)
    with running(ground.gateway):
        yield ground


def refused(error):
    assert error["C"] == "54000" and error["M"] == f"the result has more than {CAP} rows", error
    assert "H" in error
    return True


def kinds(messages):
    """The types, rows counted: "T", "D*100", "E", "Z"."""
    out = []
    for kind, _ in messages:
        kind = kind.decode()
        if out and kind in "Dd" and out[-1].startswith(kind + "*"):
            out[-1] = f"{kind}*{int(out[-1][2:]) + 1}"
        else:
            out.append(kind + "*1" if kind in "Dd" else kind)
    return out


def errors(messages):
    return [report(body) for kind, body in messages if kind == b"E"]


def alive(raw, status=b"I"):
    """The session works, and nothing of an old cancel hits what comes next."""
    for n in range(5):
        raw.send(query(f"SELECT {n} FROM pg_sleep(0.01)"))
        got = raw.until(b"Z")
        assert kinds(got) == ["T", "D*1", "C", "Z"], got
        assert got[-1][1] == status


# --- simple queries ------------------------------------------------------------------------------

def test_exactly_as_many(made):
    with made.connect() as c:
        assert len(c.execute(FIT).fetchall()) == CAP


@pytest.mark.parametrize("more", [1, 2, 1000, 199900])
def test_more(made, more):
    """One too many is all sent before any cancel arrives; many are cancelled."""
    raw = made.raw()
    raw.send(query(f"SELECT id FROM cap.t LIMIT {CAP + more}"))
    got = raw.until(b"Z")
    assert kinds(got) == ["T", f"D*{CAP}", "E", "Z"] and refused(errors(got)[0])
    assert got[-1][1] == b"I"
    alive(raw)


def test_several_results(made):
    raw = made.raw()
    raw.send(query(f"{FIT}; {FIT}; SELECT 1"))
    assert kinds(raw.until(b"Z")) == ["T", f"D*{CAP}", "C", "T", f"D*{CAP}", "C", "T", "D*1", "C", "Z"]
    raw.send(query(f"SELECT 1; {BIG}; SELECT 2"))
    got = raw.until(b"Z")
    assert kinds(got) == ["T", "D*1", "C", "T", f"D*{CAP}", "E", "Z"] and refused(errors(got)[0])
    alive(raw)


def test_pipelined_queries(made):
    """What was sent behind it is not hit by the cancel."""
    raw = made.raw()
    for _ in range(10):
        raw.send(query(f"SELECT id FROM cap.t LIMIT {CAP + 1}") + query("SELECT pg_sleep(0.02)") +
                 query(BIG) + query("SELECT 7 FROM pg_sleep(0.02)"))
        assert kinds(raw.until(b"Z")) == ["T", f"D*{CAP}", "E", "Z"]
        assert kinds(raw.until(b"Z")) == ["T", "D*1", "C", "Z"]
        assert kinds(raw.until(b"Z")) == ["T", f"D*{CAP}", "E", "Z"]
        assert kinds(raw.until(b"Z")) == ["T", "D*1", "C", "Z"]


@pytest.mark.parametrize("rows", [CAP + 1, 200000])
def test_in_a_transaction(made, rows):
    """It fails the transaction, whether the server has cancelled it or was through already."""
    raw = made.raw()
    raw.send(query("BEGIN") + query(f"SELECT id FROM cap.t LIMIT {rows}"))
    assert raw.until(b"Z")[-1][1] == b"T"
    got = raw.until(b"Z")
    assert kinds(got) == ["T", f"D*{CAP}", "E", "Z"] and refused(errors(got)[0])
    assert got[-1][1] == b"E"
    raw.send(query("SELECT 1"))
    assert errors(raw.until(b"Z"))[0]["C"] == "25P02"
    raw.send(query("ROLLBACK"))
    assert raw.until(b"Z")[-1][1] == b"I"
    alive(raw)


def test_savepoint(made):
    with made.connect(autocommit=False) as c:
        c.execute("SELECT 1")
        with pytest.raises(psycopg.errors.ProgramLimitExceeded), c.transaction():
            c.execute(BIG)
        assert c.execute("SELECT 2").fetchone() == (2,)


# --- extended ------------------------------------------------------------------------------------

def test_extended(made):
    raw = made.raw()
    for rows in (CAP + 1, 200000):
        raw.send(parse("", f"SELECT id FROM cap.t LIMIT {rows}") + bind("", "") + describe("P", "") +
                 execute() + SYNC)
        got = raw.until(b"Z")
        assert kinds(got) == ["1", "2", "T", f"D*{CAP}", "E", "Z"] and refused(errors(got)[0])
        assert got[-1][1] == b"I"
        alive(raw)


def test_extended_in_a_transaction(made):
    raw = made.raw()
    for rows in (CAP + 1, 200000):
        raw.send(query("BEGIN"))
        raw.until(b"Z")
        raw.send(parse("keep", "SELECT 5") + parse("", f"SELECT id FROM cap.t LIMIT {rows}") +
                 bind("", "") + execute() + SYNC)
        got = raw.until(b"Z")
        assert kinds(got) == ["1", "1", "2", f"D*{CAP}", "E", "Z"] and got[-1][1] == b"E"
        raw.send(query("ROLLBACK"))
        assert raw.until(b"Z")[-1][1] == b"I"
        raw.send(bind("", "keep") + execute() + close("S", "keep") + SYNC)
        assert kinds(raw.until(b"Z")) == ["2", "D*1", "C", "3", "Z"]


def test_portal_over_its_life(made):
    """Fetched in pieces it comes to the same."""
    raw = made.raw()
    raw.send(query("BEGIN"))
    raw.until(b"Z")
    raw.send(parse("", BIG) + bind("p", "") + execute("p", 60) + SYNC)
    assert kinds(raw.until(b"Z")) == ["1", "2", "D*60", "s", "Z"]
    raw.send(execute("p", 40) + SYNC)
    assert kinds(raw.until(b"Z")) == ["D*40", "s", "Z"]
    raw.send(execute("p", 1) + SYNC)
    got = raw.until(b"Z")
    assert kinds(got) == ["E", "Z"] and refused(errors(got)[0]) and got[-1][1] == b"E"
    raw.send(query("ROLLBACK"))
    raw.until(b"Z")
    # Another portal of that name begins anew.
    raw.send(query("BEGIN"))
    raw.until(b"Z")
    raw.send(bind("p", "") + execute("p", CAP) + SYNC)
    got = raw.until(b"Z")
    assert errors(got)[0]["C"] == "26000" or f"D*{CAP}" in kinds(got)
    raw.send(query("ROLLBACK"))
    raw.until(b"Z")
    alive(raw)


def test_one_series_of_several(made):
    """The rest of the series is skipped, as after any error; the next series is not."""
    raw = made.raw()
    for rows in (CAP + 1, 200000):
        raw.send(parse("", "SELECT 1") + bind("", "") + execute() +
                 parse("", f"SELECT id FROM cap.t LIMIT {rows}") + bind("", "") + execute() +
                 parse("later", "SELECT 2") + bind("", "later") + execute() + SYNC +
                 parse("later", "SELECT 3") + bind("", "later") + execute() + close("S", "later") + SYNC)
        got = raw.until(b"Z")
        assert kinds(got) == ["1", "2", "D*1", "C", "1", "2", f"D*{CAP}", "E", "Z"], kinds(got)
        assert kinds(raw.until(b"Z")) == ["1", "2", "D*1", "C", "3", "Z"]
        alive(raw)


def test_a_portal_that_was_something_else(made):
    """What it is now counts, not what it was: an INSERT has no rows to be counted."""
    raw = made.raw()
    raw.send(parse("", BIG) + bind("", "") + execute("", 1) + SYNC)
    raw.until(b"Z")
    raw.send(parse("i", "INSERT INTO cap.log VALUES (1)") + bind("", "i") + execute() + SYNC)
    assert kinds(raw.until(b"Z")) == ["1", "2", "C", "Z"]
    raw.send(parse("b", BIG) + bind("", "b") + describe("P", "") * 6 + execute() + SYNC)
    got = raw.until(b"Z")
    assert kinds(got)[-3:] == [f"D*{CAP}", "E", "Z"] and refused(errors(got)[0])
    alive(raw)


def test_a_pipeline_of_writes_is_not_held_up(made):
    raw = made.raw()
    raw.send(parse("s", "SELECT 1") + bind("", "s") + execute() + SYNC)  # caps are on
    raw.until(b"Z")
    raw.send(parse("i", "INSERT INTO cap.log VALUES ($1)") +
             b"".join(bind("", "i", str(n)) + execute() for n in range(500)) + SYNC)
    assert kinds(raw.until(b"Z")) == ["1"] + ["2", "C"] * 500 + ["Z"]


def test_flush_and_a_late_sync(made):
    raw = made.raw()
    for rows in (CAP + 1, 200000):
        raw.send(parse("", f"SELECT id FROM cap.t LIMIT {rows}") + bind("", "") + execute() + FLUSH)
        got = raw.until(b"E")
        assert kinds(got) == ["1", "2", f"D*{CAP}", "E"] and refused(errors(got)[0])
        raw.send(parse("", "SELECT 1") + SYNC)
        assert kinds(raw.until(b"Z")) == ["Z"]
        alive(raw)


def test_an_error_of_the_server_behind_the_cap(made):
    raw = made.raw()
    raw.send(query(f"SELECT 1 / (id - {CAP + 50}) FROM cap.t ORDER BY id"))
    got = raw.until(b"Z")
    assert kinds(got) == ["T", f"D*{CAP}", "E", "Z"] and refused(errors(got)[0])
    alive(raw)


# --- cursors and COPY ----------------------------------------------------------------------------

def test_fetch(made):
    with made.connect(autocommit=False) as c:
        c.execute("DECLARE k CURSOR FOR SELECT id FROM cap.t")
        got = 0
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            while True:
                got += len(c.execute("FETCH 30 FROM k").fetchall())
        assert got == 90
        c.rollback()
        c.execute("DECLARE k CURSOR FOR SELECT id FROM cap.t")
        assert len(c.execute(f"FETCH {CAP} FROM k").fetchall()) == CAP
        c.execute("CLOSE k")
        c.execute("DECLARE k CURSOR FOR SELECT id FROM cap.t")
        assert len(c.execute(f"FETCH {CAP} FROM k").fetchall()) == CAP


def test_fetch_by_all_ways(made):
    """FETCH in a Query, FETCH by Bind, and Execute of the cursor itself are one count."""
    raw = made.raw()
    raw.send(query("BEGIN; DECLARE k CURSOR FOR SELECT id FROM cap.t") + query("FETCH 40 FROM k"))
    raw.until(b"Z")
    assert "D*40" in kinds(raw.until(b"Z"))
    raw.send(parse("f", "FETCH 40 FROM k") + bind("", "f") + execute() + SYNC)
    assert kinds(raw.until(b"Z")) == ["1", "2", "D*40", "C", "Z"]
    raw.send(execute("k", 20) + SYNC)
    assert kinds(raw.until(b"Z")) == ["D*20", "s", "Z"]
    # A DECLARE that is only bound does not make it begin anew.
    raw.send(parse("", "DECLARE k CURSOR FOR SELECT 1") + bind("x", "") + bind("", "f") + execute() +
             SYNC)
    got = raw.until(b"Z")
    assert "E" in kinds(got) and refused(errors(got)[-1]) and not any(k.startswith("D") for k in kinds(got))
    raw.send(query("ROLLBACK"))
    raw.until(b"Z")
    alive(raw)


def test_a_cursor_with_hold(made):
    with made.connect() as c:
        c.execute("DECLARE k CURSOR WITH HOLD FOR SELECT id FROM cap.t")
        assert len(c.execute("FETCH 70 FROM k").fetchall()) == 70
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            c.execute("FETCH 31 FROM k")


COPIES = [("COPY (SELECT id FROM cap.t LIMIT {n}) TO STDOUT", 0),
          ("COPY (SELECT id FROM cap.t LIMIT {n}) TO STDOUT WITH (FORMAT csv, HEADER)", 1),
          ("COPY (SELECT id FROM cap.t LIMIT {n}) TO STDOUT (FORMAT binary)", None)]


@pytest.mark.parametrize("sql,head", COPIES)
def test_copy(made, sql, head):
    raw = made.raw()
    raw.send(query(sql.format(n=CAP)))
    got = kinds(raw.until(b"Z"))
    assert got[0] == "H" and got[2:] == ["c", "C", "Z"], got
    for n in (CAP + 1, 200000):
        raw.send(query(sql.format(n=n)))
        got = raw.until(b"Z")
        assert kinds(got)[0] == "H" and kinds(got)[2:] == ["E", "Z"] and refused(errors(got)[0])
        most = CAP + (1 if head is None else head)
        assert int(kinds(got)[1][2:]) <= most
        alive(raw)
    raw.send(parse("", sql.format(n=200000)) + bind("", "") + execute() + SYNC)
    got = raw.until(b"Z")
    assert kinds(got)[-2:] == ["E", "Z"] and refused(errors(got)[0])
    alive(raw)


# --- what changes something ----------------------------------------------------------------------

def test_gated_returning(made):
    """Approved, run under protection: it fails as a whole, and nothing is deleted."""
    sql = "DELETE FROM cap.t WHERE id <= 1000 RETURNING id"
    with made.connect("bob") as c:
        with pytest.raises(psycopg.Error) as held:
            c.execute(sql)
        made.operator.decide(json.loads(held.value.diag.message_detail)["ticket"], "approve")
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            c.execute(sql)
        assert c.execute("SELECT count(*) FROM cap.t").fetchone()[0] == 200000
        assert c.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("block", [False, True])
def test_allowed_gated_returning(made, block):
    with made.connect(autocommit=not block) as c:
        for n in (CAP + 1, 100000):
            with pytest.raises(psycopg.errors.ProgramLimitExceeded):
                c.execute(f"UPDATE cap.t SET v = 'y' WHERE id <= {n} RETURNING id")
            if block:
                assert c.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
                c.rollback()
            assert c.execute("SELECT count(*) FROM cap.t WHERE v = 'y'").fetchone()[0] == 0
            c.rollback()
        assert len(c.execute(f"UPDATE cap.t SET v = v WHERE id <= {CAP} RETURNING id").fetchall()) == CAP


def test_a_write_that_passes_is_cut_short(made):
    """It commits by itself: the client hears that it is done, and that rows are missing."""
    with made.pg.admin() as admin:
        admin.execute("TRUNCATE cap.log")
    with made.connect() as c:
        heard = []
        c.add_notice_handler(lambda d: heard.append((d.severity_nonlocalized, d.sqlstate)))
        rows = c.execute("INSERT INTO cap.log SELECT id FROM cap.t LIMIT 5000 RETURNING id").fetchall()
        assert len(rows) == CAP and heard == [("WARNING", "54000")]
        assert c.execute("SELECT count(*) FROM cap.log").fetchone()[0] == 5000


def test_commit_in_the_same_message(made):
    """What ends a transaction cannot be said to have failed."""
    raw = made.raw()
    raw.send(query(f"BEGIN; {BIG}; COMMIT"))
    got = kinds(raw.until(b"Z"))
    assert got == ["C", "T", f"D*{CAP}", "N", "C", "C", "Z"], got
    alive(raw)


# --- a cancel that is slow -----------------------------------------------------------------------

CANCEL = struct.pack("!I", 80877102)


@pytest.fixture(scope="module")
def slow(pg):
    """The gateway's way to the server is one that cancels can be stopped on."""
    with pg.admin() as c:
        c.execute(SCHEMA)
    scene = Scene(pg, policy=POLICY, hold={"wait": "0s"})
    scene.gateway.add_agent("alice")
    with running(scene.gateway):
        yield scene
    scene.close()


@pytest.mark.parametrize("sql", [
    f"SELECT id FROM cap.t LIMIT {CAP + 1}",  # over before the cancel is there
    f"UPDATE cap.t SET v = v WHERE id <= {CAP + 1} RETURNING id",  # and so is this, in our transaction
])
@pytest.mark.parametrize("block", [False, True])
def test_a_cancel_that_comes_late_hits_nothing(slow, sql, block):
    raw = Raw(slow.gateway.port, timeout=30)
    raw.login("alice", slow.gateway.passwords["alice"])
    if block:
        raw.send(query("BEGIN"))
        raw.until(b"Z")
    stop = slow.actors.stop_at(CANCEL)
    raw.send(query(sql) + query("ROLLBACK" if block else "SELECT 1") +
             query("SELECT 2 FROM pg_sleep(0.5)"))
    stop.wait()
    time.sleep(0.3)  # the server is long through
    with slow.pg.admin() as c:
        assert c.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(0.5)%'"
                         " AND state = 'active' AND pid <> pg_backend_pid()").fetchone()[0] == 0
    stop.go()
    got = raw.until(b"Z")
    assert kinds(got)[-2:] == ["E", "Z"] and refused(errors(got)[0])
    assert got[-1][1] == (b"E" if block else b"I")
    assert "E" not in kinds(raw.until(b"Z"))
    assert kinds(raw.until(b"Z")) == ["T", "D*1", "C", "Z"]
    alive(raw)


def test_a_cancel_that_is_lost(slow):
    """All is read and thrown away, and the next statement runs."""
    raw = Raw(slow.gateway.port, timeout=30)
    raw.login("alice", slow.gateway.passwords["alice"])
    stop = slow.actors.stop_at(CANCEL)
    raw.send(query(BIG) + query("SELECT 2"))
    stop.wait()
    stop.cut()
    got = raw.until(b"Z")
    assert kinds(got) == ["T", f"D*{CAP}", "E", "Z"] and refused(errors(got)[0])
    assert kinds(raw.until(b"Z")) == ["T", "D*1", "C", "Z"]
    alive(raw)


# --- clients -------------------------------------------------------------------------------------

def test_psycopg(made):
    with made.connect() as c:
        for _ in range(20):
            with pytest.raises(psycopg.errors.ProgramLimitExceeded) as caught:
                c.execute("SELECT id FROM cap.t WHERE id > %s", [0])
            assert str(caught.value.diag.message_primary) == f"the result has more than {CAP} rows"
            assert c.execute("SELECT %s::int", [3]).fetchone() == (3,)
        with c.pipeline():
            first = c.execute("SELECT 1")
            second = c.execute(BIG)
            with pytest.raises(psycopg.Error):
                second.fetchall()
            assert first.fetchone() == (1,)
    with made.connect(autocommit=False) as c, c.cursor("server") as cur:
        cur.execute(BIG)
        cur.itersize = 10
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            list(cur)


def test_asyncpg(made):
    async def go():
        c = await asyncpg.connect(host="127.0.0.1", port=made.gateway.port, user="alice", database="app",
                                  password=made.gateway.passwords["alice"], ssl=False)
        try:
            for _ in range(10):
                with pytest.raises(asyncpg.exceptions.ProgramLimitExceededError):
                    await c.fetch("SELECT id FROM cap.t WHERE id > $1", 0)
                assert await c.fetchval("SELECT $1::int", 4) == 4
            assert len(await c.fetch(FIT)) == CAP
            with pytest.raises(asyncpg.exceptions.ProgramLimitExceededError):
                async with c.transaction():
                    async for _ in c.cursor("SELECT id FROM cap.t", prefetch=9):
                        pass
            assert await c.fetchval("SELECT 5") == 5
        finally:
            await c.close()

    asyncio.run(go())


def test_a_cancel_of_the_clients_own(made):
    """Before the cap it is what it ever was."""
    with made.connect() as c:
        threading.Timer(0.3, c.cancel).start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            c.execute("SELECT pg_sleep(10)")
        assert c.execute("SELECT 1").fetchone() == (1,)


def test_a_client_that_does_not_read(made):
    """Its rows are counted all the same, and others are served."""
    raw = made.raw()
    raw.send(query(BIG) + query("SELECT 1"))
    with made.connect() as c:
        assert c.execute("SELECT 1").fetchone() == (1,)
    assert kinds(raw.until(b"Z"))[-2:] == ["E", "Z"]
    assert kinds(raw.until(b"Z")) == ["T", "D*1", "C", "Z"]


def test_the_audit_says_so(made):
    with made.connect() as c:
        with pytest.raises(psycopg.Error):
            c.execute(BIG)
    found = wait_until(lambda: [
        r for p in (made.gateway.folder / "audit").glob("audit-*.jsonl") for line in p.read_text().splitlines()
        if (r := json.loads(line)).get("sqlstate") == "54000" and r["kind"] == "outcome"])
    assert found[-1]["text"] == f"the result had more than {CAP} rows"
