"""What an agent asks of the gateway itself: SHOW backstop.*, over every protocol and driver."""

import asyncio
import json
import os
import struct
import subprocess
import threading
import time

import psycopg
import pytest

from conftest import Gateway, running, wait_until
from operator_side import Operator
from rawwire import FLUSH, SYNC, Raw, bind, cancel_request, describe, execute, message, parse, query, report

RULES = [
    {"name": "rows", "kinds": ["INSERT"], "objects": ["door.*"], "action": "allow"},
    {"name": "never", "kinds": ["TRUNCATE"], "objects": ["door.*"], "action": "block"},
    {"name": "readers", "actors": ["reader*"], "risk": ["HIGH", "CRITICAL"], "action": "approve"},
]
SCHEMA = """
DROP SCHEMA IF EXISTS door CASCADE;
CREATE SCHEMA door AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE door.t (id int PRIMARY KEY);
CREATE TABLE door.log (id int);
INSERT INTO door.t SELECT generate_series(1, 1000);
RESET ROLE;
"""
AT_ONCE = "-c backstop.wait=0"
BLOCKED = {"v": 1, "state": "blocked", "retry": "never"}


class Ground:
    def __init__(self, pg):
        self.pg = pg
        with pg.admin() as c:
            c.execute(SCHEMA)
        self.gateway = Gateway(pg, {name: pg.conninfo("app_trust") for name in ("app", "second")},
                               policy={"rules": RULES}, extra={"hold": {"wait": "8s", "notice": "1s"}})
        self.n = 0
        self.used = 5

    def actor(self, name="a"):
        self.n += 1
        self.gateway.add_agent(f"{name}-{self.n}")
        return f"{name}-{self.n}"

    def connect(self, actor, dbname="app", **more):
        return self.gateway.connect(actor, dbname, **{"autocommit": True, **more})

    def raw(self, actor, **params):
        raw = Raw(self.gateway.port, timeout=30)
        raw.seen = raw.login(actor, self.gateway.passwords[actor], **params)
        return raw

    def held(self, c):
        """The ticket of a statement that nobody has asked for before."""
        self.used += 1
        with pytest.raises(psycopg.Error) as e:
            c.execute(f"DELETE FROM door.t WHERE id < {self.used}")
        assert e.value.sqlstate == "ZB001", e.value
        return json.loads(e.value.diag.message_detail)["ticket"]

    def approve_next(self, actor):
        ticket, = wait_until(lambda: [t for t in self.operator.tickets() if t["actor"] == actor])
        self.operator.decide(ticket["id"], "approve")

    def records(self, **want):
        lines = self.gateway.cli("audit", "tail", "-n", "100000", "--json").stdout.splitlines()
        return [r for r in map(json.loads, lines) if all(r.get(k) == v for k, v in want.items())]


@pytest.fixture(scope="module")
def ground(pg):
    ground = Ground(pg)
    with running(ground.gateway):
        ground.operator = Operator(ground.gateway, "kim")
        ground.admin = Operator(ground.gateway, "lee", "admin")
        yield ground


@pytest.fixture
def alice(ground):
    with ground.connect(ground.actor(), options=AT_ONCE) as c:
        c.actor = c.info.user
        yield c


def ask(c, what, **more):
    (answer,), = c.execute(what, **more).fetchall()
    return json.loads(answer)


def ticket_of(c, ticket, **more):
    return ask(c, f'SHOW backstop.ticket."{ticket}"', **more)


def code(c, sql, **more):
    with pytest.raises(psycopg.Error) as e:
        c.execute(sql, **more)
    return e.value.sqlstate


# --- what is answered ---------------------------------------------------------------------------


def test_status(ground, alice):
    cursor = alice.execute("SHOW backstop.status")
    assert [(c.name, c.type_display) for c in cursor.description] == [("backstop", "text")]
    assert cursor.statusmessage == "SHOW"
    assert json.loads(cursor.fetchone()[0]) == {
        "v": 1, "agent": alice.actor, "database": "app", "environment": "test", "version": "0.1.0",
        "writes": "run", "paused": False, "open_tickets": 0, "hold_wait": "0s"}
    ground.held(alice)
    assert ask(alice, "show BACKSTOP.Status ; -- who am I")["open_tickets"] == 1


def test_the_life_of_a_ticket(ground, alice):
    ticket = ground.held(alice)
    got = ticket_of(alice, ticket)
    assert got.pop("expires")[-1] == "Z"
    assert got == {"v": 1, "ticket": ticket, "state": "pending", "retry": "wait", "kind": "DELETE",
                   "point": None, "reason": None}
    assert ask(alice, "SHOW backstop.tickets") == {"v": 1, "tickets": [ticket_of(alice, ticket)]}
    ground.operator.decide(ticket, "approve", "it's “fine” \\ 'so'")
    got = ticket_of(alice, ticket)
    assert (got["state"], got["retry"]) == ("approved", "same-statement")
    assert got["reason"] == "it's “fine” \\ 'so'"
    alice.execute(f"DELETE FROM door.t WHERE id < {ground.used}")
    got = wait_until(lambda: [t for t in [ticket_of(alice, ticket)] if t["state"] != "running"])[0]
    assert (got["state"], got["retry"], got["expires"]) == ("done", "never", None)
    assert got["point"].startswith("RP-")
    assert ask(alice, "SHOW backstop.tickets")["tickets"] == []
    denied = ground.held(alice)
    ground.operator.decide(denied, "deny", "no")
    got = ticket_of(alice, denied)
    assert (got["state"], got["retry"], got["reason"]) == ("denied", "never", "no")


