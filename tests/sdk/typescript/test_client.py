"""Applications: each driver, what it throws, and the way of a held statement."""

import itertools

import pytest

from relay import Relay

DRIVERS = ["pg", "pg-pool", "postgres", "drizzle-pg", "drizzle-postgres"]
DELETE = "DELETE FROM ts.orders"


@pytest.fixture(params=DRIVERS)
def driver(request):
    return request.param


def test_a_held_statement_throws_held(site, driver):
    threw, _ = site.script("tests/client.mjs", driver, "once", DELETE).rest()
    pending, = site.operator.tickets()
    assert (threw["name"], threw["sqlstate"], threw["state"], threw["retry"]) == ("Held", "ZB001", "pending", "same-statement")
    assert threw["backstop"] and threw["held"] and threw["decoded"] and not threw["denied"]
    assert threw["ticket"] == pending["id"]
    assert threw["expires"] > "2020"
    assert threw["hint"]
    assert threw["cause"] in ("DatabaseError", "PostgresError")
    assert site.rows("orders") == 100


def test_servers_own_errors_stay_what_they_are(site, driver):
    threw, _ = site.script("tests/client.mjs", driver, "once", "SELECT * FROM ts.nothing").rest()
    assert not threw["backstop"]
    assert threw.get("code", "42P01") == "42P01"


def test_after_approval_it_runs_once(site, driver):
    script = site.script("tests/client.mjs", driver, "retry", DELETE)
    held = script.next("held")
    assert site.rows("orders") == 100
    site.operator.decide(held["ticket"], "approve")
    assert script.next("ran")["sent"] == 2
    script.rest()
    assert site.rows("orders") == 0
    assert site.runs(held["ticket"]) == ["DELETE"]


def test_denied_it_never_runs(site, driver):
    script = site.script("tests/client.mjs", driver, "retry", DELETE)
    held = script.next("held")
    site.operator.decide(held["ticket"], "deny", reason="not today")
    threw = script.next("threw")
    assert (threw["name"], threw["ticket"], threw["retry"], threw["reason"]) == ("Denied", held["ticket"], "never", "not today")
    script.rest()
    assert site.rows("orders") == 100
    assert site.runs(held["ticket"]) == []


def test_a_transaction_is_run_again_as_a_whole(site, driver):
    """Nothing waits on the wire: it has read something."""
    script = site.script("tests/client.mjs", driver, "transaction", f"{DELETE};TRUNCATE ts.customers")
    first = script.next("held")
    assert first["retry"] == "same-transaction"
    site.operator.decide(first["ticket"], "approve")
    second = script.next("held")
    assert second["ticket"] != first["ticket"]
    assert (site.rows("orders"), site.rows("customers")) == (100, 20)
    site.operator.decide(second["ticket"], "approve")
    assert script.next("ran")["begun"] == 3
    script.rest()
    assert (site.rows("orders"), site.rows("customers")) == (0, 0)


def test_a_transaction_that_is_denied_leaves_nothing(site, driver):
    insert = f"INSERT INTO ts.customers VALUES (99, '{driver}')"  # its approval stays, and is for nobody else
    script = site.script("tests/client.mjs", driver, "transaction", f"{insert};{DELETE}")
    for what in ("approve", "deny"):
        site.operator.decide(script.next("held")["ticket"], what)
    assert script.next("threw")["name"] == "Denied"
    script.rest()
    assert (site.rows("orders"), site.rows("customers")) == (100, 20)


NUMBERS = itertools.count(-1, -1)


@pytest.fixture
def waiting(site):
    """A ticket that nobody has decided, of a statement that no other test sends: its approval may stay."""
    site.script("tests/client.mjs", "pg", "once", f"{DELETE} WHERE id > {next(NUMBERS)}").rest()
    ticket, = site.operator.tickets()
    return ticket["id"]


def test_a_ticket_is_waited_for(site, driver, waiting):
    script = site.script("tests/client.mjs", driver, "wait", waiting)
    site.operator.decide(waiting, "approve", reason="agreed")
    ticket = script.next("ticket")
    assert (ticket["ticket"], ticket["state"], ticket["kind"], ticket["reason"]) == (waiting, "approved", "DELETE", "agreed")
    script.rest()


def test_a_wait_ends_in_time_and_leaves_the_connection_usable(site, driver, waiting):
    waited, usable, _ = site.script("tests/client.mjs", driver, "impatient", waiting, wait="").rest()
    assert waited["state"] == "pending"
    assert 250 < waited["ms"] < 5000
    assert usable["event"] == "usable"


