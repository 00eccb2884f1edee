"""Paused by an operator: nothing new runs but ROLLBACK - of an actor, in a database, or at all."""

import contextlib
import json
import subprocess
import threading
import time

import psycopg
import pytest

from conftest import Gateway, binary, running, wait_until
from operator_side import Operator
from rawwire import FLUSH, SYNC, Raw, bind, execute, message, parse, query, report
from test_api import ask

ODD = "we'ird/ä %&?=x"  # a database may be called anything
RULES = [
    {"name": "rows", "kinds": ["INSERT", "COPY FROM STDIN"], "objects": ["pau.*"], "action": "allow"},
    {"name": "few", "kinds": ["DELETE"], "objects": ["pau.kept"], "risk": ["HIGH"], "action": "allow"},
]
SCHEMA = """
DROP SCHEMA IF EXISTS pau CASCADE;
CREATE SCHEMA pau AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE pau.t (id int);
CREATE TABLE pau.kept (id int PRIMARY KEY);
CREATE TABLE pau.held (id int PRIMARY KEY);
CREATE TABLE pau.whole (id int PRIMARY KEY);
INSERT INTO pau.whole VALUES (1), (2);
INSERT INTO pau.kept SELECT generate_series(1, 1000);
INSERT INTO pau.held SELECT generate_series(1, 1000);
RESET ROLE;
"""
PAUSED = {"v": 1, "state": "paused"}


class Ground:
    def __init__(self, pg, hold="0s", **more):
        self.pg = pg
        with pg.admin() as c:
            c.execute(SCHEMA)
        place = pg.conninfo("app_trust")
        self.gateway = Gateway(pg, {"app": place, ODD: place}, policy={"rules": RULES, **more},
                               extra={"hold": {"wait": hold}})
        self.who = {role: Operator(self.gateway, role[:3], role) for role in ("viewer", "approver", "admin")}
        self.n = 0

    def actor(self):
        self.n += 1
        name = f"a.{self.n}_x-y"
        self.gateway.add_agent(name)
        return name

    def connect(self, actor, dbname="app", **more):
        return self.gateway.connect(actor, dbname, **{"autocommit": True, **more})

    def raw(self, actor):
        raw = Raw(self.gateway.port, timeout=30)
        raw.login(actor, self.gateway.passwords[actor])
        return raw

    def pause(self, scope, name=None, role="approver", **more):
        body = {"scope": scope, "reason": "because", **more, **({"name": name} if name else {})}
        return self.who[role].ask("POST", "/v1/pauses", body)

    def resume(self, scope, name=None, role="admin"):
        return self.verb("resume", *target(scope, name), role=role)

    def verb(self, *args, role="admin"):
        return subprocess.run([binary(), *args, "--server", self.who[role].base], capture_output=True,
                              text=True, timeout=60, check=False,
                              env={**self.gateway.env, "BACKSTOP_TOKEN": self.who[role].token})

    @contextlib.contextmanager
    def paused(self, scope, name=None, **more):
        status, answer = self.pause(scope, name, **more)
        assert status == 200, answer
        try:
            yield
        finally:
            out = self.resume(scope, name)
            assert out.returncode == 0, out.stderr

    def rows(self, table, where="true"):
        with self.pg.admin() as c:
            return c.execute(f"SELECT count(*) FROM pau.{table} WHERE {where}").fetchone()[0]

    def backends(self, actor):
        with self.pg.admin() as c:
            return c.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE %s",
                             (f"%{actor}%",)).fetchone()[0]

    def records(self, **want):
        lines = self.gateway.cli("audit", "tail", "-n", "100000", "--json").stdout.splitlines()
        return [r for r in map(json.loads, lines) if all(r.get(k) == v for k, v in want.items())]


def target(scope, name):
    return {"actor": ("--agent", name), "database": ("--database", name), "everything": ("--all",)}[scope]


def is_paused(c, sql="SELECT 1"):
    with pytest.raises(psycopg.Error) as e:
        c.execute(sql)
    assert e.value.diag.sqlstate == "ZB006", e.value
    assert json.loads(e.value.diag.message_detail) == PAUSED
    assert "because" not in str(e.value) and "127.0.0.1" not in str(e.value)
    return e.value.diag.message_primary


def codes(messages):
    """The SQLSTATEs and tags of what came."""
    return [report(m[1])["C"] if m[0] == b"E" else m[1].rstrip(b"\0").decode()
            for m in messages if m and m[0] in (b"E", b"C")]


