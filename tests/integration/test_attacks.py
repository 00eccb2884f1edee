"""Attacks on the running of what is gated: between the lock and the COMMIT, nothing but the judged
statement may act, whatever else the client sends, and the record tells what happened.

`ann` may add rows, and delete from `attack.free` under protection, without asking; `bob` may do
nothing without asking. Nothing waits: what is held is answered at once with its ticket.
"""

import json
import struct
import threading
import time

import psycopg
import pytest

from conftest import wait_until
from place import ADDITIVE, a_place
from rawwire import (COPY_DONE, FLUSH, SYNC, bind, close, execute, message, parse, query, report)
from test_hostile import answers, ask, errors, kinds, rows

FREE = {"name": "free", "actors": ["ann"], "risk": ["SAFE", "HIGH", "CRITICAL"],
        "kinds": ["DELETE", "SELECT"], "objects": ["attack.free"], "action": "allow"}
WASTE = {"name": "waste", "risk": ["HIGH", "CRITICAL"], "kinds": ["DELETE", "TRUNCATE"],
         "objects": ["attack.waste"], "action": "approve", "recovery": "none"}

TABLES = """
DROP SCHEMA IF EXISTS attack CASCADE;
CREATE SCHEMA attack AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE attack.free (id int PRIMARY KEY, v text);
CREATE TABLE attack.t (id int PRIMARY KEY, v text);
CREATE TABLE attack.waste (id int PRIMARY KEY);
CREATE TABLE attack.victim (id int PRIMARY KEY);
CREATE TABLE attack.inbox (v text);
CREATE TABLE attack.nosy (id int PRIMARY KEY);
CREATE FUNCTION attack.purge() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN EXECUTE 'TRUNCATE attack.' || 'victim'; RETURN NULL; END$$;
CREATE TRIGGER purge AFTER DELETE ON attack.nosy FOR EACH STATEMENT
  EXECUTE FUNCTION attack.purge();
INSERT INTO attack.free SELECT n, 'f' FROM generate_series(1, 50) n;
INSERT INTO attack.t SELECT n, 't' FROM generate_series(1, 50) n;
INSERT INTO attack.waste SELECT generate_series(1, 50);
INSERT INTO attack.victim SELECT generate_series(1, 50);
INSERT INTO attack.nosy SELECT generate_series(1, 5);
RESET ROLE;
"""


@pytest.fixture(scope="module")
def place(pg):
    with a_place(pg, rules=(ADDITIVE, FREE, WASTE)) as p:
        yield p


@pytest.fixture(autouse=True)
def tables(place):
    with place.pg.admin() as c:
        c.execute(TABLES)
    yield
    assert place.gateway.process.poll() is None, place.gateway.log()[-3000:]
    for ticket in place.operator.tickets():
        place.operator.decide(ticket["id"], "deny")


def left(place, table):
    with place.pg.admin() as c:
        if c.execute("SELECT to_regclass(%s)", (table,)).fetchone() == (None,):
            return None
        return c.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def points(place):
    return json.loads(place.gateway.cli("points", "list", "--json").stdout)["points"]


def waits(place):
    """An agent's statement waits for a lock."""
    with place.pg.admin() as c:
        return c.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app_trust' AND "
                         "wait_event_type = 'Lock' AND query LIKE 'DELETE%'").fetchone()[0]


def approve_one(place):
    """Approves the one ticket that is pending."""
    tickets = place.operator.tickets()
    assert len(tickets) == 1, tickets
    place.operator.decide(tickets[0]["id"], "approve")
    return tickets[0]


def outcome_of(place, ticket):
    """How the ticket's run ended, by its record."""
    def found():
        return [r for r in place.audit() if r["kind"] == "outcome" and r.get("ticket") == ticket
                and r.get("outcome") != "refused" and r.get("sqlstate") != "ZB001"]
    return wait_until(found)[-1]["outcome"]


def approved_in_block(place, r, *series):
    """BEGIN, then the gated series with an approval; returns (ticket, its answer)."""
    assert kinds(ask(r, query("BEGIN"))) == b"CZ"
    got = ask(r, *series)
    assert errors(got) == ["ZB001"], got
    ask(r, query("ROLLBACK"))
    ticket = approve_one(place)["id"]
    ask(r, query("BEGIN"))
    return ticket, ask(r, *series)


