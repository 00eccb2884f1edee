"""Breaking the glass: one admin lets one statement through alone, and another operator looks at it afterwards."""

import json
import subprocess
import threading

import psycopg
import pytest

from conftest import Gateway, binary, running, wait_until
from operator_side import Operator
from rawwire import Raw, query
from test_api import ask

SCHEMA = """
DROP SCHEMA IF EXISTS glass CASCADE;
CREATE SCHEMA glass AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE glass.pay (id int PRIMARY KEY);
CREATE TABLE glass.own (id int PRIMARY KEY);
INSERT INTO glass.pay SELECT generate_series(1, 1000);
INSERT INTO glass.own SELECT generate_series(1, 1000);
RESET ROLE;
"""
RULES = [
    {"name": "three of dba", "objects": ["glass.pay"], "action": "approve",
     "approvals": {"quorum": 3, "groups": ["dba"]}},
    {"name": "somebody else", "objects": ["glass.own"], "action": "approve", "approvals": {"exclude_owner": True}},
]


class Ground:
    """Agents are alice's. kim, lee and alice are admins; max approves, vic looks."""

    def __init__(self, pg, hold="0s", rules=RULES):
        with pg.admin() as c:
            c.execute(SCHEMA)
        self.pg = pg
        self.gateway = Gateway(pg, policy={"rules": rules}, extra={"hold": {"wait": hold}})
        roles = {"kim": "admin", "lee": "admin", "alice": "admin", "max": "approver", "vic": "viewer"}
        self.who = {name: Operator(self.gateway, name, role) for name, role in roles.items()}
        self.n = 0

    def connect(self):
        self.n += 1
        self.gateway.add_agent(f"agent-{self.n}")
        return self.gateway.connect(f"agent-{self.n}", autocommit=True)

    def held(self, c, sql):
        with pytest.raises(psycopg.Error) as e:
            c.execute(sql)
        assert e.value.sqlstate == "ZB001", e.value
        return json.loads(e.value.diag.message_detail)["ticket"]

    def say(self, who, ticket, what="break-glass", **body):
        return self.who[who].ask("POST", f"/v1/tickets/{ticket}/{what}", body)

    def ticket(self, ticket):
        return self.who["vic"].ask("GET", f"/v1/tickets/{ticket}")[1]

    def reviews(self, state="open"):
        return self.who["vic"].ask("GET", f"/v1/reviews?state={state}")[1]["reviews"]

    def open(self):
        line = next(line for line in ask(self.gateway, "GET", "/metrics").text.splitlines()
                    if line.startswith("backstop_reviews_open "))
        return int(line.split()[1])

    def verb(self, who, *args):
        return subprocess.run([binary(), "approvals", *args, "--server", self.who[who].base], check=False,
                              capture_output=True, text=True, timeout=60,
                              env={**self.gateway.env, "BACKSTOP_TOKEN": self.who[who].token})

    def audit(self, **want):
        lines = self.gateway.cli("audit", "tail", "-n", "100000", "--json").stdout.splitlines()
        return [r for r in map(json.loads, lines) if all(r.get(k) == v for k, v in want.items())]

    def rows(self, table, at):
        with self.pg.admin() as c:
            return c.execute(f"SELECT count(*) FROM glass.{table} WHERE id = {at}").fetchone()[0]


@pytest.fixture(scope="module")
def ground(pg):
    ground = Ground(pg)
    with running(ground.gateway):
        yield ground


