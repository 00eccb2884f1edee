"""Bytes that no client library sends, and tricks that make the server run what was not judged.

For each: an error as PostgreSQL would send one, or a clean end of the connection; nothing lost;
the gateway alive, with nothing of the session left. `ann` has no shield: only the judgement stands
between her and the tables.
"""

import json
import os
import socket
import struct
import threading
import time

import pytest

from conftest import wait_until
from place import a_place
from rawwire import (COPY_DONE, FLUSH, SYNC, TERMINATE, Raw, bind, close, describe, execute,
                     message, parse, query, report, startup)
from relay import Relay

DELETE = "DELETE FROM ground.t"
REFUSED = {"ZB001", "ZB004", "42501", "0A000"}


@pytest.fixture(scope="module")
def place(pg):
    with a_place(pg) as p:
        p.reset()
        with p.connect() as c:
            c.execute("SELECT count(*) FROM ground.t")
        wait_until(lambda: p.sessions() == 0)
        p.descriptors = p.gateway.descriptors()
        yield p


@pytest.fixture(autouse=True)
def nothing_is_lost(place):
    before = place.state()
    yield
    assert place.state() == before
    place.settled(place.descriptors)


def errors(messages):
    """The SQLSTATEs of the ErrorResponses among them."""
    return [report(m[1])["C"] for m in messages if m is not None and m[0] == b"E"]


def kinds(messages):
    return b"".join(m[0] for m in messages if m is not None)


def rows(messages):
    """The first column of every DataRow, in text."""
    return [m[1][6:6 + struct.unpack("!i", m[1][2:6])[0]].decode()
            for m in messages if m is not None and m[0] == b"D"]


def ask(r, *messages):
    """Sends, and returns what comes up to the first ReadyForQuery (or the end)."""
    r.send(b"".join(messages))
    return r.until()


def ticket_of(messages):
    return next(json.loads(report(m[1])["D"])["ticket"] for m in messages if m[0] == b"E")


def answers(r):
    """The session is as good as new: it answers, and one answer at a time."""
    assert rows(ask(r, query("SELECT 41 + 1"))) == ["42"]
    got = ask(r, parse("", "SELECT 43"), bind("", ""), execute(), SYNC)
    assert rows(got) == ["43"] and kinds(got) == b"12DCZ"
    assert not r.readable()


def send_quietly(r, data):
    try:
        r.send(data)
    except (BrokenPipeError, ConnectionResetError):
        pass


def end_of(r):
    """What the gateway says before it ends the connection."""
    try:
        return r.until(last=b"no such type")
    except ConnectionResetError:
        return [None]


# --- bytes that are no message ---------------------------------------------------------------


@pytest.mark.parametrize("data", [
    b"\xff" * 64,
    b"\0" * 64,
    b"GET / HTTP/1.1\r\n\r\n",
    b"Q\xff\xff\xff\xffSELECT 1\0",
    b"Q\x7f\xff\xff\xff",
    b"Q\x40\0\0\0" + b"x" * 100,
    b"P\x40\0\0\0",
    b"B\xff\xff\xff\xff",
    b"d\xff\xff\xff\xff",
    b"d\x40\0\0\0",
    b"Q\0\0\0\x03",
    b"Q\0\0\0\0",
    b"S\0\0\0\x03",
    b"d\0\0\0\x03",
    b"S\0\0\0\x05x",
    b"X\0\0\0\x05x",
    b"E\0\0\0\x04",
    b"B\0\0\0\x04",
    startup(user="ann", database="app"),
    message(b"p", b"secret\0"),
    message(b"R", b"\0\0\0\0"),
    message(b"Z", b"I"),
    message(b"W", b"\0\0\0"),
    message(b"v", b"\0\0\0\0"),
    message(b"~"),
], ids=lambda d: d[:9].hex())
def test_garbage_after_login(place, data):
    with place.raw() as r:
        send_quietly(r, data)
        seen = end_of(r)
        assert seen[-1] is None
        for got in seen[:-1]:
            assert got[0] == b"E" and report(got[1])["S"] == "FATAL", got
            assert report(got[1])["C"] in ("08P01", "54000"), got


@pytest.mark.parametrize("seed", range(8))
def test_random_bytes_after_login(place, seed):
    with place.raw() as r:
        send_quietly(r, os.urandom(4096))
        r.socket.shutdown(socket.SHUT_WR)
        assert end_of(r)[-1] is None