# --- bytes that reach the server beside the statement -----------------------------------------


def injected(sql):
    """How many bytes the gateway sends for a statement of its own: Parse, Bind, Execute, Close, Sync
    under a name of 41 bytes."""
    name = b"x" * 41
    return len(parse(name, sql) + bind(name, name) + execute("x" * 41) + close("S", name) + SYNC)


@pytest.mark.parametrize("start", [query("DELETE FROM attack.free WHERE id = 1"),
                                   parse("", "DELETE FROM attack.free WHERE id = 1") +
                                   bind("", "") + execute() + SYNC], ids=["simple", "extended"])
def test_a_piece_of_copy_data_cannot_swallow_the_closing_sequence(place, start):
    """Half a CopyData behind the statement: were it forwarded, the server would read our SET
    CONSTRAINTS as its other half, and the end of the client's own bytes as a Query."""
    own = injected("SET CONSTRAINTS ALL IMMEDIATE")
    sql = "COMMIT; DROP TABLE attack.victim"
    smuggled = query(sql + " " * (own - len(query(sql))))
    assert len(smuggled) == own
    body = b"x" * 100 + smuggled
    with place.raw() as r, place.pg.admin() as other:
        other.execute("BEGIN; SELECT 1 FROM attack.free WHERE id = 1 FOR UPDATE")
        r.send(start)
        wait_until(lambda: waits(place))  # it runs, and waits for the row
        r.send(b"d" + struct.pack("!I", len(body) + 4) + body[:50])
        time.sleep(0.5)
        other.execute("ROLLBACK")
        time.sleep(0.5)
        r.send(body[50:])
        got = r.until()
        assert got[-1] == (b"Z", b"I") and not errors(got)
        answers(r)
    assert left(place, "attack.victim") == 50 and left(place, "attack.free") == 49


def test_half_a_row_when_the_copy_fails(place):
    """The server gives up a COPY while a CopyData message is half-way: what we send then must not
    be taken for its other half."""
    own = injected("ROLLBACK")
    sql = "DROP TABLE attack.victim"
    smuggled = query(sql + " " * (own - len(query(sql))))
    body = b"x" * 100 + smuggled
    copy = "COPY attack.free (id, v) FROM STDIN"
    with place.raw("bob") as r:
        assert errors(ask(r, query(copy))) == ["ZB001"]
        approve_one(place)
        r.send(query(copy))
        assert r.until(last=b"G")[-1][0] == b"G"
        r.send(message(b"d", b"no number\tx\n") + b"d" + struct.pack("!I", len(body) + 4) +
               body[:50])
        time.sleep(1)
        r.send(body[50:])
        got = r.until()
        assert errors(got) == ["22P02"] and got[-1] == (b"Z", b"I")
        answers(r)
    assert left(place, "attack.victim") == 50 and left(place, "attack.free") == 50


@pytest.mark.parametrize("start", [query("COPY attack.free (id, v) FROM STDIN"),
                                   parse("", "COPY attack.free (id, v) FROM STDIN") +
                                   bind("", "") + execute() + SYNC], ids=["simple", "extended"])
@pytest.mark.parametrize("data, codes", [
    ([b"101\tx\n", b"102\ty\n"], []), ([b"no\tnumber\n"], ["22P02"])], ids=["good", "bad"])
def test_an_approved_copy(place, start, data, codes):
    """As libpq sends it: in the extended protocol Sync goes before the data, and again behind it."""
    extended = start[:1] == b"P"
    with place.raw("bob") as r:
        assert errors(ask(r, start)) == ["ZB001"]
        approve_one(place)
        r.send(start)
        assert r.until(last=b"G")[-1][0] == b"G"
        r.send(b"".join(message(b"d", d) for d in data) + COPY_DONE + (SYNC if extended else b""))
        got = r.until()
        assert errors(got) == codes and got[-1] == (b"Z", b"I")
        answers(r)
    assert left(place, "attack.free") == (50 if codes else 52)


def test_copy_data_that_comes_with_the_statement(place):
    copy = query("COPY attack.free (id, v) FROM STDIN")
    with place.raw("bob") as r:
        assert errors(ask(r, copy)) == ["ZB001"]
        approve_one(place)
        got = ask(r, copy, message(b"d", b"101\tx\n"), COPY_DONE)
        assert not errors(got) and got[-1] == (b"Z", b"I")
        answers(r)
    assert left(place, "attack.free") == 51


