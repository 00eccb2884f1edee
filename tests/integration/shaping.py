"""Relays that change nothing but where the stream is cut: one byte at a time, or all that comes at once.

BACKSTOP_RELAY=split or =coalesce puts them on both legs of every gateway of the suite: before its TCP port,
and before the server (conftest.py).
"""

import contextlib
import os
import pathlib
import select
import socket
import tempfile
import threading

HOW = os.environ.get("BACKSTOP_RELAY", "")
SINGLE = 400  # bytes of one read that are sent one by one; the rest of a long one in pieces
PIECE = 1021
QUIET = 0.003  # seconds without a byte after which what has come is sent as one
MOST = 1 << 18


def split(out, data):
    for n in range(min(len(data), SINGLE)):
        out.sendall(data[n:n + 1])
    for n in range(SINGLE, len(data), PIECE):
        out.sendall(data[n:n + PIECE])


def more(source, data):
    """What else comes while it does not stop; and whether that is the end."""
    while len(data) < MOST and select.select([source], [], [], QUIET)[0]:
        piece = source.recv(65536)
        if not piece:
            return data, True
        data += piece
    return data, False


class Shaper:
    """Listens at `where`, a TCP port or a path, for the server at `target`, either as well."""

    def __init__(self, where, target, how=HOW):
        self.target, self.how = target, how
        if isinstance(where, int):
            self.listener = socket.create_server(("127.0.0.1", where), backlog=128)
        else:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(where))
            self.listener.listen(128)
            os.chmod(where, 0o777)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                try:
                    server = self.connect()
                except OSError:
                    client.close()
                    continue
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self.run, args=pair, daemon=True).start()

    def connect(self):
        if isinstance(self.target, int):
            return socket.create_connection(("127.0.0.1", self.target))
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self.target))
        return server

    def run(self, source, out):
        if out.family == socket.AF_INET:
            out.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError):
            ended = False
            while not ended and (data := source.recv(65536)):
                if self.how == "split":
                    split(out, data)
                else:
                    data, ended = more(source, data)
                    out.sendall(data)
        with contextlib.suppress(OSError):
            out.shutdown(socket.SHUT_WR)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def folder_for(socket_path, how=HOW):
    """A folder in which the server's socket is found under the same name, behind a relay."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bs-shape-"))
    folder.chmod(0o755)
    return folder, Shaper(folder / socket_path.name, socket_path, how)
