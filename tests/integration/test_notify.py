"""Webhooks: who is told of what, signed, over and over until it is taken - and never in anybody's way."""

import json
import pathlib
import time

import psycopg
import pytest

from conftest import Gateway, make_certificate, running, wait_until
from operator_side import Operator
from telling import KEY, SECRET, Ear, verified
from test_api import ask

SCHEMA = """
DROP SCHEMA IF EXISTS told CASCADE;
CREATE SCHEMA told AUTHORIZATION app_trust;
CREATE TABLE told.t (id int PRIMARY KEY, v text);
ALTER TABLE told.t OWNER TO app_trust;
INSERT INTO told.t SELECT n, 'hidden ' || n FROM generate_series(1, 1000) n;
"""


def hook(ear, name="pager", **more):
    return {"name": name, "webhook": {"url": ear.url + "/hook", "secret": SECRET}, **more}


class Ground:
    def __init__(self, pg, targets, **more):
        with pg.admin() as c:
            c.execute(SCHEMA)
        self.gateway = Gateway(pg, {"app": pg.conninfo("app_trust")},
                               extra={"hold": {"wait": "0s"}, "notify": targets, **more})
        self.gateway.add_agent("alice")
        self.kim = Operator(self.gateway, "kim", "admin")
        self.n = 0

    def held(self, sql=None):
        self.n += 1
        sql = sql or f"DELETE FROM told.t WHERE id = {self.n}"
        with self.gateway.connect(autocommit=True) as c, pytest.raises(psycopg.Error) as e:
            c.execute(sql)
        return json.loads(e.value.diag.message_detail)["ticket"], sql

    def run(self, sql):
        with self.gateway.connect(autocommit=True) as c:
            return c.execute(sql).rowcount

    def listed(self, *args):
        return json.loads(self.gateway.cli("notify", "list", "--json", *args).stdout)["deliveries"]

    def metric(self, name):
        lines = ask(self.gateway, "GET", "/metrics").text.splitlines()
        return next(int(line.split()[-1]) for line in lines if line.startswith(name))


@pytest.fixture(scope="module")
def ear():
    ear = Ear()
    yield ear
    ear.close()


@pytest.fixture(scope="module")
def full():
    ear = Ear()
    yield ear
    ear.close()


@pytest.fixture(scope="module")
def ground(pg, ear, full):
    ground = Ground(pg, [hook(ear), hook(full, "all", sql="full", events=["ticket.opened", "ticket.running", "pause"])])
    with running(ground.gateway):
        yield ground
    with pg.admin() as c:
        c.execute("DROP SCHEMA told CASCADE")


# --- what is told ------------------------------------------------------------------------------


def test_a_ticket_is_told_from_its_opening_to_its_end(ground, ear):
    ticket, sql = ground.held()
    opened = ear.wait_event("ticket.opened", ticket)
    shown = opened["data"]["ticket"]
    assert (shown["actor"], shown["owner"], shown["database"], shown["risk"], shown["state"]) == (
        "alice", "alice", "app", "HIGH", "pending")
    assert shown["kinds"] == ["DELETE"] and shown["decide_by"] > opened["timestamp"]
    assert [(e["object"], e["rows"]) for e in shown["effects"]] == [("told.t", 1)]
    assert shown["recovery"]["grade"] == "read-back" and "decided_by" not in shown
    ground.kim.decide(ticket, "approve", "it is fine")
    approved = ear.wait_event("ticket.approved", ticket)["data"]["ticket"]
    assert (approved["state"], approved["decided_by"], approved["reason"]) == ("approved", "kim", "it is fine")
    assert ground.run(sql) == 1
    done = ear.wait_event("ticket.done", ticket)["data"]["ticket"]
    assert done["state"] == "done" and done["point"]
    assert not ear.events("ticket.running", ticket=ticket), "only for those who ask for it"


def test_each_is_signed_as_standard_webhooks_says(ground, ear):
    ticket, _ = ground.held()
    ear.wait_event("ticket.opened", ticket)
    assert ear.got and all(verified(headers, body) for _, headers, body, _ in ear.got)
    path, headers, body, _ = ear.got[-1]
    assert path == "/hook" and headers["content-type"] == "application/json"
    assert not verified(headers, body + b" ") and not verified(headers, body, bytes(32))
    assert not verified({**headers, "webhook-id": "msg_0"}, body)


