"""SIGHUP and `notify`: other secrets, other targets, all or nothing - and what is being sent ends as it began."""

import base64
import itertools
import json
import os
import signal

import pytest

from conftest import running, wait_until
from operator_side import Operator
from telling import KEY, Ear, slack_fields, slack_form, verified
from test_api import ask
from test_notify import Ground, hook
from test_slack import Slack

NEW = bytes(range(100, 140))
NEW_SECRET = "whsec_" + base64.b64encode(NEW).decode()


class Changing(Ground):
    def hup(self, targets, says="who is told is reloaded"):
        """Writes the targets; the lines that the gateway says about it."""
        config = json.loads(self.gateway.config.read_text())
        config.pop("notify", None)
        config.update({"notify": targets} if targets else {})
        before = len(self.gateway.lines)
        self.gateway.config.write_text(json.dumps(config))
        self.gateway.process.send_signal(signal.SIGHUP)
        wait_until(lambda: any(says in line for line in self.gateway.lines[before:]))
        return "".join(self.gateway.lines[before:])

    def threads(self):
        return len(os.listdir(f"/proc/{self.gateway.process.pid}/task"))

    def audited(self, **wanted):
        lines = []
        for path in sorted((self.gateway.folder / "audit").glob("audit-*.jsonl")):
            lines += [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
        return [x for x in lines if all(x.get(k) == v for k, v in wanted.items())]


def headers_of(ear, ticket):
    """Of the first request that tells of a ticket."""
    return next((h, b) for _, h, b, _ in ear.got if ticket in b.decode())


@pytest.fixture
def ears():
    made = [Ear(), Ear()]
    yield made
    for ear in made:
        ear.close()


@pytest.fixture
def ground(pg, ears):
    ground = Changing(pg, [hook(ears[0]), hook(ears[1], "other")])
    with running(ground.gateway):
        yield ground
    with pg.admin() as c:
        c.execute("DROP SCHEMA told CASCADE")


def signed_by(ground, ear):
    """Which of the two keys the next event is signed with."""
    ticket, _ = ground.held()
    ear.wait_event("ticket.opened", ticket)
    found = headers_of(ear, ticket)
    return [name for name, key in (("old", KEY), ("new", NEW)) if verified(*found, key)]


def test_another_secret_signs_what_comes_after(ground, ears):
    ear = ears[0]
    secret = ground.gateway.folder / "hook.secret"
    rotated = {**hook(ear), "webhook": {"url": ear.url + "/hook", "secret": "file:hook.secret"}}
    assert signed_by(ground, ear) == ["old"]
    secret.write_text(NEW_SECRET)
    said = ground.hup([rotated, hook(ears[1], "other")])
    assert "needs a restart" not in said and NEW_SECRET not in said
    assert signed_by(ground, ear) == ["new"]
    assert signed_by(ground, ears[1]) == ["old"], "the other one stays as it is"
    assert ground.audited(action="reload", outcome="done")
    secret.write_text("whsec_" + base64.b64encode(KEY).decode())  # the file that the secret is in, alone
    ground.hup([rotated, hook(ears[1], "other")])
    assert signed_by(ground, ear) == ["old"]


def test_two_secrets_sign_both_while_receivers_change_over(ground, ears):
    old = hook(ears[0])["webhook"]
    ground.hup([{**hook(ears[0]), "webhook": {**old, "secret": [NEW_SECRET, old["secret"]]}}])
    ticket, _ = ground.held()
    ears[0].wait_event("ticket.opened", ticket)
    headers, body = headers_of(ears[0], ticket)
    assert verified(headers, body, NEW) and verified(headers, body, KEY)
    assert not verified(headers, body, bytes(32))
    first, second = headers["webhook-signature"].split(" ")
    assert first != second and first.startswith("v1,") and second.startswith("v1,")
    ground.hup([{**hook(ears[0]), "webhook": {**old, "secret": [NEW_SECRET]}}])
    assert signed_by(ground, ears[0]) == ["new"]


def test_a_target_that_is_gone_gets_nothing_more_and_one_that_comes_does(ground, ears):
    first, second = ears
    before, _ = ground.held()
    second.wait_event("ticket.opened", before)
    third = Ear()
    try:
        ground.hup([hook(first), hook(third, "third")])
        ticket, _ = ground.held()
        first.wait_event("ticket.opened", ticket)
        third.wait_event("ticket.opened", ticket)
        ground.kim.decide(ticket, "deny")
        first.wait_event("ticket.denied", ticket)
        third.wait_event("ticket.denied", ticket)
        assert not second.events(ticket=ticket) and not third.events(ticket=before)
        ground.hup([hook(first), hook(second, "other")])  # and back again
        ticket, _ = ground.held()
        second.wait_event("ticket.opened", ticket)
        first.wait_event("ticket.opened", ticket)
        assert not third.events(ticket=ticket)
        assert len(second.events("ticket.opened", ticket=ticket)) == 1
        threads = ground.threads()
        ground.hup([hook(first)])
        wait_until(lambda: ground.threads() == threads - 1)
    finally:
        third.close()


def test_what_is_being_sent_ends_as_it_began_and_what_waits_is_kept(ground, ears):
    """The target hangs while it goes: the reload waits for nobody, and its event is not lost."""
    slow = ears[1]
    slow.answers = ["hang"]
    first, _ = ground.held()
    slow.wait_event("ticket.opened", first)
    second, _ = ground.held()
    ears[0].wait_event("ticket.opened", second)
    ground.hup([hook(ears[0])])
    slow.go_on.set()  # it hangs up: not taken, and not tried again
    dead = wait_until(lambda: len(found := ground.listed("--dead")) == 2 and found)
    assert {(d["target"], d["subject"], d["why"]) for d in dead} == {
        ("other", first, "its target is not configured any more"),
        ("other", second, "its target is not configured any more")}
    assert "0 tried anew" in ground.gateway.cli("notify", "retry", "--target", "other").stdout
    third, _ = ground.held()
    ears[0].wait_event("ticket.opened", third)
    assert [h for _, h, _, _ in slow.got if not verified(h, slow.got[0][2])] == [] and len(slow.got) == 1
    assert len(ground.listed("--dead")) == 2 and not slow.events(ticket=third)
    # With the name, what was given up can be sent after all.
    ground.hup([hook(ears[0]), {**hook(slow, "other"), "webhook": {"url": slow.url, "secret": NEW_SECRET}}])
    ground.gateway.cli("notify", "retry", "--target", "other")
    slow.wait_event("ticket.opened", second)
    assert verified(*headers_of(slow, second), NEW)
    wait_until(lambda: not ground.listed("--target", "other"))


def test_a_file_that_is_wrong_changes_nothing_and_says_so(ground, ears):
    wrong = {**hook(ears[0]), "webhook": {"url": ears[1].url, "secret": "guessme"}}
    said = ground.hup([wrong], says="was not reloaded")
    assert "whsec_" in said and "guessme" not in said
    assert signed_by(ground, ears[0]) == ["old"] and signed_by(ground, ears[1]) == ["old"]
    # What is right of a file that is refused as a whole does not count, either.
    config = json.loads(ground.gateway.config.read_text())
    config["databases"]["another"] = config["databases"]["app"]
    ground.gateway.config.write_text(json.dumps(config))
    ground.hup([{**hook(ears[0]), "webhook": {"url": ears[0].url, "secret": NEW_SECRET}}], says="was not reloaded")
    assert signed_by(ground, ears[0]) == ["old"] and signed_by(ground, ears[1]) == ["old"]
    assert len(ground.audited(action="reload", outcome="refused")) == 2
    assert not ground.audited(action="reload", outcome="done")


def test_other_secrets_of_slack(pg):
    slack, moved = Slack(), Slack()

    def target(token, signing, at, name="dba"):
        return {"name": name, "slack": {"token": token, "channel": "C1", "signing_secret": signing, "api": at.url + "/api"}}

    numbers = itertools.count()

    def press(ground, ticket, secret):  # each another request: the same one counts once
        body = slack_form({"type": "block_actions", "user": {"id": "U01"}, "channel": {"id": "C1"},
                           "trigger_id": f"trigger.{next(numbers)}",
                           "actions": [{"action_id": "backstop_approve", "value": ticket}]})
        fields = slack_fields(secret, body)
        return ask(ground.gateway, "POST", "/v1/slack", body, **{k.replace("-", "_"): v for k, v in fields.items()}).status

    ground = Changing(pg, [target("xoxb-old", "signs-old", slack)])
    try:
        with running(ground.gateway):
            Operator(ground.gateway, "lee", "approver")
            ground.gateway.cli("operators", "set", "lee", "--slack", "U01")
            ticket, _ = ground.held()
            slack.wait_call("chat.postMessage", ticket)
            said = ground.hup([target("xoxb-new", "signs-new", moved)])
            assert "signs-" not in said and "xoxb-" not in said
            assert press(ground, ticket, "signs-old") == 401
            assert ground.kim.ask("GET", f"/v1/tickets/{ticket}")[1]["state"] == "pending"
            assert press(ground, ticket, "signs-new") == 200
            assert ground.kim.ask("GET", f"/v1/tickets/{ticket}")[1]["state"] == "approved"
            moved.wait_call("chat.update", ticket)
            assert {h["authorization"] for _, h, _, _ in moved.got} == {"Bearer xoxb-new"}
            assert press(ground, ticket, "signs-new") == 200  # decided already: told to that person, by the new token
            told = moved.wait_call("chat.postEphemeral", ticket)
            assert told["user"] == "U01" and not slack.calls("chat.postEphemeral")
            ground.hup([])
            assert press(ground, ticket, "signs-new") == 401
    finally:
        slack.close()
        moved.close()


@pytest.mark.parametrize("secrets", [[], [NEW_SECRET] * 3, [NEW_SECRET, "guessme"], {"a": NEW_SECRET}])
def test_a_list_of_secrets_is_one_or_two(ground, ears, secrets):
    ground.gateway.config.write_text(json.dumps({**json.loads(ground.gateway.config.read_text()), "notify": [
        {"name": "x", "webhook": {"url": ears[0].url, "secret": secrets}}]}))
    out = ground.gateway.cli("check-config", check=False)
    assert out.returncode == 78 and "secret" in out.stderr and "guessme" not in out.stderr + out.stdout
