"""`backstop mcp` over raw lines: how it is spoken to, and what it answers to what no client would send."""

import contextlib
import json
import os
import signal
import time

import pytest

from conftest import Gateway, running, wait_until
from lines import LEGACY, MODERN, Lines, envelope
from operator_side import Operator

SHOP = """
DROP SCHEMA IF EXISTS shop CASCADE;
CREATE SCHEMA shop AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE shop.things (id int PRIMARY KEY, name text NOT NULL);
COMMENT ON TABLE shop.things IS 'what is sold';
CREATE TABLE shop.parts (id int PRIMARY KEY, thing int REFERENCES shop.things ON DELETE CASCADE);
INSERT INTO shop.things SELECT n, 'thing ' || n FROM generate_series(1, 1000) n;
"""


@pytest.fixture(scope="module")
def site(pg):
    with pg.admin() as c:
        c.execute(SHOP)
    g = Gateway(pg, tls=False, extra={"hold": {"wait": "1s", "notice": "10s"}})
    g.operator = Operator(g)
    with running(g, "robot") as g:
        yield g
    with pg.admin() as c:
        c.execute("DROP SCHEMA shop CASCADE")


def dsn(gateway):
    return (f"host=127.0.0.1 port={gateway.port} dbname=app user=robot "
            f"password={gateway.passwords['robot']}")


@contextlib.contextmanager
def served(gateway, *args, dsn=dsn, **more):
    s = Lines(dsn if isinstance(dsn, str) else dsn(gateway), *args, **more)
    try:
        yield s
        assert s.stop() == 0, "".join(s.errors)
        assert "Sanitizer" not in "".join(s.errors) and "runtime error" not in "".join(s.errors)
    finally:
        if s.process.poll() is None:
            s.process.kill()
            s.process.wait()


@pytest.fixture(scope="module")
def legacy(site):
    with served(site) as s:
        s.initialize()
        yield s


@pytest.fixture(scope="module")
def modern(site):
    with served(site, modern=True) as s:
        yield s


both = pytest.mark.parametrize("how", ["legacy", "modern"])


def test_initialize_agrees_on_a_revision(site):
    for asked, agreed in ((LEGACY, LEGACY), ("2025-06-18", "2025-06-18"), ("1999-01-01", LEGACY)):
        with served(site) as s:
            result = s.initialize(asked)
            assert result["protocolVersion"] == agreed
            assert result["serverInfo"]["name"] == "backstop"
            assert s.ask("ping")["result"] == {}
            again = s.ask("initialize", {"protocolVersion": asked, "capabilities": {}})
            assert again["error"]["code"] == -32600


def test_discover(modern):
    result = modern.ask("server/discover")["result"]
    assert result["supportedVersions"][:2] == [MODERN, LEGACY]
    assert result["resultType"] == "complete"
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "backstop"
    assert result["capabilities"]["extensions"] == {"io.modelcontextprotocol/tasks": {}}
    assert "error" in modern.ask("ping")  # of the other revision


@both
def test_lists(how, request):
    s = request.getfixturevalue(how)
    tools = s.ask("tools/list")["result"]
    names = {tool["name"]: tool for tool in tools["tools"]}
    assert set(names) == {"backstop_query", "backstop_explain", "backstop_schema", "backstop_ticket",
                          "backstop_run_approved", "backstop_recovery_points", "backstop_status"}
    assert ("ttlMs" in tools) == (how == "modern")
    for name, tool in names.items():
        writes = name in ("backstop_query", "backstop_run_approved")
        assert tool["annotations"]["readOnlyHint"] is not writes
        assert tool["annotations"].get("destructiveHint", False) is writes
        assert tool["inputSchema"]["additionalProperties"] is False
    assert [p["name"] for p in s.ask("prompts/list")["result"]["prompts"]] == [
        "safe_migration", "safe_cleanup", "finish_ticket"]
    uris = [r["uri"] for r in s.ask("resources/list")["result"]["resources"]]
    assert uris[:2] == ["backstop://schema", "backstop://status"]
    assert "backstop://schema/shop/things" in uris


def test_no_tool_decides(modern):
    """An agent's side has no way to approve, deny, pause or resume, whatever it is called."""
    for word in ("approve", "deny", "pause", "resume", "backstop_approve", "backstop_deny"):
        assert modern.ask("tools/call", {"name": word, "arguments": {}})["error"]["code"] == -32602
        assert modern.ask(word)["error"]["code"] == -32601


