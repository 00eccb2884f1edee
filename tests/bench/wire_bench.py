#!/usr/bin/env python3
"""What the gateway costs on the wire, beside HAProxy, PgBouncer and no gateway, in interleaved rounds.

    script/bench wire [--json FILE] [--rounds N] [--seconds N] [--only TEXT..] [--full]

A ratio is made within a round and turned so that above 1 we are ahead. See README.md beside this.
"""

import contextlib
import functools
import os
import pathlib
import random
import statistics
import subprocess
import sys
import threading
import time

import idle
import parts
import peers
from stage import (PASSWORD, Fault, Progress, Results, Stage, act, arguments, check_json, cpu_seconds, pg_program,
                   seconds, write_json)

REPEATED = "SELECT abalance FROM pgbench_accounts WHERE aid = 4711;\n"
MODES = ("simple", "extended", "prepared")
HELD = 100
# What the issue of the wire promises: workload, clients, peer (its beginning), least ratio.
PROMISED = (
    ("select, simple", 16, "PgBouncer", 1.0), ("select, prepared", 16, "PgBouncer", 1.0),
    ("select, simple, Unix socket", 16, "PgBouncer", 1.0), ("select, prepared, Unix socket", 16, "PgBouncer", 1.0),
    ("added p50, select, simple", 1, "PgBouncer", 1.0), ("added p50, select, prepared", 1, "PgBouncer", 1.0),
    ("copy out", 1, "PgBouncer", 1.0), ("connect", 16, "PgBouncer", 1.0),
    ("memory of an idle session", 5000, "8 KB", 1.0), ("p99 beside held statements", 16, "without", 0.9),
    ("p99 beside a protected execution", 16, "without", 0.9), ("classify, pgbench SELECT", 1, "1.5 us", 1.0),
    ("classify, psql \\dt", 1, "6 us", 1.0), ("cache hit", 1, "0.2 us", 1.0))


class Wire(Stage):
    SETTINGS = "max_connections = 1500\nmax_wal_size = 8GB\n"

    def start(self, megabytes):
        self.start_postgres()
        self.fill("bench")
        # Rows as pgbench's accounts have them, about 100 bytes each as text.
        self.psql("bench", "CREATE UNLOGGED TABLE source AS SELECT g::bigint AS id, g % 10 AS bid, "
                  "md5(g::text) || md5((g + 1)::text) || 'abcdefghijklmn' AS filler "
                  f"FROM generate_series(1, {megabytes * 10_500}) g",
                  "CREATE UNLOGGED TABLE copied (LIKE source)", "CREATE UNLOGGED TABLE protected (LIKE source)",
                  "CREATE TABLE held (id int PRIMARY KEY, v int)",
                  f"INSERT INTO held SELECT g, g FROM generate_series(1, {HELD}) g",
                  "GRANT ALL ON source, copied, protected, held TO bench", "VACUUM ANALYZE")
        self.bytes = int(self.psql("bench", "SELECT sum(length(id::text) + length(bid::text) + length(filler) + 3) "
                                   "FROM source"))
        (self.folder / "repeated.sql").write_text(REPEATED)

    @functools.cached_property
    def tcp(self):
        """{short name: peer}; what cannot be had is missing."""
        found = {"direct": peers.direct(self), "haproxy": peers.start_haproxy(self),
                 "pgbouncer": peers.start_pgbouncer(self),
                 "current": peers.start_pgbouncer(self, "pgbouncer-current"), "ours": peers.start_backstop(self)}
        return {name: peer for name, peer in found.items() if peer}

    @functools.cached_property
    def unix(self):
        return {"pgbouncer": peers.start_pgbouncer(self, how="unix"), "ours": peers.start_backstop(self, how="unix")}

    @contextlib.contextmanager
    def pinned(self, peer):
        """One client alone: the server on the first core, the rest on the last; all of them where there is one."""
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            yield
            return
        try:
            self.place({cores[0]}, {cores[-1]}, peer)
            yield
        finally:
            self.place(set(cores), set(cores), peer)

    def place(self, server, others, peer):
        for pid in [self.postmaster, *children(self.postmaster)]:
            affinity(pid, server)
        if peer.pid:
            affinity(peer.pid, others)
        os.sched_setaffinity(0, others)  # pgbench inherits it


