"""What the benchmarks share: a private PostgreSQL, programs beside it, results of interleaved rounds.

Nothing is left behind, also not after Ctrl-C: processes, folder, server. Loopback only.
"""

import argparse
import contextlib
import itertools
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

PASSWORD = "loopback-only"
TICKS = os.sysconf("SC_CLK_TCK")
PROGRAMS = pathlib.Path(os.environ.get("BENCH_PROGRAMS", "build/tests/bench"))
BACKSTOP = os.environ.get("BACKSTOP_BIN", "build/backstop")
# Setting up is trusted; what is measured proves its password, on a Unix socket, too.
HBA = """\
local  all  postgres,backstop  trust
local  all  all                scram-sha-256
host   all  all  127.0.0.1/32  scram-sha-256
"""


class Fault(Exception):
    """What the caller can do something about; the text says what."""


def free_port(ports=itertools.count(24000 + os.getpid() % 4000)):
    """One that nobody uses and that was not given out before."""
    for port in itertools.takewhile(lambda p: p < 32768, ports):
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port
    raise Fault("no port below 32768 is free: end what listens on so many")


def pg_program(name):
    folders = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
    folder = os.environ.get("BACKSTOP_PG_BIN") or (folders and folders[-1])
    if not folder:
        raise Fault("no PostgreSQL is installed: script/setup does it, or say BACKSTOP_PG_BIN=FOLDER")
    path = pathlib.Path(folder) / name
    if name == "pgbench" and not path.exists() and folders:
        path = folders[-1] / name  # servers that script/servers fetches come without
    if not path.exists():
        raise Fault(f"{path} is missing: BACKSTOP_PG_BIN must name a folder with PostgreSQL's programs")
    return str(path)


def as_server_user(command):
    """PostgreSQL, PgBouncer and HAProxy refuse to run as root, or should not."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]


def run(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, text=True, **more).stdout


def cpu_seconds(pid):
    """User and system time of a process with all its threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise Fault(f"process {pid} has ended")


def seconds(function, *args):
    start = time.monotonic()
    out = function(*args)
    return time.monotonic() - start, out


