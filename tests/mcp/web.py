"""The agents' HTTP, spoken to in raw requests: for what no client library would send."""

import base64
import http.client
import json
import socket
import ssl

from conftest import Gateway, free_port

SECONDS = 60
MODERN, LEGACY = "2026-07-28", "2025-11-25"
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}


def bearer(agent, secret):
    text = base64.urlsafe_b64encode(f"{agent}:{secret}".encode()).decode().rstrip("=")
    return f"Bearer {text}"


def with_http(pg, extra=None, agents_http=None, **more):
    """A gateway that has agents' HTTP, and where that is."""
    port = free_port()
    g = Gateway(pg, extra={"agents_http": {"listen": f"127.0.0.1:{port}", **(agents_http or {})}, **(extra or {})},
                **more)
    g.http_port = port
    return g


class Answer:
    def __init__(self, answer):
        self.status = answer.status
        self.headers = answer.headers
        self.type = (answer.headers.get("Content-Type") or "").split(";")[0]
        self.text = answer.read().decode() if self.type != "text/event-stream" else None
        self.json = json.loads(self.text) if self.type == "application/json" else None
        self.raw = answer

    def events(self):
        """The messages of a stream, as they come."""
        data = []
        for line in self.raw:
            line = line.decode().rstrip("\n")
            if line.startswith("data:"):
                data.append(line[5:].strip())
            elif not line and data:
                yield json.loads("\n".join(data))
                data = []

    def message(self):
        """The answer, whichever way it came."""
        return self.json if self.json is not None else list(self.events())[-1]


class Web:
    """A client of one agent."""

    def __init__(self, port, agent=None, secret=None, path="/mcp", tls=None):
        self.port, self.path, self.tls = port, path, tls
        self.authorization = bearer(agent, secret) if agent else None
        self.session = None
        self.n = 0

    def connect(self):
        if self.tls:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=SECONDS, context=self.tls)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)

    def ask(self, method, path=None, body=None, headers=None, connection=None):
        c = connection or self.connect()
        all_headers = {"Accept": "application/json, text/event-stream"}
        if self.authorization:
            all_headers["Authorization"] = self.authorization
        if body is not None:
            all_headers["Content-Type"] = "application/json"
            body = body if isinstance(body, (bytes, str)) else json.dumps(body)
        all_headers.update(headers or {})
        c.request(method, path or self.path, body=body,
                  headers={k: v for k, v in all_headers.items() if v is not None})
        return Answer(c.getresponse())

    def request(self, method, params=None, headers=None, meta=None, **more):
        """Of the stateless revision."""
        self.n += 1
        params = {**(params or {}), "_meta": {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}, **(meta or {})}}
        own = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
        if method in NAMED:
            own["Mcp-Name"] = params[NAMED[method]]
        return self.ask("POST", body={"jsonrpc": "2.0", "id": self.n, "method": method, "params": params},
                        headers={**own, **(headers or {})}, **more)

    def post(self, method, params=None, headers=None, note=False, **more):
        """In the session."""
        self.n += 1
        message = {"jsonrpc": "2.0", "method": method, "params": params or {}}
        if not note:
            message["id"] = self.n
        own = {"MCP-Protocol-Version": LEGACY, "Mcp-Session-Id": self.session}
        return self.ask("POST", body=message, headers={**own, **(headers or {})}, **more)

    def initialize(self, capabilities=None):
        answer = self.post("initialize", {"protocolVersion": LEGACY, "capabilities": capabilities or {},
                                          "clientInfo": {"name": "test", "version": "1"}})
        assert answer.status == 200, (answer.status, answer.text)
        self.session = answer.headers["Mcp-Session-Id"]
        assert self.post("notifications/initialized", note=True).status == 202
        return answer.json["result"]

    def tool(self, name, arguments=None, **more):
        """A tool's result, in the session if there is one."""
        params = {"name": name, "arguments": arguments or {}}
        answer = self.post("tools/call", params, **more) if self.session else self.request("tools/call", params, **more)
        assert answer.status == 200, (answer.status, answer.text)
        return answer.message()["result"]


def raw(port, data, seconds=SECONDS):
    """What comes back for bytes, until it is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as s:
        s.sendall(data)
        got = b""
        while chunk := s.recv(65536):
            got += chunk
        return got


def trusting(certificate):
    return ssl.create_default_context(cafile=str(certificate))