@pytest.fixture(scope="module")
def ground(pg):
    ground = Ground(pg)
    with running(ground.gateway):
        yield ground


# --- what is paused, and what is not -----------------------------------------------------------


@pytest.mark.parametrize("scope", ["actor", "database", "everything"])
def test_nothing_new_runs(ground, scope):
    one, other = ground.actor(), ground.actor()
    with ground.connect(one, ODD) as c, ground.connect(other) as free:
        name = {"actor": one, "database": ODD, "everything": None}[scope]
        for _ in range(3):
            c.execute("SELECT 1")  # its verdict is kept
        with ground.paused(scope, name):
            said = {is_paused(c, sql) for sql in (
                "SELECT 1", "SELECT count(*) FROM pau.t", "INSERT INTO pau.t VALUES (1)", "BEGIN", "COMMIT",
                "SHOW search_path", "SET search_path = pau", "LISTEN x", "DECLARE x CURSOR FOR SELECT 1", "RESET ALL", "DELETE FROM pau.held",
                "ROLLBACK; SELECT 1", "SELECT 1; ROLLBACK", "ROLLBACK AND CHAIN", "nonsense", "FETCH x",
                "DO 'BEGIN END'", "ROLLBACK PREPARED 'x'", "ROLLBACK TO x", "COPY pau.t FROM STDIN", "-- \n SELECT 1")}
            assert len(said) == 1 and {"actor": "user", "database": "database", "everything": "gateway"}[scope] in said.pop()
            for left in ("ROLLBACK", "", "DEALLOCATE ALL", "CLOSE ALL", "ABORT"):
                c.execute(left)
            if scope != "everything":
                free.execute("INSERT INTO pau.t VALUES (2)")
            else:
                is_paused(free)
        c.execute("SELECT 1")  # the same session goes on
        assert ground.rows("t", "id = 1") == 0


def test_logins_are_refused_to_who_proves_who_they_are(ground):
    one = ground.actor()
    with ground.paused("actor", one):
        before = ground.backends(one)
        raw = Raw(ground.gateway.port, timeout=30)
        got = raw.login(one, ground.gateway.passwords[one])
        error = report(next(m for m in got if m and m[0] == b"E")[1])
        assert (error["S"], error["C"], json.loads(error["D"])) == ("FATAL", "ZB006", PAUSED)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            ground.connect(one, password="wrong")
        assert ground.backends(one) == before
        why = wait_until(lambda: ground.records(kind="session_open", actor=one, outcome="refused"))
        assert "ZB006" in {r["sqlstate"] for r in why}
    ground.connect(one).close()


def test_two_pauses_are_two(ground):
    one = ground.actor()
    with ground.connect(one) as c:
        with ground.paused("actor", one), ground.paused("everything"):
            is_paused(c)
            assert ground.resume("actor", one).returncode == 0
            assert "gateway" in is_paused(c)
            assert ground.pause("actor", one)[0] == 200
        c.execute("SELECT 1")


# --- transactions ------------------------------------------------------------------------------


def test_an_open_transaction_cannot_commit(ground):
    one = ground.actor()
    with ground.connect(one) as c:
        for last in ("COMMIT", "END", "PREPARE TRANSACTION 'x'", "SELECT 1", "COMMIT AND CHAIN"):
            c.execute("BEGIN")
            c.execute("INSERT INTO pau.t VALUES (10)")
            with ground.paused("actor", one):
                is_paused(c, last)
                with pytest.raises(psycopg.errors.InFailedSqlTransaction):
                    c.execute("SELECT 1")
                c.execute("ROLLBACK")
                assert c.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert ground.rows("t", "id = 10") == 0


def test_a_guarded_transaction_cannot_commit(ground):
    one = ground.actor()
    with ground.connect(one) as c:
        c.execute("BEGIN")
        assert c.execute("DELETE FROM pau.kept WHERE id = 1").rowcount == 1
        with ground.paused("database", "app"):
            is_paused(c, "COMMIT")
            c.execute("ROLLBACK")
        assert ground.rows("kept", "id = 1") == 1
        c.execute("BEGIN")
        c.execute("DELETE FROM pau.kept WHERE id = 1")
        c.execute("COMMIT")
        assert ground.rows("kept", "id = 1") == 0