def test_one_row_of_many_megabytes(place):
    with place.raw() as r:
        r.send(query("COPY attack.inbox (v) FROM STDIN"))
        r.until(last=b"G")
        r.send(message(b"d", b"x" * (30 << 20) + b"\n") + COPY_DONE)
        got = r.until()
        assert not errors(got) and got[-1] == (b"Z", b"I")
        answers(r)
    with place.pg.admin() as c:
        assert c.execute("SELECT length(v) FROM attack.inbox").fetchone() == (30 << 20,)


# --- transaction control inside a gated series ------------------------------------------------


@pytest.mark.parametrize("control", ["COMMIT", "ROLLBACK", "COMMIT AND CHAIN", "SAVEPOINT s",
                                     "PREPARE TRANSACTION 'x'", "BEGIN"])
@pytest.mark.parametrize("where", ["before", "behind"])
@pytest.mark.parametrize("block", [False, True], ids=["alone", "in a block"])
def test_no_transaction_control_in_a_gated_series(place, control, where, block):
    """COMMIT behind the statement in its own series would come before the audit. What comes before
    it runs by itself; in a block a savepoint is as good as one that was sent alone."""
    natural = block and where == "before" and control in ("SAVEPOINT s", "BEGIN")
    delete = parse("a", "DELETE FROM attack.nosy") + bind("", "a") + execute()
    other = parse("b", control) + bind("", "b") + execute()
    series = other + delete if where == "before" else delete + other
    with place.raw("bob") as r:
        for _ in range(2):
            if block:
                ask(r, query("BEGIN"))
            got = ask(r, series, SYNC)
            while got[-1] is not None and r.readable():
                got += r.until()
            assert natural or not [m for m in got
                                   if m and m[0] == b"C" and m[1].startswith(b"DELETE")]
            assert (natural or errors(got)) and got[-1] is not None
            ask(r, query("ROLLBACK"))
            for stale in ("a", "b"):
                ask(r, close("S", stale), SYNC)
            for ticket in place.operator.tickets():
                place.operator.decide(ticket["id"], "approve")
        answers(r)
    assert left(place, "attack.nosy") == 5 and left(place, "attack.victim") == 50


def test_a_portal_of_commit_bound_with_the_statement(place):
    """COMMIT bound in the gated series and run later would pass the closing sequence by."""
    series = (parse("", "DELETE FROM attack.nosy") + bind("", "") + execute() +
              parse("c", "COMMIT") + bind("c", "c") + SYNC)
    with place.raw("bob") as r:
        ask(r, query("BEGIN"))
        assert errors(ask(r, series))
        ask(r, query("ROLLBACK"))
        for ticket in place.operator.tickets():
            place.operator.decide(ticket["id"], "approve")
        ask(r, query("BEGIN"))
        ask(r, series)
        ask(r, execute("c"), SYNC)
        ask(r, query("ROLLBACK"))
    assert left(place, "attack.nosy") == 5 and left(place, "attack.victim") == 50


NOSY = "DELETE FROM attack.nosy WHERE id > 0"


@pytest.mark.parametrize("ending", [
    [query("ROLLBACK TO s; COMMIT")],
    [query("ROLLBACK TO s; COMMIT; SELECT 1")],
    [query("ROLLBACK TO s; PREPARE TRANSACTION 'x'")],
    [query("ROLLBACK TO s; COMMIT AND CHAIN")],
    [parse("", "ROLLBACK TO s") + bind("", "") + execute() + parse("", "COMMIT") + bind("", "") +
     execute() + SYNC],
    [query("ROLLBACK TO s") + query("COMMIT")],
    [query("ROLLBACK TO s") + parse("", "COMMIT") + bind("", "") + execute() + SYNC],
    [parse("c", "COMMIT") + SYNC, query("ROLLBACK TO s") + query("EXECUTE c")],
], ids=["one query", "and more", "PREPARE TRANSACTION", "CHAIN", "one series", "pipelined queries",
        "pipelined series", "EXECUTE"])
