#!/usr/bin/env python3
"""pgbench -S direct, through PgBouncer and through Backstop, in interleaved rounds.

What counts is the ratio within a round: absolute numbers belong to a machine and a moment. All
connections are TCP on loopback, SCRAM on both sides, without TLS. See README.md beside this.
"""

import argparse
import contextlib
import itertools
import json
import os
import pathlib
import pwd
import re
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
# Unix sockets are for setting up; what is measured goes over TCP.
HBA = """\
local  all  all                trust
host   all  all  127.0.0.1/32  scram-sha-256
"""


def free_port(ports=itertools.count(24000 + os.getpid() % 4000)):
    """One that nobody uses and that was not given out before."""
    for port in itertools.takewhile(lambda p: p < 32768, ports):
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port
    sys.exit("bench: no free port")


def pg_program(name):
    folders = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
    return str(pathlib.Path(os.environ.get("BACKSTOP_PG_BIN") or folders[-1]) / name)


def as_server_user(command):
    """PostgreSQL and PgBouncer refuse to run as root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]


def run(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, text=True, **more).stdout


def cpu_seconds(pid):
    """User and system time of a process with all its threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Target:
    """Something that answers on a port. `pid` is the gateway in between, if there is one."""

    def __init__(self, name, port, pid=None, database="bench"):
        self.name, self.port, self.pid, self.database = name, port, pid, database


