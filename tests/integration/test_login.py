"""Everything from accept to the first ReadyForQuery, cancel, and the life of the process."""

import contextlib
import os
import signal
import socket
import ssl
import statistics
import struct
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from conftest import PASSWORD, Gateway, direct_only, running, wait_until
from impostor import AUTH_OK, GOOD, KEY, READY, Impostor, status
from rawwire import (GSSENC_REQUEST, SSL_REQUEST, Raw, cancel_request, message, query, startup)


def psql(gateway, conninfo, sql, **env):
    return subprocess.run(
        ["psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", "-c", sql, conninfo], capture_output=True,
        text=True, timeout=30, env={**os.environ, "PGPASSWORD": gateway.passwords["alice"], **env})


# --- who gets in -----------------------------------------------------------------------------


def test_psycopg_over_tls_and_plain(gateway):
    for mode, used in (("require", True), ("disable", False)):
        with gateway.connect(sslmode=mode) as c:
            assert c.execute("SELECT 40 + 2").fetchone() == (42,)
            assert c.pgconn.ssl_in_use is used


def test_certificate_is_the_configured_one(gateway):
    with gateway.connect(sslmode="verify-full", host="localhost",
                         sslrootcert=str(gateway.certificate)) as c:
        assert c.execute("SELECT 1").fetchone() == (1,)


def test_psql_over_tcp_and_unix_socket(gateway):
    for host in ("127.0.0.1", f"{gateway.folder}/socket"):
        done = psql(gateway, f"host={host} port={gateway.port} user=alice dbname=app",
                    "SELECT current_setting('application_name')")
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() in ("psql", "backstop/alice")


def test_the_server_session_names_the_actor(gateway, pg):
    with gateway.connect() as c:
        pid = c.info.backend_pid
        assert c.execute("SELECT pg_backend_pid()").fetchone() == (pid,), "the server's real PID"
        assert c.execute("SELECT current_setting('backstop.actor')").fetchone() == ("alice",)
        run, = c.execute("SELECT current_setting('backstop.run')").fetchone()
        assert len(run) == 26
        with pg.admin() as a:
            name, = a.execute("SELECT application_name FROM pg_stat_activity WHERE pid = %s",
                              (pid,)).fetchone()
        assert name == "backstop/alice"


def test_pinned_settings(gateway):
    with gateway.connect(application_name="mine", options="-c statement_timeout=12345") as c:
        show = {n: c.execute(f"SHOW {n}").fetchone()[0] for n in (
            "client_encoding", "standard_conforming_strings", "backslash_quote",
            "statement_timeout")}
    assert show == {"client_encoding": "UTF8", "standard_conforming_strings": "on",
                    "backslash_quote": "safe_encoding", "statement_timeout": "12345ms"}


def test_shield_is_on_and_not_shown(gateway):
    """Alice has no rule that lets her write without approval (PROTECT 9)."""
    with gateway.connect(autocommit=True) as c:
        assert c.execute("SHOW default_transaction_read_only").fetchone() == ("on",)
        assert c.info.parameter_status("default_transaction_read_only") == "off"


def test_wrong_password_and_unknown_actor_look_the_same(gateway):
    def attempt(user):
        began = time.perf_counter()
        with pytest.raises(psycopg.OperationalError) as e:
            gateway.connect(user, password="wrong", sslmode="disable")
        return str(e.value).replace(user, "USER"), time.perf_counter() - began

    known = [attempt("alice") for _ in range(12)]
    unknown = [attempt("nobody") for _ in range(12)]
    assert {m for m, _ in known} == {m for m, _ in unknown}
    assert "password authentication failed" in known[0][0]
    a, b = (statistics.median(t for _, t in x) for x in (known, unknown))
    assert abs(a - b) < 0.02 + 0.5 * max(a, b)


