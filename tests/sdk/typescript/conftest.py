"""The TypeScript SDK against a real gateway: node runs a script, and it prints one JSON object a line."""

import contextlib
import fcntl
import filecmp
import json
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

from conftest import (  # noqa: E402,F401 - fixtures and hooks of the integration tests
    Gateway, binary, free_port, leaves_nothing, pg, pytest_runtest_makereport, running)
from operator_side import Operator  # noqa: E402

SDK = ROOT / "sdk" / "typescript"
SECONDS = 60


def run(*command, cwd=SDK, **more):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, **more)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


@contextlib.contextmanager
def alone(folder):
    """One process at a time: tests run in several."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def same(wanted, have):
    return have.exists() and filecmp.cmp(wanted, have, shallow=False)


def newest(*paths):
    files = [f for path in paths for f in ([path] if path.is_file() else path.rglob("*")) if "generated" not in f.parts]
    return max(f.stat().st_mtime for f in files)


@pytest.fixture(scope="session")
def sdk():
    """The built package's folder."""
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("npm is not installed: script/setup sdk does it")
    with alone(SDK):
        if not same(SDK / "package-lock.json", SDK / "node_modules" / "installed.json"):
            pytest.skip("its packages are not installed: script/setup sdk does it")
        built = SDK / "dist" / "index.js"
        sources = (SDK / "src", SDK / "package.json", SDK / "tsconfig.json", SDK / "generate.mjs", ROOT / "src" / "api" / "openapi.json")
        if not built.exists() or built.stat().st_mtime < newest(*sources):
            shutil.rmtree(SDK / "dist", ignore_errors=True)
            run("npm", "run", "--silent", "build")
    return SDK


class Script:
    """A running script of the package; what it says is taken line by line."""

    def __init__(self, sdk, site, name, *args, wait="0", agent="robot", program=("node",), **env):
        self.process = subprocess.Popen(
            [*program, name, *args], cwd=sdk, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "DATABASE_URL": site.url(agent), "WAIT": wait, **env})
        self.lines = queue.Queue()
        self.errors = []
        self.threads = [threading.Thread(target=self._read, daemon=True),
                        threading.Thread(target=lambda: self.errors.extend(self.process.stderr), daemon=True)]
        for thread in self.threads:
            thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def next(self, event=None):
        """The next thing it says, which has to be that event."""
        said = self.lines.get(timeout=SECONDS)
        if said is None:
            self.process.wait(SECONDS)
            self.threads[1].join(SECONDS)
            raise AssertionError(f"it ended before {event}: {''.join(self.errors)}")
        assert event is None or said["event"] == event, said
        return said

    def rest(self):
        """All that it says until its end, which has to be a good one."""
        said = []
        while (one := self.lines.get(timeout=SECONDS)) is not None:
            said.append(one)
        self.threads[1].join(SECONDS)
        assert self.process.wait(SECONDS) == 0, "".join(self.errors)
        return said

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Site:
    """A gateway with the agent `robot`, an operator, and a table for each test."""

    def __init__(self, gateway, operator, sdk):
        self.gateway, self.operator, self.sdk = gateway, operator, sdk
        self.pg = gateway.pg
        self.scripts = []

    def url(self, agent, port=None):
        return f"postgresql://{agent}:{self.gateway.passwords[agent]}@127.0.0.1:{port or self.gateway.port}/app"

    def script(self, name, *args, **more):
        self.scripts.append(Script(self.sdk, self, name, *args, **more))
        return self.scripts[-1]

    def rows(self, table):
        with self.pg.admin() as c:
            return c.execute(f"SELECT count(*) FROM ts.{table}").fetchone()[0]

    def runs(self, ticket):
        """How often what was asked for has run."""
        points = json.loads(self.gateway.cli("points", "list", "--json").stdout)["points"]
        return [p["kind"] for p in points if p.get("ticket") == ticket]

    def tidy(self):
        for script in self.scripts:
            script.stop()
        self.scripts.clear()
        for ticket in self.operator.tickets():
            self.operator.decide(ticket["id"], "deny")


SHOP = """
DROP SCHEMA IF EXISTS ts CASCADE;
CREATE SCHEMA ts AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE ts.orders (id int PRIMARY KEY, status text);
CREATE TABLE ts.customers (id int PRIMARY KEY, name text);
CREATE TABLE ts.log (what text);
INSERT INTO ts.orders SELECT n, 'open' FROM generate_series(1, 100) n;
INSERT INTO ts.customers SELECT n, 'c' || n FROM generate_series(1, 20) n;
"""


@pytest.fixture(scope="module")
def place(pg, sdk):  # noqa: F811
    # What a test was denied the next one asks for: that is no evasion here.
    gateway = Gateway(pg, policy={
        "evasion": {"limit": 10000},
        "rules": [{"name": "the log", "kinds": ["INSERT"], "objects": ["ts.log"], "risk": ["HIGH"], "action": "allow"}]}, extra={
        "hold": {"wait": "20s", "notice": "10s"}, "agents_http": {"listen": f"127.0.0.1:{(port := free_port())}"}})
    gateway.http_port = port
    operator = Operator(gateway, role="admin")
    with running(gateway, "robot"):
        yield Site(gateway, operator, sdk)


@pytest.fixture
def site(place):
    with place.pg.admin() as c:
        c.execute(SHOP)
    yield place
    place.tidy()
    with place.pg.admin() as c:
        c.execute("DROP SCHEMA ts CASCADE")
