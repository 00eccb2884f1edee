"""A private PostgreSQL and a gateway in front of it, for every test that asks.

Nothing here speaks to anything but loopback and Unix sockets. The PostgreSQL programs are found by
BACKSTOP_PG_BIN (script/servers fetches some), else in Debian's folders; the gateway by BACKSTOP_BIN, else in build/.
"""

import contextlib
import fcntl
import filecmp
import glob
import hashlib
import itertools
import json
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import psycopg
import pytest

import shaping

ROOT = pathlib.Path(__file__).resolve().parents[2]
PASSWORD = "it's a p:ss\\word"  # of every role of the server that has one; awkward on purpose
# Below 32768, and never those of another process of this suite (gw0, gw1, ...), nor of a suite that runs beside it.
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
FIRST_PORT = int(os.environ.get("BACKSTOP_TEST_PORTS", 20000))
PORTS = itertools.count(FIRST_PORT + 3000 * (WORKER % 4) + random.randrange(1500))


def free_port():
    """A port below 32768 that nobody uses now."""
    for port in PORTS:
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


direct_only = pytest.mark.skipif(shaping.HOW != "", reason="what stands at the end of the line is a relay")


def binary():
    path = pathlib.Path(os.environ.get("BACKSTOP_BIN", ROOT / "build" / "backstop"))
    if not path.exists():
        pytest.exit(f"{path} is missing: run script/build first", returncode=2)
    return str(path)


def pg_bin():
    folder = os.environ.get("BACKSTOP_PG_BIN")
    found = [folder] if folder else sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not found:
        pytest.exit("no PostgreSQL server programs found: run script/setup first", returncode=2)
    return pathlib.Path(found[-1])


def as_server_user(command):
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]


def make_certificate(folder, name="server", san="DNS:localhost,IP:127.0.0.1"):
    """A self-signed certificate; returns (certificate, key)."""
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", f"subjectAltName={san}",
         "-keyout", key, "-out", cert],
        check=True, capture_output=True)
    key.chmod(0o600)
    return cert, key


# Roles of the server, and how each must log in there.
HBA = """\
local   all  postgres   trust
local   all  app_trust  trust
local   all  app_clerk  trust
local   all  app_scram  scram-sha-256
local   all  app_md5    md5
local   all  app_pw     password
host    all  app_scram  127.0.0.1/32 scram-sha-256
host    all  app_md5    127.0.0.1/32 md5
host    all  app_pw     127.0.0.1/32 password
host    all  app_trust  127.0.0.1/32 trust
hostssl all  app_tls    127.0.0.1/32 scram-sha-256
hostnossl all app_plain 127.0.0.1/32 scram-sha-256
"""

ROLES = """
CREATE ROLE app_trust LOGIN;
CREATE ROLE app_clerk LOGIN;
CREATE ROLE backstop LOGIN SUPERUSER;
SET password_encryption = 'scram-sha-256';
CREATE ROLE app_scram LOGIN PASSWORD {p};
CREATE ROLE app_pw LOGIN PASSWORD {p};
CREATE ROLE app_tls LOGIN PASSWORD {p};
CREATE ROLE app_plain LOGIN PASSWORD {p};
SET password_encryption = 'md5';
CREATE ROLE app_md5 LOGIN PASSWORD {p};
"""


