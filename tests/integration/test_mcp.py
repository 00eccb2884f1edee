"""PostgreSQL MCP servers of others, unchanged, with the gateway where they expect a database.

Which, and in which version, is in node/package.json; npm puts them into .cache/node-*. One may only
read, and is known for not keeping that promise: its READ ONLY transaction ends with a COMMIT that
the model sends. The other writes.
"""

import json
import queue
import subprocess
import threading

import pytest

from conftest import Gateway, running
from operator_side import Operator

READER = "node_modules/@modelcontextprotocol/server-postgres/dist/index.js"
WRITER = "node_modules/mcp-postgres-full-access/dist/index.js"
SECONDS = 30


class Mcp:
    """A client of one MCP server: JSON-RPC, a line a message, over its standard streams."""

    def __init__(self, program, url):
        self.process = subprocess.Popen(["node", program, url], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.answers = queue.Queue()
        self.n = 0
        threading.Thread(target=self._read, daemon=True).start()
        self.server = self.ask("initialize", {
            "protocolVersion": "2024-11-05", "capabilities": {},
            "clientInfo": {"name": "backstop-tests", "version": "1"}})["result"]
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def _read(self):
        for line in self.process.stdout:
            self.answers.put(json.loads(line))

    def _send(self, message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def ask(self, method, params=None):
        self.n += 1
        self._send({"jsonrpc": "2.0", "id": self.n, "method": method, "params": params or {}})
        while True:
            answer = self.answers.get(timeout=SECONDS)
            if answer.get("id") == self.n:
                return answer

    def call(self, tool, **arguments):
        """(went well, text), whichever way the server tells of an error."""
        answer = self.ask("tools/call", {"name": tool, "arguments": arguments})
        if "error" in answer:
            return False, answer["error"]["message"]
        result = answer["result"]
        return not result.get("isError"), result["content"][0].get("text", "")

    def tools(self):
        return {tool["name"] for tool in self.ask("tools/list")["result"]["tools"]}

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


SHOP = """
CREATE SCHEMA public AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE orders (id int PRIMARY KEY, status text);
CREATE TABLE customers (id int PRIMARY KEY, name text);
INSERT INTO orders SELECT n, 'open' FROM generate_series(1, 100) n;
INSERT INTO customers SELECT n, 'c' || n FROM generate_series(1, 20) n;
"""


@pytest.fixture
def shop(pg):
    """A database of its own: one of these tests really destroys it."""
    with pg.admin("postgres") as c:
        c.execute("DROP DATABASE IF EXISTS mcp")
        c.execute("CREATE DATABASE mcp OWNER app_trust")
    with pg.admin("mcp") as c:
        c.execute("DROP SCHEMA public")
        c.execute(SHOP)
    yield pg
    with pg.admin("postgres") as c:
        c.execute("DROP DATABASE mcp WITH (FORCE)")


def rows(pg, table):
    """None where the table is gone."""
    with pg.admin("mcp") as c:
        if c.execute("SELECT to_regclass(%s)", [f"public.{table}"]).fetchone()[0] is None:
            return None
        return c.execute(f"SELECT count(*) FROM public.{table}").fetchone()[0]


class Site:
    def __init__(self, pg, packages, wait):
        def conninfo(role):
            return pg.conninfo(role).replace("dbname=app", "dbname=mcp")

        self.pg, self.packages = pg, packages
        self.gateway = Gateway(pg, {"mcp": conninfo("app_trust")},
                               extra={"hold": {"wait": wait, "notice": "10s"}})
        config = json.loads(self.gateway.config.read_text())
        config["databases"]["mcp"]["helper"] = conninfo("backstop")
        self.gateway.config.write_text(json.dumps(config))
        self.operator = Operator(self.gateway)
        self.servers = []

    def server(self, program):
        """Started as its readme says, with a URL; only the URL is the gateway's."""
        url = f"postgresql://robot:{self.gateway.passwords['robot']}@127.0.0.1:{self.gateway.port}/mcp"
        self.servers.append(Mcp(self.packages / program, url))
        return self.servers[-1]


@pytest.fixture
def wait():
    return "20s"


@pytest.fixture
def site(shop, packages, wait):
    s = Site(shop, packages, wait)
    with running(s.gateway, "robot"):
        try:
            yield s
        finally:
            for server in s.servers:
                server.stop()


def test_reading_works(site):
    mcp = site.server(READER)
    assert mcp.server["protocolVersion"] == "2024-11-05"
    assert mcp.tools() == {"query"}
    ok, text = mcp.call("query", sql="SELECT status, count(*) AS n FROM orders GROUP BY status")
    assert ok, text
    assert json.loads(text) == [{"status": "open", "n": "100"}]
    found = {r["uri"].split("/")[-2]: r["uri"] for r in mcp.ask("resources/list")["result"]["resources"]}
    assert set(found) == {"orders", "customers"}
    columns = mcp.ask("resources/read", {"uri": found["orders"]})["result"]["contents"][0]["text"]
    assert [c["column_name"] for c in json.loads(columns)] == ["id", "status"]


BREAKOUT = "COMMIT; DROP SCHEMA public CASCADE"


def test_without_the_gateway_the_read_only_server_destroys(shop, packages):
    """So that the next test is about something."""
    mcp = Mcp(packages / READER, f"postgresql://app_trust@127.0.0.1:{shop.port}/mcp")
    try:
        mcp.call("query", sql=BREAKOUT)
    finally:
        mcp.stop()
    assert rows(shop, "orders") is None


@pytest.mark.parametrize("sql", [BREAKOUT, "COMMIT; DELETE FROM orders; BEGIN",
                                 "ROLLBACK; TRUNCATE orders, customers"])
def test_leaving_the_read_only_transaction_is_refused(site, sql):
    mcp = site.server(READER)
    ok, text = mcp.call("query", sql=sql)
    assert not ok
    assert "transaction control" in text
    assert (rows(site.pg, "orders"), rows(site.pg, "customers")) == (100, 20)
    assert mcp.call("query", sql="SELECT 1 AS one") == (True, '[\n  {\n    "one": 1\n  }\n]')


def test_a_delete_is_held_and_denied(site):
    mcp = site.server(READER)
    decider = site.operator.deciding("deny")
    ok, text = mcp.call("query", sql="DELETE FROM orders")
    ticket = decider.done()
    assert (ok, text) == (False, "denied by an operator")
    assert ticket["actor"] == "robot"
    assert rows(site.pg, "orders") == 100


@pytest.mark.parametrize("wait", ["1s"])
def test_a_delete_that_nobody_decides_on_names_its_ticket(site):
    """A tool's error is one text; the ticket has to be in it."""
    mcp = site.server(READER)
    ok, text = mcp.call("query", sql="DELETE FROM orders")
    ticket, = site.operator.tickets()
    assert not ok
    assert ticket["id"] in text
    assert rows(site.pg, "orders") == 100


def test_a_writing_server_has_to_ask_and_leaves_a_point(site):
    mcp = site.server(WRITER)
    assert {"execute_query", "execute_dml_ddl_dcl_tcl", "execute_commit"} <= mcp.tools()
    ok, text = mcp.call("describe_table", table_name="customers")
    assert ok and "primary_keys" in text
    decider = site.operator.deciding("approve")
    ok, text = mcp.call("execute_dml_ddl_dcl_tcl", sql="DROP TABLE customers")
    assert ok, text
    assert decider.done()["actor"] == "robot"
    transaction = json.loads(text.split("\n\n")[0])["transaction_id"]
    assert mcp.call("execute_commit", transaction_id=transaction)[0]
    assert rows(site.pg, "customers") is None
    points = json.loads(site.gateway.cli("points", "list", "--json").stdout)["points"]
    assert [(p["kind"], p["rows"], p["agent"]) for p in points] == [("DROP TABLE", 20, "robot")]
    assert site.gateway.cli("points", "verify", points[0]["point"]).returncode == 0


def test_a_writing_server_is_denied(site):
    mcp = site.server(WRITER)
    decider = site.operator.deciding("deny")
    ok, text = mcp.call("execute_dml_ddl_dcl_tcl", sql="TRUNCATE orders")
    decider.done()
    assert not ok
    assert "denied by an operator" in text
    assert rows(site.pg, "orders") == 100
