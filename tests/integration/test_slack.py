"""Slack: a ticket as one message that stays up to date, and presses of its buttons - against a stand-in."""

import json
import time

import psycopg
import pytest

from conftest import Gateway, running, wait_until
from operator_side import Operator
from telling import Ear, slack_fields, slack_form
from test_api import ask

SIGNING = "8f742231b10e8888abcd99yyyzzz85a5"
TOKEN = "xoxb-the-token"
RULES = [
    {"name": "two", "objects": ["slk.two"], "action": "approve", "approvals": {"quorum": 2}},
    {"name": "why", "objects": ["slk.why"], "action": "approve", "approvals": {"require_reason": True}},
    {"name": "dba", "objects": ["slk.dba"], "action": "approve", "approvals": {"groups": ["dba"]}},
]
TABLES = ("t", "two", "why", "dba")
PLAIN = {"plain_text", "rich_text", "rich_text_preformatted", "text"}


class Slack(Ear):
    """Posts get a time, as Slack's do; `posted` and `updated` are the bodies of the two methods."""

    def __init__(self):
        super().__init__(self.answer)
        self.n = 0

    def answer(self, path, body):
        self.n += 1
        return 200, {"Content-Type": "application/json"}, json.dumps(
            {"ok": True, "channel": json.loads(body).get("channel", "C1"), "ts": f"1700000000.{self.n:06}"})

    def calls(self, method, ticket=""):
        return [json.loads(body) for path, _, body, _ in self.got
                if path == f"/api/{method}" and ticket in body.decode()]

    def wait_call(self, method, ticket="", seconds=15):
        return self.wait(lambda _: self.calls(method, ticket), seconds)[-1]


def texts(o):
    """Every object that shows a text, and the text itself."""
    if isinstance(o, list):
        for item in o:
            yield from texts(item)
    elif isinstance(o, dict):
        if isinstance(o.get("text"), str):
            yield o
        for item in o.values():
            yield from texts(item)


def buttons(message):
    return {e["action_id"]: e for b in message["blocks"] if b["type"] == "actions" for e in b["elements"]}


class Ground:
    def __init__(self, pg):
        self.slack, self.pg = Slack(), pg
        with pg.admin() as c:
            c.execute("DROP SCHEMA IF EXISTS slk CASCADE; CREATE SCHEMA slk AUTHORIZATION app_trust")
            for table in TABLES:
                c.execute(f"CREATE TABLE slk.{table} (id int PRIMARY KEY, v text)")
                c.execute(f"ALTER TABLE slk.{table} OWNER TO app_trust")
                c.execute(f"INSERT INTO slk.{table} SELECT n, 'v' || n FROM generate_series(1, 1000) n")
        self.gateway = Gateway(pg, {"app": pg.conninfo("app_trust")}, policy={"rules": RULES}, extra={
            "hold": {"wait": "0s"},
            "notify": [{"name": "dba", "sql": "full", "events": ["ticket.opened", "pause"], "console": "https://bs.example.com",
                        "slack": {"token": TOKEN, "channel": "C1", "signing_secret": SIGNING, "api": self.slack.url + "/api"}},
                       {"name": "in", "events": ["ticket.opened"], "slack": {"webhook_url": self.slack.url + "/incoming"}}]})
        self.gateway.add_agent("alice")
        self.who = {name: Operator(self.gateway, name, role) for name, role in
                    (("kim", "approver"), ("lee", "approver"), ("vic", "viewer"), ("gone", "approver"))}
        for n, name in enumerate(self.who, 1):
            self.gateway.cli("operators", "set", name, "--slack", f"U0{n}")
        self.gateway.cli("operators", "revoke", "gone")
        self.n = 0

    def held(self, table="t", sql=None):
        self.n += 1
        sql = sql or f"DELETE FROM slk.{table} WHERE id = {self.n}"
        with self.gateway.connect(autocommit=True) as c, pytest.raises(psycopg.Error) as e:
            c.execute(sql)
        return json.loads(e.value.diag.message_detail)["ticket"]

    def send(self, payload, **fields):
        body = payload if isinstance(payload, str) else slack_form(payload)
        headers = {**slack_fields(SIGNING, body), **fields}
        return ask(self.gateway, "POST", "/v1/slack", body, **{k.replace("-", "_"): v for k, v in headers.items() if v})

    def press(self, ticket, user="U01", action="approve"):
        self.n += 1
        return self.send({"type": "block_actions", "user": {"id": user}, "channel": {"id": "C1"},
                          "trigger_id": f"trigger.{self.n}",
                          "actions": [{"action_id": f"backstop_{action}", "value": ticket}]})

    def ticket(self, ticket):
        return self.who["kim"].ask("GET", f"/v1/tickets/{ticket}")[1]


