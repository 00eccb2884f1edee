#!/usr/bin/env python3
"""What a catalog of 10,000 tables and 10,000 functions costs, beside a small one.

Loading and refreshing it, memory, verdicts, and pgbench -S through a gateway in front of each, in
interleaved rounds. See README.md beside this.

    ninja -C build backstop tests/bench/bench-catalog tests/bench/bench-verdict
    BACKSTOP_BIN=build/backstop tests/bench/catalog_bench.py
"""

import argparse
import pathlib
import statistics
import sys

import peers
from stage import PROGRAMS, Stage, act, cpu_seconds, pg_program, run

HERE = pathlib.Path(__file__).resolve().parent


def make_big(bench, objects):
    """Procedures commit between a thousand tables, so that no transaction holds too many locks."""
    bench.psql("postgres", "CREATE DATABASE big OWNER bench")
    bench.fill("big")
    run(pg_program("psql"), "-X", "-q", "-h", bench.folder, "-p", str(bench.pg_port),
        "-U", "postgres", "-d", "big", "-v", "ON_ERROR_STOP=1", "-f", HERE / "catalog_schema.sql")
    for first in range(0, objects, 1000):
        bench.psql("big", f"CALL make_tables({first}, {first + 999})",
                   f"CALL make_functions({first}, {first + 999})")
    bench.psql("big", "VACUUM ANALYZE")


def parts(bench):
    """The programs beside this, which print for themselves."""
    to = f"host={bench.folder} port={bench.pg_port} user=postgres dbname="
    print(run(PROGRAMS / "bench-catalog", to + "big", "3"))
    print(run(PROGRAMS / "bench-verdict", f"small={to}bench", f"10000={to}big"))


def measure(bench, peer, options):
    """(transactions a second, microseconds of the gateway's CPU for each)"""
    before = cpu_seconds(peer.pid) if peer.pid else 0
    rate, done = peers.figures(peers.pgbench(bench, peer, "-S", clients=options.clients, seconds=options.seconds))
    return rate, (cpu_seconds(peer.pid) - before) / done * 1e6 if peer.pid else 0


def relay(bench, options):
    targets = []
    for database, size in (("bench", "small"), ("big", "10,000")):
        for peer in (peers.direct(bench), peers.start_backstop(bench, database=database, audit_safe="counted")):
            peer.database, peer.name = database, f"{'gateway' if peer.pid else 'direct'}, {size}"
            targets.append(peer)
    rounds = []
    for number in range(options.rounds):
        turn = targets[number % 4:] + targets[:number % 4]
        rounds.append({t.name: measure(bench, t, options) for t in turn})
    for t in targets:
        print(f"{t.name:20} {statistics.median(r[t.name][0] for r in rounds):9,.0f} tps"
              f" {statistics.median(r[t.name][1] for r in rounds):7.1f} us CPU of the gateway")
    for what in ("direct", "gateway"):
        ratios = [r[f"{what}, 10,000"][0] / r[f"{what}, small"][0] for r in rounds]
        print(f"{what}, 10,000 / small: {statistics.median(ratios):.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=10000, help="tables, and functions")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=3, help="of each run")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--scale", type=int, default=5, help="of pgbench's tables")
    options = parser.parse_args()
    bench = Stage(options.scale)

    def body():
        bench.start_postgres()
        bench.fill("bench")
        make_big(bench, options.objects)
        parts(bench)
        relay(bench, options)

    return act(bench, body)


if __name__ == "__main__":
    sys.exit(main())
