"""What the frameworks' tools have in common, and what a model reads."""

import json
import re
import threading

import pytest

import backstop
from backstop import tools
from backstop.tickets import Ticket
from backstop.tools import Database

from .conftest import wait_until

DELETE = "DELETE FROM py.orders"


@pytest.fixture
def database(site):
    return Database(site.url(), rows_max=3, purpose="test")


def test_rows_and_how_many_more(database):
    said = database.query("SELECT id, status FROM py.orders ORDER BY id")
    assert said == {"status": "completed", "command": "SELECT 100", "row_count": 100, "more": True,
                    "rows": [{"id": n, "status": "open"} for n in (1, 2, 3)]}
    assert database.query("SELECT 1 AS n")["more"] is False
    assert json.loads(tools.text_of(database.query("SELECT now() AS t, 1.5 AS n, '\\x00'::bytea AS b")))


def test_what_has_run_is_not_told_as_failed(site, database):
    """Else a model would do it again: Python has no such dates."""
    said = database.query("INSERT INTO py.customers VALUES (99, 'x') RETURNING 'infinity'::timestamp AS t")
    assert (said["status"], said["command"], site.count("customers")) == ("completed", "INSERT 0 1", 21)


def test_held_waited_for_and_run_once(site, database):
    held = database.query(DELETE)
    assert held["status"] == "pending_approval" and held["expires"].endswith("+00:00")
    assert database.ticket(held["ticket"])["status"] == "pending_approval"
    site.operator.decide(held["ticket"], "approve")
    assert database.wait(held["ticket"], 10)["status"] == "approved"
    assert database.redeem(DELETE, held["ticket"])["command"] == "DELETE 100"
    assert database.redeem(DELETE, held["ticket"])["status"] == "refused"
    assert site.runs(held["ticket"]) == ["DELETE"] and site.operator.tickets() == []


def test_what_was_denied_is_not_asked_for_again(site, database):
    held = database.query(DELETE)
    site.operator.decide(held["ticket"], "deny")
    said = database.redeem(DELETE, held["ticket"])
    assert said == {"status": "refused", "reason": "An operator denied it.",
                    "next": "Do not ask for this again. Tell the user."}
    assert site.operator.tickets() == [] and site.count("orders") == 100


def test_while_nobody_has_decided_it_is_not_asked_for_again(site, database):
    held = database.query(DELETE)
    assert database.redeem(DELETE, held["ticket"])["status"] == "pending_approval"
    assert site.operator.tickets()[0]["asked"] == 1


def test_refused_and_failed(site, database):
    assert database.query("DELETE FROM py.secret")["reason"] == "It is not allowed here."
    failed = database.query("SELECT * FROM py.nothing")
    assert failed["status"] == "failed" and failed["sqlstate"] == "42P01"
    assert database.ticket("T-1")["status"] == "failed"


@pytest.mark.parametrize("conninfo", ["host=127.0.0.1 port=1 user=hush", "postgresql://x:hu/sh@127.0.0.1:1/hush", "postgresql://x:hush/a@h/b",
                                      "host=127.0.0.1 password=correct hush port=1"])
def test_a_model_is_not_told_what_it_connects_with(conninfo):
    database = Database(conninfo)
    for said in (database.query("SELECT 1"), database.ticket("T-01KB3ZJ5W8Q2M4R6T8V0X2Z4B6"), database.wait("T-01KB3ZJ5W8Q2M4R6T8V0X2Z4B6")):
        assert said == {"status": "failed", "message": "The database cannot be reached. Nothing was sent."}


def test_a_lost_answer_is_uncertain(site, database):
    said = []
    thread = threading.Thread(target=lambda: said.append(database.query("SELECT pg_sleep(30)")))
    thread.start()

    def runs():
        with site.pg.admin() as c:
            return c.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(30)%%' "
                             "AND state = 'active' AND application_name = %s", (f"backstop/{site.agent}",)).fetchone()[0]

    wait_until(runs)
    site.lose_connections()
    thread.join(20)
    assert said[0]["status"] == "refused" and said[0]["reason"] == "It is not known whether it ran."


def texts():
    kinds = [backstop.Denied, backstop.Expired, backstop.NotRecoverable, backstop.Blocked, backstop.Paused, backstop.Uncertain]
    held = backstop.Refusal(backstop.Held, "ZB001", "approval required", "T-01KB3ZJ5W8Q2M4R6T8V0X2Z4B6", "pending").error()
    said = [tools.QUERY, tools.WAIT, tools.pending(held), *map(tools.refused, kinds)]
    states = ("pending", "approved", "running", "done", "failed", "uncertain", "denied", "expired")
    said += [tools.decided(Ticket("T-x", state)) for state in states]
    return [one if isinstance(one, str) else " ".join(map(str, one.values())) for one in said]


@pytest.mark.parametrize("text", texts())
def test_no_text_says_how_to_get_round_it(text):
    """That, and what next: never which rule, never how to put it otherwise, never where operators are."""
    assert not re.search(r"rule|polic|condition|threshold|limit|instead|rephras|rewrit|smaller|another way|other words|"
                         r"split|batch|http|listen|127\.|WHERE", text, re.I), text


def test_every_state_of_a_ticket_has_its_answer():
    said = {state: tools.decided(Ticket("T-x", state))["status"]
            for state in ("pending", "approved", "running", "done", "failed", "uncertain", "denied", "expired", "new")}
    assert said == {"pending": "pending_approval", "approved": "approved", "running": "refused", "done": "refused",
                    "failed": "refused", "uncertain": "refused", "denied": "refused", "expired": "refused", "new": "refused"}
