"""What an operator denied, or the policy blocks, asked for again in other words."""

import json
import os
import sqlite3
import subprocess
import time

import psycopg
import pytest

from conftest import Gateway, binary, running, wait_until
from operator_side import Operator
from rawwire import SYNC, Raw, bind, execute, parse, query, report

SCHEMA = """
DROP SCHEMA IF EXISTS ev CASCADE;
CREATE SCHEMA ev AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE ev.audit (id int PRIMARY KEY, a text, b text);
CREATE TABLE ev.other (id int PRIMARY KEY, a text);
CREATE TABLE ev.third (id int PRIMARY KEY, a text);
INSERT INTO ev.audit SELECT n, 'a', 'b' FROM generate_series(1, 50) n;
INSERT INTO ev.other SELECT n, 'a' FROM generate_series(1, 50) n;
INSERT INTO ev.third SELECT n, 'a' FROM generate_series(1, 50) n;
CREATE FUNCTION ev.wipe() RETURNS int LANGUAGE plpgsql AS
 $$BEGIN EXECUTE 'DELE' || 'TE FROM ev.aud' || 'it'; RETURN 1; END$$;
RESET ROLE;
"""
RULES = [{"name": "no truncate", "actors": ["blocked-*"], "kinds": ["TRUNCATE"], "action": "block"},
         {"name": "free", "actors": ["free"], "action": "allow", "risk": ["SAFE", "HIGH", "CRITICAL"]}]


def policy(limit=1000, window="1h"):
    return {"evasion": {"window": window, "limit": limit}, "rules": RULES}


class Ground:
    """A gateway whose agents are made as they are needed: nobody has a past."""

    def __init__(self, pg, **more):
        self.pg = pg
        self.gateway = Gateway(pg, policy=policy(**more), extra={"hold": {"wait": "0s"}})
        self.operator = Operator(self.gateway)
        self.n = 0

    def actor(self, kind="agent"):
        self.n += 1
        name = f"{kind}-{self.n}"
        self.gateway.add_agent(name)
        return name

    def connect(self, actor, **more):
        return self.gateway.connect(actor, **{"autocommit": True, **more})

    def ask(self, connection, sql, params=None):
        """(SQLSTATE, DETAIL as JSON) of a statement that is refused."""
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(sql, params)
        d = caught.value.diag
        for text in (d.message_primary, d.message_hint or ""):
            for word in ("evasion", "rule", "limit", "words", "policy"):
                assert word not in text.lower(), text
        return d.sqlstate, json.loads(d.message_detail) if d.message_detail else None

    def deny(self, connection, sql):
        """Asks, and has it denied; the ticket."""
        code, detail = self.ask(connection, sql)
        assert code == "ZB001", code
        self.operator.decide(detail["ticket"], "deny")
        return detail["ticket"]

    def ticket(self, ticket):
        status, answer = self.operator.ask("GET", f"/v1/tickets/{ticket}")
        assert status == 200
        return answer

    def audit(self, actor, kind="evasion"):
        found = []
        for path in sorted((self.gateway.folder / "audit").glob("audit-*.jsonl")):
            for line in path.read_text().splitlines():
                record = json.loads(line)
                if record["kind"] == kind and record.get("actor") == actor:
                    found.append(record)
        return found

    def agent(self, name):
        agents = json.loads(self.gateway.cli("agents", "list", "--json").stdout)
        return next(a for a in agents if a["name"] == name)


@pytest.fixture(scope="module")
def made(pg):
    with pg.admin() as c:
        c.execute(SCHEMA)
    ground = Ground(pg)
    with running(ground.gateway):
        yield ground


@pytest.fixture
def strict(pg):
    """One more evasion than one is too many."""
    with pg.admin() as c:
        c.execute(SCHEMA)
    ground = Ground(pg, limit=1)
    with running(ground.gateway):
        yield ground


# What empties ev.audit, in the words of people and programs that were told no.
OTHER_WORDS = [
    "TRUNCATE ev.audit",
    "DELETE FROM ev.audit WHERE true",
    "DELETE FROM ev.audit WHERE id % 1 = 0",
    "DELETE FROM ev.audit WHERE id IS NOT NULL",
    "DELETE FROM ev.audit AS x WHERE x.id >= 0 OR x.id < 0",
    "WITH d AS (DELETE FROM ev.audit RETURNING *) SELECT count(*) FROM d",
    "UPDATE ev.audit SET a = NULL, b = NULL",
    "ALTER TABLE ev.audit ALTER COLUMN a TYPE text USING NULL",
    "ALTER TABLE ev.audit DROP COLUMN a",
    "DROP TABLE ev.audit",
    "DROP TABLE ev.audit, ev.other",
    "DROP SCHEMA ev CASCADE",
    "DROP OWNED BY app_trust CASCADE",
    "EXPLAIN ANALYZE DELETE FROM ev.audit",
    "DO $$BEGIN EXECUTE 'DELE' || 'TE FROM ev.audit'; END$$",
    "DO $$BEGIN DELETE FROM ev.audit; END$$",
    "MERGE INTO ev.audit x USING ev.other o ON true WHEN MATCHED THEN DELETE",
    "DELETE FROM ev.audit USING ev.other",
    "COPY (DELETE FROM ev.audit RETURNING id) TO STDOUT",
]


