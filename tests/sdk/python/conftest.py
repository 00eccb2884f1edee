"""The Python SDK against a real gateway and PostgreSQL."""

import itertools
import json
import pathlib
import sys
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
SDK = ROOT / "sdk" / "python"
sys.path.insert(0, str(ROOT / "tests" / "integration"))
sys.path.insert(0, str(SDK / "src"))

from conftest import (  # noqa: E402,F401 - fixtures and hooks of the integration tests
    Gateway, leaves_nothing, pg, pytest_runtest_makereport, running, wait_until)
from operator_side import Operator  # noqa: E402

SHOP = """
DROP SCHEMA IF EXISTS py CASCADE;
CREATE SCHEMA py AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE py.orders (id int PRIMARY KEY, status text);
CREATE TABLE py.customers (id int PRIMARY KEY, name text);
CREATE TABLE py.secret (id int PRIMARY KEY);
INSERT INTO py.orders SELECT n, 'open' FROM generate_series(1, 100) n;
INSERT INTO py.customers SELECT n, 'c' || n FROM generate_series(1, 20) n;
INSERT INTO py.secret VALUES (1);
"""
POLICY = {"defaults": {"SAFE": "allow", "HIGH": "approve", "CRITICAL": "approve"},
          "rules": [{"name": "new customers", "objects": ["py.customers"], "kinds": ["INSERT"], "risk": ["HIGH"],
                     "action": "allow"},
                    {"name": "nobody", "objects": ["py.secret"], "action": "block"}]}


class Site:
    """A gateway, an operator, and an agent for each test: what was approved for another is not its."""

    def __init__(self, gateway, operator):
        self.gateway, self.operator = gateway, operator
        self.pg = gateway.pg
        self.agent, self.numbers = None, itertools.count(1)

    def new_agent(self):
        name = f"robot-{next(self.numbers)}"
        status, made = self.operator.ask("POST", "/v1/actors", {"name": name, "databases": ["app"], "owner": "alice"})
        assert status == 201, made
        self.gateway.passwords[name] = made["password"]
        return name

    def url(self, agent=None):
        agent = agent or self.agent
        return f"postgresql://{agent}:{self.gateway.passwords[agent]}@127.0.0.1:{self.gateway.port}/app"

    def lose_connections(self):
        """Those of the agent, as a server that restarts does."""
        with self.pg.admin() as c:
            gone = c.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s",
                             (f"backstop/{self.agent}",)).fetchall()
        assert gone

    def count(self, table):
        with self.pg.admin() as c:
            return c.execute(f"SELECT count(*) FROM py.{table}").fetchone()[0]

    def runs(self, ticket):
        """What has run of it, by its recovery points."""
        points = json.loads(self.gateway.cli("points", "list", "--json").stdout)["points"]
        return [p["kind"] for p in points if p.get("ticket") == ticket]

    def decide_next(self, what="approve", n=1):
        """From a thread: decides the next n tickets as they come; done() gives them."""
        return Deciding(self.operator, what, n)

    def tidy(self):
        for ticket in self.operator.tickets():
            self.operator.decide(ticket["id"], "deny")


class Deciding(threading.Thread):
    def __init__(self, operator, what, n):
        super().__init__(daemon=True)
        self.operator, self.what, self.n = operator, what, n
        self.tickets, self.error = [], None
        self.start()

    def run(self):
        try:
            for _ in range(self.n):
                ticket = self.operator.next_ticket()
                self.tickets.append(ticket)
                self.operator.decide(ticket["id"], self.what)
        except BaseException as error:  # shown by done()
            self.error = error

    def done(self):
        self.join(30)
        if self.error:
            raise self.error
        return self.tickets


@pytest.fixture(scope="module")
def place(pg):  # noqa: F811
    gateway = Gateway(pg, policy=POLICY, extra={"hold": {"wait": "0s", "notice": "10s"}})
    operator = Operator(gateway, role="admin")
    with running(gateway):
        yield Site(gateway, operator)


@pytest.fixture
def site(place):
    with place.pg.admin() as c:
        c.execute(SHOP)
    place.agent = place.new_agent()
    yield place
    place.tidy()
    with place.pg.admin() as c:
        c.execute("DROP SCHEMA py CASCADE")
