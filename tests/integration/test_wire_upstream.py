"""Start-up on the server's side: versions, keys, channel binding and direct TLS, with a real server
of whatever major version and with one that lies."""

import contextlib
import json
import pathlib
import select
import signal
import socket
import ssl
import struct
import subprocess
import threading

import psycopg
import pytest

from conftest import PASSWORD, Gateway, running, wait_until
from impostor import AUTH_OK, GOOD, KEY, READY, Impostor, Middle, status
from rawwire import SSL_REQUEST, SYNC, Raw, cancel_request, message, query

V3 = 0x00030000
CANCEL = struct.pack("!I", 80877102)


def why(gateway, since):
    """What the operator's log says of logins at the server that failed since then."""
    return [json.loads(x)["reason"] for x in gateway.log()[since:].splitlines()
            if '"login to the database failed"' in x]


@contextlib.contextmanager
def refused(gateway, name, reason):
    since = len(gateway.log())
    with pytest.raises(psycopg.OperationalError, match=f'database "{name}" cannot be reached now'):
        gateway.connect(dbname=name)
    yield
    wait_until(lambda: any(reason in r for r in why(gateway, since)))


# --- a real server ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ways(pg):
    middle = Middle(pg.port, pg.folder)

    def tls(user="app_tls", port=None, **more):
        text = pg.conninfo(user, "tcp", password=PASSWORD, sslmode=more.pop("sslmode", "require"))
        if port:
            text = psycopg.conninfo.make_conninfo(text, port=port)
        return " ".join([text, *(f"{k}={v}" for k, v in more.items())])

    databases = {
        "bound": tls(channel_binding="require"),
        "bound-if": tls(),
        "unbound": tls(channel_binding="disable"),
        "bound-plain": tls("app_scram", channel_binding="require", sslmode="disable"),
        "bound-md5": tls("app_md5", channel_binding="require"),
        "bound-password": tls("app_pw", channel_binding="require"),
        "bound-trust": tls("app_trust", channel_binding="require"),
        "middle": tls(port=middle.port),
        "middle-bound": tls(port=middle.port, channel_binding="require"),
        "middle-unbound": tls(port=middle.port, channel_binding="disable"),
        "direct": tls(sslnegotiation="direct"),
        "direct-full": tls(sslnegotiation="direct", sslmode="verify-full", sslrootcert=pg.certificate,
                           channel_binding="require"),
        "latest": tls(max_protocol_version="latest"),
        "latest-direct": tls(max_protocol_version="3.2", sslnegotiation="direct"),
        "new": tls(min_protocol_version="3.2"),
        "old": tls(max_protocol_version="3.0"),
    }
    with running(Gateway(pg, databases, tls=False), "alice") as g:
        yield g
    middle.close()


@pytest.mark.parametrize("name", ["bound", "bound-if", "unbound", "middle-unbound"])
def test_channel_binding_at_the_server(ways, name):
    with ways.connect(dbname=name) as c:
        assert c.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("name,reason", [
    ("bound-plain", "channel binding is required, and the server does not offer it"),
    ("bound-md5", "channel binding is required, and the server asks for no SCRAM"),
    ("bound-password", "channel binding is required, and the server asks for no SCRAM"),
    ("bound-trust", "channel binding is required, and the server asks for no SCRAM"),
    ("middle", "server says 28"),
    ("middle-bound", "server says 28"),
])
def test_channel_binding_is_not_given_up(ways, name, reason):
    with refused(ways, name, reason):
        pass


@pytest.mark.parametrize("name", ["direct", "direct-full", "latest-direct"])
def test_direct_tls_at_the_server(ways, pg, name):
    if int(pg.major) < 17:
        with refused(ways, name, "the server closed the connection"):
            return
    with ways.connect(dbname=name, autocommit=True) as c:
        with pg.admin() as a:
            assert a.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = %s",
                             (c.info.backend_pid,)).fetchone() == (True,)
        cancelled(c)
    assert "cancel request not delivered" not in ways.log()


@pytest.mark.parametrize("name", ["old", "latest", "new"])
def test_protocol_versions_at_the_server(ways, pg, name):
    if int(pg.major) < 18 and name == "new":
        with refused(ways, name, "no protocol version as new as min_protocol_version"):
            return
    with ways.connect(dbname=name, autocommit=True) as c:
        cancelled(c)  # with a key of 32 bytes where both know 3.2
    assert "cancel request not delivered" not in ways.log()