class Postgres:
    """A private server: Unix socket in .folder, TCP on 127.0.0.1:.port, TLS with .certificate."""

    def __init__(self, programs=None):
        self.bin = programs or pg_bin()
        said = subprocess.run([self.bin / "postgres", "--version"], check=True, capture_output=True, text=True)
        self.major = said.stdout.split()[2].split(".")[0]
        self.of_debian = str(self.bin.resolve()).startswith("/usr/lib/postgresql/")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bs-pg-"))
        self.data = self.folder / "data"
        self.port = free_port()
        self.log = self.folder / "log"
        self.certificate, key = make_certificate(self.folder)
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            for path in (self.folder, self.certificate, key):
                os.chown(path, user.pw_uid, user.pw_gid)
        self.folder.chmod(0o755)
        self._run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                  "--locale=C.UTF-8", "--no-sync")
        (self.data / "pg_hba.conf").write_text(
            HBA.replace("app_trust  trust", "app_trust  trust\nlocal   all  backstop   trust", 1))
        with (self.data / "postgresql.conf").open("a") as f:
            f.write(f"listen_addresses = '127.0.0.1'\nport = {self.port}\n"
                    f"unix_socket_directories = '{self.folder}'\nssl = on\n"
                    f"ssl_cert_file = '{self.certificate}'\nssl_key_file = '{key}'\n"
                    "fsync = off\nmax_connections = 200\nmax_prepared_transactions = 10\nlog_line_prefix = '%m [%p] %q%u@%d %a '\n"
                    "log_connections = on\n")
        self._run("pg_ctl", "-D", self.data, "-l", self.log, "-w", "-t", "60", "start")
        with self.admin("postgres") as c:
            c.execute("CREATE DATABASE app")
            for statement in ROLES.format(p=psycopg.sql.Literal(PASSWORD).as_string(c)).split(";\n"):
                if statement.strip():
                    c.execute(statement)
            c.execute("GRANT ALL ON DATABASE app TO PUBLIC")
        with self.admin() as c:
            c.execute("GRANT ALL ON SCHEMA public TO PUBLIC")

        self.shaped = {"unix": (str(self.folder), self.port), "tcp": ("127.0.0.1", self.port)}
        self.shapers = []
        if shaping.HOW:
            self.shape(shaping.HOW)

    def shape(self, how):
        """Relays before the server, where conninfo() finds them."""
        port = free_port()
        folder, local = shaping.folder_for(self.folder / f".s.PGSQL.{self.port}", how)
        self.shapers += [local, shaping.Shaper(port, self.port, how)]
        self.shaped = {"unix": (str(folder), self.port), "tcp": ("127.0.0.1", port)}

    def _run(self, program, *args):
        subprocess.run(as_server_user([str(self.bin / program), *map(str, args)]), check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, cwd="/")

    @contextlib.contextmanager
    def admin(self, dbname="app"):
        """A superuser's connection past the gateway, in autocommit."""
        with psycopg.connect(host=str(self.folder), port=self.port, user="postgres",
                             dbname=dbname, autocommit=True) as c:
            yield c

    def conninfo(self, user, how="unix", **more):
        host, port = self.shaped[how]
        return psycopg.conninfo.make_conninfo("", host=host, port=port, user=user, dbname="app", **more)

    def restart(self):
        self._run("pg_ctl", "-D", self.data, "-l", self.log, "-w", "-t", "60", "-m", "fast", "restart")

    def stop(self):
        for shaper in self.shapers:
            shaper.close()
        with contextlib.suppress(subprocess.CalledProcessError):
            self._run("pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)


SHARED = []  # the server of all modules, once one has asked


@pytest.fixture(scope="session")
def pg():
    server = Postgres()
    SHARED.append(server)
    yield server
    server.stop()


# What changes how the statements of other modules behave. A function's trigger or table stays in its schema.
LASTING = """SELECT 'default privileges of ' || defaclrole::regrole FROM pg_default_acl
    UNION ALL SELECT 'settings of ' || setrole::regrole FROM pg_db_role_setting
    UNION ALL SELECT 'event trigger ' || evtname FROM pg_event_trigger
    UNION ALL SELECT 'publication for all tables ' || pubname FROM pg_publication WHERE puballtables"""


@pytest.fixture(scope="module", autouse=True)
def leaves_nothing():
    """Fails the module that leaves such a thing, not the one that meets it in another order."""
    before = lasting()
    yield
    assert lasting() - before == set(), "for the next module to find"


def lasting():
    if not SHARED:
        return set()
    with SHARED[0].admin() as c:
        return {what for what, in c.execute(LASTING)}


class Gateway:
    """One gateway process with a folder, a configuration and agents of its own."""

    def __init__(self, pg, databases=None, tls=True, policy=None, extra=None, env=None):
        self.pg = pg
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bs-gw-"))
        self.port = free_port()
        self.listens = free_port() if shaping.HOW else self.port  # else a relay is between the two
        self.operators_port = free_port()
        self.passwords = {}
        self.env = {**os.environ, **(env or {})}
        self.process = None
        self.lines = []
        self.config = self.folder / "backstop.yaml"
        (self.folder / "socket").mkdir()
        self.databases = databases or {"app": pg.conninfo("app_trust")}
        text = {
            "listen": [f"127.0.0.1:{self.listens}", f"unix:{self.folder}/socket"],
            "operators": {"listen": f"127.0.0.1:{self.operators_port}", "requests": 10000},
            "databases": {
                name: {"upstream": upstream, "helper": pg.conninfo("backstop"),
                       "environment": "test"}
                for name, upstream in self.databases.items()},
            "state": f"sqlite://{self.folder}/state.db",
            "audit": {"directory": f"{self.folder}/audit"},
            "storage": f"file://{self.folder}/points",
            "spool": f"{self.folder}/spool",
            "workers": 2,
        }
        self.shapers = []
        if shaping.HOW:
            local = [self.folder / "socket" / f".s.PGSQL.{port}" for port in (self.port, self.listens)]
            self.shapers = [shaping.Shaper(self.port, self.listens), shaping.Shaper(*local)]
        if tls:
            self.certificate, key = make_certificate(self.folder)
            text["tls"] = {"cert": str(self.certificate), "key": str(key)}
        if policy is not None:
            text["policy"] = policy
        text.update(extra or {})
        if not pg.of_debian:
            text.setdefault("recovery", {}).setdefault("pg_dump", {pg.major: str(pg.bin / "pg_dump")})
        self.config.write_text(json.dumps(text, indent=1))  # JSON is YAML
        self.config.chmod(0o600)

    def cli(self, *args, check=True):
        """Run a verb against this gateway's configuration."""
        return subprocess.run([binary(), *args, "--config", str(self.config)], check=check,
                              capture_output=True, text=True, env=self.env, timeout=60)

    def add_agent(self, name, *databases):
        args = [x for d in databases or self.databases for x in ("--database", d)]
        out = self.cli("agents", "add", name, "--owner", "alice", "--json", *args)
        self.passwords[name] = json.loads(out.stdout)["password"]
        return self.passwords[name]

    def start(self):
        self.process = subprocess.Popen([binary(), "serve", "--config", str(self.config)],
                                        stderr=subprocess.PIPE, text=True, env=self.env)
        ready = threading.Event()
        threading.Thread(target=self._collect, args=(ready,), daemon=True).start()
        deadline = time.monotonic() + 30
        while not ready.wait(0.02):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("the gateway did not become ready:\n" + "".join(self.lines))
        return self

    def _collect(self, ready):
        for line in self.process.stderr:
            self.lines.append(line)
            if '"ready"' in line or " ready" in line:
                ready.set()

    def log(self):
        return "".join(self.lines)

    def connect(self, actor="alice", dbname="app", **more):
        options = {"host": "127.0.0.1", "port": self.port, "user": actor, "dbname": dbname,
                   "password": self.passwords.get(actor), "connect_timeout": 20, **more}
        return psycopg.connect(**options)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def stop(self, sig=signal.SIGTERM, timeout=40):
        """Ends the process; its exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def remove(self):
        for shaper in self.shapers:
            shaper.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def wait_until(what, seconds=10, every=0.05):
    """The first true value of what(), or an AssertionError."""
    deadline = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(every)


@contextlib.contextmanager
def running(gateway, *agents):
    """Adds agents, starts, and makes sure that the end is clean."""
    try:
        for agent in agents:
            gateway.add_agent(agent)
        gateway.start()
        yield gateway
        status = gateway.stop()
        assert status == 0, f"exit status {status}\n{gateway.log()}"
        assert "ERROR: AddressSanitizer" not in gateway.log()
        assert "ERROR: LeakSanitizer" not in gateway.log(), gateway.log()
        assert "runtime error:" not in gateway.log(), gateway.log()
        assert "WARNING: ThreadSanitizer" not in gateway.log(), gateway.log()
    finally:
        if gateway.process is not None and gateway.process.poll() is None:
            gateway.process.kill()
            gateway.process.wait()
        gateway.remove()


@pytest.fixture(scope="module")
def gateway(pg):
    """A gateway with TLS; the agent `alice` may use the database `app`, but not `other`."""
    g = Gateway(pg, {name: pg.conninfo("app_trust") for name in ("app", "other")})
    g.add_agent("alice", "app")
    with running(g) as g:
        yield g


NODE_WANTED = ROOT / "tests" / "integration" / "node"
NODE_LOCK = NODE_WANTED / "package-lock.json"
# A folder for each set of versions: two work trees may share the cache.
NODE_CACHE = ROOT / ".cache" / f"node-{hashlib.sha256(NODE_LOCK.read_bytes()).hexdigest()[:8]}"


def install_packages():
    """The folder of the programs, installed where it is missing or of another version."""
    NODE_CACHE.mkdir(parents=True, exist_ok=True)
    with (NODE_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two suites at once
        done, wanted = NODE_CACHE / "installed.json", NODE_WANTED / "package-lock.json"
        if not done.exists() or not filecmp.cmp(done, wanted, shallow=False):
            done.unlink(missing_ok=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(NODE_WANTED / name, NODE_CACHE / name)
            subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=NODE_CACHE,
                           check=True, timeout=300, stdout=subprocess.DEVNULL)
            shutil.copy(wanted, done)
    return NODE_CACHE


@pytest.fixture(scope="session")
def packages():
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("npm is not installed: script/setup does it")
    return install_packages()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failing test shows what its gateway said."""
    report = (yield).get_result()
    if report.when != "call" or not report.failed:
        return
    for value in item.funcargs.values():
        gateway = getattr(value, "gateway", value)
        if isinstance(gateway, Gateway):
            report.sections.append(("gateway log", gateway.log()[-4000:]))


def note(request, group, text):
    """A line for the end of the run, whichever process the test ran in."""
    request.node.user_properties.append(("note", f"{group}\n{text}"))


def pytest_terminal_summary(terminalreporter):
    groups = {}
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "note" and report.when == "call":
                group, _, text = value.partition("\n")
                groups.setdefault(group, []).append(text)
    for group, lines in groups.items():
        terminalreporter.section(group)
        for line in sorted(lines):
            terminalreporter.write_line(line)
