"""The scripts of tests/wire: the same answers through the gateway as from the server itself."""

import pytest

from conftest import Gateway, running
from operator_side import Operator
from rawwire import Raw, cancel_request
from wirescript import Player, all_cases, log_in

CASES = all_cases()
ALL = {"name": "all", "actors": ["ann"], "risk": ["SAFE", "HIGH", "CRITICAL"], "action": "allow",
       "recovery": "none"}
INSERT = {"name": "insert", "actors": ["bob"], "kinds": ["INSERT"], "action": "allow"}
TABLE = """
DROP SCHEMA IF EXISTS wire CASCADE;
CREATE SCHEMA wire AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE wire.t (id int PRIMARY KEY, v text);
RESET ROLE;
"""
ROWS = "TRUNCATE wire.t; INSERT INTO wire.t VALUES (1, 'a'), (2, 'b'), (3, 'c')"


class Sides:
    """The server, and a gateway before it."""

    def __init__(self, pg, gateway, admin):
        self.pg, self.gateway, self.admin = pg, gateway, admin
        self.operator = Operator(gateway)
        self.server = Player("pg", self.direct, admin)
        self.through = Player("bs", self.log_in, admin, self.decide)
        self.last = None

    def direct(self, _):
        return log_in(self.pg.port, "app_trust")

    def log_in(self, actor):
        self.last = log_in(self.gateway.port, actor, self.gateway.passwords[actor])
        return self.last

    def decide(self, what):
        ticket = self.operator.next_ticket()
        if what == "cancel":
            with Raw(self.gateway.port) as r:
                r.send(cancel_request(self.last.pid, self.last.secret))
                assert r.closed()
            self.operator.decide(ticket["id"], "deny")  # the record stays
        elif what != "held":
            self.operator.decide(ticket["id"], what)

    def answers(self, player, case):
        self.admin.execute(ROWS)
        return player.play(case)

    def clear(self):
        for ticket in self.operator.tickets():
            self.operator.decide(ticket["id"], "deny")


@pytest.fixture(scope="module")
def sides(pg):
    with pg.admin() as admin:
        admin.execute(TABLE)
        g = Gateway(pg, tls=False, policy={"rules": [ALL, INSERT]},
                    extra={"hold": {"wait": "20s", "notice": "1s"}})
        with running(g, "ann", "bob"):
            yield Sides(pg, g, admin)
        admin.execute("DROP SCHEMA wire CASCADE")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_script(sides, case):
    if case.gateway_only:
        try:
            sides.answers(sides.through, case)
        finally:
            sides.clear()
        return
    wanted = sides.answers(sides.server, case)
    got = sides.answers(sides.through, case)
    for line, answer in wanted.items():
        if got.get(line) != answer:  # no assertion of pytest's: it would write a megabyte
            pytest.fail(f"{case}, line {line}: {str(got.get(line))[:500]}, not {str(answer)[:500]}")