def cancelled(c):
    """Cancels a statement that runs at the server, and goes on."""
    done = threading.Event()

    def cancel():
        while not done.wait(0.02):  # one that comes before the statement does nothing
            c.cancel_safe()

    other = threading.Thread(target=cancel)
    other.start()
    try:
        with pytest.raises(psycopg.errors.QueryCanceled):
            c.execute("SELECT pg_sleep(20)")
    finally:
        done.set()
        other.join()


# --- a server that lies ----------------------------------------------------------------------


def negotiate(version, *options):
    return message(b"v", struct.pack("!II", version, len(options)) +
                   b"".join(o.encode() + b"\0" for o in options))


def key(n):
    return message(b"K", struct.pack("!I", 1) + b"k" * n)


REST = AUTH_OK + status(**GOOD)
SASL = struct.pack("!I", 10)

# What it says to the start-up packet, to a client that allows 3.0 ("old"), 3.0 and 3.2 ("any"), 3.2 alone
# ("new"), or no login without channel binding ("bound"); None: it is let in.
SAYS = {
    "nothing to negotiate": ("any", REST + key(4) + READY, None),
    "a long key": ("any", REST + key(256) + READY, None),
    "a key too long": ("any", REST + key(257) + READY, "cancel key cannot be read"),
    "a key too short": ("any", REST + key(3) + READY, "cancel key cannot be read"),
    "a long key in 3.0": ("old", REST + key(32) + READY, "cancel key cannot be read"),
    "a long key after 3.0": ("any", negotiate(V3) + REST + key(32) + READY, "cancel key cannot be read"),
    "brought down": ("any", negotiate(V3) + REST + KEY + READY, None),
    "brought down too far": ("new", negotiate(V3) + REST + KEY + READY, "as new as min_protocol_version"),
    "brought down twice": ("any", 2 * negotiate(V3) + REST + KEY + READY, "a second time"),
    "nowhere": ("any", negotiate(V3 + 2) + REST + KEY + READY, "not to an older version"),
    "up": ("any", negotiate(V3 + 3) + REST + KEY + READY, "not to an older version"),
    "another major version": ("any", negotiate(0x00040000) + REST + KEY + READY, "not to an older version"),
    "to 3.1": ("any", negotiate(V3 + 1) + REST + KEY + READY, "does not exist"),
    "to 2.0": ("any", negotiate(0x00020000) + REST + KEY + READY, "does not exist"),
    "to a minor number alone": ("any", negotiate(0) + REST + KEY + READY, "does not exist"),
    "an option": ("any", negotiate(V3, "_pq_.x") + REST + KEY + READY, "option that was not asked for"),
    "without need": ("old", negotiate(V3) + REST + KEY + READY, "not to an older version"),
    "too late": ("any", AUTH_OK + negotiate(V3) + status(**GOOD) + KEY + READY, "not legal during login"),
    "between": ("any", message(b"R", SASL + b"SCRAM-SHA-256\0\0") + negotiate(V3), "not legal during login"),
    "cut short": ("any", message(b"v", struct.pack("!I", V3)), "malformed"),
    "count as if negative": ("any", message(b"v", struct.pack("!Ii", V3, -1)), "malformed"),
    "bound in plain": ("old", message(b"R", SASL + b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"), "outside of TLS"),
    "let in unbound": ("bound", REST + KEY + READY, "asks for no SCRAM"),
    "password unbound": ("bound", message(b"R", struct.pack("!I", 3)), "asks for no SCRAM"),
    "md5 unbound": ("bound", message(b"R", struct.pack("!I", 5) + b"salt"), "asks for no SCRAM"),
    "scram unbound": ("bound", message(b"R", SASL + b"SCRAM-SHA-256\0\0"), "does not offer it"),
}


@pytest.fixture(scope="module")
def liar(pg):
    """Says `.says` to the start-up packet; `.heard` is what came after it."""
    def script(s, packet):
        impostor.asked = struct.unpack("!I", packet[4:8])[0]
        s.sendall(impostor.says)
        impostor.heard = s.recv(1000)

    impostor = Impostor(script)
    base = f"host=127.0.0.1 port={impostor.port} user=x password=y sslmode=disable"
    databases = {"old": base, "any": f"{base} max_protocol_version=latest",
                 "new": f"{base} min_protocol_version=3.2", "bound": f"{base} channel_binding=require"}
    with running(Gateway(pg, databases, tls=False), "alice") as g:
        impostor.gateway = g
        yield impostor
    impostor.listener.close()


@pytest.mark.parametrize("what", SAYS)
def test_what_a_server_may_say(liar, what):
    name, liar.says, reason = SAYS[what]
    liar.heard = None
    if reason is None:
        liar.gateway.connect(dbname=name).close()
    else:
        with refused(liar.gateway, name, reason):
            pass
        wait_until(lambda: liar.heard is not None)
        assert b"y\0" not in liar.heard, "the password"
    assert liar.asked == {"old": V3, "any": V3 + 2, "new": V3 + 2, "bound": V3}[name]


def test_cancels_of_one_session_reach_the_server_one_by_one(liar):
    """Each takes a job thread until the server has closed; a flood of them must not take all."""
    def comes(seconds):
        return bool(select.select([liar.listener], [], [], seconds)[0])

    def take():
        s, _ = liar.listener.accept()
        with s:
            assert s.recv(16)[4:8] == CANCEL
            return comes(0.2)

    liar.says = REST + KEY + READY
    with Raw(liar.gateway.port) as r:
        seen = r.login("alice", liar.gateway.passwords["alice"], database="old")
        key = dict(seen[:-1])[b"K"]
        r.send(SYNC)  # which is not answered
        for _ in range(10):
            with Raw(liar.gateway.port) as c:
                c.send(cancel_request(struct.unpack("!I", key[:4])[0], key[4:]))
                assert c.closed()
        assert comes(5)
        assert not take(), "a second one beside the first"
        assert comes(5), "but one of them behind it"
        assert not take()
        assert not comes(0.2), "and no more"


ROW = struct.pack("!Hi", 1, 100) + b"v" * 100


@pytest.mark.parametrize("sent,says", [
    (message(b"D", ROW), True), (message(b"D", ROW)[:30], False), (message(b"D", ROW)[:5], False),
    (message(b"D", ROW)[:4], True), (message(b"D", ROW) + message(b"D", ROW)[:-1], False),
])
@pytest.mark.parametrize("cause", ["gone", "stopped"])
def test_an_error_of_ours_comes_between_messages_or_not_at_all(pg, sent, says, cause):
    """Within a row the client would read it as values."""
    columns = message(b"T", struct.pack("!H", 1) + b"v\0" + struct.pack("!IHIhih", 0, 0, 25, -1, -1, 0))
    gone = threading.Event()

    def script(s, packet):
        s.sendall(REST + KEY + READY)
        if s.recv(1000)[:1] == b"Q":
            s.sendall(columns + sent)
            gone.wait(20)
            s.close()

    impostor = Impostor(script)
    upstream = f"host=127.0.0.1 port={impostor.port} user=x password=y sslmode=disable"
    gateway = Gateway(pg, {"app": upstream}, tls=False, extra={"clients": {"drain": "1s"}})
    with running(gateway, "alice") as g, Raw(g.port) as r:
        r.login("alice", g.passwords["alice"])
        r.send(query("SELECT 'v'"))
        whole = sent if len(sent) > 4 else b""
        assert r.take(len(columns) + len(whole)) == columns + whole
        if cause == "gone":
            gone.set()
        else:
            g.process.send_signal(signal.SIGTERM)
        if says:
            assert r.error()["S"] == "FATAL"
        assert r.closed()
        gone.set()
    impostor.listener.close()


@pytest.fixture(scope="module")
def tls_liar(pg):
    """Ends the handshake as `.script` says."""
    impostor = Impostor(lambda s, packet: impostor.script(s, packet))
    base = f"host=127.0.0.1 port={impostor.port} user=x password=y sslmode=require"
    databases = {"asks": base, "direct": f"{base} sslnegotiation=direct",
                 "unbound": f"{base} channel_binding=disable"}
    with running(Gateway(pg, databases, tls=False), "alice") as g:
        impostor.gateway = g
        yield impostor
    impostor.listener.close()


@pytest.mark.parametrize("answer,reason", [
    (b"N", "does not do TLS"),
    (b"G", "does not do TLS"),
    (message(b"E", b"SFATAL\0C28000\0Mlies in plain\0\0"), "unencrypted bytes"),  # CVE-2024-10977
    (b"E", "does not do TLS"),
    (b"S" + REST, "unencrypted bytes"),  # CVE-2021-23222
    (b"", "closed the connection"),
], ids=str)
def test_what_a_server_may_answer_to_the_ssl_request(tls_liar, answer, reason):
    def script(s, packet):
        assert packet == SSL_REQUEST
        s.sendall(answer)
        if not answer:
            s.shutdown(socket.SHUT_WR)

    tls_liar.script = script
    with refused(tls_liar.gateway, "asks", reason):
        pass
    assert "lies in plain" not in tls_liar.gateway.log()


@pytest.mark.parametrize("alpn", [None, "http/1.1"])
def test_direct_tls_without_alpn_is_no_database(tls_liar, pg, alpn):
    """Traditional TLS does without."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pg.certificate, pg.certificate.with_suffix(".key"))
    if alpn:
        context.set_alpn_protocols([alpn])

    def script(s, packet):
        """The first packet is the ClientHello: hand it back by a pair of sockets."""
        if packet == SSL_REQUEST:
            s.sendall(b"S")
            with context.wrap_socket(s, server_side=True) as t:
                t.recv(1000)
                t.sendall(REST + KEY + READY)
                t.recv(1000)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        incoming.write(packet)
        t = context.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                t.do_handshake()
                break
            except ssl.SSLWantReadError:
                s.sendall(outgoing.read())
                data = s.recv(10000)
                if not data:
                    return  # hung up with the last word of the handshake unsaid
                incoming.write(data)
        s.sendall(outgoing.read() + s.recv(1000))

    tls_liar.script = script
    with refused(tls_liar.gateway, "direct", "without ALPN"):
        pass
    if alpn is None:
        tls_liar.gateway.connect(dbname="asks").close()


@pytest.mark.parametrize("name,flag", [("asks", b"y,,n="), ("unbound", b"n,,n=")])
def test_a_server_learns_that_its_offer_was_stripped(tls_liar, pg, name, flag):
    """Who took -PLUS out of it cannot take this out: the proof covers it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pg.certificate, pg.certificate.with_suffix(".key"))
    heard = []

    def script(s, _):
        s.sendall(b"S")
        with context.wrap_socket(s, server_side=True) as t:
            t.recv(1000)
            t.sendall(message(b"R", SASL + b"SCRAM-SHA-256\0\0"))
            heard.append(t.recv(1000))

    tls_liar.script = script
    with refused(tls_liar.gateway, name, "the server closed the connection"):
        assert flag in heard[0]


def test_a_refusal_that_comes_before_our_first_byte_is_heard(pg, tmp_path):
    """The server has closed when the start-up packet is sent: a Unix socket says so at once."""
    path = tmp_path / ".s.PGSQL.5432"
    listener = socket.create_server(str(path), family=socket.AF_UNIX)

    def serve():
        s, _ = listener.accept()
        s.sendall(message(b"E", b"SFATAL\0C53300\0Msorry, too many clients already\0\0"))
        s.close()

    with running(Gateway(pg, {"app": f"host={tmp_path} user=x"}, tls=False), "alice") as g:
        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(psycopg.OperationalError, match="has too many connections already"):
            g.connect()
    listener.close()


# --- SIGHUP ----------------------------------------------------------------------------------


def hup(gateway, says):
    before = gateway.log().count(says)
    gateway.process.send_signal(signal.SIGHUP)
    wait_until(lambda: gateway.log().count(says) > before)


def test_other_roots_of_a_server_count_after_a_reload(pg, tmp_path):
    """Same name, other content, as whoever renews certificates leaves it; one that cannot be read changes nothing."""
    root, stranger = tmp_path / "root.crt", tmp_path / "stranger.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-subj", "/CN=stranger", "-keyout", tmp_path / "key", "-out", stranger],
                   check=True, capture_output=True)
    own = pathlib.Path(pg.certificate).read_bytes()
    root.write_bytes(own)
    upstream = pg.conninfo("app_tls", "tcp", password=PASSWORD, sslmode="verify-ca", sslrootcert=root)
    with running(Gateway(pg, {"app": upstream}, tls=False), "alice") as g:
        g.connect().close()
        root.write_bytes(stranger.read_bytes())
        g.connect().close()  # nobody has said that there are others
        hup(g, "same as before")
        with refused(g, "app", "certificate"):
            pass
        root.write_text("no certificate")
        hup(g, "was not reloaded")
        with refused(g, "app", "certificate"):
            pass
        root.write_bytes(own)
        hup(g, "same as before")
        g.connect().close()