def test_more_tickets_than_are_listed(ground, alice):
    made = [ground.held(alice) for _ in range(52)]
    got = ask(alice, "SHOW backstop.tickets")
    assert got["more"] is True and [t["ticket"] for t in got["tickets"]] == made[:1:-1]
    assert ask(alice, "SHOW backstop.status")["open_tickets"] == 52


def test_only_its_own(ground, alice):
    other, again = ground.actor(), ground.connect(alice.actor, "second", options=AT_ONCE)
    ticket = ground.held(alice)
    said = set()
    with ground.connect(other) as c, again:
        for who in (c, again):
            for verb in ("ticket", "wait"):
                for name in (ticket, ticket[:-1] + ("0" if ticket[-1] != "0" else "1"), "T-x", "", ticket.lower()):
                    with pytest.raises(psycopg.Error) as e:
                        who.execute(f'SHOW backstop.{verb}."{name}"' if name else f"SHOW backstop.{verb}.x")
                    said.add((e.value.sqlstate, e.value.diag.message_primary.replace(f'"{name or "x"}"', "?")))
            assert ask(who, "SHOW backstop.tickets")["tickets"] == []
    assert said == {("42704", "ticket ? does not exist")}


def test_not_those_of_who_had_the_name_before(ground):
    name = ground.actor()
    with ground.connect(name, options=AT_ONCE) as c:
        ticket = ground.held(c)
    ground.gateway.cli("agents", "revoke", name)
    ground.gateway.add_agent(name)
    with ground.connect(name) as c:
        assert code(c, f'SHOW backstop.ticket."{ticket}"') == "42704"
        assert ask(c, "SHOW backstop.tickets")["tickets"] == []


def test_writes(ground):
    with ground.connect(ground.actor(), options=AT_ONCE) as c:
        assert ask(c, "SHOW backstop.status")["writes"] == "run"
    # no rule lets that one write without an approval
    gateway = Gateway(ground.pg, extra={"hold": {"wait": "0s"}})
    with running(gateway, "bob"), gateway.connect("bob", autocommit=True) as c:
        assert ask(c, "SHOW backstop.status")["writes"] == "refused"  # there is nobody to ask
        with pytest.raises(psycopg.Error) as e:
            c.execute("DELETE FROM door.t")
        assert e.value.sqlstate == "42501" and json.loads(e.value.diag.message_detail) == BLOCKED
        Operator(gateway)
        assert ask(c, "SHOW backstop.status")["writes"] == "ask"


def test_blocked_is_told_from_the_servers_own(ground, alice):
    with pytest.raises(psycopg.Error) as e:
        alice.execute("TRUNCATE door.t")
    assert e.value.sqlstate == "42501" and json.loads(e.value.diag.message_detail) == BLOCKED
    with pytest.raises(psycopg.Error) as e:
        alice.execute("SELECT * FROM pg_authid")
    assert e.value.sqlstate == "42501" and e.value.diag.message_detail is None


# --- what is not answered -----------------------------------------------------------------------


def test_unknown_names_are_the_servers(ground, alice):
    for sql in ("SHOW backstop.nothing", "SHOW backstop.ticket", "SHOW backstop.statuses",
                'SHOW "backstop.stat us"', "SHOW backstop.wait"):
        with pytest.raises(psycopg.Error) as e:
            alice.execute(sql)
        assert e.value.sqlstate == "42704", sql
        assert "unrecognized configuration parameter" in str(e.value)


def test_odd_names(ground, alice):
    for name in ("x'; DELETE FROM door.t; --", 'a""b', "%s%n", "ünï", "$1", "T-" + "x" * 61, "\\"):
        with pytest.raises(psycopg.Error) as e:
            alice.execute(f'SHOW backstop.ticket."{name}"'.encode())
        assert e.value.sqlstate == "42704", name
        assert e.value.diag.message_primary == f'ticket "{name.replace(chr(34) * 2, chr(34))}" does not exist'
    for name in ("x" * 64, "x" * 5000, "x" * (1 << 20)):
        with pytest.raises(psycopg.Error) as e:
            alice.execute(f'SHOW backstop.ticket."{name}"'.encode())
        assert e.value.sqlstate == "42704" and len(str(e.value)) < 400
    assert ask(alice, "SHOW backstop.status")["agent"] == alice.actor


def test_only_by_itself(ground, alice):
    with ground.pg.admin() as c:
        before = c.execute("SELECT count(*) FROM door.log").fetchone()
    for sql in ("SHOW backstop.status; SELECT 1", "SHOW backstop.status; INSERT INTO door.log VALUES (1)",
                "INSERT INTO door.log VALUES (1); SHOW backstop.status", "BEGIN; SHOW backstop.tickets; COMMIT",
                "SHOW backstop.status; SHOW backstop.status",
                "SELECT 1; EXPLAIN (BACKSTOP) SELECT 1"):
        with pytest.raises(psycopg.Error) as e:
            alice.execute(sql)
        assert e.value.sqlstate == "0A000", sql
    with ground.pg.admin() as c:
        assert c.execute("SELECT count(*) FROM door.log").fetchone() == before