def test_commit_and_pause_at_the_same_moment(ground):
    """Whoever is first: what is told of a COMMIT is so, and none is told to have been refused that happened."""
    one = ground.actor()
    with ground.connect(one) as c:
        for n in range(20, 40):
            c.execute("BEGIN")
            c.execute(f"INSERT INTO pau.t VALUES ({n})")
            pauser = threading.Thread(target=ground.pause, args=("actor", one))
            pauser.start()
            try:
                c.execute("COMMIT")
                done = True
            except psycopg.Error as e:
                assert e.sqlstate == "ZB006"
                done = False
            pauser.join()
            is_paused(c) if done else c.execute("ROLLBACK")
            assert ground.rows("t", f"id = {n}") == done
            assert ground.who["admin"].ask("DELETE", f"/v1/pauses?scope=actor&name={one}")[0] == 200


# --- the extended protocol ---------------------------------------------------------------------


def test_what_was_prepared_and_bound_before(ground):
    one = ground.actor()
    with ground.raw(one) as raw:
        raw.send(parse("s", "INSERT INTO pau.t VALUES (50)") + parse("r", "ROLLBACK") + parse("b", "BEGIN") + SYNC)
        raw.until(b"Z")
        raw.send(bind("", "b") + execute() + SYNC)
        assert codes(raw.until(b"Z")) == ["BEGIN"]
        raw.send(bind("p", "s") + SYNC)  # to be executed later
        raw.until(b"Z")
        with ground.paused("actor", one):
            raw.send(execute("p") + SYNC)
            assert codes(raw.until(b"Z")) == ["ZB006"]
            raw.send(bind("", "r") + execute() + SYNC)
            assert codes(raw.until(b"Z")) == ["ROLLBACK"]
            raw.send(bind("", "s") + execute() + SYNC)
            assert codes(raw.until(b"Z")) == ["ZB006"]
            raw.send(bind("", "r") + execute() + execute("p") + SYNC)
            assert "ZB006" in codes(raw.until(b"Z"))
            raw.send(parse("", "DEALLOCATE nothing") + bind("", "") + execute("p") + SYNC)
            assert codes(raw.until(b"Z")) == ["ZB006"]
            raw.send(parse("", "") + bind("", "") + execute() + SYNC)
            assert [m[0] for m in raw.until(b"Z")] == [b"1", b"2", b"I", b"Z"]
            raw.send(parse("", "SELECT 1") + bind("", "") + execute() + SYNC)
            assert codes(raw.until(b"Z")) == ["ZB006"]
            raw.send(message(b"F", b"\0\0\0\x01\0\0\0\0\0\0") + b"")
            assert codes(raw.until(b"Z"))[0] in ("ZB006", "0A000")
    assert ground.rows("t", "id = 50") == 0


def test_rows_that_are_still_to_come(ground):
    """A portal that stopped after some rows gives no more of them."""
    one = ground.actor()
    with ground.raw(one) as raw:
        raw.send(parse("", "SELECT generate_series(1, 10)") + bind("p", "") + execute("p", 2) + FLUSH)
        assert [m[0] for m in raw.until(b"s")] == [b"1", b"2", b"D", b"D", b"s"]
        with ground.paused("actor", one):
            raw.send(execute("p", 2) + SYNC)
            assert codes(raw.until(b"Z")) == ["ZB006"]


@pytest.mark.parametrize("ending", [SYNC, query(""), query("DEALLOCATE ALL"),
                                    parse("", "") + bind("", "") + execute() + SYNC])
def test_a_series_that_is_open_cannot_commit(ground, ending):
    """What it has done is not committed before its Sync, and that comes when nothing may begin any more."""
    one = ground.actor()
    with ground.raw(one) as raw:
        raw.send(parse("", "INSERT INTO pau.t VALUES (90)") + bind("", "") + execute() + FLUSH)
        raw.until(b"C")
        with ground.paused("actor", one):
            raw.send(ending)
            assert codes(raw.until(b"Z"))[0] == "ZB006"
        raw.send(query("SELECT 1"))
        while "SELECT 1" not in codes(raw.until(b"Z")):
            pass
    assert ground.rows("t", "id = 90") == 0


