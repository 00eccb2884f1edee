"""What a real gateway answers, decoded; and waiting for an operator's decision."""

import datetime
import socket
import struct
import threading
import time

import psycopg
import pytest

from .conftest import EXAMPLES, Failed, Gateway, Operator, running, wait_until

POLICY = {"rules": [{"name": "never", "objects": ["shop.never"], "action": "block"}]}
UNKNOWN = b"T-01ARZ3NDEKTSV4RRFFQ69G5FAV"


class Site:
    def __init__(self, gateway):
        self.gateway = gateway
        self.operator = Operator(gateway, role="admin")

    def url(self, agent="alice"):
        return f"host=127.0.0.1 port={self.gateway.port} dbname=app user={agent} password={self.gateway.passwords[agent]}"

    def refused(self, sql, agent="alice", wait="0"):
        options = f"-c backstop.wait={wait}"
        with self.gateway.connect(agent, autocommit=True, options=options) as c, pytest.raises(psycopg.Error) as error:
            c.execute(sql)
        return error.value

    def ticket(self, sql, agent="alice"):
        return self.refused(sql, agent).diag.message_detail.split('"ticket":"')[1][:28]


@pytest.fixture(scope="module")
def site(pg):
    with pg.admin() as c:
        c.execute("CREATE SCHEMA shop; CREATE TABLE shop.orders (id int PRIMARY KEY); CREATE TABLE shop.never (id int);"
                  "CREATE TABLE shop.private (id int); GRANT USAGE ON SCHEMA shop TO app_trust;"
                  "GRANT ALL ON shop.orders, shop.never TO app_trust; INSERT INTO shop.orders SELECT generate_series(1, 100)")
    gateway = Gateway(pg, policy=POLICY, extra={"hold": {"wait": "10s"}})
    with running(gateway, "alice", "bob", "pat"):
        yield Site(gateway)
    with pg.admin() as c:
        c.execute("DROP SCHEMA shop CASCADE")


@pytest.fixture
def decode(lib):
    made = []

    def decoded(error):
        diag = error.diag
        made.append(lib.make("decode", *(x and x.encode() for x in (
            diag.sqlstate, diag.message_primary, diag.message_detail))))
        return told(lib, made[-1])

    yield decoded
    for answer in made:
        lib.answer_free(answer)


def told(lib, answer):
    text = {name: (getattr(lib, f"answer_{name}")(answer) or b"").decode() or None
            for name in ("ticket", "state", "retry", "message", "kind", "point", "reason")}
    return {"outcome": lib.outcome_name(lib.answer_outcome(answer)).decode(),
            "expires": lib.answer_expires(answer), **text}


def waited(lib, site, ticket, ms, agent="alice"):
    answer = lib.make("wait", site.url(agent).encode(), ticket.encode(), ms)
    try:
        return told(lib, answer)
    finally:
        lib.answer_free(answer)


def test_held(site, decode):
    held = decode(site.refused("DELETE FROM shop.orders WHERE id < 50"))
    assert (held["outcome"], held["state"], held["retry"]) == ("Held", "pending", "same-statement")
    assert held["ticket"].startswith("T-") and held["ticket"] in held["message"]
    until = datetime.datetime.fromtimestamp(held["expires"] / 1e6, datetime.timezone.utc)
    assert 0 < (until - datetime.datetime.now(datetime.timezone.utc)).total_seconds() < 3600
    site.operator.decide(held["ticket"], "deny")


def test_denied(site, decode):
    decider = site.operator.deciding("deny")
    denied = decode(site.refused("DELETE FROM shop.orders WHERE id < 40", wait="10s"))
    decider.join()
    assert (denied["outcome"], denied["retry"], denied["state"]) == ("Denied", "never", "denied")


def test_blocked_is_told_from_the_servers_own(site, decode):
    assert decode(site.refused("DELETE FROM shop.never"))["outcome"] == "Blocked"
    own = site.refused("SELECT * FROM shop.private")
    assert own.sqlstate == "42501" and decode(own)["outcome"] == "None"
    assert decode(site.refused("SELECT 1/0"))["outcome"] == "None"


def test_paused(site, decode):
    with site.gateway.connect("pat", autocommit=True) as c:
        c.execute("SELECT 1")
        status, _ = site.operator.ask("POST", "/v1/pauses", {"scope": "actor", "name": "pat", "reason": "test"})
        assert status == 200
        with pytest.raises(psycopg.Error) as error:
            c.execute("SELECT 1")
    assert decode(error.value)["outcome"] == "Paused"