@pytest.mark.parametrize("sql", OTHER_WORDS)
def test_other_words(made, sql):
    actor = made.actor()
    with made.connect(actor) as c:
        denied = made.deny(c, "DELETE FROM ev.audit")
        code, detail = made.ask(c, sql)
        assert code in ("ZB001", "ZB004"), code
        [record] = wait_until(lambda: made.audit(actor))
        assert record["ticket"] == denied and record["detail"]["sure"], record
        if code == "ZB001":
            shown = made.ticket(detail["ticket"])
            assert shown["evades"]["of"] == denied and shown["evades"]["sure"]
            assert f"asked for before in other words: {denied}, denied" in shown["evades"]["text"]


def test_prepared(made):
    actor = made.actor()
    with made.connect(actor) as c:
        made.deny(c, "DELETE FROM ev.audit")
        c.execute("PREPARE d AS DELETE FROM ev.audit WHERE id > 0")
        assert made.ask(c, "EXECUTE d")[0] == "ZB001"
        assert made.audit(actor)[0]["detail"]["sure"]


def test_cursor_and_bind(made):
    """A portal of DELETE ... RETURNING is judged when it is bound, with its values."""
    actor = made.actor()
    with made.connect(actor) as c:
        denied = made.deny(c, "DELETE FROM ev.audit")
        code, detail = made.ask(c, "DELETE FROM ev.audit WHERE id > %s RETURNING id", [0])
        assert code == "ZB001"
        assert made.ticket(detail["ticket"])["evades"]["of"] == denied
    raw = Raw(made.gateway.port, timeout=20)
    raw.login(actor, made.gateway.passwords[actor])
    raw.send(parse("s", "DELETE FROM ev.audit WHERE id <> $1 RETURNING id") +
             bind("p", "s", "0") + execute("p", 1) + SYNC)
    error = report(dict(raw.until(b"Z"))[b"E"])
    assert error["C"] == "ZB001", error
    assert len(made.audit(actor)) == 2


def test_a_function_that_nobody_has_read(made):
    """It may do the same: operators are told, the actor's count is not touched."""
    actor = made.actor()
    with made.connect(actor) as c:
        denied = made.deny(c, "DELETE FROM ev.audit")
        assert made.ask(c, "SELECT ev.wipe()")[0] in ("ZB001", "ZB004")
        [record] = wait_until(lambda: made.audit(actor))
        assert record["ticket"] == denied and not record["detail"]["sure"]
        assert record["detail"]["tried"] == 0


LESS_OR_OTHER = [
    "DELETE FROM ev.audit WHERE id = 7",
    "UPDATE ev.audit SET a = NULL WHERE id = 7",
    "DELETE FROM ev.other",
    "TRUNCATE ev.other",
    "INSERT INTO ev.audit VALUES (1000, 'a', 'b')",
    "ALTER TABLE ev.audit ADD COLUMN c int",
    "CREATE INDEX ON ev.audit (a)",
]


@pytest.mark.parametrize("sql", LESS_OR_OTHER)
def test_less_or_other(made, sql):
    actor = made.actor()
    with made.connect(actor) as c:
        made.deny(c, "DELETE FROM ev.audit")
        code, detail = made.ask(c, sql)
        assert code == "ZB001", code
        assert "evades" not in made.ticket(detail["ticket"])
        assert c.execute("SELECT count(*) FROM ev.audit").fetchone()[0] == 50
    assert made.audit(actor) == []


def test_another_row_is_another_ask(made):
    actor = made.actor()
    with made.connect(actor) as c:
        made.deny(c, "DELETE FROM ev.audit WHERE id = 5")
        for sql, params in [("DELETE FROM ev.audit WHERE id = 6", None),
                            ("DELETE FROM ev.audit WHERE id = %s", [7]),
                            ("UPDATE ev.audit SET a = '' WHERE id = 5", None)]:
            assert made.ask(c, sql, params)[0] == "ZB001"
        assert made.audit(actor) == []
        for sql, params in [("DELETE FROM ev.audit x WHERE 5 = x.id", None),
                            ("DELETE FROM ev.audit WHERE id = %s", [5]),
                            ("TRUNCATE ev.audit", None)]:
            assert made.ask(c, sql, params)[0] == "ZB001"
        assert [r["detail"]["sure"] for r in made.audit(actor)] == [True] * 3