@pytest.fixture(scope="module")
def ground(pg):
    ground = Ground(pg)
    with running(ground.gateway):
        yield ground
    ground.slack.close()
    with pg.admin() as c:
        c.execute("DROP SCHEMA slk CASCADE")


# --- the message -------------------------------------------------------------------------------


def test_a_ticket_is_one_message_that_stays_up_to_date(ground):
    ticket = ground.held()
    message = ground.slack.wait_call("chat.postMessage", ticket)
    path, headers, _, _ = next(g for g in ground.slack.got if ticket in g[2].decode() and g[0].startswith("/api"))
    assert headers["authorization"] == f"Bearer {TOKEN}" and message["channel"] == "C1"
    shown = json.dumps(message["blocks"])
    for word in ("alice", "app", "HIGH", ticket, "DELETE slk.t: 1 rows", "recovery point is made first", "Decide by"):
        assert word in shown, word
    assert set(buttons(message)) == {"backstop_approve", "backstop_deny", "backstop_open"}
    assert buttons(message)["backstop_open"]["url"] == f"https://bs.example.com/#/tickets/{ticket}"
    ground.who["kim"].decide(ticket, "deny", "not <today>")
    update = ground.slack.wait_call("chat.update", ticket)
    assert update["ts"].startswith("1700000000.") and update["channel"] == "C1"
    assert set(buttons(update)) == {"backstop_open"} and "Denied" in update["text"]
    assert "Decided by kim" in json.dumps(update["blocks"])
    assert len(ground.slack.calls("chat.postMessage", ticket)) == 1
    incoming = [json.loads(b) for p, _, b, _ in ground.slack.got if p == "/incoming" and ticket in b.decode()]
    assert incoming and "backstop_approve" not in buttons(incoming[0]), "nobody could answer it there"


def test_texts_of_agents_are_never_markup(ground):
    evil = "<!channel> <https://evil|click> *bold* `code` \u202e &amp; @here"
    ticket = ground.held(sql=f"DELETE FROM slk.t WHERE v = '{evil}'")
    message = ground.slack.wait_call("chat.postMessage", ticket)
    assert message["mrkdwn"] is False and message["link_names"] is False and message["parse"] == "none"
    assert "<" not in message["text"]
    kinds = {o["type"] for o in texts(message["blocks"])}
    assert kinds <= PLAIN, kinds
    assert "mrkdwn" not in json.dumps(message["blocks"])
    code = next(b for b in message["blocks"] if b["type"] == "rich_text")["elements"][0]["elements"][0]["text"]
    assert "\u202e" not in code and "\\u{202E}" in code and "<!channel>" in code


def test_what_is_cut_cannot_be_approved_here(ground):
    ticket = ground.held(sql="DELETE FROM slk.t WHERE id = 900 OR v IN (" + ", ".join(f"'{n}'" for n in range(2000)) + ")")
    message = ground.slack.wait_call("chat.postMessage", ticket)
    assert set(buttons(message)) == {"backstop_deny", "backstop_open"}
    assert len(message["blocks"]) <= 50 and all(len(o["text"]) <= 3000 for o in texts(message["blocks"]))
    assert "Cut: it has" in json.dumps(message["blocks"])