def test_mock_salt_is_stable(gateway):
    def challenge(user):
        with Raw(gateway.port) as r:
            r.send(startup(user=user, database="app"))
            assert r.next()[0] == b"R"
            first = b"n,,n=,r=abcdefghijklmnopqrstuvwx"
            r.send(message(b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", len(first)) + first))
            _, body = r.next()
            return body[4:].split(b",s=")[1]

    assert challenge("nobody") == challenge("nobody")
    assert challenge("nobody") != challenge("somebody")
    assert len(challenge("nobody")) == len(challenge("alice"))


def test_revoked_actor_looks_like_a_wrong_password(gateway):
    gateway.add_agent("mallory")
    with gateway.connect("mallory") as c:
        c.execute("SELECT 1")
    gateway.cli("agents", "revoke", "mallory")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        gateway.connect("mallory")


def test_databases(gateway):
    with pytest.raises(psycopg.OperationalError, match='permission denied for database "other"'):
        gateway.connect(dbname="other")
    with pytest.raises(psycopg.OperationalError, match='database "nowhere" does not exist'):
        gateway.connect(dbname="nowhere")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        gateway.connect(dbname="nowhere", password="wrong")


# --- bad bytes -------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\n\r\n",
    bytes(7 * n % 251 for n in range(64)),
    b"\0\0\0\x03",
    b"\0\0\0\x04",
    b"\xff\xff\xff\xff" + b"\0" * 32,
    b"\x7f\xff\xff\xff\0\x03\0\0",
    struct.pack("!II", 10001, 0x00030000),
    struct.pack("!II", 9, 0x00030000) + b"x",
    struct.pack("!II", 8, 0x00020000),
    struct.pack("!II", 8, 0x00040000),
    struct.pack("!II", 16, 80877103) + b"\0" * 8,
    struct.pack("!II", 8, 80877102),
    startup(user="alice", database="app")[:-1] + b"x",
    startup(database="app"),
    b"\x16\x03\x01\x00\x05hello",
], ids=lambda d: d[:12].hex())
def test_garbage_ends_the_connection(gateway, data):
    with Raw(gateway.port) as r:
        r.send(data)
        r.socket.shutdown(socket.SHUT_WR)
        got = b""
        while piece := r.socket.recv(4096):
            got += piece
        assert got == b"" or got[:1] in b"E\x15", got
    with gateway.connect() as c:
        assert c.execute("SELECT 1").fetchone() == (1,)


def test_half_a_packet_then_hang_up(gateway):
    before = gateway.descriptors()
    whole = startup(user="alice", database="app")
    for n in range(len(whole)):
        with Raw(gateway.port) as r:
            r.send(whole[:n])
    wait_until(lambda: gateway.descriptors() <= before)


def test_trickled_login(gateway):
    with Raw(gateway.port) as r:
        for byte in startup(user="alice", database="app"):
            r.send(bytes([byte]))
            time.sleep(0.001)
        assert r.scram(gateway.passwords["alice"])[-1] == (b"Z", b"I")