def test_a_failed_transaction_that_recovers_is_audited_all_the_same(place, ending):
    """COMMIT behind ROLLBACK TO: what the status was when it arrived says nothing."""
    with place.raw("bob") as r:
        ticket, got = approved_in_block(place, r, query(NOSY))
        assert not errors(got)
        ask(r, query("SAVEPOINT s"))
        if len(ending) > 1:
            ask(r, ending[0])
        # The trigger has written to the catalog (TRUNCATE), so even 1/0 could be anything by now.
        assert errors(ask(r, query("SHOW no.such_setting"))) == ["42704"]
        r.send(ending[-1])
        got = r.until()
        while got[-1] is not None and r.readable():
            got += r.until()
        ask(r, query("SELECT 1"))
        while r.readable():
            r.until()
        ask(r, query("ROLLBACK"))
    with place.pg.admin() as c:
        assert c.execute("SELECT count(*) FROM pg_prepared_xacts").fetchone() == (0,)
    assert left(place, "attack.nosy") == 5 and left(place, "attack.victim") == 50


@pytest.mark.parametrize("series", [
    parse("", "COMMIT") + bind("", "") + execute() + parse("", "SELECT 1") + bind("", "") +
    execute() + SYNC,
    parse("", "COMMIT") + bind("", "") + execute() + execute() + SYNC,
    parse("", "COMMIT") + bind("c", "") + execute("c") + execute("no such portal") + SYNC,
    parse("", "COMMIT") + bind("c", "") + SYNC + execute("c") + SYNC,
    parse("", "COMMIT") + bind("", "") + execute() + parse("", "INSERT INTO attack.inbox VALUES (1)") +
    bind("", "") + execute() + SYNC,
], ids=["a read behind", "run twice", "an error behind", "run later", "a write behind"])
def test_the_record_says_how_the_commit_ended(place, series):
    """Whatever else is in the series of COMMIT, the point says committed where it is."""
    with place.raw("bob") as r:
        ticket, got = approved_in_block(place, r, query("DELETE FROM attack.t"))
        assert not errors(got)
        r.send(series + query("ROLLBACK") + query("SELECT 'the end'"))
        seen = r.until()
        while seen[-1] is not None and "the end" not in rows(seen):
            seen += r.until()
    committed = left(place, "attack.t") == 0
    assert outcome_of(place, ticket) == ("committed" if committed else "rolled_back")
    point = [p for p in points(place) if p.get("ticket") == ticket]
    assert point and wait_until(lambda: [
        p for p in points(place) if p.get("ticket") == ticket and
        (p["outcome"] == "committed") == committed and p["outcome"] != "armed"])


@pytest.mark.parametrize("ending", [
    [query("ROLLBACK AND CHAIN")],
    [query("ROLLBACK; BEGIN")],
    [parse("", "ROLLBACK") + bind("", "") + execute() + parse("", "BEGIN") + bind("", "") +
     execute() + SYNC],
], ids=["AND CHAIN", "one query", "one series"])
def test_a_rolled_back_statement_is_not_recorded_as_committed(place, ending):
    """The transaction that follows at once is another one."""
    with place.raw("bob") as r:
        ticket, got = approved_in_block(place, r, query("DELETE FROM attack.t"))
        assert not errors(got)
        for part in ending:
            ask(r, part)
        ask(r, query("COMMIT"))
        ask(r, query("ROLLBACK"))
        answers(r)
    assert left(place, "attack.t") == 50
    assert outcome_of(place, ticket) == "rolled_back"


# --- errors before the statement --------------------------------------------------------------


@pytest.mark.parametrize("series", [
    parse("", "SELECT 1/0") + bind("", "") + execute() +
    parse("", "DELETE FROM attack.free") + bind("", "") + execute() + SYNC,
    parse("", "SELECT 1/0") + bind("", "") + execute() + FLUSH +
    parse("", "DELETE FROM attack.free") + bind("", "") + execute() + SYNC,
], ids=["at once", "with Flush"])
@pytest.mark.parametrize("pause", [0, 0.5])
def test_an_error_skips_the_gated_statement_behind_it(place, series, pause):
    """The server would skip to Sync; a Sync of our own must not wake it before."""
    with place.raw() as r:
        for cut in [len(series)] if pause == 0 else [series.rindex(b"P")]:
            r.send(series[:cut])
            time.sleep(pause)
            r.send(series[cut:])
        got = r.until()
        assert errors(got) == ["22012"] and got[-1] == (b"Z", b"I"), got
        answers(r)
    assert left(place, "attack.free") == 50


