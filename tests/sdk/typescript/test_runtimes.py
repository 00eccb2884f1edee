"""The same under Bun and Deno, where npm can bring them."""

import pytest

from .conftest import ROOT, same

RUNTIMES = ROOT / "tests" / "sdk" / "typescript" / "runtimes"
PROGRAMS = {"bun": ["@oven/*/bin/bun"], "deno": ["@deno/*/deno", "run", "--quiet", "--allow-all"]}


@pytest.fixture(params=PROGRAMS)
def program(request):
    pattern, *args = PROGRAMS[request.param]
    found = sorted((RUNTIMES / "node_modules").glob(pattern))
    if not found or not same(RUNTIMES / "package-lock.json", RUNTIMES / "node_modules" / "installed.json"):
        pytest.skip(f"{request.param} is not installed: script/setup sdk does it, where npm has it for this machine")
    return [found[0], *args]


@pytest.mark.parametrize("driver", ["pg", "pg-pool", "postgres", "drizzle-pg", "drizzle-postgres"])
def test_a_held_statement_runs_after_approval(site, program, driver):
    script = site.script("tests/client.mjs", driver, "retry", "DELETE FROM ts.orders", program=program)
    held = script.next("held")
    assert held["name"] == "Held" and site.rows("orders") == 100
    site.operator.decide(held["ticket"], "approve")
    assert script.next("ran")["sent"] == 2
    script.rest()
    assert site.rows("orders") == 0


def test_a_wait_is_aborted_and_claims_arrive(site, program):
    script = site.script("tests/client.mjs", "pg", "once", "DELETE FROM ts.orders WHERE id = 1", program=program)
    script.rest()
    ticket, = site.operator.tickets()
    assert ticket["claims"] == {"run": "run 7", "purpose": "tests of the client"}
    aborted, _, _ = site.script("tests/client.mjs", "pg", "abort", ticket["id"], program=program, wait="").rest()
    assert aborted["message"] == "enough" and aborted["ms"] < 5000
