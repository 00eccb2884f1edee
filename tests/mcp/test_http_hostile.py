"""MCP over HTTP: requests that no client of ours would make."""

import http.client
import json
import os
import pathlib
import re
import socket
import threading
import time

import pytest
from conftest import Gateway, make_certificate, running, wait_until
from web import Web, bearer, raw, trusting, with_http

PER_ADDRESS = 6


@pytest.fixture(scope="module")
def served(pg):
    g = with_http(pg, agents_http={"request": "2s", "per_address": PER_ADDRESS, "session_idle": "2s",
                                   "origins": ["https://pages.example"], "url": "https://agents.example:8443"})
    g.add_agent("alice", "app")
    with running(g):
        yield g


@pytest.fixture
def alice(served):
    return Web(served.http_port, "alice", served.passwords["alice"])


def test_by_another_name(served, alice):
    port = served.http_port
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example", "", "[::1",
                 "localhost:80:80", 'localhost"', "169.254.169.254"):
        assert alice.request("tools/list", headers={"Host": host}).status in (400, 403), host
    for host in (f"localhost:{port}", f"[::1]:{port}", "127.0.0.1", "agents.example", "AGENTS.example:8443"):
        assert alice.request("tools/list", headers={"Host": host}).status == 200, host


def test_from_a_page(alice):
    for origin in ("http://evil.example", "null", "", "https://pages.example.evil.example", "file://", "http://agents.example",
                   "http://127.0.0.1.evil.example"):
        assert alice.request("tools/list", headers={"Origin": origin}).status == 403, origin
    for origin in ("https://pages.example", "http://localhost:3000", "https://agents.example:8443"):
        answer = alice.request("tools/list", headers={"Origin": origin})
        assert answer.status == 200, origin
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_bodies(alice):
    good = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    for body in (b"", b"{", b"[]", json.dumps([good]).encode(), b"null", b'"x"', b"\xff\xfe", b"{}",
                 b'{"jsonrpc":"1.0","id":1,"method":"ping"}', b'{"jsonrpc":"2.0","id":{},"method":"ping"}',
                 b"[" * 100000):
        answer = alice.ask("POST", body=body)
        assert answer.status == 400 and answer.json["error"]["code"] in (-32700, -32600), body[:40]
    assert alice.ask("POST", body=b'{"jsonrpc":"2.0","x":"' + b"x" * (5 << 20) + b'"}').status == 413
    assert alice.ask("POST", body=good, headers={"Content-Type": "text/plain"}).status == 415
    assert alice.ask("POST", body=good, headers={"Content-Type": "application/jsonx"}).status == 415
    assert alice.ask("POST", body=good, headers={"Accept": "text/html"}).status == 406


def test_what_a_stranger_sends_is_not_kept(served):
    assert Web(served.http_port).ask("POST", body=b"x" * (16 << 20)).status == 401
    before = rss(served)
    head = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000000\r\n\r\n"
    waiting = [connect_from("127.0.0.11", served.http_port) for _ in range(PER_ADDRESS)]
    for s in waiting:
        s.sendall(head + b"x" * 3_500_000)
    assert rss(served) - before < 10 << 20  # of 20 MB
    for s in waiting:
        s.close()


def test_a_huge_row_is_not_held_in_memory(served, alice):
    assert alice.tool("backstop_query", {"sql": "SELECT repeat('x', 8000000)"})["structuredContent"]["cut_values"] == 1
    before = rss(served)
    for sql in ("SELECT repeat('x', 200000000)", "SELECT repeat('x', 200000000) FROM generate_series(1, 3)"):
        failed = alice.tool("backstop_query", {"sql": sql})["structuredContent"]
        assert failed["error"]["sqlstate"] == "54000", failed
    assert rss(served) - before < 64 << 20
    assert alice.tool("backstop_query", {"sql": "SELECT 1"})["structuredContent"]["rows"] == [[1]]


def rss(served):
    fields = open(f"/proc/{served.process.pid}/statm").read().split()
    return int(fields[1]) * 4096


