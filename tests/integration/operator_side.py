"""An operator for tests: decides by the real HTTP API with a token of its own."""

import json
import threading
import time
import urllib.error
import urllib.request


class Operator:
    def __init__(self, gateway, name="kim", role="approver"):
        out = gateway.cli("operators", "add", name, "--role", role, "--json")
        self.token = json.loads(out.stdout)["token"]
        self.base = f"http://127.0.0.1:{gateway.operators_port}"

    def ask(self, method, path, body=None, token=None):
        """(status, answer)"""
        request = urllib.request.Request(
            self.base + path, method=method,
            data=json.dumps(body or {}).encode() if method == "POST" else None,
            headers={"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def tickets(self, state="pending"):
        status, answer = self.ask("GET", f"/v1/tickets?state={state}")
        assert status == 200, answer
        return answer["tickets"]

    def decide(self, ticket, what, reason="test"):
        status, answer = self.ask("POST", f"/v1/tickets/{ticket}/{what}", {"reason": reason})
        assert status == 200, answer
        return answer

    def next_ticket(self, seconds=15):
        deadline = time.monotonic() + seconds
        while True:
            pending = self.tickets()
            if pending:
                return pending[0]
            assert time.monotonic() < deadline, "nothing was held"
            time.sleep(0.02)

    def deciding(self, what="approve"):
        """Decides the next ticket from a thread; join() gives that ticket."""
        return Decider(self, what)


class Decider(threading.Thread):
    def __init__(self, operator, what):
        super().__init__(daemon=True)
        self.operator, self.what = operator, what
        self.ticket = self.error = None
        self.start()

    def run(self):
        try:
            self.ticket = self.operator.next_ticket()
            self.operator.decide(self.ticket["id"], self.what)
        except BaseException as error:  # shown by done()
            self.error = error

    def done(self):
        self.join(30)
        if self.error:
            raise self.error
        return self.ticket