@pytest.mark.parametrize("whole", [
    query("SELECT 1"),
    parse("s", "SELECT 1"),
    bind("p", "s", "x" * 100),
    message(b"d", b"x" * 1000),
    query(DELETE),
    parse("", DELETE) + bind("", "") + execute(),
], ids=["query", "parse", "bind", "copy data", "delete", "series"])
def test_half_a_message_then_hang_up(place, whole):
    for n in sorted({1, 2, 4, 5, 6, len(whole) // 2, len(whole) - 1}):
        with place.raw() as r:
            r.send(whole[:n])
        with place.raw() as r:  # and the polite way
            r.send(whole[:n])
            r.socket.shutdown(socket.SHUT_WR)
            assert end_of(r)[-1] is None


def test_hang_up_in_the_middle_of_an_answer(place):
    for _ in range(3):
        with place.raw() as r:
            r.send(query("SELECT repeat('x', 1000) FROM generate_series(1, 100000)"))
            assert r.next()[0] == b"T"


def test_byte_by_byte(place):
    with place.raw() as r:
        for byte in query("SELECT 1") + parse("", "SELECT 2") + bind("", "") + execute() + SYNC:
            r.send(bytes([byte]))
        assert rows(r.until()) == ["1"]
        assert rows(r.until()) == ["2"]
        answers(r)


# --- texts that are no text ------------------------------------------------------------------


def ends_or_goes_on(r, got, codes):
    """An error with one of these SQLSTATEs; then the session goes on, or has ended."""
    assert errors(got) and set(errors(got)) <= codes, got
    if got[-1] is not None:
        answers(r)


@pytest.mark.parametrize("body", [
    b"SELECT 1\0; DELETE FROM ground.t\0",
    b"\0DELETE FROM ground.t\0",
    b"SELECT 1\0\0",
    b"DELETE FROM ground.t",
    b"SELECT 1",
    b"x",
], ids=str)
def test_a_query_with_a_nul_inside_or_none_at_its_end(place, body):
    with place.raw() as r:
        ends_or_goes_on(r, ask(r, message(b"Q", body)), {"08P01"})


@pytest.mark.parametrize("body", [
    b"s\0DELETE FROM ground.t",
    b"s",
    b"\0SELECT 1\0\0\x01",
    b"\0SELECT 1\0\xff\xff",
    b"\0SELECT 1\0\0\0junk",
    b"\0SELECT 1\0DELETE FROM ground.t\0\0\0",
], ids=str)
def test_a_parse_that_cannot_be_read(place, body):
    with place.raw() as r:
        ends_or_goes_on(r, ask(r, message(b"P", body), bind("", ""), execute(), SYNC), {"08P01"})


@pytest.mark.parametrize("body", [
    b"\0\0\0\0\0\0",
    b"\0\0\xff\xff\0\0\0\0",
    b"\0\0\0\0\xff\xff\0\0",
    b"\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0",
    b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0",
    b"\0\0\0\0\0\0\0\0junk",
    b"portal without end",
], ids=lambda b: b.hex())
def test_a_bind_that_cannot_be_read(place, body):
    with place.raw() as r:
        r.send(parse("", "SELECT 1"))
        ends_or_goes_on(r, ask(r, message(b"B", body), execute(), SYNC), {"08P01"})


@pytest.mark.parametrize("sql", [
    b"SELECT '\xff'", b"SELECT '\xc0\x80'", b"SELECT '\xed\xa0\x80'", b"SELECT '\xe2\x82'",
    b"\x80\x81", b"DELETE FROM ground.t --\xff", b"SELECT 1 /*\xfe*/", b"SELECT '\xf8\x88\x80\x80\x80'",
], ids=lambda s: s.hex())
def test_invalid_utf8(place, sql):
    with place.raw() as r:
        got = ask(r, message(b"Q", sql + b"\0"))
        assert errors(got) and set(errors(got)) <= {"22021", "42601"}, got
        got = ask(r, parse("", sql), bind("", ""), execute(), SYNC)
        assert errors(got) and set(errors(got)) <= {"22021", "42601"}, got
        answers(r)


@pytest.mark.parametrize("sql", [
    "SELECT " + "(" * 10_000 + "1" + ")" * 10_000,
    "SELECT " + "NOT " * 10_000 + "true",
    "SELECT " + "(SELECT " * 1_000 + "1" + ")" * 1_000,
    "SELECT " + "-" .join([" "] * 20_000) + "1",
    "SELECT 1" + "+1" * 1_000_000,
    "SELECT 1" + " UNION ALL SELECT 1" * 50_000,
    "SELECT " + "CASE WHEN true THEN " * 5_000 + "1" + " END" * 5_000,
    "SELECT " + "ARRAY[" * 5_000 + "1" + "]" * 5_000,
], ids=["parentheses", "NOT", "sub-selects", "minus", "+1", "UNION", "CASE", "ARRAY"])
def test_deep_and_long_texts(place, sql):
    with place.raw() as r:
        for got in (ask(r, query(sql)),
                    ask(r, parse("", sql), bind("", ""), execute(), SYNC)):
            assert got[-1] == (b"Z", b"I")
            assert rows(got) or set(errors(got)) <= {"54001", "54000", "53200", "42601"} | REFUSED
        answers(r)


@pytest.mark.parametrize("prefix", ["", "(" * 2_000 + "SELECT 1" + ")" * 2_000 + "; ",
                                    "/* " + "x" * 1_000_000 + " */ ",
                                    "SELECT '" + "x" * 1_000_000 + "'; "],
                         ids=["plain", "nested", "comment", "literal"])
def test_a_delete_behind_a_lot_of_text(place, prefix):
    with place.raw() as r:
        got = ask(r, query(prefix + DELETE))
        assert len(errors(got)) == 1 and errors(got)[0] in REFUSED | {"54001", "42601"}
        answers(r)


def test_a_statement_of_a_megabyte(place):
    big = "x" * 1_000_000
    with place.raw() as r:
        assert rows(ask(r, query(f"SELECT length('{big}')"))) == ["1000000"]
        assert rows(ask(r, query(f"SELECT 7 -- {big}"))) == ["7"]
        got = ask(r, parse("", f"SELECT length('{big}')"), bind("", ""), execute(), SYNC)
        assert rows(got) == ["1000000"]
        answers(r)


# --- messages out of place -------------------------------------------------------------------


def test_function_calls_are_refused_and_the_session_goes_on(place):
    call = message(b"F", struct.pack("!IHHH", 1299, 0, 0, 0))  # now()
    with place.raw() as r:
        got = ask(r, call)
        assert errors(got) == ["0A000"] and kinds(got) == b"EZ"
        answers(r)
        ask(r, query("BEGIN"))
        got = ask(r, call)
        assert errors(got) == ["0A000"] and got[-1] == (b"Z", b"E")
        assert errors(ask(r, call)) == ["25P02"]
        assert kinds(ask(r, query("ROLLBACK"))) == b"CZ"
        r.send(query("SELECT 1") + call + query("SELECT 2"))
        assert rows(r.until()) == ["1"]
        assert errors(r.until()) == ["0A000"]
        assert rows(r.until()) == ["2"]
        answers(r)


def test_a_function_call_inside_a_series(place):
    call = message(b"F", struct.pack("!IHHH", 1299, 0, 0, 0))
    with place.raw() as r:
        got = ask(r, parse("", "SELECT 1"), bind("", ""), call, SYNC)
        assert kinds(got) == b"12EZ" and errors(got) == ["0A000"]
        assert r.until() == [(b"Z", b"I")]
        answers(r)


@pytest.mark.parametrize("value", ["database", "true", "on", "1", "yes", "false"])
def test_replication_is_refused(place, value):
    with Raw(place.gateway.port) as r:
        r.send(startup(user="ann", database="app", replication=value))
        assert r.error().items() >= {"S": "FATAL", "C": "0A000"}.items()
        assert r.closed()


@pytest.mark.parametrize("sql", ["IDENTIFY_SYSTEM", "START_REPLICATION 0/0",
                                 "CREATE_REPLICATION_SLOT x PHYSICAL", "BASE_BACKUP"])
def test_replication_commands_are_syntax_errors(place, sql):
    with place.raw() as r:
        assert errors(ask(r, query(sql))) == ["42601"]
        answers(r)


def test_copy_messages_out_of_place_are_ignored_as_by_the_server(place):
    with place.raw() as r:
        for stray in (message(b"d", b"1\tx\n"), COPY_DONE, message(b"f", b"no\0")):
            r.send(stray * 3)
            answers(r)


def test_floods_of_sync_and_flush(place):
    with place.raw() as r:
        flood = SYNC * 20_000
        sender = threading.Thread(target=r.send, args=(flood,))
        sender.start()
        for _ in range(20_000):
            assert r.next() == (b"Z", b"I")
        sender.join()
        r.send(FLUSH * 20_000)
        answers(r)


def test_terminate_in_every_state(place):
    for before in (b"", query("BEGIN"), parse("", "SELECT 1"), parse("", "SELECT 1") + FLUSH,
                   query("SELECT pg_sleep(2)"), query("COPY ground.inbox (v) FROM STDIN")):
        with place.raw() as r:
            r.send(before + TERMINATE)
            assert end_of(r)[-1] is None


# --- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize("series", [
    parse("n" * 64, "SELECT 1"),
    bind("n" * 64, ""),
    bind("", "n" * 64),
    execute("n" * 64),
    describe("S", "n" * 64),
    describe("P", "n" * 64),
    close("S", "n" * 64),
    close("P", "n" * 64),
    parse("ä" * 32, "SELECT 1"),
], ids=["Parse", "Bind portal", "Bind statement", "Execute", "Describe S", "Describe P", "Close S",
        "Close P", "multibyte"])