def test_wait_until_it_is_approved(site, lib):
    ticket = site.ticket("DELETE FROM shop.orders WHERE id = 51")
    timer = threading.Timer(0.5, site.operator.decide, (ticket, "approve"))
    timer.start()
    start = time.monotonic()
    answer = waited(lib, site, ticket, 60000)
    assert time.monotonic() - start < 20
    assert (answer["outcome"], answer["state"], answer["ticket"]) == ("None", "approved", ticket)
    assert answer["kind"] == "DELETE"
    with site.gateway.connect(autocommit=True) as c:
        assert c.execute("DELETE FROM shop.orders WHERE id = 51").rowcount == 1
    wait_until(lambda: waited(lib, site, ticket, 0)["state"] == "done")
    assert waited(lib, site, ticket, 0)["point"]


def test_wait_for_a_denial(site, lib):
    ticket = site.ticket("DELETE FROM shop.orders WHERE id = 52")
    site.operator.decide(ticket, "deny", reason="not this one")
    answer = waited(lib, site, ticket, 60000)
    assert (answer["outcome"], answer["state"], answer["reason"]) == ("Denied", "denied", "not this one")


def test_the_time_is_over(site, lib):
    ticket = site.ticket("DELETE FROM shop.orders WHERE id = 53")
    assert waited(lib, site, ticket, 0)["outcome"] == "Held"
    start = time.monotonic()
    assert waited(lib, site, ticket, 1500)["state"] == "pending"
    assert 1.4 < time.monotonic() - start < 10


def message(kind, body):
    return kind + struct.pack("!I", len(body) + 4) + body


def half_an_answer(listener, rounds):
    """A server that says "pending" so often, and the last time not that it is ready again."""
    with listener.accept()[0] as c:
        c.recv(4096)
        ready = message(b"Z", b"I")
        c.sendall(message(b"R", struct.pack("!I", 0)) + ready)
        told = b'{"v":1,"state":"pending"}'
        row = message(b"T", struct.pack("!H", 1) + b"backstop\0" + struct.pack("!IHIHIH", 0, 0, 25, 65535, 0, 0))
        row += message(b"D", struct.pack("!HI", 1, len(told)) + told) + message(b"C", b"SHOW\0")
        for left in range(rounds, 0, -1):
            c.recv(4096)
            c.sendall(row + (ready if left > 1 else b""))
        c.recv(4096)


def test_a_server_that_does_not_end_its_answer(lib):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=half_an_answer, args=(listener, 2))
        thread.start()
        start = time.monotonic()
        port = listener.getsockname()[1]
        answer = lib.make("wait", f"host=127.0.0.1 port={port} user=x sslmode=disable gssencmode=disable".encode(), UNKNOWN, 1000)
        assert told(lib, answer)["state"] == "pending" and time.monotonic() - start < 8
        lib.answer_free(answer)
        thread.join()


def test_tickets_that_are_not_ones_own(site, lib):
    ticket = site.ticket("DELETE FROM shop.orders WHERE id = 54")
    for which, agent in ((ticket.encode(), "bob"), (UNKNOWN, "alice")):
        with pytest.raises(Failed) as failed:
            lib.make("wait", site.url(agent).encode(), which, 0)
        assert (failed.value.code, failed.value.sqlstate) == (5, "42704")


@pytest.mark.parametrize("what", ["approve", "deny"])
def test_the_example(installed, site, tmp_path, what):
    program = installed.compile(EXAMPLES / "agent.c", tmp_path / "agent", "backstop", "libpq")
    for ticket in site.operator.tickets():  # of other tests
        site.operator.decide(ticket["id"], "deny")
    decider = site.operator.deciding(what)
    number = 60 if what == "approve" else 61
    done = installed.run(program, site.url(), f"DELETE FROM shop.orders WHERE id = {number}")
    decider.join()
    with site.gateway.connect(autocommit=True) as c:
        left = c.execute("SELECT count(*) FROM shop.orders WHERE id = %s", (number,)).fetchone()[0]
    if what == "approve":
        assert (done.returncode, left) == (0, 0), done
        assert done.stdout.endswith("DELETE 1\n")
    else:
        assert (done.returncode, left) == (1, 1), done