def test_nobody_sets_the_answer(ground, alice):
    for sql in ("SET backstop.answer = 'x'", "SELECT set_config('backstop.answer', 'x', false)",
                "SET LOCAL backstop.answer = 'x'"):
        assert code(alice, sql) == "ZB001"
    with pytest.raises(psycopg.Error, match="backstop.answer"):
        ground.connect(alice.actor, options="-c backstop.answer=x")
    for prepare in (False, True):
        assert ask(alice, "SHOW backstop.status", prepare=prepare)["v"] == 1
        assert alice.execute("SHOW backstop.answer").fetchone() == ("",)  # and nobody finds it later
    with alice.transaction():
        assert ask(alice, "SHOW backstop.status")["v"] == 1
    assert alice.execute("SHOW backstop.answer").fetchone() == ("",)


# --- protocols, transactions, drivers -----------------------------------------------------------


def test_prepared_shows_the_new_state(ground, alice):
    with ground.connect(alice.actor, prepare_threshold=0, options=AT_ONCE) as c:
        ticket = ground.held(alice)
        asks = [ticket_of(c, ticket)["state"] for _ in range(8)]
        assert asks == ["pending"] * 8
        ground.operator.decide(ticket, "approve")
        assert [ticket_of(c, ticket)["state"] for _ in range(3)] == ["approved"] * 3
        name, = c.execute("SELECT name FROM pg_prepared_statements WHERE statement ~ 'backstop.answer'").fetchone()
        assert code(c, f"EXECUTE {name}", prepare=False) == "0A000"  # it would show an old answer


def test_in_transactions(ground, alice):
    ticket = ground.held(alice)
    with ground.connect(alice.actor, autocommit=False, options=AT_ONCE) as c:
        for prepare in (False, True):
            with c.transaction():
                assert ask(c, "SHOW backstop.status", prepare=prepare)["open_tickets"] == 1
                assert ticket_of(c, ticket, prepare=prepare)["state"] == "pending"
                with pytest.raises(psycopg.Error), c.transaction():
                    ticket_of(c, "T-none", prepare=prepare)
                assert ticket_of(c, ticket, prepare=prepare)["state"] == "pending"
            with pytest.raises(psycopg.errors.InFailedSqlTransaction), c.transaction():
                with pytest.raises(psycopg.errors.DivisionByZero):
                    c.execute("SELECT 1/0")
                c.execute("SHOW backstop.status", prepare=prepare)
            assert ask(c, "SHOW backstop.status", prepare=prepare)["v"] == 1
            c.rollback()
    with ground.connect(alice.actor) as c, c.transaction():
        c.execute("DECLARE x CURSOR FOR SELECT generate_series(1, 3)")
        assert c.execute("FETCH x").fetchone() == (1,)
        began = time.monotonic()
        assert ask(c, f'SHOW backstop.wait."{ticket}"')["state"] == "pending"
        assert time.monotonic() - began < 3  # nobody waits with a transaction open
        assert c.execute("FETCH x").fetchone() == (2,)


@pytest.mark.parametrize("prepare", [False, True])
def test_it_leaves_a_transaction_as_good_as_new(ground, alice, prepare):
    with ground.connect(alice.actor, options="-c backstop.wait=8s") as c, c.transaction():
        assert ask(c, "SHOW backstop.tickets", prepare=prepare)["tickets"] == []
        c.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        assert ask(c, "SHOW backstop.tickets", prepare=prepare)["tickets"] == []
        deciding = threading.Thread(target=ground.approve_next, args=(alice.actor,))
        deciding.start()
        assert c.execute("DELETE FROM door.t WHERE id = 900").rowcount <= 1  # it waits, as it would without
        deciding.join()


def test_in_a_pipeline_between_writes(ground, alice):
    ticket = ground.held(alice)
    with alice.pipeline() as p:
        one = alice.execute("INSERT INTO door.log VALUES (%s) RETURNING id", (7,))
        two = alice.execute("SHOW backstop.status")
        three = alice.execute("INSERT INTO door.log VALUES (%s) RETURNING id", (8,))
        four = alice.execute(f'SHOW backstop.wait."{ticket}"')
        p.sync()
        five = alice.execute("SHOW backstop.tickets")
        assert one.fetchone() == (7,) and three.fetchone() == (8,)
        assert json.loads(two.fetchone()[0])["open_tickets"] == 1
        assert json.loads(four.fetchone()[0])["ticket"] == ticket
        assert json.loads(five.fetchone()[0])["tickets"][0]["ticket"] == ticket
    with ground.connect(alice.actor) as c:
        began = time.monotonic()
        with c.pipeline():
            c.execute("INSERT INTO door.log VALUES (7)")
            got = c.execute(f'SHOW backstop.wait."{ticket}"')
            assert json.loads(got.fetchone()[0])["state"] == "pending"
        assert time.monotonic() - began < 4  # nobody waits with its row locked
    with pytest.raises(psycopg.Error) as e, alice.pipeline():
        alice.execute("INSERT INTO door.log VALUES (9)")
        alice.execute('SHOW backstop.ticket."T-none"')
        alice.execute("INSERT INTO door.log VALUES (10)")
    assert e.value.sqlstate == "42704"
    assert alice.execute("SELECT count(*) FROM door.log WHERE id IN (9, 10)").fetchone() == (0,)  # one transaction
    with pytest.raises(psycopg.Error) as e, alice.pipeline():
        alice.execute("DELETE FROM door.t")
        alice.execute("SHOW backstop.status")
    assert e.value.sqlstate == "0A000"


def types(messages):
    return b"".join(m[0] for m in messages if m[0] not in b"SN")