def test_values_are_told_only_where_the_configuration_says_so(ground, ear, full):
    sql = "DELETE FROM told.t WHERE v = 'hidden 900' /* a secret comment */"
    ticket, _ = ground.held(sql)
    ear.wait_event("ticket.opened", ticket)
    assert full.wait_event("ticket.opened", ticket)["data"]["ticket"]["statement"] == sql
    for _, _, body, _ in ear.got:
        assert b"hidden" not in body and b"secret" not in body, body
    shape = ear.events("ticket.opened", ticket=ticket)[0]["data"]["ticket"]["statement"]
    assert shape.startswith("DELETE FROM told.t WHERE v = '")


def test_denials_pauses_and_quarantines_are_told(ground, ear, full):
    ticket, _ = ground.held()
    ground.kim.decide(ticket, "deny", "no")
    assert ear.wait_event("ticket.denied", ticket)["data"]["ticket"]["reason"] == "no"
    ground.gateway.add_agent("mallory")
    assert ground.kim.ask("POST", "/v1/pauses", {"scope": "actor", "name": "mallory", "reason": "odd"})[0] == 200
    data = ear.wait_event("pause")["data"]
    assert (data["subject"], data["by"], data["reason"]) == ("mallory", "operator:kim", "odd")
    full.wait_event("pause")
    assert ground.kim.ask("POST", "/v1/actors/mallory/quarantine", {"reason": "odder"})[0] == 200
    assert ear.wait_event("agent.quarantined")["data"]["subject"] == "mallory"
    assert ground.kim.ask("POST", "/v1/actors/mallory/release", {})[0] == 200
    ear.wait_event("agent.released")
    assert {b["type"] for b in full.events()} <= {"ticket.opened", "ticket.running", "pause"}


def test_what_another_process_does_is_told(ground, ear):
    """The command line writes the state; nobody has to wake the gateway."""
    ground.gateway.add_agent("peggy")
    assert ground.kim.ask("POST", "/v1/actors/peggy/quarantine", {})[0] == 200
    ground.gateway.cli("agents", "release", "peggy")
    ear.wait(lambda _: [b for b in ear.events("agent.released") if b["data"]["subject"] == "peggy"])


def test_breaking_the_glass_is_told(ground, ear):
    ticket, _ = ground.held()
    assert ground.kim.ask("POST", f"/v1/tickets/{ticket}/break-glass", {"reason": "fire"})[0] == 200
    data = ear.wait_event("ticket.break_glass", ticket)["data"]["ticket"]
    assert (data["state"], data["decided_by"], data["reason"]) == ("approved", "kim", "fire")


def test_a_point_that_fails_is_told(ground, ear):
    ticket, sql = ground.held()
    ground.kim.decide(ticket, "approve")
    points = pathlib.Path(json.loads(ground.gateway.config.read_text())["storage"].removeprefix("file://"))
    aside = points.rename(points.with_name("aside"))
    points.write_text("no folder")
    try:
        with pytest.raises(psycopg.Error) as e:
            ground.run(sql)
    finally:
        points.unlink()
        aside.rename(points)
    assert e.value.sqlstate == "ZB004"
    data = ear.wait_event("point.failed")["data"]
    assert (data["actor"], data["database"], data["ticket"]) == ("alice", "app", ticket)
    ear.wait_event("ticket.failed", ticket)


# --- how it is tried ---------------------------------------------------------------------------


def test_what_is_not_taken_comes_again_the_same(ground, ear):
    ear.answers = [(500, {}, "x"), "close"]
    before = len(ear.got)
    ticket, _ = ground.held()
    ear.wait(lambda got: len(got) >= before + 3)
    tries = ear.got[before:before + 3]
    assert len({h["webhook-id"] for _, h, _, _ in tries}) == 1 and len({b for _, _, b, _ in tries}) == 1
    assert all(verified(h, b) for _, h, b, _ in tries)
    wait_until(lambda: not ground.listed())
    assert ground.metric('backstop_notify_tries_total{outcome="failed"}') >= 2
    assert ear.events("ticket.opened", ticket=ticket)


