"""From a decision to the statement: the helper's session that counts once more is there already, and never in the way."""

import signal

import psycopg
import pytest

from conftest import Gateway, running, wait_until
from operator_side import Operator

HELPERS = ("SELECT pid, state, xact_start, backend_xmin::text FROM pg_stat_activity"
           " WHERE application_name = 'backstop/helper' AND datname = 'app'")
SQL = "DELETE FROM release.t WHERE n = 1"


class Held:
    def __init__(self, gateway, pg):
        self.gateway, self.pg = gateway, pg
        self.operator = Operator(gateway, "kim")

    def helpers(self):
        with self.pg.admin() as c:
            return c.execute(HELPERS).fetchall()

    def waiting(self):
        """The helper's sessions once as many wait as may; each has nothing open."""
        return wait_until(lambda: [pid for pid, state, begun, xmin in self.helpers()
                                   if (state, begun, xmin) == ("idle", None, None)])

    def none_left(self):
        wait_until(lambda: not self.helpers())

    def ask(self, sql=SQL):
        """A statement that waits: the connection that sent it, its ticket."""
        c = self.gateway.connect("alice", autocommit=True)
        c.pgconn.send_query(sql.encode())
        before = {t["id"] for t in self.operator.tickets()}
        return c, wait_until(lambda: next((t for t in self.operator.tickets() if t["id"] not in before), None))

    @staticmethod
    def answer(c):
        results = []
        while (result := c.pgconn.get_result()) is not None:
            results.append(result)
        return results[-1]

    def before_it_begins(self, offset):
        """What the server's log has from there to the statement's BEGIN."""
        lines = self.pg.log.read_text()[offset:].splitlines()
        return lines[:next(i for i, line in enumerate(lines) if "backstop/alice " in line and "BEGIN" in line)]


@pytest.fixture
def held(pg):
    with pg.admin() as c:
        c.execute("DROP SCHEMA IF EXISTS release CASCADE; CREATE SCHEMA release AUTHORIZATION app_trust;"
                  "SET ROLE app_trust; CREATE TABLE release.t AS SELECT i AS id, i % 5 AS n FROM generate_series(1, 100) i;"
                  "ALTER TABLE release.t ADD PRIMARY KEY (id); RESET ROLE")
        c.execute("ALTER SYSTEM SET log_statement = 'all'")
        c.execute("SELECT pg_reload_conf()")
    gateway = Gateway(pg, extra={"hold": {"wait": "60s"}})
    with running(gateway, "alice"):
        held = Held(gateway, pg)
        held.none_left()
        yield held
    with pg.admin() as c:
        c.execute("ALTER SYSTEM RESET log_statement")
        c.execute("SELECT pg_reload_conf()")


def test_who_counts_again_is_there_already(held):
    c, ticket = held.ask()
    assert len(held.waiting()) == 1
    offset = len(held.pg.log.read_text())
    held.operator.decide(ticket["id"], "approve")
    assert held.answer(c).command_tuples == 20
    before = held.before_it_begins(offset)
    assert any("backstop/helper" in line and "count(*)" in line for line in before)
    assert not any("connection authorized" in line and "backstop/helper" in line for line in before)
    held.none_left()
    c.close()


@pytest.mark.parametrize("end", ["deny", "hang up", "cancel"])
def test_it_is_gone_when_nobody_waits(held, end):
    c, ticket = held.ask()
    held.waiting()
    if end == "deny":
        held.operator.decide(ticket["id"], "deny")
        assert held.answer(c).error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"ZB002"
    elif end == "cancel":
        c.cancel()
        assert held.answer(c).error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"57014"
    c.close()
    held.none_left()
    # So whoever wants the database alone has it.
    with held.pg.admin("postgres") as a:
        a.autocommit = True
        wait_until(lambda: not a.execute("SELECT 1 FROM pg_stat_activity WHERE datname = 'app'"
                                         " AND backend_type = 'client backend'").fetchall())
        a.execute("DROP DATABASE IF EXISTS release_copy")
        a.execute("CREATE DATABASE release_copy TEMPLATE app")
        a.execute("DROP DATABASE release_copy")


def test_one_that_the_server_has_closed_is_not_asked(held):
    c, ticket = held.ask()
    (pid,) = held.waiting()
    with held.pg.admin() as a:
        a.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    held.operator.decide(ticket["id"], "approve")
    assert held.answer(c).command_tuples == 20
    c.close()


def test_two_are_kept_for_any_number(held):
    asking = [held.gateway.connect("alice", autocommit=True) for _ in range(6)]
    for i, c in enumerate(asking):
        c.pgconn.send_query(f"DELETE FROM release.t WHERE n = 1 AND id > {i}".encode())
    tickets = wait_until(lambda: (found := held.operator.tickets()) and len(found) == 6 and found)
    assert 1 <= len(held.waiting()) <= 2
    for ticket in tickets:
        held.operator.decide(ticket["id"], "approve")
    assert sum(held.answer(c).command_tuples for c in asking) == 20
    for c in asking:
        c.close()
    held.none_left()


def test_a_reload_opens_it_anew(held):
    c, ticket = held.ask()
    held.waiting()
    held.gateway.process.send_signal(signal.SIGHUP)
    held.none_left()
    held.operator.decide(ticket["id"], "approve")
    assert held.answer(c).command_tuples == 20
    c.close()