def answers(messages):
    return [json.loads(m[1][6:]) for m in messages if m[0] == b"D"]


def test_raw_messages(ground, alice):
    status = "SHOW backstop.status"
    with ground.raw(alice.actor) as raw:
        raw.send(query(status))
        got = raw.until()
        assert types(got) == b"TDCZ" and got[0][1].startswith(b"\0\1backstop\0") and len(got[0][1]) == 29
        # Describe before anything was asked, then twice in one series, by name and by portal
        raw.send(parse("s", status) + describe("S", "s") + SYNC)
        got = raw.until()
        assert types(got) == b"1tTZ" and got[1][1] == b"\0\0" and got[2][1].startswith(b"\0\1backstop\0")
        raw.send(bind("p", "s") + describe("P", "p") + execute("p") + bind("", "s") + execute() + SYNC)
        got = raw.until()
        assert types(got) == b"2TDC2DCZ" and len(answers(got)) == 2
        # with Flush and no Sync
        raw.send(bind("", "s") + execute() + FLUSH)
        assert types(raw.until(b"C")) == b"2DC"
        raw.send(query("SELECT 1"))
        assert types(raw.until()) == b"TDCZ"
        # the client's unnamed statement and portal survive
        raw.send(parse("", "SELECT 7") + bind("q", "s") + execute("q") + bind("", "") + execute() + SYNC)
        assert types(raw.until()) == b"12DC2DCZ"
        # bound, and run later: that would be an old answer
        for late in (bind("", "s") + SYNC, bind("a", "s") + bind("b", "s") + execute("a") + execute("b") + SYNC):
            raw.send(late)
            got = raw.until()
            assert types(got) == b"EZ" and report(got[0][1])["C"] == "0A000"
        # known by name, behind what is held
        raw.send(parse("", "DELETE FROM door.t") + bind("", "") + execute() + bind("a", "s") + execute("a") + SYNC)
        got = raw.until()
        assert types(got) == b"1EZ" and report(got[1][1])["C"] == "0A000"
        # parameters are dropped, with their types
        types_of = struct.pack("!HII", 2, 23, 0)
        raw.send(message(b"P", b"e\0" + status.encode() + b"\0" + types_of) + bind("", "e", "1", "x") + execute() + SYNC)
        assert types(raw.until()) == b"12DCZ"
        # an error in between skips to Sync
        raw.send(bind("", "s") + execute() + parse("", "nonsense") + bind("", "") + bind("", "s") + execute() + SYNC)
        got = raw.until()
        assert types(got)[:3] == b"2DC" and types(got)[-2:] == b"EZ"
        raw.send(query(status) + query(status) + bind("", "s") + execute() + SYNC)
        for _ in range(3):
            assert answers(raw.until())[0]["agent"] == alice.actor


def test_psql(ground, alice):
    out = subprocess.run(
        ["psql", "-XAt", f"host=127.0.0.1 port={ground.gateway.port} user={alice.actor} dbname=app"],
        input="SHOW backstop.status;\nSHOW backstop.tickets \\gdesc\n",
        env={**os.environ, "PGPASSWORD": ground.gateway.passwords[alice.actor]}, capture_output=True, text=True,
        timeout=60, check=True)
    one, two = out.stdout.splitlines()
    assert json.loads(one)["agent"] == alice.actor and two == "backstop|text"


def test_asyncpg(ground, alice):
    import asyncpg

    async def run():
        c = await asyncpg.connect(host="127.0.0.1", port=ground.gateway.port, user=alice.actor, database="app",
                                  password=ground.gateway.passwords[alice.actor], ssl=False)
        ticket = ground.held(alice)
        prepared = await c.prepare(f'SHOW backstop.ticket."{ticket}"')
        states = [json.loads(await prepared.fetchval())["state"]]
        ground.operator.decide(ticket, "deny")
        states += [json.loads(await prepared.fetchval())["state"] for _ in range(2)]
        async with c.transaction():
            states.append(json.loads((await c.fetchrow("SHOW backstop.status"))["backstop"])["agent"])
        await c.close()
        return states

    assert asyncio.run(run()) == ["pending", "denied", "denied", alice.actor]


NODE = """
const { createRequire } = require("module");
const { Client } = createRequire(process.cwd() + "/x.js")("pg");
(async () => {
  const c = new Client({ connectionString: process.argv[1] });
  await c.connect();
  const out = [];
  for (const query of ["SHOW backstop.status", { name: "s", text: "SHOW backstop.status" }, { name: "s", text: "SHOW backstop.status" }]) {
    const r = await c.query(query);
    out.push([r.command, r.fields[0].name, JSON.parse(r.rows[0].backstop).agent]);
  }
  await c.end();
  console.log(JSON.stringify(out));
})();
"""


