"""The protocol by hand, for what no client library would ever send."""

import base64
import hashlib
import hmac
import os
import select
import socket
import ssl
import struct

SSL_REQUEST = struct.pack("!II", 8, 80877103)
GSSENC_REQUEST = struct.pack("!II", 8, 80877104)


def startup(version=0x00030000, **params):
    body = b"".join(k.encode() + b"\0" + v.encode() + b"\0" for k, v in params.items()) + b"\0"
    return struct.pack("!II", len(body) + 8, version) + body


def cancel_request(pid, secret):
    return struct.pack("!III", 12 + len(secret), 80877102, pid) + secret


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


def query(text):
    return message(b"Q", text.encode() + b"\0")


def text(value):
    return value if isinstance(value, bytes) else value.encode()


def parse(name, sql):
    return message(b"P", text(name) + b"\0" + text(sql) + b"\0\0\0")


def bind(portal, statement, *params):
    """Parameters and results in text format."""
    values = b"".join(struct.pack("!I", len(text(p))) + text(p) for p in params)
    return message(b"B", text(portal) + b"\0" + text(statement) + b"\0" +
                   struct.pack("!HH", 0, len(params)) + values + struct.pack("!H", 0))


def execute(portal="", rows=0):
    return message(b"E", text(portal) + b"\0" + struct.pack("!I", rows))


def describe(kind, name):
    return message(b"D", text(kind) + text(name) + b"\0")


def close(kind, name):
    return message(b"C", text(kind) + text(name) + b"\0")


SYNC, FLUSH, TERMINATE = message(b"S"), message(b"H"), message(b"X")
COPY_DONE = message(b"c")


def report(body):
    """The fields of an ErrorResponse or a NoticeResponse."""
    return {f[:1].decode(): f[1:].decode() for f in body.split(b"\0") if f}


class Raw:
    """A socket that knows how messages are framed."""

    def __init__(self, port, timeout=10):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def take(self, n):
        """Exactly n bytes; fewer where the stream ends."""
        data = b""
        while len(data) < n:
            piece = self.socket.recv(n - len(data))
            if not piece:
                break
            data += piece
        return data

    def closed(self):
        """True where the far side ends the connection without another byte."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def readable(self):
        """True where a byte, or the end, is there already."""
        return bool(select.select([self.socket], [], [], 0)[0])

    def tls(self):
        self.send(SSL_REQUEST)
        assert self.take(1) == b"S"
        self.direct_tls()

    def direct_tls(self, *alpn):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if alpn:
            context.set_alpn_protocols(alpn)
        self.socket = context.wrap_socket(self.socket)

    def next(self):
        """(type, body), or None at the end of the stream."""
        head = self.take(5)
        if len(head) < 5:
            return None
        return head[:1], self.take(struct.unpack("!I", head[1:])[0] - 4)

    def until(self, last=b"Z"):
        """The messages up to one of type `last`, or to the end of the stream (then None is last)."""
        seen = []
        while True:
            seen.append(self.next())
            if seen[-1] is None or seen[-1][0] == last:
                return seen

    def error(self):
        """The fields of the ErrorResponse that must come next."""
        got = self.next()
        assert got is not None and got[0] == b"E", got
        return report(got[1])

    def login(self, user, password, database="app", **params):
        """SCRAM; returns the messages up to ReadyForQuery."""
        self.send(startup(user=user, database=database, **params))
        return self.scram(password)

    def scram(self, password):
        kind, body = self.next()
        assert kind == b"R" and body[:4] == struct.pack("!I", 10), (kind, body)
        nonce = base64.b64encode(os.urandom(18)).decode()
        first = f"n=,r={nonce}"
        initial = ("n,," + first).encode()
        self.send(message(b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", len(initial)) + initial))
        kind, body = self.next()
        assert kind == b"R" and body[:4] == struct.pack("!I", 11), (kind, body)
        server_first = body[4:].decode()
        fields = dict(f.split("=", 1) for f in server_first.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]),
                                     int(fields["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        final = f"c=biws,r={fields['r']}"
        text = f"{first},{server_first},{final}".encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), text, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        self.send(message(b"p", f"{final},p={base64.b64encode(proof).decode()}".encode()))
        seen = []
        while True:
            got = self.next()
            assert got is not None, seen
            seen.append(got)
            if got[0] in b"ZE":
                return seen
