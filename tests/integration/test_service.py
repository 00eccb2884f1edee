"""What a service manager sees: readiness, sockets that it opened, a reload, a stop that waits."""

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from conftest import ROOT, Gateway, binary, direct_only, free_port, running, wait_until
from rawwire import Raw, query, report

UNITS = sorted((ROOT / "packaging" / "systemd").glob("backstop.*"))


class Manager:
    """Starts the gateway as systemd does."""

    def __init__(self, gateway, listeners=(), pid="$$"):
        self.gateway = gateway
        path = str(gateway.folder / "notify")
        self.told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.told.bind(path)
        self.told.settimeout(30)
        fds = [s.fileno() for s in listeners]

        def arrange():  # descriptors from 3 on, in order
            moved = [os.dup2(fd, 100 + i) for i, fd in enumerate(fds)]
            for i, fd in enumerate(moved):
                os.dup2(fd, 3 + i)

        gateway.env.update({"NOTIFY_SOCKET": path, "LISTEN_FDS": str(len(fds))})
        gateway.process = subprocess.Popen(
            ["sh", "-c", f'LISTEN_PID={pid} exec "$@"', "sh", binary(), "serve", "--config",
             str(gateway.config)], stderr=subprocess.PIPE, text=True, env=gateway.env,
            preexec_fn=arrange, pass_fds=range(3, 3 + len(fds)))
        threading.Thread(target=gateway._collect, args=(threading.Event(),), daemon=True).start()

    def next(self):
        return dict(line.split("=", 1) for line in self.told.recv(4096).decode().splitlines())


@contextlib.contextmanager
def managed(pg, listeners=(), **more):
    g = Gateway(pg)
    try:
        g.add_agent("alice")
        yield g, Manager(g, listeners, **more)
    finally:
        if g.process is not None and g.process.poll() is None:
            g.process.kill()
            g.process.wait()
        g.remove()


def test_it_says_when_it_is_ready_reloads_and_stops(pg):
    with managed(pg) as (g, manager):
        assert manager.next()["READY"] == "1"
        with g.connect() as c:
            assert c.execute("SELECT 1").fetchone() == (1,)
        g.process.send_signal(signal.SIGHUP)
        reloading = manager.next()
        assert reloading["RELOADING"] == "1" and int(reloading["MONOTONIC_USEC"]) > 0
        assert manager.next()["READY"] == "1"
        g.process.send_signal(signal.SIGTERM)
        assert manager.next()["STOPPING"] == "1"
        assert g.process.wait(30) == 0


@direct_only
def test_sockets_that_were_opened_for_it(pg, tmp_path):
    """In place of `listen`; they outlive it, with whoever connected meanwhile."""
    path = tmp_path / ".s.PGSQL.6543"
    with socket.create_server(("127.0.0.1", free_port())) as tcp, \
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unix:
        unix.bind(str(path))
        unix.listen(64)
        port = tcp.getsockname()[1]
        with managed(pg, [tcp, unix]) as (g, manager):
            assert manager.next()["READY"] == "1"
            for where in ({"port": port}, {"host": str(tmp_path), "port": 6543}):
                with g.connect(**where) as c:
                    assert c.execute("SELECT 1").fetchone() == (1,)
            with pytest.raises(psycopg.OperationalError, match="refused"):
                g.connect()
            g.process.send_signal(signal.SIGTERM)
            assert g.process.wait(30) == 0
            assert path.exists(), "it is the manager's to remove"
            early = socket.create_connection(("127.0.0.1", port))  # queued
            early.close()


def test_sockets_that_were_meant_for_another_process(pg):
    with socket.create_server(("127.0.0.1", free_port())) as tcp, managed(pg, [tcp], pid="1") as (g, manager):
        assert manager.next()["READY"] == "1"
        with g.connect() as c:
            assert c.execute("SELECT 1").fetchone() == (1,)


def test_what_is_no_listening_socket_is_refused(pg):
    with socket.socket() as idle, managed(pg, [idle]) as (g, _):
        assert g.process.wait(30) == 78
        wait_until(lambda: "descriptor 3 of LISTEN_FDS is not a listening socket" in g.log())


