#!/usr/bin/env python3
"""What a shared state costs: how long an approved statement waits, and how many run in a second.

    tests/bench/gateways.py [--rounds 40] [--clients 8] [--seconds 10]

One gateway with its state in a file, one with it in PostgreSQL, four with the same PostgreSQL. Of each: the
time from the operator's decision (before it is sent) to the statement's BEGIN as the server logged it, where the operator is at the gateway
that holds the statement and at another one; then held statements, each opened, approved and run, by as many
clients as are asked for. Everything runs on this machine, the servers too, so the figures compare, no more.
"""

import argparse
import contextlib
import datetime
import pathlib
import statistics
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from conftest import Gateway, Postgres, running  # noqa: E402
from operator_side import Operator  # noqa: E402

SCHEMA = """
DROP SCHEMA IF EXISTS bench CASCADE;
CREATE SCHEMA bench AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE bench.t (id int PRIMARY KEY, n int NOT NULL DEFAULT 0);
INSERT INTO bench.t SELECT generate_series(1, 1000);
RESET ROLE;
"""
# One of each client's own: a recovery point locks its table.
OWN = """
SET ROLE app_trust;
CREATE TABLE bench.t{0} AS SELECT generate_series(1, 1000) AS id, 0 AS n;
ALTER TABLE bench.t{0} ADD PRIMARY KEY (id);
RESET ROLE;
"""


class Site:
    def __init__(self, pg, url, n):
        more = {"hold": {"wait": "60s"}}
        if url:
            more["state"] = url
        self.gateways = [Gateway(pg, extra=dict(more))]
        for _ in range(n - 1):
            self.gateways.append(Gateway(pg, extra={**more, "storage": f"file://{self.gateways[0].folder}/points"}))
        first = Operator(self.gateways[0], "kim")
        self.operators = []
        for gateway in self.gateways:
            operator = object.__new__(Operator)
            operator.token, operator.base = first.token, f"http://127.0.0.1:{gateway.operators_port}"
            self.operators.append(operator)
        self.agents = 0

    def connect(self, at):
        self.agents += 1
        name = f"agent-{self.agents}"
        self.gateways[0].add_agent(name)
        self.gateways[at].passwords = self.gateways[0].passwords
        return name, self.gateways[at].connect(name, autocommit=True)


def began(pg, name, offset):
    """When the server got BEGIN from this agent's session, by its log from there on."""
    for line in pg.log.read_text()[offset:].splitlines():
        if f"backstop/{name} " in line and "BEGIN" in line:
            at = datetime.datetime.strptime(" ".join(line.split()[:2]), "%Y-%m-%d %H:%M:%S.%f")
            return at.replace(tzinfo=datetime.timezone.utc).timestamp()
    raise AssertionError("no BEGIN in the server's log")


def release(pg, site, at, rounds):
    """Milliseconds from the decision to BEGIN, decided at that gateway, of a statement held at the first."""
    name, c = site.connect(0)
    took = []
    for i in range(rounds):
        sql = f"UPDATE bench.t SET n = n + 1 WHERE id = {i + 1}"
        thread = threading.Thread(target=c.execute, args=(sql,))
        thread.start()
        operator = site.operators[at]
        ticket = None
        while ticket is None:
            ticket = next((t for t in operator.tickets() if t["actor"] == name), None)
        time.sleep(0.05)  # it waits by now
        offset = len(pg.log.read_text())
        decided = time.time()
        operator.decide(ticket["id"], "approve")
        thread.join()
        took.append((began(pg, name, offset) - decided) * 1000)
    c.close()
    return took


def throughput(site, clients, seconds):
    """Statements in a second, each held, approved by whoever sees it first, and run."""
    stop, done, lock = threading.Event(), [0], threading.Lock()

    def ask(i):
        _, c = made[i]
        k = 0
        while not stop.is_set():
            c.execute(f"UPDATE bench.t{i} SET n = n + 1 WHERE id = {k % 1000 + 1}")
            k += 1
            with lock:
                done[0] += 1
        c.close()

    def approve(operator):
        while not stop.is_set() or any(t.is_alive() for t in threads):
            for ticket in operator.tickets():
                operator.ask("POST", f"/v1/tickets/{ticket['id']}/approve", {"reason": "bench"})

    made = [site.connect(i % len(site.gateways)) for i in range(clients)]
    threads = [threading.Thread(target=ask, args=(i,)) for i in range(clients)]
    operator = threading.Thread(target=approve, args=(site.operators[-1],))
    began_at = time.monotonic()
    for t in (*threads, operator):
        t.start()
    time.sleep(seconds)
    stop.set()
    for t in (*threads, operator):
        t.join()
    return done[0] / (time.monotonic() - began_at)


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--rounds", type=int, default=40)
    args.add_argument("--clients", type=int, default=8)
    args.add_argument("--seconds", type=float, default=10)
    args = args.parse_args()
    pg, keeper = Postgres(), Postgres()
    with pg.admin() as c:
        c.execute(SCHEMA + "".join(OWN.format(i) for i in range(args.clients)))
        c.execute("ALTER SYSTEM SET log_statement = 'all'")
        c.execute("ALTER SYSTEM SET log_timezone = 'UTC'")
        c.execute("SELECT pg_reload_conf()")
    for what, url, n in (("a file, 1 gateway", None, 1), ("PostgreSQL, 1 gateway", "one", 1),
                         ("PostgreSQL, 4 gateways", "four", 4)):
        if url:
            with keeper.admin("postgres") as c:
                c.execute(f"CREATE DATABASE {url}")
            url = f"postgresql://postgres@/{url}?host={keeper.folder}&port={keeper.port}"
        site = Site(pg, url, n)
        with contextlib.ExitStack() as stack:
            for gateway in site.gateways:
                stack.enter_context(running(gateway))
            for at in {0, n - 1}:
                took = sorted(release(pg, site, at, args.rounds))
                print(f"{what}: decided {'there' if at else 'here'}: BEGIN after "
                      f"{statistics.median(took):.1f} ms, {took[int(len(took) * 0.9)]:.1f} ms at 90 %", flush=True)
            print(f"{what}: {throughput(site, args.clients, args.seconds):.0f} held statements in a second", flush=True)
    pg.stop()
    keeper.stop()


if __name__ == "__main__":
    main()
