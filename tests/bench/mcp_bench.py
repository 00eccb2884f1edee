#!/usr/bin/env python3
"""Queries over MCP: `backstop_query` through the gateway, with the audit on, against a plain server of node-postgres.

Both speak streamable HTTP with the same client, and ask the same PostgreSQL the same query. Above 1 we are ahead.
"""

import json
import os
import pathlib

from peers import start_backstop
from stage import (PASSWORD, Fault, Progress, Results, Stage, act, arguments, check_json, cpu_seconds, free_port, run,
                   write_json)

HERE = pathlib.Path(__file__).resolve().parent / "mcp"
NODE = pathlib.Path(os.environ.get("BENCH_NODE", ""))
KINDS = {"bare": "bare requests", "official": "official client", "session": "official client, session"}


def load(url, tool, kind, options, bearer=None):
    printed = run("node", NODE / "load.mjs", kind, url, tool, str(options.clients), str(options.seconds),
                  str(options.rows), env={**os.environ, **({"BEARER": bearer} if bearer else {})},
                  timeout=options.seconds + 120)
    return json.loads(printed)


class Plain:
    def __init__(self, stage):
        port = free_port()
        self.name, self.tool, self.bearer = "node-postgres", "query", None
        self.url = f"http://127.0.0.1:{port}/mcp"
        self.process = stage.spawn(["node", str(NODE / "server.mjs"), str(port),
                                    f"postgresql://bench:{PASSWORD}@127.0.0.1:{stage.pg_port}/bench"])
        stage.wait_for(self.name, port, self.process)


class Ours:
    def __init__(self, stage):
        port = free_port()
        self.name, self.tool = "backstop", "backstop_query"
        self.url = f"http://127.0.0.1:{port}/mcp"
        self.peer = start_backstop(stage, agents_http={"listen": f"127.0.0.1:{port}"})
        self.process = self.peer.process
        added = json.loads(run(os.environ["BACKSTOP_BIN"], "agents", "token", "bench", "--ttl", "12h", "--json", "--config",
                               self.peer.config))
        self.bearer = added["bearer"]
        stage.wait_for(self.name, port, self.process)


def measured(site, kind, options):
    before = cpu_seconds(site.process.pid)
    got = load(site.url, site.tool, kind, options, site.bearer)
    got["cpu_us"] = (cpu_seconds(site.process.pid) - before) * 1e6 / max(1, got["per_second"] * options.seconds)
    return got


def round_of(sites, kind, options, results, progress, number):
    plain, ours = sites
    order = sites if number % 2 else sites[::-1]
    got = {}
    for site in order:
        progress.step(f"{KINDS[kind]}: {site.name}")
        got[site.name] = measured(site, kind, options)
    a, b = got[ours.name], got[plain.name]
    results.add(f"{KINDS[kind]}, queries/s", options.clients, plain.name, a["per_second"],
                a["per_second"] / b["per_second"])
    results.add(f"{KINDS[kind]}, p50 ms", options.clients, plain.name, a["p50"], b["p50"] / a["p50"])
    results.add(f"{KINDS[kind]}, server's CPU us/query", options.clients, plain.name, a["cpu_us"],
                b["cpu_us"] / max(1e-9, a["cpu_us"]))
    progress.line(f"{KINDS[kind]}: {a['per_second']:.0f}/s against {b['per_second']:.0f}/s, "
                  f"p50 {a['p50']:.2f} against {b['p50']:.2f} ms, CPU {a['cpu_us']:.0f} against {b['cpu_us']:.0f} us")


def main():
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rows", type=int, default=10, help="of each answer")
    parser.add_argument("--kind", choices=KINDS, action="append")
    options = parser.parse_args()
    check_json(options.json)
    if not (NODE / "node_modules").is_dir():
        raise Fault("start it as script/bench mcp")
    stage, results = Stage(), Results()
    kinds = options.kind or list(KINDS)
    progress = Progress(options.rounds * len(kinds) * 2)

    def body():
        stage.start_postgres()
        stage.fill("bench")
        sites = [Plain(stage), Ours(stage)]
        for number in range(options.rounds):
            for kind in kinds:
                round_of(sites, kind, options, results, progress, number)
        results.show()
        write_json(options.json, results.list())

    return act(stage, body)


if __name__ == "__main__":
    raise SystemExit(main())