class Stage:
    """A server with the database `bench`, and what is started beside it."""

    SETTINGS = ""  # more lines of postgresql.conf

    def __init__(self, scale=1):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bs-bench-"))
        self.folder.chmod(0o755)
        self.scale = scale
        self.processes = []
        self.pg_port = None

    def start_postgres(self):
        data = self.folder / "pg"
        data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            os.chown(data, user.pw_uid, user.pw_gid)
        run(*as_server_user([pg_program("initdb"), "-D", data, "-U", "postgres", "-E", "UTF8",
                             "--locale=C.UTF-8", "--no-sync", "-A", "trust"]), cwd="/")
        (data / "pg_hba.conf").write_text(HBA)
        port = free_port()
        with (data / "postgresql.conf").open("a") as f:
            f.write(f"listen_addresses = '127.0.0.1'\nport = {port}\n"
                    f"unix_socket_directories = '{self.folder}'\nfsync = off\n"
                    f"shared_buffers = 512MB\nautovacuum = off\n{self.SETTINGS}")
        self.pg_port = port
        run(*as_server_user([pg_program("pg_ctl"), "-D", data, "-l", self.folder / "pg.log",
                             "-w", "start"]), cwd="/", stdin=subprocess.DEVNULL)
        self.psql("postgres", f"CREATE ROLE bench LOGIN PASSWORD '{PASSWORD}'",
                  "CREATE ROLE backstop LOGIN SUPERUSER",
                  "CREATE DATABASE bench OWNER bench")

    @property
    def postmaster(self):
        return int((self.folder / "pg" / "postmaster.pid").read_text().split()[0])

    def fill(self, database):
        run(pg_program("pgbench"), "-i", "-q", "-s", str(self.scale), "-h", self.folder,
            "-p", str(self.pg_port), "-U", "bench", database,
            env={**os.environ, "PGPASSWORD": PASSWORD})

    def psql(self, database, *statements):
        commands = [x for s in statements for x in ("-c", s)]
        return run(pg_program("psql"), "-X", "-q", "-A", "-t", "-h", self.folder, "-p", str(self.pg_port),
                   "-U", "postgres", "-d", database, *commands)

    @staticmethod
    def where(host, port, database="bench", user="bench"):
        return f"host={host} port={port} dbname={database} user={user} password='{PASSWORD}' sslmode=disable"

    def write_config(self, folder, upstreams, **more):
        """backstop.yaml in a folder of its own; upstreams: {database: connection string}"""
        folder.mkdir(mode=0o700, exist_ok=True)
        port = free_port()
        config = folder / "backstop.yaml"
        config.write_text(json.dumps({
            "listen": [f"127.0.0.1:{port}"],
            "operators": {"listen": f"127.0.0.1:{free_port()}"},
            "databases": {name: {
                "upstream": upstream,
                "helper": f"host={self.folder} port={self.pg_port} dbname={name} user=backstop"}
                for name, upstream in upstreams.items()},
            "state": f"sqlite://{folder}/state.db",
            "audit": {"directory": f"{folder}/audit"},
            "storage": f"file://{folder}/points",
            "spool": f"{folder}/spool",
            "workers": 2, **more}))
        config.chmod(0o600)
        return config, port

    def spawn(self, command, **more):
        """In a session of its own, so that Ctrl-C is ours alone."""
        with self.log.open("a") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       start_new_session=True, **more)
        self.processes.append(process)
        return process

    @property
    def log(self):
        return self.folder / "programs.log"

    def wait_for(self, name, port, process):
        for _ in range(300):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if process.poll() is not None:
                break
            time.sleep(0.1)
        raise Fault(f"{name} did not start:\n{tail(self.log)}")

    def stop(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            process.kill()
            process.wait()
        if self.pg_port is not None:
            subprocess.run(as_server_user([pg_program("pg_ctl"), "-D", self.folder / "pg",
                                           "-m", "immediate", "-w", "stop"]),
                           capture_output=True, cwd="/")
        shutil.rmtree(self.folder, ignore_errors=True)


def tail(path, lines=15):
    """The last lines of a log but for what only says that a session came or went."""
    with contextlib.suppress(OSError):
        kept = [line for line in path.read_text(errors="replace").splitlines() if '"level":"info"' not in line]
        return "\n".join(kept[-lines:])
    return ""


class Results:
    """Ratios made within a round; above 1 we are ahead."""

    def __init__(self):
        self.rows = {}

    def add(self, workload, clients, peer, figure, ratio):
        row = self.rows.setdefault((workload, clients, peer), {"figure": [], "ratio": []})
        row["figure"].append(figure)
        row["ratio"].append(ratio)

    def list(self):
        return [{"workload": w, "clients": c, "peer": p,
                 "figure": round(statistics.median(r["figure"]), 3),
                 "ratio_min": round(min(r["ratio"]), 3),
                 "ratio_median": round(statistics.median(r["ratio"]), 3),
                 "ratio_max": round(max(r["ratio"]), 3)} for (w, c, p), r in self.rows.items()]

    def show(self, clients="clients"):
        for line in table(self.list(), clients):
            print(line)


def table(rows, clients):
    """Lines of a table in Markdown."""
    cells = [["workload", clients, "peer", "figure", "ratio", "least", "most"]]
    cells += [[r["workload"], str(r["clients"]), r["peer"], f"{r['figure']:,.2f}",
               *(f"{r[k]:.2f}" for k in ("ratio_median", "ratio_min", "ratio_max"))] for r in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(7)]
    left = (0, 2)
    lines = ["| " + " | ".join(c.ljust(w) if i in left else c.rjust(w)
                               for i, (c, w) in enumerate(zip(row, widths))) + " |" for row in cells]
    rule = "|" + "|".join("-" * (w + 1) + ("-" if i in left else ":") for i, w in enumerate(widths)) + "|"
    return [lines[0], rule, *lines[1:]]


class Progress:
    """One line on a terminal that is written over; elsewhere a line a round."""

    def __init__(self, steps):
        self.steps, self.done, self.start = steps, 0, time.monotonic()
        self.terminal = sys.stderr.isatty()

    def step(self, text):
        if self.terminal:
            left = ""
            if self.done > 2:
                each = (time.monotonic() - self.start) / self.done
                left = f", {each * (self.steps - self.done) / 60:.0f} min left"
            sys.stderr.write(f"\r\033[K{self.done + 1}/{self.steps} {text}{left}")
            sys.stderr.flush()
        self.done += 1

    def line(self, text):
        sys.stderr.write(("\r\033[K" if self.terminal else "") + text + "\n")
        sys.stderr.flush()


def arguments(text):
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="the results, there, too")
    return parser


def check_json(path):
    """Before half an hour of work, not after it."""
    if path is None:
        return
    try:
        path.touch()
    except OSError as e:
        raise Fault(f"--json {path}: {e.strerror}") from e


def write_json(path, rows):
    if path:
        path.write_text(json.dumps(rows, indent=1) + "\n")


def act(stage, body):
    """Runs body(); takes the stage down whatever happens; the exit status."""
    def interrupted(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupted)
    status = 0
    try:
        body()
    except Fault as e:
        status = 1
        print(f"bench: {e}", file=sys.stderr)
    except subprocess.CalledProcessError as e:
        status = 1
        said = tail(stage.log)
        print(f"bench: {' '.join(map(str, e.cmd)) if isinstance(e.cmd, (list, tuple)) else e.cmd}: "
              f"exit {e.returncode}\n{e.stderr or ''}" + (f"the programs' log ends with:\n{said}" if said else ""),
              file=sys.stderr)
    except KeyboardInterrupt:
        status = 130
        print("\nbench: interrupted; taking everything down", file=sys.stderr)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stage.stop()
    return status
