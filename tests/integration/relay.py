"""A relay in front of a server, which stops at a message, lets go, or cuts the line.

It makes the moments between two messages as long as a test needs them, without anything in the
product that knows of tests.
"""

import contextlib
import socket
import threading

from conftest import free_port


class Stop:
    """Waits for `needle` among the bytes to the server; see Relay.stop_at."""

    def __init__(self, needle, when, skip):
        self.needle, self.when, self.skip = needle, when, skip
        self.reached, self.released = threading.Event(), threading.Event()
        self.dropped = False
        self.line = None

    def wait(self, seconds=20):
        assert self.reached.wait(seconds), f"{self.needle} was not sent"
        return self

    def go(self):
        """Everything goes on."""
        self.released.set()

    def cut(self):
        """The line breaks; what was stopped is lost."""
        self.dropped = True
        if self.line is not None:
            self.line.close()
        self.released.set()


class Line:
    def __init__(self, relay, client):
        self.relay, self.client = relay, client
        self.server = socket.socket(socket.AF_UNIX)
        self.server.connect(relay.target)
        self.held = None  # the Stop that holds the answers back
        for run in (self.to_server, self.to_client):
            threading.Thread(target=run, daemon=True).start()

    def close(self):
        for s in (self.client, self.server):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def to_server(self):
        with contextlib.suppress(OSError):
            while data := self.client.recv(65536):
                if self.relay.heard is not None:
                    self.relay.heard += data
                self.forward(data)
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_WR)
        if self.held:
            self.held.released.set()

    def forward(self, data):
        stop = self.relay.match(data)
        if stop is None:
            self.server.sendall(data)
            return
        stop.line = self
        if stop.when == "before":
            stop.reached.set()
            stop.released.wait(60)
            if not stop.dropped:
                self.server.sendall(data)
            return
        self.held = stop
        self.server.sendall(data)
        if stop.when == "sent":
            stop.reached.set()

    def to_client(self):
        with contextlib.suppress(OSError):
            while data := self.server.recv(65536):
                stop = self.held
                if stop is not None:
                    stop.reached.set()
                    stop.released.wait(60)
                    self.held = None
                    if stop.dropped:
                        break
                self.client.sendall(data)
        with contextlib.suppress(OSError):
            self.client.shutdown(socket.SHUT_WR)


class Relay:
    """Listens on 127.0.0.1:.port for the server with that Unix socket."""

    def __init__(self, target):
        self.target = str(target)
        self.port = free_port()
        self.lock = threading.Lock()
        self.refuse = False  # new lines
        self.heard = None  # a bytearray: all that is sent to the server, while there is one line
        self.stops = []
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                if self.refuse:
                    client.close()
                    continue
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    Line(self, client)
                except OSError:
                    client.close()

    def stop_at(self, needle, when="before", skip=0):
        """
        Stops the next line that sends `needle` to the server, once; `skip` of them pass before.

        before    it is not forwarded
        sent      it is forwarded, the answer is kept back
        answered  the same, but it is reached only when the server has answered
        """
        stop = Stop(needle if isinstance(needle, bytes) else needle.encode(), when, skip)
        with self.lock:
            self.stops.append(stop)
        return stop

    def match(self, data):
        with self.lock:
            for stop in self.stops:
                if stop.needle not in data:
                    continue
                if stop.skip == 0:
                    self.stops.remove(stop)
                    return stop
                stop.skip -= 1
        return None

    def clear(self):
        """Forgets what was not reached."""
        with self.lock:
            self.stops.clear()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