def test_it_goes_through_kept_and_is_reviewed(ground):
    sql = "DELETE FROM glass.pay WHERE id = 1"
    with ground.connect() as c:
        ticket, before = ground.held(c, sql), ground.open()
        status, answer = ground.say("kim", ticket, reason="the shop is down")
        assert status == 200 and answer["state"] == "approved" and answer["decided_by"] == "kim", answer
        assert answer["break_glass"]["operator"] == "kim" and "reviewed_by" not in answer["break_glass"]
        assert ground.open() == before + 1
        assert c.execute(sql).rowcount == 1
        assert ground.held(c, sql) != ticket  # once
    done = wait_until(lambda: [t for t in [ground.ticket(ticket)] if t["state"] == "done"])[0]
    point = json.loads(ground.gateway.cli("points", "show", done["point"], "--json").stdout)
    assert ground.gateway.cli("points", "verify", done["point"]).returncode == 0
    assert "glass" in json.dumps(point) and ground.rows("pay", 1) == 0
    assert [(r["action"], r["operator"], r["text"]) for r in ground.audit(kind="break_glass", ticket=ticket)] == [
        ("break", "kim", "the shop is down")]
    assert '"level":"warning","event":"the glass was broken' in ground.gateway.log()
    assert ground.reviews()[0]["ticket"] == ticket
    shown = ground.verb("vic", "show", ticket).stdout
    assert "break-glass  kim approved ALONE" in shown and "OPEN" in shown

    assert ground.say("kim", ticket, "review", note="it was fine")[0] == 403
    assert ground.say("vic", ticket, "review", note="it was fine")[0] == 403
    assert ground.say("max", ticket, "review", note=" ")[0] == 422
    assert ground.open() == before + 1
    out = ground.verb("max", "review", ticket, "--note", "was needed")
    assert out.returncode == 0 and "max" in out.stdout and "was needed" in out.stdout
    assert ground.say("lee", ticket, "review", note="again")[0] == 409
    assert ground.open() == before and ticket not in {r["ticket"] for r in ground.reviews()}
    assert {r["ticket"]: r.get("reviewed_by") for r in ground.reviews("all")}[ticket] == "max"
    reviewed = [r for r in ground.audit(kind="break_glass", ticket=ticket, action="review") if "outcome" not in r]
    assert ("max", "was needed") in [(r["operator"], r["text"]) for r in reviewed]
    assert len(ground.audit(kind="break_glass", ticket=ticket, outcome="failed")) == 3


def test_who_may_not(ground):
    with ground.connect() as c:
        ticket = ground.held(c, "DELETE FROM glass.pay WHERE id = 2")
        for who, body, status in (("max", {"reason": "x"}, 403), ("vic", {"reason": "x"}, 403), ("kim", {}, 422),
                                  ("kim", {"reason": " \n"}, 422), ("kim", {"reason": "x", "more": 1}, 422)):
            assert ground.say(who, ticket, **body)[0] == status, (who, body)
        assert ask(ground.gateway, "POST", f"/v1/tickets/{ticket}/break-glass", {"reason": "x"},
                   token=ground.gateway.passwords[f"agent-{ground.n}"]).status == 401
        assert ground.verb("max", "break-glass", ticket, "--reason", "x").returncode == 77
        assert ground.verb("kim", "break-glass", "no ticket", "--reason", "x").returncode == 64
        assert ground.ticket(ticket)["state"] == "pending"
        mine = ground.held(c, "DELETE FROM glass.own WHERE id = 2")
        assert ground.say("alice", mine, reason="I own it")[0] == 403
        assert ground.say("kim", mine, reason="and I do not")[0] == 200
        assert ground.say("max", ticket, "deny")[0] == 200
        assert ground.say("kim", ticket, reason="too late")[0] == 409
        assert ground.say("kim", "T-01JABCDEFGHJKMNPQRSTVWXYZ0", reason="x")[0] == 404
        assert ground.say("kim", ticket, "review", note="there is none")[0] == 404
        assert ticket not in {r["ticket"] for r in ground.reviews("all")}
        assert ground.verb("max", "review", mine, "--note", "looked at").returncode == 0


def test_a_second_operator_of_the_same_human_is_no_other(ground):
    twins = {name: Operator(ground.gateway, name, "admin") for name in ("night", "kim-phone")}
    ground.gateway.cli("operators", "set", "night", "--owner", "a.smith", "--owner", "Alice")
    ground.gateway.cli("operators", "set", "kim-phone", "--owner", "Kim")
    ground.who.update(twins)
    with ground.connect() as c:
        mine = ground.held(c, "DELETE FROM glass.own WHERE id = 5")
        status, answer = ground.say("night", mine, reason="I own it, by another name")
        assert status == 403 and "owns the actor" in answer["detail"]
        assert ground.say("kim", mine, reason="not mine")[0] == 200
    ground.gateway.cli("agents", "set", f"agent-{ground.n}", "--no-owner")
    with ground.gateway.connect(f"agent-{ground.n}", autocommit=True) as c:
        status, answer = ground.say("kim", ground.held(c, "DELETE FROM glass.own WHERE id = 6"), reason="whose is it?")
        assert status == 403 and "has no owner" in answer["detail"]
    status, answer = ground.say("kim-phone", mine, "review", note="fine by me")
    assert status == 403 and "cannot review" in answer["detail"]
    assert ground.say("max", mine, "review", note="looked at")[0] == 200