def test_node_postgres(ground, alice, packages):
    url = f"postgres://{alice.actor}:{ground.gateway.passwords[alice.actor]}@127.0.0.1:{ground.gateway.port}/app"
    out = subprocess.run(["node", "-e", NODE, url], cwd=packages, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(out.stdout) == [["SHOW", "backstop", alice.actor]] * 3


# --- waiting ------------------------------------------------------------------------------------


class Waiting(threading.Thread):
    def __init__(self, ground, actor, ticket, **more):
        super().__init__(daemon=True)
        self.c = ground.connect(actor)
        self.notices, self.answer, self.error = [], None, None
        self.c.add_notice_handler(lambda n: self.notices.append(n.message_primary))
        self.ticket, self.more = ticket, more
        self.start()

    def run(self):
        try:
            self.answer = ask(self.c, f'SHOW backstop.wait."{self.ticket}"', **self.more)
        except psycopg.Error as e:
            self.error = e.sqlstate

    def done(self, seconds=20):
        self.join(seconds)
        assert not self.is_alive()
        self.c.close()
        return self.answer["state"] if self.answer else self.error


@pytest.mark.parametrize("prepare", [False, True])
@pytest.mark.parametrize(("what", "state"), [("approve", "approved"), ("deny", "denied")])
def test_wait_ends_with_the_decision(ground, alice, prepare, what, state):
    ticket = ground.held(alice)
    waiting = Waiting(ground, alice.actor, ticket, prepare=prepare)
    wait_until(lambda: len(waiting.notices) >= 2)
    began = time.monotonic()
    ground.operator.decide(ticket, what)
    assert waiting.done() == state
    assert time.monotonic() - began < 2
    assert set(waiting.notices) == {f"ticket {ticket} waits for an operator"}
    with ground.connect(alice.actor) as c:
        assert ask(c, f'SHOW backstop.wait."{ticket}"')["state"] == state  # at once


def test_wait_gives_up(ground, alice):
    ticket = ground.held(alice)
    with ground.connect(alice.actor, options="-c backstop.wait=700ms") as c:
        assert ask(c, "SHOW backstop.status")["hold_wait"] == "700ms"
        began = time.monotonic()
        assert ask(c, f'SHOW backstop.wait."{ticket}"')["state"] == "pending"
        assert 0.6 < time.monotonic() - began < 3


def test_who_is_never_held_waits_all_the_same(ground, alice):
    """backstop.wait=0 is for statements: this one asks to wait, and hold.wait is 8 s here."""
    ticket = ground.held(alice)
    began = time.monotonic()
    decided = threading.Timer(1.5, ground.operator.decide, (ticket, "approve"))
    decided.start()
    assert ask(alice, f'SHOW backstop.wait."{ticket}"')["state"] == "approved"
    assert 1.4 < time.monotonic() - began < 7
    decided.join()


def test_wait_can_be_cancelled(ground, alice):
    ticket = ground.held(alice)
    for prepare in (False, True):
        waiting = Waiting(ground, alice.actor, ticket, prepare=prepare)
        wait_until(lambda: waiting.notices)
        waiting.c.cancel()
        waiting.join(10)
        assert waiting.error == "57014"
        assert ask(waiting.c, "SHOW backstop.status")["v"] == 1
        assert ticket_of(waiting.c, ticket)["state"] == "pending"
        assert waiting.done() == "57014"


def test_hang_up_while_waiting(ground, alice):
    ticket = ground.held(alice)

    def sessions():
        with ground.pg.admin() as c:
            return c.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s",
                             (f"backstop/{alice.actor}",)).fetchone()[0]

    before = sessions()
    raws = [ground.raw(alice.actor) for _ in range(3)]
    for raw in raws:
        raw.send(query(f'SHOW backstop.wait."{ticket}"'))
    for raw in raws:
        assert raw.until(b"N")[-1][0] == b"N"
        raw.socket.close()
    wait_until(lambda: sessions() == before)
    ground.operator.decide(ticket, "approve")
    assert ticket_of(alice, ticket)["state"] == "approved"


def test_messages_behind_a_wait(ground, alice):
    ticket = ground.held(alice)
    with ground.raw(alice.actor, options="-c backstop.wait=600ms") as raw:
        raw.send(query(f'SHOW backstop.wait."{ticket}"') + query("SELECT 1") +
                 parse("", f'SHOW backstop.wait."{ticket}"') + bind("", "") + execute() + SYNC)
        assert [types(raw.until()) for _ in range(3)] == [b"TDCZ", b"TDCZ", b"12DCZ"]
    # the cancel of another session's key ends nothing here
    with ground.raw(alice.actor) as raw:
        raw.send(query(f'SHOW backstop.wait."{ticket}"'))
        raw.until(b"N")
        with Raw(ground.gateway.port) as other:
            other.send(cancel_request(1, b"none"))
            assert other.closed()
        ground.operator.decide(ticket, "deny")
        assert answers(raw.until())[0]["state"] == "denied"


# --- backstop.wait, for what is held --------------------------------------------------------------


def test_start_up_option(ground):
    name = ground.actor()
    for odd in ("5", "-1s", "x", "", "9s", "8001ms", "1e3", "99999999999999999999s", "1s2"):
        with pytest.raises(psycopg.OperationalError) as e:
            ground.connect(name, options=f"-c backstop.wait={odd}")
        assert "backstop.wait must be a duration from 0 to 8s here" in str(e.value), odd
    with ground.connect(name, options=AT_ONCE) as c:
        began = time.monotonic()
        ground.held(c)
        assert time.monotonic() - began < 3
    for wait in ("8s", "0s", "8000ms"):
        ground.connect(name, options=f"-c backstop.wait={wait}").close()
    with ground.raw(name, **{"backstop.wait": "0"}) as raw:
        raw.send(query("DELETE FROM door.t WHERE id = 700"))
        assert [report(m[1])["C"] for m in raw.until() if m[0] == b"E"] == ["ZB001"]


# --- paused, counted, recorded --------------------------------------------------------------------


