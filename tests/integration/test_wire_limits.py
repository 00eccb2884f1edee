"""Limits of clients, before and beside their statements: how many, how long, how often wrong."""

import contextlib
import json
import os
import signal
import socket
import struct
import time

import psycopg
import pytest

from conftest import Gateway, direct_only, free_port, make_certificate, running, wait_until
from rawwire import SSL_REQUEST, Raw, cancel_request, query, startup


@pytest.fixture(scope="module")
def tight(pg):
    """At most three sessions of one actor and four in all; two seconds to log in."""
    limits = {"login": "2s", "connections": 4, "per_actor": 3, "keepalive": "7s", "user_timeout": "30s"}
    databases = {"app": pg.conninfo("app_trust"), "lost": f"host=127.0.0.1 port={free_port()} user=x"}
    with running(Gateway(pg, databases, extra={"clients": limits}), "alice", "bob") as g:
        yield g


def refused(gateway, actor, code, says):
    with pytest.raises(psycopg.OperationalError, match=says):
        gateway.connect(actor)
    with Raw(gateway.port) as r:
        assert r.login(actor, gateway.passwords[actor])[-1][0] == b"E"
        assert f'"sqlstate":"{code}"' in gateway.log()


def test_sessions_of_one_actor_and_in_all(tight):
    with contextlib.ExitStack() as all_of_them:
        last = [all_of_them.enter_context(tight.connect()) for _ in range(3)][-1]
        refused(tight, "alice", "53300", 'too many connections for user "alice"')
        with tight.connect("bob"):
            refused(tight, "bob", "53300", "too many clients already")
            refused(tight, "alice", "53300", "too many clients already")
        last.close()

        def enters():
            with contextlib.suppress(psycopg.OperationalError), tight.connect() as c:
                return c.execute("SELECT 1").fetchone() == (1,)

        wait_until(enters)


def enter(gateway):
    """Once there is room. A session ends at the client before the gateway has seen the server's end of it."""
    def try_to():
        with contextlib.suppress(psycopg.OperationalError):
            return gateway.connect(autocommit=True)

    return wait_until(try_to, seconds=30)


def test_a_limit_is_freed_by_every_ending(tight, pg):
    """The client's, a hang-up's, the server's, a login's that fails at the server: twice as many as there is room for."""
    for _ in range(6):
        enter(tight).close()
    for _ in range(6):
        c = enter(tight)
        with socket.socket(fileno=os.dup(c.fileno())) as s:
            s.shutdown(socket.SHUT_RDWR)  # without a Terminate
        c.close()
    for _ in range(6):
        with enter(tight) as c, pg.admin() as a:
            a.execute("SELECT pg_terminate_backend(%s)", (c.info.backend_pid,))
            with pytest.raises(psycopg.OperationalError):
                c.execute("SELECT 1")
    enter(tight).close()
    for _ in range(6):
        with pytest.raises(psycopg.OperationalError, match="cannot be reached now"):
            tight.connect(dbname="lost")
    enter(tight).close()


def test_silent_clients_are_sent_away(tight):
    """However far they came."""
    began = time.monotonic()
    with Raw(tight.port) as nothing, Raw(tight.port) as half, Raw(tight.port) as tls, \
            Raw(tight.port) as sasl, tight.connect() as good:
        half.send(startup(user="alice", database="app")[:-3])
        tls.send(SSL_REQUEST)
        assert tls.take(1) == b"S"
        sasl.send(startup(user="alice", database="app"))
        assert sasl.next()[0] == b"R"
        for r in (nothing, half, sasl):
            got = r.error()
            assert got["C"] == "08P01" and "timeout" in got["M"]
            assert r.closed()
        assert tls.closed()
        assert 1.5 < time.monotonic() - began < 8
        assert good.execute("SELECT 1").fetchone() == (1,)


def test_wrong_cancels_make_a_host_wait(tight):
    with Raw(tight.port) as r:
        key = dict(r.login("alice", tight.passwords["alice"]))[b"K"]
        pid, secret = struct.unpack("!I", key[:4])[0], key[4:]
        r.send(query("SELECT pg_sleep(20)"))
        for _ in range(40):
            with Raw(tight.port) as other:
                other.send(cancel_request(pid, bytes(x ^ 255 for x in secret)))
                assert other.closed()
        assert "too many wrong ones" in tight.log()

        def cancelled():
            """A right one counts again once a wrong one is forgotten."""
            with Raw(tight.port) as other:
                other.send(cancel_request(pid, secret))
                assert other.closed()
            time.sleep(0.1)
            return r.readable()

        wait_until(cancelled)
        assert r.next()[0] == b"T"
        assert r.error()["C"] == "57014"


@direct_only
def test_tcp_asks_whether_a_silent_client_is_still_there(tight):
    with tight.connect():
        timers = [line.split()[5] for line in open("/proc/net/tcp").read().splitlines()[1:]
                  if line.split()[1].endswith(f":{tight.port:04X}") and line.split()[3] == "01"]
    kinds = [t.split(":") for t in timers]
    assert kinds and all(kind == "02" and int(when, 16) <= 7 * 100 + 10 for kind, when in kinds), timers


# --- SIGHUP: all of it or nothing of it ------------------------------------------------------


def hup(gateway, says, **changes):
    """Changes the file and tells the gateway; waits until it has answered."""
    config = json.loads(gateway.config.read_text())
    config.update(changes)
    gateway.config.write_text(json.dumps(config))
    before = gateway.log().count(says)
    gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: gateway.log().count(says) > before)


def verified(gateway, certificate):
    with gateway.connect(host="localhost", sslmode="verify-full", sslrootcert=str(certificate)) as c:
        return c.execute("SELECT 1").fetchone() == (1,)


def test_certificate_and_limits_are_reloaded_together(tight):
    config = json.loads(tight.config.read_text())
    second, key = make_certificate(tight.folder, "second")
    _, other_key = make_certificate(tight.folder, "third")
    with tight.connect(autocommit=True) as old:
        hup(tight, "same as before", tls={"cert": str(second), "key": str(key)},
            clients={**config["clients"], "per_actor": 2})
        assert verified(tight, second)
        with pytest.raises(psycopg.OperationalError, match="certificate"):
            verified(tight, tight.certificate)
        with tight.connect():
            refused(tight, "alice", "53300", "too many connections")
        # A key that does not belong to the certificate: neither it nor the limit counts.
        hup(tight, "not reloaded", tls={"cert": str(second), "key": str(other_key)},
            clients={**config["clients"], "per_actor": 3})
        assert "tls: private key" in tight.log()
        assert verified(tight, second)
        with tight.connect():
            refused(tight, "alice", "53300", "too many connections")
        assert old.execute("SELECT 1").fetchone() == (1,), "it keeps the certificate it began with"
    hup(tight, "same as before", tls=config["tls"], clients=config["clients"])
    assert verified(tight, tight.certificate)
