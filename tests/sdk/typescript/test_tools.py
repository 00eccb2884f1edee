"""What a model gets from the tools, and what frameworks do to them: restarts, steps that run anew."""

import json

import pytest

from conftest import wait_until


class Tools:
    def __init__(self, site):
        self.script = site.script("tests/tools.mjs")
        self.script.next("ready")

    def call(self, tool, abort=None, **input):
        stdin = self.script.process.stdin
        stdin.write(json.dumps({"tool": f"backstop_{tool}", "input": input, "abort": abort}) + "\n")
        stdin.flush()
        said = self.script.next()
        return said.get("result", said)


@pytest.fixture
def tools(site):
    return Tools(site)


def test_rows_of_every_kind(tools):
    got = tools.call("query", sql="SELECT 9007199254740993::bigint AS b, '\\x00ff'::bytea AS y, NULL AS n, true AS t, "
                                  "ARRAY[1,2] AS a, '{\"k\":1}'::jsonb AS j, timestamptz '2020-01-02 03:04Z' AS d")
    assert got == {"status": "completed", "row_count": 1, "rows": [{
        "b": "9007199254740993", "y": "\\x00ff", "n": None, "t": True, "a": [1, 2], "j": {"k": 1}, "d": "2020-01-02T03:04:00.000Z"}]}
    got = tools.call("query", sql="SELECT n FROM generate_series(1, $1::int) n", params=[5])
    assert got == {"status": "completed", "row_count": 5, "rows": [{"n": 1}, {"n": 2}, {"n": 3}], "more_rows": True}


def test_what_has_run_is_not_told_as_failed(site, tools):
    """Else a model would do it again."""
    got = tools.call("query", sql="INSERT INTO ts.log VALUES ('a'); INSERT INTO ts.log VALUES ('b'), ('c')")
    assert got == {"status": "completed", "rows": [], "row_count": 2} and site.rows("log") == 3
    assert tools.call("query", sql="SELECT 1 AS a; SELECT 2 AS b")["rows"] == [{"b": 2}]


def test_what_is_wrong_and_what_may_not_be_done(site, tools):
    wrong = tools.call("query", sql="SELEC 1")
    assert (wrong["status"], wrong["sqlstate"]) == ("failed", "42601")
    blocked = tools.call("query", sql="DROP DATABASE app")
    assert blocked == {"status": "refused", "reason": "not allowed", "next": "Stop, and tell the user."}


def test_a_ticket_and_its_statement(site, tools):
    held = tools.call("query", sql="DELETE FROM ts.orders WHERE id > $1", params=[70])
    assert held["status"] == "pending_approval"
    ticket = held["ticket"]
    assert tools.call("ticket", ticket=ticket)["state"] == "pending"
    assert tools.call("ticket", ticket=ticket, wait=1)["state"] == "pending"
    assert tools.call("run_approved", ticket=ticket)["status"] == "pending_approval"
    assert tools.call("ticket", ticket=ticket, wait=60, abort=200) == {"event": "threw", "name": "TimeoutError"}
    site.operator.decide(ticket, "approve")
    assert tools.call("ticket", ticket=ticket, wait=60)["state"] == "approved"
    assert tools.call("run_approved", ticket=ticket) == {"status": "completed", "rows": [], "row_count": 30}
    wait_until(lambda: tools.call("ticket", ticket=ticket)["state"] == "done")  # the answer comes first
    again = tools.call("run_approved", ticket=ticket)
    assert (again["status"], again["reason"]) == ("refused", "the ticket is done")
    assert site.runs(ticket) == ["DELETE"] and not site.operator.tickets()


def test_what_was_denied_is_not_asked_for_again(site, tools):
    ticket = tools.call("query", sql="DELETE FROM ts.orders WHERE id > 80")["ticket"]
    site.operator.decide(ticket, "deny", reason="policy 7")
    for tool in ("run_approved", "ticket"):
        got = tools.call(tool, ticket=ticket, wait=5)
        assert got["next"] == "Stop, and tell the user."
        assert "policy" not in json.dumps(got)
    assert not site.operator.tickets()


def test_tickets_of_nobody(tools):
    for name in ("T-" + "0" * 26, "nonsense", '"; DROP TABLE ts.orders'):
        assert tools.call("run_approved", ticket=name)["status"] == "refused"
        assert tools.call("ticket", ticket=name)["state"] == "unknown"


def test_a_ticket_of_another_process(site, tools):
    """The statement is not known here, so it has to be said."""
    first = Tools(site).call("query", sql="DELETE FROM ts.orders WHERE id > 90")
    site.operator.decide(first["ticket"], "approve")
    assert tools.call("run_approved", ticket=first["ticket"])["status"] == "failed"
    assert tools.call("run_approved", ticket=first["ticket"], sql="DELETE FROM ts.orders WHERE id > 90")["row_count"] == 10


def test_the_ai_sdk_goes_on_in_another_process(site):
    script = site.script("tests/restarts.mjs")
    held = script.next("held")
    site.operator.decide(held["ticket"], "approve")
    assert script.next("result")["result"]["value"] == {"status": "completed", "rows": [], "row_count": 50}
    script.rest()
    assert site.runs(held["ticket"]) == ["DELETE"] and not site.operator.tickets()


def test_a_step_that_runs_anew_does_nothing_twice(site):
    """One of its calls has run, the other is held; and it is resumed too early."""
    script = site.script("tests/parallel.mjs")
    first, second = script.next("held"), script.next("held")
    assert first["ticket"] == second["ticket"]
    site.operator.decide(first["ticket"], "approve")
    assert script.next("done")["last"] == "done"
    script.rest()
    assert (site.rows("orders"), site.rows("log")) == (60, 1)
    assert site.runs(first["ticket"]) == ["DELETE"] and not site.operator.tickets()
