"""Who approves: quorum, groups, reasons, owners, comments; races, a crash between two decisions."""

import json
import signal
import sqlite3
import subprocess
import threading

import psycopg
import pytest

from conftest import Gateway, binary, running, wait_until
from operator_side import Operator
from test_api import ask

SCHEMA = """
DROP SCHEMA IF EXISTS quo CASCADE;
CREATE SCHEMA quo AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE quo.pay (id int PRIMARY KEY);
CREATE TABLE quo.why (id int PRIMARY KEY);
CREATE TABLE quo.any (id int PRIMARY KEY);
INSERT INTO quo.pay SELECT generate_series(1, 1000);
INSERT INTO quo.why SELECT generate_series(1, 1000);
INSERT INTO quo.any SELECT generate_series(1, 1000);
RESET ROLE;
"""
RULES = [
    {"name": "two of dba", "objects": ["quo.pay"], "action": "approve",
     "approvals": {"quorum": 2, "groups": ["dba"]}},
    {"name": "and one of security", "objects": ["quo.pay"], "kinds": ["DROP TABLE"],
     "action": "approve", "approvals": {"groups": ["security"]}},
    {"name": "somebody else, and why", "objects": ["quo.why"], "action": "approve",
     "approvals": {"require_reason": True, "exclude_owner": True}},
]


class Ground:
    """Agents are alice's; kim, lee and max are in dba, sam in security, alice in none."""

    def __init__(self, pg):
        self.gateway = Gateway(pg, policy={"rules": RULES}, extra={"hold": {"wait": "0s"}})
        self.n = 0
        self.who = {}
        for name, group in (("kim", "dba"), ("lee", "dba"), ("max", "dba"), ("sam", "security"),
                            ("alice", None)):
            self.who[name] = Operator(self.gateway, name)
            if group:
                self.gateway.cli("operators", "set", name, "--group", group)

    def connect(self):
        self.n += 1
        self.gateway.add_agent(f"agent-{self.n}")
        return self.gateway.connect(f"agent-{self.n}", autocommit=True)

    def held(self, connection, sql):
        with pytest.raises(psycopg.Error) as caught:
            connection.execute(sql)
        assert caught.value.diag.sqlstate == "ZB001", caught.value
        return json.loads(caught.value.diag.message_detail)["ticket"]

    def say(self, who, ticket, what="approve", **body):
        """(status, answer)"""
        return self.who[who].ask("POST", f"/v1/tickets/{ticket}/{what}", body)

    def ticket(self, ticket):
        return self.who["kim"].ask("GET", f"/v1/tickets/{ticket}")[1]

    def approvals(self, who, *args, check=True):
        return subprocess.run([binary(), "approvals", *args, "--server", self.who[who].base],
                              check=check, capture_output=True, text=True, timeout=60,
                              env={**self.gateway.env, "BACKSTOP_TOKEN": self.who[who].token})

    def audit(self, ticket):
        lines = [json.loads(line)
                 for path in sorted((self.gateway.folder / "audit").glob("audit-*.jsonl"))
                 for line in path.read_text().splitlines()]
        return [r for r in lines if r["kind"] == "decision" and r.get("ticket") == ticket]


@pytest.fixture(scope="module")
def ground(pg):
    with pg.admin() as c:
        c.execute(SCHEMA)
    made = Ground(pg)
    with running(made.gateway):
        yield made