def test_a_wait_is_aborted(site, driver, waiting):
    aborted, usable, _ = site.script("tests/client.mjs", driver, "abort", waiting, wait="").rest()
    assert aborted["message"] == "enough"
    assert usable["ms"] < 5000


def test_a_transaction_does_not_stand_in_the_way_of_asking(site, waiting):
    """One that has failed would answer nothing, and one that is open would keep its locks."""
    script = site.script("tests/client.mjs", "pg", "within", waiting)
    site.operator.decide(waiting, "approve")
    assert [one.get("state") for one in script.rest()] == ["approved", "approved", None]


def test_a_part_of_a_transaction_is_not_run_again(site):
    held, threw, _ = site.script("tests/client.mjs", "pg", "outer", DELETE).rest()
    assert (threw["name"], threw["retry"], threw["ticket"]) == ("Held", "same-transaction", held["ticket"])


def test_what_is_never_the_same_does_not_ask_for_ever(site, driver):
    script = site.script("tests/client.mjs", driver, "different", f"{DELETE} WHERE id = {next(NUMBERS)} +")
    for _ in range(2):
        site.operator.decide(script.next("held")["ticket"], "approve")
    last = script.next("held")
    assert script.next("threw")["ticket"] == last["ticket"]
    script.rest()
    assert site.rows("orders") == 100


@pytest.mark.parametrize("name", ["T-nobody\"; DELETE FROM ts.orders; --", "x", "T-" + "0" * 26])
def test_what_is_no_ticket_of_ours(site, name):
    threw, _ = site.script("tests/client.mjs", "pg", "wait", name).rest()
    assert threw["name"] == "TypeError" or threw["code"] == "42704", threw
    assert site.rows("orders") == 100 and not site.operator.tickets()


def test_patience_ends_with_held(site, driver):
    said = site.script("tests/client.mjs", driver, "timeout", DELETE).rest()
    assert [one["event"] for one in said] == ["threw", "end"]
    assert said[0]["name"] == "Held"
    assert [t["id"] for t in site.operator.tickets()] == [said[0]["ticket"]]


def test_what_may_have_run_is_not_sent_again(site, driver):
    """It ran, and its answer is lost with the connection."""
    relay = Relay(site.gateway.folder / "socket" / f".s.PGSQL.{site.gateway.port}")
    try:
        lost = relay.stop_at("DELETE FROM", when="answered", skip=1)
        script = site.script("tests/client.mjs", driver, "retry", DELETE, DATABASE_URL=site.url("robot", relay.port))
        held = script.next("held")
        site.operator.decide(held["ticket"], "approve")
        lost.wait(30).cut()
        threw = script.next("threw")
        assert (threw["name"], threw["sqlstate"], threw["state"], threw["retry"]) == ("Uncertain", "08007", "uncertain", "never")
        assert threw["ticket"] == held["ticket"]
        script.rest()
    finally:
        relay.close()
    assert site.rows("orders") == 0
    assert site.runs(held["ticket"]) == ["DELETE"]
    assert not site.operator.tickets()


def test_blocked_and_what_only_looks_like_it(site, driver):
    blocked, _ = site.script("tests/client.mjs", driver, "retry", "DROP DATABASE app").rest()
    assert (blocked["name"], blocked["state"], blocked["retry"]) == ("Blocked", "blocked", "never")
    own, _ = site.script("tests/client.mjs", driver, "retry", "SELECT * FROM pg_authid").rest()
    assert not own["backstop"]
    assert "permission denied" in own["message"] + own["says"]


def test_paused(site, driver):
    """Before it may log in."""
    site.operator.ask("POST", "/v1/pauses", {"scope": "actor", "name": "robot", "reason": "test"})
    try:
        paused, _ = site.script("tests/client.mjs", driver, "retry", DELETE).rest()
    finally:
        site.operator.ask("DELETE", "/v1/pauses?scope=actor&name=robot")
    assert (paused["name"], paused["sqlstate"], paused["state"], paused["retry"]) == ("Paused", "ZB006", "paused", "never")
    assert site.rows("orders") == 100


def test_what_has_grown_since_is_not_sent_again(site, driver):
    script = site.script("tests/client.mjs", driver, "retry", f"{DELETE} WHERE id > {next(NUMBERS)}")
    held = script.next("held")
    with site.pg.admin() as c:
        c.execute("INSERT INTO ts.orders SELECT n, 'new' FROM generate_series(1001, 1200) n")
    site.operator.decide(held["ticket"], "approve")
    threw = script.next("threw")
    assert (threw["name"], threw["sqlstate"], threw["ticket"]) == ("Expired", "ZB003", held["ticket"])
    script.rest()
    assert site.rows("orders") == 300
    assert not site.operator.tickets()
