"""Agents' own transactions in the drivers that they use: refused with a ticket, approved, run again.

The very same code is run until it is through; an operator approves each ticket that it is told of.
"""

import time

import pytest

from conftest import Gateway, running, wait_until
from drivers import DRIVERS, SCHEMA, Refused
from operator_side import Operator
from stored import Store

# bob: everything that writes is asked for, so his sessions are shielded. ann adds without asking.
POLICY = {"rules": [{"name": "additive work", "actors": ["ann"], "risk": ["SAFE", "HIGH"],
                     "kinds": ["INSERT"], "action": "allow"}]}


class Work:
    def __init__(self, pg, gateway, operator):
        self.pg, self.gateway, self.operator = pg, gateway, operator
        self.store = Store(gateway.folder / "points")

    def begin(self):
        with self.pg.admin() as c:
            c.execute(SCHEMA)
        self.old = {p.id for p in self.store.points()}

    def people(self):
        with self.pg.admin() as c:
            return dict(c.execute("SELECT id, name FROM work.people"))

    def notes(self):
        with self.pg.admin() as c:
            return [what for what, in c.execute("SELECT what FROM work.notes ORDER BY id")]

    def becomes(self, ticket, state):
        """It does, soon: a ticket is closed when the client has its answer already."""
        wait_until(lambda: self.operator.ask("GET", f"/v1/tickets/{ticket}")[1]["state"] == state, 5)

    def points(self):
        """Those of this test, each closed."""
        found = [p for p in self.store.points() if p.id not in self.old and p.complete()]
        wait_until(lambda: all(p.events() and p.events()[-1] != "armed" for p in found), 10)
        return found

    def saved(self, expected):
        """Do the committed points hold at least that: {id: name}?"""
        found = {row["id"]: row["name"] for p in self.points() if p.committed()
                 for table, row in p.rows() if table == "work.people"}
        return expected.items() <= found.items()

    def until_done(self, driver, work, runs=6):
        """Runs it until it commits; gives the tickets that were approved, in order."""
        tickets = []
        for _ in range(runs):
            before = self.people(), self.notes()
            try:
                driver.run(work)
                return tickets
            except Refused as refused:
                assert refused.sqlstate == "ZB001", refused
                assert (self.people(), self.notes()) == before
                tickets.append(refused.ticket)
                self.operator.decide(refused.ticket, "approve")
        raise AssertionError(f"it is still refused after {tickets}")

    def settle(self):
        """Nothing is open, locked or waiting."""
        for ticket in self.operator.tickets():
            self.operator.decide(ticket["id"], "deny")
        wait_until(lambda: not self.operator.tickets("running"), 5)
        with self.pg.admin() as c:
            wait_until(lambda: c.execute(
                "SELECT 1 FROM pg_stat_activity WHERE usename = 'app_trust' AND state <> 'idle'"
                ).fetchone() is None, 5)
        wait_until(lambda: not any(self.gateway.folder.glob("spool/*")), 5)


@pytest.fixture(scope="module")
def made(pg):
    g = Gateway(pg, tls=False, policy=POLICY, extra={"hold": {"wait": "0s"}})
    operator = Operator(g)
    with running(g, "ann", "bob") as g:
        yield Work(pg, g, operator)


@pytest.fixture
def work(made):
    made.begin()
    yield made
    made.settle()


@pytest.fixture(params=DRIVERS)
def driver(request):
    return DRIVERS[request.param]


@pytest.fixture
def ann(work, driver):
    with driver(work.gateway, "ann") as c:
        yield c


@pytest.fixture
def bob(work, driver):
    with driver(work.gateway, "bob") as c:
        yield c


@pytest.fixture(params=["ann", "bob"])
def either(request, work, driver):
    with driver(work.gateway, request.param) as c:
        yield c


def test_reading_is_not_in_the_way(work, either):
    assert either.run(lambda c: (c.read(1), c.read(2), c.read(99))) == ("p1", "p2", None)
    assert work.operator.tickets() == [] and work.points() == []


def test_a_gated_statement_comes_first(work, either):
    tickets = work.until_done(either, lambda c: c.clear(3))
    assert len(tickets) == 1
    work.becomes(tickets[0], "done")
    assert len(work.people()) == 40
    assert work.saved({n: f"p{n}" for n in range(3, 51, 5)})


def test_reads_then_changes(work, either):
    def act(c):
        assert c.read(7) == "p7"
        assert c.rename(7, "seven") == 1
        assert c.read(7) == "seven"

    tickets = work.until_done(either, act)
    assert len(tickets) == 1
    work.becomes(tickets[0], "done")
    assert work.people()[7] == "seven"
    assert work.saved({7: "p7"})


def test_several_statements(work, either):
    """Those that a rule allows pass; each of the others has a ticket of its own."""
    def act(c):
        c.note("begin")
        assert c.read(8) == "p8"
        c.rename(8, "eight")
        c.note("middle")
        assert c.clear(4) == 10
        c.note("end")

    tickets = work.until_done(either, act)
    assert len(set(tickets)) == len(tickets) == {"ann": 2, "bob": 5}[either.where["user"]]
    for ticket in tickets:  # each was asked for once, however often all was undone
        work.becomes(ticket, "done")
    assert work.notes() == ["begin", "middle", "end"]
    assert work.people()[8] == "eight" and len(work.people()) == 40
    assert work.saved({8: "p8"} | {n: f"p{n}" for n in range(4, 51, 5)})