def test_two_of_a_group(ground):
    sql = "DELETE FROM quo.pay WHERE id <= 3"
    with ground.connect() as c:
        ticket = ground.held(c, sql)
        missing = ground.ticket(ticket)["missing"]
        assert missing == [{"quorum": 2, "have": 0, "groups": ["dba"],
                            "could": ["kim", "lee", "max"]}]
        status, answer = ground.say("sam", ticket)
        assert status == 403 and "none of the groups" in answer["detail"]
        status, answer = ground.say("kim", ticket, reason="looks right")
        assert status == 200 and answer["state"] == "pending"
        assert answer["missing"][0]["have"] == 1 and answer["missing"][0]["could"] == ["lee", "max"]
        assert ground.held(c, sql) == ticket  # one is not enough
        status, answer = ground.say("kim", ticket)
        assert status == 409 and "already" in answer["detail"]
        status, answer = ground.say("lee", ticket)
        assert status == 200 and answer["state"] == "approved"
        assert [(d["operator"], d["decision"]) for d in answer["decisions"]] == [
            ("kim", "approve"), ("lee", "approve")]
        assert answer["decided_by"] == "kim, lee" and "missing" not in answer
        assert c.execute(sql).rowcount == 3
        assert ground.held(c, sql) != ticket  # used up
    assert ground.ticket(ticket)["state"] == "done"
    assert [(r["operator"], r["decision"], r.get("outcome")) for r in ground.audit(ticket)] == [
        ("sam", "approve", None), ("sam", "approve", "failed"), ("kim", "approve", None),
        ("kim", "approve", None), ("kim", "approve", "failed"), ("lee", "approve", None)]


def test_each_vote_and_comment_is_news(ground):
    """The entity tag follows all that is shown; If-Match asks whether anything was said since."""
    Operator(ground.gateway, "zoe")
    ground.gateway.cli("operators", "set", "zoe", "--group", "dba")
    with ground.connect() as c:
        ticket = ground.held(c, "DELETE FROM quo.pay WHERE id <= 4")
    path, tags = f"/v1/tickets/{ticket}", []

    def look():
        answer = ask(ground.gateway, "GET", path, token=ground.who["kim"].token)
        tags.append(answer.headers["ETag"])
        again = ask(ground.gateway, "GET", path, token=ground.who["kim"].token, If_None_Match=tags[-1])
        assert again.status == 304
        return answer.json()

    def decide(who, tag):
        return ask(ground.gateway, "POST", path + "/approve", {}, ground.who[who].token, If_Match=tag)

    assert look()["decisions"] == []
    assert decide("kim", tags[0]).status == 200
    assert look()["missing"][0]["have"] == 1
    answer = decide("lee", tags[0])
    assert (answer.status, answer.problem()) == (412, "CHANGED"), "kim has voted since"
    assert ground.say("max", ticket, "comment", text="wait for me")[0] == 200
    assert [x["text"] for x in look()["comments"]] == ["wait for me"]
    assert decide("lee", tags[1]).problem() == "CHANGED", "max has said something since"
    ground.gateway.cli("operators", "revoke", "zoe")
    assert "zoe" not in look()["missing"][0]["could"]
    assert decide("lee", tags[2]).status == 200, "who else could is no reason to look again"
    assert look()["state"] == "approved"
    assert len(set(tags)) == len(tags) == 5


def test_one_denial_ends_it(ground):
    sql = "DELETE FROM quo.pay WHERE id = 10"
    with ground.connect() as c:
        ticket = ground.held(c, sql)
        assert ground.say("kim", ticket)[0] == 200
        status, answer = ground.say("sam", ticket, "deny")  # in no group that could approve it
        assert status == 200 and answer["state"] == "denied"
        assert ground.say("lee", ticket)[0] == 409
        assert ground.ticket(ticket)["state"] == "denied"


def test_every_rule_has_its_say(ground):
    with ground.connect() as c:
        ticket = ground.held(c, "DROP TABLE quo.pay")
        assert [(m["quorum"], m["groups"]) for m in ground.ticket(ticket)["missing"]] == [
            (2, ["dba"]), (1, ["security"])]
        for who, state in (("kim", "pending"), ("lee", "pending"), ("sam", "approved")):
            assert ground.say(who, ticket)[1]["state"] == state


def test_reason_and_owner(ground):
    with ground.connect() as c:
        ticket = ground.held(c, "DELETE FROM quo.why WHERE id = 1")
        status, answer = ground.say("kim", ticket, reason="  ")
        assert status == 422 and "reason" in answer["detail"]
        out = ground.approvals("kim", "approve", ticket, check=False)
        assert out.returncode == 65 and "--reason" in out.stderr
        status, answer = ground.say("alice", ticket, reason="it is mine")
        assert status == 403 and "owns the actor" in answer["detail"]
        assert "alice" not in ground.ticket(ticket)["missing"][0]["could"]
        assert ground.say("kim", ticket, reason="asked for in #42")[1]["state"] == "approved"