def test_while_paused(ground, alice):
    ticket = ground.held(alice)
    pause = {"scope": "actor", "name": alice.actor, "reason": "x"}
    assert ground.operator.ask("POST", "/v1/pauses", pause)[0] == 200
    for prepare in (False, True):
        got = ask(alice, "SHOW backstop.status", prepare=prepare)
        assert (got["paused"], got["writes"]) == (True, "refused")
        assert ticket_of(alice, ticket, prepare=prepare)["state"] == "pending"
        assert code(alice, "EXPLAIN (BACKSTOP) SELECT 1", prepare=prepare) == "ZB006"
        assert code(alice, "SHOW search_path", prepare=prepare) == "ZB006"
    ground.gateway.cli("agents", "list")
    assert ground.admin.ask("POST", "/v1/pauses/resume", {"scope": "actor", "name": alice.actor})[0] in (200, 404)


def test_it_is_on_record(ground, alice):
    ask(alice, "SHOW backstop.status")
    ask(alice, "SHOW backstop.tickets", prepare=True)
    got = wait_until(lambda: [r for r in ground.records(kind="judged", actor=alice.actor)
                              if "backstop." in r.get("statement", "")][1:])
    every = [r for r in ground.records(kind="judged", actor=alice.actor) if "backstop." in r.get("statement", "")]
    assert got and [(r["statement"], r["risk"], r["decision"]) for r in every] == [
        ("SHOW backstop.status", "SAFE", "allow"), ("SHOW backstop.tickets", "SAFE", "allow")]


# --- recovery points --------------------------------------------------------------------------


def test_points(ground, alice):
    assert ask(alice, "SHOW backstop.points") == {"v": 1, "points": []}
    ticket = ground.held(alice)
    ground.operator.decide(ticket, "approve")
    sql = f"DELETE FROM door.t WHERE id < {ground.used}"
    with ground.pg.admin() as c:
        rows = c.execute(f"SELECT count(*) FROM door.t WHERE id < {ground.used}").fetchone()[0]
    alice.execute(sql)
    point, = wait_until(lambda: [p for p in ask(alice, "SHOW backstop.points")["points"] if p["state"] == "committed"])
    assert point.pop("made")[-1] == "Z" and point.pop("point").startswith("RP-")
    assert point == {"ticket": ticket, "kind": "DELETE", "objects": ["door.t"], "rows": rows, "grade": "read-back",
                     "state": "committed"}
    with ground.connect(ground.actor()) as c:
        assert ask(c, "SHOW backstop.points")["points"] == []
    with ground.connect(alice.actor, "second") as c:
        assert ask(c, "SHOW backstop.points")["points"] == []


# --- EXPLAIN (BACKSTOP) -----------------------------------------------------------------------


def explain(c, sql, *params, how="EXPLAIN (BACKSTOP)", **more):
    (answer,), = c.execute(f"{how} {sql}", params or None, **more).fetchall()
    return json.loads(answer)


def left(ground):
    with ground.pg.admin() as c:
        return c.execute("SELECT count(*) FROM door.t").fetchone()[0]


@pytest.mark.parametrize("prepare", [False, True])
def test_explain(ground, alice, prepare):
    before = left(ground)
    with ground.pg.admin() as c:
        some = c.execute("SELECT count(*) FROM door.t WHERE id > 700").fetchone()[0]
    got = explain(alice, "DELETE FROM door.t WHERE id > 700", prepare=prepare)
    risk = got["risk"]
    assert risk in ("HIGH", "CRITICAL")
    assert got == {"v": 1, "risk": risk, "outcome": "asks", "recovery": "point", "statements": [
        {"kind": "DELETE", "risk": risk, "effects": [{"kind": "delete", "object": "door.t", "rows": some, "exact": True}]}]}
    got = explain(alice, "DROP TABLE door.t", prepare=prepare)
    assert (got["risk"], got["outcome"], got["recovery"]) == ("CRITICAL", "asks", "point")
    assert got["statements"][0]["effects"][0] == {"kind": "drop table", "object": "door.t", "rows": before, "exact": True}
    got = explain(alice, "SELECT count(*) FROM door.t", prepare=prepare)
    assert (got["risk"], got["outcome"], got["recovery"]) == ("SAFE", "runs", "none")
    assert explain(alice, "INSERT INTO door.log VALUES (1)", prepare=prepare)["outcome"] == "runs"
    got = explain(alice, "TRUNCATE door.t", how="explain(backstop, format json)", prepare=prepare)
    assert got["outcome"] == "refused"
    assert explain(alice, "DROP DATABASE app", prepare=prepare)["outcome"] == "refused"
    assert left(ground) == before
    assert ask(alice, "SHOW backstop.status")["open_tickets"] == 0
    assert not [t for t in ground.operator.tickets() if t["actor"] == alice.actor]


def test_explain_with_parameters(ground, alice):
    for _ in range(7):  # psycopg prepares it after five
        got = explain(alice, "DELETE FROM door.t WHERE id = %s", 800)
    assert got["statements"][0]["effects"][0]["rows"] == 1
    got = explain(alice, "DELETE FROM door.t WHERE id BETWEEN %s AND %s", 801, 804)
    assert got["statements"][0]["effects"][0] == {"kind": "delete", "object": "door.t", "rows": 4, "exact": True}
    alice.execute("PREPARE p AS DELETE FROM door.t WHERE id < $1")
    assert explain(alice, "EXECUTE p(3)")["statements"][0]["kind"] == "DELETE"


