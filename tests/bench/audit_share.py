#!/usr/bin/env python3
"""What recording every SAFE statement costs: `audit_safe: all` beside `counted`.

    BACKSTOP_BIN=build-release/backstop tests/bench/audit_share.py [--rounds 7] [--seconds 2]

Two gateways before one PostgreSQL, asked in turns by pgbench -S with 16 clients. Of each round the ratio of the
transactions; the goal is 0.95.
"""

import argparse
import statistics
import sys

import peers
from wire_bench import Wire
from stage import act

MODES = ("simple", "prepared")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2)
    options = parser.parse_args()
    stage = Wire(10)

    def rate(peer, mode):
        said = peers.pgbench(stage, peer, "-S", "-M", mode, clients=16, seconds=options.seconds)
        return peers.figures(said)[0]

    def body():
        stage.start_postgres()
        stage.fill("bench")
        sides = [peers.start_backstop(stage, audit_safe=how) for how in ("all", "counted")]
        for mode in MODES:
            ratios = []
            for number in range(options.rounds):
                order = sides if number % 2 == 0 else sides[::-1]
                got = {side: rate(side, mode) for side in order}
                ratios.append(got[sides[0]] / got[sides[1]])
            print(f"{mode}: {statistics.median(ratios):.3f} of what counting alone gives "
                  f"({min(ratios):.2f} to {max(ratios):.2f})", flush=True)

    return act(stage, body)


if __name__ == "__main__":
    sys.exit(main())
