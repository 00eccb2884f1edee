"""A stand-in for whoever is told: an HTTP server that answers as it is bid, and the two signatures, made
from their specifications and not from the program under test."""

import base64
import hashlib
import hmac
import http.server
import json
import ssl
import threading
import time
import urllib.parse

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()


class Ear:
    """`answers`: what to say next, each (status, headers, body), "hang" or "close"; then `always`."""

    def __init__(self, always=(200, {}, "ok"), tls=None):
        self.got, self.answers, self.always = [], [], always
        self.changed = threading.Condition()
        self.go_on = threading.Event()
        ear = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = ear.note(self.path, dict(self.headers.items()), body)
                if answer == "hang":
                    ear.go_on.wait(60)
                if answer in ("hang", "close"):
                    self.close_connection = True
                    return
                status, headers, text = answer
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if tls:  # (certificate, key)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def note(self, path, headers, body):
        with self.changed:
            self.got.append((path, {k.lower(): v for k, v in headers.items()}, body, time.monotonic()))
            answer = self.answers.pop(0) if self.answers else self.always
            self.changed.notify_all()
        return answer(path, body) if callable(answer) else answer

    def wait(self, what, seconds=15):
        """The first true what(got)."""
        found = []
        with self.changed:
            assert self.changed.wait_for(lambda: found.append(what(self.got)) or found[-1], seconds), self.got
        return found[-1]

    def events(self, *types, ticket=None):
        """The bodies of webhooks, of those types, of that ticket."""
        bodies = [json.loads(body) for _, _, body, _ in self.got]
        return [b for b in bodies if (not types or b["type"] in types)
                and (ticket is None or b["data"].get("ticket", {}).get("id") == ticket)]

    def wait_event(self, kind, ticket=None, seconds=15):
        return self.wait(lambda _: self.events(kind, ticket=ticket), seconds)[0]

    def close(self):
        self.go_on.set()
        self.server.shutdown()
        self.server.server_close()


def verified(headers, body, key=KEY):
    """As a verifying library does it: id, time and one of the signatures."""
    at = int(headers["webhook-timestamp"])
    signed = f"{headers['webhook-id']}.{at}.".encode() + body
    want = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return abs(time.time() - at) < 300 and ("v1," + want) in headers["webhook-signature"].split(" ")


def slack_form(payload):
    return "payload=" + urllib.parse.quote_plus(json.dumps(payload))


def slack_fields(secret, body, at=None):
    at = int(time.time()) if at is None else at
    mac = hmac.new(secret.encode(), f"v0:{at}:{body}".encode(), hashlib.sha256).hexdigest()
    return {"Content-Type": "application/x-www-form-urlencoded", "X-Slack-Request-Timestamp": str(at),
            "X-Slack-Signature": "v0=" + mac}