@both
def test_a_query(how, request):
    s = request.getfixturevalue(how)
    answer = s.query("SELECT $1::int AS a, 'x' AS b, NULL AS c, 9007199254740993 AS d, $2::numeric AS e, "
                     "$3::bool AS f, 0.5::float8 AS g", 41, 1.10, True)
    assert answer["status"] == "completed"
    assert answer["columns"][0] == {"name": "a", "type": "integer"}
    assert answer["rows"] == [[41, "x", None, "9007199254740993", "1.1", True, 0.5]]


def test_the_text_of_a_query(legacy):
    result = legacy.call("backstop_query", sql="SELECT id, name || E'\\n' AS name FROM shop.things WHERE id < 3")
    assert result["content"][0]["text"] == "id | name\n1 | thing 1\\n\n2 | thing 2\\n\n(2 rows)"


def test_pages_are_of_one_snapshot(legacy, pg):
    first = legacy.query("SELECT id FROM shop.things ORDER BY id", max_rows=10)
    assert [row[0] for row in first["rows"]] == list(range(1, 11))
    with pg.admin() as c:
        c.execute("DELETE FROM shop.things WHERE id BETWEEN 900 AND 1000")
    rows, cursor = [], first["cursor"]
    while cursor:
        page = legacy.call("backstop_query", cursor=cursor, max_rows=333)["structuredContent"]
        rows += page["rows"]
        used, cursor = cursor, page.get("cursor")
    assert [row[0] for row in rows] == list(range(11, 1001))
    gone = legacy.call("backstop_query", cursor=used)
    assert gone["isError"] and gone["structuredContent"]["error"]["sqlstate"] == "34000"
    with pg.admin() as c:
        c.execute("INSERT INTO shop.things SELECT n, 'thing ' || n FROM generate_series(900, 1000) n")


def test_no_more_than_a_few_cursors(legacy):
    cursors = [legacy.query("SELECT id FROM shop.things", max_rows=1)["cursor"] for _ in range(6)]
    open_ones = [c for c in cursors if not legacy.call("backstop_query", cursor=c, max_rows=1)["isError"]]
    assert open_ones == cursors[2:]


def test_a_cursor_is_of_its_own_process(site, legacy):
    cursor = legacy.query("SELECT id FROM shop.things", max_rows=1)["cursor"]
    with served(site, modern=True) as other:
        assert other.call("backstop_query", cursor=cursor)["isError"]


def test_limits_of_a_page(legacy):
    assert legacy.query("SELECT * FROM generate_series(1, 1000)")["row_count"] == 200
    wide = legacy.query("SELECT repeat('x', 5000) FROM generate_series(1, 1000)")
    assert 5 < wide["row_count"] < 20 and "cursor" in wide
    long = legacy.query("SELECT repeat('ä', 100000)")
    assert len(long["rows"][0][0]) == 4096 and long["cut_values"] == 1


@pytest.mark.parametrize("args, wrong", [
    ({}, "give sql"),
    ({"sql": "SELECT 1", "cursor": "x"}, "give sql"),
    ({"sql": 5}, '"sql" must be of type string'),
    ({"sql": ""}, '"sql" is too long, or empty'),
    ({"sql": "SELECT 1", "max_rows": 5001}, '"max_rows" is out of its range'),
    ({"sql": "SELECT 1", "max_rows": 1.5}, '"max_rows" must be of type integer'),
    ({"sql": "SELECT 1", "params": {}}, '"params" must be of type array'),
    ({"sql": "SELECT 1", "approve": True}, 'there is no argument "approve"'),
])
def test_arguments_that_do_not_fit(legacy, args, wrong):
    result = legacy.call("backstop_query", **args)
    assert result["isError"] and result["structuredContent"]["error"]["message"].startswith(wrong)


def test_errors_of_the_server(legacy):
    result = legacy.call("backstop_query", sql="SELECT nme FROM shop.things")
    assert result["isError"]
    error = result["structuredContent"]["error"]
    assert (error["sqlstate"], error["position"]) == ("42703", 8)
    assert error["hint"].startswith("Perhaps you meant")
    for sql, state in (("SELECT 1; SELECT 2", "42601"), ("COPY shop.things TO STDOUT", "0A000"),
                       ("SELECT 1/0", "22012"), ("SELECT 1 FROM nowhere", "42P01")):
        assert legacy.query(sql)["error"]["sqlstate"] == state
    assert legacy.query("SELECT 1")["status"] == "completed"


