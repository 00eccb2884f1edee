"""Start-up on the client's side (PROTOCOL-FLOW-START-UP): what comes before the first statement."""

import base64
import contextlib
import os
import ssl
import struct

import psycopg
import pytest

from conftest import wait_until
from impostor import Middle
from rawwire import SSL_REQUEST, Raw, cancel_request, message, query, startup


def enter(gateway, r, version=0x00030000, actor="alice", **params):
    """Logs in; all messages up to ReadyForQuery."""
    r.send(startup(version, user=actor, database="app", **params))
    return r.scram(gateway.passwords[actor])


# --- protocol versions and cancel keys -------------------------------------------------------


@pytest.mark.parametrize("minor,length", [(0, 4), (1, 4), (2, 32)])
def test_a_cancel_key_is_as_long_as_the_protocol_says(gateway, minor, length):
    with Raw(gateway.port) as r:
        seen = enter(gateway, r, 0x00030000 | minor)
        assert b"v" not in [k for k, _ in seen], "nothing to negotiate"
        key = dict(seen)[b"K"]
        assert len(key) == 4 + length
        pid, secret = struct.unpack("!I", key[:4])[0], key[4:]
        r.send(query("SELECT pg_sleep(20)"))
        for wrong in (secret[:-1], secret + b"\0", secret[:-1] + bytes([secret[-1] ^ 1]), secret[:4][::-1]):
            with Raw(gateway.port) as other:
                other.send(cancel_request(pid, wrong))
                assert other.closed() or len(wrong) < 4  # that is no packet at all
        assert not r.readable()

        def cancelled():
            """One that comes before the statement does nothing."""
            with Raw(gateway.port) as other:
                other.send(cancel_request(pid, secret))
                assert other.closed()
            return r.readable()

        wait_until(cancelled)
        assert r.next()[0] == b"T"
        assert r.error()["C"] == "57014"


@pytest.mark.parametrize("asked,told", [(0x00030003, 0x00030002), (0x0003270f, 0x00030002), (0x00030002, None)])
def test_a_newer_minor_version_is_brought_down(gateway, asked, told):
    with Raw(gateway.port) as r:
        r.send(startup(asked, user="alice", database="app"))
        if told is not None:
            assert r.next() == (b"v", struct.pack("!II", told, 0))
        seen = r.scram(gateway.passwords["alice"])
        assert len(dict(seen)[b"K"]) == 36 and b"v" not in [k for k, _ in seen]


def test_options_that_are_not_known_are_listed_and_do_not_change_the_version(gateway):
    with Raw(gateway.port) as r:
        r.send(startup(user="alice", database="app", **{"_pq_.b": "1", "_pq_.a": ""}))
        assert r.next() == (b"v", struct.pack("!II", 0x00030000, 2) + b"_pq_.b\0_pq_.a\0")
        assert len(dict(r.scram(gateway.passwords["alice"]))[b"K"]) == 8


@pytest.mark.parametrize("version", [0x00020000, 0x00040000, 0x00000003])
def test_another_major_version_is_refused(gateway, version):
    with Raw(gateway.port) as r:
        r.send(startup(version, user="alice", database="app"))
        assert r.error()["C"] == "0A000"
        assert r.closed()


@pytest.mark.parametrize("params", [
    {"replication": "database"}, {"replication": "on"}, {"replication": "maybe"},
    {"options": "-c replication=database"}, {"search_path": "evil"}, {"options": "--search-path=evil"},
], ids=str)
def test_what_a_start_up_may_not_ask_for(gateway, params):
    """A walsender has a grammar of its own, and nobody has vetted such a search_path."""
    with Raw(gateway.port) as r:
        r.send(startup(user="alice", database="app", **params))
        assert r.error()["C"] == "0A000"
        assert r.closed()


@pytest.mark.parametrize("version", ["3.0", "3.2", "latest"])
def test_libpq_with_each_protocol_version(gateway, version):
    """libpq's own checks of what it is answered; from version 18 on it can be told what to ask for."""
    if psycopg.pq.version() < 180000:
        pytest.skip("libpq is older than 18")
    with gateway.connect(min_protocol_version="3.0" if version == "latest" else version,
                         max_protocol_version=version, autocommit=True) as c:
        assert c.execute("SELECT 1").fetchone() == (1,)
        c.execute("SET statement_timeout = 0")
        c.cancel_safe()


def test_the_settings_are_the_servers_own(gateway, pg):
    """All that it reports, and its values, but for what the gateway sets itself."""
    def told(seen):
        return dict(body[:-1].split(b"\0") for kind, body in seen if kind == b"S")

    with Raw(pg.port) as r:
        r.send(startup(user="app_trust", database="app", client_encoding="UTF8"))
        server = told(r.until())
    with Raw(gateway.port) as r:
        seen = told(enter(gateway, r))
    assert set(seen) == set(server)
    assert {k for k in server if seen[k] != server[k]} <= {b"application_name", b"session_authorization"}