def test_names_over_63_bytes(place, series):
    with place.raw() as r:
        got = ask(r, parse("", "SELECT 1"), series, SYNC)
        assert errors(got) == ["42622"] and got[-1] == (b"Z", b"I")
        answers(r)


def test_names_that_differ_behind_their_63rd_byte(place):
    """THREATS B10: the server cuts them to one and the same name."""
    x, y, z = ("A" * 63 + c for c in "xyz")
    with place.raw() as r:
        ask(r, parse(x, "SELECT 1"), SYNC)
        ask(r, close("S", y), SYNC)
        ask(r, parse(z, DELETE), SYNC)
        got = ask(r, bind("", x), execute(), SYNC)
        assert errors(got) and b"C" not in kinds(got)
        answers(r)


def test_a_name_of_63_bytes_is_a_name(place):
    name = "n" * 63
    with place.raw() as r:
        got = ask(r, parse(name, "SELECT 5"), describe("S", name), bind(name, name), execute(name),
                  close("P", name), close("S", name), SYNC)
        assert rows(got) == ["5"] and not errors(got)
        answers(r)


def test_identifiers_of_63_bytes_and_more(place):
    """THREATS B10: the server cuts identifiers as well."""
    name = "t" * 63
    with place.pg.admin() as c:
        c.execute(f'CREATE TABLE ground."{name}" AS SELECT 1 AS id; '
                  f'ALTER TABLE ground."{name}" OWNER TO app_trust')
    try:
        with place.raw() as r:
            for table in (name, name + "_and_more", f'"{name}_and_more"', name + "ö" * 40):
                assert rows(ask(r, query(f"SELECT id FROM ground.{table}"))) == ["1"]
                assert errors(ask(r, query(f"DELETE FROM ground.{table}"))) == ["ZB001"]
                assert errors(ask(r, query(f"DROP TABLE ground.{table}"))) == ["ZB001"]
            assert rows(ask(r, query(f"SELECT id FROM ground.{name}"))) == ["1"]
    finally:
        with place.pg.admin() as c:
            c.execute(f'DROP TABLE ground."{name}"')


# --- two namespaces that are one (THREATS B9) -------------------------------------------------


def never(r, *messages):
    """None of these answers is a DELETE's, and the session still answers as it should. What the
    gateway waits for is asked for with a Query at the end."""
    r.send(b"".join(messages) + query("SELECT 'the end'"))
    seen = []
    while True:
        got = r.until()
        seen += got
        if got[-1] is None or rows(got) == ["the end"]:
            break
    for m in seen:
        assert m is None or m[0] != b"C" or not m[1].startswith(b"DELETE"), seen
    assert errors(seen), "nothing was refused"
    if seen[-1] is not None:
        answers(r)
    return seen