def test_paths_and_headers(served, alice):
    for path in ("/mcp%00", "/mcp/%00", "/../mcp", "/mcp/a/b", "/mcp/" + "a" * 100, "//mcp", "/mcp;x", "/mcp/%ff",
                 "/mcp/%0d%0aX:%20y"):
        assert alice.ask("POST", path, body={}).status in (400, 404), path
    for data in (b"GET /mcp\0 HTTP/1.1\r\n\r\n", b"\0" * 200 + b"\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"):
        assert b" 200 " not in raw(served.http_port, data)[:40]
    told = Web(served.http_port).ask("POST", '/mcp/%22,x="', body={}).headers["WWW-Authenticate"]
    assert told.count('"') == 2 and told.endswith('/mcp"')
    alice.authorization += "\t, Basic x"
    assert alice.request("tools/list").status == 401


def test_fields_that_are_there_twice(served, alice):
    """Whoever is between us and the client may go by the other one."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}}})
    chunked = f"{len(body):x}\r\n{body}\r\n0\r\n\r\n"
    length = f"Content-Length: {len(body)}\r\n"
    fields = ("Host: localhost\r\nContent-Type: application/json\r\nMCP-Protocol-Version: 2026-07-28\r\n"
              f"Mcp-Method: tools/list\r\nAuthorization: {alice.authorization}\r\n")

    def statuses(more, content):
        behind = f"POST /mcp HTTP/1.1\r\n{fields}{length}Connection: close\r\n\r\n{body}"
        got = raw(served.http_port, f"POST /mcp HTTP/1.1\r\n{fields}{more}\r\n{content}{behind}".encode())
        return re.findall(rb"HTTP/1\.1 (\d+) ", got)

    assert statuses(length, body) == [b"200", b"200"]
    assert statuses("Transfer-Encoding: chunked\r\n", chunked) == [b"200", b"200"]
    for more, content in ((length + "Host: evil.example\r\n", body), (length + "Authorization: Bearer AAAA\r\n", body),
                          (length + "Origin: http://localhost\r\nOrigin: http://evil.example\r\n", body),
                          (length + "content-length: 5\r\n", body), ("Content-Length: 5\r\n" + length, body),
                          (length + "Transfer-Encoding: chunked\r\n", chunked)):
        assert statuses(more, content) == [b"400"], more


def test_who_guesses_shuts_nobody_out(served):
    c = http.client.HTTPConnection("127.0.0.1", served.http_port, source_address=("127.0.0.9", 0), timeout=60)
    for n in range(4200):  # more than there may be credentials
        c.request("POST", "/mcp", body="{}", headers={"Authorization": bearer("alice", f"guess{n}")})
        answer = c.getresponse()
        answer.read()
        assert answer.status in (401, 429), n
    c.close()
    served.add_agent("newcomer", "app")
    assert Web(served.http_port, "newcomer", served.passwords["newcomer"]).request("tools/list").status == 200


def test_slow_requests_are_ended(served):
    for begin, more in ((b"", b"P"), (b"POST /mcp HTTP/1.1\r\nHost: localhost\r\n", b"X"),
                        (b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n", b" ")):
        with socket.create_connection(("127.0.0.1", served.http_port), timeout=30) as s:
            s.sendall(begin)
            begun = time.monotonic()
            try:
                while True:
                    s.sendall(more)
                    s.settimeout(0.3)
                    try:
                        if s.recv(4096) == b"":
                            break
                    except TimeoutError:
                        pass
                    assert time.monotonic() - begun < 25, "it may go on for ever"
            except (BrokenPipeError, ConnectionResetError):
                pass
            assert time.monotonic() - begun > 1


def test_so_many_connections_of_an_address(served, alice):
    port = served.http_port
    held = [connect_from("127.0.0.7", port) for _ in range(PER_ADDRESS)]
    try:
        one_more = connect_from("127.0.0.7", port)
        one_more.settimeout(10)
        try:
            one_more.sendall(b"GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert one_more.recv(100) == b""
        except (ConnectionResetError, BrokenPipeError):
            pass
        assert alice.request("tools/list").status == 200  # from another
    finally:
        for s in held:
            s.close()


def connect_from(source, port):
    return socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(source, 0))


def test_idle_sessions_end(alice):
    alice.initialize()
    assert alice.post("ping").status == 200
    time.sleep(2.2)
    wait_until(lambda: alice.post("ping").status == 404, every=4, seconds=20)


def test_many_at_once(served):
    """From several addresses of one agent: all are answered."""
    got = []

    def ask(n):
        w = Web(served.http_port, "alice", served.passwords["alice"])
        c = http.client.HTTPConnection("127.0.0.1", w.port, timeout=60,
                                       source_address=(f"127.0.1.{n // PER_ADDRESS + 1}", 0))
        got.append(w.request("tools/call", {"name": "backstop_query", "arguments": {"sql": "SELECT pg_sleep(0.2)"}},
                             connection=c).status)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(40)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert got.count(200) == 40, got


def test_tls(pg):
    g = with_http(pg)
    certificate, key = make_certificate(g.folder, "http")
    text = json.loads(g.config.read_text())
    text["agents_http"] = {"listen": f"0.0.0.0:{g.http_port}", "tls": {"cert": str(certificate), "key": str(key)}}
    g.config.write_text(json.dumps(text))
    g.add_agent("alice", "app")
    with running(g):
        w = Web(g.http_port, "alice", g.passwords["alice"], tls=trusting(certificate))
        assert w.tool("backstop_query", {"sql": "SELECT 1"})["structuredContent"]["rows"] == [[1]]
        w.authorization = None
        told = w.request("tools/list").headers["WWW-Authenticate"]
        assert told.startswith('Bearer resource_metadata="https://127.0.0.1:')
        plain = Web(g.http_port, "alice", g.passwords["alice"])
        with pytest.raises(Exception):
            plain.request("tools/list")


@pytest.mark.parametrize("given, said", [
    ({"listen": "0.0.0.0:7001"}, "give agents_http.tls a cert and a key"),
    ({"listen": "unix:/tmp"}, "not host:port"),
    ({}, "listen"),
    ({"listen": "127.0.0.1:7001", "url": "http://agents.example"}, "https"),
    ({"listen": "127.0.0.1:7001", "tls": {"cert": "x"}}, "key"),
    ({"listen": "127.0.0.1:7001", "origin": []}, "origin")])
def test_configurations(pg, given, said):
    g = Gateway(pg, extra={"agents_http": given})
    try:
        out = g.cli("check-config", check=False)
        assert out.returncode != 0 and said in out.stderr + out.stdout
    finally:
        g.remove()


def test_ports_of_others(pg):
    g = Gateway(pg)
    text = json.loads(g.config.read_text())
    try:
        for port, said in ((g.port, "in listen"), (g.operators_port, "operators")):
            text["agents_http"] = {"listen": f"127.0.0.1:{port}"}
            g.config.write_text(json.dumps(text))
            out = g.cli("check-config", check=False)
            assert out.returncode != 0 and said in out.stderr + out.stdout
    finally:
        g.remove()


def test_the_private_socket_is_private(served):
    """Another process, even of the same user, is not let through it."""
    paths = [line.split()[-1] for line in open("/proc/net/unix") if "backstop-" in line and ".s.PGSQL.5432" in line]
    mine = [p for p in paths if pathlib.Path(p).exists() and in_use_by(p, served.process.pid)]
    assert mine
    path = pathlib.Path(mine[0])
    assert path.parent.stat().st_mode & 0o777 == 0o700
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(str(path))
        try:
            s.sendall(b"\0\0\0\x08\x04\xd2\x16\x2f")
            assert s.recv(1) == b""
        except (BrokenPipeError, ConnectionResetError):
            pass


def in_use_by(path, pid):
    inodes = {line.split()[6] for line in open("/proc/net/unix") if line.rstrip().endswith(path)}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:
            continue
        if target.startswith("socket:[") and target[8:-1] in inodes:
            return True
    return False