def test_the_owner_by_any_name(ground):
    """Self-approval is told by humans, not by what operators are called."""
    night = ground.who["night"] = Operator(ground.gateway, "night")
    with ground.connect() as c:
        ticket = ground.held(c, "DELETE FROM quo.why WHERE id = 2")
        assert "night" in ground.ticket(ticket)["missing"][0]["could"]
        ground.gateway.cli("operators", "set", "night", "--owner", "a.smith", "--owner", "ALICE")
        assert "night" not in ground.ticket(ticket)["missing"][0]["could"]
        status, answer = ground.say("night", ticket, reason="at night")
        assert status == 403 and "owns the actor" in answer["detail"]
        assert ground.say("night", ticket, "comment", text="please")[0] == 200
        assert ground.say("kim", ticket, reason="fine")[1]["state"] == "approved"
    ground.gateway.cli("operators", "revoke", "night")
    assert night.ask("GET", f"/v1/tickets/{ticket}")[0] == 401


def test_without_an_owner_nobody_can_be_told_from_it(ground):
    ground.gateway.add_agent("orphan")
    ground.gateway.cli("agents", "set", "orphan", "--no-owner")
    with ground.gateway.connect("orphan", autocommit=True) as c:
        ticket = ground.held(c, "DELETE FROM quo.why WHERE id = 3")
    assert ground.ticket(ticket)["missing"][0]["could"] == []
    status, answer = ground.say("kim", ticket, reason="fine")
    assert status == 403 and "has no owner" in answer["detail"] and "agents set orphan --owner" in answer["hint"]
    assert ground.say("kim", ticket, "deny", reason="whose is it?")[0] == 200
    ground.gateway.cli("agents", "set", "orphan", "--owner", "bob")
    with ground.gateway.connect("orphan", autocommit=True) as c:
        ticket = ground.held(c, "DELETE FROM quo.why WHERE id = 4")
    assert ground.say("kim", ticket, reason="fine")[1]["state"] == "approved"


def test_one_human_is_one_approver(ground):
    ground.who["kim2"] = Operator(ground.gateway, "kim2")
    ground.gateway.cli("operators", "set", "kim2", "--group", "dba", "--owner", "Kim")
    sql = "DELETE FROM quo.pay WHERE id = 31"
    with ground.connect() as c:
        ticket = ground.held(c, sql)
        assert ground.say("kim", ticket)[1]["missing"][0]["could"] == ["lee", "max"]
        status, answer = ground.say("kim2", ticket)
        assert status == 409 and 'as "kim"' in answer["detail"]
        assert ground.say("lee", ticket)[1]["state"] == "approved"
        # Found out afterwards: what has not run yet does not.
        ground.gateway.cli("operators", "set", "lee", "--owner", "kim@home", "--owner", "Kim")
        with pytest.raises(psycopg.Error) as caught:
            c.execute(sql)
        assert caught.value.diag.sqlstate.startswith("ZB")
        ground.gateway.cli("operators", "set", "lee", "--owner", "lee")
    ground.gateway.cli("operators", "revoke", "kim2")


def test_a_person_does_not_approve_their_own(ground):
    """Without a word in the policy: who asks by hand is not who says yes."""
    for name, *owner in (("max", ), ("mx-laptop", "--owner", "Max")):
        out = ground.gateway.cli("agents", "add", name, "--database", "app", "--kind", "person", *owner, "--json")
        ground.gateway.passwords[name] = json.loads(out.stdout)["password"]
        with ground.gateway.connect(name, autocommit=True) as c:
            ticket = ground.held(c, "DELETE FROM quo.any WHERE id = 5")
        assert "max" not in ground.ticket(ticket)["missing"][0]["could"]
        assert ground.say("max", ticket)[0] == 403
        assert ground.say("kim", ticket)[1]["state"] == "approved"
    with ground.connect() as c:  # of an agent's owner the policy has nothing to say here
        assert ground.say("alice", ground.held(c, "DELETE FROM quo.any WHERE id = 5"))[0] == 200


