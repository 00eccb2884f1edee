"""`backstop mcp` and the protocol's own TypeScript client, in both revisions."""

import json
import os
import subprocess

import pytest

from conftest import binary
from programs import install
from test_lines import both, rows, site  # noqa: F401
from test_stdio import MODES, decide_soon


@pytest.fixture(scope="module")
def script():
    return install() / "stdio.mjs"


@both
@pytest.mark.parametrize("what", ["approve", "deny"])
def test_held_and_decided_elsewhere(site, pg, script, how, what):
    number = {"legacy": 700, "modern": 710}[how] + (what == "deny")
    process = subprocess.Popen(
        ["node", script, binary(), MODES[how], str(number)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, "PGPASSWORD": site.passwords["robot"],
                        "BACKSTOP_DATABASE_URL": f"postgresql://robot@127.0.0.1:{site.port}/app"})
    before = rows(pg)
    said = []
    for line in process.stdout:
        said.append(json.loads(line))
        if "ticket" in said[-1]:
            decide_soon(site, said[-1]["ticket"], what)
    assert process.wait(60) == 0, process.stderr.read()
    assert said[-1] == {"done": "approved" if what == "approve" else "denied"}
    assert rows(pg) == before - (what == "approve")