def test_nothing_of_a_session_is_left_for_the_next_call(legacy):
    backend = "SELECT pg_backend_pid()"
    legacy.query("SET search_path = shop")
    assert legacy.query("SHOW search_path")["rows"] == [['"$user", public']]
    pid = legacy.query(backend)["rows"]
    assert "rolled back" in legacy.call("backstop_query", sql="BEGIN")["content"][0]["text"]
    assert legacy.query("SELECT set_config('search_path', 'shop', false)")["status"] == "completed"
    assert legacy.query("SHOW search_path")["rows"] == [['"$user", public']]
    legacy.query("PREPARE mine AS SELECT 1")
    assert legacy.query("EXECUTE mine")["error"]["sqlstate"] == "26000"
    assert legacy.query(backend)["rows"] == pid  # all on one connection


def test_notices_of_the_cleaning_up_are_nobody_s(legacy):
    """DISCARD ALL says something here, when the statement's answer has been made."""
    for _ in range(5):
        assert legacy.query("SET client_min_messages = debug5")["status"] == "completed"
        assert "notices" not in legacy.query("SELECT 1")


def test_the_schema(legacy):
    tables = legacy.call("backstop_schema", schema="shop")["structuredContent"]["tables"]
    assert [t["name"] for t in tables] == ["parts", "things"]
    assert tables[1]["comment"] == "what is sold" and tables[1]["bytes"] > 0
    page = legacy.call("backstop_schema", schema="shop", limit=1)["structuredContent"]
    assert (len(page["tables"]), page["next_offset"]) == (1, 1)
    assert len(legacy.call("backstop_schema", search="THING")["structuredContent"]["tables"]) == 1
    things = legacy.call("backstop_schema", table="shop.things")["structuredContent"]["table"]
    assert [c["type"] for c in things["columns"]] == ["integer", "text"]
    assert things["constraints"][0]["definition"] == "PRIMARY KEY (id)"
    assert things["referenced_by"][0]["table"] == "parts"
    assert legacy.call("backstop_schema", table="nowhere")["isError"]


@both
def test_resources(how, request):
    s = request.getfixturevalue(how)
    content = s.ask("resources/read", {"uri": "backstop://schema/shop/things"})["result"]["contents"][0]
    assert json.loads(content["text"])["table"]["name"] == "things"
    missing = -32602 if how == "modern" else -32002
    for uri in ("backstop://nowhere", "file:///etc/passwd", "backstop://schema/shop", "backstop://schema/%00/x",
                "backstop://schema/a/%zz"):
        assert s.ask("resources/read", {"uri": uri})["error"]["code"] == missing, uri
    assert s.ask("resources/list", {"cursor": "x"})["error"]["code"] == -32602


def test_prompts(legacy):
    text = legacy.ask("prompts/get", {"name": "safe_cleanup", "arguments": {"what": "old {{things}}"}})
    assert "old {{things}}\n" in text["result"]["messages"][0]["content"]["text"]
    for params in ({"name": "nothing"}, {"name": "safe_cleanup"}, {},
                   {"name": "safe_cleanup", "arguments": {"what": 5}}):
        assert legacy.ask("prompts/get", params)["error"]["code"] == -32602


def rows(pg):
    with pg.admin() as c:
        return c.execute("SELECT count(*) FROM shop.things").fetchone()[0]


@both
def test_a_write_is_held(how, request, site, pg):
    s = request.getfixturevalue(how)
    result = s.call("backstop_query", sql="DELETE FROM shop.things WHERE id = $1", params=[7],
                    purpose="it's a test */")
    answer = result["structuredContent"]
    assert not result["isError"]
    assert answer["status"] == "pending_approval"
    assert answer["ticket"].startswith("T-") and "backstop_run_approved" in answer["next"]
    assert rows(pg) == 1000
    _, ticket = site.operator.ask("GET", f"/v1/tickets/{answer['ticket']}")
    assert "it's a test */" in json.dumps(ticket)
    site.operator.decide(answer["ticket"], "deny")
    again = s.query("DELETE FROM shop.things WHERE id = $1", 7)
    assert again["status"] in ("refused", "pending_approval")
    assert rows(pg) == 1000