# --- clients that would wait for ever ---------------------------------------------------------


HANGS = {
    "a name of the series before": [
        parse("s1", "SELECT 1") + SYNC + parse("s2", "SELECT 2") + bind("", "s1") + execute() + SYNC],
    "a gated Query behind an open series": [
        parse("", "SELECT 1") + bind("", "") + execute() + query("DELETE FROM attack.free")],
    "EXECUTE behind an open series": [
        parse("s1", "SELECT 1") + query("EXECUTE s1")],
    "PREPARE behind an error": [
        parse("", "SELEC") + query("PREPARE x AS SELECT 1") + SYNC],
    "PREPARE, then a series": [
        query("PREPARE x AS SELECT 1") + bind("", "x") + execute() + SYNC],
    "a function call behind an open series": [
        parse("", "SELECT 1") + bind("", "") + execute() +
        message(b"F", struct.pack("!IHHH", 1299, 0, 0, 0)) + SYNC],
    "a name of a failed series": [
        parse("s1", "SELEC") + SYNC + bind("", "s1") + execute() + SYNC],
    "a Query that the server skips": [
        parse("", "SELEC") + query("SELECT 1") + query("DELETE FROM attack.free") + SYNC],
}


@pytest.mark.parametrize("what", HANGS)
def test_nobody_waits_for_ever(place, what):
    with place.raw() as r:
        r.socket.settimeout(8)
        for part in HANGS[what]:
            r.send(part)
        r.send(query("SELECT 'the end'"))
        seen = r.until()
        while seen[-1] is not None and "the end" not in rows(seen):
            seen += r.until()
        assert seen[-1] is not None
        answers(r)


# --- floods -----------------------------------------------------------------------------------


def test_a_hundred_thousand_messages_in_one_series(place):
    """More answers owed than the gateway keeps count of: it may refuse, but not die."""
    with place.raw() as r:
        r.send(close("S", "x") * 100_000 + SYNC)
        got = r.until()
        assert got[-1] == (b"Z", b"I") and kinds(got).count(b"3") == 100_000
        answers(r)


def test_a_pipeline_of_many_without_sync(place):
    """Each step waits for nothing that the server keeps in its own buffer."""
    one = bind("", "s") + execute()
    with place.raw() as r:
        ask(r, parse("s", "SELECT 1"), SYNC)
        sender = threading.Thread(target=r.send, args=(one * 120_000 + SYNC,), daemon=True)
        sender.start()
        r.socket.settimeout(60)
        assert kinds(r.until()).count(b"C") == 120_000
        sender.join()
        answers(r)


# --- wrapped ----------------------------------------------------------------------------------


@pytest.mark.parametrize("begin", ["BEGIN READ ONLY", "BEGIN ISOLATION LEVEL SERIALIZABLE",
                                   "START TRANSACTION READ ONLY, DEFERRABLE"])
def test_begin_with_modes_is_not_ours_to_drop(place, begin):
    with place.raw() as r:
        got = ask(r, query(f"{begin}; DELETE FROM attack.free; COMMIT"))
        assert errors(got) == ["0A000"]
        answers(r)
    assert left(place, "attack.free") == 50


# --- one waived, one not ----------------------------------------------------------------------


def test_a_waived_statement_does_not_waive_its_neighbour(place):
    series = (parse("a", "DELETE FROM attack.waste") + bind("", "a") + execute() +
              parse("b", "DELETE FROM attack.t") + bind("", "b") + execute() + SYNC)
    with place.raw("bob") as r:
        assert errors(ask(r, series)) == ["ZB001"]
        ticket = approve_one(place)["id"]
        ask(r, close("S", "a"), close("S", "b"), SYNC)
        assert not errors(ask(r, series))
    assert left(place, "attack.t") == 0
    point = next(p for p in points(place) if p.get("ticket") == ticket)
    assert ("t", 50) in [(t["name"], t["rows"]) for t in point["tables"]]


# --- what the approver sees -------------------------------------------------------------------


