#!/usr/bin/env python3
"""What a catalog of 10,000 tables and 10,000 functions costs, beside a small one.

Loading and refreshing it, memory, verdicts, and pgbench -S through a gateway in front of each, in
interleaved rounds. See README.md beside this.

    ninja -C build backstop tests/bench/bench-catalog tests/bench/bench-verdict
    BACKSTOP_BIN=build/backstop tests/bench/catalog_bench.py
"""

import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

from bench import Bench, Target, pg_program, run

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
    folder = pathlib.Path(os.environ["BACKSTOP_BIN"]).resolve().parent / "tests" / "bench"
    to = f"host={bench.folder} port={bench.pg_port} user=postgres dbname="
    print(run(folder / "bench-catalog", to + "big", "3"))
    print(run(folder / "bench-verdict", f"small={to}bench", f"10000={to}big"))


def relay(bench, options):
    targets = [Target("direct, small", bench.pg_port), Target("direct, 10,000", bench.pg_port,
                                                              database="big")]
    for database in ("bench", "big"):
        targets.append(bench.start_backstop("counted", database))
        targets[-1].name = "gateway, " + ("small" if database == "bench" else "10,000")
        bench.wait_for(targets[-1])
    rounds = []
    for number in range(options.rounds):
        turn = targets[number % 4:] + targets[:number % 4]
        rounds.append({t.name: bench.measure(t, "simple", options.clients, options.seconds)
                       for t in turn})
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
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bs-bench-"))
    folder.chmod(0o755)
    bench = Bench(folder, options.scale)
    try:
        bench.start_postgres()
        make_big(bench, options.objects)
        parts(bench)
        relay(bench, options)
    except subprocess.CalledProcessError as e:
        sys.exit(f"bench: {e}\n{e.stderr}")
    finally:
        bench.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
