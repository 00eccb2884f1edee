"""Relays that change nothing but where the stream is cut: one byte at a time, or all that comes at once.

BACKSTOP_RELAY=split or =coalesce puts them on both legs of every gateway of the suite: before its TCP port,
and before the server (conftest.py).

Each is a process of its own: PQcancel waits for the answer with the interpreter's lock in its hand, and a relay
of the same interpreter would never give it one.
"""

import contextlib
import os
import pathlib
import select
import socket
import subprocess
import sys
import tempfile
import threading

HOW = os.environ.get("BACKSTOP_RELAY", "")
SINGLE = 400  # bytes of one read that are sent one by one; the rest of a long one in pieces
PIECE = 1021
QUIET_MS = 3  # without a byte after which what has come is sent as one
MOST = 1 << 18


def split(out, data):
    for n in range(min(len(data), SINGLE)):
        out.sendall(data[n:n + 1])
    for n in range(SINGLE, len(data), PIECE):
        out.sendall(data[n:n + PIECE])


def more(source, data):
    """What else comes while it does not stop; and whether that is the end."""
    coming = select.poll()  # select() knows no descriptor above 1023
    coming.register(source, select.POLLIN)
    while len(data) < MOST and coming.poll(QUIET_MS):
        piece = source.recv(65536)
        if not piece:
            return data, True
        data += piece
    return data, False


class Relay:
    """In the process of its own: from the listener to the target, a TCP port or a path."""

    def __init__(self, listener, target, how):
        self.listener, self.target, self.how = listener, target, how

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            try:
                server = self.connect()
            except OSError:
                client.close()
                continue
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self.run, args=pair, daemon=True).start()
            del client, server, pair  # closed when both threads are through

    def connect(self):
        if self.target.isdigit():
            return socket.create_connection(("127.0.0.1", int(self.target)))
        server = socket.socket(socket.AF_UNIX)
        server.connect(self.target)
        return server

    def run(self, source, out):
        if out.family == socket.AF_INET:
            out.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            ended = False
            while not ended and (data := source.recv(65536)):
                if self.how == "split":
                    split(out, data)
                else:
                    data, ended = more(source, data)
                    out.sendall(data)
            self.shut(socket.SHUT_WR, out)
        except OSError:  # who is gone is gone for the other as well, even where that is not read from now
            self.shut(socket.SHUT_RDWR, source, out)

    @staticmethod
    def shut(how, *lines):
        for line in lines:
            with contextlib.suppress(OSError):
                line.shutdown(how)


class Shaper:
    """Listens at `where`, a TCP port or a path, for the server at `target`, either as well."""

    def __init__(self, where, target, how=HOW):
        if isinstance(where, int):
            listener = socket.create_server(("127.0.0.1", where), backlog=128)
        else:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(where))
            listener.listen(128)
            os.chmod(where, 0o777)
        with listener:
            self.process = subprocess.Popen(
                [sys.executable, __file__, str(listener.fileno()), str(target), how],
                stdin=subprocess.PIPE, pass_fds=[listener.fileno()])

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def folder_for(socket_path, how=HOW):
    """A folder in which the server's socket is found under the same name, behind a relay."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bs-shape-"))
    folder.chmod(0o755)
    return folder, Shaper(folder / socket_path.name, socket_path, how)


def main():
    fd, target, how = sys.argv[1:]
    relay = Relay(socket.socket(fileno=int(fd)), target, how)
    threading.Thread(target=relay.serve, daemon=True).start()
    sys.stdin.read()  # until whoever started it closes it, or is gone


if __name__ == "__main__":
    main()
