"""Clients of others that Node runs, installed where they are missing, and a way in that gives them a credential."""

import contextlib
import fcntl
import filecmp
import hashlib
import http.client
import http.server
import os
import pathlib
import shutil
import subprocess
import threading

import pytest

HERE = pathlib.Path(__file__).resolve().parent / "node"
LOCK = HERE / "package-lock.json"
# A folder for each set of versions: two work trees may share the cache.
CACHE = HERE.parents[2] / ".cache" / "mcp" / f"node-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:8]}"


def install():
    """The folder of the packages."""
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("npm is not installed: script/setup mcp does it")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two suites at once
        done = CACHE / "installed.json"
        if not done.exists() or not filecmp.cmp(done, LOCK, shallow=False):
            done.unlink(missing_ok=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, CACHE / name)
            subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=CACHE, check=True,
                           timeout=600, stdout=subprocess.DEVNULL)
            # The inspector reads its version from where it stands in its authors' tree.
            (CACHE / "node_modules/@modelcontextprotocol/package.json").write_text('{"name": "inspector", "version": "1"}')
            shutil.copy(LOCK, done)
        for program in HERE.glob("*.mjs"):  # beside the packages that they import
            shutil.copy(program, CACHE / program.name)
    return CACHE


def node(*args, timeout=120, env=None, **more):
    return subprocess.run(["node", *map(str, args)], cwd=CACHE, capture_output=True, text=True, timeout=timeout,
                          env={**os.environ, "NO_COLOR": "1", **(env or {})}, **more)


class Proxy(http.server.BaseHTTPRequestHandler):
    """Passes everything on, with a credential that the client does not know to send."""

    protocol_version = "HTTP/1.1"
    port = authorization = None

    def log_message(self, *args):
        pass

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        to = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        to.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                to.putheader(name, value)
        to.putheader("Authorization", self.authorization)
        if body or self.command == "POST":
            to.putheader("Content-Length", str(len(body)))
        to.endheaders(body or None)
        got = to.getresponse()
        self.send_response_only(got.status)
        for name, value in got.getheaders():
            if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        with contextlib.suppress(OSError):
            while chunk := got.read1(65536):
                self.wfile.write(chunk)
                self.wfile.flush()
        to.close()
        self.close_connection = True

    do_GET = do_POST = do_DELETE = do_OPTIONS = do_PUT = answer


@contextlib.contextmanager
def letting_in(port, authorization):
    """The URL of a proxy to the agents' HTTP at `port`."""
    handler = type("Handler", (Proxy,), {"port": port, "authorization": authorization})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/mcp"
    finally:
        server.shutdown()
        server.server_close()