def children(parent):
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(path.parent.name))
    return found


def affinity(pid, cores):
    with contextlib.suppress(OSError):
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), cores)


class Workload:
    """A load that every peer gets in each round; measure() gives {figure: value}, "rate" the larger the better."""

    def __init__(self, name, clients, names, how="tcp", share=1.0):
        self.name, self.clients, self.names, self.how, self.share = name, clients, names, how, share

    def peers(self, stage):
        found = getattr(stage, self.how)
        return [found[n] for n in self.names if n in found]

    def slices(self):
        return len(self.names)

    def round(self, stage, results, options, number, step):
        targets = self.peers(stage)
        got = dict.fromkeys(targets)  # in the order of the tables, whatever that of the measuring
        random.Random(f"{number} {self.name} {self.clients}").shuffle(targets)
        for peer in targets:
            step(f"{self.name}, {self.clients} clients, {peer.name}")
            before = cpu_seconds(peer.pid) if peer.pid else 0
            got[peer] = self.measure(stage, peer, options.seconds * self.share)
            if peer.pid:
                got[peer]["CPU us"] = (cpu_seconds(peer.pid) - before) / got[peer].pop("done") * 1e6
        self.compare(got, results)

    def compare(self, got, results):
        ours = next(p for p in got if p.ours)
        mine = got[ours]
        for peer, theirs in got.items():
            if peer.ours:
                continue
            results.add(self.name, self.clients, peer.name, mine["rate"], mine["rate"] / theirs["rate"])
            if "CPU us" in theirs and mine["CPU us"] > 0:
                results.add(f"CPU us, {self.name}", self.clients, peer.name, mine["CPU us"],
                            theirs["CPU us"] / mine["CPU us"])


class Pgbench(Workload):
    def __init__(self, name, clients, names, arguments, **more):
        super().__init__(name, clients, names, **more)
        self.arguments = arguments

    def measure(self, stage, peer, slice_seconds):
        rate, done = peers.figures(peers.pgbench(stage, peer, *self.arguments, clients=self.clients,
                                                 seconds=max(1, round(slice_seconds))))
        return {"rate": rate, "done": done}


class Alone(Pgbench):
    """One client: what a statement costs more than without a gateway, from pgbench's own log."""

    def measure(self, stage, peer, slice_seconds):
        with stage.pinned(peer), logged(stage) as (options, read):
            out = peers.pgbench(stage, peer, *self.arguments, *options, clients=1, seconds=max(1, round(slice_seconds)))
            times = [us for _, us in read()]
        rate, done = peers.figures(out)
        return {"rate": rate, "done": done, "p50": percentile(times, 50), "p99": percentile(times, 99)}

    def compare(self, got, results):
        super().compare(got, results)
        ours = next(p for p in got if p.ours)
        bare = got[next(p for p in got if p.name == "direct")]
        for which in ("p50", "p99"):
            # A clock of microseconds: less than one is not told apart.
            added = {p: max(1.0, values[which] - bare[which]) for p, values in got.items()}
            for peer in got:
                if peer.pid and not peer.ours:
                    results.add(f"added {which}, {self.name}", 1, peer.name, added[ours], added[peer] / added[ours])


class Copy(Workload):
    def measure(self, stage, peer, _):
        if self.name == "copy out":
            took = seconds(peers.psql, peer, "COPY source TO STDOUT")[0]
        else:
            stage.psql("bench", "TRUNCATE copied")
            with (stage.folder / "rows").open() as rows:
                took = seconds(peers.psql, peer, "COPY copied FROM STDIN", rows)[0]
        return {"rate": stage.bytes / took / 1e6, "done": stage.bytes / 1e6}