def test_the_ticket_shows_what_execute_runs(place):
    with place.raw("bob") as r:
        ask(r, query("PREPARE gone AS DELETE FROM attack.t WHERE id > 7"))
        assert errors(ask(r, query("EXECUTE gone"))) == ["ZB001"]
    assert "DELETE FROM attack.t WHERE id > 7" in place.operator.tickets()[0]["sql"]


# --- names ------------------------------------------------------------------------------------


def test_a_portal_of_execute_whose_name_changes(place):
    """EXECUTE looks its name up when the portal runs, not when it is bound."""
    with place.raw() as r:
        ask(r, parse("s1", "SELECT 1"), SYNC)
        ask(r, parse("x", "EXECUTE s1"), bind("p", "x"), close("S", "s1"),
            parse("s1", "DELETE FROM attack.t"), execute("p"), SYNC)
        for statement in ("s1", "x"):
            ask(r, close("S", statement), SYNC)
        ask(r, query("BEGIN"))
        ask(r, parse("s1", "SELECT 1"), SYNC)
        ask(r, parse("x", "EXECUTE s1"), bind("p", "x"), SYNC)
        ask(r, close("S", "s1"), parse("s1", "DELETE FROM attack.t"), SYNC)
        ask(r, execute("p"), SYNC)
        ask(r, query("COMMIT"))
        answers(r)
    assert left(place, "attack.t") == 50


def test_our_savepoint_is_not_left_behind(place):
    with place.raw("bob") as r:
        ticket, got = approved_in_block(place, r, query("TRUNCATE attack.t"))
        assert not errors(got)
        assert errors(ask(r, query("ROLLBACK TO SAVEPOINT backstop"))) == ["3B001"]
        ask(r, query("ROLLBACK"))
        answers(r)
    assert left(place, "attack.t") == 50 and outcome_of(place, ticket) == "rolled_back"


def test_ddl_anywhere_in_a_gated_series_makes_the_catalog_old(place):
    """A view takes the name of another: what is known about the name counts no more."""
    with place.pg.admin() as c:
        c.execute("""SET ROLE app_trust;
            CREATE FUNCTION attack.look() RETURNS int LANGUAGE plpgsql AS
              $$BEGIN DELETE FROM attack.victim; RETURN 1; END$$;
            CREATE VIEW attack.good AS SELECT 1 AS n;
            CREATE VIEW attack.evil AS SELECT attack.look() AS n""")

    def one(name, sql):
        return parse(name, sql) + bind("", name) + execute()

    series = (one("a", "INSERT INTO attack.inbox VALUES ('x')") +
              one("b", "ALTER VIEW attack.good RENAME TO was") +
              one("c", "ALTER VIEW attack.evil RENAME TO good") + SYNC)
    with place.raw() as other, place.raw("bob") as r:
        assert rows(ask(other, query("SELECT n FROM attack.good"))) == ["1"]
        assert errors(ask(r, series)) == ["ZB001"]
        approve_one(place)
        ask(r, close("S", "a"), close("S", "b"), close("S", "c"), SYNC)
        assert not errors(ask(r, series))
        for session in (r, other):
            assert errors(ask(session, query("SELECT n FROM attack.good"))) == ["ZB001"]
            answers(session)
    assert left(place, "attack.victim") == 50


def test_code_does_not_hide_behind_the_ddl_of_its_series(place):
    """A function drops a view while a statement beside it may change the catalog."""
    with place.pg.admin() as c:
        c.execute("""SET ROLE app_trust;
            CREATE VIEW attack.kept AS SELECT 1 AS n;
            CREATE FUNCTION attack.hide() RETURNS int LANGUAGE plpgsql AS
              $$BEGIN DROP VIEW attack.kept; RETURN 1; END$$""")

    def one(name, sql):
        return parse(name, sql) + bind("", name) + execute()

    series = one("a", "CREATE TABLE attack.beside (id int)") + one("b", "SELECT attack.hide()") + SYNC
    with place.raw("bob") as r:
        assert errors(ask(r, series)) == ["ZB001"]
        approve_one(place)
        ask(r, close("S", "a"), close("S", "b"), SYNC)
        assert errors(ask(r, series)) == ["ZB005"]
        answers(r)
    with place.pg.admin() as c:
        assert c.execute("SELECT to_regclass('attack.kept') IS NULL, to_regclass('attack.beside')"
                         ).fetchone() == (False, None)


