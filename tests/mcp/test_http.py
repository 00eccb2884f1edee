"""MCP over HTTP: both revisions, who is let in, from where, and for how long."""

import base64
import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from conftest import running, wait_until
from operator_side import Operator
from web import LEGACY, MODERN, VERSION_KEY, Web, bearer, with_http

METADATA = "/.well-known/oauth-protected-resource"


@pytest.fixture(scope="module")
def served(pg):
    with pg.admin() as c:
        c.execute("CREATE TABLE IF NOT EXISTS mcp_http (id int PRIMARY KEY); GRANT ALL ON mcp_http TO app_trust")
    g = with_http(pg, databases={name: pg.conninfo("app_trust") for name in ("app", "other")},
                  extra={"hold": {"wait": "30s"}}, agents_http={"authorization_servers": ["https://login.example"]})
    g.add_agent("alice", "app")
    g.add_agent("both", "app", "other")
    with running(g):
        g.kim = Operator(g)
        yield g
    with pg.admin() as c:
        c.execute("DROP TABLE mcp_http")


@pytest.fixture
def alice(served):
    return Web(served.http_port, "alice", served.passwords["alice"])


def agent(served, name, *databases):
    served.add_agent(name, *(databases or ("app",)))
    return Web(served.http_port, name, served.passwords[name])


def records(served, **want):
    lines = [json.loads(line) for f in sorted((served.folder / "audit").glob("*.jsonl")) for line in f.open()]
    return [r for r in lines if all(r.get(k) == v for k, v in want.items())]


def rows(result):
    assert not result["isError"], result
    return result["structuredContent"]["rows"]


# --- both revisions ----------------------------------------------------------------------------


def test_stateless(alice):
    found = alice.request("server/discover")
    assert found.status == 200 and "Mcp-Session-Id" not in found.headers
    assert found.json["result"]["supportedVersions"] [0] == MODERN
    assert {t["name"] for t in alice.request("tools/list").json["result"]["tools"]} >= {"backstop_query"}
    assert rows(alice.tool("backstop_query", {"sql": "SELECT 1"})) == [[1]]


def test_session(alice):
    result = alice.initialize()
    assert result["protocolVersion"] == LEGACY and len(alice.session) >= 32
    assert rows(alice.tool("backstop_query", {"sql": "SELECT 2"})) == [[2]]
    assert alice.post("ping").json["result"] == {}
    assert alice.ask("DELETE", headers={"Mcp-Session-Id": alice.session}).status == 204
    assert alice.post("ping").status == 404


def test_a_hold_and_its_approval(served, alice):
    with served.pg.admin() as c:
        c.execute("INSERT INTO mcp_http SELECT generate_series(1, 3) ON CONFLICT DO NOTHING")
    sql = {"sql": "DELETE FROM mcp_http WHERE id < 3"}
    begun = time.monotonic()
    held = alice.tool("backstop_query", sql)["structuredContent"]
    assert time.monotonic() - begun < 20  # not after hold.wait
    assert held["status"] == "pending_approval"
    served.kim.decide(held["ticket"], "approve")
    assert alice.tool("backstop_query", sql)["structuredContent"]["status"] == "completed"
    with served.pg.admin() as c:
        assert c.execute("SELECT count(*) FROM mcp_http").fetchone() == (1,)


def held_delete(served, w, row):
    """The ticket, approved, of a row that is there."""
    with served.pg.admin() as c:
        c.execute("INSERT INTO mcp_http VALUES (%s) ON CONFLICT DO NOTHING", [row])
    sql = f"DELETE FROM mcp_http WHERE id = {row}"
    ticket = w.tool("backstop_query", {"sql": sql})["structuredContent"]["ticket"]
    served.kim.decide(ticket, "approve")
    return ticket


def test_an_approval_is_used_by_one_of_several(served):
    """And the others do not ask for a second one."""
    w = agent(served, "hasty")
    ticket = held_delete(served, w, 11)

    def use(_):
        own = Web(served.http_port, "hasty", served.passwords["hasty"])
        return own.tool("backstop_run_approved", {"ticket": ticket})["structuredContent"]

    with ThreadPoolExecutor(8) as many:
        seen = list(many.map(use, range(8)))
    assert [s["command"] for s in seen if "command" in s] == ["DELETE 1"]
    assert {s["state"] for s in seen if "command" not in s} <= {"running", "done"}
    assert w.tool("backstop_status")["structuredContent"]["tickets"] == []