def test_progress_and_cancellation(legacy):
    began = time.monotonic()
    n = legacy.begin("tools/call", {"name": "backstop_query", "arguments": {"sql": "SELECT pg_sleep(100)"}},
                     meta={"progressToken": "tok"})
    note = wait_until(lambda: legacy.next(), 30)
    assert note["method"] == "notifications/progress"
    assert (note["params"]["progressToken"], note["params"]["progress"]) == ("tok", 1)
    legacy.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": n}})
    answer = legacy.ask("ping")  # and nothing about the cancelled one
    assert answer["result"] == {}
    assert legacy.query("SELECT 1")["status"] == "completed"
    assert time.monotonic() - began < 60
    assert not any(a.get("id") == n for a in legacy.notes)


def test_requests_do_not_wait_for_each_other(legacy):
    slow = legacy.begin("tools/call", {"name": "backstop_query", "arguments": {"sql": "SELECT pg_sleep(2)"}})
    assert legacy.query("SELECT 1")["status"] == "completed"
    assert legacy.answer(slow)["result"]["structuredContent"]["status"] == "completed"


def test_notices_are_logged_for_who_wants_that(legacy, site):
    assert legacy.ask("logging/setLevel", {"level": "loud"})["error"]["code"] == -32602
    assert legacy.ask("logging/setLevel", {"level": "info"})["result"] == {}
    legacy.notes.clear()
    answer = legacy.query("ROLLBACK")
    assert answer["notices"] == ["there is no transaction in progress"]
    assert legacy.notes[0]["params"]["data"] == "there is no transaction in progress"
    legacy.ask("logging/setLevel", {"level": "error"})
    legacy.notes.clear()
    legacy.query("ROLLBACK")
    assert legacy.notes == []


def test_an_unknown_revision_is_told_which_there_are(site):
    with served(site) as s:
        s.send({"jsonrpc": "2.0", "id": "a", "method": "tools/list",
                "params": {"_meta": envelope(version="2031-01-01")}})
        error = s.next()["error"]
        assert error["code"] == -32022
        assert error["data"]["requested"] == "2031-01-01"
        assert error["data"]["supported"][:2] == [MODERN, LEGACY]
        s.send({"jsonrpc": "2.0", "id": "b", "method": "tools/list"})
        assert s.next()["error"]["code"] == -32602
        s.send({"jsonrpc": "2.0", "id": "c", "method": "tools/list", "params": {"_meta": {
            "io.modelcontextprotocol/protocolVersion": MODERN}}})
        assert s.next()["error"]["code"] == -32602
        s.initialize()  # and may still shake hands


DEEP = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + b'{"a":' * 80 + b"1" + b"}" * 80 + b"}"


@pytest.mark.parametrize("line, code", [
    (b"nonsense", -32700),
    (b"{", -32700),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping"} x', -32700),
    (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', -32700),
    (b'{"jsonrpc":"2.0","id":1,"method":"p\xff\xfeng"}', -32700),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\\ud800"}}', -32700),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\\u0000"}}', -32700),
    (b'{"jsonrpc":"2.0","id":99999999999999999999999,"method":"ping"}', -32700),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":1e999}}', -32700),
    (DEEP, -32700),
    (b"[" * 100000, -32700),
    (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600),
    (b"[]", -32600),
    (b'"ping"', -32700),  # no object, no array: not a document for the reader
    (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600),
    (b'{"id":1,"method":"ping"}', -32600),
    (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600),
    (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
    (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600),
    (b'{"jsonrpc":"2.0","id":1,"method":5}', -32600),
    (b'{"jsonrpc":"2.0","id":1}', -32600),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}', -32600),
    (b'{"jsonrpc":"2.0","id":1,"method":"' + b"x" * 5000 + b'"}', -32601),
])
def test_hostile_lines(site, line, code):
    with served(site) as s:
        s.raw(line + b"\n")
        assert s.next()["error"]["code"] == code
        assert s.ask("ping")["result"] == {}  # and it goes on


def test_lines_that_are_answered_with_nothing(site):
    with served(site) as s:
        s.raw(b"\n\r\n  \n"[:3])
        for line in (b'{"jsonrpc":"2.0","method":"notifications/nothing"}',
                     b'{"jsonrpc":"2.0","id":"backstop-1","result":{}}',
                     b'{"jsonrpc":"2.0","id":5,"error":{"code":1,"message":"x"}}',
                     b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":77}}',
                     b'{"jsonrpc":"2.0","method":"notifications/cancelled"}'):
            s.raw(line + b"\r\n")
        s.n = 100
        assert s.ask("ping")["id"] == 101
        assert s.notes == []