def test_other_events_are_messages_too(ground):
    admin = Operator(ground.gateway, "boss", "admin")
    assert admin.ask("POST", "/v1/pauses", {"scope": "database", "name": "app", "reason": "<!here> stop"})[0] == 200
    assert admin.ask("DELETE", "/v1/pauses?scope=database&name=app")[0] == 200
    message = ground.slack.wait_call("chat.postMessage", "<!here> stop")
    assert "operator:boss" in json.dumps(message["blocks"]) and {o["type"] for o in texts(message["blocks"])} <= PLAIN


# --- the buttons -------------------------------------------------------------------------------


@pytest.mark.parametrize("action,state", [("approve", "approved"), ("deny", "denied")])
def test_a_press_decides_as_the_operator(ground, action, state):
    ticket = ground.held()
    answer = ground.press(ticket, action=action)
    assert (answer.status, answer.text) == (200, "")
    shown = ground.ticket(ticket)
    assert (shown["state"], shown["decided_by"]) == (state, "kim")
    ground.slack.wait_call("chat.update", ticket)
    records = ground.who["kim"].ask("GET", f"/v1/audit?ticket={ticket}&kind=decision")[1]["records"]
    assert [(r["operator"], r["client"], r["decision"]) for r in records] == [("kim", "slack:U01", action)]


def test_every_rule_holds(ground):
    two = ground.held("two")
    ground.press(two, "U01")
    assert ground.ticket(two)["state"] == "pending", "one of two"
    update = ground.slack.wait_call("chat.update", two)
    assert "Approved so far by kim" in json.dumps(update["blocks"]) and "backstop_approve" in buttons(update)
    ground.press(two, "U01")
    ground.slack.wait_call("chat.postEphemeral", "decided ticket")
    assert ground.ticket(two)["state"] == "pending", "the same one twice"
    ground.press(two, "U02")
    assert ground.ticket(two)["decided_by"] == "kim, lee"
    dba = ground.held("dba")
    ground.press(dba, "U01")
    told = ground.slack.wait_call("chat.postEphemeral", dba)
    assert told["user"] == "U01" and "groups" in told["text"] and ground.ticket(dba)["state"] == "pending"


@pytest.mark.parametrize("user,word", [("U03", "role approver"), ("U04", "no operator"), ("U99", "no operator"), ("kim", "no operator")])
def test_whoever_may_not_is_told_so_alone(ground, user, word):
    ticket = ground.held()
    assert ground.press(ticket, user).status == 200
    told = ground.slack.wait(lambda _: [c for c in ground.slack.calls("chat.postEphemeral", ticket) if c["user"] == user])[0]
    assert word in told["text"] and told["channel"] == "C1"
    assert ground.ticket(ticket)["state"] == "pending"


def test_where_a_reason_is_wanted_a_form_asks(ground):
    ticket = ground.held("why")
    ground.press(ticket)
    form = ground.slack.wait_call("views.open", ticket)
    assert form["trigger_id"].startswith("trigger.") and ground.ticket(ticket)["state"] == "pending"
    view = form["view"]
    field = view["blocks"][0]

    def submit(reason, user="U01"):
        return ground.send({"type": "view_submission", "user": {"id": user}, "view": {
            "callback_id": view["callback_id"], "private_metadata": view["private_metadata"],
            "state": {"values": {field["block_id"]: {field["element"]["action_id"]: {"value": reason}}}}}})

    answer = submit("  ").json()
    assert answer["response_action"] == "errors" and "reason" in answer["errors"][field["block_id"]]
    assert submit("fine", "U99").json()["response_action"] == "errors"
    assert ground.ticket(ticket)["state"] == "pending"
    assert submit("because it is right").text == ""
    shown = ground.ticket(ticket)
    assert (shown["state"], shown["reason"]) == ("approved", "because it is right")


# --- who is believed ---------------------------------------------------------------------------


def pressing(ticket):
    return slack_form({"type": "block_actions", "user": {"id": "U01"}, "channel": {"id": "C1"},
                       "actions": [{"action_id": "backstop_approve", "value": ticket}], "n": time.time()})