def test_an_approval_is_for_its_own_statement(served):
    w = agent(served, "sly")
    ticket = held_delete(served, w, 12)
    for given in ({"sql": "SELECT 77"}, {"sql": "DELETE FROM mcp_http WHERE id = 13"},
                  {"sql": "DELETE FROM mcp_http WHERE id = 12 OR true"}, {"params": [1]}, {"database": "other"}):
        refused = w.tool("backstop_run_approved", {"ticket": ticket, **given})
        assert refused["isError"] and refused["structuredContent"]["error"]["sqlstate"] == "55000", given
    assert w.tool("backstop_run_approved", {"ticket": ticket})["structuredContent"]["command"] == "DELETE 1"


def test_what_is_sent_meanwhile_comes_as_events(served, alice):
    alice.initialize()
    answer = alice.post("tools/call", {"name": "backstop_query", "arguments": {"sql": "SELECT 3"},
                                       "_meta": {"progressToken": "p"}})
    assert answer.message()["result"]["structuredContent"]["rows"] == [[3]]


def test_a_stream_of_its_own(served, alice):
    alice.initialize()
    head = {"Mcp-Session-Id": alice.session, "Accept": "text/event-stream"}
    stream = alice.ask("GET", headers=head)
    assert stream.status == 200 and stream.type == "text/event-stream"
    assert alice.ask("GET", headers=head).status == 409
    assert alice.ask("DELETE", headers=head).status == 204
    assert list(stream.events()) == []  # it ends with the session


def test_fields_say_what_the_message_says(alice):
    call = {"name": "backstop_query", "arguments": {"sql": "SELECT 1"}}
    for headers in ({"MCP-Protocol-Version": None}, {"MCP-Protocol-Version": LEGACY}, {"Mcp-Method": None},
                    {"Mcp-Method": "tools/list"}, {"Mcp-Name": None}, {"Mcp-Name": "backstop_status"},
                    {"Mcp-Name": "=?base64?!!!?="}):
        a = alice.request("tools/call", call, headers=headers)
        assert (a.status, a.json["error"]["code"]) == (400, -32020), headers
    assert alice.request("tools/call", call, headers={"Mcp-Name": "=?base64?YmFja3N0b3BfcXVlcnk=?="}).status == 200
    assert alice.request("nothing/here").status == 404
    for headers, code in (({}, -32020), ({"MCP-Protocol-Version": "2031-01-01"}, -32022)):
        a = alice.request("tools/list", meta={VERSION_KEY: "2031-01-01"}, headers=headers)
        assert (a.status, a.json["error"]["code"]) == (400, code)
    assert alice.request("initialize").status == 404
    assert alice.post("tools/list", headers={"MCP-Protocol-Version": MODERN}).status == 400
    for method in ("GET", "DELETE"):
        assert alice.ask(method, headers={"MCP-Protocol-Version": MODERN}).status == 405
    assert alice.ask("PUT").headers["Allow"] == "GET, POST, DELETE"


# --- who is let in -----------------------------------------------------------------------------


def test_without_a_credential(served):
    a = Web(served.http_port).request("tools/list")
    assert a.status == 401
    where = f'http://127.0.0.1:{served.http_port}{METADATA}/mcp'
    assert a.headers["WWW-Authenticate"] == f'Bearer resource_metadata="{where}"'
    for path, name in ((METADATA, "/mcp"), (f"{METADATA}/mcp", "/mcp"), (f"{METADATA}/mcp/app", "/mcp/app")):
        told = Web(served.http_port).ask("GET", path)
        assert told.status == 200 and told.json["resource"] == f"http://127.0.0.1:{served.http_port}{name}"
        assert told.json["authorization_servers"] == ["https://login.example"]