class Held:
    """Latency at a fixed rate, far from saturation: alone, beside statements that wait, and beside a capture."""

    name, clients, SLICES = "p99 beside", 16, ("without", "held", "protected", "dump")

    def __init__(self):
        self.rate = None

    def slices(self):
        return len(self.SLICES) + 1

    def round(self, stage, results, options, number, step):
        ours = stage.tcp["ours"]
        if self.rate is None:
            step("how much there is to do")
            out = peers.pgbench(stage, ours, "-S", clients=16, seconds=max(1, round(options.seconds / 2)))
            self.rate = peers.figures(out)[0] / 4
        order = list(self.SLICES)
        random.Random(number).shuffle(order)
        p99 = {}
        for what in order:
            step(f"p99 beside: {what}")
            p99[what] = getattr(self, what)(stage, ours, options.seconds)
        add = functools.partial(results.add, "p99 beside a protected execution", 16)
        results.add("p99 beside held statements", 16, "without", p99["held"], p99["without"] / p99["held"])
        add("without", p99["protected"], p99["without"] / p99["protected"])
        add("beside pg_dump of that table", p99["protected"], p99["dump"] / p99["protected"])

    def load(self, stage, peer, slice_seconds, beside=None):
        """p99 in us; while beside() runs, where it is given."""
        with logged(stage) as (options, read):
            command = functools.partial(peers.pgbench, stage, peer, "-S", "-R", f"{self.rate:.0f}", *options,
                                        clients=16, seconds=slice_seconds)
            if beside is None:
                command()
                return percentile([us for _, us in read()], 99)
            with Thread(command):
                time.sleep(0.3)
                start = time.time()
                beside()
                end = time.time()
            times = [us for at, us in read() if start <= at <= end]
            if len(times) < 200:
                raise Fault("what ran beside the load was too short for a p99: a larger --megabytes makes it longer")
            return percentile(times, 99)

    def without(self, stage, ours, slice_seconds):
        return self.load(stage, ours, slice_seconds)

    def held(self, stage, ours, slice_seconds):
        with idle.held(ours, HELD):
            return self.load(stage, ours, slice_seconds)

    def protected(self, stage, ours, slice_seconds):
        stage.psql("bench", "INSERT INTO protected SELECT * FROM source", "CHECKPOINT")
        with idle.held(ours, HELD):
            return self.load(stage, ours, slice_seconds, functools.partial(peers.psql, ours, "TRUNCATE protected"))

    def dump(self, stage, ours, slice_seconds):
        def whole():
            subprocess.run([pg_program("pg_dump"), "-Fc", "--no-sync", "-t", "source", "-f", "/dev/null", "-d",
                            stage.where("127.0.0.1", stage.pg_port)], check=True, capture_output=True, text=True)
        return self.load(stage, ours, slice_seconds, whole)


class Thread:
    """Runs beside the block; its fault is raised at the end of it."""

    def __init__(self, call):
        self.fault = None
        self.thread = threading.Thread(target=self.run, args=(call,))

    def run(self, call):
        try:
            call()
        except Exception as e:
            self.fault = e

    def __enter__(self):
        self.thread.start()

    def __exit__(self, kind, *_):
        self.thread.join()
        if kind is None and self.fault:
            raise self.fault


@contextlib.contextmanager
def logged(stage):
    """(options of pgbench, function that gives [(end in seconds since 1970, microseconds)])"""
    prefix = stage.folder / "latency"

    def read():
        rows = []
        for path in stage.folder.glob("latency.*"):
            for line in path.read_text().splitlines():
                fields = line.split()
                if len(fields) >= 6:
                    rows.append((int(fields[4]) + int(fields[5]) / 1e6, int(fields[2])))
        if not rows:
            raise Fault("pgbench wrote no log of its transactions")
        return rows
    try:
        yield ("--log", f"--log-prefix={prefix}"), read
    finally:
        for path in stage.folder.glob("latency.*"):
            path.unlink()


