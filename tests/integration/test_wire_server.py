"""A server that is let in and then misbehaves. Each time: the gateway lives and does not grow, the
client has a clear error or the end of its connection, soon, and the server's line is closed.

What lies while it logs in is in test_login.py.
"""

import os
import socket
import struct
import threading
import time

import pytest

from conftest import Gateway, running, wait_until
from rawwire import Raw, message, parse, query, report, SYNC

AUTH_OK = message(b"R", struct.pack("!I", 0))
SETTINGS = {"client_encoding": "UTF8", "standard_conforming_strings": "on",
            "default_transaction_read_only": "on", "server_version": "15.1"}
READY = message(b"Z", b"I")
ROW = message(b"D", b"\0\x01\0\0\0\x011")
COLUMNS = message(b"T", b"\0\x01a\0" + b"\0" * 6 + struct.pack("!IhIh", 23, 4, 0xffffffff, 0))
ANSWER = COLUMNS + ROW + message(b"C", b"SELECT 1\0") + READY
ERROR = b"SERROR\0VERROR\0C22012\0Mdivision by zero\0\0"
MEGABYTES = 1 << 20


def status(name, value):
    return message(b"S", name.encode() + b"\0" + value.encode() + b"\0")


class Hostile:
    """Lets everybody in, and answers the first message of each session with what `script` sends."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.script = None
        self.open = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                line, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(line,), daemon=True).start()

    def serve(self, line):
        self.open += 1
        try:
            with line:
                line.settimeout(20)
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                line.recv(10000)
                line.sendall(AUTH_OK + b"".join(status(*s) for s in SETTINGS.items()) +
                             message(b"K", struct.pack("!II", 1, 2)) + READY)
                if line.recv(65536):
                    self.script(line)
                while line.recv(65536):
                    pass
        except OSError:
            pass
        finally:
            self.open -= 1


def sends(data, then_ends=False):
    def script(line):
        line.sendall(data)
        if then_ends:
            line.shutdown(socket.SHUT_WR)
    return script


class Place:
    def __init__(self, gateway, server):
        self.gateway, self.server = gateway, server

    def resident(self):
        with open(f"/proc/{self.gateway.process.pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def raw(self):
        r = Raw(self.gateway.port, timeout=15)
        seen = r.login("ann", self.gateway.passwords["ann"])
        assert seen[-1] == (b"Z", b"I"), seen
        return r


@pytest.fixture(scope="module")
def place(pg):
    server = Hostile()
    databases = {"app": f"host=127.0.0.1 port={server.port} user=x sslmode=disable"}
    with running(Gateway(pg, databases, tls=False), "ann") as g:
        place = Place(g, server)
        server.script = sends(ANSWER)
        with place.raw() as r:
            r.send(query("SELECT 1"))
            r.until()
        place.lines = g.descriptors()
        yield place
    server.listener.close()


@pytest.fixture(autouse=True)
def as_before(place):
    """Alive, no larger, nothing left open, and the next session has its answer."""
    size = place.resident()
    yield
    assert place.gateway.process.poll() is None, place.gateway.log()[-3000:]
    wait_until(lambda: place.server.open == 0)
    wait_until(lambda: place.gateway.descriptors() <= place.lines)
    assert place.resident() < size + 64 * MEGABYTES
    place.server.script = sends(ANSWER)
    with place.raw() as r:
        r.send(query("SELECT 1"))
        assert [kind for kind, _ in r.until()] == [b"T", b"D", b"C", b"Z"]


def asked(place, script, *messages):
    """All that the client sees, up to ReadyForQuery or the end (None)."""
    place.server.script = script
    with place.raw() as r:
        r.send(b"".join(messages) or query("SELECT 1"))
        try:
            return r.until()
        except ConnectionResetError:
            return [None]


LIES = {
    "length 3": b"C\0\0\0\3",
    "length 0": b"T\0\0\0\0",
    "length 3 of a row": b"D\0\0\0\3",
    "negative length": b"E\xff\xff\xff\xff",
    "negative length of a row": b"D\xff\xff\xff\xff",
    "2 GB of error": b"E\x7f\xff\xff\xff" + b"x" * 1000,
    "2 GB of row": b"D\x7f\xff\xff\xff" + b"x" * 1000,
    "2 GB of notice": b"N\x7f\xff\xff\xff",
    "20 MB of columns": b"T" + struct.pack("!I", 20 * MEGABYTES),
    "20 MB of a status": b"S" + struct.pack("!I", 20 * MEGABYTES),
    "unknown tag": message(b"?", b"what"),
    "tag of zero": b"\0\0\0\0\x04",
    "tag of a client": query("SELECT 1"),
    "a start again": AUTH_OK,
    "a password is asked for": message(b"R", struct.pack("!I", 3)),
    "another key": message(b"K", struct.pack("!II", 3, 4)),
    "another protocol": message(b"v", struct.pack("!II", 0, 0)),
    "CopyBoth": message(b"W", b"\0\0\0"),
    "status of no kind": message(b"Z", b"X"),
    "status without a body": message(b"Z"),
    "status too long": message(b"Z", b"II"),
    "other lexing": status("standard_conforming_strings", "off") + ANSWER,
    "other encoding": status("client_encoding", "SJIS") + ANSWER,
    "a setting without an end": message(b"S", b"TimeZone"),
}


@pytest.mark.parametrize("name", LIES)
def test_what_cannot_be_believed_ends_the_session(place, name):
    seen = asked(place, sends(LIES[name]))
    assert seen[-1] is None, seen
    errors = [report(body) for kind, body in seen[:-1] if kind == b"E"]
    assert len(errors) == 1 and errors[0]["S"] == "FATAL", seen
    assert errors[0]["C"] in ("08P01", "0A000") and errors[0]["M"], errors


@pytest.mark.parametrize("data", [
    COLUMNS[:3], COLUMNS, COLUMNS + ROW[:6], COLUMNS + ROW, message(b"E", ERROR)[:9], b"D\x3f\xff\xff\xff" + b"x" * 9,
], ids=["in a head", "before the rows", "in a row", "before the end", "in an error", "in a row of a gigabyte"])
def test_the_end_comes_too_early(place, data):
    seen = asked(place, sends(data, then_ends=True))
    assert seen[-1] is None or seen[-1][0] != b"Z", seen


@pytest.mark.parametrize("body", [
    b"\0", b"", b"SERROR\0Mno code\0\0", b"SERROR\0C\0M\0\0", b"Mno more than that\0\0", b"SERROR\0C22012\0Mno end",
    b"C" + b"9" * 5000 + b"\0Mlong code\0\0", b"SERROR\0C22012\0M" + b"x" * 100_000 + b"\0\0", b"S\xff\xfe\0C\xff\0M\xff\0\0",
    b"\xff" * 100 + b"\0\0",
], ids=["no field", "no body", "no SQLSTATE", "empty fields", "a message only", "no end", "a long SQLSTATE",
        "a long message", "no text", "no field of any kind"])
@pytest.mark.parametrize("kind", [b"E", b"N"], ids=["error", "notice"])
def test_reports_that_lack_something(place, kind, body):
    """CVE-2026-6666. They are passed on or end the session; what follows is still in step."""
    seen = asked(place, sends(message(kind, body) + (READY if kind == b"E" else ANSWER)))
    assert seen[-1] == (b"Z", b"I") or seen[-1] is None and seen[-2][0] == b"E", seen


UNASKED = {
    "more rows than columns": ROW * 3 + READY,
    "answers to a series": b"".join(message(k) for k in (b"1", b"2", b"3", b"n", b"s", b"I")) + ANSWER,
    "copy data": message(b"d", b"x") * 3 + message(b"c") + ANSWER,
    "copy in": message(b"G", b"\0\0\0"),
    "copy out": message(b"H", b"\0\0\0") + message(b"d", b"x") + READY,
    "a function's result": message(b"V", b"\0\0\0\x011") + READY,
    "types of parameters": message(b"t", b"\0\0") + READY,
    "counts that lie": message(b"T", b"\xff\xffa\0") + message(b"D", b"\xff\xff\0") + message(b"t", b"\xff\xff") + READY,
    "a tag without an end": message(b"C", b"SELECT") + READY,
    "a notification cut short": message(b"A", b"\0\0") + READY,
    "ready again and again": READY * 100_000,
}


@pytest.mark.parametrize("name", UNASKED)
@pytest.mark.parametrize("how", ["simple", "series"])
def test_answers_that_nobody_asked_for(place, name, how):
    messages = [query("SELECT 1")] if how == "simple" else [parse("", "SELECT 1"), SYNC]
    place.server.script = sends(UNASKED[name], then_ends=True)
    with place.raw() as r:
        r.send(b"".join(messages))
        seen = 0
        try:
            while r.next() is not None:  # to the end, which comes
                seen += 1
        except ConnectionResetError:
            pass
        assert seen < 200_000


@pytest.mark.parametrize("one", [
    message(b"N", b"SNOTICE\0VNOTICE\0C00000\0M" + b"x" * 1000 + b"\0\0"),
    status("application_name", "x" * 1000),
    READY,
    message(b"A", struct.pack("!I", 1) + b"news\0" + b"x" * 1000 + b"\0"),
    ROW,
    message(b"1"),
], ids=["notices", "settings", "ready", "notifications", "rows", "parsed"])
def test_a_flood_that_nobody_reads(place, one):
    """The gateway takes no more than it can pass on; when the client goes, so does the server's line."""
    sent, begun = [0], threading.Event()

    def script(line):
        line.settimeout(1.5)
        pack = one * (65536 // len(one) + 1)
        while sent[0] < 256 * MEGABYTES:
            sent[0] += line.send(pack)
            begun.set()

    before = place.resident()
    place.server.script = script
    with place.raw() as r:
        r.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        r.send(query("SELECT 1"))
        assert begun.wait(5)
        seen = -1
        while seen != sent[0]:  # until it moves no more: all buffers are full
            seen = sent[0]
            time.sleep(0.2)
        assert place.resident() < before + 32 * MEGABYTES


def test_an_answer_byte_by_byte(place):
    def script(line):
        for byte in message(b"N", b"SNOTICE\0C00000\0Mhm\0\0") + ANSWER:
            line.send(bytes([byte]))
            time.sleep(0.001)

    assert [kind for kind, _ in asked(place, script)] == [b"N", b"T", b"D", b"C", b"Z"]


def test_a_server_that_says_nothing_can_be_left(place):
    """The client ends; the server's line is closed although it never answered."""
    place.server.script = lambda line: None
    with place.raw() as r:
        r.send(query("SELECT 1"))
        wait_until(lambda: place.server.open == 1)
