"""The protocol's own conformance suite against /mcp.

It is made for servers that have its tools, resources and prompts (test_simple_text, ...). We have our own, so what needs
those is in conformance-REVISION.yaml, check by check, with why; the suite fails where one of them passes.
"""

import pathlib

import pytest
from conftest import running
from programs import CACHE, install, letting_in, node
from web import LEGACY, MODERN, bearer, with_http

HERE = pathlib.Path(__file__).resolve().parent
SUITE = "node_modules/@modelcontextprotocol/conformance/dist/index.js"


@pytest.mark.parametrize("revision", [LEGACY, MODERN])
def test_conformance(pg, revision):
    install()
    g = with_http(pg, tls=False)
    g.add_agent("alice", "app")
    with running(g), letting_in(g.http_port, bearer("alice", g.passwords["alice"])) as url:
        out = node("--import", CACHE / "old_node.mjs", SUITE, "server", "--url", url, "--suite", "all", "--spec-version",
                   revision, "--expected-failures", str(HERE / f"conformance-{revision}.yaml"), timeout=170)
    assert out.returncode == 0, out.stdout[out.stdout.find("=== SUMMARY"):] + out.stderr[-2000:]