def test_wrong_ones(served, alice):
    secret = served.passwords["alice"]
    for value in ("Bearer", "Bearer ", "Bearer !!!", "Bearer " + "A" * 4000, bearer("alice", ""), bearer("", secret),
                  bearer("alice", secret + "x"), bearer("nobody", secret), bearer("Alice", secret),
                  bearer("alice\0", secret), f"Bearer {secret}", f"Bearer {served.kim.token}",
                  bearer("kim", served.kim.token), "Digest x", "Basic YTpi"):
        alice.authorization = value
        a = alice.ask("POST", body={}, headers={"Connection": "close"})
        assert a.status in (401, 429), value
        assert secret not in a.text
    alice.authorization = "Basic " + base64.b64encode(f"alice:{secret}".encode()).decode()
    assert alice.request("tools/list").status == 200


def test_the_value_that_agents_add_shows(served):
    shown = [json.loads(served.cli(*args, "--json").stdout) for args in (
        ("agents", "add", "shown", "--database", "app"), ("agents", "token", "shown", "--ttl", "5m"),
        ("agents", "rotate", "shown", "--overlap", "1h"))]
    for one in shown:
        w = Web(served.http_port)
        w.authorization = f"Bearer {one['bearer']}"
        assert w.request("tools/list").status == 200
        assert one["bearer"] == bearer("shown", one["password"]).split()[1]
    text = served.cli("agents", "token", "shown").stdout
    w.authorization = "Bearer " + next(line.split()[1] for line in text.splitlines() if line.startswith("bearer:"))
    assert w.request("tools/list").status == 200


def test_guessing(served):
    port, secret = served.http_port, served.passwords["alice"]

    def ask(value):
        c = http.client.HTTPConnection("127.0.0.1", port, source_address=("127.0.0.9", 0), timeout=60)
        c.request("POST", "/mcp", body="{}", headers={"Authorization": value, "Content-Type": "application/json"})
        a = c.getresponse()
        return a.status, a.headers["Retry-After"]

    assert ask(bearer("alice", secret))[0] == 400  # let in; the message is none
    seen = [ask(bearer("alice", f"guess{n}")) for n in range(14)]
    assert seen[0][0] == 401 and seen[-1][0] == 429 and int(seen[-1][1]) >= 1
    assert ask(bearer("alice", secret))[0] == 400  # whose connection is open, it is not asked again
    assert ask(bearer("both", served.passwords["both"]))[0] == 429
    assert Web(port, "alice", secret).request("tools/list").status == 200  # from elsewhere


def test_operators_and_agents_do_not_mix(served, alice):
    status, _ = served.kim.ask("GET", "/v1/tickets", token=alice.authorization.split()[1])
    assert status == 401
    for path in ("/v1/tickets", "/v1/session", "/console/", "/metrics"):
        assert alice.ask("GET", path).status == 404


def test_its_databases(served):
    both = agent(served, "two", "app", "other")
    assert both.request("tools/list").status == 400
    for path, status in (("/mcp/app", 200), ("/mcp/other", 200), ("/mcp/none", 404), ("/mcp/app/x", 404), ("/mcp/", 404)):
        both.path = path
        assert both.request("tools/list").status == status, path
    both.path = "/mcp/app"
    assert rows(both.tool("backstop_query", {"sql": "SELECT 1", "database": "app"})) == [[1]]
    elsewhere = both.tool("backstop_query", {"sql": "SELECT 1", "database": "other"})["structuredContent"]
    assert elsewhere["status"] == "failed" and "rows" not in elsewhere  # that has a path of its own
    one = Web(served.http_port, "alice", served.passwords["alice"], "/mcp/other")
    assert one.request("tools/list").status == 403


# --- the gateway's door ------------------------------------------------------------------------


def test_it_is_judged_and_recorded_where_it_comes_from(served):
    fixed = agent(served, "fixed")
    assert rows(fixed.tool("backstop_query", {"sql": "SELECT 1"})) == [[1]]
    opened = wait_until(lambda: records(served, kind="session_open", actor="fixed", outcome="done"))
    assert opened[-1]["client"].startswith("127.0.0.1:")
    detail = opened[-1]["detail"]
    assert (json.loads(detail) if isinstance(detail, str) else detail)["via"] == "mcp"

    def status(source):
        c = http.client.HTTPConnection("127.0.0.1", served.http_port, source_address=(source, 0), timeout=60)
        return fixed.request("tools/list", connection=c).status

    assert status("127.0.0.5") == 200
    served.cli("agents", "set", "fixed", "--address", "127.0.0.1")
    assert status("127.0.0.6") == 401
    assert status("127.0.0.1") == 200
    assert wait_until(lambda: records(served, kind="session_open", actor="fixed", outcome="refused"))