def test_the_same_again_is_a_retry(made):
    """A program that asks in a loop is no evader; each ask is held as the first one was."""
    actor = made.actor()
    with made.connect(actor) as c:
        for _ in range(8):
            made.deny(c, "DELETE FROM ev.audit")
            made.deny(c, "DELETE  FROM ev.audit -- please")
        assert made.audit(actor) == []
        made.deny(c, "TRUNCATE ev.audit")
        for _ in range(8):
            made.deny(c, "DELETE FROM ev.audit")
            made.deny(c, "TRUNCATE ev.audit")
    assert len(made.audit(actor)) == 1
    assert made.agent(actor)["status"] == "active"
    assert made.operator.ask("GET", "/v1/evasion")[1]["retries"] >= 15


def test_actors_do_not_mix(made):
    first, second = made.actor(), made.actor()
    with made.connect(first) as a, made.connect(second) as b:
        made.deny(a, "DELETE FROM ev.audit")
        assert made.ask(b, "TRUNCATE ev.audit")[0] == "ZB001"
    assert made.audit(second) == []


def test_what_is_approved_is_forgiven(made):
    actor = made.actor()
    with made.connect(actor) as c:
        made.deny(c, "DELETE FROM ev.third")
        code, detail = made.ask(c, "DELETE FROM ev.third WHERE true")
        made.operator.decide(detail["ticket"], "approve")
        c.execute("DELETE FROM ev.third WHERE true")
        code, detail = made.ask(c, "TRUNCATE ev.third")
        assert "evades" not in made.ticket(detail["ticket"])


def test_operators_see_it(made):
    actor = made.actor()
    with made.connect(actor) as c:
        denied = made.deny(c, "DELETE FROM ev.audit")
        _, detail = made.ask(c, "TRUNCATE ev.audit")

    def approvals(*args):
        return subprocess.run(
            [binary(), "approvals", *args, "--server", made.operator.base], check=True, text=True,
            env={**os.environ, "BACKSTOP_TOKEN": made.operator.token}, timeout=30,
            capture_output=True).stdout

    assert (f"evasion      asked for before in other words: {denied}, denied" in
            approvals("show", detail["ticket"]))
    line = next(l for l in approvals("list").splitlines() if detail["ticket"] in l)
    assert "refused before" in line
    assert "what was refused is asked for in other words" in made.gateway.log()
    status, counts = made.operator.ask("GET", "/v1/evasion")
    assert status == 200 and counts["evasions"] > 0 and counts["quarantines"] == 0, counts
    assert made.operator.ask("GET", "/v1/evasion", token="none")[0] == 401


def test_blocked_counts_too(made):
    actor = made.actor("blocked")
    with made.connect(actor) as c:
        assert made.ask(c, "TRUNCATE ev.audit")[0] == "42501"
        code, detail = made.ask(c, "DELETE FROM ev.audit")
        assert code == "ZB001"
        shown = made.ticket(detail["ticket"])["evades"]
        assert shown["how"] == "blocked" and "of" not in {k: v for k, v in shown.items() if v}
        assert "blocked by policy" in shown["text"]
        # Blocked again, in other words: extended protocol, with another spelling.
        assert made.ask(c, "TRUNCATE TABLE ev.audit, ev.other", [])[0] == "42501"
    assert len(wait_until(lambda: len(made.audit(actor)) == 2 and made.audit(actor))) == 2


def test_a_pipeline_of_what_is_blocked(made):
    """Each is durable before the next is looked at: else the first that come would take all job threads,
    and nobody else could log in."""
    actor, n = made.actor("blocked"), 400
    with Raw(made.gateway.port, timeout=60) as raw:
        raw.login(actor, made.gateway.passwords[actor])
        raw.send(b"".join(query("TRUNCATE ev.third" + ", ev.third" * i) for i in range(n)))
        for _ in range(n):
            assert report(dict(raw.until())[b"E"])["C"] == "42501"
    answered_us = time.time_ns() // 1000
    wait_until(lambda: len(made.audit(actor)) == n - 1)
    with sqlite3.connect(made.gateway.folder / "state.db") as db:
        kept = db.execute("SELECT at_us FROM blocked WHERE actor = ? ORDER BY 1 DESC", (actor,)).fetchall()
    assert kept[1][0] <= answered_us, "all but the last"