S = "s1"
TRICKS = {
    "Parse, then SQL EXECUTE":
        [parse(S, DELETE) + SYNC, query("EXECUTE s1")],
    "Parse with Flush, then SQL EXECUTE":
        [parse(S, DELETE) + FLUSH, query("EXECUTE s1")],
    "SQL PREPARE, then Bind":
        [query(f"PREPARE s1 AS {DELETE}"), bind("", S) + execute() + SYNC],
    "SQL PREPARE, then EXECUTE in the extended protocol":
        [query(f"PREPARE s1 AS {DELETE}"),
         parse("", "EXECUTE s1") + bind("", "") + execute() + SYNC],
    "Bind of a portal, then SQL FETCH":
        [query("BEGIN"), parse("", DELETE + " RETURNING id") + bind("p", "") + SYNC,
         query("FETCH ALL FROM p"), query("COMMIT")],
    "Bind of a portal with Flush, then SQL FETCH":
        [query("BEGIN"), parse("", DELETE + " RETURNING id") + bind("p", "") + FLUSH,
         SYNC + query("FETCH ALL FROM p"), query("COMMIT")],
    "a name that cannot be taken twice":
        [parse(S, DELETE) + SYNC, parse(S, "SELECT 1") + SYNC + bind("", S) + execute() + SYNC],
    "the same name again in one series":
        [parse(S, DELETE) + SYNC, parse(S, "SELECT 1") + bind("", S) + execute() + SYNC],
    "EXECUTE of a name that means something else now":
        [parse(S, "SELECT 1") + SYNC, query("EXECUTE s1"),
         close("S", S) + parse(S, DELETE) + SYNC, query("EXECUTE s1")],
    "EXECUTE, prepared before its name changed":
        [parse(S, "SELECT 1") + SYNC, parse("x", "EXECUTE s1") + SYNC,
         bind("", "x") + execute() + SYNC, close("S", S) + parse(S, DELETE) + SYNC,
         bind("", "x") + execute() + SYNC],
    "EXECUTE in the series that changes its name":
        [parse(S, "SELECT 1") + SYNC,
         close("S", S) + parse(S, DELETE) + parse("", "EXECUTE s1") + bind("", "") + execute() +
         SYNC],
    "DEALLOCATE, then another meaning":
        [parse(S, "SELECT 1") + SYNC, query("DEALLOCATE s1"), parse(S, DELETE) + SYNC,
         query("EXECUTE s1"), bind("", S) + execute() + SYNC],
    "PREPARE behind DEALLOCATE in one message":
        [query("PREPARE s1 AS SELECT 1"), query(f"DEALLOCATE s1; PREPARE s1 AS {DELETE}"),
         query("EXECUTE s1"), bind("", S) + execute() + SYNC],
    "the unnamed statement changes its meaning":
        [parse("", "SELECT 1") + SYNC, parse("", DELETE) + SYNC + bind("", "") + execute() + SYNC],
    "a gated Query in a series without its Sync":
        [parse("", "SELECT 1") + query(DELETE)],
    "a name of the series before, and one of this":
        [parse(S, DELETE) + SYNC + parse("x", "SELECT 2") + bind("", S) + execute() + SYNC],
    "EXECUTE right behind its Parse":
        [parse(S, "SELECT 1") + SYNC,
         close("S", S) + parse(S, DELETE) + SYNC + query("EXECUTE s1")],
    "EXECUTE of a name that the held series makes":
        [parse(S, "SELECT 1") + SYNC,
         parse("", DELETE + " WHERE id = 1") + bind("", "") + execute() + close("S", S) +
         parse(S, DELETE) + parse("", "EXECUTE s1") + bind("", "") + execute() + SYNC],
    "a Query between Parse and Bind":
        [parse("", "SELECT 1") + FLUSH + query("SELECT 2"),
         parse("", DELETE) + FLUSH, bind("", "") + execute() + SYNC],
    "EXECUTE with a value that deletes":
        [query("PREPARE s1 (bigint) AS SELECT $1"),
         query("EXECUTE s1((SELECT count(*) FROM query_to_xml('delete from ground.t', true, true, "
               "'') x))"), query("EXECUTE nothing")],
    "EXPLAIN ANALYZE EXECUTE":
        [query(f"PREPARE s1 AS {DELETE}"), query("EXPLAIN ANALYZE EXECUTE s1"),
         query("EXPLAIN (ANALYZE) EXECUTE s1")],
    "CREATE TABLE AS EXECUTE":
        [query(f"PREPARE s1 AS {DELETE} RETURNING id"),
         query("CREATE TEMP TABLE x AS EXECUTE s1")],
    "DECLARE of a writing CTE":
        [query("BEGIN"),
         query(f"DECLARE k CURSOR FOR WITH d AS ({DELETE} RETURNING id) SELECT * FROM d"),
         query("FETCH ALL FROM k"), query("COMMIT")],
    "COPY of EXECUTE":
        [query(f"PREPARE s1 AS {DELETE} RETURNING id"), query(f"COPY ({DELETE} RETURNING id) TO STDOUT")],
}


@pytest.mark.parametrize("trick", TRICKS)
def test_names_cannot_hide_a_delete(place, trick):
    with place.raw() as r:  # pipelined: the answers are not waited for
        never(r, *TRICKS[trick])
    with place.raw() as r:  # step by step
        for one in TRICKS[trick]:
            if one.endswith(FLUSH):
                r.send(one)
                continue
            got = ask(r, one)
            while r.readable():
                got += r.until()
            done = [m[1] for m in got if m is not None and m[0] == b"C"]
            assert not [tag for tag in done if tag.startswith(b"DELETE") and tag[6:7] == b" "], got
    with place.raw("bob") as r:
        never(r, *TRICKS[trick])