def test_nobody_else_comes_in_that_way(served):
    for option in ("x", "0" * 64):
        with pytest.raises(psycopg.OperationalError, match="backstop.via"):
            served.connect(options=f"-c backstop.via={option}")


def test_a_revoked_agent_is_out(served):
    gone = agent(served, "gone")
    gone.initialize()
    assert rows(gone.tool("backstop_query", {"sql": "SELECT 1"})) == [[1]]
    served.cli("agents", "revoke", "gone")
    wait_until(lambda: gone.post("ping").status == 401, seconds=20, every=0.2)
    assert gone.post("tools/list").status == 401


def test_the_stream_of_a_revoked_agent_ends(served):
    gone = agent(served, "mute")
    gone.initialize()
    stream = gone.ask("GET", headers={"Mcp-Session-Id": gone.session})
    served.cli("agents", "revoke", "mute")
    assert list(stream.events()) == []


def test_the_stream_of_a_revoked_token_ends(served):
    served.add_agent("lent", "app")
    lent = json.loads(served.cli("agents", "token", "lent", "--ttl", "10m", "--json").stdout)
    own, w = (Web(served.http_port, "lent", p) for p in (served.passwords["lent"], lent["password"]))
    streams = []
    for one in (own, w):
        one.initialize()
        streams.append(one.ask("GET", headers={"Mcp-Session-Id": one.session}))
    served.cli("agents", "revoke", "lent", "--token", lent["token"])
    begun = time.monotonic()
    assert list(streams[1].events()) == []
    assert time.monotonic() - begun < 12  # not when next asked, or in half a minute
    assert own.post("ping").status == 200 and w.post("ping").status == 401


def test_another_password_is_another_credential(served):
    w = agent(served, "turned")
    w.initialize()
    out = json.loads(served.cli("agents", "rotate", "turned", "--overlap", "1h", "--json").stdout)
    new = Web(served.http_port, "turned", out["password"])
    new.session = w.session
    assert new.post("ping").status == 404
    assert w.post("ping").status == 200


def test_a_stolen_session(served, alice):
    alice.initialize()
    thief = agent(served, "thief")
    thief.session = alice.session
    assert thief.post("ping").status == 404
    assert thief.ask("DELETE", headers={"Mcp-Session-Id": alice.session}).status == 404
    assert thief.ask("GET", headers={"Mcp-Session-Id": alice.session}).status == 404
    assert alice.post("ping").status == 200
    alice.session = "0" * 64
    assert alice.post("ping").status == 404
    alice.session = None
    assert alice.post("ping").status == 400


def test_an_agent_has_so_many_sessions(served):
    w = agent(served, "many")
    w.initialize()
    first = w.session
    for _ in range(64):
        w.session = None
        w.post("initialize", {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}})
    w.session = first
    assert w.post("ping").status == 404


def test_who_goes_away_ends_what_runs(served, alice):
    c = alice.connect()
    params = {"name": "backstop_query", "arguments": {"sql": "SELECT 'gone away', pg_sleep(60)"}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        **params, "_meta": {"io.modelcontextprotocol/protocolVersion": MODERN,
                            "io.modelcontextprotocol/clientCapabilities": {}}}})
    c.request("POST", "/mcp", body=body, headers={
        "Authorization": alice.authorization, "Content-Type": "application/json", "MCP-Protocol-Version": MODERN,
        "Mcp-Method": "tools/call", "Mcp-Name": "backstop_query", "Accept": "application/json, text/event-stream"})

    def running_now():
        with served.pg.admin() as a:
            return a.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%gone away%' AND state = 'active' "
                             "AND pid <> pg_backend_pid()").fetchone()[0]

    wait_until(running_now, seconds=30)
    c.close()
    wait_until(lambda: not running_now(), seconds=30)


def test_it_is_quick_to_stop(pg):
    g = with_http(pg)
    g.add_agent("alice", "app")
    with running(g):
        w = Web(g.http_port, "alice", g.passwords["alice"])
        w.initialize()
        stream = w.ask("GET", headers={"Mcp-Session-Id": w.session})
        assert stream.status == 200
        begun = time.monotonic()
        assert g.stop() == 0
        assert time.monotonic() - begun < 30
