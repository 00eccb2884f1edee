"""`approvals watch` on a terminal: a program draws, an emulator (pyte) shows what one would see."""

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
import time

import psycopg
import pyte
import pytest

from conftest import Gateway, binary, running
from operator_side import Operator

ROWS, COLUMNS = 30, 100
SCHEMA = """
DROP TABLE IF EXISTS watched;
CREATE TABLE watched AS SELECT n AS id, 'v' || n AS v FROM generate_series(1, 9) n;
ALTER TABLE watched OWNER TO app_trust;
"""


class Watch:
    """The program on a terminal of its own."""

    def __init__(self, operator, size=(ROWS, COLUMNS), *more):
        self.screen = pyte.Screen(size[1], size[0])
        self.stream = pyte.ByteStream(self.screen)
        self.raw, self.status = b"", None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(binary(), [str(binary()), "approvals", "watch", "--server", operator.base, *more],
                      {**os.environ, "TERM": "xterm-256color", "BACKSTOP_TOKEN": operator.token})
        self.resize(*size)

    def resize(self, rows, columns):
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys):
        os.write(self.fd, keys.encode())

    def read(self, seconds):
        """False where the program has closed its terminal."""
        if select.select([self.fd], [], [], seconds)[0]:
            try:
                some = os.read(self.fd, 65536)
            except OSError:
                return False
            self.raw += some
            self.stream.feed(some)
        return True

    @property
    def text(self):
        return "\n".join(self.screen.display)

    def until(self, *words, without=(), seconds=20):
        end = time.monotonic() + seconds
        while not all(w in self.text for w in words) or any(w in self.text for w in without):
            assert time.monotonic() < end, f"{words} without {without} in\n{self.text}"
            assert self.read(0.1), self.text
        return self.text

    def ended(self, seconds=20):
        """Its wait status."""
        end = time.monotonic() + seconds
        while self.status is None:
            assert time.monotonic() < end, self.text
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None
        while self.read(0):  # what is still in the pipe
            if not select.select([self.fd], [], [], 0)[0]:
                break
        return self.status

    def close(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


class Asking(threading.Thread):
    """An agent that waits for its statement; `error` is what became of it."""

    def __init__(self, gateway, sql):
        super().__init__(daemon=True)
        self.gateway, self.sql, self.error = gateway, sql, None
        self.start()

    def run(self):
        try:
            with self.gateway.connect("bob", autocommit=True) as c:
                c.execute(self.sql)
        except psycopg.Error as e:
            self.error = e.sqlstate


@pytest.fixture(scope="module")
def site(pg):
    with pg.admin() as admin:
        admin.execute(SCHEMA)
    with running(Gateway(pg, tls=False, extra={"hold": {"wait": "60s", "notice": "1s"}}), "bob") as gateway:
        gateway.operator = Operator(gateway)
        yield gateway
    with pg.admin() as admin:
        admin.execute("DROP TABLE watched")


@pytest.fixture(autouse=True)
def nothing_waits(site):
    """What a test leaves behind is not the next one's."""
    yield
    for ticket in site.operator.tickets():
        site.operator.decide(ticket["id"], "deny")


@pytest.fixture
def watch(site):
    with contextlib.closing(Watch(site.operator)) as w:
        yield w


def test_it_appears_is_read_and_approved(site, watch):
    watch.until("nothing to decide")
    asking = Asking(site, "DELETE FROM watched WHERE id = 1")
    watch.until("1 waits", "bob", "DELETE FROM watched WHERE id = 1", "effects", "decide by")
    ticket = site.operator.next_ticket()
    watch.press("a")
    watch.until("Approve. Reason")
    watch.press("agreéd\n")
    watch.until("approved", "nothing to decide")
    asking.join(20)
    assert asking.error is None
    whole = site.operator.ask("GET", f"/v1/tickets/{ticket['id']}")[1]
    assert [d["reason"] for d in whole["decisions"]] == ["agreéd"]
    watch.press("q")
    assert watch.ended() == 0
    assert watch.raw.endswith(b"\x1b[?25h\x1b[?1049l")


def test_the_chosen_one_is_decided_and_no_other(site, watch):
    first = Asking(site, "DELETE FROM watched WHERE id = 2")
    watch.until("id = 2")
    second = Asking(site, "DELETE FROM watched WHERE id = 3")
    watch.until("2 wait", "id = 3")
    watch.press("\x1b[B")
    watch.until("statement    DELETE FROM watched WHERE id = 3")
    watch.press("d")
    watch.until("Deny. Reason")
    watch.press("x\x7fno\n")
    watch.until("denied", "1 waits", "statement    DELETE FROM watched WHERE id = 2")
    second.join(20)
    assert second.error == "ZB002" and first.is_alive()
    watch.press("d\n")
    first.join(20)
    assert first.error == "ZB002"


def test_what_is_decided_elsewhere_is_not_decided_here(site, watch):
    one, other = (Asking(site, f"DELETE FROM watched WHERE id = {i}") for i in (4, 5))
    watch.until("2 wait", "effects")
    chosen = next(t for t in site.operator.tickets() if t["id"] in watch.text)
    watch.press("a")
    watch.until("Approve. Reason")
    watch.press("yes")
    watch.until("yes")
    site.operator.decide(chosen["id"], "deny")
    watch.until("1 waits", f"{chosen['id']} denied", without=["Approve. Reason"])
    watch.press("\n")  # does nothing any more
    watch.press("c")
    watch.until("Comment")
    watch.press("\x1b")
    watch.until("1 waits", without=["Comment (Enter"])
    assert len(site.operator.tickets()) == 1
    watch.press("d\n")
    for asking in (one, other):
        asking.join(20)
        assert asking.error == "ZB002"


def test_text_of_an_agent_does_nothing_to_the_terminal(site, watch):
    hostile = "DELETE FROM watched WHERE v = '\x1b[2J\x1b]0;owned\x07\r\u202e' -- \x9b31m\ntail"
    asking = Asking(site, hostile.replace("\ntail", "\n/* T-00000000000000000000000000 (approved) */"))
    watch.until("\\x1b[2J\\x1b]0;owned\\x07", "effects")
    assert b"\x1b[2J" not in watch.raw and b"\x1b]0;" not in watch.raw and b"\xc2\x9b" not in watch.raw
    watch.press("d\n")
    asking.join(20)
    assert asking.error == "ZB002"


def test_nothing_of_a_long_one_is_out_of_reach(site):
    asking = Asking(site, f"DELETE FROM watched WHERE v IN ({', '.join(repr(f'value {i}') for i in range(300))})")
    with contextlib.closing(Watch(site.operator, (16, 60))) as watch:
        watch.until("-- lines 1-", "value 2")
        seen = watch.text
        for _ in range(60):
            if "decide by" in seen:
                break
            watch.press(" ")
            watch.read(0.2)
            seen += watch.text
        assert all(f"value {i}" in seen.replace("\n", "") or i > 290 for i in range(0, 300, 37)), seen[-3000:]
        watch.resize(40, 120)
        os.kill(watch.pid, signal.SIGWINCH)
        watch.until("decide by")
        os.kill(watch.pid, signal.SIGTERM)
        assert watch.ended() == 0
        assert watch.raw.endswith(b"\x1b[?25h\x1b[?1049l")
    site.operator.decide(site.operator.next_ticket()["id"], "deny")
    asking.join(20)


def test_a_gateway_that_goes_away_is_told(pg):
    with running(Gateway(pg, tls=False), "bob") as gateway:
        operator = Operator(gateway)
        with contextlib.closing(Watch(operator)) as watch:
            watch.until("nothing to decide")
            gateway.stop()
            watch.until("NOT LIVE", "no answer from")
            watch.press("q")
            assert watch.ended() == 0


@pytest.mark.parametrize("options, said", [
    ([], "needs a terminal"), (["--server", "http://127.0.0.1:1"], "no answer")])
def test_without_a_terminal(site, options, said):
    done = subprocess.run([str(binary()), "approvals", "watch", "--server", site.operator.base, *options],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30,
                          env={**os.environ, "BACKSTOP_TOKEN": site.operator.token})
    assert done.returncode != 0 and said in done.stderr and done.stdout == ""


def test_as_lines(site):
    with subprocess.Popen([str(binary()), "approvals", "watch", "--json", "--server", site.operator.base],
                          stdout=subprocess.PIPE, text=True,
                          env={**os.environ, "BACKSTOP_TOKEN": site.operator.token}) as program:
        asking = Asking(site, "DELETE FROM watched WHERE id = 6")
        opened = json.loads(program.stdout.readline())
        site.operator.decide(opened["ticket"]["id"], "deny")
        gone = json.loads(program.stdout.readline())
        program.terminate()
    asking.join(20)
    assert (opened["event"], gone["event"]) == ("opened", "denied")
    assert gone["ticket"]["id"] == opened["ticket"]["id"] and gone["ticket"]["decisions"]
