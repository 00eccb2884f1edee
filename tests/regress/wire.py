"""Just enough of the protocol to stand between psql and the server and to look in between."""

import struct

CANCEL = 80877102  # in the place of a version
# From the server ...
READY, ROW, ERROR, KEY, COPY_IN, STATUS, NOTIFICATION = b"Z", b"D", b"E", b"K", b"G", b"S", b"A"
# ... and from the client.
QUERY, PARSE, BIND, SYNC, TERMINATE, FUNCTION_CALL = b"Q", b"P", b"B", b"S", b"X", b"F"
COPY_DONE, COPY_FAIL = b"c", b"f"


class Closed(Exception):
    """The other side has hung up."""


class Stream:
    """A socket, cut into messages: (type, whole bytes)."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""

    def take(self, n):
        while len(self.buffer) < n:
            more = self.sock.recv(1 << 18)
            if not more:
                raise Closed
            self.buffer += more
        out, self.buffer = self.buffer[:n], self.buffer[n:]
        return out

    def startup(self):
        """A message without a type: the whole of it."""
        head = self.take(4)
        return head + self.take(struct.unpack("!I", head)[0] - 4)

    def message(self):
        head = self.take(5)
        return head[:1], head + self.take(struct.unpack("!I", head[1:])[0] - 4)

    def until_closed(self):
        while self.sock.recv(1 << 18):
            pass

    def send(self, data):
        self.sock.sendall(data)


def query(sql):
    body = sql.encode() + b"\0"
    return b"Q" + struct.pack("!I", len(body) + 4) + body


def texts(message):
    """The columns of a DataRow; None: NULL."""
    n, at, out = struct.unpack("!H", message[5:7])[0], 7, []
    for _ in range(n):
        size = struct.unpack("!i", message[at:at + 4])[0]
        at += 4
        out.append(None if size < 0 else message[at:at + size].decode("utf-8", "replace"))
        at += max(size, 0)
    return out


def field(message, code):
    """A field of an ErrorResponse: C is the SQLSTATE, M the message."""
    for part in message[5:].split(b"\0"):
        if part[:1] == code:
            return part[1:].decode("utf-8", "replace")
    return ""