def test_explain_in_a_transaction(ground, alice):
    with alice.transaction():
        alice.execute("INSERT INTO door.log VALUES (3)")
        assert explain(alice, "DELETE FROM door.t WHERE id = 800")["outcome"] == "asks"
        alice.execute("INSERT INTO door.log VALUES (4)")
    with pytest.raises(psycopg.errors.InFailedSqlTransaction), alice.transaction():
        with pytest.raises(psycopg.errors.DivisionByZero):
            alice.execute("SELECT 1/0")
        explain(alice, "SELECT 1")


def test_explain_says_what_the_statement_would_have_been_told(ground, alice):
    for sql, want in (("DELETE FROM door.nothing", "42P01"), ("nonsense", "42601"), ("EXECUTE nothing", "26000"),
                      ("", "42601"), ("SHOW backstop.status", "0A000"), ("EXPLAIN (BACKSTOP) SELECT 1", "0A000"),
                      ("DELETE FROM door.t; DELETE FROM door.log", "0A000"), ("BEGIN; DELETE FROM door.t; COMMIT", "0A000"),
                      ("SELECT '" + "x" * 70000 + "'", "54000")):
        assert code(alice, f"EXPLAIN (BACKSTOP) {sql}") == want, sql[:40]
        assert code(alice, f"EXPLAIN (BACKSTOP) {sql}", prepare=True) == want, sql[:40]
    with pytest.raises(psycopg.Error) as e:
        alice.execute("/* ü */ EXPLAIN (BACKSTOP) SELECT 'ü' FRM x")
    text = "/* ü */ EXPLAIN (BACKSTOP) SELECT 'ü' FRM x"
    assert text[int(e.value.diag.statement_position) - 1:].startswith("x")
    for how in ("EXPLAIN (BACKSTOP, ANALYZE)", "EXPLAIN (ANALYZE, BACKSTOP)", "EXPLAIN (BACKSTOP false)",
                "EXPLAIN (BACKSTOP, FORMAT XML)"):
        assert code(alice, f"{how} DELETE FROM door.t") == "0A000"
    assert alice.execute("EXPLAIN (FORMAT JSON) SELECT 1").fetchone()[0][0]["Plan"]  # PostgreSQL's own
    assert alice.execute("EXPLAIN (SELECT 1 AS backstop)").fetchone()[0].startswith("Result")


def test_explain_is_on_record_and_no_evasion(ground, alice):
    secret = "ALTER ROLE app_trust PASSWORD 'hunter2'"
    denied = ground.held(alice)
    ground.operator.decide(denied, "deny")
    for n in range(8):  # other words for what was denied
        explain(alice, f"DELETE FROM door.t WHERE id < {ground.used} AND {n} = {n}")
        code(alice, "EXPLAIN (BACKSTOP) DELETE FROM door.nothing")
    explain(alice, secret)
    assert ask(alice, "SHOW backstop.status")["paused"] is False
    wait_until(lambda: any("PASSWORD" in r["statement"] for r in ground.records(kind="explained", actor=alice.actor)))
    got = ground.records(kind="explained", actor=alice.actor)
    assert len(got) == 17
    assert got[0]["statement"].strip() == f"DELETE FROM door.t WHERE id < {ground.used} AND 0 = 0"
    assert (got[0]["outcome"], got[0]["decision"], got[0]["statement_kind"]) == ("asks", "approve", "DELETE")
    assert got[0]["effects"][0]["object"] == "door.t"
    assert (got[1]["outcome"], got[1]["sqlstate"]) == ("refused", "42P01")
    assert not [r for r in ground.records(actor=alice.actor) if "hunter2" in json.dumps(r)]
    assert not ground.records(kind="evasion", actor=alice.actor)
    assert not [r for r in ground.records(kind="judged", actor=alice.actor) if "EXPLAIN" in r["statement"]]


@pytest.mark.parametrize("prepare", [False, True])
def test_what_is_refused_is_on_record_without_its_secrets(ground, alice, prepare):
    role, server = "ALTER ROLE app_trust PASSWORD 'hunter2'", "CREATE SUBSCRIPTION s CONNECTION 'password=hunter2' PUBLICATION p"
    refused = [f"{before} {sql}" for sql in (role, server, f"DO $$BEGIN {role}; END$$") for before in (
        "SHOW backstop.status;", 'SHOW backstop.ticket."x";', "EXPLAIN (BACKSTOP, ANALYZE)", "EXPLAIN (BACKSTOP) EXPLAIN (BACKSTOP)",
        "EXPLAIN (BACKSTOP) SHOW backstop.status;", "EXPLAIN (BACKSTOP) EXPLAIN (BACKSTOP, ANALYZE)", "EXPLAIN (BACKSTOP) SELECT 1;")]
    for sql in refused:
        assert code(alice, sql, prepare=prepare) == "0A000", sql

    def told():
        return [r for r in ground.records(actor=alice.actor) if r["kind"] in ("judged", "explained")]

    wait_until(lambda: len(told()) == len(refused))
    assert not [r["statement"] for r in told() if "hunter2" in json.dumps(r)]