class Bench:
    def __init__(self, folder, scale):
        self.folder = folder
        self.processes = []
        self.pg_port = None
        self.scale = scale

    # --- the stage ---

    def start_postgres(self):
        data = self.folder / "pg"
        data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            os.chown(data, user.pw_uid, user.pw_gid)
        run(*as_server_user([pg_program("initdb"), "-D", data, "-U", "postgres", "-E", "UTF8",
                             "--locale=C.UTF-8", "--no-sync", "-A", "trust"]), cwd="/")
        self.pg_port = free_port()
        (data / "pg_hba.conf").write_text(HBA)
        with (data / "postgresql.conf").open("a") as f:
            f.write(f"listen_addresses = '127.0.0.1'\nport = {self.pg_port}\n"
                    f"unix_socket_directories = '{self.folder}'\nfsync = off\n"
                    "shared_buffers = 512MB\nautovacuum = off\nmax_connections = 100\n")
        run(*as_server_user([pg_program("pg_ctl"), "-D", data, "-l", self.folder / "pg.log",
                             "-w", "start"]), cwd="/", stdin=subprocess.DEVNULL)
        self.psql("postgres", "CREATE ROLE bench LOGIN PASSWORD '%s'" % PASSWORD,
                  "CREATE ROLE backstop LOGIN SUPERUSER",
                  "CREATE DATABASE bench OWNER bench")
        self.fill("bench")
        return Target("direct", self.pg_port)

    def fill(self, database):
        run(pg_program("pgbench"), "-i", "-q", "-s", str(self.scale), "-h", self.folder,
            "-p", str(self.pg_port), "-U", "bench", database)

    def psql(self, database, *statements):
        commands = [x for s in statements for x in ("-c", s)]
        run(pg_program("psql"), "-X", "-q", "-h", self.folder, "-p", str(self.pg_port),
            "-U", "postgres", "-d", database, *commands)

    def start_pgbouncer(self):
        port = free_port()
        users = self.folder / "users.txt"
        users.write_text(f'"bench" "{PASSWORD}"\n')
        ini = self.folder / "pgbouncer.ini"
        ini.write_text(
            "[databases]\n"
            f"bench = host=127.0.0.1 port={self.pg_port} dbname=bench\n"
            "[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\n"
            f"auth_file = {users}\npool_mode = session\ndefault_pool_size = 50\n"
            "max_client_conn = 100\nserver_tls_sslmode = disable\nclient_tls_sslmode = disable\n"
            "log_connections = 0\nlog_disconnections = 0\nlog_stats = 0\n"
            "ignore_startup_parameters = extra_float_digits\n")
        process = self.spawn(as_server_user([os.environ["PGBOUNCER"], "-q", str(ini)]))
        return Target("pgbouncer", port, process.pid)

    def start_backstop(self, audit_safe, database="bench"):
        port, folder = free_port(), self.folder / f"backstop-{audit_safe}-{database}"
        folder.mkdir(mode=0o700)
        config = folder / "backstop.yaml"
        config.write_text(json.dumps({
            "listen": [f"127.0.0.1:{port}"],
            "operators": {"listen": f"127.0.0.1:{free_port()}"},
            "databases": {database: {
                "upstream": f"host=127.0.0.1 port={self.pg_port} dbname={database} user=bench "
                            f"password='{PASSWORD}' sslmode=disable",
                "helper": f"host={self.folder} port={self.pg_port} dbname={database} "
                          "user=backstop"}},
            "state": f"sqlite://{folder}/state.db",
            "audit": {"directory": f"{folder}/audit"},
            "storage": f"file://{folder}/points",
            "spool": f"{folder}/spool",
            "workers": 2,
            "audit_safe": audit_safe}))
        config.chmod(0o600)
        program = os.environ["BACKSTOP_BIN"]
        added = json.loads(run(program, "agents", "add", "bench", "--database", database,
                               "--owner", "bench", "--json", "--config", str(config)))
        process = self.spawn([program, "serve", "--config", str(config)])
        target = Target(f"backstop {audit_safe}", port, process.pid, database)
        target.password = added["password"]
        target.audit = folder / "audit"
        return target

    def spawn(self, command):
        with (self.folder / "gateways.log").open("a") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def wait_for(self, target):
        for _ in range(100):
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", target.port)) == 0:
                    return
            time.sleep(0.1)
        sys.exit(f"bench: {target.name} did not start\n{(self.folder / 'gateways.log').read_text()}")

    def stop(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            process.kill()
        if self.pg_port is not None:
            subprocess.run(as_server_user([pg_program("pg_ctl"), "-D", self.folder / "pg",
                                           "-m", "immediate", "-w", "stop"]),
                           capture_output=True, cwd="/")

    # --- measuring ---

    def measure(self, target, mode, clients, seconds):
        """(transactions a second, microseconds of the gateway's CPU for each)"""
        env = {**os.environ, "PGPASSWORD": getattr(target, "password", PASSWORD),
               "PGSSLMODE": "disable"}
        before = cpu_seconds(target.pid) if target.pid else 0
        out = run(pg_program("pgbench"), "-S", "-n", "-M", mode, "-c", str(clients),
                  "-j", str(min(clients, 2)), "-T", str(seconds), "-h", "127.0.0.1",
                  "-p", str(target.port), "-U", "bench", target.database, env=env)
        used = cpu_seconds(target.pid) - before if target.pid else 0
        tps = float(re.search(r"^tps = ([\d.]+)", out, re.M).group(1))
        done = int(re.search(r"actually processed: (\d+)", out).group(1))
        return tps, used / done * 1e6


def table(results, targets):
    """One row a load: medians of tps, medians of the rounds' ratios, CPU for each statement."""
    names = [t.name for t in targets]
    gateways = [n for n in names if n.startswith("backstop")]
    head = ["load", *names, *(f"{n} / pgbouncer" for n in gateways),
            *(f"CPU us, {n}" for n in names[1:])]
    rows = [head]
    for (mode, clients), rounds in results.items():
        row = [f"{mode}, {clients} client{'s' if clients > 1 else ''}"]
        row += [f"{statistics.median(r[n][0] for r in rounds):,.0f}" for n in names]
        row += ["%.2f" % statistics.median(r[n][0] / r["pgbouncer"][0] for r in rounds)
                for n in gateways]
        row += ["%.1f" % statistics.median(r[n][1] for r in rounds) for n in names[1:]]
        rows.append(row)
    widths = [max(len(r[i]) for r in rows) for i in range(len(head))]
    for number, row in enumerate(rows):
        print("| " + " | ".join(c.rjust(w) if i else c.ljust(w)
                                for i, (c, w) in enumerate(zip(row, widths))) + " |")
        if number == 0:
            print("|" + "|".join("-" * (w + 1) + (":" if i else "-")
                                 for i, w in enumerate(widths)) + "|")


def added_latency(results, targets):
    """What one statement costs more than without a gateway, alone on the line."""
    for (mode, clients), rounds in results.items():
        if clients != 1:
            continue
        added = [(t.name, statistics.median(1e6 / r[t.name][0] - 1e6 / r["direct"][0]
                                            for r in rounds)) for t in targets[1:]]
        print(f"added at one client, {mode}: " +
              ", ".join(f"{name} {us:.0f} us" for name, us in added))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of each run")
    parser.add_argument("--scale", type=int, default=10, help="of pgbench's tables")
    parser.add_argument("--modes", default="simple,extended,prepared")
    parser.add_argument("--clients", default="16,1")
    options = parser.parse_args()
    loads = [(m, int(c)) for c in options.clients.split(",") for m in options.modes.split(",")]
    results = {load: [] for load in loads}

    folder = pathlib.Path(tempfile.mkdtemp(prefix="bs-bench-"))
    folder.chmod(0o755)
    bench = Bench(folder, options.scale)
    try:
        targets = [bench.start_postgres(), bench.start_pgbouncer(), bench.start_backstop("all"),
                   bench.start_backstop("counted")]
        for target in targets:
            bench.wait_for(target)
        for number in range(options.rounds):
            for load in loads:
                turn = targets[number % len(targets):] + targets[:number % len(targets)]
                results[load].append({t.name: bench.measure(t, *load, options.seconds)
                                      for t in turn})
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        table(results, targets)
        added_latency(results, targets)
    except subprocess.CalledProcessError as e:
        sys.exit(f"bench: {e}\n{e.stderr}")
    finally:
        bench.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
