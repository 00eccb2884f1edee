"""`backstop mcp` and the protocol's own clients: reads, a hold, a wait, an approval elsewhere, one run.

Each in both revisions. What they check by themselves counts, too: messages against the protocol's types,
structured answers against the schemas that the tools publish.
"""

import asyncio
import json
import threading

import pytest
from mcp import Client, StdioServerParameters
from mcp_types import ElicitResult

from conftest import binary
from test_lines import MODERN, both, dsn, rows, site  # noqa: F401

MODES = {"legacy": "legacy", "modern": MODERN}
DELETE = {"sql": "DELETE FROM shop.things WHERE id = $1", "purpose": "a test"}


def server(site):
    """The password by the environment, as `backstop mcp install` has it."""
    return StdioServerParameters(command=binary(), args=["mcp"], env={
        "BACKSTOP_DATABASE_URL": f"postgresql://robot@127.0.0.1:{site.port}/app",
        "PGPASSWORD": site.passwords["robot"]})


def client(site, how, **more):
    return Client(server(site), mode=MODES[how], **more)


async def call(c, tool, **arguments):
    result = await c.call_tool(tool, arguments)
    return result.structured_content


def decide_soon(site, ticket, what):
    timer = threading.Timer(0.5, lambda: site.operator.decide(ticket, what))
    timer.start()
    return timer


@both
def test_the_python_client_reads(site, how):
    async def go():
        async with client(site, how) as c:
            tools = {tool.name: tool for tool in (await c.list_tools()).tools}
            assert len(tools) == 7 and tools["backstop_schema"].annotations.read_only_hint
            answer = await call(c, "backstop_query", sql="SELECT count(*) FROM shop.parts")
            assert answer["rows"] == [[0]]
            assert (await call(c, "backstop_status"))["agent"] == "robot"
            explained = await call(c, "backstop_explain", sql="DELETE FROM shop.things WHERE id < $1", params=[11])
            assert (explained["outcome"], explained["statements"][0]["kind"]) == ("asks", "DELETE")
            assert (await call(c, "backstop_schema", schema="shop"))["tables"]
            uris = [str(r.uri) for r in (await c.list_resources()).resources]
            assert "backstop://schema/shop/parts" in uris
            status = json.loads((await c.read_resource("backstop://status")).contents[0].text)
            assert status["writes"] == "ask"
            assert len((await c.list_prompts()).prompts) == 3
            prompt = await c.get_prompt("safe_migration", {"change": "a column more"})
            assert "a column more" in prompt.messages[0].content.text
            failed = await c.call_tool("backstop_query", {"sql": "SELECT nme FROM shop.things"})
            assert failed.is_error and failed.structured_content["error"]["sqlstate"] == "42703"
        return True

    assert asyncio.run(go())


@both
def test_held_approved_elsewhere_and_run_once(site, pg, how):
    number = 501 if how == "legacy" else 502

    async def go():
        heard = []

        async def progress(*args):
            heard.append(args)

        async with client(site, how) as c:
            held = await call(c, "backstop_query", **DELETE, params=[number])
            assert held["status"] == "pending_approval"
            early = await call(c, "backstop_run_approved", ticket=held["ticket"])
            assert early["status"] == "pending_approval"
            decide_soon(site, held["ticket"], "approve")
            waited = await c.call_tool("backstop_ticket", {"ticket": held["ticket"], "wait": 60},
                                       progress_callback=progress)
            assert waited.structured_content["state"] == "approved"
            ran = await call(c, "backstop_run_approved", ticket=held["ticket"])
            assert (ran["status"], ran["command"]) == ("completed", "DELETE 1")
            again = await call(c, "backstop_run_approved", ticket=held["ticket"])
            assert again["state"] in ("running", "done") and "command" not in again
            points = (await call(c, "backstop_recovery_points"))["points"]
            assert points[0]["ticket"] == held["ticket"]

    before = rows(pg)
    asyncio.run(go())
    assert rows(pg) == before - 1
    with pg.admin() as c:
        assert c.execute("SELECT count(*) FROM shop.things WHERE id = %s", [number]).fetchone() == (0,)


@both
def test_held_denied_and_nothing_runs(site, pg, how):
    number = 511 if how == "legacy" else 512

    async def go():
        async with client(site, how) as c:
            held = await call(c, "backstop_query", **DELETE, params=[number])
            decide_soon(site, held["ticket"], "deny")
            waited = await call(c, "backstop_ticket", ticket=held["ticket"], wait=60)
            assert (waited["status"], waited["state"]) == ("refused", "denied")
            ran = await call(c, "backstop_run_approved", ticket=held["ticket"])
            assert ran["status"] == "refused"

    before = rows(pg)
    asyncio.run(go())
    assert rows(pg) == before


@both
@pytest.mark.parametrize("answer", ["accept", "decline", "unchecked"])
def test_the_user_confirms_what_destroys(site, pg, how, answer):
    """That is no approval: what was confirmed is held all the same."""
    asked = []

    async def elicit(context, params):
        asked.append(params)
        if answer == "decline":
            return ElicitResult(action="decline")
        return ElicitResult(action="accept", content={"confirm": answer == "accept"})

    async def go():
        async with client(site, how, elicitation_callback=elicit) as c:
            read = await call(c, "backstop_query", sql="SELECT 1")
            assert read["status"] == "completed" and not asked
            number = 520 + 10 * (how == "modern")
            result = await call(c, "backstop_query", **DELETE, params=[number])
            assert result["status"] == ("pending_approval" if answer == "accept" else "refused")
            assert len(asked) == 1 and DELETE["sql"] in asked[0].message
            if answer == "accept":
                site.operator.decide(result["ticket"], "deny")

    before = rows(pg)
    asyncio.run(go())
    assert rows(pg) == before