def test_execute_again_and_again(place):
    with place.raw() as r:
        ask(r, query("PREPARE p (int) AS SELECT $1 + 1"), query(f"PREPARE d AS {DELETE}"))
        r.until()
        for n in range(3):
            assert rows(ask(r, query(f"EXECUTE p({n})"))) == [str(n + 1)]
            assert rows(ask(r, bind("", "p", str(n)), execute(), SYNC)) == [str(n + 1)]
            # a portal of EXECUTE would keep the name, whatever that means when it runs
            assert errors(ask(r, parse("", f"EXECUTE p({n})"), bind("", ""), execute(),
                              SYNC)) == ["0A000"]
            assert errors(ask(r, query("EXECUTE d"))) == ["ZB001"]
            assert errors(ask(r, bind("", "d"), execute(), SYNC)) == ["ZB001"]
        answers(r)


def test_a_parse_that_fails_does_not_rename(place):
    """Parse s1 = DELETE, accepted; then Parse s1 = SELECT, which fails (42P05), and a Bind of s1."""
    with place.raw() as r:
        assert kinds(ask(r, parse(S, DELETE), SYNC)) == b"1Z"
        r.send(parse(S, "SELECT 1") + SYNC + bind("", S) + execute() + SYNC)
        assert errors(r.until()) == ["42P05"]
        got = r.until()
        assert errors(got) == ["ZB001"] and got[-1] == (b"Z", b"I")
        answers(r)


# --- series ----------------------------------------------------------------------------------


@pytest.mark.parametrize("series", [
    parse("", DELETE) + bind("", "") + execute() + FLUSH,
    parse("", DELETE) + FLUSH + bind("", "") + FLUSH + execute() + FLUSH,
    parse("", DELETE) + bind("", "") + FLUSH,
    parse("", "SELECT 1") + bind("", "") + execute() + FLUSH + parse("", DELETE) + bind("", "") +
    execute() + FLUSH,
], ids=["at the end", "after each", "never run", "behind a read"])
def test_a_gated_bind_before_flush(place, series):
    with place.raw() as r:
        r.send(series)
        got = r.until(last=b"E")
        assert set(errors(got)) <= REFUSED and errors(got)
        assert ask(r, execute(), SYNC)[-1] == (b"Z", b"I")
        answers(r)


@pytest.mark.parametrize("pause", [0, 0.05])
def test_flush_behind_bind_and_execute(place, pause):
    """As pg8000 sends all that it runs: what is gated waits for its Sync, and COMMIT for its Execute."""
    def runs(r, sql):
        ask(r, parse("", sql), SYNC)
        for piece in (bind("", "") + FLUSH, execute() + FLUSH):
            r.send(piece)
            time.sleep(pause)
        return ask(r, SYNC)

    with place.raw() as r:
        for end in ("COMMIT", "ROLLBACK"):
            assert kinds(runs(r, "BEGIN")) == b"2CZ"
            assert kinds(runs(r, "SELECT 1")) == b"2DCZ"
            got = runs(r, end)
            assert kinds(got) == b"2CZ" and got[-1] == (b"Z", b"I")
        got = runs(r, DELETE)
        assert errors(got) == ["ZB001"] and got[-1] == (b"Z", b"I")
        runs(r, "BEGIN")
        got = runs(r, DELETE)
        assert errors(got) == ["ZB001"] and got[-1] == (b"Z", b"E")
        assert runs(r, "ROLLBACK")[-1] == (b"Z", b"I")
        answers(r)


def test_a_flush_that_was_put_off_while_the_catalog_changes(place):
    """The series is judged anew when its second is over; a client that waits hears of it."""
    create = query("CREATE TABLE ground.passing ()")
    with place.raw() as r, place.raw() as other:
        assert errors(ask(other, create)) == ["ZB001"]
        place.operator.decide(place.operator.tickets()[0]["id"], "approve")
        r.send(parse("", DELETE) + bind("", "") + execute() + FLUSH)
        assert r.next() == (b"1", b"")
        assert not errors(ask(other, create))
        assert errors(r.until(last=b"E")) == ["0A000"]
        assert ask(r, SYNC)[-1] == (b"Z", b"I")
        answers(r)


def test_a_flood_of_flushes_behind_what_is_put_off(place):
    """None of them makes the gateway look at the series again."""
    with place.raw() as r:
        ask(r, parse("", "COMMIT"), SYNC)
        r.socket.settimeout(5)
        r.send(bind("", "") + describe("P", "") * 4000 + FLUSH * 20_000 + SYNC)
        assert errors(r.until()) == ["0A000"]
        answers(r)


def test_a_gated_bind_behind_a_safe_one(place):
    with place.raw() as r:
        got = ask(r, parse("a", "SELECT 1"), bind("", "a"), execute(), parse("b", DELETE),
                  bind("", "b"), execute(), SYNC)
        assert len(errors(got)) == 1 and errors(got)[0] in REFUSED
        assert got[-1] == (b"Z", b"I")
        answers(r)


def test_a_series_longer_than_what_is_collected(place):
    """More than a megabyte without Sync is looked at as it comes; the DELETE in it is refused."""
    series = b"".join(parse("", "SELECT $1::text") + bind("", "", "x" * 10_000) + execute()
                      for _ in range(300))
    with place.raw() as r:
        got = ask(r, series, SYNC)
        assert len(rows(got)) == 300 and not errors(got)
        got = ask(r, series, parse("", DELETE), bind("", ""), execute(), series, SYNC)
        assert len(errors(got)) == 1 and errors(got)[0] in REFUSED
        answers(r)


