"""WIRE 3.2 on the client's side, a test for each fact: what comes before the first statement."""

import struct

import psycopg
import pytest

from rawwire import Raw, cancel_request, query, startup


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
        with Raw(gateway.port) as other:
            other.send(cancel_request(pid, secret))
            assert other.closed()
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