# --- SCRAM and the TLS connection that it is bound to ----------------------------------------


def mechanisms(gateway, r):
    r.send(startup(user="alice", database="app"))
    kind, body = r.next()
    assert kind == b"R" and body[:4] == struct.pack("!I", 10)
    return [m.decode() for m in body[4:].split(b"\0") if m]


def test_channel_binding_is_offered_inside_tls_only(gateway):
    with Raw(gateway.port) as r:
        assert mechanisms(gateway, r) == ["SCRAM-SHA-256"]
    with Raw(gateway.port) as r:
        r.tls()
        assert mechanisms(gateway, r) == ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]


@pytest.mark.parametrize("binding,direct", [("require", False), ("require", True), ("disable", False)])
def test_libpq_with_and_without_channel_binding(gateway, binding, direct):
    more = {"sslnegotiation": "direct"} if direct else {}
    with gateway.connect(channel_binding=binding, sslmode="require", **more) as c:
        assert c.execute("SELECT 1").fetchone() == (1,)
    with pytest.raises(psycopg.OperationalError, match="channel binding"):
        gateway.connect(channel_binding="require", sslmode="disable")


@pytest.mark.parametrize("mechanism,header,code", [
    ("SCRAM-SHA-256", "y,,", "28P01"),  # somebody has taken -PLUS out of our offer
    ("SCRAM-SHA-256", "p=tls-server-end-point,,", "28P01"),
    ("SCRAM-SHA-256-PLUS", "p=tls-unique,,", "28P01"),
    ("SCRAM-SHA-256-PLUS", "n,,", "08P01"),
    ("SCRAM-SHA-512", "n,,", "08P01"),
])
def test_a_downgrade_of_scram_is_refused(gateway, mechanism, header, code):
    with Raw(gateway.port) as r:
        r.tls()
        mechanisms(gateway, r)
        first = f"{header}n=,r={base64.b64encode(os.urandom(18)).decode()}".encode()
        r.send(message(b"p", mechanism.encode() + b"\0" + struct.pack("!I", len(first)) + first))
        assert r.error()["C"] == code
        assert r.closed()


def test_without_tls_plus_cannot_be_chosen(gateway):
    with Raw(gateway.port) as r:
        mechanisms(gateway, r)
        first = b"p=tls-server-end-point,,n=,r=abcdefghijklmnop"
        r.send(message(b"p", b"SCRAM-SHA-256-PLUS\0" + struct.pack("!I", len(first)) + first))
        assert r.error()["C"] == "08P01"
        assert r.closed()


def test_a_login_cannot_be_passed_on_by_somebody_in_the_middle(gateway):
    middle = Middle(gateway.port, gateway.folder)
    with gateway.connect(port=middle.port, sslmode="require", channel_binding="disable") as c:
        assert c.execute("SELECT 1").fetchone() == (1,), "without it, it can"
    for binding in ("prefer", "require"):
        with pytest.raises(psycopg.OperationalError, match="channel binding"):
            gateway.connect(port=middle.port, sslmode="require", channel_binding=binding)
    middle.close()


# --- cancel ----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["plain", "tls", "direct"])
def test_a_cancel_request_may_come_encrypted(gateway, way):
    with Raw(gateway.port) as r:
        key = dict(enter(gateway, r))[b"K"]
        r.send(query("SELECT pg_sleep(20)"))

        def cancelled():
            """One that comes before the statement does nothing."""
            with Raw(gateway.port) as other, contextlib.suppress(ssl.SSLError):
                if way == "tls":
                    other.tls()
                if way == "direct":
                    other.direct_tls("postgresql")
                other.send(cancel_request(struct.unpack("!I", key[:4])[0], key[4:]))
                assert other.closed(), "no answer but the end"
            return r.readable()

        wait_until(cancelled)
        assert r.next()[0] == b"T"
        assert r.error()["C"] == "57014"


def all_at_once(sock, request):
    """The end of the handshake, a request and the end of the stream, in one segment, as tokio-postgres may send them."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(coming, going)
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            sock.sendall(going.read())
            coming.write(sock.recv(65536))
    tls.write(request)
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.unwrap()
    sock.sendall(going.read())


def test_an_encrypted_cancel_request_may_end_with_the_handshake(gateway):
    with Raw(gateway.port) as r:
        key = dict(enter(gateway, r))[b"K"]
        r.send(query("SELECT pg_sleep(20)"))

        def cancelled():
            with Raw(gateway.port) as other:
                other.send(SSL_REQUEST)
                assert other.take(1) == b"S"
                all_at_once(other.socket, cancel_request(struct.unpack("!I", key[:4])[0], key[4:]))
                with contextlib.suppress(ConnectionError):
                    other.socket.recv(1)
            return r.readable()

        wait_until(cancelled, 5)
        assert r.next()[0] == b"T"
        assert r.error()["C"] == "57014"