def test_an_altered_table_is_copied_before_it_is_updated(place):
    """Under the lock of ALTER TABLE nobody could read the rows afterwards."""
    def one(name, sql):
        return parse(name, sql) + bind("", name) + execute()

    series = (one("a", "ALTER TABLE attack.t ADD COLUMN extra int") +
              one("b", "UPDATE attack.t SET extra = 1 WHERE id < 5") + SYNC)
    with place.raw("bob") as r:
        assert errors(ask(r, series)) == ["ZB001"]
        approve_one(place)
        ask(r, close("S", "a"), close("S", "b"), SYNC)
        assert not errors(ask(r, series))
        answers(r)
    with place.pg.admin() as c:
        assert c.execute("SELECT count(*) FROM attack.t WHERE extra = 1").fetchone()[0] > 0


@pytest.mark.parametrize("sql", ["COMMIT AND CHAIN", "ROLLBACK AND CHAIN"])
def test_a_shielded_session_does_not_chain(place, sql):
    """The next transaction would be READ WRITE where ours was made so."""
    with place.raw("bob") as r:
        ask(r, query("BEGIN"))
        assert errors(ask(r, query(sql))) == ["0A000"]
        ask(r, query("ROLLBACK"))
        answers(r)
    with place.raw() as r:
        ask(r, query("BEGIN"))
        assert not errors(ask(r, query(sql)))


# --- what the audit cannot see ----------------------------------------------------------------


def test_nothing_commits_where_nobody_counts(place):
    """With track_counts off every counter stands still, whatever a trigger deletes."""
    with place.pg.admin() as c:
        c.execute("ALTER ROLE app_trust SET track_counts = off")
    try:
        with place.raw("bob") as r:
            assert rows(ask(r, query("SHOW track_counts"))) == ["off"]
            assert errors(ask(r, query(NOSY))) == ["ZB001"]
            approve_one(place)
            assert errors(ask(r, query(NOSY))) == ["ZB005"]
            answers(r)
    finally:
        with place.pg.admin() as c:
            c.execute("ALTER ROLE app_trust RESET track_counts")
    assert left(place, "attack.nosy") == 5 and left(place, "attack.victim") == 50


def test_a_large_object_that_a_trigger_of_truncate_unlinks(place):
    """The schema dump that explains other writes to the catalog has no large objects."""
    with place.pg.admin() as c:
        oid = c.execute("SELECT lo_from_bytea(0, 'precious')").fetchone()[0]
        c.execute(f"ALTER LARGE OBJECT {oid} OWNER TO app_trust")
        c.execute(f"""SET ROLE app_trust;
            CREATE FUNCTION attack.unlink() RETURNS trigger LANGUAGE plpgsql AS
              $$BEGIN PERFORM lo_unlink({oid}); RETURN NULL; END$$;
            CREATE TRIGGER unlink AFTER TRUNCATE ON attack.t FOR EACH STATEMENT
              EXECUTE FUNCTION attack.unlink(); RESET ROLE""")
    with place.raw("bob") as r:
        assert errors(ask(r, query("TRUNCATE attack.t")))[0] in ("ZB001", "ZB004", "42501")
        if place.operator.tickets():
            approve_one(place)
            assert errors(ask(r, query("TRUNCATE attack.t"))) == ["ZB005"]
        answers(r)
    with place.pg.admin() as c:
        assert c.execute("SELECT lo_get(%s)", (oid,)).fetchone() == (b"precious",)
        c.execute("SELECT lo_unlink(%s)", (oid,))
    assert left(place, "attack.t") == 50