def test_a_pipeline_stops(ground):
    """What is sent behind the statement that runs is looked at when its turn comes."""
    one = ground.actor()
    with ground.raw(one) as raw:
        raw.send(query("SELECT pg_sleep(1)"))
        wait_until(lambda: running_now(ground, one))
        with ground.paused("actor", one):
            raw.send(b"".join(parse("", f"INSERT INTO pau.t VALUES ({n})") + bind("", "") + execute() + SYNC
                              for n in (60, 61, 62)) + query("INSERT INTO pau.t VALUES (63)"))
            got = [code for _ in range(5) for code in codes(raw.until(b"Z"))]
            assert got == ["SELECT 1", "ZB006", "ZB006", "ZB006", "ZB006"]
    assert ground.rows("t", "id BETWEEN 60 AND 63") == 0


def test_what_has_not_begun_to_run(ground):
    """It still waits for its lock, or is being kept, when the pause comes; an approval is not used up by it."""
    one, sql, table = ground.actor(), "TRUNCATE pau.whole", "pau.whole"
    with ground.raw(one) as raw, ground.connect(one) as c, ground.pg.admin() as lock:
        count = f"SELECT count(*) FROM {table}"
        before = lock.execute(count).fetchone()
        ticket = held(c, sql)
        ground.who["approver"].decide(ticket, "approve")
        with lock.transaction():
            lock.execute(f"LOCK {table} IN ROW EXCLUSIVE MODE")
            raw.send(query(sql))
            wait_until(lambda: lock.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone())
            assert ground.pause("actor", one)[0] == 200
        assert codes(raw.until(b"Z")) == ["ZB006"]
        assert ground.resume("actor", one).returncode == 0 and lock.execute(count).fetchone() == before
        wait_until(lambda: ground.who["viewer"].ask("GET", f"/v1/tickets/{ticket}")[1]["state"] == "approved")
        c.execute(sql)
        assert ground.rows("whole") == 0


def running_now(ground, actor):
    with ground.pg.admin() as c:
        return c.execute("SELECT pid FROM pg_stat_activity WHERE application_name LIKE %s AND state = 'active'"
                         " AND query LIKE '%%pg_sleep%%'", (f"%{actor}%",)).fetchone()


# --- what runs ---------------------------------------------------------------------------------


def test_what_runs_may_end(ground):
    one = ground.actor()
    with ground.raw(one) as raw, ground.connect(ground.actor()) as other:
        raw.send(query("SELECT pg_sleep(0.7)"))
        wait_until(lambda: running_now(ground, one))
        with ground.paused("everything"):
            assert codes(raw.until(b"Z")) == ["SELECT 1"]
            is_paused(other)


def test_cancel_ends_what_runs_and_what_is_open(ground):
    one = ground.actor()
    with (ground.raw(one) as busy, ground.connect(one) as idle, ground.connect(one) as opened,
          ground.raw(one) as series):
        opened.execute("BEGIN")
        opened.execute("INSERT INTO pau.t VALUES (70)")
        series.send(parse("", "INSERT INTO pau.t VALUES (71)") + bind("", "") + execute() + FLUSH)
        series.until(b"C")
        busy.send(query("SELECT pg_sleep(30)"))
        wait_until(lambda: running_now(ground, one))
        began = time.monotonic()
        with ground.paused("actor", one, cancel=True):
            for raw in (busy, series):
                error = report(next(m for m in raw.until(b"E") if m[0] == b"E")[1])
                assert (error["S"], error["C"], json.loads(error["D"])) == ("FATAL", "ZB006", PAUSED)
                assert ("took effect" in error["H"]) == (raw is busy)
            assert time.monotonic() - began < 3
            wait_until(lambda: ground.backends(one) == 1)
            with pytest.raises(psycopg.Error):
                opened.execute("SELECT 1")
            assert opened.closed
            is_paused(idle)
        idle.execute("SELECT 1")
    assert ground.rows("t", "id IN (70, 71)") == 0


def test_cancel_can_be_said_later(ground):
    one = ground.actor()
    with ground.raw(one) as raw:
        raw.send(query("SELECT pg_sleep(30)"))
        wait_until(lambda: running_now(ground, one))
        with ground.paused("actor", one):
            time.sleep(1.2)  # a round of the keeper ends nothing
            assert running_now(ground, one)
            assert ground.pause("actor", one, cancel=True)[0] == 200
            assert raw.error()["C"] == "ZB006"
            wait_until(lambda: not running_now(ground, one))