def test_an_operator_has_an_end(ground):
    short = Operator(ground.gateway, "short")
    ground.gateway.cli("operators", "set", "short", "--group", "dba", "--expires", "1h")
    sql = "DELETE FROM quo.pay WHERE id = 32"
    with ground.connect() as c:
        ticket = ground.held(c, sql)
        assert short.ask("POST", f"/v1/tickets/{ticket}/approve", {})[0] == 200
        assert ground.say("max", ticket)[1]["state"] == "approved"
        with sqlite3.connect(ground.gateway.folder / "state.db") as db:
            db.execute("UPDATE operators SET expires_us = 1 WHERE name = 'short'")
        assert short.ask("GET", "/v1/session")[0] == 401
        with pytest.raises(psycopg.Error) as caught:
            c.execute(sql)
        assert caught.value.diag.sqlstate.startswith("ZB")
    out = ground.gateway.cli("operators", "list", "--json").stdout
    assert [o["status"] for o in json.loads(out) if o["name"] == "short"] == ["expired"]
    past = ground.gateway.cli("operators", "set", "short", "--expires", "2020-01-01T00:00:00Z", check=False)
    assert past.returncode == 64 and "past" in past.stderr
    ground.gateway.cli("operators", "set", "short", "--no-expiry")
    assert short.ask("GET", "/v1/session")[0] == 200
    ground.gateway.cli("operators", "revoke", "short")


def test_an_operator_gets_a_new_token(ground):
    old = Operator(ground.gateway, "turned")
    first = json.loads(ground.gateway.cli("operators", "rotate", "turned", "--overlap", "1h", "--json").stdout)
    assert first["token"].startswith("bso_") and first["token"] != old.token and first["old_token_until"]
    assert [old.ask("GET", "/v1/session", token=t)[0] for t in (old.token, first["token"])] == [200, 200]
    second = ground.gateway.cli("operators", "rotate", "turned").stdout
    second = next(line.split()[1] for line in second.splitlines() if line.startswith("token:"))
    assert [old.ask("GET", "/v1/session", token=t)[0] for t in (old.token, first["token"], second)] == [401, 401, 200]
    assert ground.gateway.cli("operators", "rotate", "nobody", check=False).returncode == 65
    assert ground.gateway.cli("operators", "rotate", "turned", "--overlap", "91d", check=False).returncode == 64


def test_comments_decide_nothing(ground):
    with ground.connect() as c:
        ticket = ground.held(c, "DELETE FROM quo.pay WHERE id = 20")
        assert ground.say("kim", ticket, "comment", text=" ")[0] == 422
        assert ground.say("kim", "T-01KB3ZJ5W8Q2M4R6T8V0X2Z4B6", "comment", text="x")[0] == 404
        ground.approvals("kim", "comment", ticket, "asked the owner")
        assert ground.say("kim", ticket, "comment", text="no answer yet")[0] == 200
        ground.say("kim", ticket)  # one who has commented may still decide
        shown = ground.approvals("lee", "show", ticket).stdout
        assert "kim said" in shown and "asked the owner" in shown and "kim approved" in shown
        assert "2 of dba, has 1; could approve: lee, max" in shown
        answer = json.loads(ground.approvals("lee", "show", ticket, "--json").stdout)
        assert answer["state"] == "pending"
        assert [x["text"] for x in answer["comments"]] == ["asked the owner", "no answer yet"]
        # What is refused after it was recorded has a second record that says so.
        assert [(r["decision"], r.get("outcome")) for r in ground.audit(ticket)] == [
            ("comment", None), ("comment", "failed"), ("comment", None), ("comment", None), ("approve", None)]