def test_explain_is_paced(ground):
    one, other = ground.actor(), ground.actor()
    with ground.connect(one) as c, ground.connect(other) as free:
        codes, n = [], 0
        while "54000" not in codes and n < 400:
            n += 1
            try:
                explain(c, "SELECT 1")
            except psycopg.Error as e:
                codes.append(e.sqlstate)
                detail = json.loads(e.diag.message_detail)
        assert codes == ["54000"] and n > 60
        assert detail["retry"] == "wait" and 0 < detail["wait_ms"] <= 1000
        assert explain(free, "SELECT 1")["outcome"] == "runs"
        with ground.connect(one) as again:  # another connection is the same actor
            try:
                explain(again, "SELECT 1")
                explain(again, "SELECT 1")
                explain(again, "SELECT 1")
                raise AssertionError
            except psycopg.Error as e:
                assert e.sqlstate == "54000"
        assert ask(c, "SHOW backstop.status")["v"] == 1
        time.sleep(1.1)
        assert explain(c, "SELECT 1")["outcome"] == "runs"


def test_explain_waits_for_no_lock(ground, alice):
    with ground.pg.admin() as c, c.transaction():
        c.execute("LOCK TABLE door.t IN ACCESS EXCLUSIVE MODE")
        got = explain(alice, "DELETE FROM door.t WHERE id > 700")
        assert got["outcome"] == "asks" and not got["statements"][0]["effects"][0]["exact"]


def test_explain_is_cancelled_and_hung_up_on(ground, alice):
    sql = ("EXPLAIN (BACKSTOP) DELETE FROM door.t a WHERE EXISTS (SELECT FROM door.t b, door.t c, door.t d "
           "WHERE b.id + c.id + d.id = -a.id)")  # more than can be counted in the time for it
    for _ in range(5):
        with ground.raw(alice.actor) as raw:
            raw.send(query(sql))
            time.sleep(0.1)
    with ground.raw(alice.actor) as raw:
        pid, secret = next(struct.unpack("!I", m[1][:4]) + (m[1][4:],) for m in raw.seen if m[0] == b"K")
        for sent in (query(sql), parse("", sql) + bind("", "") + execute() + SYNC):
            raw.send(sent)
            time.sleep(0.2)
            with Raw(ground.gateway.port) as other:
                other.send(cancel_request(pid, secret))
                assert other.closed()
            got = raw.until()
            errors = [report(m[1])["C"] for m in got if m[0] == b"E"]
            assert errors in (["57014"], []) and got[-1][1] == b"I"  # it may have been quicker
        raw.send(query("SHOW backstop.status"))
        assert answers(raw.until())[0]["open_tickets"] == 0


def test_explain_sees_what_others_have_just_made(ground, alice):
    with ground.pg.admin() as c:
        c.execute("SET ROLE app_trust; CREATE TABLE door.fresh AS SELECT generate_series(1, 5) AS id")
    got = explain(alice, "DELETE FROM door.fresh")
    assert got["statements"][0]["effects"][0]["rows"] == 5


def test_nobody_to_ask(ground):
    gateway = Gateway(ground.pg)
    with running(gateway, "bob"), gateway.connect("bob", autocommit=True) as c:
        assert explain(c, "DELETE FROM door.t")["outcome"] == "refused"


def test_explain_tells_no_rows_that_the_role_cannot_read(ground, alice):
    """The helper sees everything: its numbers would tell of it, one condition after the other."""
    with ground.pg.admin() as c:
        c.execute("""
            CREATE TABLE door.secret (v int); INSERT INTO door.secret SELECT generate_series(1, 9);
            GRANT DELETE, INSERT ON door.secret TO app_trust;
            CREATE TABLE door.mine (v int, who text); INSERT INTO door.mine SELECT generate_series(1, 9), 'x';
            ALTER TABLE door.mine OWNER TO app_trust;
            CREATE TABLE door.rls (v int); INSERT INTO door.rls SELECT generate_series(1, 9);
            GRANT ALL ON door.rls TO app_trust; ALTER TABLE door.rls ENABLE ROW LEVEL SECURITY;
            CREATE POLICY p ON door.rls USING (v < 3);
            CREATE SCHEMA shut; CREATE TABLE shut.t (v int); INSERT INTO shut.t SELECT generate_series(1, 9);
            GRANT ALL ON shut.t TO app_trust;""")
    known = explain(alice, "DELETE FROM door.mine WHERE v > 4")["statements"][0]["effects"][0]
    assert (known["rows"], known["exact"]) == (5, True)
    for sql in ("DELETE FROM door.secret", "DELETE FROM door.secret WHERE v > 4", "TRUNCATE door.secret", "DROP TABLE door.secret",
                "DELETE FROM door.rls", "DELETE FROM door.mine WHERE v IN (SELECT v FROM door.secret)",
                "UPDATE door.mine m SET v = 1 FROM door.secret s WHERE s.v = m.v",
                "WITH s AS (SELECT v FROM door.secret) DELETE FROM door.mine WHERE v < (SELECT max(v) FROM s)"):
        said = {json.dumps([explain(alice, sql)["risk"], [e["rows"] for e in explain(alice, sql)["statements"][0]["effects"]]])}
        assert said == {'["CRITICAL", [null]]'}, (sql, said)
    for sql in ("DELETE FROM shut.t WHERE v > 4", "TRUNCATE shut.t", "DELETE FROM door.mine WHERE v IN (SELECT v FROM shut.t)",
                "DROP SCHEMA shut CASCADE"):
        assert [e["rows"] for e in explain(alice, sql)["statements"][0]["effects"]] == [None], sql
    with ground.pg.admin() as c:
        c.execute("DROP TABLE door.secret, door.mine, door.rls; DROP SCHEMA shut CASCADE")
