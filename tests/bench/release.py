#!/usr/bin/env python3
"""How long an approved statement waits, from the operator's decision to its BEGIN.

    tests/bench/release.py [--rounds 200] [--other build-before/backstop]

One gateway for each program, before the same PostgreSQL, asked in turns, so that what the machine does meanwhile
happens to both. Of each: milliseconds to BEGIN as the server logged it, from before the decision was sent and from
its answer; and what the gateway asked the server for in between: connections and messages that were waited for.
The goal is 10 ms at 99 %, counted from the answer, on a machine that does nothing else.
"""

import argparse
import contextlib
import datetime
import os
import pathlib
import statistics
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import conftest  # noqa: E402
from operator_side import Operator  # noqa: E402

SCHEMA = """
DROP SCHEMA IF EXISTS bench CASCADE;
CREATE SCHEMA bench AUTHORIZATION app_trust;
SET ROLE app_trust;
CREATE TABLE bench.t (id int PRIMARY KEY, n int NOT NULL DEFAULT 0);
INSERT INTO bench.t SELECT generate_series(1, 1000);
RESET ROLE;
ALTER SYSTEM SET log_statement = 'all';
ALTER SYSTEM SET log_connections = on;
ALTER SYSTEM SET log_timezone = 'UTC';
"""


class Side:
    """One program's gateway, and what was measured of it."""

    def __init__(self, pg, program, stack):
        os.environ["BACKSTOP_BIN"] = program
        self.pg, self.program = pg, program
        self.gateway = conftest.Gateway(pg, extra={"hold": {"wait": "60s"}})
        self.name = f"agent-{self.gateway.port}"
        stack.enter_context(conftest.running(self.gateway, self.name))
        self.operator = Operator(self.gateway, "kim")
        self.client = stack.enter_context(self.gateway.connect(self.name, autocommit=True))
        self.sent, self.answered, self.connections, self.messages = [], [], [], []

    def since(self, offset):
        """(seconds, line) of the server's log from there on."""
        with self.pg.log.open("rb") as f:
            f.seek(offset)
            text = f.read().decode()
        for line in text.splitlines():
            with contextlib.suppress(ValueError):
                at = datetime.datetime.strptime(" ".join(line.split()[:2]), "%Y-%m-%d %H:%M:%S.%f")
                yield at.replace(tzinfo=datetime.timezone.utc).timestamp(), line

    def round(self, i):
        sql = f"UPDATE bench.t SET n = n + 1 WHERE id = {i % 1000 + 1}"
        thread = threading.Thread(target=self.client.execute, args=(sql,))
        thread.start()
        ticket = self.operator.next_ticket()
        time.sleep(0.05)  # it waits by now
        offset = self.pg.log.stat().st_size
        sent = time.time()
        self.operator.decide(ticket["id"], "approve")
        answered = time.time()
        thread.join()
        connections = messages = 0
        for at, line in self.since(offset):
            if f"backstop/{self.name} " in line and "BEGIN" in line:
                self.sent.append((at - sent) * 1000)
                self.answered.append((at - answered) * 1000)
                break
            connections += "connection authorized" in line and "backstop/helper" in line
            messages += "backstop/helper" in line and ("statement:" in line or "execute <unnamed>" in line)
        else:
            raise AssertionError("no BEGIN in the server's log")
        self.connections.append(connections)
        self.messages.append(messages)

    def tell(self):
        def line(took):
            took = sorted(took)
            at = [took[min(int(len(took) * q), len(took) - 1)] for q in (0.5, 0.9, 0.99)]
            return f"{at[0]:.1f} ms median, {at[1]:.1f} at 90 %, {at[2]:.1f} at 99 %"
        print(f"{self.program}: {len(self.sent)} statements\n"
              f"  BEGIN after the decision was sent: {line(self.sent)}\n"
              f"  BEGIN after it was answered:       {line(self.answered)}\n"
              f"  meanwhile, of the helper:          {statistics.mean(self.connections):.2f} connections, "
              f"{statistics.mean(self.messages):.2f} statements logged", flush=True)


def main():
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--rounds", type=int, default=200)
    args.add_argument("--other", help="another program, to compare with")
    args = args.parse_args()
    programs = [conftest.binary()] + ([str(pathlib.Path(args.other).resolve())] if args.other else [])
    pg = conftest.Postgres()
    with pg.admin() as c:
        for statement in SCHEMA.strip().split(";\n"):
            c.execute(statement)
        c.execute("SELECT pg_reload_conf()")
    with contextlib.ExitStack() as stack:
        stack.callback(pg.stop)
        sides = [Side(pg, program, stack) for program in programs]
        for i in range(args.rounds):
            for side in sides if i % 2 else reversed(sides):
                side.round(i)
        for side in sides:
            side.tell()


if __name__ == "__main__":
    main()
