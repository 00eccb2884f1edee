"""Connections to the operators' listener that ask for nothing, and what is left for those who ask."""

import contextlib
import select
import socket
import time

import pytest

from conftest import Gateway, running
from test_api import Site, ask
from test_api_events import Watcher


@pytest.fixture(scope="module")
def site(pg):
    g = Gateway(pg, {"app": pg.conninfo("app_trust")})
    with running(g, "alice"):
        yield Site(g)


def connect(site, source="127.0.0.1", sends=b""):
    s = socket.create_connection(("127.0.0.1", site.gateway.operators_port), timeout=10, source_address=(source, 0))
    with contextlib.suppress(ConnectionError):
        s.sendall(sends)
    return s


def is_open(s):
    if not select.select([s], [], [], 0)[0]:
        return True
    try:
        return s.recv(1, socket.MSG_PEEK) != b""
    except OSError:
        return False


@contextlib.contextmanager
def crowd(site, n, source="127.0.0.1"):
    """So many that have said nothing, and as many in the middle of a word."""
    there = []
    try:
        for i in range(n):
            with contextlib.suppress(OSError):
                there.append(connect(site, source, b"" if i % 2 else b"GET /v1/hea"))
        yield there
    finally:
        for s in there:
            s.close()


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.3.1"])
def test_those_who_ask_are_answered(site, source):
    watcher = Watcher(site)
    with crowd(site, 400, source) as there:
        for _ in range(5):
            began = time.monotonic()
            assert ask(site.gateway, "GET", "/v1/session", token=site.tokens["viewer"]).status == 200
            assert time.monotonic() - began < 5  # it was half a minute
        assert sum(map(is_open, there)) <= 128 + 4, "one address has half of the room, but for threads that race"
        beats = watcher.beats
        time.sleep(6)
        assert not watcher.over and watcher.beats > beats, "whoever is being answered stays"
    watcher.close()


def test_many_addresses_leave_room(site):
    with contextlib.ExitStack() as stack:
        there = [s for i in range(4) for s in stack.enter_context(crowd(site, 100, f"127.0.4.{i + 1}"))]
        began = time.monotonic()
        assert ask(site.gateway, "GET", "/v1/session", token=site.tokens["viewer"]).status == 200
        assert time.monotonic() - began < 5
        assert sum(map(is_open, there)) <= 256


@pytest.mark.parametrize("sends", [b"", b"GET /v1/tick"])
def test_silence_is_short(site, sends):
    with connect(site, sends=sends) as s:
        began = time.monotonic()
        s.settimeout(25)
        with contextlib.suppress(ConnectionError):
            s.recv(1)
        assert 5 < time.monotonic() - began < 20


def test_who_has_asked_may_ask_again(site):
    head = f"GET /v1/session HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.tokens['viewer']}\r\n\r\n".encode()
    with connect(site, sends=head) as s:
        assert s.recv(65536).startswith(b"HTTP/1.1 200")
        time.sleep(14)
        s.sendall(head)
        assert s.recv(65536).startswith(b"HTTP/1.1 200")
