"""`backstop mcp` over raw lines: what it answers to what no client library would send."""

import contextlib

import pytest

from conftest import Gateway, running
from lines import LEGACY, MODERN, Lines, envelope


@pytest.fixture(scope="module")
def site(pg):
    g = Gateway(pg, tls=False, extra={"hold": {"wait": "1s", "notice": "10s"}})
    with running(g, "robot") as g:
        yield g


def dsn(gateway):
    return (f"host=127.0.0.1 port={gateway.port} dbname=app user=robot "
            f"password={gateway.passwords['robot']}")


@contextlib.contextmanager
def served(gateway, *args, **more):
    s = Lines(dsn(gateway), *args, **more)
    try:
        yield s
        assert s.stop() == 0, "".join(s.errors)
    finally:
        if s.process.poll() is None:
            s.process.kill()
            s.process.wait()


@pytest.fixture
def legacy(site):
    with served(site) as s:
        s.initialize()
        yield s


@pytest.fixture
def modern(site):
    with served(site, modern=True) as s:
        yield s


def test_initialize_agrees_on_a_revision(site):
    for asked, agreed in ((LEGACY, LEGACY), ("2025-06-18", "2025-06-18"), ("1999-01-01", LEGACY)):
        with served(site) as s:
            result = s.initialize(asked)
            assert result["protocolVersion"] == agreed
            assert result["serverInfo"]["name"] == "backstop"
            assert s.ask("ping")["result"] == {}


def test_discover(modern):
    result = modern.ask("server/discover")["result"]
    assert result["supportedVersions"] == [MODERN]
    assert result["resultType"] == "complete"
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "backstop"


@pytest.mark.parametrize("how", ["legacy", "modern"])
def test_a_query(how, request):
    s = request.getfixturevalue(how)
    names = [tool["name"] for tool in s.ask("tools/list")["result"]["tools"]]
    assert "backstop_query" in names
    answer = s.query("SELECT $1::int AS a, 'x' AS b, NULL AS c, 9007199254740993 AS d", 41)
    assert answer["status"] == "completed"
    assert answer["columns"][0] == {"name": "a", "type": "integer"}
    assert answer["rows"] == [[41, "x", None, "9007199254740993"]]


def test_an_unknown_revision_is_told_which_there_are(site):
    with served(site) as s:
        s.send({"jsonrpc": "2.0", "id": "a", "method": "tools/list",
                "params": {"_meta": envelope(version="2031-01-01")}})
        error = s.next()["error"]
        assert error["code"] == -32022
        assert error["data"] == {"supported": [MODERN], "requested": "2031-01-01"}
        s.initialize()  # and may still shake hands