def test_one_who_is_revoked_has_broken_nothing(ground):
    who = Operator(ground.gateway, "gone", "admin")
    sql = "DELETE FROM glass.pay WHERE id = 3"
    with ground.connect() as c:
        ticket = ground.held(c, sql)
        assert who.ask("POST", f"/v1/tickets/{ticket}/break-glass", {"reason": "x"})[0] == 200
        ground.gateway.cli("operators", "revoke", "gone")
        with pytest.raises(psycopg.Error) as e:
            c.execute(sql)
        assert e.value.sqlstate == "ZB003" and ground.rows("pay", 3) == 1
        assert ground.ticket(ticket)["break_glass"]["counts"] is False
        assert ground.say("max", ticket, "review", note="revoked meanwhile")[0] == 200


def test_of_two_one_breaks_it(ground):
    with ground.connect() as c:
        ticket, got = ground.held(c, "DELETE FROM glass.pay WHERE id = 4"), []
        threads = [threading.Thread(target=lambda w=w: got.append(ground.say(w, ticket, reason=w)[0]))
                   for w in ("kim", "lee", "alice")]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert sorted(got) == [200, 409, 409]
        by = ground.ticket(ticket)["break_glass"]["operator"]
        assert ground.say(next(w for w in ("kim", "lee") if w != by), ticket, "review", note="x")[0] == 200


def test_no_point_no_statement(pg):
    """The proof is never waived: where the storage cannot be written, nothing runs."""
    ground = Ground(pg)
    with running(ground.gateway):
        sql = "DELETE FROM glass.pay WHERE id = 5"
        with ground.connect() as c:
            ticket = ground.held(c, sql)
            assert ground.say("kim", ticket, reason="now")[0] == 200
            points = ground.gateway.folder / "points"
            points.rename(points.with_name("away"))
            points.write_text("no folder")
            with pytest.raises(psycopg.Error) as e:
                c.execute(sql)
            points.unlink()
            points.with_name("away").rename(points)
            assert e.value.sqlstate == "ZB004" and ground.rows("pay", 5) == 1


def test_at_once_but_not_while_paused(pg, ground):
    """What waits runs at once; of a paused agent nothing does."""
    other = Ground(pg, hold="60s")
    with running(other.gateway):
        with other.connect() as c:
            raw = Raw(other.gateway.port, timeout=30)
            raw.login(f"agent-{other.n}", other.gateway.passwords[f"agent-{other.n}"])
            raw.send(query("DELETE FROM glass.pay WHERE id = 6"))
            ticket = other.who["vic"].next_ticket()["id"]
            assert other.say("kim", ticket, reason="now")[0] == 200
            assert b"DELETE 1\0" in dict(m for m in raw.until(b"Z"))[b"C"]
            sql = "DELETE FROM glass.pay WHERE id = 7"
            raw.send(query(sql))
            ticket = other.who["vic"].next_ticket()["id"]
            assert other.who["kim"].ask("POST", "/v1/pauses", {"scope": "everything", "reason": "x"})[0] == 200
            raw.until(b"Z")
            assert other.say("kim", ticket, reason="now")[0] == 200
            with pytest.raises(psycopg.Error) as e:
                c.execute(sql)
            assert e.value.sqlstate == "ZB006" and other.rows("pay", 7) == 1
            found = other.gateway.cli("doctor", "--json", check=False).stdout
            checks = {f["check"]: f for f in json.loads(found)["checks"]}
            assert "2 statements" in checks["reviews"]["message"] and checks["pauses"]["level"] == "warn"
            assert other.gateway.stop() == 0
            other.gateway.start()
            assert len(other.reviews()) == 2 and other.open() == 2
            page = other.who["vic"].ask("GET", "/v1/reviews?limit=1")[1]
            rest = other.who["vic"].ask("GET", f"/v1/reviews?limit=1&cursor={page['next']}")[1]
            assert [page["reviews"][0]["ticket"]] + [rest["reviews"][0]["ticket"]] == [r["ticket"] for r in other.reviews()]
            assert ticket in other.verb("vic", "reviews").stdout
            assert other.verb("vic", "reviews", "--all", "--json").returncode == 0