def test_statements_in_a_failed_transaction(place):
    with place.raw() as r:
        ask(r, query("BEGIN"))
        assert errors(ask(r, query("SELECT 1/0"))) == ["22012"]
        for sql in (DELETE, "SELECT 1", "DROP TABLE ground.t", "CALL nothing()"):
            assert errors(ask(r, query(sql))) == ["25P02"], sql
            assert errors(ask(r, parse("", sql), bind("", ""), execute(), SYNC)) == ["25P02"], sql
        assert ask(r, query("COMMIT"))[-1] == (b"Z", b"I")  # PostgreSQL answers ROLLBACK
        answers(r)
    assert place.operator.tickets() == [] or all(
        t["sql"] != "DROP TABLE ground.t" for t in place.operator.tickets())


@pytest.mark.parametrize("sql", [
    "COMMIT; DELETE FROM ground.t",
    "COMMIT; DROP SCHEMA ground CASCADE",
    "ROLLBACK; TRUNCATE ground.t CASCADE",
    "SELECT 1; COMMIT; DELETE FROM ground.t",
    "BEGIN; SET TRANSACTION READ WRITE; DELETE FROM ground.t; COMMIT",
    "BEGIN READ WRITE; DELETE FROM ground.t; COMMIT",
    "DELETE FROM ground.t; COMMIT",
    "COMMIT AND CHAIN; DELETE FROM ground.t",
    "SAVEPOINT a; DELETE FROM ground.t",
    "BEGIN; DELETE FROM ground.t",
    "SELECT 1;;; DELETE FROM ground.t;;",
    ";DELETE FROM ground.t",
    "SELECT 1 -- \r; DELETE FROM ground.t",
    "SELECT 1 /* /* */ ; */; DELETE FROM ground.t",
    "SELECT $$;$$; DELETE FROM ground.t",
    "SELECT 'a'\n'b'; DELETE FROM ground.t",
    "DELETE FROM U&\"ground\".U&\"!0074\" UESCAPE '!'",
    "delete\ffrom\tground.t",
    "DELETE/**/FROM/**/ground.t",
], ids=str)
@pytest.mark.parametrize("actor", ["ann", "bob"])
def test_several_statements_in_one_message(place, actor, sql):
    with place.raw(actor) as r:
        got = ask(r, query(sql))
        assert len(errors(got)) == 1 and errors(got)[0] in REFUSED, errors(got)
        ask(r, query("BEGIN"))
        got = ask(r, query(sql))
        assert len(errors(got)) == 1 and errors(got)[0] in REFUSED | {"25P02"}, errors(got)
        ask(r, query("ROLLBACK"))
        got = ask(r, parse("", sql), bind("", ""), execute(), SYNC)
        assert len(errors(got)) == 1 and errors(got)[0] in REFUSED | {"42601"}, errors(got)
        answers(r)


# --- settings that change how a text is read (THREATS C) --------------------------------------

LEXING = [
    "SET standard_conforming_strings = off",
    "SET SESSION standard_conforming_strings TO 'off'",
    'SET "standard_conforming_strings" = off',
    "SET STANDARD_CONFORMING_STRINGS = off",
    "SET LOCAL standard_conforming_strings = off",
    "SELECT set_config('standard_conforming_strings', 'off', false)",
    "SELECT pg_catalog.set_config('standard_conforming_strings', 'off', false)",
    "SELECT set_config('standard_' || 'conforming_strings', 'off', false)",
    "SELECT set_config(name, 'off', false) FROM pg_settings WHERE name = 'standard_conforming_strings'",
    "UPDATE pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings'",
    "UPDATE pg_catalog.pg_settings SET setting = 'off' WHERE name LIKE 'standard_c%'",
    "DO $$BEGIN SET standard_conforming_strings = off; END$$",
    "DO $$BEGIN PERFORM set_config('standard_conforming_strings', 'off', false); END$$",
    "ALTER ROLE app_trust SET standard_conforming_strings = off",
    "ALTER DATABASE app SET standard_conforming_strings = off",
    "BEGIN; SET standard_conforming_strings = off; COMMIT",
    "SELECT 1; SET standard_conforming_strings = off",
    "SET backslash_quote = on",
    "SELECT set_config('backslash_quote', 'on', false)",
    "SET client_encoding = 'SJIS'",
    "SET client_encoding TO GBK",
    "SET NAMES 'BIG5'",
    "SET NAMES 'SQL_ASCII'",
    "SELECT set_config('client_encoding', 'GB18030', false)",
    "SET session_replication_role = replica",
    "SELECT set_config('session_replication_role', 'replica', false)",
    "SET ROLE backstop",
    "SET SESSION AUTHORIZATION backstop",
    "SELECT set_config('role', 'backstop', false)",
    "SET default_transaction_read_only = off",
    "SELECT set_config('default_transaction_read_only', 'off', false)",
]

PINNED = ("standard_conforming_strings", "client_encoding", "backslash_quote", "role",
          "session_replication_role")


@pytest.mark.parametrize("actor, sql", [(actor, sql) for sql in LEXING for actor in ("ann", "bob")
                                        if actor == "bob" or "read_only" not in sql])