def test_what_was_not_decided_does_not_count(made):
    """A typo, an unknown name, what no recovery point can be made for."""
    actor = made.actor()
    with made.connect(actor) as c:
        for sql in ("DELEET FROM ev.audit", "DELETE FROM ev.nobody", "SELECT ev.wipe()"):
            with pytest.raises(psycopg.Error):
                c.execute(sql)
        code, detail = made.ask(c, "TRUNCATE ev.audit")
        assert code == "ZB001"
        assert "evades" not in made.ticket(detail["ticket"])


# --- quarantine ----------------------------------------------------------------------------------

def quarantined(ground, actor, connection):
    """Denied once, evaded twice, where one is allowed."""
    ground.deny(connection, "DELETE FROM ev.audit")
    assert ground.ask(connection, "TRUNCATE ev.audit")[0] == "ZB001"
    for _ in range(3):  # the same words again are no further try
        assert ground.ask(connection, "TRUNCATE ev.audit")[0] == "ZB001"
    code, detail = ground.ask(connection, "DROP TABLE ev.audit")
    assert code == "ZB006"
    assert detail == {"v": 1, "state": "quarantined"}


def test_quarantine(strict):
    actor, other = strict.actor(), strict.actor()
    with strict.connect(actor) as c, strict.connect(actor, autocommit=False) as second, \
            strict.connect(other) as o:
        second.execute("SELECT 1")
        waiting = strict.ask(c, "UPDATE ev.other SET a = 'x' WHERE id = 1")[1]["ticket"]
        quarantined(strict, actor, c)
        # In all sessions, at once; reading goes on, transactions can be ended.
        for sql in ("DELETE FROM ev.other WHERE id = 1", "INSERT INTO ev.other VALUES (99, 'x')",
                    "CREATE TABLE ev.x (id int)", "SELECT id FROM ev.other FOR UPDATE"):
            assert strict.ask(c, sql)[0] == "ZB006", sql
            assert strict.ask(second, sql)[0] == "ZB006", sql
            second.rollback()
        assert strict.ask(second, "INSERT INTO ev.other VALUES (%s, 'x')", [98])[0] == "ZB006"
        second.rollback()
        second.execute("SELECT count(*) FROM ev.audit")
        second.commit()
        assert c.execute("SELECT count(*) FROM ev.audit").fetchone()[0] == 50
        # What waits is not redeemed, approved or not.
        strict.operator.decide(waiting, "approve")
        assert strict.ask(c, "UPDATE ev.other SET a = 'x' WHERE id = 1")[0] == "ZB006"
        assert strict.ticket(waiting)["state"] == "approved"
        # Nobody else is meant.
        assert strict.ask(o, "DELETE FROM ev.other WHERE id = 1")[0] == "ZB001"

    shown = wait_until(lambda: strict.agent(actor)["status"] == "quarantined" and strict.agent(actor))
    assert shown["quarantined"] and "in other words" in shown["quarantine_why"]
    assert "release" in strict.gateway.cli("agents", "list").stdout
    assert strict.agent(other)["status"] == "active"
    assert strict.audit(actor)[-1]["outcome"] == "quarantined"

    # It stays so over a restart, and a human ends it.
    assert strict.gateway.stop() == 0
    strict.gateway.start()
    with strict.connect(actor) as c:
        assert strict.ask(c, "DELETE FROM ev.other WHERE id = 1")[0] == "ZB006"
        assert c.execute("SELECT count(*) FROM ev.other").fetchone()[0] == 50
        strict.gateway.cli("agents", "release", actor, "--reason", "it was me")
        wait_until(lambda: strict.ask(c, "DELETE FROM ev.other WHERE id = 1")[0] == "ZB001")
        assert strict.agent(actor)["status"] == "active"
        # What was denied is still remembered; the count begins anew.
        code, detail = strict.ask(c, "DELETE FROM ev.audit WHERE id > -1")
        assert code == "ZB001" and strict.ticket(detail["ticket"])["evades"]["tried"] == 1
    records = wait_until(lambda: [r for r in strict.audit(None, "operator")
                                  if r.get("subject") == actor and r["action"] == "agent.release"])
    assert records[0]["detail"] == {"reason": "it was me"}
    assert strict.gateway.cli("agents", "release", actor, check=False).returncode != 0


