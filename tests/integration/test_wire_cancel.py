"""A cancel that comes late, or for nothing, hits no other statement (CancelRequest: protocol-flow, Canceling
Requests in Progress). What a key looks like and how it may come: test_wire_start.py; while held: tests/wire."""

import struct
import time

import pytest

from conftest import Gateway, running, wait_until
from rawwire import FLUSH, Raw, bind, cancel_request, execute, parse, query
from relay import Relay

CANCEL = struct.pack("!II", 16, 80877102)


class Place:
    def __init__(self, pg, gateway, relay):
        self.pg, self.gateway, self.relay = pg, gateway, relay

    def log_in(self):
        r = Raw(self.gateway.port, timeout=20)
        key = dict(r.login("alice", self.gateway.passwords["alice"]))[b"K"]
        r.pid, r.secret = struct.unpack("!I", key[:4])[0], key[4:]
        return r

    def cancel(self, r):
        with Raw(self.gateway.port) as other:
            other.send(cancel_request(r.pid, r.secret))
            assert other.closed()

    def state(self, r):
        with self.pg.admin() as c:
            return c.execute("SELECT state FROM pg_stat_activity WHERE pid = %s", (r.pid,)).fetchone()[0]


@pytest.fixture(scope="module")
def place(pg):
    relay = Relay(pg.folder / f".s.PGSQL.{pg.port}")
    upstream = f"host=127.0.0.1 port={relay.port} user=app_trust dbname=app sslmode=disable"
    with running(Gateway(pg, {"app": upstream}, tls=False), "alice") as g:
        yield Place(pg, g, relay)
    relay.close()


def test_one_that_comes_late_hits_nothing(place):
    """It is on its way to the server when its statement ends."""
    with place.log_in() as r:
        stop = place.relay.stop_at(CANCEL)
        r.send(query("SELECT pg_sleep(0.5)"))
        wait_until(lambda: place.state(r) == "active")
        place.cancel(r)
        stop.wait()
        assert [r.next()[0] for _ in range(3)] == [b"T", b"D", b"C"]
        assert place.state(r) == "idle"
        time.sleep(0.2)
        assert not r.readable(), "the next statement could be sent now"
        stop.go()
        assert r.next() == (b"Z", b"I")
        r.send(query("SELECT 2 FROM pg_sleep(0.3)"))
        assert [kind for kind, _ in r.until()] == [b"T", b"D", b"C", b"Z"]


def test_one_that_is_lost_keeps_nobody_waiting(place):
    with place.log_in() as r:
        stop = place.relay.stop_at(CANCEL)
        r.send(query("SELECT pg_sleep(0.5)"))
        wait_until(lambda: place.state(r) == "active")
        place.cancel(r)
        stop.wait()
        assert [r.next()[0] for _ in range(3)] == [b"T", b"D", b"C"]
        stop.cut()
        assert r.next() == (b"Z", b"I")


def test_a_flood_of_them_keeps_nobody_waiting(place):
    """Those that come while ReadyForQuery waits for the first are for nothing."""
    with place.log_in() as r:
        first, second = place.relay.stop_at(CANCEL), place.relay.stop_at(CANCEL)
        r.send(query("SELECT pg_sleep(0.5)"))
        wait_until(lambda: place.state(r) == "active")
        place.cancel(r)
        first.wait()
        assert [r.next()[0] for _ in range(3)] == [b"T", b"D", b"C"]
        for _ in range(5):
            place.cancel(r)
        first.go()
        assert r.next() == (b"Z", b"I")
        assert not second.reached.is_set()
        place.relay.clear()


@pytest.mark.parametrize("before", [query("SELECT 1"), query("BEGIN"), parse("", "SELECT 1") + bind("", "") + execute() +
                                    FLUSH], ids=["idle", "in a transaction", "in a series"])
def test_one_for_nothing_is_not_sent(place, before):
    with place.log_in() as r:
        r.send(before)
        r.until(b"C" if before.endswith(FLUSH) else b"Z")
        stop = place.relay.stop_at(CANCEL)
        for _ in range(5):
            place.cancel(r)
        r.send(query("SELECT 2 FROM pg_sleep(0.3)"))
        assert [kind for kind, _ in r.until()] == [b"T", b"D", b"C", b"Z"]
        assert not stop.reached.is_set()
        place.relay.clear()