def test_upkeep_that_runs_code_outside_a_transaction(place):
    with place.pg.admin() as c:
        c.execute("""SET ROLE app_trust;
            CREATE TABLE attack.indexed (id int);
            CREATE FUNCTION attack.trap(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
              $$BEGIN DELETE FROM attack.victim; RETURN $1; END$$;
            ALTER FUNCTION attack.trap(int) VOLATILE;
            RESET ROLE;
            ALTER FUNCTION attack.trap(int) IMMUTABLE;
            CREATE INDEX ON attack.indexed (attack.trap(id));
            ALTER FUNCTION attack.trap(int) VOLATILE;
            INSERT INTO attack.indexed VALUES (1), (2)""")
        c.execute("INSERT INTO attack.victim SELECT generate_series(1, 50) ON CONFLICT DO NOTHING")
    with place.raw("bob") as r:
        for sql in ("VACUUM ANALYZE attack.indexed", "VACUUM FULL attack.indexed"):
            assert errors(ask(r, query(sql)))[0] in ("ZB004", "42501"), sql
        answers(r)
    assert place.operator.tickets() == []
    assert left(place, "attack.victim") == 50


def test_what_others_change_counts_after_a_while(place):
    """A view that was harmless when it was looked at is replaced past the gateway."""
    with place.pg.admin() as c:
        c.execute("CREATE VIEW attack.seen AS SELECT 1 AS n; GRANT SELECT ON attack.seen TO app_trust")
    with place.raw() as r:
        assert rows(ask(r, query("SELECT n FROM attack.seen"))) == ["1"]
        with place.pg.admin() as c:
            c.execute("""CREATE FUNCTION attack.look() RETURNS int LANGUAGE plpgsql AS
                           $$BEGIN DELETE FROM attack.victim; RETURN 1; END$$;
                         CREATE OR REPLACE VIEW attack.seen AS SELECT attack.look() AS n""")
        time.sleep(31)
        assert errors(ask(r, query("SELECT n FROM attack.seen"))) == ["ZB001"]
        answers(r)
    assert left(place, "attack.victim") == 50


# --- more than anybody needs ------------------------------------------------------------------


def test_a_flood_of_tickets_is_dammed(place):
    with place.raw("bob") as r:
        codes = [errors(ask(r, query(f"DELETE FROM attack.t WHERE id = {n}")))[0]
                 for n in range(260)]
        assert codes[0] == "ZB001" and codes[-1] == "54000" and set(codes) == {"ZB001", "54000"}
        assert errors(ask(r, query("DELETE FROM attack.t WHERE id = 3"))) == ["ZB001"]  # known
        answers(r)
    assert len(place.operator.tickets()) <= 250


def test_a_flood_of_names_is_dammed(place):
    with place.raw() as r:
        for start in range(0, 20_000, 2_000):
            got = ask(r, b"".join(parse(f"s{n}", "SELECT 1") for n in range(start, start + 2_000)),
                      SYNC)
            if errors(got):
                break
        assert errors(got) == ["54000"] and start >= 14_000
        assert errors(ask(r, query("PREPARE one_more AS SELECT 1"))) in ([], ["54000"])
        ask(r, query("DEALLOCATE ALL"))
        assert not errors(ask(r, parse("s1", "SELECT 1"), SYNC))
        answers(r)


def test_a_statement_that_is_too_long_is_not_even_read(place):
    with place.raw() as r:
        r.send(b"Q" + struct.pack("!I", 900 << 20) + b"SELECT 1")
        assert report(r.until()[0][1])["C"] == "54000"


def test_refusals_that_nobody_reads(place):
    """They are made without the server, so it is the gateway that must stop reading."""
    one = query("SELEC " + "x" * 10)
    with place.raw() as r:
        r.socket.setblocking(False)
        sent = 0
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and sent < 48 << 20:
            try:
                sent += r.socket.send(one * 2_000)
            except BlockingIOError:
                time.sleep(0.01)
        assert sent < 48 << 20


# --- what an approval is for ------------------------------------------------------------------


def test_an_approval_is_for_one_search_path(place):
    """The same words mean another table where another schema comes first."""
    with place.pg.admin() as c:
        c.execute("SET ROLE app_trust; CREATE TABLE attack.inner_t AS SELECT 1 AS id")
    with place.raw("bob") as r:
        ask(r, query("SET search_path = attack"))
        assert errors(ask(r, query("DELETE FROM inner_t"))) == ["ZB001"]
        approve_one(place)
        ask(r, query("SET search_path = public, attack"))
        assert errors(ask(r, query("DELETE FROM inner_t"))) == ["ZB001"]
        ask(r, query("SET search_path TO attack"))
        assert not errors(ask(r, query("DELETE FROM inner_t")))
        answers(r)
    assert left(place, "attack.inner_t") == 0