def test_settings_stay_as_they_were(place, actor, sql):
    with place.raw(actor) as r:
        before = [rows(ask(r, query(f"SHOW {name}"))) for name in PINNED]
        got = ask(r, query(sql))
        assert len(errors(got)) == 1, got
        if got[-1] is None:
            return
        got = ask(r, parse("", sql), bind("", ""), execute(), SYNC)
        assert len(errors(got)) == 1, got
        assert [rows(ask(r, query(f"SHOW {name}"))) for name in PINNED] == before
        answers(r)


def test_the_backslash_trick(place):
    """THREATS C13: one literal, or two statements, as standard_conforming_strings has it."""
    trick = r"SELECT 'a\'' ; DELETE FROM ground.t; --'"
    with place.raw() as r:
        ask(r, query("SET standard_conforming_strings = off"))
        got = ask(r, query(trick))
        assert not [m for m in got if m and m[0] == b"C" and m[1].startswith(b"DELETE")]
    with place.raw() as r:
        got = ask(r, query(f"SET standard_conforming_strings = off; {trick}"))
        assert len(errors(got)) == 1
        got = ask(r, parse("", trick), bind("", ""), execute(), SYNC)
        assert not errors(got) or errors(got)[0] in REFUSED
        answers(r)


@pytest.mark.parametrize("sql", [
    "SET standard_conforming_strings = off", "SET client_encoding = 'SJIS'",
    "DO $$BEGIN SET standard_conforming_strings = off; END$$",
])
def test_a_session_whose_lexing_changed_has_ended(place, sql):
    """Even where an operator approved it: nothing can be judged any more."""
    with place.raw() as r:
        got = ask(r, query(sql))
        if errors(got) != ["ZB001"]:
            assert errors(got)[0] in REFUSED
            answers(r)
            return
        place.operator.decide(ticket_of(got), "approve")
        r.send(query(sql))
        seen = end_of(r)
        assert seen[-1] is None and errors(seen)[-1] == "0A000"


@pytest.mark.parametrize("sql", [
    "SET search_path = pg_catalog, ground", "SET statement_timeout = 0", "SET TimeZone = 'UTC'",
    "SET client_encoding = 'UTF8'", "SET standard_conforming_strings = on", "RESET ALL",
    "SELECT set_config('search_path', 'ground', false)", "DISCARD ALL",
], ids=str)
def test_harmless_settings_pass(place, sql):
    with place.raw() as r:
        got = ask(r, query(sql))
        assert not errors(got), got
        assert rows(ask(r, query("SHOW standard_conforming_strings"))) == ["on"]
        answers(r)


# --- COPY ------------------------------------------------------------------------------------

COPY_IN = "COPY ground.inbox (v) FROM STDIN"


@pytest.mark.parametrize("start", [
    query(COPY_IN), parse("", COPY_IN) + bind("", "") + execute() + SYNC,
    parse("", COPY_IN) + bind("", "") + execute() + FLUSH,
], ids=["simple", "extended", "flush"])
@pytest.mark.parametrize("data", [
    message(b"d", b"one\n") * 3 + COPY_DONE,
    message(b"d", b"one\ttoo many\n") + COPY_DONE,
    message(b"d", b"one\n") + message(b"f", b"changed my mind\0"),
    COPY_DONE,
], ids=["done", "bad data", "CopyFail", "empty"])
@pytest.mark.parametrize("how", ["in turn", "at once"])
def test_copy_in(place, start, data, how):
    """However the end of the series and the data lie in the stream, each series has one answer."""
    extended = not start.startswith(b"Q")
    with place.raw() as r:
        if how == "in turn":
            r.send(start)
            seen = r.until(last=b"G")
            r.send(data + (SYNC if extended else b""))
            seen += r.until()
        else:
            seen = ask(r, start + data + (SYNC if extended else b""))
        assert kinds(seen).count(b"G") == 1 and seen[-1] == (b"Z", b"I")
        if b"too many" in data:
            assert errors(seen) == ["22P04"]
        elif b"mind" in data:
            assert errors(seen) == ["57014"]
        else:
            assert not errors(seen)
        answers(r)


SHORT = [message(b"d", b"x" * 8190 + b"\n")] * 40  # as psql cuts them; it sends 8192 bytes at a time
LONG = [message(b"d", b"y" * 300_000 + b"\n" + b"z" * 50_000), message(b"d", b"\n")]


def copy_data(heard):
    """The bodies of the CopyData behind the COPY, up to CopyDone."""
    at, bodies = heard.index(query(COPY_IN)) + len(query(COPY_IN)), []
    while heard[at:at + 1] == b"d":
        n = struct.unpack("!I", heard[at + 1:at + 5])[0]
        bodies.append(bytes(heard[at + 5:at + 1 + n]))
        at += 1 + n
    assert heard[at:at + 5] == COPY_DONE
    return bodies