def percentile(values, which):
    return statistics.quantiles(values, n=100, method="inclusive")[which - 1] if len(values) > 1 else values[0]


def workloads():
    everybody = ("direct", "haproxy", "pgbouncer", "current", "ours")
    bouncers = ("pgbouncer", "current", "ours")
    for mode in MODES:
        arguments = ("-S", "-M", mode)
        yield Pgbench(f"select, {mode}", 16, everybody, arguments)
        yield Alone(f"select, {mode}", 1, ("direct", *bouncers), arguments, share=0.6)
        yield Pgbench(f"select, {mode}", 64, bouncers, arguments, share=0.6)
        if mode != "extended":
            yield Pgbench(f"select, {mode}, Unix socket", 16, ("pgbouncer", "ours"), arguments, how="unix")
    yield Pgbench("repeated text, simple", 16, ("pgbouncer", "ours"), ("-f", "repeated.sql", "-M", "simple"), share=0.6)
    yield Pgbench("TPC-B, simple", 16, ("pgbouncer", "ours"), ("-M", "simple"), share=0.6)
    yield Pgbench("connect", 16, everybody, ("-S", "-C"), share=0.6)
    yield Copy("copy out", 1, everybody)
    yield Copy("copy in", 1, everybody)
    yield Held()


def once():
    """What is measured one time: {name: function(stage, results, step)}"""
    return {"memory of an idle session": idle.measure, "parts: classify, framing, cache": parts.measure}


def promised(results):
    """Lines: each bound of the issue, and whether this run holds it."""
    for workload, clients, peer, least in PROMISED:
        rows = [r for r in results.list() if (r["workload"], r["clients"]) == (workload, clients) and
                r["peer"].startswith(peer)]
        for r in rows:
            held = "holds " if r["ratio_median"] >= least else "MISSED"
            yield f"{held} {workload}, {clients}, {r['peer']}: {r['ratio_median']:.2f} (at least {least})"


def main():
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, help="of a slice; 5, with --full 15; some have 0.6 of it")
    parser.add_argument("--only", nargs="+", default=[""], metavar="TEXT",
                        help="workloads with one of these texts in their name")
    parser.add_argument("--megabytes", type=int, help="of COPY and of what is protected; 256, with --full 1000")
    parser.add_argument("--scale", type=int, default=10, help="of pgbench's tables")
    parser.add_argument("--full", action="store_true", help="longer slices and 1 GB: an hour and a half")
    options = parser.parse_args()
    options.seconds = options.seconds or (15 if options.full else 5)
    options.megabytes = options.megabytes or (1000 if options.full else 256)
    if min(options.rounds, options.seconds, options.megabytes, options.scale) < 1:
        parser.error("numbers start at 1")
    loads = [w for w in workloads() if any(t in f"{w.name}, {w.clients} clients" for t in options.only)]
    single = {n: f for n, f in once().items() if any(t in n for t in options.only)}
    if not loads and not single:
        parser.error("--only leaves nothing; the workloads are: " +
                     "; ".join([*dict.fromkeys(w.name for w in workloads()), *once()]))
    stage, results = Wire(options.scale), Results()

    def body():
        check_json(options.json)
        progress = Progress(options.rounds * sum(w.slices() for w in loads) + len(single))
        progress.line("bench: making the server and its tables")
        stage.start(options.megabytes)
        if any(isinstance(w, Copy) for w in loads):
            with (stage.folder / "rows").open("w") as rows:
                peers.psql(peers.direct(stage), "COPY source TO STDOUT", stdout=rows)
        for number in range(options.rounds):
            for load in loads:
                load.round(stage, results, options, number, progress.step)
            if loads:
                progress.line(f"bench: round {number + 1} of {options.rounds}, load average {os.getloadavg()[0]:.1f}")
        for name, measure in single.items():
            progress.step(name)
            measure(stage, results)
        progress.line("")
        results.show()
        print("", *promised(results), sep="\n")
        write_json(options.json, results.list())

    return act(stage, body)


if __name__ == "__main__":
    sys.exit(main())