def test_a_line_that_is_too_long(site):
    with served(site) as s:
        s.raw(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"')
        for _ in range(9):
            s.raw(b"x" * (1 << 20))
        s.raw(b'"}}\n')
        assert s.next()["error"]["code"] == -32700
        assert s.ask("ping")["result"] == {}


def test_an_id_that_is_in_use(legacy):
    n = legacy.begin("tools/call", {"name": "backstop_query", "arguments": {"sql": "SELECT pg_sleep(3)"}})
    legacy.send({"jsonrpc": "2.0", "id": n, "method": "tools/list"})
    assert legacy.answer(n)["error"]["code"] == -32600
    assert legacy.answer(n)["result"]["structuredContent"]["status"] == "completed"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, None])
def test_it_ends_cleanly_while_something_runs(site, pg, how):
    with served(site) as s:
        s.initialize()
        s.begin("tools/call", {"name": "backstop_query", "arguments": {"sql": "SELECT pg_sleep(99)"}})
        sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(99)%'"
        with pg.admin() as c:
            wait_until(lambda: c.execute(sleeping).fetchone()[0] == 1, 20)
            if how is None:
                s.process.stdin.close()
            else:
                s.process.send_signal(how)
            assert s.process.wait(20) == 0
            wait_until(lambda: c.execute(sleeping).fetchone()[0] == 0, 20)


def test_the_password_is_never_said(site):
    s = Lines(dsn(site).replace("password=", "password=wrong"))
    try:
        s.initialize()
        result = s.call("backstop_query", sql="SELECT 1")
        assert result["isError"] and result["structuredContent"]["error"]["sqlstate"] == "28P01"
        assert site.passwords["robot"] not in json.dumps(result)
        assert s.stop() == 0
        assert site.passwords["robot"] not in "".join(s.errors)
    finally:
        s.process.kill()
        s.process.wait()


def test_a_password_from_elsewhere(site, tmp_path):
    file = tmp_path / "password"
    file.write_text(site.passwords["robot"] + "\n")
    bare = dsn(site).split(" password=")[0]
    for source in (f"file:{file}", f"command:/bin/cat {file}", "env:MINE"):
        with served(site, "--password", source, dsn=bare, env={**os.environ, "MINE": site.passwords["robot"]}) as s:
            s.initialize()
            assert s.query("SELECT 1")["status"] == "completed"
    for source in ("env:NOBODY", f"file:{file}x", "command:/bin/false", site.passwords["robot"]):
        s = Lines(bare, "--password", source)
        assert s.process.wait(20) in (64, 65, 78)
        assert site.passwords["robot"] not in "".join(s.errors)


TASKS = {"extensions": {"io.modelcontextprotocol/tasks": {}}}


def test_tasks_are_for_who_declares_them(modern, site):
    for method in ("tasks/get", "tasks/update", "tasks/cancel"):
        error = modern.ask(method, {"taskId": "x"})["error"]
        assert (error["code"], error["data"]) == (-32021, {"requiredCapabilities": TASKS})
    assert modern.ask("subscriptions/listen", {"notifications": {"taskIds": []}})["error"]["code"] == -32021
    with served(site, modern=True, capabilities=TASKS) as s:
        for method in ("tasks/get", "tasks/update", "tasks/cancel"):
            assert s.ask(method, {"taskId": "x"})["error"]["code"] == -32602


@pytest.mark.parametrize("what", ["approve", "deny"])
def test_what_is_held_becomes_a_task(site, pg, what):
    number = 601 if what == "approve" else 602
    before = rows(pg)
    with served(site, modern=True, capabilities=TASKS) as s:
        task = s.ask("tools/call", {"name": "backstop_query", "arguments": {
            "sql": f"DELETE FROM shop.things WHERE id = {number}"}})["result"]
        assert (task["resultType"], task["status"]) == ("task", "working")
        listening = s.begin("subscriptions/listen", {"notifications": {
            "taskIds": [task["taskId"], "nothing"], "toolsListChanged": True}})
        acknowledged, first = s.next(), s.next()
        assert acknowledged["method"] == "notifications/subscriptions/acknowledged"
        assert acknowledged["params"]["notifications"] == {"taskIds": [task["taskId"]]}
        assert first["params"]["status"] == "working"
        site.operator.decide(task["statusMessage"].split()[-1], what)
        told = s.next()
        assert told["params"]["_meta"] == {"io.modelcontextprotocol/subscriptionId": listening}
        assert (told["method"], told["params"]["status"]) == ("notifications/tasks", "completed")
        got = s.ask("tasks/get", {"taskId": task["taskId"]})["result"]
        assert got["resultType"] == "complete" and got["result"] == told["params"]["result"]
        status = got["result"]["structuredContent"]["status"]
        assert status == ("completed" if what == "approve" else "refused")
    assert rows(pg) == before - (what == "approve")