def test_retry_after_is_honoured(ground, ear):
    ear.answers = [(429, {"Retry-After": "4"}, "")]
    before = len(ear.got)
    ground.held()
    ear.wait(lambda got: len(got) >= before + 2)
    first, second = (at for _, _, _, at in ear.got[before:before + 2])
    assert 3.5 < second - first < 8


def test_no_redirect_is_followed(ground, ear):
    other = Ear()
    try:
        ear.answers = [(307, {"Location": other.url + "/elsewhere"}, "")]
        before = len(ear.got)
        ground.held()
        wait_until(lambda: any("redirects" in (d.get("why") or "") for d in ground.listed("--target", "pager")))
        ear.wait(lambda got: len(got) >= before + 2)
        assert other.got == []
    finally:
        other.close()


def test_gone_is_given_up_kept_and_tried_anew_on_request(ground, ear):
    ear.answers = [(410, {}, "")]
    ticket, _ = ground.held()
    dead = wait_until(lambda: ground.listed("--dead"))
    assert [(d["subject"], d["event"], d["given_up"], d["why"]) for d in dead] == [
        (ticket, "ticket.opened", True, "it answered 410")]
    assert "body" not in dead[0]
    assert ground.metric('backstop_notify_deliveries{target="pager",state="given_up"}') == 1
    doctor = json.loads(ground.gateway.cli("doctor", "--json", check=False).stdout)["checks"]
    assert any(c["check"] == "notify.dead" and c["level"] == "warn" for c in doctor)
    before = len(ear.got)
    assert "1 tried anew" in ground.gateway.cli("notify", "retry", dead[0]["id"]).stdout
    ear.wait(lambda got: len(got) > before)
    assert ear.got[before][1]["webhook-id"] == dead[0]["id"]
    wait_until(lambda: not ground.listed())
    assert ground.gateway.cli("notify", "drop", dead[0]["id"], check=False).returncode != 0
    wait_until(lambda: any(r.get("action") == "notify.retry" for r in
                           ground.kim.ask("GET", "/v1/audit?kind=operator&limit=50")[1]["records"]), 10)


def test_a_target_is_tried_out(ground, ear):
    before = len(ear.got)
    out = json.loads(ground.gateway.cli("notify", "test", "pager", "--json").stdout)
    _, headers, body, _ = ear.got[before]
    assert headers["webhook-id"] == out["id"] and json.loads(body)["type"] == "test" and verified(headers, body)
    ear.answers = [(403, {}, "go away")]
    out = ground.gateway.cli("notify", "test", "pager", check=False)
    assert out.returncode == 69 and "403" in out.stderr and "go away" not in out.stderr
    assert ground.gateway.cli("notify", "test", "nobody", check=False).returncode == 64


# --- never in the way --------------------------------------------------------------------------


def test_a_dead_target_holds_up_nobody_and_a_restart_loses_nothing(pg):
    slow, ear = Ear("hang"), Ear()
    ground = Ground(pg, [hook(slow, "slow"), hook(ear), {
        **hook(ear, "refuses"), "webhook": {"url": "http://127.0.0.1:9/", "secret": SECRET}}])
    try:
        ground.gateway.start()
        ticket, sql = ground.held()
        began = time.monotonic()
        ground.kim.decide(ticket, "approve")
        assert ground.run(sql) == 1
        ear.wait_event("ticket.done", ticket)
        assert time.monotonic() - began < 8, "the one that hangs is waited for"
        slow.wait(lambda got: got)
        wait_until(lambda: {d["target"] for d in ground.listed()} == {"slow", "refuses"})
        waiting = {d["id"]: d for d in ground.listed()}
        began = time.monotonic()
        assert ground.gateway.stop() == 0
        assert time.monotonic() - began < 8, "the stop waits for the one that hangs"
        _, tried, sent, _ = slow.got[0]
        config = json.loads(ground.gateway.config.read_text())
        config["notify"][0]["sql"] = "none"  # what was sent once is sent like that again
        ground.gateway.config.write_text(json.dumps(config))
        slow.always = (200, {}, "")
        slow.go_on.set()
        first = len(slow.got)
        ground.gateway.start()
        slow.wait(lambda got: len(got) >= first + 3, 30)
        types = {(h["webhook-id"], json.loads(b)["type"]) for _, h, b, _ in slow.got[first:]}
        assert types == {(d["id"], d["event"]) for d in waiting.values() if d["target"] == "slow"}
        again = {h["webhook-id"]: b for _, h, b, _ in slow.got[first:]}
        assert again[tried["webhook-id"]] == sent and b"statement" in sent
        assert ground.gateway.stop() == 0
    finally:
        if ground.gateway.process and ground.gateway.process.poll() is None:
            ground.gateway.process.kill()
            ground.gateway.process.wait()
        ground.gateway.remove()
        slow.close()
        ear.close()