def test_password_message_of_another_kind(gateway):
    for data in (query("SELECT 1"), message(b"p", b"secret\0"), b"p" + b"\x7f" * 4,
                 message(b"p", b"SCRAM-SHA-256-PLUS\0" + struct.pack("!i", -1)),
                 message(b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", 3) + b"n,,"),
                 message(b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", 900) + b"n,,")):
        with Raw(gateway.port) as r:
            r.send(startup(user="alice", database="app"))
            assert r.next()[0] == b"R"
            r.send(data)
            assert r.error()["S"] == "FATAL"
            assert r.closed()


def test_bytes_behind_an_encryption_request(gateway):
    """CVE-2021-23214: they may be another's."""
    for request in (SSL_REQUEST, GSSENC_REQUEST):
        with Raw(gateway.port) as r:
            r.send(request + startup(user="alice", database="app"))
            assert "unencrypted data" in r.error()["M"]
            assert r.closed()


def test_encryption_requests(gateway):
    with Raw(gateway.port) as r:
        r.send(GSSENC_REQUEST)
        assert r.take(1) == b"N"
        r.tls()
        assert r.login("alice", gateway.passwords["alice"])[-1] == (b"Z", b"I")
    for again in (GSSENC_REQUEST, SSL_REQUEST):
        with Raw(gateway.port) as r:
            r.send(GSSENC_REQUEST)
            assert r.take(1) == b"N"
            if again == SSL_REQUEST:
                r.tls()
            r.send(again)
            assert r.error()["C"] == "08P01"


def test_direct_tls_needs_alpn(gateway):
    """A TLS client of another protocol must not be talked into sending its secrets here."""
    with Raw(gateway.port) as r:
        r.direct_tls("postgresql")
        assert r.login("alice", gateway.passwords["alice"])[-1] == (b"Z", b"I")
    for other in ((), ("http/1.1",)):
        with Raw(gateway.port) as r, contextlib.suppress(ssl.SSLError, ConnectionError):
            r.direct_tls(*other)
            r.send(startup(user="alice", database="app"))
            assert r.closed()


def test_newer_protocol_is_negotiated_once(gateway):
    with Raw(gateway.port) as r:
        r.send(startup(0x0003270f, user="alice", database="app", **{"_pq_.grease": "1"}))
        kind, body = r.next()
        assert kind == b"v"
        assert body == struct.pack("!II", 0x00030002, 1) + b"_pq_.grease\0"
        seen = r.scram(gateway.passwords["alice"])
        assert seen[-1] == (b"Z", b"I") and b"v" not in [k for k, _ in seen]


@pytest.mark.parametrize("params", [
    {"replication": "database"}, {"replication": "true"},
    {"options": "-c session_replication_role=replica"},
    {"options": "-c standard_conforming_strings=off"},
    {"options": "--standard-conforming-strings=off"},
    {"options": "-c default_transaction_read_only=off"},
    {"options": "-c role=postgres"},
    {"standard_conforming_strings": "off"}, {"role": "postgres"},
    {"session_authorization": "postgres"}, {"default_transaction_read_only": "off"},
    {"options": "-c client_encoding=SJIS"}, {"client_encoding": "SJIS"},
], ids=str)
def test_refused_start_up_parameters(gateway, params):
    with Raw(gateway.port) as r:
        r.send(startup(user="alice", database="app", **params))
        assert r.error()["S"] == "FATAL"
        assert r.closed()


def test_options_are_parsed(gateway):
    with gateway.connect(options=r"-c DateStyle=SQL,\ DMY --statement-timeout=777") as c:
        assert c.execute("SHOW DateStyle").fetchone() == ("SQL, DMY",)
        assert c.execute("SHOW statement_timeout").fetchone() == ("777ms",)


def test_clients_that_prove_nothing_give_way(pg):
    """They cannot fill the process, nor lock anybody out: the oldest of them goes."""
    with running(Gateway(pg), "alice") as g:
        with contextlib.ExitStack() as all_of_them:
            idle = [all_of_them.enter_context(Raw(g.port)) for _ in range(600)]
            wait_until(lambda: sum(r.readable() for r in idle) == 600 - 512)
            assert idle[0].error()["C"] == "53300"
            with g.connect(sslmode="disable") as c:
                assert c.execute("SELECT 1").fetchone() == (1,)
            assert sum(r.readable() for r in idle) == 600 - 512 + 1
            assert not idle[-1].readable()
        with g.connect() as c:
            assert c.execute("SELECT 1").fetchone() == (1,)


# --- the server's side -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def upstreams(pg):
    """One gateway with a database for each way to log in at the server."""
    root = str(pg.certificate)
    passfile = pg.folder / "pgpass"
    escaped = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
    tcp, unix = (":".join(map(str, pg.shaped[how])) for how in ("tcp", "unix"))
    passfile.write_text(f"{tcp}:app:app_scram:{escaped}\n{unix}:app:app_md5:{escaped}\n")
    passfile.chmod(0o600)
    databases = {
        "trust": pg.conninfo("app_trust", "tcp"),
        "scram": pg.conninfo("app_scram", "tcp", password=PASSWORD),
        "scram-unix": pg.conninfo("app_scram", password=PASSWORD),
        "md5": pg.conninfo("app_md5", "tcp", password=PASSWORD),
        "password": pg.conninfo("app_pw", "tcp", password=PASSWORD),
        "pgpass": pg.conninfo("app_scram", "tcp", passfile=str(passfile)),
        "pgpass-unix": pg.conninfo("app_md5", passfile=str(passfile)),
        "disable": pg.conninfo("app_scram", "tcp", password=PASSWORD, sslmode="disable"),
        "require": pg.conninfo("app_tls", "tcp", password=PASSWORD, sslmode="require"),
        "verify-ca": pg.conninfo("app_tls", "tcp", password=PASSWORD, sslmode="verify-ca",
                                 sslrootcert=root),
        "verify-full": pg.conninfo("app_tls", "tcp", password=PASSWORD, sslmode="verify-full",
                                   sslrootcert=root),
        "prefer-falls-back": pg.conninfo("app_plain", "tcp", password=PASSWORD),
        "allow-steps-up": pg.conninfo("app_tls", "tcp", password=PASSWORD, sslmode="allow"),
        "second-host": f"host=127.0.0.1,{pg.folder} port=1,{pg.port} user=app_trust dbname=app",
        "no-password": pg.conninfo("app_scram", "tcp", passfile="/nonexistent"),
        "wrong-password": pg.conninfo("app_scram", "tcp", password="wr0ng-s3cret"),
        "wrong-md5": pg.conninfo("app_md5", "tcp", password="wr0ng-s3cret"),
        "tls-wanted": pg.conninfo("app_tls", "tcp", password=PASSWORD, sslmode="disable"),
        "not-verified": pg.conninfo("app_tls", "tcp", password=PASSWORD, sslmode="verify-full",
                                    sslrootcert="ROOT"),
        "nobody-there": "host=127.0.0.1 port=1 user=app_trust dbname=app",
        "no-such-host": "host=no-such-host.invalid user=app_trust dbname=app",
        "no-such-db": f"host={pg.folder} port={pg.port} user=app_trust dbname=missing",
    }
    gateway = Gateway(pg, databases)
    text = gateway.config.read_text().replace("sslrootcert=ROOT",
                                              f"sslrootcert={gateway.certificate}")
    gateway.config.write_text(text)
    with running(gateway, "alice") as g:
        yield g


@pytest.mark.parametrize("name,tls", [
    ("trust", True), ("scram", True), ("scram-unix", None), ("md5", True), ("password", True),
    ("pgpass", True), ("pgpass-unix", None), ("disable", False), ("require", True),
    ("verify-ca", True), ("verify-full", True), ("prefer-falls-back", False),
    ("allow-steps-up", True), ("second-host", None),
])
def test_login_at_the_server(upstreams, pg, name, tls):
    with upstreams.connect(dbname=name) as c:
        assert c.execute("SELECT 1").fetchone() == (1,)
        pid = c.info.backend_pid
        with pg.admin() as a:
            used, = a.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = %s", (pid,)).fetchone()
    assert tls is None or used is tls


@pytest.mark.parametrize("user", ["alice", "app_scram"])
def test_the_databases_password_is_no_agents(upstreams, user):
    """Nor does the agent's reach the server, which would have refused it."""
    upstreams.connect(dbname="scram").close()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        upstreams.connect(dbname="scram", user=user, password=PASSWORD)


@pytest.mark.parametrize("name", ["no-password", "wrong-password", "wrong-md5", "tls-wanted",
                                  "not-verified", "nobody-there", "no-such-host", "no-such-db"])
def test_failed_login_at_the_server_tells_nothing(upstreams, name):
    with pytest.raises(psycopg.OperationalError) as e:
        upstreams.connect(dbname=name)
    text = str(e.value).split("FATAL:")[-1]
    assert f'database "{name}" cannot be reached' in text
    for secret in ("app_", "wr0ng", ".invalid", "5432", str(upstreams.pg.port), "missing"):
        assert secret not in text
    assert "wr0ng-s3cret" not in upstreams.log()


def test_too_many_connections_at_the_server(upstreams, pg):
    with pg.admin() as a:
        a.execute("ALTER ROLE app_pw CONNECTION LIMIT 0")
        try:
            with pytest.raises(psycopg.OperationalError, match="too many connections"):
                upstreams.connect(dbname="password")
        finally:
            a.execute("ALTER ROLE app_pw CONNECTION LIMIT -1")


def asleep(pid, wish):
    os.kill(pid, signal.SIGSTOP if wish else signal.SIGCONT)
    with open(f"/proc/{pid}/stat") as f:
        wait_until(lambda: (f.seek(0), f.read().rsplit(")")[1].split()[0] == "T")[1] is wish)


def test_server_ends_the_session(gateway, pg):
    with gateway.connect(autocommit=True) as c:
        with pg.admin() as a:
            a.execute("SELECT pg_terminate_backend(%s, 5000)", (c.info.backend_pid,))
        with pytest.raises(psycopg.OperationalError, match="terminating connection"):
            c.execute("SELECT 1")


@pytest.mark.parametrize("name", ["scram-unix", "disable", "require"])
@pytest.mark.parametrize("first", ["client", "server"])
def test_the_servers_last_words_reach_a_client_that_sends_just_then(upstreams, pg, name, first):
    """The gateway sleeps while both happen, so that it finds a closed connection as it sends."""
    with Raw(upstreams.port) as r:
        seen = dict(r.login("alice", upstreams.passwords["alice"], database=name))
        r.send(query("SELECT 1"))
        assert r.until()[-1] == (b"Z", b"I")
        asleep(upstreams.process.pid, True)
        try:
            if first == "client":
                r.send(query("SELECT 2") * 2)
            with pg.admin() as a:
                a.execute("SELECT pg_terminate_backend(%s, 5000)",
                          (struct.unpack("!I", seen[b"K"][:4])[0],))
            if first == "server":
                r.send(query("SELECT 2") * 2)
        finally:
            asleep(upstreams.process.pid, False)
        told = r.error()
        assert (told["S"], told["C"]) == ("FATAL", "57P01") and "administrator command" in told["M"]


def test_the_servers_last_rows_reach_a_client_that_reads_slowly(gateway, pg):
    """The line to the client is full, so the server is not read when it hangs up: less than 500 rows fit into the
    client's side, more than 550 also fill the server's, which then is not idle."""
    with Raw(gateway.port) as r:
        r.socket.close()
        r.socket = socket.socket(socket.AF_UNIX)  # whose buffers have a known size
        r.socket.connect(f"{gateway.folder}/socket/.s.PGSQL.{gateway.port}")
        seen = dict(r.login("alice", gateway.passwords["alice"]))
        pid, = struct.unpack("!I", seen[b"K"][:4])
        with pg.admin() as a:
            r.send(query("SELECT repeat('x', 1000) FROM generate_series(1, 520)"))
            wait_until(lambda: a.execute(
                "SELECT state, wait_event FROM pg_stat_activity WHERE pid = %s AND query LIKE 'SELECT repeat%%'",
                (pid,)).fetchone() == ("idle", "ClientRead"))
            a.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        kinds = [kind for kind, _ in r.until(b"E")]
        assert kinds == [b"T"] + 520 * [b"D"] + [b"C", b"Z", b"E"]


# --- cancel ----------------------------------------------------------------------------------


def sleep_and_cancel(gateway, cancel, **options):
    """Cancels a query; an error that the cancelling client sees is one of ours, too."""
    with gateway.connect(autocommit=True, **options) as c, ThreadPoolExecutor(1) as other:
        told = other.submit(lambda: (time.sleep(0.3), cancel(c)))
        began = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled):
            c.execute("SELECT pg_sleep(20)")
        assert time.monotonic() - began < 5
        told.result(5)
        assert c.execute("SELECT 1").fetchone() == (1,)


def test_cancel(gateway):
    for mode in ("disable", "require"):
        sleep_and_cancel(gateway, lambda c: c.cancel(), sslmode=mode)
        sleep_and_cancel(gateway, lambda c: c.cancel_safe(), sslmode=mode)


def test_cancel_goes_encrypted_where_the_session_does(upstreams):
    sleep_and_cancel(upstreams, lambda c: c.cancel(), dbname="require")
    assert "cancel request not delivered" not in upstreams.log()


def test_cancel_with_a_wrong_secret_does_nothing(gateway):
    with Raw(gateway.port) as r:
        seen = dict(r.login("alice", gateway.passwords["alice"]))
        pid, secret = seen[b"K"][:4], seen[b"K"][4:]
        pid = struct.unpack("!I", pid)[0]
        r.send(query("SELECT pg_sleep(1)"))
        for wrong in (bytes(4), bytes(x ^ 1 for x in secret), secret + b"\0", secret[:3]):
            with Raw(gateway.port) as other:
                other.send(cancel_request(pid, wrong))
                assert other.closed() or len(wrong) < 4
        kinds = []
        while not kinds or kinds[-1] != b"Z":
            kinds.append(r.next()[0])
        assert b"E" not in kinds
        r.send(query("SELECT pg_sleep(20)"))
        time.sleep(0.2)
        with Raw(gateway.port) as other:
            other.send(cancel_request(pid, secret))
            assert other.closed()
        assert r.next()[0] == b"T"
        assert r.error()["C"] == "57014"


# --- life ------------------------------------------------------------------------------------


def test_nothing_leaks(gateway, pg):
    """500 sessions of every ending leave no descriptor and no server session behind."""
    for _ in range(5):
        gateway.connect().close()
    before = gateway.descriptors()
    for i in range(500):
        if i % 10 == 0:
            with Raw(gateway.port) as r:  # no goodbye
                assert r.login("alice", gateway.passwords["alice"])[-1] == (b"Z", b"I")
        elif i % 10 == 1:
            with pytest.raises(psycopg.OperationalError):
                gateway.connect(password="wrong")
        elif i % 10 == 2:
            with Raw(gateway.port) as r:
                r.send(SSL_REQUEST)
        else:
            gateway.connect(sslmode="disable").close()
    wait_until(lambda: gateway.descriptors() <= before)
    with pg.admin() as a:
        wait_until(lambda: a.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'backstop/%'"
        ).fetchone() == (0,))


def test_client_that_dies_during_login_at_the_server(pg):
    """A server that accepts and says nothing must not keep the session of a client that left."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        databases = {"app": f"host=127.0.0.1 port={silent.getsockname()[1]} user=x "
                            "sslmode=disable connect_timeout=30"}
        with running(Gateway(pg, databases), "alice") as g:
            before = g.descriptors()
            with Raw(g.port) as r:
                r.send(startup(user="alice", database="app"))
                with ThreadPoolExecutor(1) as other:
                    login = other.submit(r.scram, g.passwords["alice"])
                    server, _ = silent.accept()
                    assert server.recv(1000)
                    r.socket.shutdown(socket.SHUT_RDWR)
                    with pytest.raises(AssertionError):  # its stream ends
                        login.result(5)
            wait_until(lambda: g.descriptors() <= before)
            assert server.recv(1000) == b""
            server.close()


@direct_only
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_clean_stop(pg, sig):
    with running(Gateway(pg), "alice") as g:
        c = g.connect(autocommit=True)
        half = Raw(g.port)
        began = time.monotonic()
        assert g.stop(sig) == 0
        assert time.monotonic() - began < 10
        with pytest.raises(psycopg.OperationalError):
            c.execute("SELECT 1")
        half.socket.close()
        with pytest.raises(OSError):
            Raw(g.port)
        assert not list((g.folder / "socket").iterdir())
    with pg.admin() as a:
        wait_until(lambda: a.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'backstop/%'"
        ).fetchone() == (0,))


def test_starts_again_after_a_kill(pg):
    g = Gateway(pg)
    with running(g, "alice"):
        g.process.kill()
        g.process.wait()
        g.start()
        with g.connect(host=f"{g.folder}/socket") as c:
            assert c.execute("SELECT 1").fetchone() == (1,)


@direct_only
def test_second_gateway_on_the_same_port_refuses(gateway, pg):
    other = Gateway(pg)
    text = other.config.read_text().replace(f":{other.port}", f":{gateway.port}")
    other.config.write_text(text)
    done = other.cli("serve", check=False)
    other.remove()
    assert done.returncode == 69
    assert "in use" in done.stderr


def test_start_says_what_is_wrong_with_an_upstream(pg):
    g = Gateway(pg, {"app": "host=/tmp user=u sslmode=perhaps"})
    done = g.cli("serve", check=False)
    g.remove()
    assert done.returncode == 78
    assert "sslmode" in done.stderr


# --- the server is not trusted ---------------------------------------------------------------


LIES = {
    "other encoding": AUTH_OK + status(**{**GOOD, "client_encoding": "SJIS"}) + KEY + READY,
    "strings off": AUTH_OK + status(**{**GOOD, "standard_conforming_strings": "off"}) + READY,
    "no shield": AUTH_OK + status(**{**GOOD, "default_transaction_read_only": "off"}) + READY,
    "nothing reported": AUTH_OK + KEY + READY,
    "in a transaction": AUTH_OK + status(**GOOD) + KEY + message(b"Z", b"T"),
    "ready before ok": READY,
    "sasl final first": message(b"R", struct.pack("!I", 12) + b"v=AAAA"),
    "unknown method": message(b"R", struct.pack("!I", 7)),
    "no mechanism": message(b"R", struct.pack("!I", 10) + b"SCRAM-SHA-512\0\0"),
    "huge message": b"R\x7f\xff\xff\xff",
    "length 3": b"R\0\0\0\3",
    "error without fields": message(b"E", b"\0"),
    "error cut short": message(b"E", b"SFATAL"),
    "rows": AUTH_OK + message(b"D", b"\0\0"),
    "nothing": b"",
}


@pytest.mark.parametrize("name", LIES)
def test_lies_of_a_server(pg, name):
    def script(s, _):
        s.sendall(LIES[name])
        s.shutdown(socket.SHUT_WR)

    impostor = Impostor(script)
    databases = {"app": f"host=127.0.0.1 port={impostor.port} user=x password=y sslmode=disable"}
    with running(Gateway(pg, databases, tls=False), "alice") as g:
        with pytest.raises(psycopg.OperationalError, match="cannot be reached now"):
            g.connect()
    impostor.listener.close()


def test_scram_is_not_skipped(pg):
    """A server that begins SCRAM and then just says OK has not proven that it knows the password."""
    def script(s, _):
        s.sendall(message(b"R", struct.pack("!I", 10) + b"SCRAM-SHA-256\0\0"))
        first = s.recv(1000)
        nonce = first.split(b"r=")[1]
        s.sendall(message(b"R", struct.pack("!I", 11) + b"r=" + nonce + b"xyz,s=" + b"A" * 24 +
                          b",i=4096"))
        s.recv(1000)
        s.sendall(AUTH_OK + status(**GOOD) + KEY + READY)

    impostor = Impostor(script)
    databases = {"app": f"host=127.0.0.1 port={impostor.port} user=x password=y sslmode=disable"}
    with running(Gateway(pg, databases, tls=False), "alice") as g:
        with pytest.raises(psycopg.OperationalError, match="cannot be reached now"):
            g.connect()
    impostor.listener.close()


def test_bytes_behind_the_servers_answer_to_ssl(pg):
    """CVE-2021-23222."""
    impostor = Impostor(lambda s, _: s.sendall(b"S" + AUTH_OK + status(**GOOD) + KEY + READY))
    databases = {"app": f"host=127.0.0.1 port={impostor.port} user=x sslmode=require"}
    with running(Gateway(pg, databases, tls=False), "alice") as g:
        with pytest.raises(psycopg.OperationalError, match="cannot be reached now"):
            g.connect()
        wait_until(lambda: "unencrypted bytes" in g.log())
    impostor.listener.close()


def test_notices_of_the_servers_login_reach_the_client(pg):
    notice = message(b"N", b"SWARNING\0VWARNING\0C01000\0Mhello from login\0\0")
    impostor = Impostor(lambda s, _: s.sendall(
        AUTH_OK + status(**GOOD) + notice + KEY + READY))
    databases = {"app": f"host=127.0.0.1 port={impostor.port} user=x sslmode=disable"}
    with running(Gateway(pg, databases, tls=False), "alice") as g:
        with Raw(g.port) as r:
            seen = r.login("alice", g.passwords["alice"])
            kinds = b"".join(k for k, _ in seen)
            assert kinds.index(b"N") > kinds.rindex(b"R")
            assert kinds.endswith(b"Z")
    impostor.listener.close()
