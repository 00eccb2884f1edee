"""The MCP client of the protocol's own project with our helper: both transports, both revisions."""

import pytest

from conftest import binary

MODERN, LEGACY = "2026-07-28", "2025-11-25"


@pytest.fixture(params=["stdio", "http"])
def how(request):
    return request.param


@pytest.fixture(params=["auto", "legacy"])
def mode(request):
    return request.param


@pytest.fixture
def example(site, how, mode):
    where = binary() if how == "stdio" else f"http://127.0.0.1:{site.gateway.http_port}/mcp"
    script = site.script("examples/mcp.mjs", how, where, mode, BACKSTOP_DATABASE_URL=site.url("robot"), AGENT="robot",
                         PASSWORD=site.gateway.passwords["robot"])
    assert script.next("connected")["version"] == (LEGACY if mode == "legacy" else MODERN)
    assert script.next("read")["rows"] == [[100]]
    return script


def test_approved_it_runs_once(site, example):
    held = example.next("held")
    ticket, = site.operator.tickets()
    assert (held["ticket"], ticket["claims"]["purpose"]) == (ticket["id"], "clean up orders")
    assert site.rows("orders") == 100
    site.operator.decide(held["ticket"], "approve")
    assert example.next("ran")["command"] == "DELETE 90"
    example.rest()
    assert site.rows("orders") == 10
    assert site.runs(held["ticket"]) == ["DELETE"]


def test_denied_nothing_runs(site, example):
    held = example.next("held")
    site.operator.decide(held["ticket"], "deny")
    assert example.next("denied")["ticket"] == held["ticket"]
    example.rest()
    assert site.rows("orders") == 100
    assert not site.operator.tickets()