def test_an_admin_is_no_quorum(ground):
    """Whoever may change operators is none of those that a ticket asks for, once it is there."""
    admin = Operator(ground.gateway, "root", role="admin")
    ground.gateway.cli("operators", "set", "root", "--group", "dba", "--owner", "alice")
    sql = "DELETE FROM quo.pay WHERE id = 41"

    def refused(token, ticket, name):
        status, answer = admin.ask("POST", f"/v1/tickets/{ticket}/approve", {"reason": "mine"}, token=token)
        assert status == 403 and f'"{name}" was made or changed after ticket {ticket}' in answer["detail"], answer
        assert "asked for anew" in answer["hint"]

    with ground.connect() as c:
        ticket, own = ground.held(c, sql), ground.held(c, "DELETE FROM quo.why WHERE id = 41")
        assert admin.ask("POST", f"/v1/tickets/{ticket}/approve")[1]["missing"][0]["have"] == 1
        # By one more operator.
        status, made = admin.ask("POST", "/v1/operators", {"name": "sock", "role": "approver", "groups": ["dba"]})
        assert status == 201, made
        assert "sock" not in ground.ticket(ticket)["missing"][0]["could"]
        refused(made["token"], ticket, "sock")
        # As somebody else's hand: the token of another one, made anew.
        status, rotated = admin.ask("POST", "/v1/operators/max/rotate")
        assert status == 200, rotated
        refused(rotated["token"], ticket, "max")
        ground.who["max"].token = rotated["token"]
        # As somebody else than the agent's owner.
        assert admin.ask("POST", f"/v1/tickets/{own}/approve", {"reason": "mine"})[0] == 403
        answer = ask(ground.gateway, "PATCH", "/v1/operators/root", {"owners": ["nobody"]}, admin.token)
        assert answer.status == 200, answer.text
        refused(admin.token, own, "root")
        # It stays who it was where it has approved, and what comes later is anybody's who is there by then.
        assert ground.say("lee", ticket)[1]["state"] == "approved"
        assert c.execute(sql).rowcount == 1
        ticket = ground.held(c, "DELETE FROM quo.pay WHERE id = 42")
        assert ground.say("max", ticket)[1]["missing"][0]["have"] == 1
        assert admin.ask("POST", f"/v1/tickets/{own}/deny", {"reason": "mine"})[0] == 200
    for name in ("root", "sock"):
        ground.gateway.cli("operators", "revoke", name)


def test_a_revoked_approver_does_not_count(pg, ground):
    tom = Operator(ground.gateway, "tom")
    ground.gateway.cli("operators", "set", "tom", "--group", "dba")
    with ground.connect() as c:
        ticket = ground.held(c, "DELETE FROM quo.pay WHERE id = 30")
        other = ground.held(c, "DELETE FROM quo.pay WHERE id = 31")
        for t in (ticket, other):
            assert tom.ask("POST", f"/v1/tickets/{t}/approve")[0] == 200
        assert ground.say("kim", other)[1]["state"] == "approved"
        ground.gateway.cli("operators", "revoke", "tom")
        answer = ground.say("kim", ticket)[1]
        assert answer["state"] == "pending" and answer["decisions"][0]["counts"] is False
        # The other one was approved before, and is not what it was any more.
        with pytest.raises(psycopg.Error) as caught:
            c.execute("DELETE FROM quo.pay WHERE id = 31")
        assert caught.value.diag.sqlstate == "ZB003"
        assert ground.ticket(other)["state"] == "expired"


def test_decisions_at_the_same_moment(ground):
    """Of two that complete a quorum both count, of a denial and an approval the first."""
    with ground.connect() as c:
        for n in range(12):
            sql = f"DELETE FROM quo.pay WHERE id = {100 + n}"
            ticket = ground.held(c, sql)
            what = "approve" if n % 2 == 0 else "deny"
            gate, got = threading.Barrier(2), {}

            def decide(who, verdict):
                gate.wait()
                got[who] = ground.say(who, ticket, verdict)

            threads = [threading.Thread(target=decide, args=("kim", "approve")),
                       threading.Thread(target=decide, args=("lee", what))]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            state = ground.ticket(ticket)["state"]
            if what == "approve":
                assert [got[who][0] for who in ("kim", "lee")] == [200, 200] and state == "approved"
                assert sorted(a["state"] for _, a in got.values()) == ["approved", "pending"]
                assert c.execute(sql).rowcount == 1
            else:
                assert state == "denied" and got["lee"][0] == 200
                assert got["kim"][0] in (200, 409)


