"""Both directions at once, and a client that does not stop: nothing deadlocks, and nothing piles up."""

import contextlib
import os
import socket
import threading

import pytest

from conftest import Gateway, running
from operator_side import Operator
from rawwire import SYNC, Raw, bind, execute, parse, query

MEGABYTE = 1 << 20
SCHEMA = """
DROP TABLE IF EXISTS flow;
CREATE TABLE flow AS SELECT 1 AS id;
ALTER TABLE flow OWNER TO app_trust;
"""


class Place:
    def __init__(self, gateway):
        self.gateway, self.operator = gateway, Operator(gateway)

    def log_in(self):
        r = Raw(self.gateway.port, timeout=60)
        r.login("bob", self.gateway.passwords["bob"])
        return r

    def resident(self):
        with open(f"/proc/{self.gateway.process.pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(scope="module")
def place(pg):
    with pg.admin() as admin:
        admin.execute(SCHEMA)
        with running(Gateway(pg, tls=False, extra={"hold": {"wait": "60s", "notice": "1s"}}), "bob") as g:
            yield Place(g)
        admin.execute("DROP TABLE flow")


def test_megabytes_both_ways_at_once(place):
    """20 MB of parameters that come back as rows: as much on its way in each direction as the sockets take."""
    value, times = "x" * 100_000, 200
    one = bind("", "s", value) + execute()
    with place.log_in() as r:
        r.send(parse("s", "SELECT $1::text") + SYNC)
        r.until()
        sender = threading.Thread(target=lambda: r.socket.sendall(one * times + SYNC))
        sender.start()
        seen = r.until()
        sender.join()
        assert [kind for kind, _ in seen] == [b"2", b"D", b"C"] * times + [b"Z"]
        assert all(len(body) == 2 + 4 + len(value) for kind, body in seen if kind == b"D")


def test_a_client_that_does_not_stop_while_it_is_held(place):
    """The gateway reads on a little, to see it go; then TCP lets it wait. All of it runs in its turn."""
    with place.log_in() as r:
        before = place.resident()
        r.send(query("DELETE FROM flow"))
        ticket = place.operator.next_ticket()
        one, sent = query(f"SELECT length('{'y' * 10_000}')"), 0
        data = one * (64 * MEGABYTE // len(one))
        r.socket.settimeout(2)
        with contextlib.suppress(socket.timeout):
            while sent < len(data):
                sent += r.socket.send(data[sent:sent + MEGABYTE])
        assert sent < 32 * MEGABYTE and place.resident() - before < 16 * MEGABYTE
        r.socket.settimeout(60)
        place.operator.decide(ticket["id"], "deny")
        rest = threading.Thread(target=lambda: r.socket.sendall(data[sent:sent + -sent % len(one)]))
        rest.start()
        seen = r.until()
        assert seen[-2][0] == b"E" and seen[-1] == (b"Z", b"I")
        for _ in range(-(-sent // len(one))):
            assert [kind for kind, _ in r.until()] == [b"T", b"D", b"C", b"Z"]
        rest.join()