def test_a_rollback_leaves_nothing(work, bob):
    class Changed(Exception):
        pass

    def act(c):
        c.read(1)
        c.clear(1)
        raise Changed

    with pytest.raises(Refused) as refused:
        bob.run(act)
    work.operator.decide(refused.value.ticket, "approve")
    with pytest.raises(Changed):
        bob.run(act)
    assert len(work.people()) == 50
    assert not any(p.committed() for p in work.points())
    work.becomes(refused.value.ticket, "failed")
    assert bob.run(lambda c: c.read(1)) == "p1"


def test_another_session_redeems(work, bob):
    """Agents that connect for each piece of work."""
    def act(c):
        c.read(1)
        c.clear(0)

    with pytest.raises(Refused) as refused:
        bob.run(act)
    work.operator.decide(refused.value.ticket, "approve")
    bob.close()
    bob.connect()
    bob.run(act)
    assert len(work.people()) == 40
    work.becomes(refused.value.ticket, "done")
    with pytest.raises(Refused) as refused:  # once
        bob.run(act)
    assert refused.value.sqlstate == "ZB001"


def test_an_approval_opens_no_door_for_others(work, either):
    """With an approved ticket the next transaction may write; not anything, though."""
    def act(c, change):
        c.read(1)
        change(c)

    with pytest.raises(Refused) as refused:
        either.run(lambda c: act(c, lambda c: c.rename(9, "nine")))
    work.operator.decide(refused.value.ticket, "approve")
    for change in (lambda c: c.rename(14, "nine"), lambda c: c.rename(9, "ten"), lambda c: c.rename(15, "n")):
        with pytest.raises(Refused) as other:
            either.run(lambda c: act(c, change))
        assert other.value.sqlstate == "ZB001" and other.value.ticket != refused.value.ticket
    assert work.people()[9] == "p9"
    either.run(lambda c: act(c, lambda c: c.rename(9, "nine")))
    assert work.people()[9] == "nine"


def test_in_a_savepoint(work, bob):
    def act(c):
        c.read(1)
        with c.nested():
            assert c.clear(2) == 10
        assert c.read(2) is None
        c.read(3)

    work.until_done(bob, act)
    assert len(work.people()) == 40
    assert work.saved({n: f"p{n}" for n in range(2, 51, 5)})


def test_a_savepoint_that_is_rolled_back(work, bob):
    class Inner(Exception):
        pass

    def act(c):
        try:
            with c.nested():
                c.rename(5, "five")
                raise Inner
        except Inner:
            pass
        assert c.read(5) == "p5"
        c.rename(6, "six")

    work.until_done(bob, act)
    assert work.people()[5] == "p5" and work.people()[6] == "six"
    assert work.saved({6: "p6"})


def test_denied(work, bob):
    def act(c):
        c.read(1)
        c.rename(13, "z")

    with pytest.raises(Refused) as refused:
        bob.run(act)
    work.operator.decide(refused.value.ticket, "deny")
    with pytest.raises(Refused) as refused:
        bob.run(act)
    assert refused.value.sqlstate in ("ZB001", "ZB002")
    assert work.people()[13] == "p13"
    assert bob.run(lambda c: c.read(1)) == "p1"
    assert work.points() == []


def test_the_servers_own_error_behind_a_gated_statement(work, ann):
    def act(c):
        c.rename(1, "one")
        c.rename(2, "p3")  # there is a p3

    for _ in range(6):
        with pytest.raises(Refused) as refused:
            ann.run(act)
        if refused.value.sqlstate != "ZB001":
            break
        work.operator.decide(refused.value.ticket, "approve")
    assert refused.value.sqlstate == "23505"
    assert work.people()[1] == "p1"
    assert not any(p.committed() for p in work.points())
    assert ann.run(lambda c: c.read(1)) == "p1"


def test_going_on_after_a_refusal(work, bob):
    """The transaction has failed; nothing of it is kept, whatever the code does then."""
    codes = []

    def act(c):
        c.read(1)
        for step in (lambda: c.rename(11, "x"), lambda: c.read(2), lambda: c.rename(12, "y")):
            try:
                step()
            except Exception as error:
                codes.append((c.reason(error) or (type(error).__name__,))[0])
        raise Refused("stop", None)

    with pytest.raises(Refused):
        bob.run(act)
    assert codes[0] == "ZB001" and len(codes) == 3 and "ZB001" not in codes[1:]
    assert len(work.people()) == 50
    assert len(work.operator.tickets()) == 1


# --- held ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def held(pg):
    g = Gateway(pg, tls=False, policy=POLICY, extra={"hold": {"wait": "15s"}})
    operator = Operator(g)
    with running(g, "ann", "bob") as g:
        yield Work(pg, g, operator)


@pytest.mark.parametrize("driver, actor", [(driver, actor) for driver in DRIVERS.values()
                                           for actor in ("ann", "bob")])
def test_held_until_it_is_approved(held, driver, actor):
    """After a bare BEGIN nothing is locked: the code never learns that it was held."""
    held.begin()
    with driver(held.gateway, actor) as client:
        decider = held.operator.deciding()
        assert client.run(lambda c: (c.clear(1), c.read(1), c.read(2))) == (10, None, "p2")
        held.becomes(decider.done()["id"], "done")
    assert len(held.people()) == 40
    assert held.saved({n: f"p{n}" for n in range(1, 51, 5)})
    held.settle()


@pytest.mark.parametrize("actor", ["ann", "bob"])
def test_not_held_once_a_query_has_run(held, driver, actor):
    held.begin()
    with driver(held.gateway, actor) as client:
        began = time.monotonic()
        with pytest.raises(Refused) as refused:
            client.run(lambda c: (c.read(1), c.rename(16, "x")))
        assert refused.value.sqlstate == "ZB001" and time.monotonic() - began < 5
    assert held.people()[16] == "p16"
    held.settle()