@pytest.mark.parametrize("cancel", [False, True])
def test_a_copy_that_is_under_way(ground, cancel):
    one = ground.actor()
    at = 80 + cancel
    with ground.raw(one) as raw:
        raw.send(query("COPY pau.t FROM STDIN"))
        raw.until(b"G")
        raw.send(message(b"d", b"%d\n" % at))
        with ground.paused("actor", one, cancel=cancel):
            if cancel:
                assert raw.error()["C"] == "ZB006"
            else:
                raw.send(message(b"d", b"%d\n" % at) + message(b"c"))
                assert codes(raw.until(b"Z")) == ["COPY 2"]
    assert ground.rows("t", f"id = {at}") == (0 if cancel else 2)


def test_a_copy_of_a_series_may_end(ground):
    one = ground.actor()
    with ground.raw(one) as raw:
        raw.send(parse("", "COPY pau.t FROM STDIN") + bind("", "") + execute() + SYNC)
        raw.until(b"G")
        with ground.paused("actor", one):
            raw.send(message(b"d", b"91\n") + message(b"c") + SYNC)
            assert codes(raw.until(b"Z")) == ["COPY 1"]
    assert ground.rows("t", "id = 91") == 1


def test_who_only_listens_hears_on(ground):
    one = ground.actor()
    with ground.connect(one) as c:
        c.execute("LISTEN pau")
        with ground.paused("actor", one, cancel=True):
            with ground.pg.admin() as admin:
                admin.execute("NOTIFY pau, 'still'")
            assert next(c.notifies(timeout=10)).payload == "still"
            is_paused(c, "UNLISTEN *")


# --- tickets -----------------------------------------------------------------------------------


def held(c, sql):
    with pytest.raises(psycopg.Error) as e:
        c.execute(sql)
    assert e.value.sqlstate == "ZB001", e.value
    return json.loads(e.value.diag.message_detail)["ticket"]


def test_an_approved_ticket_waits_for_the_resume(ground):
    one, sql = ground.actor(), "DELETE FROM pau.held WHERE id = 1"
    with ground.connect(one) as c:
        ticket = held(c, sql)
        with ground.paused("actor", one):
            ground.who["approver"].decide(ticket, "approve")
            is_paused(c, sql)
            assert ground.who["viewer"].ask("GET", f"/v1/tickets/{ticket}")[1]["state"] == "approved"
            assert ground.rows("held", "id = 1") == 1
        assert c.execute(sql).rowcount == 1
        wait_until(lambda: ground.who["viewer"].ask("GET", f"/v1/tickets/{ticket}")[1]["state"] == "done")


@pytest.mark.parametrize("cancel", [False, True])
@pytest.mark.parametrize("block", [False, True])
def test_what_is_held_is_let_go_of(patient, cancel, block):
    """It need not wait for its time to be over, and its session stays."""
    one, at = patient.actor(), 2 + cancel + 2 * block
    with patient.raw(one) as raw:
        if block:
            raw.send(query("BEGIN"))
            raw.until(b"Z")
        raw.send(query(f"DELETE FROM pau.held WHERE id = {at}"))
        raw.until(b"N")
        ticket = patient.who["viewer"].next_ticket()["id"]
        with patient.paused("actor", one, cancel=cancel):
            assert codes(raw.until(b"Z")) == ["ZB006"]
            assert patient.who["viewer"].ask("GET", f"/v1/tickets/{ticket}")[1]["state"] == "pending"
            patient.who["approver"].decide(ticket, "approve")
        if block:
            raw.send(query("ROLLBACK"))
            raw.until(b"Z")
        raw.send(query(f"DELETE FROM pau.held WHERE id = {at}"))
        assert codes(raw.until(b"Z")) == ["DELETE 1"]


@pytest.fixture(scope="module")
def patient(pg, ground):
    """Where what is held waits for a minute."""
    other = Ground(pg, hold="60s")
    with running(other.gateway):
        yield other


# --- what lasts, and who may -------------------------------------------------------------------


def test_it_lasts_over_a_restart_and_counts_in_shadow_mode(pg, ground):
    other = Ground(pg, mode="shadow")
    with running(other.gateway):
        one, two = other.actor(), other.actor()
        assert other.pause("actor", one)[0] == 200
        assert other.gateway.stop() == 0
        other.gateway.start()
        raw = Raw(other.gateway.port)
        assert any(m and m[0] == b"E" and report(m[1])["C"] == "ZB006"
                   for m in raw.login(one, other.gateway.passwords[one]))
        with other.connect(two) as c:
            c.execute("DELETE FROM pau.held WHERE id = 900")  # shadow: it is only said
            with other.paused("everything"):
                is_paused(c, "DELETE FROM pau.held WHERE id = 901")
        assert other.rows("held", "id = 901") == 1


