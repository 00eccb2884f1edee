"""A server that is not one, and somebody in the middle: what the gateway must not fall for."""

import contextlib
import select
import socket
import ssl
import struct
import threading

from conftest import make_certificate
from rawwire import SSL_REQUEST, Raw, message


class Impostor:
    """A server that speaks a script: a function of (socket, first packet)."""

    def __init__(self, script):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.script = script
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            with s:
                try:
                    s.settimeout(10)
                    self.script(s, s.recv(10000))
                    while s.recv(1000):
                        pass
                except OSError:
                    pass


AUTH_OK = message(b"R", struct.pack("!I", 0))
READY = message(b"Z", b"I")


def status(**params):
    return b"".join(message(b"S", k.encode() + b"\0" + v.encode() + b"\0")
                    for k, v in params.items())


GOOD = dict(client_encoding="UTF8", standard_conforming_strings="on",
            default_transaction_read_only="on", server_version="15.1")
KEY = message(b"K", struct.pack("!II", 1, 2))


class Middle:
    """Terminates TLS with a certificate of its own and passes on what it reads."""

    def __init__(self, far, folder):
        cert, key = make_certificate(folder, "middle")
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        self.far = far
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                threading.Thread(target=self._pass_on, args=(near,), daemon=True).start()

    def _pass_on(self, near):
        with contextlib.suppress(OSError, ssl.SSLError), Raw(self.far) as far:
            assert near.recv(8) == SSL_REQUEST
            near.sendall(b"S")
            near = self.context.wrap_socket(near, server_side=True)
            far.tls()
            self._both_ways(near, far.socket)

    @staticmethod
    def _both_ways(near, far):
        """In one thread: OpenSSL's connections are no thing for two."""
        to = {near: far, far: near}
        with near:
            while True:
                for s in [s for s in to if s.pending()] or select.select(list(to), [], [])[0]:
                    s.setblocking(False)  # there may be nothing in it but a session ticket, or half a record
                    try:
                        data = s.recv(65536)
                    except ssl.SSLWantReadError:
                        continue
                    finally:
                        s.setblocking(True)
                    if not data:
                        return
                    to[s].sendall(data)

    def close(self):
        self.listener.close()