@pytest.mark.parametrize("approved", [True, False])
def test_a_waiting_statement_is_not_redeemed(pg, approved):
    """Held when the quarantine came; approved after it, or still waiting."""
    with pg.admin() as c:
        c.execute(SCHEMA)
    ground = Ground(pg, limit=1)
    ground.gateway.config.write_text(
        ground.gateway.config.read_text().replace(
            '"wait": "0s"', '"wait": "20s", "notice": "%s"' % ("10s" if approved else "1s")))
    with running(ground.gateway):
        actor = ground.actor()
        raw = Raw(ground.gateway.port, timeout=30)
        raw.login(actor, ground.gateway.passwords[actor])
        raw.send(query("UPDATE ev.other SET a = 'x' WHERE id = 1"))
        waiting = ground.operator.next_ticket()["id"]
        with ground.connect(actor) as c:
            decider = Raw(ground.gateway.port, timeout=30)
            decider.login(actor, ground.gateway.passwords[actor])
            decider.send(query("DELETE FROM ev.audit"))
            denied = wait_until(lambda: [t for t in ground.operator.tickets() if t["id"] != waiting])
            ground.operator.decide(denied[0]["id"], "deny")
            assert report(dict(decider.until(b"Z"))[b"E"])["C"] == "ZB002"
            retry = Raw(ground.gateway.port, timeout=30)
            retry.login(actor, ground.gateway.passwords[actor])
            retry.send(query("TRUNCATE ev.audit"))
            wait_until(lambda: ground.audit(actor))
            assert ground.ask(c, "DROP TABLE ev.audit")[0] == "ZB006"
        if approved:
            ground.operator.decide(waiting, "approve")
        assert report(dict(raw.until(b"Z"))[b"E"])["C"] == "ZB006"
    with pg.admin() as c:
        assert c.execute("SELECT a FROM ev.other WHERE id = 1").fetchone()[0] == "a"


def test_a_restart_forgets_nothing(pg):
    with pg.admin() as c:
        c.execute(SCHEMA)
    ground = Ground(pg, limit=2)
    with running(ground.gateway):
        actor, blocked = ground.actor(), ground.actor("blocked")
        with ground.connect(actor) as c, ground.connect(blocked) as b:
            ground.deny(c, "DELETE FROM ev.audit")
            assert ground.ask(c, "TRUNCATE ev.audit")[0] == "ZB001"
            assert ground.ask(c, "DROP TABLE ev.audit")[0] == "ZB001"
            assert ground.ask(b, "TRUNCATE ev.audit")[0] == "42501"
            assert ground.ask(b, "TRUNCATE ev.audit, ev.other")[0] == "42501"
            wait_until(lambda: ground.audit(blocked))
        assert ground.gateway.stop() == 0
        ground.gateway.start()
        with ground.connect(actor) as c, ground.connect(blocked) as b:
            assert ground.ask(b, "DELETE FROM ev.audit")[0] == "ZB001"
            assert [r["detail"]["tried"] for r in ground.audit(blocked)] == [1, 2]
            assert ground.ask(c, "DELETE FROM ev.audit")[0] == "ZB001"  # as it was
            assert ground.ask(c, "DELETE FROM ev.audit WHERE true")[0] == "ZB006"


def test_the_window_ends(pg):
    with pg.admin() as c:
        c.execute(SCHEMA)
    ground = Ground(pg, limit=1, window="2s")
    with running(ground.gateway):
        actor = ground.actor()
        with ground.connect(actor) as c:
            ground.deny(c, "DELETE FROM ev.audit")
            assert ground.ask(c, "TRUNCATE ev.audit")[0] == "ZB001"
            assert len(ground.audit(actor)) == 1
            time.sleep(2.2)
            for sql in ("DROP TABLE ev.audit", "DELETE FROM ev.audit WHERE true"):
                assert ground.ask(c, sql)[0] == "ZB001"
            assert len(ground.audit(actor)) == 1
            assert ground.agent(actor)["status"] == "active"


def test_an_app_that_was_denied_once_goes_on(strict):
    """One DELETE denied, then the day's work on other tables and other rows."""
    actor = strict.actor()
    with strict.connect(actor) as c:
        strict.deny(c, "DELETE FROM ev.audit WHERE id = 1")
        for n in range(2, 20):
            assert strict.ask(c, f"DELETE FROM ev.audit WHERE id = {n}")[0] == "ZB001"
            assert strict.ask(c, "UPDATE ev.other SET a = %s WHERE id = %s", ["x", n])[0] == "ZB001"
            assert strict.ask(c, f"INSERT INTO ev.third VALUES ({100 + n}, 'x')")[0] == "ZB001"
        assert strict.ask(c, "DELETE FROM ev.other")[0] == "ZB001"
        assert strict.ask(c, "TRUNCATE ev.third")[0] == "ZB001"
    assert strict.agent(actor)["status"] == "active"
    assert strict.audit(actor) == []
