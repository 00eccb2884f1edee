"""The protocol's own clients against /mcp: list, read, a hold, a wait, a decision elsewhere, one run or none.

The newer ones speak to `backstop mcp` in test_stdio.py and test_stdio_node.py.
"""

import asyncio
import json

import httpx2
import pytest
from conftest import binary, running
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitResult
from operator_side import Operator
from programs import CACHE, install, node
from web import LEGACY, MODERN, bearer, with_http

TOOLS = {"backstop_query", "backstop_explain", "backstop_schema", "backstop_ticket", "backstop_run_approved",
         "backstop_recovery_points", "backstop_status"}
WAYS = [("client", "http", MODERN), ("client", "http", "legacy"), ("sdk", "http", "legacy"),
        ("sdk", "stdio", "legacy")]


@pytest.fixture(scope="module")
def site(pg):
    with pg.admin() as c:
        c.execute("CREATE SCHEMA told; CREATE TABLE told.things (id int PRIMARY KEY);"
                  "INSERT INTO told.things SELECT generate_series(1, 100);"
                  "GRANT ALL ON SCHEMA told TO app_trust; GRANT ALL ON told.things TO app_trust")
    g = with_http(pg, tls=False, extra={"hold": {"wait": "0s"}})
    g.add_agent("robot", "app")
    with running(g):
        g.kim = Operator(g)
        g.ids = iter(range(1, 101))
        yield g
    with pg.admin() as c:
        c.execute("DROP SCHEMA told CASCADE")


def there(site, number):
    with site.pg.admin() as c:
        return c.execute("SELECT count(*) FROM told.things WHERE id = %s", [number]).fetchone()[0]


def tell(site, package, how, mode, number):
    dsn = f"postgresql://robot@127.0.0.1:{site.port}/app"
    where = [f"http://127.0.0.1:{site.http_port}/mcp"] if how == "http" else [binary(), "mcp", "--dsn", dsn]
    out = node(CACHE / "story.mjs", package, mode, number, *where,
               env={"BEARER": bearer("robot", site.passwords["robot"]).split()[1],
                    "PGPASSWORD": site.passwords["robot"]})
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout)


@pytest.mark.parametrize("package, how, mode", WAYS)
def test_approved(site, package, how, mode):
    install()
    number = next(site.ids)
    decider = site.kim.deciding("approve")
    seen = tell(site, package, how, mode, number)
    decider.done()
    assert set(seen["tools"]) == TOOLS and seen["resources"] > 0 and seen["prompts"] > 0
    assert seen["read"] == [[7]]
    assert seen["held"]["status"] == "pending_approval"
    assert seen["waited"]["state"] == "approved"
    assert (seen["ran"]["status"], seen["ran"]["command"]) == ("completed", "DELETE 1")
    assert "command" not in seen["again"]
    assert there(site, number) == 0


@pytest.mark.parametrize("package, how, mode", WAYS)
def test_denied(site, package, how, mode):
    install()
    number = next(site.ids)
    decider = site.kim.deciding("deny")
    seen = tell(site, package, how, mode, number)
    decider.done()
    assert (seen["waited"]["status"], seen["waited"]["state"]) == ("refused", "denied")
    assert seen["ran"]["status"] == seen["again"]["status"] == "refused"
    assert there(site, number) == 1


# --- Python ------------------------------------------------------------------------------------


def connected(site, mode, story, **more):
    async def go():
        headers = {"Authorization": bearer("robot", site.passwords["robot"])}
        async with httpx2.AsyncClient(headers=headers, timeout=90) as web:
            transport = streamable_http_client(f"http://127.0.0.1:{site.http_port}/mcp", http_client=web)
            async with Client(transport, mode=mode, **more) as c:
                return await story(c)

    return asyncio.run(go())


async def call(c, tool, progress=None, **arguments):
    return (await c.call_tool(tool, arguments, progress_callback=progress)).structured_content


@pytest.mark.parametrize("mode", ["legacy", MODERN, "auto"])
@pytest.mark.parametrize("what", ["approve", "deny"])
def test_python(site, mode, what):
    number = next(site.ids)

    async def story(c):
        assert {t.name for t in (await c.list_tools()).tools} == TOOLS
        assert (await call(c, "backstop_query", sql="SELECT 7"))["rows"] == [[7]]
        held = await call(c, "backstop_query", sql="DELETE FROM told.things WHERE id = $1", params=[number])
        assert held["status"] == "pending_approval"
        decider = site.kim.deciding(what)
        heard = []

        async def progress(*args):
            heard.append(args)

        waited = await call(c, "backstop_ticket", progress, ticket=held["ticket"], wait=60)
        decider.done()
        assert waited["state"] == {"approve": "approved", "deny": "denied"}[what]
        ran = await call(c, "backstop_run_approved", ticket=held["ticket"])
        assert ran["status"] == {"approve": "completed", "deny": "refused"}[what]
        assert "command" not in await call(c, "backstop_run_approved", ticket=held["ticket"])

    connected(site, mode, story)
    assert there(site, number) == (0 if what == "approve" else 1)


@pytest.mark.parametrize("mode", ["legacy", MODERN])
def test_the_user_is_asked_first(site, mode):
    """In a session the question comes in the stream of the call, and its answer in a request of its own."""
    asked = []

    async def elicit(context, params):
        asked.append(params)
        return ElicitResult(action="decline")

    async def story(c):
        return await call(c, "backstop_query", sql="DELETE FROM told.things WHERE id = 100")

    assert connected(site, mode, story, elicitation_callback=elicit)["status"] == "refused"
    assert len(asked) == 1 and not site.kim.tickets()
    assert there(site, 100) == 1


# --- the inspector -----------------------------------------------------------------------------


def test_the_inspector_lists_it_all(site):
    install()

    def ask(method):
        out = node("node_modules/.bin/mcp-inspector-cli", "--cli", f"http://127.0.0.1:{site.http_port}/mcp",
                   "--transport", "http", "--header", f"Authorization: {bearer('robot', site.passwords['robot'])}",
                   "--method", method)
        assert out.returncode == 0, out.stderr
        return json.loads(out.stdout)

    assert {t["name"] for t in ask("tools/list")["tools"]} == TOOLS
    assert "backstop://schema/told/things" in {r["uri"] for r in ask("resources/list")["resources"]}
    assert len(ask("prompts/list")["prompts"]) == 3
    assert ask("resources/templates/list")["resourceTemplates"]