def test_it_is_given_up_in_the_end_and_old_targets_are(pg, ear):
    ground = Ground(pg, [{**hook(ear, "refuses", retry="2s"),
                          "webhook": {"url": "http://127.0.0.1:9/", "secret": SECRET}}])
    with running(ground.gateway):
        ground.held()
        dead = wait_until(lambda: ground.listed("--dead"), 15)
        assert dead[0]["target"] == "refuses" and dead[0]["why"]
        assert ground.gateway.cli("notify", "drop", check=False).returncode == 64
        assert "1 forgotten" in ground.gateway.cli("notify", "drop", "--target", "refuses").stdout
        assert ground.listed() == []


# --- the configuration -------------------------------------------------------------------------


@pytest.mark.parametrize("target,word", [
    ({"name": "x", "webhook": {"url": "http://example.com/", "secret": SECRET}}, "must be https://"),
    ({"name": "x", "webhook": {"url": "https://u:pass@example.com/", "secret": SECRET}}, "user or a password"),
    ({"name": "x", "webhook": {"url": "ftp://127.0.0.1/", "secret": SECRET}}, "must be https://"),
    ({"name": "x", "webhook": {"url": "https://example.com/", "secret": "guessme"}}, "whsec_"),
    ({"name": "x", "webhook": {"url": "https://example.com/"}}, "secret"),
    ({"name": "x"}, "either a webhook or slack"),
    ({"name": "X y", "webhook": {"url": "https://example.com/", "secret": SECRET}}, "name"),
    ({"name": "x", "events": ["ticket.open"], "webhook": {"url": "https://example.com/", "secret": SECRET}}, "no event"),
    ({"name": "x", "slack": {"channel": "C1"}}, "webhook_url"),
    ({"name": "x", "slack": {"token": "xoxb-guessme"}}, "needs a channel"),
    ({"name": "x", "slack": {"token": "guessme\nX-Evil: 1", "channel": "C1"}}, "blanks"),
    ({"name": "x", "slack": {"webhook_url": "https://example.com/", "signing_secret": "guessme"}}, "go with a token"),
])
def test_a_wrong_target_is_said_without_its_secrets(pg, target, word):
    g = Gateway(pg, {"app": pg.conninfo("app_trust")}, extra={"notify": [target]})
    try:
        out = g.cli("check-config", check=False)
        assert out.returncode == 78 and word in out.stderr, out.stderr
        assert "guessme" not in out.stderr + out.stdout and "u:pass" not in out.stderr
    finally:
        g.remove()


def test_certificates_are_verified(pg, tmp_path):
    tls = make_certificate(tmp_path)
    ear = Ear(tls=tls)
    g = Gateway(pg, {"app": pg.conninfo("app_trust")}, extra={"notify": [
        hook(ear, "strangers"), hook(ear, "known", ca_file=str(tls[0]))]})
    try:
        out = g.cli("notify", "test", "strangers", check=False)
        assert out.returncode == 69 and "certificate is not trusted" in out.stderr and not ear.got
        g.cli("notify", "test", "known")
        assert len(ear.got) == 1
    finally:
        g.remove()
        ear.close()


def test_secrets_come_from_files_and_programs(pg, ear):
    g = Gateway(pg, {"app": pg.conninfo("app_trust")}, env={"EAR": ear.url}, extra={"notify": [
        {"name": "x", "webhook": {"url": "${EAR}/from-env", "secret": "file:hook.secret"}}]})
    try:
        (g.folder / "hook.secret").write_text(SECRET + "\n")
        g.cli("notify", "test", "x")
        path, headers, body, _ = ear.got[-1]
        assert path == "/from-env" and verified(headers, body, KEY)
    finally:
        g.remove()
