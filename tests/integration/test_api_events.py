"""The stream of what happens to tickets."""

import contextlib
import http.client
import json
import signal
import socket
import threading
import time

import pytest

from conftest import Gateway, running, wait_until
from operator_side import Operator
from test_api import Site, ask


class Watcher:
    """One client of /v1/events; .events fills up as they come."""

    def __init__(self, site, last=None, role="viewer", fields=None):
        self.c = http.client.HTTPConnection("127.0.0.1", site.gateway.operators_port, timeout=30)
        fields = {**(fields or {"Authorization": "Bearer " + site.tokens[role]}), "Accept": "text/event-stream"}
        if last is not None:
            fields["Last-Event-ID"] = last
        self.c.request("GET", "/v1/events", headers=fields)
        self.answer = self.c.getresponse()
        self.events, self.beats, self.over = [], 0, False
        if self.answer.status == 200:
            self.thread = threading.Thread(target=self.collect, daemon=True)
            self.thread.start()
            wait_until(lambda: self.beats or self.events)

    def collect(self):
        with contextlib.suppress(OSError, http.client.HTTPException, AttributeError):  # close() ends it
            self.take_lines()
        self.over = True

    def take_lines(self):
        event = {}
        for line in self.answer:
            line = line.decode().rstrip("\n")
            if line.startswith(":"):
                self.beats += 1
            elif line:
                name, _, value = line.partition(": ")
                event[name] = value
            elif event:
                self.events.append((time.monotonic(), event))
                event = {}

    def seen(self, kind="ticket"):
        return [json.loads(e["data"]) for _, e in self.events if e["event"] == kind]

    def close(self):
        self.answer.fp.raw._sock.shutdown(socket.SHUT_RDWR)
        self.c.close()


@pytest.fixture(scope="module")
def site(pg):
    with pg.admin() as c:
        c.execute("CREATE SCHEMA watched")
        c.execute("CREATE TABLE watched.t AS SELECT i AS id FROM generate_series(1, 50) i")
        c.execute("ALTER TABLE watched.t ADD PRIMARY KEY (id)")
        c.execute("GRANT ALL ON SCHEMA watched TO app_trust; GRANT ALL ON watched.t TO app_trust")
    g = Gateway(pg, {"app": pg.conninfo("app_trust")}, extra={"hold": {"wait": "0s"}})
    with running(g, "alice"):
        yield Site(g)
    with pg.admin() as c:
        c.execute("DROP SCHEMA watched CASCADE")


def test_a_watcher_sees_a_ticket_come_and_be_decided(site):
    w = Watcher(site)
    assert w.answer.headers["Content-Type"] == "text/event-stream"
    assert w.answer.headers["Cache-Control"] == "no-store"
    ticket = site.held("DELETE FROM watched.t WHERE id = 1")
    wait_until(lambda: [t["state"] for t in w.seen() if t["id"] == ticket] == ["pending"])
    before = time.monotonic()
    assert site.ask("POST", f"/v1/tickets/{ticket}/deny", {}).status == 200
    wait_until(lambda: [t["state"] for t in w.seen() if t["id"] == ticket] == ["pending", "denied"], every=0.005)
    assert w.events[-1][0] - before < 1
    assert w.seen()[-1] == {"id": ticket, "state": "denied", "actor": "alice", "database": "app", "risk": "HIGH",
                            "asked": 1}
    w.close()


def test_who_comes_back_gets_what_was_missed(site):
    w = Watcher(site)
    first = site.held("DELETE FROM watched.t WHERE id = 2")
    wait_until(lambda: w.seen())
    last = w.events[-1][1]["id"]
    w.close()
    missed = site.held("DELETE FROM watched.t WHERE id = 3")
    back = Watcher(site, last)
    wait_until(lambda: [t["id"] for t in back.seen()] == [missed])
    assert first != missed and not back.seen("reset")
    back.close()
    for strange in ("", "x", "01ARZ3NDEKTSV4RRFFQ69G5FAV.1", last.split(".")[0] + ".999999"):
        lost = Watcher(site, strange)
        wait_until(lambda: lost.seen("reset"))
        assert not lost.seen()
        lost.close()


def test_watchers_are_bounded_and_leave_no_trace(site):
    before = site.gateway.descriptors()
    crowd = []
    while not crowd or crowd[-1].answer.status == 200:  # those of the tests before may not be missed yet
        crowd.append(Watcher(site))
    late = crowd.pop()
    assert 50 <= len(crowd) <= 64
    assert late.answer.status == 429 and late.answer.headers["Retry-After"] == "30"
    assert json.loads(late.answer.read())["code"] == "TOO_OFTEN"
    assert site.ask("GET", "/v1/tickets").status == 200, "others are served"
    ticket = site.held("DELETE FROM watched.t WHERE id = 5")
    for w in crowd:
        wait_until(lambda w=w: [t["id"] for t in w.seen()] == [ticket])
        w.close()
    late.c.close()
    wait_until(lambda: site.gateway.descriptors() <= before + 2, 25)
    Watcher(site).close()


@pytest.mark.parametrize("how", ["revoked", "rotated", "expired", "logged out"])
def test_a_stream_ends_with_the_right_to_it(site, how):
    """Within a second or so, not when its minute is over; nobody else's does."""
    name, other = f"gone-{how[:3]}", Watcher(site)
    made = Operator(site.gateway, name, "viewer")
    fields = {"Authorization": "Bearer " + made.token}
    if how == "logged out":
        answer = ask(site.gateway, "POST", "/v1/session", {"token": made.token})
        csrf, fields = answer.json()["csrf"], {"Cookie": answer.headers["Set-Cookie"].split(";")[0]}
    w = Watcher(site, role=None, fields=fields)
    assert w.answer.status == 200
    began = time.monotonic()
    if how == "revoked":
        site.gateway.cli("operators", "revoke", name)
    elif how == "rotated":
        site.gateway.cli("operators", "rotate", name)
    elif how == "expired":
        site.gateway.cli("operators", "set", name, "--expires", "1s")
    else:
        assert ask(site.gateway, "DELETE", "/v1/session", None, **fields, X_CSRF_Token=csrf).status == 204
    wait_until(lambda: w.over, 10)
    assert time.monotonic() - began < 8 and not other.over
    other.close()


def test_a_stop_ends_the_streams(pg):
    g = Gateway(pg, {"app": pg.conninfo("app_trust")})
    with running(g, "alice"):
        w = Watcher(Site(g))
        before = time.monotonic()
        assert g.stop(signal.SIGTERM) == 0
        assert time.monotonic() - before < 4, "nothing waited for the stream"
        wait_until(lambda: w.over)
