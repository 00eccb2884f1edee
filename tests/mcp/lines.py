"""`backstop mcp` as a process, spoken to in raw lines: for what no client library would send."""

import json
import queue
import subprocess
import threading

from conftest import binary

SECONDS = 60
MODERN, LEGACY = "2026-07-28", "2025-11-25"
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"


def envelope(capabilities=None, version=MODERN, **more):
    return {VERSION_KEY: version, CAPABILITIES_KEY: capabilities or {}, **more}


class Lines:
    def __init__(self, dsn, *args, env=None, modern=False, capabilities=None):
        self.process = subprocess.Popen([binary(), "mcp", "--dsn", dsn, *args], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
        self.modern = modern
        self.capabilities = capabilities
        self.answers = queue.Queue()
        self.notes = []
        self.errors = []
        self.n = 0
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._read_errors, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.answers.put(json.loads(line))  # nothing but messages goes there
        self.answers.put(None)

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line.decode())

    def raw(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, message):
        self.raw(json.dumps(message).encode() + b"\n")

    def next(self):
        answer = self.answers.get(timeout=SECONDS)
        assert answer is not None, "it has ended:\n" + "".join(self.errors)
        return answer

    def begin(self, method, params=None, meta=None):
        """Sends a request; its id."""
        self.n += 1
        params = dict(params or {})
        if self.modern:
            params["_meta"] = {**envelope(self.capabilities), **(meta or {})}
        elif meta:
            params["_meta"] = meta
        self.send({"jsonrpc": "2.0", "id": self.n, "method": method, "params": params})
        return self.n

    def answer(self, n):
        while True:
            answer = self.next()
            if answer.get("id") == n and "method" not in answer:
                return answer
            self.notes.append(answer)

    def ask(self, method, params=None, meta=None):
        return self.answer(self.begin(method, params, meta))

    def initialize(self, version=LEGACY, capabilities=None):
        answer = self.ask("initialize", {"protocolVersion": version, "capabilities": capabilities or {},
                                         "clientInfo": {"name": "tests", "version": "1"}})
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer["result"]

    def call(self, tool, **arguments):
        answer = self.ask("tools/call", {"name": tool, "arguments": arguments})
        assert "result" in answer, answer
        return answer["result"]

    def query(self, sql, *params, **more):
        """The structured answer."""
        return self.call("backstop_query", sql=sql, params=list(params), **more)["structuredContent"]

    def stop(self):
        """Its exit status, after its input has ended."""
        if not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