def test_killed_between_two_decisions(pg):
    """What was decided before a crash counts after it; it runs once."""
    with pg.admin() as c:
        c.execute(SCHEMA)
    made = Ground(pg)
    sql = "DELETE FROM quo.pay WHERE id <= 5"
    with running(made.gateway):
        with made.connect() as c:
            ticket = made.held(c, sql)
        assert made.say("kim", ticket)[1]["state"] == "pending"
        made.gateway.process.send_signal(signal.SIGKILL)
        made.gateway.process.wait()
        made.gateway.start()
        assert made.ticket(ticket)["missing"][0]["have"] == 1
        assert made.say("kim", ticket)[0] == 409
        assert made.say("lee", ticket)[1]["state"] == "approved"
        with made.gateway.connect("agent-1", autocommit=True) as c:
            assert c.execute(sql).rowcount == 5
            assert made.held(c, sql) != ticket


def test_a_policy_that_asks_for_more_voids_it(pg):
    """One approval was enough when it was given."""
    with pg.admin() as c:
        c.execute(SCHEMA)
    made = Ground(pg)
    sql = "DELETE FROM quo.any WHERE id = 1"
    with running(made.gateway):
        with made.connect() as c:
            ticket = made.held(c, sql)
            assert made.say("alice", ticket)[1]["state"] == "approved"
            config = json.loads(made.gateway.config.read_text())
            config["policy"]["approvals"] = {"quorum": 2}
            made.gateway.config.write_text(json.dumps(config))
            made.gateway.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "policy.reload" in made.gateway.log() or "reload" in made.gateway.log())
            with pytest.raises(psycopg.Error) as caught:
                c.execute(sql)
            assert caught.value.diag.sqlstate == "ZB003"
            again = made.held(c, sql)
            assert again != ticket and made.ticket(again)["missing"][0]["quorum"] == 2


def test_groups_of_operators(ground):
    listed = {o["name"]: o["groups"]
              for o in json.loads(ground.gateway.cli("operators", "list", "--json").stdout)}
    assert listed["kim"] == ["dba"] and listed["sam"] == ["security"] and listed["alice"] == []
    assert ground.gateway.cli("operators", "set", "kim", check=False).returncode == 64
    assert ground.gateway.cli("operators", "set", "kim", "--group", "No!", check=False).returncode == 64
    assert "dba" in ground.gateway.cli("operators", "list").stdout
    with sqlite3.connect(f"file:{ground.gateway.folder}/state.db?mode=ro", uri=True) as db:
        assert db.execute("SELECT count(*) FROM said WHERE operator = 'kim'").fetchone()[0] > 0


def test_long_texts_hide_no_ticket(pg):
    """An agent's statements have 16 MB at most, each; what waits is listed in pages that fit, however many there are."""
    ground = Ground(pg)
    with pg.admin() as c:
        c.execute(SCHEMA)
    with running(ground.gateway):
        with ground.connect() as c:
            tickets = [ground.held(c, f"DELETE FROM quo.any WHERE id = {n}") for n in range(6)]
        with sqlite3.connect(ground.gateway.folder / "state.db") as db:
            db.execute("UPDATE tickets SET sql = sql || ' -- ' || hex(zeroblob(7500000))")
        seen, more, pages = [], "", 0
        while more is not None:
            status, page = ground.who["kim"].ask("GET", "/v1/tickets?state=pending" + more)
            assert status == 200, page
            seen += [t["id"] for t in page["tickets"]]
            assert all(len(t["sql"]) > 15000000 for t in page["tickets"])
            more, pages = "&cursor=" + page["next"] if "next" in page else None, pages + 1
        assert seen == tickets[::-1] and pages > 1