def test_a_task_can_be_cancelled_and_its_ticket_stays(site, pg):
    with served(site, modern=True, capabilities=TASKS) as s:
        task = s.ask("tools/call", {"name": "backstop_query", "arguments": {
            "sql": "DELETE FROM shop.things WHERE id = 611"}})["result"]
        assert s.ask("tasks/cancel", {"taskId": task["taskId"]})["result"]["resultType"] == "complete"
        wait_until(lambda: s.ask("tasks/get", {"taskId": task["taskId"]})["result"]["status"] == "cancelled")
        ticket = task["statusMessage"].split()[-1]
        site.operator.decide(ticket, "approve")
        time.sleep(0.5)
        with pg.admin() as c:
            assert c.execute("SELECT count(*) FROM shop.things WHERE id = 611").fetchone() == (1,)
        ran = s.call("backstop_run_approved", ticket=ticket)["structuredContent"]
        assert (ran["status"], ran["command"]) == ("completed", "DELETE 1")


def test_a_statement_that_is_not_remembered_is_given_again(site, pg):
    sql, params = "DELETE FROM shop.things WHERE id = $1", [621]
    with served(site) as s:
        s.initialize()
        ticket = s.query(sql, *params)["ticket"]
    site.operator.decide(ticket, "approve")
    with served(site) as s:
        s.initialize()
        result = s.call("backstop_run_approved", ticket=ticket)
        assert result["isError"] and "sql and params" in result["structuredContent"]["error"]["hint"]
        other = s.call("backstop_run_approved", ticket=ticket, sql=sql, params=[622])["structuredContent"]
        assert other["status"] == "pending_approval" and other["ticket"] != ticket
        site.operator.decide(other["ticket"], "deny")
        ran = s.call("backstop_run_approved", ticket=ticket, sql=sql, params=params)["structuredContent"]
        assert ran["command"] == "DELETE 1"


def test_tickets_of_others_are_not_there(legacy, site):
    for ticket in ("T-01ARZ3NDEKTSV4RRFFQ69G5FAV", "nonsense", 'x"; SELECT 1; --'):
        for tool in ("backstop_ticket", "backstop_run_approved"):
            assert legacy.call(tool, ticket=ticket)["structuredContent"]["error"]["sqlstate"] == "42704"


def test_a_wait_ends_when_it_is_cancelled(legacy, site):
    ticket = legacy.query("DELETE FROM shop.things WHERE id = 631")["ticket"]
    began = time.monotonic()
    answer = legacy.call("backstop_ticket", ticket=ticket, wait=1)["structuredContent"]
    assert answer["state"] == "pending" and 0.9 < time.monotonic() - began < 20
    n = legacy.begin("tools/call", {"name": "backstop_ticket", "arguments": {"ticket": ticket, "wait": 300}})
    time.sleep(0.5)
    legacy.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": n}})
    site.operator.decide(ticket, "deny")
    assert legacy.call("backstop_ticket", ticket=ticket)["structuredContent"]["state"] == "denied"
    assert not any(a.get("id") == n for a in legacy.notes)


def test_a_connection_that_is_lost_under_a_cursor(site, pg):
    with served(site) as s:
        s.initialize()
        cursor = s.query("SELECT n, repeat('x', 2000) FROM generate_series(1, 100000) n", max_rows=1)["cursor"]
        with pg.admin() as c:
            c.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT n, repeat%'"
                      " AND pid <> pg_backend_pid()")
        states = set()
        while cursor:
            page = s.call("backstop_query", cursor=cursor, max_rows=5000)["structuredContent"]
            states.add(page["status"])
            cursor = page.get("cursor")
        assert "failed" in states
        assert s.query("SELECT 1")["status"] == "completed"