@pytest.mark.parametrize("how", ["forged", "old", "early", "another time", "changed", "unsigned", "cut", "with a token"])
def test_what_slack_has_not_signed_now_is_refused(ground, how):
    ticket = ground.held()
    body, token = pressing(ticket), None
    fields = slack_fields("not the secret" if how == "forged" else SIGNING, body,
                          at=int(time.time()) + {"old": -301, "early": 320}.get(how, 0))
    if how == "another time":
        fields["X-Slack-Request-Timestamp"] = str(int(fields["X-Slack-Request-Timestamp"]) + 1)
    elif how == "changed":
        body = body.replace("U01", "U02")
    elif how == "unsigned":
        del fields["X-Slack-Signature"]
    elif how == "cut":
        fields["X-Slack-Signature"] = fields["X-Slack-Signature"][:-1]
    elif how == "with a token":
        fields, token = {"Content-Type": fields["Content-Type"]}, ground.who["kim"].token
    answer = ask(ground.gateway, "POST", "/v1/slack", body, token, **{k.replace("-", "_"): v for k, v in fields.items()})
    assert answer.status == 401 and answer.problem() == "AUTH"
    assert ground.ticket(ticket)["state"] == "pending"


def test_a_press_counts_once(ground):
    ticket = ground.held("two")
    body = pressing(ticket)
    fields = {k.replace("-", "_"): v for k, v in slack_fields(SIGNING, body).items()}
    assert ask(ground.gateway, "POST", "/v1/slack", body, **fields).status == 200
    assert ask(ground.gateway, "POST", "/v1/slack", body, **fields).problem() == "AUTH"


@pytest.mark.parametrize("body", ["", "payload", "payload=", "payload=%7B", "payload=%5B%5D", "x=1&payload=%7B%7D", "payload=%00", "payload=%ff%fe"])
def test_nonsense_is_refused(ground, body):
    assert ground.send(body).status == 422, body


@pytest.mark.parametrize("payload", [{}, {"type": 1}, {"type": "block_actions"}, {"type": "view_submission"},
                                     {"type": "block_actions", "user": "U01", "actions": [1, {"action_id": "backstop_approve"}]},
                                     {"type": "view_submission", "user": {"id": "U01"}, "view": {"private_metadata": "{}"}},
                                     {"type": "block_actions", "user": {"id": "U01"}, "actions": [{"action_id": "other", "value": "T-1"}]},
                                     {"type": "block_actions", "user": {"id": "U01"}, "actions": [{"action_id": "backstop_approve", "value": "T-1"}]}])
def test_what_says_nothing_does_nothing(ground, payload):
    assert ground.send({**payload, "n": time.time()}).status == 200


# --- a Slack that is not well ------------------------------------------------------------------


def test_a_rate_limit_and_a_refusal_are_waited_out(ground):
    before = len(ground.slack.got)
    ground.slack.answers = [(429, {"Retry-After": "1"}, ""), (200, {}, '{"ok": false, "error": "channel_not_found"}')] * 2
    ticket = ground.held()
    wait_until(lambda: any("channel_not_found" in (d.get("why") or "") for d in
                           json.loads(ground.gateway.cli("notify", "list", "--json").stdout)["deliveries"]), 15)
    ground.slack.wait(lambda _: not ground.slack.answers, 20)
    wait_until(lambda: not json.loads(ground.gateway.cli("notify", "list", "--json").stdout)["deliveries"], 20)
    assert ground.slack.calls("chat.postMessage", ticket) and len(ground.slack.got) > before + 2


def test_who_is_who_is_said_once(ground):
    out = ground.gateway.cli("operators", "set", "lee", "--slack", "U01", check=False)
    assert out.returncode != 0 and "another operator" in out.stderr
    assert ground.gateway.cli("operators", "set", "lee", "--slack", "<@U1>", check=False).returncode == 64
    assert ground.gateway.cli("operators", "set", "lee", "--slack", "U07", "--no-groups", check=False).returncode == 64
