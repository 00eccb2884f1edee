"""What one could put between a client and PostgreSQL: nothing, HAProxy, PgBouncer, Backstop.

All of them by TCP on loopback towards the client, SCRAM on both sides, no TLS; towards the server by
TCP or by its Unix socket. HAProxy passes the client's own SCRAM through.
"""

import contextlib
import json
import os
import pathlib
import re
import subprocess

from stage import BACKSTOP, PASSWORD, Fault, as_server_user, free_port, pg_program, run, tail

FETCHED = pathlib.Path(os.environ.get("BENCH_PEERS", ".cache/peers"))
AHEAD = "Backstop"

# Everything is on: each text is judged and recorded. pgbench's own tables and those of the COPY may be
# written without a point, as one would say for scratch space; `protected` only inside a protected
# execution; the rest is held.
POLICY = {"rules": [
    {"name": "loads", "objects": ["public.pgbench_*", "public.copied"], "risk": ["SAFE", "HIGH", "CRITICAL"],
     "action": "allow", "recovery": "none"},
    {"name": "protected", "objects": ["public.protected"], "kinds": ["TRUNCATE"],
     "risk": ["HIGH", "CRITICAL"], "action": "allow"}]}


class Peer:
    """Something that answers on a port; `process` is what stands in between, if anything does."""

    def __init__(self, name, port, process=None, password=PASSWORD):
        self.name, self.port, self.process, self.password = name, port, process, password

    @property
    def pid(self):
        return self.process.pid if self.process else None

    @property
    def ours(self):
        return self.name == AHEAD


def version(program):
    said = run(program, "-v") if "haproxy" in str(program) else run(program, "--version")
    return re.search(r"\d+(\.\d+)+", said).group()


def direct(stage):
    return Peer("direct", stage.pg_port)


def server(stage, how):
    """(host, port) of the server, by that kind of socket."""
    return ("127.0.0.1" if how == "tcp" else str(stage.folder)), stage.pg_port


def start_haproxy(stage, how="tcp"):
    program = FETCHED / "haproxy" / "run"
    if not program.exists():
        return None
    host, port = server(stage, how)
    to = f"{host}:{port}" if how == "tcp" else f"unix@{host}/.s.PGSQL.{port}"
    listen = free_port()
    config = stage.folder / f"haproxy-{how}.cfg"
    config.write_text("global\n  nbthread 1\n  maxconn 8000\n"
                      "defaults\n  mode tcp\n  timeout connect 10s\n  timeout client 1h\n  timeout server 1h\n"
                      f"listen pg\n  bind 127.0.0.1:{listen}\n  server pg {to}\n")
    process = stage.spawn(as_server_user([str(program), "-db", "-f", str(config)]))
    return up(stage, Peer(f"HAProxy {version(program)}", listen, process))


def start_pgbouncer(stage, which="pgbouncer", how="tcp", to=None):
    program = FETCHED / which / "run"
    if not program.exists():
        if which == "pgbouncer":
            raise Fault(f"{program} is missing: start this by script/bench, which fetches it")
        return None
    host, port = to or server(stage, how)
    listen = free_port()
    users = stage.folder / "users.txt"
    users.write_text(f'"bench" "{PASSWORD}"\n')
    ini = stage.folder / f"{which}-{listen}.ini"
    ini.write_text(
        "[databases]\n"
        f"bench = host={host} port={port} dbname=bench\n"
        "[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {listen}\nunix_socket_dir =\nauth_type = scram-sha-256\n"
        f"auth_file = {users}\npool_mode = session\ndefault_pool_size = 6000\n"
        "max_client_conn = 6000\nserver_tls_sslmode = disable\nclient_tls_sslmode = disable\n"
        "log_connections = 0\nlog_disconnections = 0\nlog_stats = 0\nserver_reset_query =\n"
        "ignore_startup_parameters = extra_float_digits\n")
    process = stage.spawn(as_server_user([str(program), "-q", str(ini)]))
    return up(stage, Peer(f"PgBouncer {version(program)}", listen, process))


def start_backstop(stage, how="tcp", to=None, database="bench", **more):
    """Everything on. Without a fault in starting, `operators` can be asked."""
    folder = stage.folder / f"backstop-{len(stage.processes)}"
    upstream = stage.where(*(to or server(stage, how)), database)
    more = {"policy": POLICY, "hold": {"wait": "1h", "decide": "2h"}, **more}
    config, listen = stage.write_config(folder, {database: upstream}, **more)
    added = json.loads(run(BACKSTOP, "agents", "add", "bench", "--database", database, "--owner", "bench",
                           "--json", "--config", config))
    # Where nobody can approve, nothing is held.
    run(BACKSTOP, "operators", "add", "kim", "--role", "approver", "--json", "--config", config)
    process = stage.spawn([BACKSTOP, "serve", "--config", str(config)])
    peer = up(stage, Peer(AHEAD, listen, process, added["password"]))
    peer.database, peer.config = database, config
    return peer


def up(stage, peer):
    stage.wait_for(peer.name, peer.port, peer.process)
    return peer


def end(stage, peer):
    stage.processes.remove(peer.process)
    peer.process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        peer.process.wait(15)
    peer.process.kill()
    peer.process.wait()


def environment(peer):
    return {**os.environ, "PGPASSWORD": peer.password, "PGSSLMODE": "disable", "PGGSSENCMODE": "disable"}


def pgbench(stage, peer, *options, clients, seconds):
    """What it printed. What it did until an error counts for nothing: that is a fault."""
    command = [pg_program("pgbench"), "-n", *options, "-c", str(clients), "-j", str(min(clients, 2)),
               "-T", str(seconds), "-h", "127.0.0.1", "-p", str(peer.port), "-U", "bench",
               getattr(peer, "database", "bench")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(peer), cwd=stage.folder)
    if done.returncode != 0 or "aborted" in done.stderr:
        raise Fault(f"through {peer.name}: {' '.join(command)}\n{done.stderr[-1500:]}\n"
                    f"the programs' log ends with:\n{tail(stage.log)}")
    return done.stdout


def figures(printed):
    """(transactions a second, transactions)"""
    rate = re.search(r"^tps = ([\d.]+)", printed, re.M)
    if rate is None:
        raise Fault("pgbench finished no transaction: larger --seconds, or a less busy machine")
    return float(rate.group(1)), int(re.search(r"actually processed: (\d+)", printed).group(1))


def psql(peer, sql, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL):
    subprocess.run([pg_program("psql"), "-X", "-q", "-h", "127.0.0.1", "-p", str(peer.port), "-U", "bench",
                    "-d", "bench", "-c", sql], check=True, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE,
                   text=True, env=environment(peer))