def test_who_may(ground):
    one = ground.actor()
    assert ground.pause("actor", one, role="viewer")[0] == 403
    assert ground.verb("pause", "--agent", one, "--reason", "x", role="viewer").returncode == 77
    assert ground.verb("pause", "--agent", one, "--reason", "x", role="approver").returncode == 0
    assert ground.resume("actor", one, role="approver").returncode == 77
    assert ground.resume("actor", one).returncode == 0
    for path in ("/v1/pauses", "/v1/pauses?scope=everything"):  # an agent's credential opens nothing
        assert ask(ground.gateway, "DELETE" if "?" in path else "GET", path,
                   token=ground.gateway.passwords[one]).status == 401


def test_resume_ends_a_quarantine(ground):
    one = ground.actor()
    with ground.connect(one) as c:
        assert ground.who["admin"].ask("POST", f"/v1/actors/{one}/quarantine", {})[0] == 200
        wait_until(lambda: refused(c, "INSERT INTO pau.t VALUES (90)"))
        c.execute("SELECT 1")
        out = ground.verb("resume", "--agent", one, "--reason", "talked")
        assert out.stdout == f"agent {one} is out of quarantine\n"
        wait_until(lambda: not refused(c, "INSERT INTO pau.t VALUES (91)"))
    detail = wait_until(lambda: ground.records(action="resume", subject=one))[0]["detail"]
    assert detail == {"scope": "actor", "reason": "talked", "pause": False, "quarantine": True}


def refused(c, sql):
    try:
        c.execute(sql)
    except psycopg.Error as e:
        assert e.sqlstate == "ZB006", e
        return True
    return False


@pytest.mark.parametrize("args,status", [
    (("pause",), 64), (("pause", "--all"), 64), (("pause", "--all", "--reason", " "), 65),
    (("pause", "--all", "--agent", "x", "--reason", "x"), 64), (("pause", "--list", "--all"), 64),
    (("pause", "--agent", "nobody", "--reason", "x"), 65), (("pause", "--agent", "No Name", "--reason", "x"), 64),
    (("pause", "--database", "nowhere", "--reason", "x"), 65), (("resume",), 64), (("resume", "--all"), 1),
    (("resume", "--agent", "nobody"), 1), (("resume", "--database", "?scope=everything"), 1)])
def test_what_cannot_be_is_refused(ground, args, status):
    out = ground.verb(*args)
    assert out.returncode == status and out.stderr.startswith("backstop: error: "), (out, out.stderr)
    assert ground.who["viewer"].ask("GET", "/v1/pauses")[1] == {"pauses": []}


def test_it_is_seen(ground):
    one = ground.actor()
    why = "it \"loops\" \x1b[31m & more"
    assert ground.verb("pause", "--database", ODD, "--reason", why, "--cancel").stdout == f"database {ODD} is paused\n"
    assert json.loads(ground.verb("pause", "--agent", one, "--reason", "it", "--json").stdout)["pauses"][1]["name"] == one
    listed = json.loads(ground.verb("pause", "--list", "--json").stdout)["pauses"]
    assert [(p["scope"], p["name"], p["reason"], p["cancel"], p["by"]) for p in listed] == [
        ("database", ODD, why, True, "operator:adm"), ("actor", one, "it", False, "operator:adm")]
    shown = ground.verb("pause", "--list").stdout
    assert ODD in shown and "\x1b" not in shown
    agents = ground.gateway.cli("agents", "list").stdout
    assert f"database {ODD} is paused since" in agents and f"\n{one} is paused since" in agents and "\x1b" not in agents
    agent = ground.who["viewer"].ask("GET", f"/v1/actors/{one}")[1]
    assert agent["status"] == "paused" and agent["paused"]
    metrics = ask(ground.gateway, "GET", "/metrics").text
    assert 'backstop_pauses{scope="actor"} 1' in metrics and 'backstop_pauses{scope="database"} 1' in metrics
    assert ground.resume("database", ODD).returncode == 0 and ground.resume("actor", one).returncode == 0
    wait_until(lambda: {"scope": "database", "reason": why, "cancel": True} in
               [r["detail"] for r in ground.records(action="pause", subject=ODD)])
    assert wait_until(lambda: ground.records(action="resume", subject=ODD))[-1]["operator"] == "operator:adm"
    assert ground.who["viewer"].ask("GET", f"/v1/actors/{one}")[1]["status"] == "active"