@pytest.mark.parametrize("unit", UNITS, ids=lambda u: u.name)
def test_the_units_are_understood(unit, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    for u in UNITS:  # the program need not be installed for this
        (tmp_path / u.name).write_text(u.read_text().replace("/usr/bin/backstop", "/bin/true"))
    said = subprocess.run(["systemd-analyze", "verify", "--man=no", str(tmp_path / unit.name)],
                          capture_output=True, text=True, timeout=60)
    about_ours = [line for line in (said.stdout + said.stderr).splitlines() if "backstop" in line]
    assert about_ours == []


# --- SIGTERM ---------------------------------------------------------------------------------


def active(pg, text):
    """Waits until the server runs a statement that begins so."""
    with pg.admin() as a:
        wait_until(lambda: a.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE starts_with(query, %s) AND state = 'active'",
            (text,)).fetchone() == (1,))


def test_what_runs_ends_and_the_rest_hears_why(pg):
    """Idle ones at once, also in a transaction; a held one with a clear error; a running one with its answer."""
    with pg.admin() as a:
        a.execute("CREATE TABLE IF NOT EXISTS stops (id int PRIMARY KEY); GRANT ALL ON stops TO PUBLIC;"
                  "INSERT INTO stops VALUES (1) ON CONFLICT DO NOTHING")
    with managed(pg) as (g, manager):
        g.cli("operators", "add", "olga", "--role", "approver")
        assert manager.next()["READY"] == "1"
        with g.connect(autocommit=True) as busy, g.connect(autocommit=True) as held, \
                g.connect(autocommit=True) as idle, g.connect() as block, Raw(g.port) as piped:
            block.execute("SELECT 1")
            assert piped.login("alice", g.passwords["alice"])[-1] == (b"Z", b"I")
            with ThreadPoolExecutor(2) as others:
                waits = others.submit(held.execute, "DELETE FROM stops WHERE id = 1")
                runs = others.submit(lambda: busy.execute("SELECT pg_sleep(1.5), 42").fetchone()[1])
                piped.send(query("SELECT pg_sleep(1.5), 43") + query("SELECT 44"))
                active(pg, "SELECT pg_sleep(1.5), 42")
                active(pg, "SELECT pg_sleep(1.5), 43")
                began = time.monotonic()
                g.process.send_signal(signal.SIGTERM)
                assert manager.next()["STOPPING"] == "1"
                for c in (idle, block):
                    assert select.select([c.fileno()], [], [], 10)[0]
                    with pytest.raises(psycopg.errors.AdminShutdown, match="shutting down"):
                        c.execute("SELECT 1")
                with pytest.raises(psycopg.errors.AdminShutdown, match="held has not run"):
                    waits.result(10)
                assert runs.result(20) == 42
            seen = piped.until(b"E")
            assert [k for k, _ in seen if k in b"DE"][0] == b"D", "its answer first"
            assert report(seen[-1][1])["C"] == "57P01"
            assert g.process.wait(30) == 0
            assert time.monotonic() - began < 15
    with pg.admin() as a:
        assert a.execute("SELECT count(*) FROM stops").fetchone() == (1,)
        a.execute("DROP TABLE stops")


def test_a_statement_that_does_not_end_is_cancelled_at_the_deadline(pg):
    g = Gateway(pg, extra={"clients": {"drain": "300ms"}})
    with running(g, "alice"), g.connect(autocommit=True) as c, ThreadPoolExecutor(1) as other:
        runs = other.submit(c.execute, "SELECT pg_sleep(60), 45")
        active(pg, "SELECT pg_sleep(60), 45")
        g.process.send_signal(signal.SIGTERM)
        with pytest.raises(psycopg.errors.AdminShutdown, match="had not ended in time"):
            runs.result(20)
        with pg.admin() as a:
            wait_until(lambda: a.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%, 45' AND"
                                         " pid <> pg_backend_pid()").fetchone() == (0,))
        assert g.process.wait(30) == 0