def test_copy_data_are_not_chopped(place, pg):
    """Wherever the client's writes end: short messages go on as they came, long ones in large pieces."""
    relay = Relay(pg.folder / f".s.PGSQL.{pg.port}")
    upstream = f"host=127.0.0.1 port={relay.port} user=app_trust dbname=app sslmode=disable"
    with a_place(pg, databases={"app": {"upstream": upstream, "helper": pg.conninfo("backstop")}}) as heard:
        for messages, piece in ((SHORT, 8192), (SHORT, 1000), (LONG, 1000), (LONG + SHORT + LONG, 8192)):
            with heard.raw() as r:
                relay.heard = bytearray()
                r.send(query(COPY_IN))
                r.until(last=b"G")
                data = b"".join(messages)
                for at in range(0, len(data), piece):
                    r.send(data[at:at + piece])
                r.send(COPY_DONE)
                assert kinds(r.until()) == b"CZ"
            bodies = copy_data(relay.heard)
            assert b"".join(bodies) == b"".join(m[5:] for m in messages)
            assert [b for b in bodies if b in (SHORT[0][5:], b"\n")] == [m[5:] for m in messages if len(m) < 9000]
            pieces = sum(len(m) // 16_000 + 1 for m in messages)
            assert len(bodies) <= pieces
    relay.close()


@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
@pytest.mark.parametrize("data, code", [
    (message(b"d", b"one\n") * 3 + COPY_DONE, None),
    (message(b"d", b"one\ttoo many\n") + message(b"d", b"two\n") + COPY_DONE, "22P04"),
    (message(b"d", b"one\n") + message(b"f", b"changed my mind\0"), "57014"),
], ids=["done", "bad data", "CopyFail"])
@pytest.mark.parametrize("how", ["in turn", "at once"])
def test_a_copy_that_was_approved(place, extended, data, code, how):
    sql = f"COPY ground.inbox (v) FROM STDIN -- {extended} {code} {how}"
    start = parse("", sql) + bind("", "") + execute() + SYNC if extended else query(sql)
    end = SYNC if extended else b""
    with place.raw("bob") as r:
        got = ask(r, start)
        assert errors(got) == ["ZB001"]
        place.operator.decide(ticket_of(got), "approve")
        if how == "in turn":
            r.send(start)
            got = r.until(last=b"G")
            r.send(data + end)
        else:
            got = []
            r.send(start + data + end)
        got += r.until()
        assert errors(got) == ([code] if code else []) and got[-1] == (b"Z", b"I")
        assert kinds(got).count(b"G") == 1
        answers(r)


@pytest.mark.parametrize("syncs", [1, 2, 5])
@pytest.mark.parametrize("start, end", [
    (query(COPY_IN), b""), (query(COPY_IN), SYNC),
    (parse("", COPY_IN) + bind("", "") + execute() + SYNC, SYNC),
], ids=["simple", "simple, then Sync", "extended"])
def test_a_sync_beside_copy_does_not_shift_the_answers(place, start, end, syncs):
    """Names are booked on the answers: one that is off by one would make a DELETE look like a
    SELECT. A server that copies reads Sync, and ignores it."""
    with place.raw() as r:
        r.send(start + SYNC * syncs + message(b"d", b"x\n") + COPY_DONE + end)
        assert kinds(r.until()).endswith(b"GCZ")
        if start.startswith(b"Q") and end:
            assert r.until() == [(b"Z", b"I")]
        assert kinds(ask(r, parse(S, "SELECT 1"), SYNC)) == b"1Z"
        assert kinds(ask(r, close("S", S), parse(S, DELETE), SYNC)) == b"31Z"
        for _ in range(syncs):
            assert kinds(ask(r, SYNC)) == b"Z"
        assert errors(ask(r, bind("", S), execute(), SYNC)) == ["ZB001"]
        assert kinds(ask(r, close("S", S), parse(S, "SELECT 1"), SYNC)) == b"31Z"
        assert rows(ask(r, bind("", S), execute(), SYNC)) == ["1"]
        answers(r)


@pytest.mark.parametrize("intruder", [
    query(DELETE), parse("", DELETE) + bind("", "") + execute() + SYNC, message(b"F", b"\0" * 10),
    query("SELECT 1"),
], ids=["query", "series", "function call", "read"])
def test_other_messages_while_copying(place, intruder):
    """As with the server, the protocol is lost: the session ends."""
    with place.raw() as r:
        r.send(query(COPY_IN))
        assert r.until(last=b"G")[-1][0] == b"G"
        r.send(message(b"d", b"x\n"))
        send_quietly(r, intruder)
        r.socket.settimeout(5)
        seen = end_of(r)
        assert seen[-1] is None
        assert not [m for m in seen if m and m[0] == b"C"]


def test_copy_out_then_hang_up(place):
    with place.raw() as r:
        r.send(query("COPY (SELECT repeat('x', 1000) FROM generate_series(1, 200000)) TO STDOUT"))
        assert r.until(last=b"H")[-1][0] == b"H"


# --- many at once ----------------------------------------------------------------------------


def test_a_client_that_never_reads(place):
    """The gateway stops reading it, and keeps serving others."""
    with place.raw() as r:
        r.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        r.socket.setblocking(False)
        one = query("SELECT repeat('x', 100000)")
        sent = 0
        try:
            while sent < 64 << 20:
                sent += r.socket.send(one * 50)
        except BlockingIOError:
            pass
        with place.connect() as c:
            assert c.execute("SELECT 1").fetchone() == (1,)
        resident = int(open(f"/proc/{place.gateway.process.pid}/statm").read().split()[1]) * 4096
        assert resident < 1 << 30


def test_names_that_fill_memory(place):
    """Ten thousand prepared statements, never closed, are the session's own and go with it."""
    with place.raw() as r:
        for start in range(0, 10_000, 1_000):
            got = ask(r, b"".join(parse(f"s{n}", "SELECT $1::int")
                                  for n in range(start, start + 1_000)), SYNC)
            assert kinds(got) == b"1" * 1_000 + b"Z"
        assert rows(ask(r, bind("", "s7777", "7777"), execute(), SYNC)) == ["7777"]
        answers(r)


def test_ten_thousand_statements_without_reading(place):
    many = b"".join(query(f"SELECT {n}") for n in range(10_000))
    with place.raw() as r:
        sender = threading.Thread(target=r.send, args=(many,))
        sender.start()
        for n in range(10_000):
            assert rows(r.until()) == [str(n)]
        sender.join()
        answers(r)
